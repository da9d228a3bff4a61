//! By which figures two sides are compared.

use serde::{Deserialize, Serialize};

use super::record::{Contest, Subject};
use crate::figures::RoundFigures;
use crate::words;

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
    /// The latency that 99 % of the responses did not exceed under a fixed offered load, in nanoseconds.
    Latency,
}

impl Figure {
    /// The figures of a contest.
    #[must_use]
    pub fn of(contest: &Contest) -> &'static [Self] {
        match contest.subject {
            Subject::Generator => &[Self::GeneratorCpu],
            Subject::Server if contest.head.workload.arrival.is_open() => &[Self::Latency],
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

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capacity => "requests per CPU-second",
            Self::ServerCpu => "server CPU per request",
            Self::GeneratorCpu => "generator CPU per request",
            Self::Latency => "p99 at a fixed load",
        }
    }

    /// A value with its unit.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Capacity => words::figure(value),
            Self::ServerCpu | Self::GeneratorCpu => words::duration((value * 1e3).max(0.0) as u64),
            Self::Latency => words::duration(value.max(0.0) as u64),
        }
    }
}
