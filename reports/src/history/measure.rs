//! The figures of a measurement that are followed from run to run.

use crate::validity::Standing;
use crate::words;

use super::line::{Entry, Figure};

/// A figure that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Responses per available CPU-second of the server: the more the better.
    Capacity,
    /// The server's CPU time per request, in microseconds: the less the better.
    ServerCpu,
    /// The latency that 99 % of the answers did not exceed, in nanoseconds: the less the better.
    Latency,
    /// System calls for one request: the fewer the better.
    SystemCalls,
}

impl Measure {
    /// All of them, the one that matters most first.
    pub const ALL: [Self; 4] = [Self::Capacity, Self::ServerCpu, Self::Latency, Self::SystemCalls];

    /// The figure of a measurement, if it may be compared with that of another run: only a valid measurement has one.
    /// Where the load generator was the limit, only the server's CPU time is the server's.
    #[must_use]
    pub fn of(self, entry: &Entry) -> Option<Figure> {
        match (entry.standing, self) {
            (Standing::Ranked, _) | (Standing::AtLeast, Self::ServerCpu) => {}
            _ => return None,
        }
        let figure = match self {
            Self::Capacity => entry.capacity,
            Self::ServerCpu => entry.server_cpu_microseconds,
            Self::Latency => entry.p99_nanoseconds,
            Self::SystemCalls => entry.system_calls.map(|value| Figure { value, standard_error: None, rounds: 0 }),
        };
        figure.filter(|figure| figure.value.is_finite() && figure.value > 0.0)
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        self == Self::Capacity
    }

    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::ServerCpu => "server CPU",
            Self::Latency => "p99",
            Self::SystemCalls => "system calls",
        }
    }

    /// Its name as others take it: a slug.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::ServerCpu => "server-cpu",
            Self::Latency => "latency-p99",
            Self::SystemCalls => "system-calls",
        }
    }

    /// The unit of its plain number.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Capacity => "responses/CPU-s",
            Self::ServerCpu => "µs/request",
            Self::Latency => "ns",
            Self::SystemCalls => "calls/request",
        }
    }

    /// A value without its unit, except for a latency.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        // A latency past the range of the cast is none that anybody waits for.
        if self == Self::Latency { words::duration(value as u64) } else { words::figure(value) }
    }

    /// The unit behind two values in a sentence, with a space before it; nothing for a latency.
    #[must_use]
    pub fn unit_in_words(self) -> &'static str {
        match self {
            Self::Capacity => " responses per CPU-second",
            Self::ServerCpu => " µs per request",
            Self::Latency => "",
            Self::SystemCalls => " per request",
        }
    }

    /// What a change by this ratio is called.
    #[must_use]
    pub fn change(self, ratio: f64) -> &'static str {
        match (self, (ratio > 1.0) == self.more_is_better()) {
            (Self::SystemCalls, true) => "fewer",
            (Self::SystemCalls, false) => "more",
            (_, true) => "faster",
            (_, false) => "slower",
        }
    }
}
