//! What is told of a run while it goes on.

use std::time::{Duration, Instant};

use crate::{Histogram, Window};

/// Is told of a run while it goes on. A closure that takes a `&Progress` is one.
pub trait Observer {
    /// How far the run is; called about every 100 ms.
    fn progress(&mut self, progress: &Progress);

    /// It is known when the measured time begins and when it is to end; called once, as soon as that is known, which is before
    /// it begins where there is a warm-up.
    fn scheduled(&mut self, _from: Instant, _until: Instant) {}

    /// A window is over. Called in their order, and only if [`wants_windows`](Self::wants_windows).
    fn window(&mut self, _report: &WindowReport) {}

    /// Whether the latencies of each window are wanted by themselves, which costs some microseconds for each.
    fn wants_windows(&self) -> bool {
        false
    }
}

impl<F: FnMut(&Progress)> Observer for F {
    fn progress(&mut self, progress: &Progress) {
        self(progress);
    }
}

/// What a run has counted so far. An observer is told about every 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the run is doing.
    pub phase: Phase,
    /// How long the phase has lasted.
    pub elapsed: Duration,
    /// How long the phase is to last.
    pub planned: Duration,
    /// How many requests the plan has, if it ends with them.
    pub requests: Option<u64>,
    /// Requests in this phase that are answered or have failed.
    pub finished: u64,
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
    /// Opening connections, or offering load without measuring.
    WarmUp,
    /// Measuring.
    Measure,
}

/// What is told of a window as soon as it is over.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowReport {
    /// Its number, from 0.
    pub index: u64,
    /// Its figures; `steal_ns` is filled in only in the outcome.
    pub window: Window,
    /// The latencies of the responses that were complete in it, and the ages of the requests that were given up in it.
    pub latency: Histogram,
}
