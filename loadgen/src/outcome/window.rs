//! The course of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::per_second;

/// What happened in one piece of the run. Events belong to the window in which the client learnt of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its beginning, in nanoseconds since measuring started.
    pub offset_ns: u64,
    /// Its length in nanoseconds.
    pub length_ns: u64,
    /// Complete responses.
    pub responses: u64,
    /// Errors of all kinds, [`Errors::total`](crate::Errors::total).
    pub errors: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// CPU time of all client threads in nanoseconds.
    pub cpu_ns: u64,
    /// Time that was stolen from the CPUs of this machine (by the hypervisor, for other virtual machines), in nanoseconds by
    /// CPU number, to the resolution of the kernel's ticks, mostly 10 ms. CPUs without an entry lost none. `None`
    /// where the kernel does not tell.
    pub steal_ns: Option<BTreeMap<usize, u64>>,
}

impl Window {
    /// Complete responses per second.
    #[must_use]
    pub fn responses_per_second(&self) -> f64 {
        per_second(self.responses, self.length_ns)
    }
}
