//! May an outcome be believed, and if not, why not and what to do about it.
//!
//! [`complaints`] judges one run of the generator by what it knows itself; what the server's process did is for others
//! to judge. A [`Complaint`] makes the outcome one that must not be ranked. A [`Caveat`] changes what may be said of
//! it.

mod caveat;
mod complaint;
mod little;
mod quiet;
#[cfg(test)]
mod tests;

pub use caveat::{Caveat, SPARE_BELOW, caveats};
pub use complaint::Complaint;
pub use little::{ENOUGH_RESPONSES, ENOUGH_TIME_NS, LITTLE_TOLERANCE};
pub use quiet::{QUIET_SHARE_NEEDED, STEAL_LIMIT};

pub(crate) use caveat::ceiling_share;
pub(crate) use quiet::QuietTime;

use complaint::share;

use crate::{Errors, ExpectedBody, ExpectedLength, Histogram, Outcome, Unexpected, Window};

/// Failed requests beyond this share of all attempts are not believed to be chance, nor are failed connects beyond this
/// share of the attempts to connect. Below it, a server that closes a connection just as a request is on its way is
/// forgiven.
pub const MATERIAL_ERRORS: f64 = 0.001;

/// A request that is unanswered at the end is stuck when it is so many times as old as 99.9 % of the latencies ...
pub const STUCK_FACTOR: u64 = 10;

/// ... and older than this share of the measured time. Younger ones may well be answered.
pub const STUCK_SHARE: f64 = 0.1;

/// In a closed loop, a request that is older than the plan's time limit by this much should have been given up, in
/// nanoseconds: twice as long as the generator takes to notice at most.
pub const STUCK_GRACE_NS: u64 = 200_000_000;

/// With a limit on requests, connections without a response are complained of when there were so many requests for
/// each: of fewer, a connection may miss its turn by chance.
pub const ENOUGH_TURNS: u64 = 10;

/// The share of the due requests of an open loop that may be unanswered for want of capacity.
pub const OVERDUE_LIMIT: f64 = 0.01;

/// How late 1 % of the requests of an open loop may be sent through the generator's own fault, in nanoseconds, ...
pub const LAG_LIMIT_NS: u64 = 1_000_000;

/// ... or as this share of the median latency where that is more: lateness is part of the latency, and a tenth of it
/// does not change what it says.
pub const LAG_SHARE: f64 = 0.1;

/// The share of its time for which a client thread may wait for a CPU that something else has. Whatever it waits, the
/// responses wait for it.
pub const CROWDED_LIMIT: f64 = 0.25;

/// How much slower, as a share of the faster, one half of a run may be than the other.
pub const HALVES_TOLERANCE: f64 = 0.2;

/// How many quiet windows a half has to have to be compared.
pub const HALF_WINDOWS: usize = 5;

/// Everything that speaks against believing this outcome, the plainest first. None if nothing does.
#[must_use]
pub fn complaints(outcome: &Outcome) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if outcome.responses == 0 {
        complaints.push(Complaint::NoResponse { elapsed_ns: outcome.elapsed_ns, stopped_early: outcome.stopped_early });
    }
    complaints.extend(unexpected_status(outcome));
    complaints.extend(unexpected_length(outcome));
    complaints.extend(unexpected_type(outcome));
    complaints.extend(unexpected_body(outcome));
    complaints.extend(errors(outcome));
    let never_served = never_served(outcome);
    let unserved_requests = never_served
        .as_ref()
        .map_or(0, |_| outcome.connections.never_served.saturating_mul(outcome.plan.pipeline as u64));
    complaints.extend(never_served);
    complaints.extend(idle_lost(outcome));
    complaints.extend(stuck(outcome, unserved_requests));
    complaints.extend(unaccounted(outcome));
    complaints.extend(overloaded(outcome));
    complaints.extend(late(outcome));
    let quiet = QuietTime::of(outcome);
    if !quiet.suffices() {
        complaints.push(Complaint::TooNoisy { quiet_share: quiet.share() });
    }
    complaints.extend(crowded(outcome));
    complaints.extend(halves_differ(outcome, &quiet));
    // Everything else breaks the law, too; then it is the reason.
    if complaints.is_empty() {
        complaints.extend(little::law(outcome));
    }
    complaints
}

fn unexpected_status(outcome: &Outcome) -> Option<Complaint> {
    let expect = &outcome.plan.expect;
    let is_wrong = |(status, count): &(u16, u64)| !expect.allows_status(*status) && *count > 0;
    let mut found: Vec<(u16, u64)> = outcome.statuses.iter().map(|(&status, &count)| (status, count)).collect();
    found.retain(is_wrong);
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let asked = match outcome.plan.paths.list.as_slice() {
        [] => outcome.plan.url.clone(),
        [path] => path.clone(),
        _ => "every path of the list".to_owned(),
    };
    let (expected, responses) = (expect.status, outcome.responses);
    (!found.is_empty()).then_some(Complaint::UnexpectedStatus { expected, found, responses, asked })
}

fn unexpected_length(outcome: &Outcome) -> Option<Complaint> {
    let Unexpected { responses, status, length, body, content_type, .. } = outcome.unexpected;
    // An error page has another length, too; that is no second reason. These have the right status and another length
    // for certain.
    let certain = length.saturating_sub(status).max(responses.saturating_sub(status + body + content_type));
    let expect = &outcome.plan.expect;
    let expected = match expect.body {
        // The first response may have been as wrong as the others.
        Some(ExpectedBody::File(_)) if expect.length == Some(ExpectedLength::LikeFirst) => None,
        _ => expect.length,
    };
    (length > 0 && certain > 0).then_some(Complaint::UnexpectedLength {
        expected,
        count: length,
        responses: outcome.responses,
    })
}

fn unexpected_type(outcome: &Outcome) -> Option<Complaint> {
    let (count, responses) = (outcome.unexpected.content_type, outcome.responses);
    let expected = outcome.plan.expect.content_type.clone().unwrap_or_default();
    (count > 0).then_some(Complaint::UnexpectedType { expected, count, responses })
}

fn unexpected_body(outcome: &Outcome) -> Option<Complaint> {
    let unexpected = &outcome.unexpected;
    (unexpected.body > 0).then(|| Complaint::UnexpectedBody {
        count: unexpected.body,
        compared: unexpected.bodies_compared,
        difference: unexpected.first_difference.clone(),
    })
}

/// Requests and connections that came to nothing.
fn errors(outcome: &Outcome) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let all = &outcome.errors;
    let &Errors { truncated, malformed, head_too_large, surplus, timed_out, .. } = all;
    if truncated + malformed > 0 {
        complaints.push(Complaint::Broken { truncated, malformed });
    }
    if head_too_large > 0 {
        complaints.push(Complaint::LargeHeads { count: head_too_large });
    }
    if surplus > 0 {
        complaints.push(Complaint::Surplus { connections: surplus });
    }
    if timed_out > 0 {
        let limit_ns = outcome.plan.timeout_ms.saturating_mul(1_000_000);
        complaints.push(Complaint::TimedOut { count: timed_out, requests: outcome.requests, limit_ns });
    }
    let &Errors { refused, connect_timed_out, connect_other, .. } = all;
    let connects = Errors { refused, connect_timed_out, connect_other, ..Errors::default() };
    let attempts = outcome.connections.opened + connects.total();
    if share(connects.total(), attempts) > MATERIAL_ERRORS {
        complaints.push(Complaint::NotConnected { errors: connects, attempts });
    }
    let &Errors { write, reset, closed_early, read_other, abandoned, .. } = all;
    let requests = Errors { write, reset, closed_early, read_other, abandoned, ..Errors::default() };
    let attempts = outcome.requests + all.connect();
    // Where none of the others happened, the requests were abandoned for a reason that is told already.
    if requests.total() > abandoned && share(requests.total(), attempts) > MATERIAL_ERRORS {
        complaints.push(Complaint::ConnectionErrors { errors: requests, attempts });
    }
    complaints
}

fn never_served(outcome: &Outcome) -> Option<Complaint> {
    let connections = outcome.connections.never_served;
    let of = outcome.connections.responses.len() as u64;
    let is_evidence = connections > 0 && outcome.responses > 0 && were_asked(outcome, connections);
    is_evidence.then_some(Complaint::NeverServed { connections, of })
}

/// Whether so many connections without a response had a request to answer.
fn were_asked(outcome: &Outcome, unserved: u64) -> bool {
    let plan = &outcome.plan;
    let turns = (plan.connections as u64).saturating_mul(ENOUGH_TURNS);
    if plan.requests.is_some_and(|requests| requests < turns) {
        return false;
    }
    // An open loop needs no more connections than it has requests to send.
    let lost = outcome.in_flight.count() + outcome.errors.total();
    plan.load.offered().is_none() || !outcome.unsent.is_empty() || lost >= unserved
}

fn idle_lost(outcome: &Outcome) -> Option<Complaint> {
    let idle = outcome.idle_connections?;
    let not_opened = idle.planned.saturating_sub(idle.opened);
    let (ended, planned) = (idle.ended_by_server, idle.planned);
    (not_opened + ended > 0).then_some(Complaint::IdleLost { not_opened, ended, planned })
}

/// Requests in flight at the end that no latency tells of, unless they are the first ones of so many that were told of
/// already.
fn stuck(outcome: &Outcome, told: u64) -> Option<Complaint> {
    let in_flight = outcome.in_flight.count();
    let oldest_ns = outcome.in_flight.maximum()?;
    let usual_ns = outcome.latency.percentile(99.9);
    let share_ns = (outcome.elapsed_ns as f64 * STUCK_SHARE) as u64;
    let mut limit_ns = usual_ns.map_or(0, |usual| usual.saturating_mul(STUCK_FACTOR).max(share_ns));
    if outcome.plan.load.offered().is_none() {
        // In an open loop the age counts from when the request was due, the time limit from when it was sent.
        let timeout_ns = outcome.plan.timeout_ms.saturating_mul(1_000_000);
        limit_ns = limit_ns.min(timeout_ns.saturating_add(STUCK_GRACE_NS));
    }
    let count = older_than(&outcome.in_flight, limit_ns);
    (count > told).then_some(Complaint::Stuck { count, in_flight, oldest_ns, usual_ns })
}

fn older_than(ages: &Histogram, limit_ns: u64) -> u64 {
    ages.buckets().filter(|(age, _)| *age > limit_ns).map(|(_, count)| count).sum()
}

fn unaccounted(outcome: &Outcome) -> Option<Complaint> {
    let requests = outcome.requests;
    let accounted = outcome.responses + outcome.errors.of_requests() + outcome.in_flight.count();
    (!outcome.is_accounted()).then_some(Complaint::Unaccounted { requests, accounted })
}

/// Whether an open loop asked for more than was answered.
fn overloaded(outcome: &Outcome) -> Option<Complaint> {
    outcome.plan.load.offered()?;
    let unsent = outcome.unsent.count();
    let due = outcome.requests + unsent;
    // At any end some requests are under way, and a slow server may answer them as well as the others. But where
    // requests pile up on the connections, latency grows with them: what is old in comparison with the run and with
    // half of the responses counts as unanswered.
    let share_ns = (outcome.elapsed_ns as f64 * STUCK_SHARE) as u64;
    let latency = |percent| outcome.latency.percentile(percent).unwrap_or(0);
    let young_ns = latency(100.0).min(share_ns.max(latency(50.0)));
    let overdue = unsent + outcome.errors.timed_out + older_than(&outcome.in_flight, young_ns);
    // A single one is chance, however few there were.
    (overdue > 1 && share(overdue, due) > OVERDUE_LIMIT).then(|| Complaint::Overloaded {
        due,
        responses: outcome.responses,
        unsent,
        oldest_ns: outcome.unsent.maximum().unwrap_or(0),
    })
}

fn late(outcome: &Outcome) -> Option<Complaint> {
    let lag_ns = outcome.lag.percentile(99.0)?;
    let median_ns = outcome.latency.percentile(50.0).unwrap_or(0);
    let limit_ns = LAG_LIMIT_NS.max((median_ns as f64 * LAG_SHARE) as u64);
    (lag_ns > limit_ns).then_some(Complaint::Late { lag_ns, limit_ns })
}

fn crowded(outcome: &Outcome) -> Option<Complaint> {
    let waited = || outcome.threads.iter().map(|thread| share(thread.waited_ns, thread.wall_ns));
    let threads = waited().filter(|share| *share > CROWDED_LIMIT).count() as u64;
    let (share, of) = (waited().fold(0.0, f64::max), outcome.threads.len() as u64);
    (threads > 0).then_some(Complaint::Crowded { share, threads, of })
}

fn halves_differ(outcome: &Outcome, quiet: &QuietTime) -> Option<Complaint> {
    let plan = &outcome.plan;
    // A thread that has used up its share of a limited number of requests leaves the end to the others.
    if plan.load.offered().is_some() || plan.slow_read.is_some() || plan.requests.is_some() {
        return None;
    }
    let middle_ns = outcome.windows.last().map(|last| last.offset_ns + last.length_ns)? / 2;
    let is_first = |window: &&Window| window.offset_ns + window.length_ns / 2 < middle_ns;
    let windows = outcome.windows.iter().filter(|window| quiet.has(window));
    let (first, second): (Vec<&Window>, Vec<&Window>) = windows.partition(is_first);
    let is_enough = first.len().min(second.len()) >= HALF_WINDOWS && outcome.responses >= ENOUGH_RESPONSES;
    let (first, second) = (rate(&first), rate(&second));
    let differ = first.min(second) < (1.0 - HALVES_TOLERANCE) * first.max(second);
    (is_enough && differ).then_some(Complaint::HalvesDiffer { first, second })
}

/// Complete responses per second of these windows.
fn rate(windows: &[&Window]) -> f64 {
    let responses: u64 = windows.iter().map(|window| window.responses).sum();
    let length_ns: u64 = windows.iter().map(|window| window.length_ns).sum();
    share(responses, length_ns) * 1e9
}
