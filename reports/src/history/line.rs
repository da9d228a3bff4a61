//! What is kept of a run in a history: a line of JSON.

use serde::{Deserialize, Serialize};

use crate::decision;
use crate::environment::{Commit, Environment, InterruptAccounting};
use crate::merit::Merit;
use crate::ranking::{Row, tables};
use crate::record::{Run, ServerKind};
use crate::statistics::paired_ratio;
use crate::timestamp::Timestamp;
use crate::validity::Standing;
use crate::words;

/// The version of a line's form that this library writes and reads. It grows whenever a reader of the older form could
/// misread the newer one.
pub const FORMAT: u32 = 1;

/// How far the memory of one and the same machine may differ between runs, as a share: kernels keep more of it or less.
const MEMORY_TOLERANCE: f64 = 0.05;

/// A run in a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The version of this line's form, [`FORMAT`] when written by this library.
    pub format: u32,
    /// The run's name, by which it is known: once in a history.
    pub id: String,
    /// The name of the suite, or of the experiment.
    pub suite: String,
    /// When the run started; the order of a history.
    pub started_at: Timestamp,
    /// The state of the source that was built, where it was under git.
    pub commit: Option<Commit>,
    /// The compiler that built the servers, as `rustc --version` has it, where it is known.
    pub rustc: Option<String>,
    /// The version of the bench that made the run.
    pub tool_version: String,
    /// The kernel's name and release.
    pub kernel: String,
    /// Whether the time of interrupts is in the CPU time of processes; absent where that was not found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt_accounting: Option<InterruptAccounting>,
    /// The machine, whose runs alone are compared with each other.
    pub machine: Machine,
    /// Every measurement of the run, whatever came of it.
    pub measurements: Vec<Entry>,
}

/// A machine, as far as it makes figures comparable. It holds no host name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, by the name it gives itself.
    pub cpu_model: String,
    /// Logical CPUs that the bench was allowed to use.
    pub cpus: u32,
    /// The CPUs that the servers ran on, ascending.
    pub server_cpus: Vec<usize>,
    /// The CPUs that the load generator ran on, ascending.
    pub client_cpus: Vec<usize>,
    /// The machine's memory in bytes.
    pub memory_bytes: u64,
    /// Whether the processor says that it runs under a hypervisor.
    pub hypervisor: bool,
}

/// A measurement of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The part of the run that it belongs to.
    pub part: String,
    /// The server's name.
    pub server: String,
    /// Whose the server is.
    pub kind: ServerKind,
    /// The measurement's name as a label: `epoll, 4 workers, log`.
    pub name: String,
    /// Its worker count; absent for a server that has none.
    pub workers: Option<u32>,
    /// Flags of the suite beyond the worker count and the log.
    pub flags: Vec<String>,
    /// Whether it wrote an access log.
    pub access_log: bool,
    /// Whether it is another entry of one and the same measurement, which is in no series.
    pub is_twin: bool,
    /// The load in a few words: `latency: 25 % of its capacity offered`.
    pub workload: String,
    /// A digest of the workload; compared only where it is equal.
    pub workload_hash: String,
    /// A digest of server and configuration; compared only where it is equal.
    pub configuration_hash: String,
    /// Where the measurement stood.
    pub standing: Standing,
    /// Responses per CPU-second that was available to the server, in quiet windows of a closed loop.
    pub capacity: Option<Figure>,
    /// Complete responses per second, over the rounds that count.
    pub requests_per_second: Option<f64>,
    /// CPU time of the server per complete response, in microseconds.
    pub server_cpu_microseconds: Option<Figure>,
    /// The latency that 99 % of the responses of an open loop did not exceed, in nanoseconds.
    pub p99_nanoseconds: Option<Figure>,
    /// System calls for one request, where they were counted.
    pub system_calls: Option<f64>,
}

/// A figure of all rounds together, and how far the rounds agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// The standard error of the logarithm of the rounds' mean; one round has none.
    pub standard_error: Option<f64>,
    /// Rounds that have such a figure by themselves.
    pub rounds: usize,
}

impl Line {
    /// Sums a run up.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let environment = &run.environment;
        let tables = tables(run);
        let entries = tables.iter().flat_map(|table| {
            let load = decision::load(table);
            table.rows.iter().map(move |row| Entry::of(row, &load))
        });
        Self {
            format: FORMAT,
            id: run.id.clone(),
            suite: run.suite.clone(),
            started_at: run.started_at,
            commit: environment.commit.clone(),
            rustc: environment.rustc.clone(),
            tool_version: environment.tool_version.clone(),
            kernel: environment.kernel.clone(),
            interrupt_accounting: environment.interrupt_accounting,
            machine: Machine::of(environment),
            measurements: entries.collect(),
        }
    }

    /// The state of the source for a reader: a shortened hash, or the run's name where there is none.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.commit {
            Some(Commit { hash, dirty }) => {
                let short = hash.get(..9).unwrap_or(hash);
                format!("{short}{}", if *dirty { " with changes" } else { "" })
            }
            None => self.id.clone(),
        }
    }
}

impl Machine {
    fn of(environment: &Environment) -> Self {
        Self {
            cpu_model: environment.cpu_model.clone(),
            cpus: environment.cpus,
            server_cpus: environment.server_cpus.clone(),
            client_cpus: environment.client_cpus.clone(),
            memory_bytes: environment.memory_bytes,
            hypervisor: environment.hypervisor,
        }
    }

    /// Whether figures of the two may be compared.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let apart = self.memory_bytes.abs_diff(other.memory_bytes) as f64;
        apart <= MEMORY_TOLERANCE * self.memory_bytes.max(other.memory_bytes) as f64
            && Self { memory_bytes: 0, ..self.clone() } == Self { memory_bytes: 0, ..other.clone() }
    }

    /// The machine in a line.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "{}{}, {}, {} of memory, server on CPU {}, client on CPU {}",
            self.cpu_model,
            if self.hypervisor { " (virtual machine)" } else { "" },
            words::plural(self.cpus.into(), "CPU"),
            words::bytes(self.memory_bytes),
            words::cpus(&self.server_cpus),
            words::cpus(&self.client_cpus),
        )
    }
}

impl Entry {
    fn of(row: &Row<'_>, load: &str) -> Self {
        let measurement = row.measurement;
        let figures = &row.figures;
        let is_open = measurement.workload.arrival.is_open();
        let of_merit = |merit: Merit| -> Option<Figure> {
            let rounds: Vec<f64> = figures.rounds.iter().filter_map(|round| merit.of_round(round)).collect();
            Figure::of(merit.of_row(figures), &rounds)
        };
        let calls = measurement.system_calls.as_ref().and_then(|counting| counting.calls());
        Self {
            part: measurement.part.clone(),
            server: measurement.server.name.clone(),
            kind: measurement.server.kind,
            name: measurement.name(),
            workers: measurement.configuration.workers,
            flags: measurement.configuration.flags.clone(),
            access_log: measurement.configuration.access_log,
            is_twin: measurement.is_twin,
            workload: load.to_owned(),
            workload_hash: measurement.workload_hash.clone(),
            configuration_hash: measurement.configuration_hash.clone(),
            standing: row.standing(),
            capacity: of_merit(Merit::Capacity).filter(|_| !is_open),
            requests_per_second: figures.requests_per_second(),
            server_cpu_microseconds: of_merit(Merit::Cost),
            p99_nanoseconds: of_merit(Merit::Latency).filter(|_| is_open),
            system_calls: calls.map(crate::SystemCalls::per_request),
        }
    }
}

impl Figure {
    fn of(value: Option<f64>, rounds: &[f64]) -> Option<Self> {
        let pairs: Vec<(f64, f64)> = rounds.iter().map(|figure| (*figure, 1.0)).collect();
        let standard_error = paired_ratio(&pairs).and_then(|ratio| ratio.standard_error);
        value.map(|value| Self { value, standard_error, rounds: rounds.len() })
    }
}
