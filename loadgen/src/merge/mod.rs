//! The sum of what several generators found out about one server at the same time.

mod error;
mod plan;
mod seeds;
mod span;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;

pub use error::MergeError;
pub use seeds::equal_seeds;
pub use span::overlap;

use crate::{Connections, FORMAT, IdleConnections, Outcome};
use span::Span;

/// Adds up the outcomes of generators that drove one server at the same time, mostly from several machines, because
/// one cannot offer what the server can carry. A single outcome is returned as it is.
///
/// Nothing is averaged: counters and histograms add, and every figure of the connections is that of all of them. If
/// every outcome accounts for its requests, so does the sum.
///
/// - Time is that of the machines' clocks, which have to agree to within an interval or so. The sum goes from the
///   earliest start to the latest end: where the runs did not quite coincide, its rates are below what the server was
///   asked for while all were at it; [`overlap`] says how far they coincided.
/// - Windows are moved by whole intervals to where they were by the clock, to the nearest, and added. The last one is
///   as long as the longest of those that fell together there.
/// - The plan is the first one's, with the connections, threads, idle connections and offered rates of all, and their
///   requests where each has a limit.
/// - Generators with equal seeds ask for the same at the same moments, which no sum can undo: [`equal_seeds`] finds them.
/// - CPU numbers mean other CPUs on another machine: the sum knows no steal, no CPUs in its plan and no ceiling.
///   [`ThreadRecord::cpu`](crate::ThreadRecord::cpu) stays as it was on the thread's machine.
/// - Memory is the sum, and unknown if any is.
/// - Where addresses differ, all are named, separated by commas.
///
/// Sums may be merged again: merging all at once gives the same counters and histograms as merging some first.
///
/// # Errors
///
/// When there is nothing to merge, and when the sum would mean nothing: an outcome in another format, plans that
/// measure different things, two runs that did not overlap in time at all.
pub fn merge(outcomes: &[Outcome]) -> Result<Outcome, MergeError> {
    let (Some(first), Some(around)) = (outcomes.first(), Span::around(outcomes)) else {
        return Err(MergeError::Nothing);
    };
    check(first, outcomes)?;
    if outcomes.len() == 1 {
        return Ok(first.clone());
    }
    let mut sum = first.clone();
    outcomes[1..].iter().for_each(|outcome| add(&mut sum, outcome));
    sum.started_at_ms = outcomes.iter().map(|outcome| outcome.started_at_ms).min().unwrap_or_default();
    sum.elapsed_ns = u64::try_from(around.length()).unwrap_or(u64::MAX);
    sum.windows = windows::aligned(outcomes, around, first.plan.interval_ms.saturating_mul(1_000_000));
    sum.ceiling = None;
    Ok(sum)
}

fn check(first: &Outcome, outcomes: &[Outcome]) -> Result<(), MergeError> {
    for (position, outcome) in outcomes.iter().enumerate() {
        if outcome.format != FORMAT {
            return Err(MergeError::Format { position, format: outcome.format });
        }
        if let Some(field) = plan::difference(&first.plan, &outcome.plan) {
            return Err(MergeError::Plans { first: 0, second: position, field });
        }
    }
    span::check_together(outcomes)
}

/// Adds all that does not depend on when it was.
fn add(sum: &mut Outcome, outcome: &Outcome) {
    // Every field is named, so that none that is added later can be forgotten here.
    let Outcome {
        format: _,
        plan,
        address,
        generators,
        started_at_ms: _,
        elapsed_ns: _,
        stopped_early,
        requests,
        responses,
        bytes_read,
        statuses,
        unexpected,
        errors,
        latency,
        service,
        timed_out,
        in_flight,
        unsent,
        lag,
        connect,
        first_response,
        connections,
        idle_connections,
        threads,
        windows: _,
        peak_resident_bytes,
        ceiling: _,
    } = outcome;
    plan::add(&mut sum.plan, plan);
    add_addresses(&mut sum.address, address);
    sum.generators += generators;
    sum.stopped_early |= stopped_early;
    sum.requests += requests;
    sum.responses += responses;
    sum.bytes_read += bytes_read;
    add_statuses(&mut sum.statuses, statuses);
    sum.unexpected.add(unexpected);
    sum.errors.add(errors);
    for (sum, part) in [
        (&mut sum.latency, latency),
        (&mut sum.service, service),
        (&mut sum.timed_out, timed_out),
        (&mut sum.in_flight, in_flight),
        (&mut sum.unsent, unsent),
        (&mut sum.lag, lag),
        (&mut sum.connect, connect),
        (&mut sum.first_response, first_response),
    ] {
        sum.add(part);
    }
    sum.connections = both(&sum.connections, connections);
    add_idle(&mut sum.idle_connections, idle_connections.as_ref());
    sum.threads.extend_from_slice(threads);
    sum.peak_resident_bytes = sum.peak_resident_bytes.zip(*peak_resident_bytes).map(|(one, other)| one + other);
}

/// A name may stand for several addresses, and an address that is met again is not named again.
fn add_addresses(sum: &mut String, addresses: &str) {
    for address in addresses.split(", ") {
        if !sum.split(", ").any(|known| known == address) {
            sum.push_str(", ");
            sum.push_str(address);
        }
    }
}

fn add_statuses(sum: &mut BTreeMap<u16, u64>, statuses: &BTreeMap<u16, u64>) {
    for (status, count) in statuses {
        *sum.entry(*status).or_default() += count;
    }
}

fn both(one: &Connections, other: &Connections) -> Connections {
    let responses = [one.responses.as_slice(), &other.responses].concat();
    Connections::new(one.opened + other.opened, one.closed_by_server + other.closed_by_server, responses)
}

fn add_idle(sum: &mut Option<IdleConnections>, idle: Option<&IdleConnections>) {
    if let Some(idle) = idle {
        sum.get_or_insert_default().add(idle);
    }
}
