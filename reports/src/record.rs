//! The record of a run, as it is stored: raw figures and where they come from, and nothing derived from them.

use std::collections::BTreeMap;

use loadgen::Outcome;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::freshness::Freshness;
use crate::sample::{Others, ServerSample};
use crate::system_calls::Counting;
use crate::timestamp::Timestamp;
use crate::words;

/// The version of the stored record that this library writes and reads. It grows whenever a reader of the older form
/// could misread the newer one.
pub const FORMAT: u32 = 3;

/// One run of a suite, or of several that make up one experiment: every measurement in every round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of this record's form, [`FORMAT`] when written by this library.
    pub format: u32,
    /// The run's name, which is also its folder's: `20260301T123005Z-wrk`.
    pub id: String,
    /// The name of the suite, or of the experiment.
    pub suite: String,
    /// The question that it asks, in one sentence.
    pub question: String,
    /// When the run started.
    pub started_at: Timestamp,
    /// When its last round ended; absent while it runs and for a run that was interrupted.
    pub finished_at: Option<Timestamp>,
    /// The command that repeats this run, word by word, its seed included.
    pub command: Vec<String>,
    /// The seed of the random order of the measurements in each round, and of the arrivals, paths and samples of each trial.
    pub seed: u64,
    /// Rounds that the run set out to do.
    pub rounds_planned: u32,
    /// How long the run was to take at most, in seconds: its turns, and those that are taken again for their noise.
    pub budget_seconds: f64,
    /// Machine, limits and build.
    pub environment: Environment,
    /// What runs before this one, on the same machine, have shown of its noise; absent where there are none.
    #[serde(default)]
    pub noise_before: Option<NoiseBefore>,
    /// The questions that it asks, in the order in which a report answers them; a suite alone asks one.
    pub parts: Vec<Part>,
    /// Servers that were to take part and could not, each with the program that is missing.
    pub missing: Vec<MissingServer>,
    /// Every measurement of the plan in the suite's order, those with no round yet included.
    pub measurements: Vec<Measurement>,
}

/// How far A/A controls differed from what they repeat in other runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoiseBefore {
    /// How many runs.
    pub runs: u32,
    /// Pairs of turns, over all of them.
    pub pairs: u64,
    /// The sum of the squares of the natural logarithms of each pair's ratio.
    pub squares: f64,
}

/// One question of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The name of the suite that asks it, by which measurements refer to it.
    pub suite: String,
    /// The question, in one sentence.
    pub question: String,
    /// What changes from measurement to measurement beside the server.
    pub varies: Varies,
}

/// What changes from measurement to measurement of a part, beside the server: the axis of its chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Varies {
    /// The number of workers, and whether there is an access log.
    Workers,
    /// How long every answer waits, and for how many connections.
    Delay,
    /// The offered load of an open loop.
    OfferedLoad,
    /// Connections that are all active.
    Connections,
    /// Connections that do nothing, beside those that are active.
    IdleConnections,
    /// Which files are asked for.
    Files,
    /// Who else is connected.
    Company,
    /// Requests under way on one connection.
    Pipeline,
    /// The interpreter, the number of workers and the number of CPUs.
    Interpreter,
}

/// A server that was to take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingServer {
    /// Its name.
    pub name: String,
    /// The program that is not installed.
    pub program: String,
}

/// One configuration of one server under one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The part of the run that it belongs to: a [`Part::suite`].
    pub part: String,
    /// The program under test.
    pub server: Server,
    /// How it was started.
    pub configuration: Configuration,
    /// What the client did.
    pub workload: Workload,
    /// The CPUs of both.
    pub placement: Placement,
    /// Whether this is another entry of one and the same measurement, which shows how far two that are equal differ.
    pub is_twin: bool,
    /// A digest of server and configuration; measurements of different runs are compared only where it is equal.
    pub configuration_hash: String,
    /// A digest of the workload, of the served bytes too; compared only where it is equal.
    pub workload_hash: String,
    /// The rounds done so far, in the order of time.
    pub rounds: Vec<Round>,
    /// The system calls of its server, counted in a pass of its own after the rounds; absent where another measurement
    /// of the same server shows them, and where its answers are not valid.
    #[serde(default)]
    pub system_calls: Option<Counting>,
    /// Whether this configuration of its server notices that a document has changed, seen once in the run; absent where that
    /// could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
}

/// A program under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The name by which it is chosen on the command line: `epoll`, `nginx`.
    pub name: String,
    /// Its way to share CPUs among connections, in words for the reader: `event loops, one per worker`.
    pub model: String,
    /// Whether it is one of this project's models.
    pub kind: ServerKind,
    /// Whether it reads its files once and does not look at them again, as its entry among the servers says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub preloads: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Whose a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// One of this project's models.
    Ours,
    /// Somebody else's, beside which ours are seen.
    Reference,
}

/// How a server was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Its worker count; absent for a server that has none.
    pub workers: Option<u32>,
    /// Flags of the suite beyond the worker count and the log: `--keep-alive pinned`.
    pub flags: Vec<String>,
    /// The whole command line; what changes from round to round stands as `{port}` and the like.
    pub command: Vec<String>,
    /// Whether it wrote an access log.
    pub access_log: bool,
    /// Where its standard output, and with it the access log, went.
    pub log_sink: LogSink,
}

/// Where a server's standard output went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogSink {
    /// Into a file.
    File,
    /// Into a pipe that the bench reads.
    Pipe,
    /// To /dev/null.
    Null,
    /// To a terminal.
    Terminal,
}

/// The CPUs of a measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Those that the server ran on, ascending.
    pub server_cpus: Vec<usize>,
    /// Those that the load generator ran on, ascending.
    pub client_cpus: Vec<usize>,
}

/// What the client did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Open connections at a time.
    pub connections: u32,
    /// Threads of the load generator.
    pub threads: u32,
    /// Measured time of one round, in seconds.
    pub duration_seconds: f64,
    /// Time before it that is not measured, in seconds.
    pub warm_up_seconds: f64,
    /// How long a response may take before it counts as a timeout, in seconds.
    pub timeout_seconds: f64,
    /// When the next request is sent.
    pub arrival: Arrival,
    /// Whether a connection is used for more than one request.
    pub keep_alive: bool,
    /// Requests under way on one connection at a time; 1 without pipelining.
    pub pipeline: u32,
    /// Further connections that are opened first and on which nothing is sent.
    pub idle_connections: u32,
    /// How long the server was told to wait before each answer, in seconds.
    pub delay_seconds: Option<f64>,
    /// Who else is connected and behaves badly.
    pub company: Option<Company>,
    /// The requested path, percent-encoded, from the slash on; the first one of a mix.
    pub path: String,
    /// The files that are asked for by chance, where it is more than one.
    pub mix: Option<Mix>,
    /// Whether the kernel was made to forget the files before each turn, so that they came from the disk.
    pub cold_files: bool,
    /// Request header lines beyond those that the generator sends of itself.
    pub headers: Vec<String>,
    /// The status that every response must have.
    pub expected_status: u16,
    /// The length that every response's body must have, in bytes; absent where the file is not there to be compared.
    pub expected_length: Option<u64>,
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loop", rename_all = "kebab-case")]
pub enum Arrival {
    /// Each connection sends when the response before has come: shows capacity.
    Closed,
    /// Requests are sent by the clock: shows the latency that a user would feel.
    Open {
        /// Requests per second offered over all connections.
        rate: f64,
    },
    /// Requests are sent by the clock, at a rate that goes by what this process answered in a closed loop directly before:
    /// [`Round::capacity`].
    OpenShare {
        /// The share of that, above 0.
        share: f64,
    },
}

/// Clients that behave badly beside those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Company {
    /// They ask for the largest file of the root and read it slowly.
    SlowReaders {
        /// How many connections.
        connections: u32,
        /// How fast each of them reads, in bytes per second.
        bytes_per_second: u32,
    },
    /// They send the head of a request a byte at a time and never end it (Slowloris, 2009).
    SlowHeads {
        /// How many connections.
        connections: u32,
    },
}

/// Many files that are asked for by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// How many files.
    pub files: u32,
    /// Zipf's exponent: the file at place k is asked for as often as 1/k to this power says.
    pub exponent: f64,
    /// The mean length of the answers, in bytes.
    pub mean_length: f64,
}

/// One measurement's turn in one pass over all measurements; the server was started for it and stopped after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Which pass, from 0.
    pub index: u32,
    /// The place in this pass's random order, from 0.
    pub position: u32,
    /// When the server was started.
    pub started_at: Timestamp,
    /// What the check before the measuring saw; absent when it did not come to that.
    pub check: Option<CorrectnessCheck>,
    /// What the load generator saw, with the steal of every window; absent when it did not run.
    pub outcome: Option<Outcome>,
    /// Requests per second that an open loop offered; absent for a closed one.
    pub offered_rate: Option<f64>,
    /// Responses per second that the same process gave in a closed loop directly before, of which an open loop offered a share;
    /// absent where nothing was measured for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// What the server used meanwhile; absent when nothing was measured.
    pub server: Option<ServerSample>,
    /// What other processes took meanwhile; absent when nothing was measured or the kernel does not tell.
    #[serde(default)]
    pub others: Option<Others>,
    /// CPU time that the other side of a comparison took of the server's CPUs meanwhile, in seconds; absent where the server
    /// was alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opponent_cpu_seconds: Option<f64>,
    /// CPU time that the load generator of the other side of a comparison took meanwhile, in seconds, by the CPU that each of
    /// its threads is bound to; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opponent_generator: Option<BTreeMap<usize, f64>>,
    /// What went wrong with the server as a process; absent when nothing did.
    pub failure: Option<Failure>,
}

/// The file as it came back before the measuring, compared with the file on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectnessCheck {
    /// Requests that were made for the check.
    pub requests: u32,
    /// The status of the first response that differed, else of the last; absent if none came.
    pub status: Option<u16>,
    /// The length of that response's body, in bytes; absent if none came.
    pub length: Option<u64>,
    /// What differed, a phrase each ("Content-Type is text/plain, not text/html"); none if all was right.
    pub problems: Vec<String>,
}

impl Server {
    /// Whether this is one of the project's own models.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.kind == ServerKind::Ours
    }
}

impl CorrectnessCheck {
    /// Whether everything came back as it lies on disk.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Run {
    /// Whether every planned round is done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }

    /// Planned rounds in which every measurement had its turn.
    #[must_use]
    pub fn rounds_done(&self) -> u32 {
        let fewest = self.measurements.iter().map(|measurement| measurement.rounds.len()).min().unwrap_or(0);
        u32::try_from(fewest).unwrap_or(u32::MAX).min(self.rounds_planned)
    }
}

impl Placement {
    /// Whether client and server had at least one CPU in common.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.client_cpus.iter().any(|cpu| self.server_cpus.contains(cpu))
    }
}

impl Arrival {
    /// Whether requests are sent by the clock.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

impl Measurement {
    /// The measurement's name as a label: `epoll, 4 workers, log`, distinguished by flags where it has any.
    #[must_use]
    pub fn name(&self) -> String {
        let mut parts = vec![self.server.name.clone()];
        parts.extend(self.workers());
        parts.extend(self.flags());
        parts.extend(self.configuration.access_log.then(|| "log".to_owned()));
        parts.extend(self.is_twin.then(|| "A/A control".to_owned()));
        parts.join(", ")
    }

    /// The measurement as part of a sentence: `epoll with 4 workers and its access log on`.
    #[must_use]
    pub fn phrase(&self) -> String {
        let log = self.configuration.access_log.then(|| "its access log on".to_owned());
        let parts: Vec<String> = self.workers().into_iter().chain(self.flags()).chain(log).collect();
        let with = if parts.is_empty() { "" } else { " with " };
        format!("{}{with}{}", self.server.name, words::list(&parts))
    }

    fn workers(&self) -> Option<String> {
        self.configuration.workers.map(|workers| words::plural(workers.into(), "worker"))
    }

    fn flags(&self) -> Option<String> {
        let flags = &self.configuration.flags;
        (!flags.is_empty()).then(|| flags.join(" "))
    }
}
