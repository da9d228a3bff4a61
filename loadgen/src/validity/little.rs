//! Little's law, by which a closed loop shows whether its times can be true.

use super::complaint::{Complaint, share};
use crate::{Histogram, Outcome};

/// How far the law may be missed, as a share of the requests that have to be under way.
pub const LITTLE_TOLERANCE: f64 = 0.1;

/// So many responses are needed for a judgement from their mean.
pub const ENOUGH_RESPONSES: u64 = 100;

/// So many nanoseconds of measured time are needed to neglect its ends.
pub const ENOUGH_TIME_NS: u64 = 100_000_000;

/// From so many responses per TCP connection on, it does not matter how long it took the client to replace one.
const MANY_RESPONSES: f64 = 10.0;

/// In a closed loop, as many requests are under way at any time as the plan's connections allow, except where one is
/// being connected. So all durations together have to be that many times the measured time. Where nothing else is wrong
/// and they are not, either connections idled or time was measured wrongly. (Little, Operations Research 9(3), 1961.)
pub(super) fn law(outcome: &Outcome) -> Option<Complaint> {
    let plan = &outcome.plan;
    let is_closed = plan.load.offered().is_none() && plan.slow_read.is_none() && plan.requests.is_none();
    let is_enough = outcome.responses >= ENOUGH_RESPONSES && outcome.elapsed_ns >= ENOUGH_TIME_NS;
    if !is_closed || !is_enough {
        return None;
    }
    let requests_ns = outcome.latency.sum() as f64 + outcome.timed_out.sum() as f64 + outcome.in_flight.sum() as f64;
    let under_way = (requests_ns + connecting_ns(outcome)) / outcome.elapsed_ns as f64;
    let expected = plan.concurrency() as f64;
    let too_few = under_way < expected * (1.0 - LITTLE_TOLERANCE) && !may_idle(outcome);
    let too_many = under_way > expected * (1.0 + LITTLE_TOLERANCE + before_ns(outcome) / outcome.elapsed_ns as f64);
    (too_few || too_many).then_some(Complaint::LittlesLaw { under_way, expected: plan.concurrency() as u64 })
}

/// How long connecting took within the measured time. Without a warm-up, the plan's connections were opened before it.
fn connecting_ns(outcome: &Outcome) -> f64 {
    let connects = outcome.connect.count();
    let before = if outcome.plan.warmup_ms == 0 { outcome.plan.connections as u64 } else { 0 };
    outcome.connect.sum() as f64 * share(connects.saturating_sub(before), connects)
}

/// Whether connections may have idled for a good reason: there is a pause after a failure; where a connection is made
/// anew for every few requests, the client is busy closing the last one meanwhile; and its last requests leave a
/// pipeline half empty.
fn may_idle(outcome: &Outcome) -> bool {
    let is_renewed = outcome.plan.requests_per_connection.is_some() || outcome.connections.closed_by_server > 0;
    let is_short = outcome.connections.responses_per_connection().is_some_and(|responses| responses < MANY_RESPONSES);
    outcome.errors.total() > 0 || (is_renewed && (is_short || outcome.plan.pipeline > 1))
}

/// How old the requests were that were under way when measuring began, in the mean and in nanoseconds: this part of
/// their latency lies before the measured time. At a moment that is left to chance, long requests are more likely to be
/// met than short ones, and one that is met is half over.
fn before_ns(outcome: &Outcome) -> f64 {
    let latency: &Histogram = &outcome.latency;
    if outcome.plan.warmup_ms == 0 || latency.sum() == 0 {
        return 0.0;
    }
    let squares: f64 = latency.buckets().map(|(duration, count)| (duration as f64).powi(2) * count as f64).sum();
    squares / (2.0 * latency.sum() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validity::complaints;
    use crate::validity::tests::{MS, assert_only, assert_sentence, closed, of, windows};
    use crate::{Connections, Load, Offered};

    #[test]
    fn durations_have_to_add_up_to_the_requests_under_way() {
        let mut outcome = closed();
        outcome.latency = of(&[(8 * MS, 990)]);
        assert_sentence(
            &outcome,
            "The durations add up to 7.97 requests under way, not to the 10 of this closed loop: connections idled or \
             time was measured wrongly; look at the responses per connection.",
        );
        // Requests that were given up, connects in the measured time and pauses make up for it.
        outcome.connect = of(&[(100 * MS, 20)]);
        outcome.connections.opened = 20;
        assert_eq!(complaints(&outcome).len(), 1, "the first ten were made before");
        outcome.plan.warmup_ms = 1_000;
        assert_eq!(complaints(&outcome), []);
        let mut outcome = closed();
        outcome.latency = of(&[(12 * MS, 990)]);
        assert_only(&outcome, Complaint::LittlesLaw { under_way: 11.93, expected: 10 });
    }

    #[test]
    fn little_is_not_called_upon_where_something_else_explains_it() {
        let few = || Outcome { latency: of(&[(8 * MS, 990)]), ..closed() };
        assert_eq!(complaints(&few()).len(), 1);
        let is_silent = |change: &dyn Fn(&mut Outcome)| {
            let mut outcome = few();
            change(&mut outcome);
            !complaints(&outcome).iter().any(|complaint| matches!(complaint, Complaint::LittlesLaw { .. }))
        };
        assert!(is_silent(&|outcome| outcome.plan.slow_read = Some(1_000)));
        assert!(is_silent(&|outcome| outcome.plan.requests = Some(1_000)));
        assert!(is_silent(&|outcome| outcome.plan.load = Load::Open(Offered::steady(1_000.0))));
        assert!(is_silent(&|outcome| outcome.errors.surplus = 1), "told already");
        assert!(is_silent(&|outcome| (outcome.requests, outcome.errors.reset) = (1_001, 1)), "a pause");
        assert!(
            is_silent(&|outcome| outcome.connections = Connections::new(990, 990, vec![99; 10])),
            "made anew each time"
        );
        let drains =
            |outcome: &mut Outcome| (outcome.plan.pipeline, outcome.plan.requests_per_connection) = (2, Some(50));
        assert!(is_silent(&drains), "a pipeline that runs dry");
        let short = |outcome: &mut Outcome| (outcome.elapsed_ns, outcome.windows) = (99 * MS, Vec::new());
        assert!(is_silent(&short));
    }

    #[test]
    fn what_lies_before_the_measured_time_is_allowed_for() {
        let mut outcome = closed();
        // Ten requests of 40 ms each at a time; those of the warm-up were half over when measuring began.
        (outcome.requests, outcome.responses, outcome.statuses) = (260, 250, [(200, 250)].into());
        (outcome.latency, outcome.in_flight) = (of(&[(40 * MS, 250)]), of(&[(105 * MS, 10)]));
        (outcome.connections, outcome.windows) = (Connections::new(10, 0, vec![25; 10]), windows(10, 25));
        assert_only(&outcome, Complaint::LittlesLaw { under_way: 11.05, expected: 10 });
        outcome.plan.warmup_ms = 500;
        assert_eq!(complaints(&outcome), []);
    }
}
