//! Each complaint appears when it should, and none does where nothing is wrong.

use super::*;
use crate::{
    Connections, Difference, ExpectedBody, ExpectedLength, IdleConnections, Load, Offered, Plan, ThreadRecord,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

pub(super) fn of(durations: &[(u64, usize)]) -> Histogram {
    let mut histogram = Histogram::new();
    for &(nanoseconds, count) in durations {
        (0..count).for_each(|_| histogram.record(nanoseconds));
    }
    histogram
}

pub(super) fn windows(count: u64, responses: u64) -> Vec<Window> {
    let length_ns = SECOND / count;
    let at = |index| Window { offset_ns: index * length_ns, length_ns, responses, ..Window::default() };
    (0..count).map(|index| Window { steal_ns: Some([].into()), ..at(index) }).collect()
}

/// A second of ten connections in a closed loop with nothing to complain of.
pub(super) fn closed() -> Outcome {
    let mut plan = Plan::new("http://127.0.0.1/file");
    (plan.connections, plan.threads, plan.duration_ms) = (10, 1, 1_000);
    Outcome {
        elapsed_ns: SECOND,
        requests: 1_000,
        responses: 990,
        statuses: [(200, 990)].into(),
        latency: of(&[(10 * MS, 990)]),
        in_flight: of(&[(5 * MS, 10)]),
        connections: Connections::new(10, 0, vec![99; 10]),
        threads: vec![ThreadRecord { wall_ns: SECOND, cpu_ns: SECOND / 10, ..ThreadRecord::default() }],
        windows: windows(10, 99),
        ..Outcome::new(plan, "127.0.0.1:80".into())
    }
}

/// A second of a thousand requests in an open loop with nothing to complain of.
fn open() -> Outcome {
    let mut outcome = Outcome { latency: of(&[(2 * MS, 990)]), lag: of(&[(20_000, 1_000)]), ..closed() };
    outcome.in_flight = of(&[(2 * MS, 10)]);
    outcome.service = outcome.latency.clone();
    outcome.plan.load = Load::Open(Offered::steady(1_000.0));
    outcome
}

#[track_caller]
pub(super) fn assert_only(outcome: &Outcome, expected: Complaint) {
    assert_eq!(complaints(outcome), [expected]);
}

#[track_caller]
pub(super) fn assert_sentence(outcome: &Outcome, expected: &str) {
    let sentences: Vec<String> = complaints(outcome).iter().map(ToString::to_string).collect();
    assert_eq!(sentences, [expected]);
}

#[test]
fn clean_runs_have_none() {
    for outcome in [closed(), open()] {
        assert_eq!(complaints(&outcome), []);
        assert!(outcome.is_accounted());
    }
}

#[test]
fn no_response_is_told_first() {
    let mut outcome = closed();
    (outcome.requests, outcome.responses, outcome.statuses) = (10, 0, [].into());
    (outcome.latency, outcome.in_flight) = (Histogram::new(), of(&[(SECOND, 10)]));
    outcome.connections = Connections::new(10, 0, vec![0; 10]);
    let none = Complaint::NoResponse { elapsed_ns: SECOND, stopped_early: false };
    let stuck = Complaint::Stuck { count: 10, in_flight: 10, oldest_ns: SECOND, usual_ns: None };
    assert_eq!(complaints(&outcome), [none.clone(), stuck.clone()]);
    assert_eq!(
        none.to_string(),
        "Not one response came in 1 s: ask the server by hand, with curl, and look at what it does."
    );
    assert_eq!(
        stuck.to_string(),
        "10 of 10 requests in flight at the end had waited in vain, the oldest for 1 s: no percentile knows of them; \
         look for what stalls, or measure longer."
    );
    outcome.stopped_early = true;
    assert!(complaints(&outcome)[0].to_string().starts_with("The run was stopped after 1 s, before one response"));
    assert_eq!(caveats(&outcome), []);
}

#[test]
fn another_status_is_told_with_what_to_do_about_it() {
    let mut outcome = closed();
    outcome.statuses = [(200, 980), (404, 7), (500, 3)].into();
    assert_sentence(
        &outcome,
        "10 of 990 responses had another status (404: 7, 500: 3) instead of one below 400: look whether the server has \
         http://127.0.0.1/file.",
    );
    outcome.plan.expect.status = Some(200);
    outcome.statuses = [(301, 990)].into();
    assert_sentence(
        &outcome,
        "Every response had the status 301 instead of 200: ask for the place that the server sends you to.",
    );
    outcome.plan.expect.status = Some(301);
    assert_eq!(complaints(&outcome), []);
    outcome.plan.expect.status = None;
    assert_eq!(complaints(&outcome), []);
}

#[test]
fn another_length_is_told_unless_another_status_explains_it() {
    let mut outcome = closed();
    outcome.plan.expect.length = Some(ExpectedLength::Exactly(6_120));
    outcome.unexpected = Unexpected { responses: 3, length: 3, ..Unexpected::default() };
    assert_sentence(
        &outcome,
        "3 of 990 responses had a body of another length than the expected 6,120 bytes: look whether the file changed \
         or the server cuts it off.",
    );
    outcome.statuses = [(200, 980), (404, 10)].into();
    outcome.unexpected = Unexpected { responses: 10, status: 10, length: 10, ..Unexpected::default() };
    assert!(matches!(complaints(&outcome)[..], [Complaint::UnexpectedStatus { .. }]));
    outcome.unexpected.responses = 11;
    outcome.unexpected.length = 11;
    assert!(matches!(
        complaints(&outcome)[..],
        [Complaint::UnexpectedStatus { .. }, Complaint::UnexpectedLength { count: 11, .. }]
    ));
}

#[test]
fn another_type_is_told_with_the_expected_one() {
    let mut outcome = closed();
    outcome.plan.expect.content_type = Some("text/html".into());
    outcome.unexpected = Unexpected { responses: 2, content_type: 2, ..Unexpected::default() };
    let responses = outcome.responses;
    assert_only(&outcome, Complaint::UnexpectedType { expected: "text/html".into(), count: 2, responses });
    let text = complaints(&outcome)[0].to_string();
    assert!(text.starts_with("2 of ") && text.contains(" responses had another Content-Type than text/html"), "{text}");
}

#[test]
fn other_bytes_are_told_with_the_first_of_them() {
    let mut outcome = closed();
    outcome.plan.expect.body = Some(ExpectedBody::LikeFirst);
    outcome.unexpected =
        Unexpected { responses: 2, body: 2, bodies_compared: 500, first_difference: None, ..Unexpected::default() };
    assert_eq!(complaints(&outcome).len(), 1);
    let difference = Difference { path: "/a.html".into(), offset: 1_017, expected: b'<', found: 0 };
    outcome.unexpected.first_difference = Some(difference);
    assert_sentence(
        &outcome,
        "2 of 500 compared bodies had other bytes, the first of /a.html at offset 1,017 with 0x00 instead of 0x3c: \
         compare what curl gets with the file, and look whether the server mixes responses up.",
    );
}

#[test]
fn a_single_broken_response_is_enough() {
    let mut outcome = closed();
    outcome.requests += 1;
    outcome.errors.truncated = 1;
    assert_sentence(
        &outcome,
        "1 response was cut off and 0 not HTTP: the server breaks its responses under load; look at what it says on \
         standard error.",
    );
    outcome.errors = Errors { malformed: 1, ..Errors::default() };
    assert_only(&outcome, Complaint::Broken { truncated: 0, malformed: 1 });
}

#[test]
fn more_than_was_asked_for_is_enough_too() {
    let mut outcome = closed();
    outcome.errors.surplus = 1;
    assert_sentence(
        &outcome,
        "1 connection brought more than was asked for: the server sends more bytes than it announces, or answers \
         twice; compare the lengths it announces with what it sends.",
    );
}

#[test]
fn a_timeout_is_told_with_its_limit() {
    let mut outcome = closed();
    outcome.requests += 1;
    (outcome.errors.timed_out, outcome.timed_out) = (1, of(&[(2_010 * MS, 1)]));
    assert_sentence(
        &outcome,
        "1 of 1,001 requests got no complete response within 2 s, and of their latency nothing is known but that it \
         was at least this: look for what stalls, or allow more time with --timeout.",
    );
}

#[test]
fn failed_connects_are_measured_by_the_attempts_to_connect() {
    let mut outcome = closed();
    outcome.errors.refused = 2;
    assert_sentence(
        &outcome,
        "17 % of the attempts to connect failed (2 refused): look whether the server still accepts, and at the limit \
         on waiting connections.",
    );
    outcome.errors = Errors { connect_other: 1, ..Errors::default() };
    assert!(complaints(&outcome)[0].to_string().contains("limits on descriptors and on the client's ports"));
    outcome.connections.opened = 1_000;
    assert_eq!(complaints(&outcome), [], "one of a thousand is forgiven");
}

#[test]
fn failed_requests_are_forgiven_up_to_a_share() {
    let mut outcome = closed();
    (outcome.requests, outcome.errors.closed_early) = (1_001, 1);
    assert_eq!(complaints(&outcome), []);
    (outcome.requests, outcome.errors.closed_early, outcome.errors.reset) = (1_005, 3, 2);
    assert_sentence(
        &outcome,
        "0.5 % of the attempts failed (2 reset, 3 closed before the response): the server closes kept connections \
         while a request is on its way; it has to say so in the response before.",
    );
    outcome.errors = Errors { timed_out: 1, abandoned: 4, ..Errors::default() };
    assert!(matches!(complaints(&outcome)[..], [Complaint::TimedOut { .. }]), "one pulled the others along");
    outcome.errors = Errors { reset: 4, abandoned: 1, ..Errors::default() };
    assert!(complaints(&outcome)[0].to_string().ends_with(": look at what the server says on standard error."));
}

#[test]
fn connections_that_were_never_served_are_told_once() {
    let mut outcome = closed();
    outcome.connections = Connections::new(10, 0, [vec![0; 8], vec![495; 2]].concat());
    outcome.in_flight = of(&[(SECOND, 8), (2 * MS, 2)]);
    assert_sentence(
        &outcome,
        "8 of 10 connections were never served while others were: the server ties its workers to connections; give it \
         as many workers as connections, or let it share them.",
    );
    outcome.plan.requests = Some(99);
    assert!(matches!(complaints(&outcome)[..], [Complaint::Stuck { count: 8, .. }]), "they may have missed their turn");
    outcome.plan.requests = Some(1_000);
    assert!(matches!(complaints(&outcome)[..], [Complaint::NeverServed { .. }]));
}

#[test]
fn an_open_loop_may_leave_connections_alone() {
    let mut outcome = open();
    outcome.connections = Connections::new(20, 0, [vec![0; 15], vec![198; 5]].concat());
    assert_eq!(complaints(&outcome), [], "they were not needed");
    outcome.unsent = of(&[(MS, 1)]);
    assert_only(&outcome, Complaint::NeverServed { connections: 15, of: 20 });
    outcome.unsent.clear();
    outcome.connections = Connections::new(20, 0, [vec![0; 10], vec![99; 10]].concat());
    assert_only(&outcome, Complaint::NeverServed { connections: 10, of: 20 });
}

#[test]
fn idle_connections_have_to_be_held() {
    let mut outcome = closed();
    outcome.idle_connections = Some(IdleConnections { planned: 1_000, opened: 1_000, ended_by_server: 0 });
    assert_eq!(complaints(&outcome), []);
    outcome.idle_connections = Some(IdleConnections { planned: 1_000, opened: 990, ended_by_server: 1 });
    assert_sentence(
        &outcome,
        "Of 1,000 idle connections 10 could not be opened and 1 was ended by the server: look at both sides' limits on \
         descriptors and connections, and at how long the server lets a connection idle.",
    );
}

#[test]
fn what_hangs_at_the_end_is_told() {
    let mut outcome = closed();
    outcome.in_flight = of(&[(101 * MS, 1), (5 * MS, 9)]);
    assert_sentence(
        &outcome,
        "1 of 10 requests in flight at the end had waited in vain, the oldest for 101 ms, while 99.9 % of the \
         responses came within 10 ms: no percentile knows of them; look for what stalls, or measure longer.",
    );
    outcome.in_flight = of(&[(99 * MS, 1), (5 * MS, 9)]);
    assert_eq!(complaints(&outcome), [], "it may well be answered");
    // The slowest responses take as long.
    outcome.latency = of(&[(10 * MS, 980), (20 * MS, 10)]);
    outcome.in_flight = of(&[(150 * MS, 1), (5 * MS, 9)]);
    assert_eq!(complaints(&outcome), []);
}

#[test]
fn what_should_have_been_given_up_is_told_in_a_closed_loop() {
    let mut outcome = closed();
    outcome.plan.timeout_ms = 50;
    outcome.latency = of(&[(10 * MS, 985), (40 * MS, 5)]);
    outcome.in_flight = of(&[(249 * MS, 1), (5 * MS, 9)]);
    assert_eq!(complaints(&outcome), []);
    outcome.in_flight = of(&[(251 * MS, 1), (5 * MS, 9)]);
    assert!(matches!(complaints(&outcome)[..], [Complaint::Stuck { count: 1, .. }]));
    let mut outcome = open();
    outcome.plan.timeout_ms = 50;
    outcome.latency = of(&[(2 * MS, 980), (80 * MS, 10)]);
    outcome.in_flight = of(&[(300 * MS, 1), (2 * MS, 9)]);
    assert_eq!(complaints(&outcome), [], "it was sent long after it was due");
}

#[test]
fn requests_that_got_lost_are_the_generators_fault() {
    let mut outcome = closed();
    outcome.requests = 1_100;
    assert_sentence(
        &outcome,
        "The generator sent 1,100 requests and can account for 1,000: its counts cannot be trusted; report this as a \
         fault of the load generator.",
    );
}

#[test]
fn an_offered_load_above_capacity_is_told() {
    let mut outcome = open();
    outcome.unsent = of(&[(50 * MS, 10), (20 * MS, 1)]);
    assert_sentence(
        &outcome,
        "Of 1,011 requests due 990 were answered and 11 found no free connection, the oldest for 50 ms: the offered \
         load is above what the server can do over so many connections; offer less, or allow more connections.",
    );
    outcome.unsent = of(&[(50 * MS, 10)]);
    assert_eq!(complaints(&outcome), [], "one in a hundred is chance");
}

#[test]
fn requests_that_pile_up_on_the_connections_are_unanswered_too() {
    let mut outcome = open();
    // Latency has grown to 200 ms during the run.
    (outcome.requests, outcome.latency) = (1_200, of(&[(50 * MS, 500), (200 * MS, 490)]));
    outcome.in_flight = of(&[(50 * MS, 110), (190 * MS, 100)]);
    assert_only(&outcome, Complaint::Overloaded { due: 1_200, responses: 990, unsent: 0, oldest_ns: 0 });
    // A server that takes its time has as many requests under way, and none of them for longer than the others.
    (outcome.latency, outcome.in_flight) = (of(&[(250 * MS, 990)]), of(&[(120 * MS, 110), (240 * MS, 100)]));
    assert_eq!(complaints(&outcome), []);
}

#[test]
fn a_schedule_that_was_not_kept_is_told() {
    let mut outcome = open();
    outcome.lag = of(&[(20_000, 980), (3 * MS, 20)]);
    assert_sentence(
        &outcome,
        "The generator was late for its own schedule: 1 % of the requests were sent 3 ms or more after they could have \
         been, 1 ms is allowed, and the latency contains it; give it CPUs of its own and more threads, or offer less.",
    );
    (outcome.latency, outcome.in_flight) = (of(&[(40 * MS, 990)]), of(&[(2 * MS, 10)]));
    assert_eq!(complaints(&outcome), [], "a tenth of the latency does not change it");
}

#[test]
fn steal_in_most_of_the_time_is_too_much() {
    let mut outcome = closed();
    let steal = |outcome: &mut Outcome, windows: usize, ns: u64| {
        outcome.windows.iter_mut().for_each(|window| window.steal_ns = Some([(1, 0)].into()));
        outcome.windows[..windows].iter_mut().for_each(|window| window.steal_ns = Some([(1, ns)].into()));
    };
    // Of two CPUs for 100 ms, 10 ms are 5 %.
    steal(&mut outcome, 6, 10 * MS);
    assert_eq!((complaints(&outcome), caveats(&outcome)), (vec![], vec![Caveat::ClosedLoop]));
    steal(&mut outcome, 6, 11 * MS);
    assert_sentence(
        &outcome,
        "Other virtual machines took CPU time of this one: only 40 % of the measured time had at most 5 % steal, 50 % is \
         needed; run it again in a quieter hour or on a machine of its own.",
    );
    steal(&mut outcome, 5, 11 * MS);
    let set_aside = Caveat::WindowsSetAside { noisy: 5, windows: 10, responses_per_second: 990.0 };
    assert_eq!((complaints(&outcome), caveats(&outcome)), (vec![], vec![set_aside.clone(), Caveat::ClosedLoop]));
    assert_eq!(
        set_aside.to_string(),
        "5 of 10 windows had more than 5 % steal; without them there were 990 responses per second."
    );
}

#[test]
fn threads_that_wait_for_a_cpu_are_told() {
    let mut outcome = closed();
    outcome.threads[0].waited_ns = SECOND / 10;
    assert_eq!(complaints(&outcome), []);
    outcome.threads[0].waited_ns = SECOND * 39 / 100;
    assert_sentence(
        &outcome,
        "The client's thread waited up to 39 % of the time for a CPU that something else had, so the latency is partly \
         the generator's own: give it CPUs of its own with --cpus, and no more threads than these.",
    );
    outcome.threads.push(ThreadRecord { wall_ns: SECOND, ..ThreadRecord::default() });
    assert!(complaints(&outcome)[0].to_string().starts_with("1 of 2 client threads waited up to 39 % of the time"));
}

#[test]
fn halves_that_differ_are_told() {
    let mut outcome = closed();
    outcome.windows[..5].iter_mut().for_each(|window| window.responses = 110);
    outcome.windows[5..].iter_mut().for_each(|window| window.responses = 88);
    assert_eq!(complaints(&outcome), []);
    outcome.windows[5..].iter_mut().for_each(|window| window.responses = 87);
    assert_sentence(
        &outcome,
        "The run had 1,100 responses per second in its first half and 870 in its second: warm up longer, or look for \
         what changes meanwhile.",
    );
    outcome.windows[9].steal_ns = Some([(0, SECOND)].into());
    assert_eq!(complaints(&outcome), [], "four quiet windows are too few for a half");
    let mut open = open();
    open.windows = std::mem::take(&mut outcome.windows);
    open.windows[9].steal_ns = None;
    assert_eq!(complaints(&open), [], "its rate is what was asked for");
}
