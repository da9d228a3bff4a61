//! What a run found out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Histogram, Plan};

/// The version of the stored form of [`Outcome`]. It is raised when a reader of an older version would misread it.
pub const FORMAT: u32 = 1;

/// A client thread that runs, or is ready to run, for this share of the time is taken to be at its limit.
const GENERATOR_CEILING: f64 = 0.95;

/// Everything that was counted between the end of the warm-up and the end of the run.
///
/// No request is lost sight of: `requests` is the sum of `responses`, [`Errors::of_requests`] and the count of
/// `in_flight`, see [`Outcome::is_accounted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The version of this form, [`FORMAT`] when written by this version.
    pub format: u32,
    /// What the run was to do.
    pub plan: Plan,
    /// The address that was connected to, such as `127.0.0.1:8080`.
    pub address: String,
    /// When measuring started, in milliseconds since 1970-01-01 UTC.
    pub started_at_ms: u64,
    /// How long was measured, in nanoseconds: the plan's duration, or less when the run was stopped.
    pub elapsed_ns: u64,
    /// Whether the run was stopped before its time.
    pub stopped_early: bool,
    /// Requests that were begun to be written, and those that were unanswered when measuring started.
    pub requests: u64,
    /// Complete responses, whatever their status.
    pub responses: u64,
    /// Bytes read from the connections: heads, bodies and what could not be understood.
    pub bytes_read: u64,
    /// Complete responses by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Complete responses that were not what the plan expects.
    pub unexpected: Unexpected,
    /// What went wrong, by kind.
    pub errors: Errors,
    /// Time from just before the request is written to the complete response, of complete responses. In a closed loop this is
    /// mostly `connections / throughput`; it is not what a user would feel.
    pub latency: Histogram,
    /// Ages of the requests that were given up at the plan's time limit. They would have taken longer than this.
    pub timed_out: Histogram,
    /// Ages of the requests that were unanswered at the end of the run. They would have taken longer than this.
    pub in_flight: Histogram,
    /// How the connections fared.
    pub connections: Connections,
    /// How the client's threads fared, in their order.
    pub threads: Vec<ThreadRecord>,
    /// The run in pieces of the plan's interval, without gaps; the last one may be shorter.
    pub windows: Vec<Window>,
}

impl Outcome {
    /// Complete responses per second.
    #[must_use]
    pub fn responses_per_second(&self) -> f64 {
        per_second(self.responses, self.elapsed_ns)
    }

    /// Responses with a status that wrk counts as an error, which is any above 399.
    #[must_use]
    pub fn error_statuses(&self) -> u64 {
        self.statuses.range(400..).map(|(_, count)| count).sum()
    }

    /// CPU time of all client threads in nanoseconds.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.threads.iter().map(|thread| thread.cpu_ns).sum()
    }

    /// CPU time of the client per complete response in nanoseconds; `None` without a response.
    #[must_use]
    pub fn cpu_ns_per_response(&self) -> Option<f64> {
        (self.responses > 0).then(|| self.cpu_ns() as f64 / self.responses as f64)
    }

    /// The largest share of its wall time that a client thread spent on a CPU, from 0 to 1. Near 1, the client and
    /// not the server may have been what limited the rate.
    #[must_use]
    pub fn busiest_thread(&self) -> f64 {
        self.threads.iter().map(ThreadRecord::utilisation).fold(0.0, f64::max)
    }

    /// Whether the client and not the server probably limited the rate: one of its threads had hardly anything to wait for
    /// but a CPU. Steal is taken into account where threads are pinned.
    #[must_use]
    pub fn generator_was_the_limit(&self) -> bool {
        self.threads.iter().any(|thread| {
            let stolen = thread.cpu.map_or(0, |cpu| self.stolen_ns(cpu));
            let available = thread.wall_ns.saturating_sub(stolen);
            let ready = thread.cpu_ns + thread.waited_ns;
            ready > 0 && ready as f64 >= GENERATOR_CEILING * available as f64
        })
    }

    /// The time that was stolen from a CPU during the run, as far as it was measured, in nanoseconds.
    #[must_use]
    pub fn stolen_ns(&self, cpu: usize) -> u64 {
        self.windows.iter().filter_map(|window| window.steal_ns.as_ref()?.get(&cpu)).sum()
    }

    /// Whether every request is accounted for: answered, failed, given up or unanswered at the end.
    #[must_use]
    pub fn is_accounted(&self) -> bool {
        self.requests == self.responses + self.errors.of_requests() + self.in_flight.count()
    }
}

fn per_second(count: u64, nanoseconds: u64) -> f64 {
    if nanoseconds == 0 { 0.0 } else { count as f64 * 1e9 / nanoseconds as f64 }
}

/// Complete responses that were not what the plan expects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// Those with another status or another length, each counted once.
    pub responses: u64,
    /// Those with another status.
    pub status: u64,
    /// Those with another body length.
    pub length: u64,
}

/// What went wrong, by kind. Each failed attempt to connect and each failed request is counted once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Connecting was refused.
    pub refused: u64,
    /// Connecting took longer than the plan's time limit.
    pub connect_timed_out: u64,
    /// Connecting failed in another way, such as for want of free ports or descriptors.
    pub connect_other: u64,
    /// Writing the request failed.
    pub write: u64,
    /// The connection was reset while a response was due.
    pub reset: u64,
    /// The connection was closed in an orderly way while a response was due and none of it had come.
    pub closed_early: u64,
    /// The connection was closed in an orderly way in the middle of a response.
    pub truncated: u64,
    /// What came was not an HTTP/1 response, or there was more of it than the response said.
    pub malformed: u64,
    /// Reading failed in another way.
    pub read_other: u64,
    /// No complete response within the plan's time limit.
    pub timed_out: u64,
}

impl Errors {
    /// Failed attempts to connect; `connect` in wrk's text.
    #[must_use]
    pub fn connect(&self) -> u64 {
        self.refused + self.connect_timed_out + self.connect_other
    }

    /// Requests that failed while their response was read; `read` in wrk's text.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.reset + self.closed_early + self.truncated + self.malformed + self.read_other
    }

    /// Requests that got no complete response for a reason other than the end of the run.
    #[must_use]
    pub fn of_requests(&self) -> u64 {
        self.read() + self.write + self.timed_out
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.connect() + self.of_requests()
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.connect_timed_out += other.connect_timed_out;
        self.connect_other += other.connect_other;
        self.write += other.write;
        self.reset += other.reset;
        self.closed_early += other.closed_early;
        self.truncated += other.truncated;
        self.malformed += other.malformed;
        self.read_other += other.read_other;
        self.timed_out += other.timed_out;
    }
}

/// How the connections fared. A connection of the plan stays the same one when it is opened anew: what counts for
/// fairness is the client's place, not the descriptor that happens to fill it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// TCP connections that were used: open when measuring started or established after.
    pub opened: u64,
    /// TCP connections that the server ended after a complete response, by saying so in the response or by closing.
    pub closed_by_server: u64,
    /// Connections of the plan that got no complete response.
    pub never_served: u64,
    /// The fewest responses that a connection of the plan got.
    pub minimum: u64,
    /// The median of the responses that a connection of the plan got.
    pub median: f64,
    /// The most responses that a connection of the plan got.
    pub maximum: u64,
    /// Jain's fairness index of the responses: 1 when all connections got equally many, 1/n when one got all;
    /// 1 when none got any. (Jain, Chiu, Hawe: DEC-TR-301, 1984.)
    pub jain: f64,
    /// The responses that each connection of the plan got, in ascending order.
    pub responses: Vec<u64>,
}

impl Connections {
    /// The figures of connections that got so many `responses` each, in any order.
    #[must_use]
    pub fn new(opened: u64, closed_by_server: u64, mut responses: Vec<u64>) -> Self {
        responses.sort_unstable();
        let (count, middle) = (responses.len(), responses.len() / 2);
        let median = match count {
            0 => 0.0,
            _ if count % 2 == 1 => responses[middle] as f64,
            _ => (responses[middle - 1] as f64 + responses[middle] as f64) / 2.0,
        };
        let sum: f64 = responses.iter().map(|&n| n as f64).sum();
        let squares: f64 = responses.iter().map(|&n| (n as f64).powi(2)).sum();
        Self {
            opened,
            closed_by_server,
            never_served: responses.iter().take_while(|&&n| n == 0).count() as u64,
            minimum: responses.first().copied().unwrap_or(0),
            median,
            maximum: responses.last().copied().unwrap_or(0),
            jain: if sum > 0.0 { sum * sum / (count as f64 * squares) } else { 1.0 },
            responses,
        }
    }

    /// Complete responses per TCP connection that was used; `None` when none was.
    #[must_use]
    pub fn responses_per_connection(&self) -> Option<f64> {
        (self.opened > 0).then(|| self.responses.iter().sum::<u64>() as f64 / self.opened as f64)
    }
}

/// How one client thread fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// How many of the plan's connections it drove.
    pub connections: usize,
    /// Complete responses.
    pub responses: u64,
    /// How long it measured, in nanoseconds of wall time.
    pub wall_ns: u64,
    /// Its CPU time, in nanoseconds.
    pub cpu_ns: u64,
    /// The part of `cpu_ns` that was spent in the program, as the kernel divides it by its ticks (coarsely).
    pub cpu_user_ns: u64,
    /// The part of `cpu_ns` that was spent in the kernel.
    pub cpu_system_ns: u64,
    /// How long it was ready to run while something else had the CPU, in nanoseconds; 0 where the kernel does not
    /// tell. Steal is not part of it.
    #[serde(default)]
    pub waited_ns: u64,
    /// The CPU it was pinned to.
    pub cpu: Option<usize>,
    /// Complete responses per second in pieces of about 100 ms as wrk takes them: truncated, pieces without a
    /// response run on into the next.
    pub rates: Vec<u64>,
}

impl ThreadRecord {
    /// The share of its wall time that it spent on a CPU, from 0 to 1.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        if self.wall_ns == 0 { 0.0 } else { self.cpu_ns as f64 / self.wall_ns as f64 }
    }
}

/// What happened in one piece of the run. Events belong to the window in which the client learnt of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its beginning, in nanoseconds since measuring started.
    pub offset_ns: u64,
    /// Its length in nanoseconds.
    pub length_ns: u64,
    /// Complete responses.
    pub responses: u64,
    /// Errors of all kinds, [`Errors::total`].
    pub errors: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// CPU time of all client threads in nanoseconds.
    pub cpu_ns: u64,
    /// Time that was stolen from the CPUs of this machine (by the hypervisor, for other guests), in nanoseconds by
    /// CPU number, to the resolution of the kernel's ticks, mostly 10 ms. CPUs without an entry lost none. `None`
    /// where the kernel does not tell.
    pub steal_ns: Option<BTreeMap<usize, u64>>,
}

impl Window {
    /// Complete responses per second.
    #[must_use]
    pub fn responses_per_second(&self) -> f64 {
        per_second(self.responses, self.length_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_of_equal_shares_is_one() {
        let connections = Connections::new(4, 0, vec![5, 5, 5, 5]);
        assert_eq!((connections.minimum, connections.median, connections.maximum), (5, 5.0, 5));
        assert_eq!((connections.jain, connections.never_served), (1.0, 0));
        assert_eq!(connections.responses_per_connection(), Some(5.0));
    }

    #[test]
    fn a_connection_that_takes_all_leaves_the_others_unserved() {
        let connections = Connections::new(4, 0, vec![0, 12, 0, 0]);
        assert_eq!((connections.never_served, connections.median, connections.maximum), (3, 0.0, 12));
        assert_eq!(connections.jain, 0.25);
        assert_eq!(connections.responses, [0, 0, 0, 12]);
    }

    #[test]
    fn no_connection_and_no_response_have_figures_too() {
        let none = Connections::new(0, 0, vec![]);
        assert_eq!((none.jain, none.median, none.responses_per_connection()), (1.0, 0.0, None));
        let unserved = Connections::new(2, 0, vec![0, 0]);
        assert_eq!((unserved.jain, unserved.never_served), (1.0, 2));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Connections::new(4, 0, vec![9, 1, 2, 4]).median, 3.0);
    }

    #[test]
    fn a_generator_without_a_pause_was_the_limit_stolen_time_aside() {
        let json = r#"{"format": 1, "plan": {"url": "http://a", "connections": 1, "threads": 1, "duration_ms": 1000,
            "timeout_ms": 2000, "interval_ms": 1000}, "address": "127.0.0.1:80", "started_at_ms": 0,
            "elapsed_ns": 1000, "stopped_early": false, "requests": 0, "responses": 0, "bytes_read": 0, "statuses": {},
            "unexpected": {"responses": 0, "status": 0, "length": 0}, "errors": ERRORS, "latency": EMPTY,
            "timed_out": EMPTY, "in_flight": EMPTY, "connections": CONNECTIONS, "threads": [], "windows": []}"#;
        let text = |value: serde_json::Result<String>| value.unwrap();
        let json = json
            .replace("ERRORS", &text(serde_json::to_string(&Errors::default())))
            .replace("EMPTY", &text(serde_json::to_string(&Histogram::new())))
            .replace("CONNECTIONS", &text(serde_json::to_string(&Connections::default())));
        let mut outcome: Outcome = serde_json::from_str(&json).unwrap();
        let limit = |outcome: &mut Outcome, cpu_ns, waited_ns, stolen| {
            outcome.threads =
                vec![ThreadRecord { wall_ns: 1000, cpu_ns, waited_ns, cpu: Some(1), ..ThreadRecord::default() }];
            outcome.windows = vec![Window { steal_ns: Some([(1, stolen)].into()), ..Window::default() }];
            outcome.generator_was_the_limit()
        };
        assert!(!limit(&mut outcome, 0, 0, 0));
        assert!(!limit(&mut outcome, 900, 0, 0));
        assert!(limit(&mut outcome, 960, 0, 0));
        assert!(limit(&mut outcome, 600, 360, 0));
        assert!(limit(&mut outcome, 500, 0, 500));
        outcome.threads[0].cpu = None;
        assert!(!outcome.generator_was_the_limit(), "nobody knows whose CPU was stolen");
    }
}
