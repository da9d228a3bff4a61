//! What the figures of every outcome have to agree on, whatever the server did.

use loadgen::{Histogram, Offered, Outcome};

/// Checks the figures of an outcome against each other.
#[track_caller]
pub(crate) fn check_figures(outcome: &Outcome) {
    check_sums(outcome);
    check_times(outcome);
    check_connections(outcome);
    check_unexpected(outcome);
    check_schedule(outcome);
    let text = serde_json::to_string(outcome).unwrap();
    assert_eq!(&serde_json::from_str::<Outcome>(&text).unwrap(), outcome, "it comes back from JSON the same");
}

/// No request is lost, and the parts add up to the whole.
#[track_caller]
fn check_sums(outcome: &Outcome) {
    assert!(outcome.is_accounted(), "{outcome:#?}");
    assert_eq!(outcome.responses, outcome.statuses.values().sum::<u64>());
    assert_eq!(outcome.responses, outcome.connections.responses.iter().sum::<u64>());
    assert_eq!(outcome.responses, outcome.threads.iter().map(|thread| thread.responses).sum::<u64>());
    assert_eq!(outcome.responses, outcome.windows.iter().map(|window| window.responses).sum::<u64>());
    assert_eq!(outcome.errors.total(), outcome.windows.iter().map(|window| window.errors).sum::<u64>());
    assert_eq!(outcome.bytes_read, outcome.windows.iter().map(|window| window.bytes_read).sum::<u64>());
    assert_eq!(outcome.elapsed_ns, outcome.windows.iter().map(|window| window.length_ns).sum::<u64>());
    let kinds: u64 = outcome.errors.kinds().iter().map(|(count, _)| count).sum();
    assert_eq!(outcome.errors.total(), kinds);
    // Where the number of requests has an end, no other request was begun, except before measuring.
    if let Some(most) = outcome.plan.requests {
        assert!(outcome.requests <= most.max(outcome.plan.concurrency() as u64), "{} of {most}", outcome.requests);
        let used_up = outcome.responses + outcome.errors.of_requests() >= most;
        let in_time = outcome.elapsed_ns < outcome.plan.duration_ms * 1_000_000;
        assert_eq!(outcome.stopped_early, in_time && !used_up);
    }
}

/// Every request has its times.
#[track_caller]
fn check_times(outcome: &Outcome) {
    let plan = &outcome.plan;
    assert_eq!(outcome.latency.count(), outcome.responses);
    assert_eq!(outcome.timed_out.count(), outcome.errors.timed_out);
    assert_eq!(outcome.latency_with_timeouts().count(), outcome.responses + outcome.errors.timed_out);
    assert!(outcome.timed_out.minimum().is_none_or(|age| age >= plan.timeout_ms * 1_000_000));
    assert!(outcome.in_flight.count() <= plan.concurrency() as u64);
    let whole_ns = outcome.elapsed_ns + plan.warmup_ms * 1_000_000;
    assert!(outcome.unsent.maximum().is_none_or(|age| age <= whole_ns), "{:?} {whole_ns}", outcome.unsent);
    if plan.load.offered().is_none() {
        assert_eq!((outcome.service.count(), outcome.lag.count(), outcome.unsent.count()), (0, 0, 0));
        return;
    }
    assert_eq!(outcome.service.count(), outcome.responses);
    // No request is sent before it is due.
    assert!(outcome.service.sum() <= outcome.latency.sum());
    assert!(outcome.service.maximum() <= outcome.latency.maximum());
    // Each request that was given a connection has its lag, one that the connection was not established for has another
    // each time. Those that were sent in the warm-up have none.
    let (lags, requests) = (outcome.lag.count(), outcome.requests);
    if plan.warmup_ms == 0 {
        let lost = outcome.errors.connect() + outcome.errors.surplus;
        let opening = outcome.unsent.count().min(plan.connections as u64);
        assert!((requests..=requests + lost + opening).contains(&lags), "{lags} of {requests}: {outcome:#?}");
    } else {
        assert!(lags + (plan.concurrency() as u64) >= requests, "{lags} of {requests}");
    }
}

/// Every connection is told of.
#[track_caller]
fn check_connections(outcome: &Outcome) {
    let (plan, connections) = (&outcome.plan, &outcome.connections);
    assert_eq!(outcome.threads.len(), plan.threads);
    assert_eq!(outcome.threads.iter().map(|thread| thread.connections).sum::<usize>(), plan.connections);
    assert_eq!(connections.responses.len(), plan.connections);
    assert_eq!(outcome.first_response.count(), plan.connections as u64 - connections.never_served);
    assert!(connections.closed_by_server <= connections.opened);
    let connects = outcome.connect.count();
    if plan.warmup_ms == 0 {
        assert_eq!(connects, connections.opened);
    } else {
        // Some were open already.
        let before = plan.connections as u64;
        assert!((connects..=connects + before).contains(&connections.opened), "{connects} {}", connections.opened);
    }
    assert_eq!(outcome.idle_connections.is_some(), plan.idle_connections > 0);
    if let Some(idle) = outcome.idle_connections {
        assert_eq!(idle.planned, plan.idle_connections as u64);
        assert!(idle.ended_by_server <= idle.opened && idle.opened <= idle.planned, "{idle:?}");
    }
}

/// Each response that is not as expected has at least one reason and is counted once.
#[track_caller]
fn check_unexpected(outcome: &Outcome) {
    let unexpected = &outcome.unexpected;
    let reasons = [unexpected.status, unexpected.length, unexpected.content_type, unexpected.body];
    assert!(reasons.iter().all(|&count| count <= unexpected.responses), "{unexpected:?}");
    assert!(reasons.iter().sum::<u64>() >= unexpected.responses, "{unexpected:?}");
    assert!(unexpected.responses <= outcome.responses);
    assert!(unexpected.body <= unexpected.bodies_compared && unexpected.bodies_compared <= outcome.responses);
    assert_eq!(unexpected.first_difference.is_some(), unexpected.body > 0);
    assert_eq!(unexpected.responses + outcome.as_expected(), outcome.responses);
}

/// Everything that was due in an open loop was sent or is told of.
#[track_caller]
fn check_schedule(outcome: &Outcome) {
    let plan = &outcome.plan;
    let due = outcome.requests + outcome.unsent.count();
    let Some(offered) = plan.load.offered().filter(|_| plan.warmup_ms == 0) else {
        return;
    };
    if let Some(most) = plan.requests {
        assert!(due <= most, "{due} of {most}");
        return;
    }
    if offered.arrivals != loadgen::Arrivals::Uniform {
        return;
    }
    // One thread ended exactly then; of several, the last one did, but none before the end of the plan.
    let most = due_within(offered, plan.duration_ms, outcome.elapsed_ns);
    let least = match plan.threads {
        1 => most,
        _ if outcome.stopped_early => 0,
        _ => due_within(offered, plan.duration_ms, plan.duration_ms * 1_000_000),
    };
    // What is due in the very nanosecond may be rounded to either side.
    assert!((least.saturating_sub(1)..=most + 1).contains(&due), "{due} were due, not {least} to {most}: {outcome:#?}");
}

/// How many requests of an even schedule are due in this time.
pub(crate) fn due_within(offered: &Offered, duration_ms: u64, time_ns: u64) -> u64 {
    let (time, duration) = (time_ns as f64 / 1e9, duration_ms as f64 / 1e3);
    let last = offered.final_rate.unwrap_or(offered.rate);
    let on_the_ramp = time.min(duration);
    let slope = (last - offered.rate) / duration;
    let requests = offered.rate * on_the_ramp + slope * on_the_ramp.powi(2) / 2.0 + last * (time - on_the_ramp);
    requests.ceil() as u64
}

/// How many of these durations are certain to be longer than this one, in nanoseconds.
pub(crate) fn longer_than(durations: &Histogram, nanoseconds: u64) -> u64 {
    let certain = nanoseconds + nanoseconds / 1_000;
    durations.buckets().filter(|(duration, _)| *duration > certain).map(|(_, count)| count).sum()
}
