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
    /// The clock that the CPU times come from; absent in older records, which have ticks.
    #[serde(default)]
    pub cpu_source: Option<CpuSource>,
    /// How far the CPU time of the whole sample may be from the truth, in seconds: the resolution of its clock, and the time
    /// between the looks and the ends of the measured time. Absent in older records, which have [`TICK_SECONDS`].
    #[serde(default)]
    pub cpu_resolution_seconds: Option<f64>,
    /// Whether a process of the tree holds the socket that listens on the measured port; absent where that cannot be seen.
    #[serde(default)]
    pub listens: Option<bool>,
    /// Threads that could run on other CPUs than the server's while it was measured; absent where there was none.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
    /// Each look, in the order of time.
    pub points: Vec<SamplePoint>,
}

/// The resolution of the CPU times of records that do not state it, in seconds: a tick of `/proc`.
pub const TICK_SECONDS: f64 = 0.01;

/// So many times the resolution of its clock a CPU time must have before a figure is made of it.
pub const RESOLUTIONS_NEEDED: f64 = 10.0;

/// The clock that CPU times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuSource {
    /// `cpu.stat` of a control group (version 2) that the server had for itself.
    CgroupV2,
    /// `cpuacct.usage` of a control group (version 1) that the server had for itself.
    CgroupV1,
    /// The CPU clock of each process. Children that the server waited for are known in ticks alone.
    ProcessClocks,
    /// Ticks of `/proc/<pid>/stat`.
    Ticks,
}

/// Threads that could run on other CPUs than the server's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The most such threads at one look.
    pub threads: u32,
    /// The CPUs that they could use and that are not the server's, ascending.
    pub cpus: Vec<usize>,
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
/// It is the time in which the CPUs were not idle, without the server, the bench and stolen time. Interrupts are in it where
/// the kernel counts them to the process that was interrupted, and not where it counts them apart
/// ([`InterruptAccounting`](crate::environment::InterruptAccounting)).
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

    /// How far the CPU time may be from the truth, in seconds.
    #[must_use]
    pub fn resolution_seconds(&self) -> f64 {
        self.cpu_resolution_seconds.unwrap_or(TICK_SECONDS)
    }

    /// Whether the CPU time is long enough for its clock to say something of it.
    #[must_use]
    pub fn is_long_enough(&self) -> bool {
        is_long_enough(self.cpu_seconds(), self.resolution_seconds())
    }

    /// Voluntary and involuntary switches together.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.voluntary_switches.saturating_add(self.involuntary_switches)
    }
}

/// Whether a CPU time is long enough for a clock of this resolution, both in seconds.
#[must_use]
pub fn is_long_enough(seconds: f64, resolution: f64) -> bool {
    seconds > 0.0 && seconds >= RESOLUTIONS_NEEDED * resolution
}
