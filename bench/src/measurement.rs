//! What is measured: a server in one configuration under one workload.

use std::num::NonZeroU32;
use std::time::Duration;

use reports::words;

use crate::servers::Server;
use crate::suite::{Offer, Workload};

/// What each measurement takes beyond its load: starting the server, checking it, and stopping it.
pub const PER_MEASUREMENT: Duration = Duration::from_millis(80);
/// The shortest closed loop that shows a capacity.
const SHORTEST_CAPACITY: Duration = Duration::from_millis(500);
/// What each connection takes: opening it, and closing it at both ends.
pub const PER_CONNECTION: Duration = Duration::from_micros(60);

/// A server in one configuration under one workload.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The suite that it belongs to: a [`Question::suite`](crate::plan::Question::suite).
    pub part: String,
    /// The server.
    pub server: Server,
    /// Its number of workers, if it has one.
    pub workers: Option<NonZeroU32>,
    /// Whether it writes an access log.
    pub access_log: bool,
    /// The suite's flags for it.
    pub flags: Vec<String>,
    /// What the client does.
    pub workload: Workload,
    /// Measured time in one round.
    pub duration: Duration,
    /// Load before it that is not measured.
    pub warm_up: Duration,
    /// Whether it is another entry of the measurement before.
    pub is_twin: bool,
}

impl Measurement {
    /// What distinguishes it from the server's other measurements under the same workload, for a reader: `4 workers, log`.
    #[must_use]
    pub fn configuration(&self) -> String {
        let workers = self.workers.map(|workers| words::plural(u64::from(workers.get()), "worker"));
        let flags = (!self.flags.is_empty()).then(|| self.flags.join(" "));
        let log = if self.access_log { "log" } else { "quiet" };
        let twin = self.is_twin.then(|| "A/A control".to_owned());
        workers.into_iter().chain(flags).chain([log.to_owned()]).chain(twin).collect::<Vec<_>>().join(", ")
    }

    /// How long the closed loop lasts that shows the capacity of which a share is offered; none for any other load.
    #[must_use]
    pub fn capacity_duration(&self) -> Option<Duration> {
        let is_share = matches!(self.workload.offered, Some(Offer::Share(_)));
        is_share.then(|| (self.duration / 3).max(SHORTEST_CAPACITY))
    }

    /// How long one trial takes.
    #[must_use]
    pub fn time(&self) -> Duration {
        let capacity = self.capacity_duration().map_or(Duration::ZERO, |duration| self.warm_up + duration);
        capacity + self.warm_up + self.duration + PER_MEASUREMENT + PER_CONNECTION * self.workload.all_connections()
    }

    /// Whether its system calls tell what a request costs: a server that is started here and asked for one file that is
    /// not too long to be sent a thousand times, without waiting and without bad company.
    #[must_use]
    pub fn shows_system_calls(&self) -> bool {
        let workload = &self.workload;
        let is_plain = workload.delay.is_none() && workload.mix.is_none() && !workload.has_bad_company();
        self.server.running.is_none() && !self.is_twin && is_plain
    }

    /// Whether a request costs both the same system calls: workers, and what other connections do, change nothing.
    #[must_use]
    pub fn same_calls_as(&self, other: &Self) -> bool {
        self.server.name == other.server.name
            && self.workload.path == other.workload.path
            && self.workload.keep_alive == other.workload.keep_alive
            && self.workload.pipeline == other.workload.pipeline
            && self.access_log == other.access_log
            && self.flags == other.flags
    }

    /// Whether both start the server with the same words.
    #[must_use]
    pub fn same_configuration_as(&self, other: &Self) -> bool {
        self.server.name == other.server.name
            && self.workers == other.workers
            && self.access_log == other.access_log
            && self.flags == other.flags
    }

    /// Whether the two are measured alike, so that one of them is enough.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.part == other.part
            && self.server.name == other.server.name
            && self.workload == other.workload
            && self.workers == other.workers
            && self.access_log == other.access_log
            && self.flags == other.flags
    }
}
