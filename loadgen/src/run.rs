//! A run from its plan to its outcome.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::{Error, Outcome, Plan};

/// What a run has counted so far. An observer is told about every 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the run is doing.
    pub phase: Phase,
    /// How long the phase has lasted.
    pub elapsed: Duration,
    /// How long the phase is to last.
    pub planned: Duration,
    /// Complete responses in this phase.
    pub responses: u64,
    /// Errors of all kinds in this phase.
    pub errors: u64,
    /// TCP connections that are or were established in this phase.
    pub opened: u64,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Offering load without measuring.
    WarmUp,
    /// Measuring.
    Measure,
}

/// Does what `plan` says and returns what came of it. Blocks for the plan's warm-up and duration, or until `stop`
/// becomes true; then it returns, within a few milliseconds, what was measured by then.
///
/// The server's failures are part of the outcome: a server that refuses every connection yields an outcome without
/// a response. `observer` is called on the calling thread.
///
/// # Errors
///
/// Only when there is nothing to connect to (a URL that is not `http://...`, a host without an address), when the
/// plan is out of its bounds, or when the system refuses a thread or a poll descriptor.
pub fn run(
    plan: &Plan,
    observer: &mut dyn FnMut(&Progress),
    stop: &AtomicBool,
) -> Result<Outcome, Error> {
    let _ = (plan, observer, stop);
    Err(Error::Plan("the engine is not in place yet".into()))
}
