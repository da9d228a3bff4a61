//! By what the rows of a table are ranked.

use crate::figures::{Figures, RoundFigures};
use crate::record::{Arrival, Measurement};
use crate::statistics::{Better, Ratio};
use crate::words;

/// By what the rows of a table are ranked. A row's figure, its rank and its ratio to another row come from one estimator: the
/// geometric mean of its rounds that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// By requests per second of CPU time that was available to the server, in a closed loop: the more the better.
    Capacity,
    /// By how long 99 % of their answers take at most under a load that is the same for all, in an open loop: the less
    /// the better.
    Latency,
    /// By the server's CPU time per request, in a closed loop in which the load generator was the limit of a contestant: its
    /// requests per second are a lower bound, so only the cost can be compared. The less the better.
    Cost,
}

impl Merit {
    /// By what a measurement alone is judged: it cannot be limited by the generator for the sake of others.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        match measurement.workload.arrival {
            Arrival::Closed => Self::Capacity,
            Arrival::Open { .. } | Arrival::OpenShare { .. } => Self::Latency,
        }
    }

    /// The figure of one round, if the round counts and has one.
    #[must_use]
    pub fn of_round(self, round: &RoundFigures) -> Option<f64> {
        self.seen_in(round).filter(|_| round.counts())
    }

    /// The figure of a row: the geometric mean of its rounds that count, or of all where none does.
    #[must_use]
    pub fn of_row(self, figures: &Figures) -> Option<f64> {
        figures.mean_of_rounds(|round| self.seen_in(round))
    }

    /// The same, by which it is ranked; none where no round counts.
    pub(crate) fn ranked(self, figures: &Figures) -> Option<f64> {
        self.of_row(figures).filter(|_| figures.counted_rounds() > 0)
    }

    /// The figure of one round, whether it counts or not.
    fn seen_in(self, round: &RoundFigures) -> Option<f64> {
        match self {
            Self::Capacity => round.requests_per_cpu_second,
            Self::Latency => round.p99_nanoseconds.map(|nanoseconds| nanoseconds as f64),
            Self::Cost => round.server_cpu_microseconds,
        }
    }

    /// Which of two figures is the better one.
    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::Capacity => Better::Higher,
            Self::Latency | Self::Cost => Better::Lower,
        }
    }

    /// Whether a figure that is so many times another one is better than that.
    #[must_use]
    pub fn is_better(self, ratio: f64) -> bool {
        match self.better() {
            Better::Higher => ratio > 1.0,
            Better::Lower => ratio < 1.0,
        }
    }

    /// What is ranked: `requests per available CPU-second`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capacity => "requests per available CPU-second",
            Self::Latency => "p99",
            Self::Cost => "server CPU time per request",
        }
    }

    /// What the first row has: `the highest throughput`.
    #[must_use]
    pub fn superlative(self) -> &'static str {
        match self {
            Self::Capacity => "the highest throughput",
            Self::Latency => "the lowest p99",
            Self::Cost => "the lowest server CPU time per request",
        }
    }

    /// A figure in a table's cell, where the heading does not say what it is: `133,060 / CPU-s`, `1.06 ms`, `31.8 µs CPU`.
    #[must_use]
    pub fn cell(self, value: f64) -> String {
        match self {
            Self::Capacity => format!("{} / CPU-s", words::figure(value)),
            Self::Latency => words::duration(value.max(0.0) as u64),
            Self::Cost => format!("{} µs CPU", words::figure(value)),
        }
    }

    /// A figure in a sentence: `133,060 requests per available CPU-second`, `a p99 of 1.06 ms`, `31.8 µs of server CPU per
    /// request`.
    #[must_use]
    pub fn phrase(self, value: f64) -> String {
        match self {
            Self::Capacity => format!("{} requests per available CPU-second", words::figure(value)),
            Self::Latency => format!("a p99 of {}", words::duration(value.max(0.0) as u64)),
            Self::Cost => format!("{} µs of server CPU per request", words::figure(value)),
        }
    }

    /// How one row compares with another, as a verb and what it is done to, with the ratio in between: `carries 0.84 times as
    /// much as`.
    #[must_use]
    pub fn compares(self, is_plural: bool, ratio: Ratio) -> String {
        let times = words::ratio(ratio.ratio);
        match (self, is_plural) {
            (Self::Capacity, false) => format!("carries {times} times as much as"),
            (Self::Capacity, true) => format!("carry {times} times as much as"),
            (Self::Latency, false) => format!("has {times} times the p99 of"),
            (Self::Latency, true) => format!("have {times} times the p99 of"),
            (Self::Cost, false) => format!("needs {times} times the server CPU time per request of"),
            (Self::Cost, true) => format!("need {times} times the server CPU time per request of"),
        }
    }
}
