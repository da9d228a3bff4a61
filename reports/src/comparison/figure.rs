//! By which figures two sides are compared.

use serde::{Deserialize, Serialize};

use super::record::{Contest, Subject};
use crate::figures::RoundFigures;
use crate::words;

/// The median latency of a second moves with how the scheduler happens to share the CPU between the two servers.
pub const MEDIAN_RESOLUTION: f64 = 0.25;

/// A p99 is a few answers of a hundred, so it is less certain than what all of them show.
pub const TAIL_RESOLUTION: f64 = 0.50;

/// A figure of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Responses per second of CPU time that was there for the server: what a closed loop shows.
    Capacity,
    /// CPU time of the server for each response, in microseconds: it holds where the load generator is the limit, too.
    ServerCpu,
    /// CPU time of the load generator for each response, in microseconds.
    GeneratorCpu,
    /// The median latency under a fixed offered load, in nanoseconds: it shows waiting, which a closed loop beside another
    /// server hides.
    MedianLatency,
    /// The latency that 99 % of the responses did not exceed under a fixed offered load, in nanoseconds.
    Latency,
}

impl Figure {
    /// The figures of a contest.
    #[must_use]
    pub fn of(contest: &Contest) -> &'static [Self] {
        match contest.subject {
            Subject::Generator => &[Self::GeneratorCpu],
            Subject::Server if contest.head.workload.arrival.is_open() => &[Self::MedianLatency, Self::Latency],
            Subject::Server => &[Self::Capacity, Self::ServerCpu],
        }
    }

    /// The figure of one turn, if the turn was quiet enough to have one.
    #[must_use]
    pub fn of_round(self, round: &RoundFigures) -> Option<f64> {
        match self {
            Self::Capacity => round.capacity(),
            Self::ServerCpu => round.server_cpu(),
            Self::GeneratorCpu => round.generator_cpu_microseconds.filter(|_| round.counts()),
            Self::MedianLatency => round.quiet_p50(),
            Self::Latency => round.quiet_p99(),
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn is_better_higher(self) -> bool {
        self == Self::Capacity
    }

    /// How much slower a ratio of head to base is, as a share: 0.06 for 6 % fewer responses in the same time, or for 6 % more
    /// time for each. Negative if it is faster.
    #[must_use]
    pub fn slowdown(self, ratio: f64) -> f64 {
        if self.is_better_higher() { 1.0 - ratio } else { ratio - 1.0 }
    }

    /// Whether it is one of an open loop.
    #[must_use]
    pub fn is_latency(self) -> bool {
        matches!(self, Self::MedianLatency | Self::Latency)
    }

    /// The difference that has to be one that would have been seen before it is said that there is none, as a share, where
    /// `max_slowdown` is let pass. Latencies are less certain than what all responses show together.
    #[must_use]
    pub fn resolution(self, max_slowdown: f64) -> f64 {
        match self {
            Self::Capacity | Self::ServerCpu | Self::GeneratorCpu => max_slowdown,
            Self::MedianLatency => max_slowdown.max(MEDIAN_RESOLUTION),
            Self::Latency => max_slowdown.max(TAIL_RESOLUTION),
        }
    }

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capacity => "requests per CPU-second",
            Self::ServerCpu => "server CPU per request",
            Self::GeneratorCpu => "generator CPU per request",
            Self::MedianLatency => "median latency at a fixed load",
            Self::Latency => "p99 at a fixed load",
        }
    }

    /// A value with its unit.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Capacity => words::figure(value),
            Self::ServerCpu | Self::GeneratorCpu => words::duration((value * 1e3).max(0.0) as u64),
            Self::MedianLatency | Self::Latency => words::duration(value.max(0.0) as u64),
        }
    }
}
