//! How one client thread fared.

use serde::{Deserialize, Serialize};

/// How one client thread fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// How many of the plan's connections it drove.
    pub connections: usize,
    /// Complete responses.
    pub responses: u64,
    /// How long it measured, in nanoseconds of wall time.
    pub wall_ns: u64,
    /// Its CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// The part of `cpu_ns` that was spent in the program, as the kernel divides it by its ticks (coarsely).
    pub cpu_user_ns: u64,
    /// The part of `cpu_ns` that was spent in the kernel.
    pub cpu_system_ns: u64,
    /// How long it was ready to run while something else had the CPU, in nanoseconds; 0 where the kernel does not
    /// tell. Steal is not part of it.
    #[serde(default)]
    pub waited_ns: u64,
    /// The CPU it was pinned to.
    pub cpu: Option<usize>,
    /// Complete responses per second in pieces of about 100 ms as wrk takes them: truncated, pieces without a
    /// response run on into the next.
    pub rates: Vec<u64>,
}

impl ThreadRecord {
    /// The share of its wall time that it spent on a CPU, from 0 to 1.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        if self.wall_ns == 0 { 0.0 } else { self.cpu_ns as f64 / self.wall_ns as f64 }
    }
}
