use proptest::prelude::*;

use super::*;
use crate::{
    Arrivals, Ceiling, Difference, Errors, ExpectedLength, Histogram, Load, Method, Offered, Plan, Shape, ThreadRecord,
    Unexpected, Window,
};

const MS: u64 = 1_000_000;

/// A run with windows of 200 ms, in each of which so many requests were answered.
fn outcome(started_at_ms: u64, responses: &[u64]) -> Outcome {
    let window = |(index, &responses): (usize, &u64)| Window {
        offset_ns: index as u64 * 200 * MS,
        length_ns: 200 * MS,
        responses,
        errors: 1,
        bytes_read: 10 * responses,
        cpu_ns: 100 * responses,
        steal_ns: Some([(1, 7)].into()),
    };
    let total = responses.iter().sum();
    let mut latency = Histogram::new();
    (0..total).for_each(|number| latency.record((number + 1) * MS));
    Outcome {
        started_at_ms,
        elapsed_ns: responses.len() as u64 * 200 * MS,
        requests: total,
        responses: total,
        bytes_read: 10 * total,
        statuses: [(200, total)].into(),
        latency,
        connections: Connections::new(2, 1, vec![total, 0]),
        threads: vec![ThreadRecord { connections: 2, responses: total, cpu: Some(1), ..ThreadRecord::default() }],
        windows: responses.iter().enumerate().map(window).collect(),
        ..Outcome::new(Plan { connections: 2, threads: 1, ..Plan::new("http://server/") }, "10.0.0.1:80".into())
    }
}

fn of_plan(change: impl FnOnce(&mut Plan)) -> Outcome {
    let mut outcome = outcome(0, &[1]);
    change(&mut outcome.plan);
    outcome
}

fn responses(outcome: &Outcome) -> Vec<u64> {
    outcome.windows.iter().map(|window| window.responses).collect()
}

#[test]
fn a_single_outcome_is_returned_as_it_is() {
    let mut one = outcome(123, &[4, 5]);
    one.plan.cpus = Some(vec![1]);
    one.peak_resident_bytes = Some(1 << 20);
    let shape = Shape::of(&one.plan);
    one.ceiling = Some(Ceiling { responses_per_second: 1e5, cpu_ns_per_response: 1e4, shape });
    assert_eq!(merge(std::slice::from_ref(&one)), Ok(one));
}

#[test]
fn without_an_outcome_there_is_no_sum() {
    assert_eq!(merge(&[]), Err(MergeError::Nothing));
}

#[test]
fn an_outcome_in_another_format_is_refused_and_named() {
    let mut other = outcome(0, &[1]);
    other.format = FORMAT + 1;
    let error = merge(&[outcome(0, &[1]), other.clone()]).unwrap_err();
    assert_eq!(error, MergeError::Format { position: 1, format: FORMAT + 1 });
    assert!(error.to_string().starts_with(&format!("outcome 2 has format {} ", FORMAT + 1)), "{error}");
    assert!(merge(&[other]).is_err());
}

#[test]
fn plans_that_measure_different_things_are_refused_by_the_field() {
    let open = |rate, arrivals| Load::Open(Offered { arrivals, ..Offered::steady(rate) });
    type Change<'a> = &'a dyn Fn(&mut Plan);
    let changes: [(&str, Change<'_>); 13] = [
        ("url", &|plan| plan.url.push('a')),
        ("paths", &|plan| plan.paths.list.push("/a".into())),
        ("method", &|plan| plan.method = Method::Head),
        ("load", &|plan| plan.load = open(1.0, Arrivals::Uniform)),
        ("duration_ms", &|plan| plan.duration_ms += 1),
        ("warmup_ms", &|plan| plan.warmup_ms += 1),
        ("timeout_ms", &|plan| plan.timeout_ms += 1),
        ("pipeline", &|plan| plan.pipeline += 1),
        ("requests_per_connection", &|plan| plan.requests_per_connection = Some(1)),
        ("slow_read", &|plan| plan.slow_read = Some(1)),
        ("headers", &|plan| plan.headers.push(("A".into(), "b".into()))),
        ("expect", &|plan| plan.expect.length = Some(ExpectedLength::LikeFirst)),
        ("interval_ms", &|plan| plan.interval_ms += 1),
    ];
    for (field, change) in changes {
        let outcomes = [outcome(0, &[1]), outcome(0, &[1]), of_plan(change)];
        let error = merge(&outcomes).unwrap_err();
        assert_eq!(error, MergeError::Plans { first: 0, second: 2, field });
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "outcomes 1 and 3 measured different things, for their plans differ in `{field}`"
            ))
        );
    }
    let arrivals = |arrivals| of_plan(|plan| plan.load = open(1.0, arrivals));
    let error = merge(&[arrivals(Arrivals::Uniform), arrivals(Arrivals::Poisson)]).unwrap_err();
    assert_eq!(error, MergeError::Plans { first: 0, second: 1, field: "load" });
}

#[test]
fn what_is_each_generators_own_affair_is_added() {
    let change = |connections, requests, seed| {
        of_plan(move |plan| {
            (plan.connections, plan.threads, plan.idle_connections) = (connections, 2, 5);
            (plan.requests, plan.seed, plan.cpus) = (requests, seed, Some(vec![0]));
        })
    };
    let plan = merge(&[change(10, Some(3), 7), change(20, Some(4), 8), change(30, Some(5), 9)]).unwrap().plan;
    assert_eq!((plan.connections, plan.threads, plan.idle_connections), (60, 6, 15));
    assert_eq!((plan.requests, plan.seed, plan.cpus), (Some(12), 7, None));
    let plan = merge(&[change(10, Some(3), 7), change(20, None, 8)]).unwrap().plan;
    assert_eq!(plan.requests, None, "the second had no limit");
}

#[test]
fn equal_seeds_are_found_where_chance_decides() {
    let open = |arrivals, seed, start_at_ms| {
        of_plan(move |plan| {
            plan.load = Load::Open(Offered { arrivals, ..Offered::steady(1.0) });
            (plan.seed, plan.start_at_ms) = (seed, start_at_ms);
        })
    };
    let poisson = |seed| open(Arrivals::Poisson, seed, None);
    assert_eq!(equal_seeds(&[]), None);
    assert_eq!(equal_seeds(&[poisson(1), poisson(2), poisson(3)]), None);
    assert_eq!(equal_seeds(&[poisson(1), poisson(2), poisson(2), poisson(1)]), Some((1, 2)));
    // Evenly spaced requests meet where the generators began together.
    let uniform = |start_at_ms| open(Arrivals::Uniform, 1, start_at_ms);
    assert_eq!(equal_seeds(&[uniform(None), uniform(None)]), None);
    assert_eq!(equal_seeds(&[uniform(Some(5)), uniform(Some(5))]), Some((0, 1)));
    // In a closed loop chance decides only on paths.
    let zipf = || {
        of_plan(|plan| {
            plan.paths.list = vec!["/a".into(), "/b".into()];
            plan.paths.order = crate::Order::Zipf(1.0);
        })
    };
    assert_eq!(equal_seeds(&[zipf(), zipf()]), Some((0, 1)));
    assert_eq!(equal_seeds(&[outcome(0, &[1]), outcome(0, &[1])]), None);
}

#[test]
fn offered_rates_add() {
    let open =
        |rate, final_rate| of_plan(|plan| plan.load = Load::Open(Offered { final_rate, ..Offered::steady(rate) }));
    let sum = |outcomes: &[Outcome]| *merge(outcomes).unwrap().plan.load.offered().unwrap();
    assert_eq!(sum(&[open(100.0, None), open(50.0, None)]), Offered::steady(150.0));
    let ramp = sum(&[open(100.0, None), open(50.0, Some(500.0)), open(1.0, None)]);
    assert_eq!(ramp, Offered { rate: 151.0, final_rate: Some(601.0), arrivals: Arrivals::Uniform });
}

#[test]
fn runs_that_never_met_are_refused_and_named() {
    let outcomes = [outcome(400, &[1, 1]), outcome(100, &[1, 1]), outcome(500, &[1])];
    let error = merge(&outcomes).unwrap_err();
    assert_eq!(error, MergeError::Apart { first: 1, second: 2 });
    assert!(error.to_string().starts_with("outcomes 2 and 3 did not measure at the same time"), "{error}");
    assert!(merge(&[outcome(100, &[1, 1]), outcome(499, &[1])]).is_ok());
    assert!(merge(&[outcome(100, &[]), outcome(100, &[])]).is_err(), "neither measured anything");
}

#[test]
fn the_overlap_is_the_share_of_the_time_during_which_all_ran() {
    assert_eq!(overlap(&[]), 0.0);
    assert_eq!(overlap(&[outcome(5, &[])]), 1.0);
    assert_eq!(overlap(&[outcome(5, &[1]), outcome(5, &[1])]), 1.0);
    assert_eq!(overlap(&[outcome(0, &[1; 5]), outcome(500, &[1; 5])]), 500.0 / 1500.0);
    assert_eq!(overlap(&[outcome(500, &[1; 5]), outcome(0, &[1; 10]), outcome(600, &[1])]), 200.0 / 2000.0);
    assert_eq!(overlap(&[outcome(0, &[1]), outcome(300, &[1])]), 0.0);
}

#[test]
fn the_rate_is_not_overstated_when_the_runs_did_not_coincide() {
    let sum = merge(&[outcome(1_400, &[10; 5]), outcome(1_000, &[10; 5])]).unwrap();
    assert_eq!((sum.started_at_ms, sum.elapsed_ns), (1_000, 1_400 * MS));
    assert_eq!(sum.responses_per_second(), 100.0 / 1.4);
}

#[test]
fn windows_are_added_where_they_were_by_the_clock() {
    let sum = merge(&[outcome(1_405, &[1, 2, 3]), outcome(1_000, &[10, 20, 30])]).unwrap();
    assert_eq!(responses(&sum), [10, 20, 31, 2, 3]);
    for (index, window) in sum.windows.iter().enumerate() {
        assert_eq!((window.offset_ns, window.length_ns), (index as u64 * 200 * MS, 200 * MS));
    }
    let both = &sum.windows[2];
    assert_eq!((both.errors, both.bytes_read, both.cpu_ns), (2, 310, 3_100));
    assert!(sum.windows.iter().all(|window| window.steal_ns.is_none()), "whose CPU 1?");
}

#[test]
fn windows_are_moved_to_the_nearest_whole_interval() {
    let at = |offset_ms| responses(&merge(&[outcome(0, &[10; 3]), outcome(offset_ms, &[1; 3])]).unwrap());
    assert_eq!(at(99), [11, 11, 11]);
    assert_eq!(at(100), [10, 11, 11, 1]);
    assert_eq!(at(299), [10, 11, 11, 1]);
    assert_eq!(at(300), [10, 10, 11, 1, 1]);
}

#[test]
fn only_the_last_window_may_be_shorter() {
    let mut short = outcome(0, &[1, 1, 1]);
    (short.elapsed_ns, short.windows[2].length_ns) = (450 * MS, 50 * MS);
    let lengths = |outcomes: &[Outcome]| {
        let sum = merge(outcomes).unwrap();
        sum.windows.iter().map(|window| window.length_ns / MS).collect::<Vec<_>>()
    };
    assert_eq!(lengths(&[short.clone(), outcome(0, &[1, 1, 1, 1])]), [200, 200, 200, 200]);
    assert_eq!(lengths(&[outcome(0, &[1, 1, 1]), short.clone()]), [200, 200, 200]);
    let sum = merge(&[short.clone(), short.clone()]).unwrap();
    assert_eq!(lengths(&[short.clone(), short]), [200, 200, 50]);
    assert_eq!(sum.windows.iter().map(|window| window.length_ns).sum::<u64>(), sum.elapsed_ns);
}

#[test]
fn connections_and_threads_are_those_of_all() {
    let sum = merge(&[outcome(0, &[3]), outcome(0, &[8]), outcome(0, &[5])]).unwrap();
    assert_eq!(sum.connections, Connections::new(6, 3, vec![3, 0, 8, 0, 5, 0]));
    assert_eq!(sum.connections.never_served, 3);
    assert_eq!(sum.threads.iter().map(|thread| thread.responses).collect::<Vec<_>>(), [3, 8, 5]);
    assert_eq!(sum.threads[1].cpu, Some(1));
    assert_eq!(sum.generators, 3);
}

#[test]
fn percentiles_are_those_of_all_latencies_and_no_mean_of_percentiles() {
    let mut slow = outcome(0, &[0]);
    (slow.requests, slow.responses) = (1, 1);
    slow.latency.record(1_000 * MS);
    let sum = merge(&[outcome(0, &[99]), slow]).unwrap();
    assert_eq!((sum.latency.count(), sum.latency.maximum()), (100, Some(1_000 * MS)));
    let median = sum.latency.percentile(50.0).unwrap() as f64 / MS as f64;
    assert!((median - 50.0).abs() < 0.1, "{median}");
}

#[test]
fn what_went_wrong_anywhere_is_in_the_sum() {
    let difference = |path: &str| Some(Difference { path: path.into(), offset: 1, expected: 2, found: 3 });
    let with =
        |path: &str| Unexpected { responses: 1, body: 1, first_difference: difference(path), ..Unexpected::default() };
    let (mut one, mut other) = (outcome(0, &[1]), outcome(0, &[1]));
    (one.unexpected, other.unexpected) = (with("/a"), with("/b"));
    (one.errors.reset, other.errors.reset, other.errors.timed_out) = (1, 2, 3);
    (one.statuses, other.statuses) = ([(200, 1), (404, 2)].into(), [(404, 3), (500, 4)].into());
    other.stopped_early = true;
    let sum = merge(&[one, other]).unwrap();
    assert_eq!(sum.unexpected, Unexpected { responses: 2, body: 2, ..with("/a") });
    assert_eq!(sum.errors, Errors { reset: 3, timed_out: 3, ..Errors::default() });
    assert_eq!(sum.statuses, [(200, 1), (404, 5), (500, 4)].into());
    assert!(sum.stopped_early);
}

#[test]
fn what_one_machine_does_not_know_is_not_known_of_all() {
    let of = |bytes| Outcome { peak_resident_bytes: bytes, ..outcome(0, &[1]) };
    let memory = |outcomes: &[Outcome]| merge(outcomes).unwrap().peak_resident_bytes;
    assert_eq!(memory(&[of(Some(3)), of(Some(4)), of(Some(5))]), Some(12));
    assert_eq!(memory(&[of(Some(3)), of(None), of(Some(5))]), None);
    let mut known = outcome(0, &[1]);
    let shape = Shape::of(&known.plan);
    known.ceiling = Some(Ceiling { responses_per_second: 1.0, cpu_ns_per_response: 1.0, shape });
    assert_eq!(merge(&[known.clone(), known]).unwrap().ceiling, None);
}

#[test]
fn idle_connections_add_where_there_are_any() {
    let of = |opened| IdleConnections { planned: 10, opened, ended_by_server: 1 };
    let with = |idle_connections| Outcome { idle_connections, ..outcome(0, &[1]) };
    let idle = |outcomes: &[Outcome]| merge(outcomes).unwrap().idle_connections;
    assert_eq!(idle(&[with(None), with(None)]), None);
    assert_eq!(idle(&[with(None), with(Some(of(9))), with(None)]), Some(of(9)));
    let both = IdleConnections { planned: 20, opened: 17, ended_by_server: 2 };
    assert_eq!(idle(&[with(Some(of(9))), with(Some(of(8)))]), Some(both));
}

#[test]
fn each_address_is_named_once() {
    let at = |address: &str| Outcome { address: address.into(), ..outcome(0, &[1]) };
    let address = |outcomes: &[Outcome]| merge(outcomes).unwrap().address;
    assert_eq!(address(&[at("10.0.0.1:80"), at("10.0.0.1:80")]), "10.0.0.1:80");
    let two = merge(&[at("10.0.0.1:80"), at("[::1]:80")]).unwrap();
    assert_eq!(address(&[two.clone(), at("[::1]:80"), two]), "10.0.0.1:80, [::1]:80");
}

#[test]
fn a_sum_is_stored_and_read_like_any_outcome() {
    let sum = merge(&[outcome(0, &[1, 2]), outcome(70, &[3, 4])]).unwrap();
    let text = serde_json::to_string(&sum).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), sum);
}

#[test]
fn times_that_no_clock_shows_cost_no_memory() {
    let mut endless = outcome(0, &[1]);
    endless.elapsed_ns = u64::MAX;
    let sum = merge(&[endless.clone(), outcome(u64::MAX / MS - 1, &[1])]).unwrap();
    assert_eq!((sum.windows.len(), sum.elapsed_ns), (2, u64::MAX));
    endless.plan.interval_ms = 0;
    assert!(merge(&[endless.clone(), endless]).is_ok());
}

/// A run that accounts for all of its requests, made of 27 numbers; any two of these overlap.
fn from_numbers(numbers: &[u64]) -> Outcome {
    let mut next = numbers.iter().copied().cycle();
    let mut take = || next.next().unwrap();
    let mut outcome = outcome(5_000 + take(), &[take(), take(), take(), take(), take(), take()]);
    outcome.errors = Errors {
        refused: take(),
        connect_timed_out: take(),
        connect_other: take(),
        write: take(),
        reset: take(),
        closed_early: take(),
        truncated: take(),
        malformed: take(),
        head_too_large: take(),
        read_other: take(),
        timed_out: take(),
        abandoned: take(),
        turned_away: take(),
        surplus: take(),
    };
    for histogram in [
        &mut outcome.service,
        &mut outcome.timed_out,
        &mut outcome.in_flight,
        &mut outcome.unsent,
        &mut outcome.lag,
        &mut outcome.connect,
        &mut outcome.first_response,
    ] {
        (0..take() % 10).for_each(|number| histogram.record(number * 1_234_567));
    }
    outcome.requests += outcome.errors.of_requests() + outcome.in_flight.count();
    outcome.statuses.insert(200 + (take() % 300) as u16, 1);
    outcome
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0_u64..1_000, 27)
}

/// The sums of everything that is counted.
fn counts(outcomes: &[Outcome]) -> Vec<u64> {
    let sum = |count: &dyn Fn(&Outcome) -> u64| outcomes.iter().map(count).sum();
    let of_windows = |count: fn(&Window) -> u64| sum(&|outcome: &Outcome| outcome.windows.iter().map(count).sum());
    vec![
        sum(&|outcome| u64::from(outcome.generators)),
        sum(&|outcome| outcome.requests),
        sum(&|outcome| outcome.responses),
        sum(&|outcome| outcome.bytes_read),
        sum(&|outcome| outcome.statuses.values().sum()),
        sum(&|outcome| outcome.errors.connect()),
        sum(&|outcome| outcome.errors.read()),
        sum(&|outcome| outcome.errors.of_requests()),
        sum(&|outcome| outcome.errors.total()),
        sum(&|outcome| outcome.latency.count()),
        sum(&|outcome| outcome.latency.sum()),
        sum(&|outcome| outcome.service.sum()),
        sum(&|outcome| outcome.timed_out.sum()),
        sum(&|outcome| outcome.in_flight.count()),
        sum(&|outcome| outcome.unsent.sum()),
        sum(&|outcome| outcome.lag.sum()),
        sum(&|outcome| outcome.connect.sum()),
        sum(&|outcome| outcome.first_response.sum()),
        sum(&|outcome| outcome.connections.opened),
        sum(&|outcome| outcome.connections.closed_by_server),
        sum(&|outcome| outcome.connections.never_served),
        sum(&|outcome| outcome.connections.responses.iter().sum()),
        sum(&|outcome| outcome.plan.connections as u64),
        sum(&|outcome| outcome.threads.len() as u64),
        sum(&|outcome| outcome.threads.iter().map(|thread| thread.responses).sum()),
        of_windows(|window| window.responses),
        of_windows(|window| window.errors),
        of_windows(|window| window.bytes_read),
        of_windows(|window| window.cpu_ns),
    ]
}

proptest! {
    #[test]
    fn nothing_that_was_counted_is_lost(runs in prop::collection::vec(numbers(), 1..5)) {
        let outcomes: Vec<Outcome> = runs.iter().map(|numbers| from_numbers(numbers)).collect();
        prop_assert!(outcomes.iter().all(Outcome::is_accounted));
        let sum = merge(&outcomes).unwrap();
        prop_assert_eq!(counts(std::slice::from_ref(&sum)), counts(&outcomes));
        prop_assert!(sum.is_accounted());
        for (index, window) in sum.windows.iter().enumerate() {
            prop_assert_eq!(window.offset_ns, index as u64 * 200 * MS);
        }
        let share = overlap(&outcomes);
        prop_assert!(share > 0.0 && share <= 1.0, "{}", share);
    }

    #[test]
    fn three_at_once_are_two_and_then_the_third(one in numbers(), two in numbers(), three in numbers()) {
        let [one, two, three] = [one, two, three].map(|numbers| from_numbers(&numbers));
        let at_once = merge(&[one.clone(), two.clone(), three.clone()]).unwrap();
        // Rounding to whole windows twice may end in another window than rounding once.
        let without_windows = |outcome: &Outcome| Outcome { windows: Vec::new(), ..outcome.clone() };
        let left = merge(&[merge(&[one.clone(), two.clone()]).unwrap(), three.clone()]).unwrap();
        let right = merge(&[one, merge(&[two, three]).unwrap()]).unwrap();
        for in_steps in [left, right] {
            prop_assert_eq!(without_windows(&in_steps), without_windows(&at_once));
            prop_assert_eq!(counts(std::slice::from_ref(&in_steps)), counts(std::slice::from_ref(&at_once)));
        }
    }
}
