//! What a run found out.

mod connections;
mod errors;
mod thread_record;
mod unexpected;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use connections::{Connections, IdleConnections};
pub use errors::Errors;
pub use thread_record::ThreadRecord;
pub use unexpected::{Difference, Unexpected};
pub use window::Window;

use crate::ceiling::Ceiling;
use crate::{Histogram, Plan};

/// The version of the stored form of [`Outcome`]. It is raised when a reader of an older version would misread it.
pub const FORMAT: u32 = 2;

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
    /// The address that was connected to, such as `127.0.0.1:8080`. Several generators may have found several, which
    /// are separated by `, `.
    pub address: String,
    /// How many runs, of as many generators at the same time, this is the sum of.
    pub generators: u32,
    /// When measuring started, in milliseconds since 1970-01-01 UTC.
    pub started_at_ms: u64,
    /// How long was measured, in nanoseconds: the plan's duration, or less when the run was stopped or its requests were
    /// used up.
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
    /// Latencies of complete responses. In a closed loop from just before the request is written, which makes this mostly
    /// `connections / throughput` and not what a user would feel; in an open loop from when the request was due.
    pub latency: Histogram,
    /// In an open loop, the same responses from just before their request was written: what the server needed, without
    /// the wait for a free connection. Empty in a closed loop, where it is the latency.
    pub service: Histogram,
    /// Ages of the requests that were given up at the plan's time limit, on the clock of `latency`. They would have taken
    /// longer than this.
    pub timed_out: Histogram,
    /// Ages of the requests that were unanswered at the end of the run, on the clock of `latency`. They would have taken
    /// longer than this.
    pub in_flight: Histogram,
    /// Ages of the requests of an open loop that were due at the end of the run and had found no free connection. They
    /// are not among `requests`.
    pub unsent: Histogram,
    /// In an open loop, how much later than it could have been each request was sent: after it was due and a connection
    /// was free. That is the generator's own fault. Empty in a closed loop.
    pub lag: Histogram,
    /// How long it took to establish each TCP connection in the measured time.
    pub connect: Histogram,
    /// When each of the plan's connections got its first complete response, after measuring started.
    pub first_response: Histogram,
    /// How the connections fared.
    pub connections: Connections,
    /// How the connections fared on which nothing is sent; `None` where the plan wants none.
    pub idle_connections: Option<IdleConnections>,
    /// How the client's threads fared, in their order.
    pub threads: Vec<ThreadRecord>,
    /// The run in pieces of the plan's interval, without gaps; the last one may be shorter.
    pub windows: Vec<Window>,
    /// The most memory that the process of the generator ever had in RAM, in bytes; `None` where the kernel does not tell.
    pub peak_resident_bytes: Option<u64>,
    /// What the generator can do at best on this machine, if that is known.
    pub ceiling: Option<Ceiling>,
}

impl Outcome {
    /// What is known before anything has happened.
    #[must_use]
    pub fn new(plan: Plan, address: String) -> Self {
        Self {
            format: FORMAT,
            plan,
            address,
            generators: 1,
            started_at_ms: 0,
            elapsed_ns: 0,
            stopped_early: false,
            requests: 0,
            responses: 0,
            bytes_read: 0,
            statuses: BTreeMap::new(),
            unexpected: Unexpected::default(),
            errors: Errors::default(),
            latency: Histogram::new(),
            service: Histogram::new(),
            timed_out: Histogram::new(),
            in_flight: Histogram::new(),
            unsent: Histogram::new(),
            lag: Histogram::new(),
            connect: Histogram::new(),
            first_response: Histogram::new(),
            connections: Connections::default(),
            idle_connections: None,
            threads: Vec::new(),
            windows: Vec::new(),
            peak_resident_bytes: None,
            ceiling: None,
        }
    }

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

    /// Responses that were what the plan expects.
    #[must_use]
    pub fn as_expected(&self) -> u64 {
        self.responses.saturating_sub(self.unexpected.responses)
    }

    /// The latencies, and the requests that were given up as if they had been answered at that moment: a distribution
    /// that is too good where there are such, but never leaves out the worst.
    #[must_use]
    pub fn latency_with_timeouts(&self) -> Histogram {
        let mut all = self.latency.clone();
        all.add(&self.timed_out);
        all
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
    /// not the server may have been what limited the rate of a closed loop.
    #[must_use]
    pub fn busiest_thread(&self) -> f64 {
        self.threads.iter().map(ThreadRecord::utilisation).fold(0.0, f64::max)
    }

    /// Whether the client and not the server probably limited the rate of a closed loop: one of its threads had hardly
    /// anything to wait for but a CPU, or the rate is the best that the generator can do. Steal is taken into account
    /// where threads are pinned.
    #[must_use]
    pub fn generator_was_the_limit(&self) -> bool {
        // An open loop does not ask for more than its rate, and may turn round and round while it waits for the next request.
        if self.plan.load.offered().is_some() || self.plan.slow_read.is_some() {
            return false;
        }
        let busy = self.threads.iter().any(|thread| {
            let stolen = thread.cpu.map_or(0, |cpu| self.stolen_ns(cpu));
            let available = thread.wall_ns.saturating_sub(stolen);
            let ready = thread.cpu_ns + thread.waited_ns;
            thread.wall_ns > 0 && ready > 0 && ready as f64 >= GENERATOR_CEILING * available as f64
        });
        busy || self.ceiling.as_ref().is_some_and(|ceiling| ceiling.is_reached_by(self))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_without_a_pause_was_the_limit_stolen_time_aside() {
        let mut outcome = Outcome::new(Plan::new("http://a"), "127.0.0.1:80".into());
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
        outcome.plan.load = crate::Load::Open(crate::Offered::steady(1.0));
        assert!(!limit(&mut outcome, 1000, 0, 0), "it turns while it waits");
    }

    #[test]
    fn requests_given_up_are_not_left_out() {
        let mut outcome = Outcome::new(Plan::new("http://a"), "127.0.0.1:80".into());
        (0..98).for_each(|_| outcome.latency.record(1_000_000));
        (0..2).for_each(|_| outcome.timed_out.record(2_000_000_000));
        let all = outcome.latency_with_timeouts();
        assert_eq!((all.count(), all.maximum()), (100, Some(2_000_000_000)));
        assert!(all.percentile(99.0) > Some(1_990_000_000));
    }
}
