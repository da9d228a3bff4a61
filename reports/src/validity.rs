//! May a measurement be ranked, and if not, why not and what to do about it.

use std::mem::discriminant;

use loadgen::validity::{Complaint, HALVES_TOLERANCE, complaints};
use serde::{Deserialize, Serialize};

use crate::connection_error::ConnectionError;
use crate::cpu_rules;
use crate::failure::Failure;
use crate::figures::Figures;
use crate::freshness::Freshness;
use crate::note::{Note, notes};
use crate::reason::Reason;
use crate::record::{Arrival, Measurement, Workload};
use crate::round_exclusion::{RoundExclusion, lateness};
use crate::steal::QuietTime;

/// The share of its available time from which on the load generator is taken to be what limited the rate, if the server
/// was below [`SERVER_BUSY`].
pub const GENERATOR_BUSY: f64 = 0.95;

/// The share of its available time from which on the server is taken to be busy enough to be the limit itself.
pub const SERVER_BUSY: f64 = 0.90;

/// In a closed loop one side is nearly always busy; where neither reaches this share of its available time, something
/// else held them up.
pub const IDLE_BELOW: f64 = 0.7;

/// Failed requests and connects beyond this share of all requests are a reason of their own.
pub const MATERIAL_ERRORS: f64 = 0.001;

/// How far Little's law may be missed, as a share of the connections, before the latency is not believed.
pub const LITTLE_TOLERANCE: f64 = 0.25;

/// By how much more than its delay allows a server may answer, and by how much sooner, as a share: clocks tick, and
/// histograms round.
pub const DELAY_TOLERANCE: f64 = 0.02;

/// So many seconds of quiet windows each half of a round has to have before the halves are compared.
pub const HALF_SECONDS: f64 = 1.0;

/// So many responses each half has to have before the halves are compared.
pub const HALF_RESPONSES: u64 = 100;

/// What may be said of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Validity {
    /// Why it is not ranked; none if nothing speaks against it.
    pub reasons: Vec<Reason>,
    /// What a reader should know beside.
    pub notes: Vec<Note>,
    /// Whether there is a round at all.
    pub is_measured: bool,
}

/// Where a measurement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing speaks against ranking it.
    Ranked,
    /// The load generator was the limit: its requests per second are a lower bound, and its table is ranked by the server's CPU
    /// time per request.
    AtLeast,
    /// Other virtual machines, other processes or a quota took too much for a figure to mean anything, it
    /// changed in mid-run, or the load generator could not do what it was to do.
    TooNoisy,
    /// Something was wrong with the answers or with the server.
    #[serde(rename = "not-valid")]
    Invalid,
    /// It had no round yet.
    #[serde(rename = "not-measured")]
    Pending,
}

impl Validity {
    /// Judges a measurement by its rounds and their figures.
    #[must_use]
    pub fn of(measurement: &Measurement, figures: &Figures) -> Self {
        Self {
            reasons: reasons(measurement, figures),
            notes: notes(measurement, figures),
            is_measured: !measurement.rounds.is_empty(),
        }
    }

    /// Whether all that speaks against it is that it was offered more than it carries. To find where that begins is what
    /// such a load is for, so it is no fault of the server.
    #[must_use]
    pub fn is_beyond_capacity(&self) -> bool {
        let is_overload = |reason: &Reason| match reason {
            Reason::Generator { complaint, .. } => matches!(
                complaint,
                Complaint::Overloaded { .. }
                    | Complaint::Late { .. }
                    | Complaint::Stuck { .. }
                    | Complaint::Crowded { .. }
            ),
            Reason::TimedOut { .. } | Reason::TooNoisy { .. } | Reason::Disturbed { .. } | Reason::Throttled { .. } => {
                true
            }
            _ => false,
        };
        self.is_measured && !self.reasons.is_empty() && self.reasons.iter().all(is_overload)
    }

    /// In how many rounds that count an open loop kept up with what it was offered, and of how many, where it did not in all of
    /// them and that is all that speaks against it.
    #[must_use]
    pub fn kept(&self) -> Option<(usize, usize)> {
        let overload = |reason: &Reason| match reason {
            Reason::Generator { complaint: Complaint::Overloaded { .. }, rounds, of } => Some((of - rounds, *of)),
            _ => None,
        };
        self.reasons.iter().find_map(overload).filter(|_| self.is_beyond_capacity())
    }

    /// Whether all that speaks against it is that server and client waited most of the time.
    #[must_use]
    pub fn only_waits(&self) -> bool {
        !self.reasons.is_empty() && self.reasons.iter().all(|reason| matches!(reason, Reason::BothIdle { .. }))
    }

    /// Where the measurement stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let is_noise = |reason: &Reason| match reason {
            Reason::TooNoisy { .. }
            | Reason::Disturbed { .. }
            | Reason::Throttled { .. }
            | Reason::HalvesDiffer { .. } => true,
            // Without a quiet closed loop there is nothing to take a share of.
            Reason::Failed { failure, .. } => *failure == Failure::NoCapacity,
            // When a request is sent is the generator's doing, or that of shared CPUs.
            Reason::Generator { complaint, .. } => {
                matches!(complaint, Complaint::Crowded { .. } | Complaint::Late { .. })
            }
            _ => false,
        };
        let at_ceiling = |note: &Note| matches!(note, Note::GeneratorAtCeiling { .. });
        if !self.is_measured {
            Standing::Pending
        } else if self.reasons.iter().any(|reason| !is_noise(reason)) {
            Standing::Invalid
        } else if !self.reasons.is_empty() {
            Standing::TooNoisy
        } else if self.notes.iter().any(at_ceiling) {
            Standing::AtLeast
        } else {
            Standing::Ranked
        }
    }
}

impl Standing {
    /// The standing in a word or two.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ranked => "valid",
            Self::AtLeast => "at least",
            Self::TooNoisy => "too noisy",
            Self::Invalid => "not valid",
            Self::Pending => "not measured yet",
        }
    }
}

/// Everything that speaks against ranking, the plainest first.
fn reasons(measurement: &Measurement, figures: &Figures) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(process_failure(measurement));
    reasons.extend(wrong_status(measurement, figures));
    reasons.extend(wrong_length(&measurement.workload, figures));
    // A check that fails because of the status has been told already, in plainer words.
    if !reasons.iter().any(|reason| matches!(reason, Reason::WrongStatus { .. })) {
        reasons.extend(failed_check(measurement));
    }
    reasons.extend(stale(measurement));
    reasons.extend(lost_requests(&measurement.workload, figures));
    reasons.extend(generators_complaints(measurement, figures));
    let faster = faster_than_its_delay(measurement, figures);
    reasons.extend(faster.or_else(|| sooner_than_its_delay(&measurement.workload, figures)));
    reasons.extend(halves_differ(measurement, figures));
    reasons.extend(impossible_figures(measurement, figures, reasons.is_empty()));
    reasons.extend(cpu_rules::misplaced(measurement));
    if reasons.is_empty() {
        reasons.extend(cpu_rules::both_idle(measurement, figures));
    }
    if !figures.rounds.is_empty() && figures.counted_rounds() == 0 {
        reasons.extend(noise(measurement, figures));
    }
    reasons
}

/// Why no round counts, a reason for each cause.
fn noise(measurement: &Measurement, figures: &Figures) -> Vec<Reason> {
    let of = figures.rounds.len();
    let reason = |exclusion: RoundExclusion| {
        let rounds = Some(figures.excluded_for(exclusion)).filter(|rounds| *rounds > 0)?;
        Some(match exclusion {
            RoundExclusion::OtherProcesses => Reason::Disturbed { share: figures.others_share?, rounds, of },
            RoundExclusion::Quota => Reason::Throttled { share: figures.throttled_share?, rounds, of },
            RoundExclusion::Steal => {
                Reason::TooNoisy { quiet: figures.quiet, is_open: measurement.workload.arrival.is_open() }
            }
            RoundExclusion::LateGenerator => {
                let complaint =
                    measurement.rounds.iter().filter_map(|round| round.outcome.as_ref()).find_map(lateness)?;
                Reason::Generator { complaint, rounds, of }
            }
        })
    };
    RoundExclusion::ALL.into_iter().filter_map(reason).collect()
}

/// The first failure of a process that spoils a round.
fn process_failure(measurement: &Measurement) -> Option<Reason> {
    let is_measured = measurement.rounds.iter().any(|round| round.outcome.is_some());
    let spoils = |failure: &&Failure| match failure {
        Failure::NotStopped { .. } => false,
        // Such a round was none, and others may take its place.
        Failure::NoCapacity => !is_measured,
        _ => true,
    };
    let failures = || measurement.rounds.iter().filter_map(|round| round.failure.as_ref()).filter(spoils);
    Some(Reason::Failed {
        failure: failures().next()?.clone(),
        rounds: failures().count(),
        of: measurement.rounds.len(),
    })
}

/// Statuses under load, or those of the check where it did not come to load.
fn wrong_status(measurement: &Measurement, figures: &Figures) -> Option<Reason> {
    let expected = measurement.workload.expected_status;
    let mut found: Vec<(u16, u64)> = Vec::new();
    let mut answers = figures.totals.responses;
    if figures.rounds.is_empty() {
        let checks = measurement.rounds.iter().filter_map(|round| round.check.as_ref());
        for (status, requests) in checks.filter_map(|check| Some((check.status?, check.requests))) {
            found.push((status, u64::from(requests)));
            answers += u64::from(requests);
        }
        found.sort_unstable();
        found.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            earlier.1 += if same { later.1 } else { 0 };
            same
        });
    } else {
        found.extend(figures.totals.statuses.iter().map(|(status, count)| (*status, *count)));
    }
    found.retain(|(status, count)| *status != expected && *count > 0);
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let path = measurement.workload.path.clone();
    (!found.is_empty()).then_some(Reason::WrongStatus { expected, found, answers, path })
}

fn wrong_length(workload: &Workload, figures: &Figures) -> Option<Reason> {
    // An error page has another length, too; that is no second reason.
    let unexpected = &figures.totals.unexpected;
    let count = unexpected.length.min(unexpected.responses.saturating_sub(unexpected.status));
    let (expected, answers) = (workload.expected_length, figures.totals.responses);
    (count > 0).then_some(Reason::WrongLength { expected, count, answers })
}

fn failed_check(measurement: &Measurement) -> Option<Reason> {
    let mut checks = measurement.rounds.iter().filter_map(|round| round.check.as_ref());
    let check = checks.find(|check| !check.passed())?;
    Some(Reason::CheckFailed { problems: check.problems.clone() })
}

/// A server that does not notice for too long that a document has changed, and does not say so.
fn stale(measurement: &Measurement) -> Option<Reason> {
    match measurement.freshness? {
        Freshness::Stale { after_seconds } if !measurement.server.preloads => Some(Reason::Stale { after_seconds }),
        _ => None,
    }
}

/// Requests and connections that got no proper answer.
fn lost_requests(workload: &Workload, figures: &Figures) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let totals = &figures.totals;
    let errors = &totals.errors;
    if errors.truncated > 0 || errors.malformed > 0 {
        reasons.push(Reason::Broken { truncated: errors.truncated, malformed: errors.malformed });
    }
    if errors.head_too_large > 0 {
        reasons.push(Reason::LargeHeads { count: errors.head_too_large });
    }
    if errors.surplus > 0 {
        reasons.push(Reason::Surplus { connections: errors.surplus });
    }
    if errors.timed_out > 0 {
        reasons.push(Reason::TimedOut { count: errors.timed_out, limit_seconds: workload.timeout_seconds });
    }
    if totals.never_served > 0 && totals.responses > 0 {
        reasons.push(Reason::NeverServed { connections: totals.never_served, of: u64::from(workload.connections) });
    }
    let kinds: Vec<(ConnectionError, u64)> = [
        (ConnectionError::Refused, errors.refused),
        (ConnectionError::ConnectTimedOut, errors.connect_timed_out),
        (ConnectionError::ConnectFailed, errors.connect_other),
        (ConnectionError::NotWritten, errors.write),
        (ConnectionError::Reset, errors.reset),
        (ConnectionError::ClosedEarly, errors.closed_early),
        (ConnectionError::NotRead, errors.read_other),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect();
    let failed: u64 = kinds.iter().map(|(_, count)| count).sum();
    let share = failed as f64 / (totals.requests + errors.connect()).max(1) as f64;
    if share > MATERIAL_ERRORS {
        reasons.push(Reason::ConnectionErrors { kinds, share });
    }
    reasons
}

/// What the load generator has to say of its rounds, as far as it is not judged here over all of them together.
///
/// Wrong bytes and lost connections count once they were seen, in whatever round. An open loop's overload counts in every round
/// that is not excluded: to rank the others would be to leave out rounds by their result. What noise can cause, too, counts
/// where it was so in at least half of the rounds that are not excluded; of the others nobody knows whose fault it was.
fn generators_complaints(measurement: &Measurement, figures: &Figures) -> Vec<Reason> {
    let outcomes = measurement.rounds.iter().filter_map(|round| round.outcome.as_ref());
    let mut all: Vec<(Complaint, usize)> = Vec::new();
    let mut quiet: Vec<(Complaint, usize)> = Vec::new();
    let (mut rounds, mut quiet_rounds) = (0, 0);
    for (outcome, of_round) in outcomes.zip(&figures.rounds) {
        let is_quiet = of_round.counts();
        rounds += 1;
        quiet_rounds += usize::from(is_quiet);
        for complaint in complaints(outcome) {
            if is_quiet {
                count(&mut quiet, complaint.clone());
            }
            count(&mut all, complaint);
        }
    }
    let certain = |complaint: &Complaint| {
        matches!(
            complaint,
            Complaint::UnexpectedBody { .. } | Complaint::UnexpectedType { .. } | Complaint::IdleLost { .. }
        )
    };
    let likely = |complaint: &Complaint| match complaint {
        // Elsewhere it excludes the round where it matters; on shared CPUs the server takes the client's time.
        Complaint::Late { .. } => measurement.placement.is_shared(),
        // Where nothing was answered at all, that is said in plainer words.
        Complaint::Stuck { usual_ns, .. } => usual_ns.is_some(),
        // On shared CPUs the server is meant to take the client's time.
        Complaint::Crowded { .. } => !measurement.placement.is_shared(),
        // The rest is judged over all rounds.
        _ => false,
    };
    let certain =
        all.into_iter().filter(|(complaint, _)| certain(complaint)).map(|(complaint, seen)| (complaint, seen, rounds));
    let is_overload = |complaint: &Complaint| matches!(complaint, Complaint::Overloaded { .. });
    let likely = quiet
        .into_iter()
        .filter(|(complaint, seen)| is_overload(complaint) || (likely(complaint) && 2 * seen >= quiet_rounds));
    let likely = likely.map(|(complaint, seen)| (complaint, seen, quiet_rounds));
    certain.chain(likely).map(|(complaint, rounds, of)| Reason::Generator { complaint, rounds, of }).collect()
}

/// Counts a complaint by its kind; the first of a kind stands for all.
fn count(counts: &mut Vec<(Complaint, usize)>, complaint: Complaint) {
    let is_same = |known: &Complaint| discriminant(known) == discriminant(&complaint);
    match counts.iter_mut().find(|(known, _)| is_same(known)) {
        Some((_, rounds)) => *rounds += 1,
        None => counts.push((complaint, 1)),
    }
}

/// More answers than a server can give that waits before each: one at a time on each connection.
fn faster_than_its_delay(measurement: &Measurement, figures: &Figures) -> Option<Reason> {
    let workload = &measurement.workload;
    let delay_seconds = workload.delay_seconds.filter(|delay| *delay > 0.0)?;
    let at_once = f64::from(workload.connections) * f64::from(workload.pipeline.max(1));
    let allowed = at_once / delay_seconds;
    let totals = &figures.totals;
    let found = Some(totals.responses as f64 / totals.measured_seconds).filter(|found| found.is_finite())?;
    // In each round, what was under way when the measuring began is answered in it.
    let most = (allowed * totals.measured_seconds + at_once * totals.rounds as f64) * (1.0 + DELAY_TOLERANCE);
    (totals.responses as f64 > most).then_some(Reason::FasterThanDelay { found, allowed, delay_seconds })
}

/// A single answer before its time tells that others may have come without waiting.
fn sooner_than_its_delay(workload: &Workload, figures: &Figures) -> Option<Reason> {
    let delay_seconds = workload.delay_seconds.filter(|delay| *delay > 0.0)?;
    let soonest_seconds = figures.totals.soonest_nanoseconds? as f64 / 1e9;
    let is_too_soon = soonest_seconds < delay_seconds * (1.0 - DELAY_TOLERANCE);
    is_too_soon.then_some(Reason::SoonerThanDelay { soonest_seconds, delay_seconds })
}

/// Whether the server's capacity drifts within most of the rounds of which enough is known.
fn halves_differ(measurement: &Measurement, figures: &Figures) -> Option<Reason> {
    let workload = &measurement.workload;
    // An open loop answers what it is offered, and cold files get warm.
    if workload.arrival.is_open() || workload.cold_files {
        return None;
    }
    let outcomes = measurement.rounds.iter().filter_map(|round| round.outcome.as_ref());
    let quiet = outcomes.zip(&figures.rounds).filter(|(_, round)| round.counts());
    let is_enough = |half: &QuietTime| half.quiet_seconds >= HALF_SECONDS - 1e-9 && half.responses >= HALF_RESPONSES;
    let halves: Vec<(f64, f64)> = quiet
        .map(|(outcome, _)| QuietTime::halves(outcome, &measurement.placement))
        .filter(|(first, second)| is_enough(first) && is_enough(second))
        .filter_map(|(first, second)| Some((first.capacity()?, second.capacity()?)))
        .collect();
    let differ = |(first, second): &&(f64, f64)| first.min(*second) < (1.0 - HALVES_TOLERANCE) * first.max(*second);
    let (rounds, of) = (halves.iter().filter(differ).count(), halves.len());
    let &(first, second) = halves.iter().find(differ)?;
    (2 * rounds > of).then_some(Reason::HalvesDiffer { first, second, rounds, of })
}

/// Counts that contradict each other.
fn impossible_figures(measurement: &Measurement, figures: &Figures, unexplained: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let totals = &figures.totals;
    let accounted = totals.responses + totals.errors.of_requests() + totals.in_flight;
    if totals.requests != accounted {
        reasons.push(Reason::Unaccounted { requests: totals.requests, accounted });
    }
    if unexplained && !measurement.rounds.is_empty() && totals.responses == 0 {
        reasons.push(Reason::NoAnswer);
    }
    // Lost requests and connections that never were served break the law, too; then they are the reason.
    if unexplained && measurement.workload.arrival == Arrival::Closed {
        reasons.extend(littles_law(&measurement.workload, figures));
    }
    reasons
}

fn littles_law(workload: &Workload, figures: &Figures) -> Option<Reason> {
    let under_way = figures.requests_under_way()?;
    let connections = workload.connections.saturating_mul(workload.pipeline.max(1));
    let share = under_way / f64::from(connections.max(1));
    // Where connections are made anew for every few requests, the time to connect is not in the latency.
    let reuses = figures.requests_per_connection().is_some_and(|requests| requests >= 10.0);
    let too_few = reuses && share < 1.0 - LITTLE_TOLERANCE;
    let too_many = share > 1.0 + LITTLE_TOLERANCE;
    (too_few || too_many).then_some(Reason::LittlesLaw { under_way, connections })
}
