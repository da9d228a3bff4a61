//! What was seen of the server's processes while a round was measured.

use serde::{Deserialize, Serialize};

/// What the server's process tree used while it was measured, from /proc. Warm-up is not in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerSample {
    /// Wall time between the first and the last look, in seconds.
    pub wall_seconds: f64,
    /// CPU time spent in the program, in seconds; all threads and children together, exited ones too.
    pub cpu_user_seconds: f64,
    /// CPU time spent in the kernel on its behalf, in seconds; as above.
    pub cpu_system_seconds: f64,
    /// Times a thread gave its CPU up to wait for something, all threads summed.
    pub voluntary_switches: u64,
    /// Times a thread's CPU was taken from it, all threads summed.
    pub involuntary_switches: u64,
    /// The most resident memory that the tree had since its start, in bytes.
    pub peak_resident_bytes: u64,
    /// The most threads seen at one look.
    pub peak_threads: u32,
    /// The most open descriptors seen at one look.
    pub peak_descriptors: u32,
    /// CPU time that a quota of the server's control groups kept from them while it was measured, in seconds, all CPUs
    /// summed; absent where the kernel does not tell. The load generator may be in the same groups.
    #[serde(default)]
    pub throttled_seconds: Option<f64>,
    /// Each look, in the order of time.
    pub points: Vec<SamplePoint>,
}

/// One look at the server's process tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SamplePoint {
    /// Seconds since the start of the measured time.
    pub at_seconds: f64,
    /// User CPU time since the start of the measured time, in seconds.
    pub cpu_user_seconds: f64,
    /// System CPU time since the start of the measured time, in seconds.
    pub cpu_system_seconds: f64,
    /// Resident memory now, in bytes.
    pub resident_bytes: u64,
    /// Threads now.
    pub threads: u32,
    /// Open descriptors now.
    pub descriptors: u32,
}

/// CPU time that other processes took while a round was measured: neither the server nor the bench with its generator.
///
/// It is a lower bound. The kernel's interrupts are left out, because kernels differ in whether they also count them to
/// the process that was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// On the server's CPUs, in seconds.
    pub on_server_cpus_seconds: f64,
    /// On the client's CPUs, in seconds; the same figure where they are the server's, too.
    pub on_client_cpus_seconds: f64,
}

impl ServerSample {
    /// User and system CPU time together, in seconds.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_user_seconds + self.cpu_system_seconds
    }

    /// Voluntary and involuntary switches together.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.voluntary_switches.saturating_add(self.involuntary_switches)
    }
}
