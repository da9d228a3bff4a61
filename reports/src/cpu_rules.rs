//! Rules about CPUs: whether the server that was looked at is the one that answered, whether it ran on its own CPUs, and
//! whether it had anything to do.

use std::collections::BTreeSet;
use std::fmt;

use crate::figures::{Figures, OTHERS_LIMIT, busiest_thread, others_share};
use crate::reason::Reason;
use crate::record::{Measurement, Round};
use crate::sample::ServerSample;
use crate::steal::stolen_seconds;
use crate::system_calls::Counting;
use crate::words;

/// The share of the CPU time of its CPUs beyond which a server must have run on others, too. Clocks and looks differ by less,
/// and what they may differ by is taken off first.
pub const BEYOND_ITS_CPUS: f64 = 1.02;

/// A side of a closed loop that is busy for less than this share of its time is idle most of the time.
pub const MOSTLY_IDLE_BELOW: f64 = 0.5;

/// Median latencies, in nanoseconds, that a delayed acknowledgement of Linux makes: 40 ms, and a tick or two.
const DELAYED_ACK: std::ops::RangeInclusive<u64> = 38_000_000..=56_000_000;

/// From so many sends for each answer on, most answers are sent in two pieces.
const TWO_SENDS: f64 = 1.5;

/// System calls that send, by which the pieces of an answer are counted.
const SENDS: [&str; 7] = ["sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile", "splice"];

/// A server and a client that both had little to do, and what is known of why.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    /// How busy the generator's busiest thread was, 0 to 1.
    pub generator: f64,
    /// How busy the server was, 0 to 1.
    pub server: f64,
    /// What the answers waited for.
    pub wait: Wait,
    /// What other processes took of the CPUs, 0 to 1, where it is enough to matter.
    pub others: Option<f64>,
}

/// What answers waited for, as far as the figures show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    /// The client's delayed acknowledgement: an answer is sent in two small pieces, and the second one waits until the first
    /// one is acknowledged (Nagle's algorithm).
    DelayedAck {
        /// The median latency, in nanoseconds.
        median: u64,
        /// Sends for each answer, where they were counted.
        sends: Option<f64>,
    },
    /// It does not show.
    Unknown,
}

impl Wait {
    pub(crate) fn of(measurement: &Measurement, figures: &Figures) -> Self {
        let median = figures.latency.percentile(50.0).filter(|median| DELAYED_ACK.contains(median));
        let calls = measurement.system_calls.as_ref().and_then(Counting::calls);
        let sends = calls.map(|calls| SENDS.iter().filter_map(|name| calls.by_name().get(*name).copied()).sum::<f64>());
        match median {
            Some(median) if sends.is_none_or(|sends| sends >= TWO_SENDS) => Self::DelayedAck { median, sends },
            _ => Self::Unknown,
        }
    }
}

/// What other processes took at most in a round that counts, where that is enough to be a cause.
pub(crate) fn others_that_matter(measurement: &Measurement, figures: &Figures) -> Option<f64> {
    let shares = counted(measurement, figures)
        .filter_map(|round| others_share(round, round.outcome.as_ref()?, &measurement.placement));
    shares.reduce(f64::max).filter(|share| *share > OTHERS_LIMIT / 2.0)
}

/// The rounds that count.
fn counted<'a>(measurement: &'a Measurement, figures: &'a Figures) -> impl Iterator<Item = &'a Round> {
    let counts = |round: &&Round| figures.rounds.iter().any(|one| one.index == round.index && one.counts());
    measurement.rounds.iter().filter(counts)
}

/// Whether the measured processes are those that answered, and ran where they should. What noise cannot cause is taken from
/// all rounds.
pub(crate) fn misplaced(measurement: &Measurement) -> Vec<Reason> {
    let samples = || measurement.rounds.iter().filter_map(|round| Some((round, round.server.as_ref()?)));
    let of = samples().count();
    let mut reasons = Vec::new();
    let foreign = samples().filter(|(_, sample)| sample.listens == Some(false)).count();
    if foreign > 0 {
        reasons.push(Reason::ForeignListener { rounds: foreign, of });
    }
    let elsewhere: Vec<_> = samples().filter_map(|(_, sample)| sample.elsewhere.as_ref()).collect();
    if let Some(threads) = elsewhere.iter().map(|one| one.threads).max() {
        let cpus: BTreeSet<usize> = elsewhere.iter().flat_map(|one| one.cpus.iter().copied()).collect();
        let (cpus, own) = (cpus.into_iter().collect(), measurement.placement.server_cpus.clone());
        reasons.push(Reason::Elsewhere { threads, cpus, own, rounds: elsewhere.len(), of });
    }
    let cpus = measurement.placement.server_cpus.len() as f64;
    let used = |(round, sample): (&Round, &ServerSample)| {
        let certain = sample.cpu_seconds() - sample.resolution_seconds() + round.opponent_cpu_seconds.unwrap_or(0.0);
        (certain / (sample.wall_seconds * cpus), sample.cpu_seconds() / (sample.wall_seconds * cpus))
    };
    let beyond: Vec<f64> = samples()
        .map(used)
        .filter(|(certain, _)| *certain > BEYOND_ITS_CPUS && certain.is_finite())
        .map(|(_, share)| share)
        .collect();
    if let Some(share) = beyond.iter().copied().reduce(f64::max) {
        reasons.push(Reason::BeyondItsCpus { share, rounds: beyond.len(), of });
    }
    reasons
}

/// A closed loop in which server and client waited most of the time, in at least half of the rounds that count: it shows how long
/// they waited, and nothing of what the server can carry.
pub(crate) fn both_idle(measurement: &Measurement, figures: &Figures) -> Option<Reason> {
    let workload = &measurement.workload;
    // With a delay, waiting is what is asked; files that the kernel has forgotten are waited for, too. On shared CPUs each
    // side waits for the other.
    let is_meant_to_wait = workload.delay_seconds.is_some() || workload.cold_files;
    if workload.arrival.is_open() || is_meant_to_wait || measurement.placement.is_shared() {
        return None;
    }
    let wait = Wait::of(measurement, figures);
    let busy: Vec<Busy> =
        counted(measurement, figures).filter_map(|round| Busy::of(measurement, round, wait)).collect();
    let idle = || busy.iter().filter(|busy| busy.at_most.max(busy.generator) < MOSTLY_IDLE_BELOW);
    let &Busy { server, generator, .. } = idle().next()?;
    let others = others_that_matter(measurement, figures);
    let is_most = 2 * idle().count() >= busy.len();
    is_most.then_some(Reason::BothIdle { idle: Idle { generator, server, wait, others } })
}

/// How busy both sides were in a round, as shares of their time.
#[derive(Clone, Copy, Debug)]
struct Busy {
    server: f64,
    /// The most that the server can have been busy. One that does one thing at a time is busy when it uses one CPU of many;
    /// where the answers show that they wait, it has to use all.
    at_most: f64,
    generator: f64,
}

impl Busy {
    fn of(measurement: &Measurement, round: &Round, wait: Wait) -> Option<Self> {
        let (sample, outcome) = (round.server.as_ref()?, round.outcome.as_ref()?);
        // Where two servers are measured at once, one has what the other leaves.
        if round.opponent_cpu_seconds.is_some() {
            return None;
        }
        let server_cpus = &measurement.placement.server_cpus;
        let cpus = server_cpus.len() as f64;
        let workers = measurement.configuration.workers.map_or(cpus, |workers| cpus.min(f64::from(workers)));
        let stolen: f64 = outcome.windows.iter().map(|window| stolen_seconds(window, server_cpus)).sum();
        let of_one_cpu = sample.wall_seconds - stolen / cpus;
        let is_known = of_one_cpu > 0.0 && workers > 0.0 && sample.cpu_seconds().is_finite();
        let enough = if wait == Wait::Unknown { 1.0 } else { workers };
        is_known.then_some(Self {
            server: (sample.cpu_seconds() / (of_one_cpu * workers)).min(1.0),
            at_most: (sample.cpu_seconds() + sample.resolution_seconds()) / (of_one_cpu * enough),
            generator: busiest_thread(round, outcome)?,
        })
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, generator) = (words::percent(self.server), words::percent(self.generator));
        write!(
            out,
            "the server was busy {server} of its time, the load generator {generator}, so the answers waited. "
        )?;
        match self.wait {
            Wait::DelayedAck { median, sends } => {
                write!(out, "Half of them took {} or more", words::duration(median))?;
                match sends {
                    Some(sends) => write!(out, ", and the server sends each in {} pieces", words::count(sends.round() as u64))?,
                    None => out.write_str(", which is typical of an answer that is sent in two pieces")?,
                }
                out.write_str(
                    ": the second piece waits for the client's delayed acknowledgement (40 ms). Set TCP_NODELAY in the \
                     server, or send head and body with one write.",
                )?;
            }
            Wait::Unknown => out.write_str(
                "Look for what the server waits for: a lock, a sleep or a timer, the disk, a small write that waits for an \
                 acknowledgement (set TCP_NODELAY), or too few connections.",
            )?,
        }
        if let Some(others) = self.others {
            write!(out, " Other programs took {} of the CPUs, too: stop them.", words::percent(others))?;
        }
        Ok(())
    }
}
