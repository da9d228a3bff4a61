//! Requests that are sent by a schedule, whatever the server does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loadgen::validity::Complaint;
use loadgen::{Arrivals, Load, Offered, Outcome, Plan};

use crate::figures::{due_within, longer_than};
use crate::server::{Server, ok, run, run_while};
use crate::verdict::{assert_nothing_told, assert_told, is_disturbed};

const MS: u64 = 1_000_000;

/// A server that takes so long for each response by its own clock.
fn slow_server(time: Duration) -> Server {
    Server::answering(move |_| {
        let asked = Instant::now();
        while asked.elapsed() < time {
            thread::sleep(time.saturating_sub(asked.elapsed()));
        }
        Some(ok("hello"))
    })
}

/// A server that notes when each request came, and those times.
fn noting_server() -> (Server, Arc<Mutex<Vec<SystemTime>>>) {
    let times = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&times);
    let server = Server::answering(move |_| {
        notes.lock().unwrap().push(SystemTime::now());
        Some(ok("hello"))
    });
    (server, times)
}

fn open(mut plan: Plan, offered: Offered, connections: usize) -> Plan {
    plan.load = Load::Open(offered);
    (plan.connections, plan.threads, plan.duration_ms) = (connections, 1, 400);
    plan
}

/// How many requests were due, whether they were sent or not.
fn due(outcome: &Outcome) -> u64 {
    outcome.requests + outcome.unsent.count()
}

#[test]
fn a_response_takes_at_least_as_long_as_the_server_takes() {
    let server = slow_server(Duration::from_millis(20));
    let outcome = run(&open(server.plan(), Offered::steady(200.0), 20));
    assert!(outcome.latency.minimum().unwrap() >= 20 * MS && outcome.service.minimum().unwrap() >= 20 * MS);
    // 80 are due in 400 ms. A run that was woken late has some more; that is checked of every run.
    assert!(due(&outcome) >= 80, "{outcome:#?}");
    assert_eq!((outcome.errors.total(), outcome.stopped_early), (0, false));
}

#[test]
fn requests_come_evenly_and_none_before_it_is_due() {
    const RATE: f64 = 250.0;
    let is_even = |_: i32| {
        let (server, times) = noting_server();
        let mut plan = open(server.plan(), Offered::steady(RATE), 8);
        plan.threads = 2;
        let outcome = run(&plan);
        let mut times = times.lock().unwrap().clone();
        times.sort();
        // The time of the beginning is cut to a millisecond, and the clock of the wall may be corrected meanwhile.
        let began = UNIX_EPOCH + Duration::from_millis(outcome.started_at_ms) - Duration::from_millis(1);
        for (number, time) in times.iter().enumerate() {
            let due = began + Duration::from_secs_f64(number as f64 / RATE);
            assert!(*time >= due, "request {number} came {:?} too early", due.duration_since(*time));
        }
        let mut gaps: Vec<Duration> =
            times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).collect();
        gaps.sort();
        (Duration::from_millis(3)..Duration::from_millis(5)).contains(&gaps[gaps.len() / 2]) || is_disturbed(&outcome)
    };
    // On a machine that does not let the server run in time, they come in crowds. It is not as busy all the time.
    assert!((0..8).any(is_even));
}

#[test]
fn a_load_above_capacity_is_not_offered_silently() {
    let server = slow_server(Duration::from_millis(20));
    let outcome = run(&open(server.plan(), Offered::steady(400.0), 2));
    // Each of the two connections answers one in 20 ms at best.
    let answered = 2 * outcome.elapsed_ns / (20 * MS);
    assert!(outcome.responses <= answered, "{outcome:#?}");
    let unsent = outcome.unsent.count();
    assert!(unsent >= due(&outcome) - answered - 2 && unsent > 100, "{outcome:#?}");
    assert!(outcome.unsent.maximum() >= outcome.unsent.minimum());
    let is_meant = |complaint: &_| match complaint {
        Complaint::Overloaded { unsent: told, due: all, .. } => (*told, *all) == (unsent, due(&outcome)),
        _ => false,
    };
    assert_told(&outcome, is_meant, &format!("; {unsent} still unsent at the end"));
    assert_told(&outcome, is_meant, &format!("{unsent} found no free connection"));
}

#[test]
fn a_connection_that_never_answers_is_left_to_its_one_request() {
    let asked: Arc<[AtomicU64; 4]> = Arc::default();
    let seen = Arc::clone(&asked);
    let server = Server::talking(move |connection, number| {
        while connection.next_request().is_some() {
            seen[number].fetch_add(1, Ordering::SeqCst);
            if number > 0 && !connection.write(&ok("hello")) {
                return;
            }
        }
    });
    let mut plan = open(server.plan(), Offered::steady(200.0), 4);
    (plan.duration_ms, plan.timeout_ms) = (60_000, 60_000);
    let count = |number: usize| asked[number].load(Ordering::SeqCst);
    // A second request says that the first response has arrived.
    let outcome = run_while(&plan, |progress| progress.responses < 100 || (1..4).any(|number| count(number) < 2));
    assert_eq!((outcome.connections.never_served, outcome.errors.total()), (1, 0));
    // The server may not have come to the last ones yet.
    let all = || (0..4).map(count).sum::<u64>();
    let waited = Instant::now();
    while all() < outcome.requests && waited.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((all(), count(0)), (outcome.requests, 1));
    // Its age is that of the run but for the first few requests, with which all connections had their turn.
    assert!(outcome.in_flight.maximum().unwrap() >= outcome.elapsed_ns - 4 * 5 * MS, "{outcome:#?}");
    let is_meant = |complaint: &_| *complaint == Complaint::NeverServed { connections: 1, of: 4 };
    assert_told(&outcome, is_meant, "  never served    1 of 4 connections\n");
}

#[test]
fn a_ramp_offers_what_lies_under_its_line() {
    let ramp = Offered { final_rate: Some(500.0), ..Offered::steady(100.0) };
    let is_in_time = |_: i32| {
        let (server, times) = noting_server();
        let outcome = run(&open(server.plan(), ramp, 8));
        // 120 in 400 ms, and after that 500 a second for as long as the run is woken late.
        let late = due_within(&ramp, 400, outcome.elapsed_ns);
        assert!((120 - 1..=late + 1).contains(&due(&outcome)), "{outcome:#?}");
        // In the first half there are but 40 of them: 100 x 0.2 + 1,000 x 0.2 x 0.2 / 2. The time of the beginning is
        // cut to a millisecond.
        let middle = UNIX_EPOCH + Duration::from_millis(outcome.started_at_ms + 200);
        let first = times.lock().unwrap().iter().filter(|time| **time < middle).count();
        assert!(first <= 42, "{first}");
        first >= 38 || is_disturbed(&outcome)
    };
    // On a machine that does not let the server run in time, it sees them later.
    assert!((0..8).any(is_in_time));
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let (server, _) = noting_server();
    let mut plan = open(server.plan(), Offered { arrivals: Arrivals::Poisson, ..Offered::steady(2_000.0) }, 8);
    (plan.threads, plan.duration_ms) = (2, 150);
    let mut due_with = |seed| {
        plan.seed = seed;
        let outcome = run(&plan);
        // A run that is woken late has some more.
        (due(&outcome), (outcome.elapsed_ns - 150 * MS) / 100_000)
    };
    let [(first, late), (second, later)] = [7, 7].map(&mut due_with);
    assert!(first.abs_diff(second) <= 2 + late.max(later), "{first} and {second}");
    // 300 are to be expected, with a deviation of 17.
    assert!(first >= 215, "{first}");
    let counts = [1, 2, 3].map(|seed| due_with(seed).0);
    assert!(counts.iter().any(|count| count.abs_diff(first) > 2), "{first} {counts:?}");
}

#[test]
fn a_limited_number_of_requests_is_sent_in_its_time_and_nothing_is_due_after_them() {
    // They are answered long after the last one is sent; what the schedule would offer meanwhile was not asked for.
    let server = slow_server(Duration::from_millis(150));
    for threads in [1, 3] {
        let mut plan = open(server.plan(), Offered::steady(400.0), 60);
        (plan.requests, plan.threads, plan.duration_ms) = (Some(40), threads, 20_000);
        let outcome = run(&plan);
        assert_eq!((outcome.requests, outcome.responses, outcome.unsent.count()), (40, 40, 0), "{outcome:#?}");
        // The last one is due after 39 gaps of 2.5 ms.
        assert!(outcome.elapsed_ns >= 39 * 5 * MS / 2 + 150 * MS && !outcome.stopped_early);
        assert_nothing_told(&outcome);
    }
}

#[test]
fn a_connection_with_a_pipeline_takes_more_requests_before_an_answer_and_no_more_than_that() {
    let server = Server::talking(|connection, _| connection.wait_for_the_end());
    let mut plan = open(server.plan(), Offered::steady(200.0), 1);
    plan.pipeline = 8;
    let outcome = run(&plan);
    assert_eq!((outcome.requests, outcome.in_flight.count()), (8, 8));
    assert!(outcome.unsent.count() >= 72, "{outcome:#?}");
    // Each has the age of the time since it was due.
    assert!(longer_than(&outcome.in_flight, outcome.elapsed_ns - 36 * MS) >= 7, "{outcome:#?}");
    let is_meant = |complaint: &_| matches!(complaint, Complaint::Overloaded { due: 80.., responses: 0, .. });
    assert_told(&outcome, is_meant, "  at the end      8 requests unanswered");
}

#[test]
fn a_warm_up_is_no_part_of_what_is_offered() {
    let server = slow_server(Duration::from_millis(20));
    let mut plan = open(server.plan(), Offered::steady(200.0), 40);
    (plan.warmup_ms, plan.duration_ms) = (200, 200);
    let outcome = run(&plan);
    // 40 are due in 200 ms. Those that were due in 20 ms before are under way, and a run that is late may have to send
    // all of the warm-up's.
    let all = due_within(&Offered::steady(200.0), 400, outcome.elapsed_ns + 200 * MS);
    assert!((40 - 1..=all).contains(&due(&outcome)), "{outcome:#?}");
    assert_eq!(outcome.connections.opened, 40);
}
