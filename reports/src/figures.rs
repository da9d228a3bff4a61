//! The figures of one measurement, computed from its raw rounds.

use loadgen::validity::{Complaint, complaints};
use loadgen::{Histogram, Outcome};

use crate::record::{Measurement, Placement, Round};
use crate::round_exclusion::RoundExclusion;
use crate::sample::{ServerSample, is_long_enough};
use crate::statistics::{geometric_mean, median};
use crate::steal::{QuietTime, stolen_seconds};
use crate::totals::Totals;

/// The share of the server's or the client's CPUs beyond which other processes spoil a round: it is excluded. What they take is
/// missing from the server's capacity, and half of this is about what A/A controls differ by (docs/validity.md).
pub const OTHERS_LIMIT: f64 = 0.10;

/// The CPU time that a quota may keep back for each second of a round. A quota is met in every period of 100 ms or in none,
/// and where it is met the figures show the quota; one per cent is a hiccup of a single period in a round of ten seconds.
pub const THROTTLED_LIMIT: f64 = 0.01;

/// What one measurement came to, all the rounds that count together: counts are summed and histograms merged, nothing is an
/// average of averages.
///
/// Where no round counts, the figures are those of all rounds, for a reader who wants to see them; they are never ranked, and
/// [`counted_rounds`](Self::counted_rounds) is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The rounds that were measured, each for itself; those that do not count, too.
    pub rounds: Vec<RoundFigures>,
    /// What is counted over all of them: faults of the server are no less so in a round that does not count.
    pub totals: Totals,
    /// Measured time, in seconds.
    pub measured_seconds: f64,
    /// Complete responses, whatever their status.
    pub responses: u64,
    /// Bytes received, heads and bodies.
    pub bytes_received: u64,
    /// TCP connections used.
    pub opened: u64,
    /// Time from writing a request, or in an open loop from when it was due, to its complete response.
    pub latency: Histogram,
    /// The windows of all rounds, with the quiet time of those that count or were excluded for steal alone.
    pub quiet: QuietTime,
    /// CPU time of the server, in seconds, over `sampled_responses`; none if it was not sampled.
    pub server_cpu_seconds: Option<f64>,
    /// The part of it spent in the kernel, in seconds.
    pub server_cpu_system_seconds: f64,
    /// How far [`Self::server_cpu_seconds`] may be from the truth, in seconds.
    pub server_cpu_resolution_seconds: f64,
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
    /// The most that other processes took of the server's or of the client's CPUs in one round, excluded ones too, 0 to 1; none
    /// where that is not known.
    pub others_share: Option<f64>,
    /// The most CPU time that a quota kept back for each second of one round, excluded ones too, 0 to 1; none where that is not
    /// known.
    pub throttled_share: Option<f64>,
}

/// What one round came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundFigures {
    /// Which pass over the measurements, from 0.
    pub index: u32,
    /// Why it does not count; none if it does.
    pub exclusion: Option<RoundExclusion>,
    /// Complete responses per second.
    pub requests_per_second: f64,
    /// The quiet part of the round, and the capacity seen in it; nothing of it is quiet where the round does not count.
    pub quiet: QuietTime,
    /// Responses per available CPU-second of the server in quiet windows, whether the round counts or not.
    pub requests_per_cpu_second: Option<f64>,
    /// CPU time of the server per complete response, in microseconds.
    pub server_cpu_microseconds: Option<f64>,
    /// CPU time of the load generator per complete response, in microseconds; none where its clock saw none.
    pub generator_cpu_microseconds: Option<f64>,
    /// The median latency of the responses, in nanoseconds.
    pub p50_nanoseconds: Option<u64>,
    /// The latency that 99 % of the responses did not exceed, in nanoseconds; none of too few of them.
    pub p99_nanoseconds: Option<u64>,
    /// Whether an open loop offered more than was answered.
    pub is_overloaded: bool,
}

impl RoundFigures {
    /// Whether the round counts: neither the machine nor the load generator disturbed it too much.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.exclusion.is_none()
    }

    /// The median latency of the responses, in nanoseconds, if the round counts.
    #[must_use]
    pub fn quiet_p50(&self) -> Option<f64> {
        self.p50_nanoseconds.filter(|_| self.counts()).map(|nanoseconds| nanoseconds as f64)
    }

    /// The latency that 99 % of the responses did not exceed, in nanoseconds, if the round counts.
    #[must_use]
    pub fn quiet_p99(&self) -> Option<f64> {
        self.p99_nanoseconds.filter(|_| self.counts()).map(|nanoseconds| nanoseconds as f64)
    }

    /// Responses per available CPU-second of the server, if the round counts.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.requests_per_cpu_second.filter(|_| self.counts())
    }

    /// CPU time of the server per complete response, in microseconds, if the round counts.
    #[must_use]
    pub fn server_cpu(&self) -> Option<f64> {
        self.server_cpu_microseconds.filter(|_| self.counts())
    }
}

impl Figures {
    /// Adds up the rounds of a measurement.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        let mut figures = Self::default();
        let measured = || measurement.rounds.iter().filter_map(|round| Some((round, round.outcome.as_ref()?)));
        for (round, outcome) in measured() {
            let of_round = figures.judge(round, outcome, measurement);
            figures.totals.add(outcome);
            figures.quiet.add(&of_round.quiet);
            figures.rounds.push(of_round);
        }
        let placement = &measurement.placement;
        let mut server_available = 0.0;
        let mut generator = Vec::new();
        let has_counted = figures.counted_rounds() > 0;
        for (place, (round, outcome)) in measured().enumerate() {
            if has_counted && !figures.rounds[place].counts() {
                continue;
            }
            figures.add_outcome(outcome);
            generator.extend(busiest_thread(round, outcome));
            let stolen = figures.rounds[place].quiet.stolen_cpu_seconds;
            server_available += figures.add_sample(round, outcome, stolen, placement);
        }
        figures.generator_utilisation = median(&generator);
        figures.server_utilisation =
            figures.server_cpu_seconds.filter(|_| server_available > 0.0).map(|used| used / server_available);
        figures
    }

    /// The figures of one round, and whether it counts.
    fn judge(&mut self, round: &Round, outcome: &Outcome, measurement: &Measurement) -> RoundFigures {
        let placement = &measurement.placement;
        let is_open = measurement.workload.arrival.is_open();
        let quiet = QuietTime::of(outcome, placement);
        let quiet = quiet.without_opponent(round.opponent_cpu_seconds.unwrap_or(0.0));
        let others = others_share(round, outcome, placement);
        let throttled = round.server.as_ref().and_then(throttled_share);
        self.others_share = self.others_share.into_iter().chain(others).reduce(f64::max);
        self.throttled_share = self.throttled_share.into_iter().chain(throttled).reduce(f64::max);
        let exclusion = RoundExclusion::of(outcome, placement, is_open, &quiet, others, throttled);
        // The generators of two sides that are compared share their CPUs, and each makes the other late in the same way.
        let is_shared_lateness = exclusion == Some(RoundExclusion::LateGenerator) && round.opponent_generator.is_some();
        let exclusion = exclusion.filter(|_| !is_shared_lateness);
        // Of a closed loop without enough quiet windows it is told how many there were.
        let is_told = exclusion == Some(RoundExclusion::Steal) && !is_open;
        RoundFigures {
            index: round.index,
            exclusion,
            requests_per_second: outcome.responses_per_second(),
            requests_per_cpu_second: quiet.capacity(),
            quiet: if exclusion.is_none() || is_told { quiet } else { quiet.without_quiet() },
            server_cpu_microseconds: round
                .server
                .as_ref()
                .filter(|sample| sample.is_long_enough())
                .and_then(|sample| per(sample.cpu_seconds() * 1e6, outcome.responses)),
            p50_nanoseconds: outcome.latency.shown_percentile(50.0),
            generator_cpu_microseconds: per(outcome.cpu_ns() as f64 / 1e3, outcome.responses)
                .filter(|microseconds| *microseconds > 0.0),
            p99_nanoseconds: outcome.latency.shown_percentile(99.0),
            is_overloaded: is_open
                && complaints(outcome).iter().any(|complaint| matches!(complaint, Complaint::Overloaded { .. })),
        }
    }

    fn add_outcome(&mut self, outcome: &Outcome) {
        self.measured_seconds += outcome.elapsed_ns as f64 / 1e9;
        self.responses += outcome.responses;
        self.bytes_received += outcome.bytes_read;
        self.opened += outcome.connections.opened;
        self.latency.add(&outcome.latency);
        self.generator_cpu_seconds += outcome.cpu_ns() as f64 / 1e9;
    }

    /// Adds what the server used in a round, and returns the CPU-seconds that it could have used.
    fn add_sample(&mut self, round: &Round, outcome: &Outcome, stolen: f64, placement: &Placement) -> f64 {
        let Some(sample) = &round.server else {
            return 0.0;
        };
        *self.server_cpu_seconds.get_or_insert(0.0) += sample.cpu_seconds();
        self.server_cpu_system_seconds += sample.cpu_system_seconds;
        self.server_cpu_resolution_seconds += sample.resolution_seconds();
        self.sampled_responses += outcome.responses;
        self.voluntary_switches += sample.voluntary_switches;
        self.involuntary_switches += sample.involuntary_switches;
        self.peak_resident_bytes = self.peak_resident_bytes.max(Some(sample.peak_resident_bytes));
        self.peak_threads = self.peak_threads.max(Some(sample.peak_threads));
        self.peak_descriptors = self.peak_descriptors.max(Some(sample.peak_descriptors));
        let all = sample.wall_seconds * placement.server_cpus.len() as f64;
        (all - stolen - round.opponent_cpu_seconds.unwrap_or(0.0)).max(0.0)
    }

    /// The rounds that the figures come from: those that count, or all where none does.
    pub fn used(&self) -> impl Iterator<Item = &RoundFigures> {
        let has_counted = self.counted_rounds() > 0;
        self.rounds.iter().filter(move |round| !has_counted || round.counts())
    }

    /// The rounds that the figures leave out.
    pub fn left_out(&self) -> impl Iterator<Item = &RoundFigures> {
        let has_counted = self.counted_rounds() > 0;
        self.rounds.iter().filter(move |round| has_counted && !round.counts())
    }

    /// How many rounds count.
    #[must_use]
    pub fn counted_rounds(&self) -> usize {
        self.rounds.iter().filter(|round| round.counts()).count()
    }

    /// How many rounds do not count for this reason.
    #[must_use]
    pub fn excluded_for(&self, exclusion: RoundExclusion) -> usize {
        self.rounds.iter().filter(|round| round.exclusion == Some(exclusion)).count()
    }

    /// The geometric mean of a figure of the rounds that [are used](Self::used); none where one of them does not have it. A slow
    /// round has fewer responses, so it may be the one that has too few of them for a percentile or too little CPU time for its
    /// clock: a mean of the others would select by the result.
    #[must_use]
    pub fn mean_of_rounds(&self, figure: impl Fn(&RoundFigures) -> Option<f64>) -> Option<f64> {
        geometric_mean(&self.used().map(figure).collect::<Option<Vec<_>>>()?)
    }

    /// Complete responses per second of measured time; none if nothing was measured.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<f64> {
        (self.measured_seconds > 0.0).then(|| self.responses as f64 / self.measured_seconds)
    }

    /// The fewest, the median and the most requests per second of the rounds.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let rates: Vec<f64> = self.used().map(|round| round.requests_per_second).collect();
        let least = rates.iter().copied().reduce(f64::min)?;
        let most = rates.iter().copied().reduce(f64::max)?;
        Some((least, median(&rates)?, most))
    }

    /// Responses per available CPU-second of the server, in quiet windows: the geometric mean of the rounds.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        self.mean_of_rounds(|round| round.requests_per_cpu_second)
    }

    /// Whether the server's CPU time is too short for its clock to say something of it.
    #[must_use]
    pub fn server_cpu_is_too_short(&self) -> bool {
        self.server_cpu_seconds.is_some_and(|seconds| !is_long_enough(seconds, self.server_cpu_resolution_seconds))
    }

    /// CPU time of the server per complete response, in microseconds; none where it is too short for its clock.
    #[must_use]
    pub fn server_cpu_microseconds(&self) -> Option<f64> {
        let seconds = self.server_cpu_seconds.filter(|_| !self.server_cpu_is_too_short())?;
        per(seconds * 1e6, self.sampled_responses)
    }

    /// The part of it spent in the program itself, in microseconds; the rest is the kernel's.
    #[must_use]
    pub fn server_user_microseconds(&self) -> Option<f64> {
        self.server_cpu_microseconds()?;
        let user = self.server_cpu_seconds? - self.server_cpu_system_seconds;
        per(user * 1e6, self.sampled_responses)
    }

    /// CPU time of the load generator per complete response, in microseconds.
    #[must_use]
    pub fn generator_cpu_microseconds(&self) -> Option<f64> {
        per(self.generator_cpu_seconds * 1e6, self.responses).filter(|microseconds| *microseconds > 0.0)
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
pub(crate) fn others_share(round: &Round, outcome: &Outcome, placement: &Placement) -> Option<f64> {
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

/// The largest share of its available time that a thread of the load generator worked; none if there was no time. What the
/// other side's generator took of the thread's CPU was not available to it, so two generators that fill a CPU together are
/// both at their limit.
pub(crate) fn busiest_thread(round: &Round, outcome: &Outcome) -> Option<f64> {
    let shares = outcome.threads.iter().filter_map(|thread| {
        let cpus: Vec<usize> = thread.cpu.into_iter().collect();
        let stolen: f64 = outcome.windows.iter().map(|window| stolen_seconds(window, &cpus)).sum();
        let opponent = thread.cpu.and_then(|cpu| round.opponent_generator.as_ref()?.get(&cpu)).copied().unwrap_or(0.0);
        let used = thread.cpu_ns as f64 / 1e9;
        // Two clocks that are read a moment apart may add up to more than there was.
        let available = (thread.wall_ns as f64 / 1e9 - stolen - opponent).max(used);
        (available > 0.0).then(|| used / available)
    });
    shares.reduce(f64::max)
}
