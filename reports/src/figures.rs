//! The figures of one measurement, computed from its raw rounds.

use loadgen::validity::ENOUGH_TURNS;
use loadgen::{Errors, Histogram, Outcome, Unexpected};
use std::collections::BTreeMap;

use crate::record::{Measurement, Placement, Round};
use crate::sample::ServerSample;
use crate::statistics::median;
use crate::steal::{QuietTime, stolen_seconds};

/// The share of the server's or the client's CPUs beyond which other processes spoil a round: it is set aside like a
/// window with much steal. What they take is missing from the server's capacity, and half of this is about what twins of
/// one server differ by.
pub const OTHERS_LIMIT: f64 = 0.10;

/// The CPU time that a quota may keep back for each second of a round. A quota is met in every period of 100 ms or in none,
/// and where it is met the figures show the quota; one per cent is a hiccup of a single period in a round of ten seconds.
pub const THROTTLED_LIMIT: f64 = 0.01;

/// What one measurement came to, all its rounds together: counts are summed and histograms merged, nothing is an
/// average of averages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The rounds that were measured, each for itself.
    pub rounds: Vec<RoundFigures>,
    /// Measured time, in seconds.
    pub measured_seconds: f64,
    /// Requests sent.
    pub requests: u64,
    /// Complete responses, whatever their status.
    pub responses: u64,
    /// Bytes received, heads and bodies.
    pub bytes_received: u64,
    /// Complete responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Complete responses that were not what was expected.
    pub unexpected: Unexpected,
    /// What went wrong, by kind.
    pub errors: Errors,
    /// Requests unanswered at the end of a round.
    pub in_flight: u64,
    /// The most connections that were never served in one round in which each could have had [`ENOUGH_TURNS`].
    pub never_served: u64,
    /// TCP connections used.
    pub opened: u64,
    /// Time from writing a request to its complete response.
    pub latency: Histogram,
    /// The same of the rounds that were quiet enough to say something; in an open loop those without a window set aside.
    pub quiet_latency: Histogram,
    /// The quiet part of the measured time, and the capacity seen in it.
    pub quiet: QuietTime,
    /// CPU time of the server, in seconds, over `sampled_responses`; none if it was not sampled.
    pub server_cpu_seconds: Option<f64>,
    /// The part of it spent in the kernel, in seconds.
    pub server_cpu_system_seconds: f64,
    /// Complete responses in the rounds in which the server was sampled.
    pub sampled_responses: u64,
    /// CPU time of the load generator, in seconds.
    pub generator_cpu_seconds: f64,
    /// The server's CPU time over what was available to it, 0 to 1.
    pub server_utilisation: Option<f64>,
    /// The same of the busiest thread of the load generator; the median of the rounds.
    pub generator_utilisation: Option<f64>,
    /// Voluntary switches of all the server's threads.
    pub voluntary_switches: u64,
    /// Involuntary switches of all the server's threads.
    pub involuntary_switches: u64,
    /// The server's most resident memory in any round, in bytes.
    pub peak_resident_bytes: Option<u64>,
    /// The server's most threads in any round.
    pub peak_threads: Option<u32>,
    /// The server's most descriptors in any round.
    pub peak_descriptors: Option<u32>,
    /// Rounds that were set aside, because other processes took more than [`OTHERS_LIMIT`] of the CPUs.
    pub disturbed_rounds: usize,
    /// The most that other processes took of the server's or of the client's CPUs in one round, 0 to 1; none where that
    /// is not known.
    pub others_share: Option<f64>,
    /// Rounds that were set aside, because a quota kept back more than [`THROTTLED_LIMIT`].
    pub throttled_rounds: usize,
    /// The most CPU time that a quota kept back for each second of one round, 0 to 1; none where that is not known.
    pub throttled_share: Option<f64>,
}

/// What one round came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundFigures {
    /// Which pass over the measurements, from 0.
    pub index: u32,
    /// Complete responses per second.
    pub requests_per_second: f64,
    /// The quiet part of the round, and the capacity seen in it.
    pub quiet: QuietTime,
    /// CPU time of the server per complete response, in microseconds.
    pub server_cpu_microseconds: Option<f64>,
    /// CPU time of the load generator per complete response, in microseconds.
    pub generator_cpu_microseconds: Option<f64>,
    /// The latency that 99 % of the responses did not exceed, in nanoseconds.
    pub p99_nanoseconds: Option<u64>,
}

impl RoundFigures {
    /// The latency that 99 % of the responses did not exceed, in nanoseconds, if the round was quiet enough for it to mean
    /// something.
    #[must_use]
    pub fn quiet_p99(&self) -> Option<f64> {
        self.p99_nanoseconds.filter(|_| self.quiet.suffices()).map(|nanoseconds| nanoseconds as f64)
    }

    /// Responses per available CPU-second of the server, if the round was quiet enough for it to mean something.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.quiet.capacity().filter(|_| self.quiet.suffices())
    }
}

impl Figures {
    /// Adds up the rounds of a measurement.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        let placement = &measurement.placement;
        let mut figures = Self::default();
        let mut server_available = 0.0;
        let mut generator = Vec::new();
        for round in &measurement.rounds {
            let Some(outcome) = &round.outcome else {
                continue;
            };
            let mut quiet = QuietTime::of(outcome, placement);
            quiet = quiet.without_opponent(round.opponent_cpu_seconds.unwrap_or(0.0));
            let others = others_share(round, outcome, placement);
            figures.others_share = figures.others_share.into_iter().chain(others).reduce(f64::max);
            if others.is_some_and(|share| share > OTHERS_LIMIT) {
                figures.disturbed_rounds += 1;
                quiet = quiet.without_quiet();
            }
            let throttled = round.server.as_ref().and_then(throttled_share);
            figures.throttled_share = figures.throttled_share.into_iter().chain(throttled).reduce(f64::max);
            if throttled.is_some_and(|share| share > THROTTLED_LIMIT) {
                figures.throttled_rounds += 1;
                quiet = quiet.without_quiet();
            }
            // Capacity is taken from quiet windows, but a percentile cannot be parted into windows.
            if measurement.workload.arrival.is_open() && quiet.set_aside > 0 {
                quiet = quiet.without_quiet();
            }
            if quiet.suffices() {
                figures.quiet_latency.add(&outcome.latency);
            }
            figures.add_outcome(outcome);
            figures.quiet.add(&quiet);
            generator.extend(busiest_thread(outcome));
            server_available += figures.add_sample(round, outcome, &quiet, placement);
            figures.rounds.push(RoundFigures {
                index: round.index,
                requests_per_second: outcome.responses_per_second(),
                quiet,
                server_cpu_microseconds: round
                    .server
                    .as_ref()
                    .and_then(|sample| per(sample.cpu_seconds() * 1e6, outcome.responses)),
                generator_cpu_microseconds: per(outcome.cpu_ns() as f64 / 1e3, outcome.responses),
                p99_nanoseconds: outcome.latency.percentile(99.0),
            });
        }
        figures.generator_utilisation = median(&generator);
        figures.server_utilisation =
            figures.server_cpu_seconds.filter(|_| server_available > 0.0).map(|used| used / server_available);
        figures
    }

    fn add_outcome(&mut self, outcome: &Outcome) {
        self.measured_seconds += outcome.elapsed_ns as f64 / 1e9;
        self.requests += outcome.requests;
        self.responses += outcome.responses;
        self.bytes_received += outcome.bytes_read;
        for (status, count) in &outcome.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.unexpected.responses += outcome.unexpected.responses;
        self.unexpected.status += outcome.unexpected.status;
        self.unexpected.length += outcome.unexpected.length;
        self.errors.add(&outcome.errors);
        self.in_flight += outcome.in_flight.count();
        // Of fewer turns a connection may miss its own by chance: a server that answers a hundred times a second cannot have
        // served each of a hundred connections.
        if outcome.responses >= ENOUGH_TURNS.saturating_mul(outcome.plan.connections as u64) {
            self.never_served = self.never_served.max(outcome.connections.never_served);
        }
        self.opened += outcome.connections.opened;
        self.latency.add(&outcome.latency);
        self.generator_cpu_seconds += outcome.cpu_ns() as f64 / 1e9;
    }

    /// Adds what the server used in a round, and returns the CPU-seconds that it could have used.
    fn add_sample(&mut self, round: &Round, outcome: &Outcome, quiet: &QuietTime, placement: &Placement) -> f64 {
        let Some(sample) = &round.server else {
            return 0.0;
        };
        *self.server_cpu_seconds.get_or_insert(0.0) += sample.cpu_seconds();
        self.server_cpu_system_seconds += sample.cpu_system_seconds;
        self.sampled_responses += outcome.responses;
        self.voluntary_switches += sample.voluntary_switches;
        self.involuntary_switches += sample.involuntary_switches;
        self.peak_resident_bytes = self.peak_resident_bytes.max(Some(sample.peak_resident_bytes));
        self.peak_threads = self.peak_threads.max(Some(sample.peak_threads));
        self.peak_descriptors = self.peak_descriptors.max(Some(sample.peak_descriptors));
        let all = sample.wall_seconds * placement.server_cpus.len() as f64;
        (all - quiet.stolen_cpu_seconds - round.opponent_cpu_seconds.unwrap_or(0.0)).max(0.0)
    }

    /// Complete responses per second of measured time; none if nothing was measured.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<f64> {
        (self.measured_seconds > 0.0).then(|| self.responses as f64 / self.measured_seconds)
    }

    /// The fewest, the median and the most requests per second of the rounds.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let rates: Vec<f64> = self.rounds.iter().map(|round| round.requests_per_second).collect();
        let least = rates.iter().copied().reduce(f64::min)?;
        let most = rates.iter().copied().reduce(f64::max)?;
        Some((least, median(&rates)?, most))
    }

    /// Responses per available CPU-second of the server, in quiet windows: what is ranked.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.quiet.capacity()
    }

    /// CPU time of the server per complete response, in microseconds.
    #[must_use]
    pub fn server_cpu_microseconds(&self) -> Option<f64> {
        per(self.server_cpu_seconds? * 1e6, self.sampled_responses)
    }

    /// The part of it spent in the program itself, in microseconds; the rest is the kernel's.
    #[must_use]
    pub fn server_user_microseconds(&self) -> Option<f64> {
        let user = self.server_cpu_seconds? - self.server_cpu_system_seconds;
        per(user * 1e6, self.sampled_responses)
    }

    /// CPU time of the load generator per complete response, in microseconds.
    #[must_use]
    pub fn generator_cpu_microseconds(&self) -> Option<f64> {
        per(self.generator_cpu_seconds * 1e6, self.responses)
    }

    /// Bytes received per complete response, its head included.
    #[must_use]
    pub fn bytes_per_response(&self) -> Option<f64> {
        per(self.bytes_received as f64, self.responses)
    }

    /// Complete responses per TCP connection that was used.
    #[must_use]
    pub fn requests_per_connection(&self) -> Option<f64> {
        per(self.responses as f64, self.opened)
    }

    /// Switches of the server's threads per complete response.
    #[must_use]
    pub fn switches_per_request(&self) -> Option<f64> {
        self.server_cpu_seconds?;
        let switches = self.voluntary_switches + self.involuntary_switches;
        per(switches as f64, self.sampled_responses)
    }

    /// Requests that were under way at a time, by Little's law: throughput times mean latency. In a closed loop
    /// this is about the number of connections.
    #[must_use]
    pub fn requests_under_way(&self) -> Option<f64> {
        Some(self.requests_per_second()? * self.latency.mean()? / 1e9)
    }
}

fn per(amount: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| amount / count as f64)
}

/// What other processes took of the server's or of the client's CPUs in a round, whichever share is larger.
fn others_share(round: &Round, outcome: &Outcome, placement: &Placement) -> Option<f64> {
    let others = round.others?;
    let share = |taken: f64, cpus: usize| {
        let all = outcome.elapsed_ns as f64 / 1e9 * cpus as f64;
        if all > 0.0 { (taken / all).min(1.0) } else { 0.0 }
    };
    let server = share(others.on_server_cpus_seconds, placement.server_cpus.len());
    Some(server.max(share(others.on_client_cpus_seconds, placement.client_cpus.len())))
}

/// The CPU time that a quota kept back for each second.
fn throttled_share(sample: &ServerSample) -> Option<f64> {
    let seconds = sample.throttled_seconds?;
    (sample.wall_seconds > 0.0).then(|| (seconds / sample.wall_seconds).min(1.0))
}

/// The largest share of its available time that a thread of the load generator worked; none if there was no time.
fn busiest_thread(outcome: &Outcome) -> Option<f64> {
    let shares = outcome.threads.iter().filter_map(|thread| {
        let cpus: Vec<usize> = thread.cpu.into_iter().collect();
        let stolen: f64 = outcome.windows.iter().map(|window| stolen_seconds(window, &cpus)).sum();
        let available = thread.wall_ns as f64 / 1e9 - stolen;
        (available > 0.0).then(|| (thread.cpu_ns as f64 / 1e9 / available).min(1.0))
    });
    shares.reduce(f64::max)
}
