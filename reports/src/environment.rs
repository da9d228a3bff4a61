//! What surrounded a run: whatever could explain a number later.

use serde::{Deserialize, Serialize};

/// The machine, its limits and the build, as they were when the run started. It holds no host name and no user name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The processor, by the name it gives itself.
    pub cpu_model: String,
    /// Logical CPUs that the bench was allowed to use.
    pub cpus: u32,
    /// The CPUs that the load generator ran on, ascending.
    pub client_cpus: Vec<usize>,
    /// The CPUs that the server ran on, ascending.
    pub server_cpus: Vec<usize>,
    /// The frequency governor of the server's first CPU, where the system tells.
    pub governor: Option<String>,
    /// Whether the processor says that it runs under a hypervisor, so that other virtual machines may take its time.
    pub hypervisor: bool,
    /// The machine's memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's name and release, `Linux 6.8.0`.
    pub kernel: String,
    /// Limits that connections run into.
    pub limits: Limits,
    /// The compiler that built the servers, as `rustc --version` has it, where it is known.
    pub rustc: Option<String>,
    /// The state of the source that was built, where it is under git.
    pub commit: Option<Commit>,
    /// The version of the bench that made the run.
    pub tool_version: String,
    /// Whether the time of interrupts is in the CPU time of processes, as the run found out; absent in older records.
    #[serde(default)]
    pub interrupt_accounting: Option<InterruptAccounting>,
    /// Whether the hardware threads of one core were divided between server and client; absent where that is not known.
    #[serde(default)]
    pub split_core: Option<bool>,
    /// What the generator reached against the null server on the same CPUs, where that was measured.
    pub generator_ceiling: Option<GeneratorCeiling>,
}

/// Where the kernel counts the time that it spends in interrupts, of the network above all: on loopback up to a third of a
/// server's time. CPU times of kernels that differ in it are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterruptAccounting {
    /// Apart (`CONFIG_IRQ_TIME_ACCOUNTING`): the CPU time of a process is without interrupts.
    CountedApart,
    /// To the process that was interrupted.
    CountedToTasks,
    /// Nobody knows.
    Unknown,
}

impl InterruptAccounting {
    /// Where the time of interrupts is, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::CountedApart => "counted apart from the time of processes",
            Self::CountedToTasks => "counted to the process that was interrupted",
            Self::Unknown => "not known whether in the time of processes or not",
        }
    }

    /// Whether CPU times of two runs may be compared: not where the kernels are known to differ.
    #[must_use]
    pub fn is_like(one: Option<Self>, other: Option<Self>) -> bool {
        let known = |accounting: Option<Self>| accounting.filter(|accounting| *accounting != Self::Unknown);
        match (known(one), known(other)) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }
}

/// Limits of the system that connections run into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Open descriptors a process may have (the soft `RLIMIT_NOFILE` that the server started with).
    pub descriptors: u64,
    /// Connections that may wait for accept on one listener (`net.core.somaxconn`).
    pub backlog: u64,
    /// First and last port that the kernel gives to clients (`net.ipv4.ip_local_port_range`), where it is known.
    pub ephemeral_ports: Option<(u16, u16)>,
}

/// A git commit and whether the tree differed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The full hash in hexadecimal.
    pub hash: String,
    /// Whether tracked files differed from the commit.
    pub dirty: bool,
}

/// What the load generator reached against the null server, which answers every request with fixed bytes: no
/// server can be seen to be faster than this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorCeiling {
    /// Responses per second.
    pub requests_per_second: f64,
    /// Responses per second of CPU time that the generator used; 0 if it used none that the clock could see.
    pub requests_per_cpu_second: f64,
}

impl Environment {
    /// Whether client and server had at least one CPU in common.
    #[must_use]
    pub fn cpus_are_shared(&self) -> bool {
        self.client_cpus.iter().any(|cpu| self.server_cpus.contains(cpu))
    }
}
