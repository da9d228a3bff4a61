//! Runs that end with their requests, connections that end with theirs, and when a run begins.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadgen::{Expect, ExpectedLength, Load, Method, Offered};

use crate::server::{Server, milliseconds, ok, run};
use crate::verdict::assert_nothing_told;

/// A server that answers everything, and how many requests it was asked.
fn counting_server() -> (Server, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let server = Server::talking(move |connection, _| {
        while connection.next_request().is_some() {
            count.fetch_add(1, Ordering::SeqCst);
            if !connection.write(&ok("hello")) {
                return;
            }
        }
    });
    (server, asked)
}

#[test]
fn a_run_with_a_number_of_requests_sends_exactly_these() {
    for (requests, connections, threads, pipeline) in [(1, 4, 1, 1), (3, 7, 3, 1), (100, 4, 2, 1), (1_001, 4, 3, 8)] {
        let (server, asked) = counting_server();
        let mut plan = server.plan();
        (plan.connections, plan.threads, plan.pipeline) = (connections, threads, pipeline);
        (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(requests), 60_000, 30_000);
        let outcome = run(&plan);
        assert_eq!((outcome.requests, outcome.responses, outcome.errors.total()), (requests, requests, 0));
        assert_eq!(asked.load(Ordering::SeqCst), requests);
        assert!(!outcome.stopped_early && outcome.elapsed_ns < 60_000_000_000 && outcome.in_flight.is_empty());
        assert_nothing_told(&outcome);
    }
}

#[test]
fn a_number_of_requests_that_time_does_not_suffice_for_is_no_early_end() {
    let (server, asked) = counting_server();
    let mut plan = server.plan();
    (plan.requests, plan.duration_ms) = (Some(1_000_000_000), 100);
    let outcome = run(&plan);
    assert!(!outcome.stopped_early && outcome.elapsed_ns >= 100_000_000);
    assert!(outcome.responses > 0 && outcome.responses <= asked.load(Ordering::SeqCst));
}

#[test]
fn a_connection_is_used_for_its_requests_and_the_last_one_says_so() {
    for pipeline in [1, 3] {
        // For each connection, its requests and which of them said that they are the last.
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (notes, is_wrong) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
        let wrong = Arc::clone(&is_wrong);
        let server = Server::talking(move |connection, _| {
            let mut number = 0;
            while let Some(request) = connection.next_request() {
                number += 1;
                let says_so = request.contains("\r\nConnection: close\r\n");
                wrong.fetch_add(usize::from(says_so != (number == 5) || number > 5), Ordering::SeqCst);
                if number == 1 {
                    notes.lock().unwrap().push(0);
                }
                if !connection.write(&ok("hello")) {
                    break;
                }
                if number == 5 {
                    *notes.lock().unwrap().iter_mut().find(|full| **full == 0).unwrap() = 5;
                }
            }
        });
        let mut plan = server.plan();
        (plan.requests_per_connection, plan.pipeline) = (Some(5), pipeline);
        (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(200), 60_000, 30_000);
        let outcome = run(&plan);
        assert_eq!((outcome.responses, outcome.errors.total(), is_wrong.load(Ordering::SeqCst)), (200, 0, 0));
        // But for the last connection of each place, all are full.
        let connections = seen.lock().unwrap();
        let full = connections.iter().filter(|requests| **requests == 5).count();
        assert!(full <= 40 && connections.len() - full <= 4 && full * 5 + 4 * 4 >= 200, "{connections:?}");
        // It was the client that ended them.
        assert_eq!(outcome.connections.closed_by_server, 0);
        assert!(outcome.connections.opened >= connections.len() as u64);
        assert_nothing_told(&outcome);
    }
}

#[test]
fn a_warm_up_does_not_use_the_requests_up() {
    for load in [Load::Closed, Load::Open(Offered::steady(1_000.0))] {
        let (server, asked) = counting_server();
        let mut plan = server.plan();
        plan.load = load;
        (plan.warmup_ms, plan.requests, plan.duration_ms, plan.timeout_ms) = (100, Some(50), 60_000, 30_000);
        let outcome = run(&plan);
        assert_eq!((outcome.requests, outcome.responses, outcome.unsent.count()), (50, 50, 0), "{outcome:#?}");
        // Those that were under way when measuring began are among the 50, the others of the warm-up are not.
        assert!(asked.load(Ordering::SeqCst) >= 50 && outcome.elapsed_ns < 60_000_000_000);
        assert_nothing_told(&outcome);
    }
}

#[test]
fn nothing_is_asked_before_a_common_start() {
    thread::scope(|scope| {
        for load in [Load::Closed, Load::Open(Offered::steady(500.0))] {
            scope.spawn(move || start_together(load));
        }
    });
}

fn start_together(load: Load) {
    let first = Arc::new(Mutex::new(None));
    let note = Arc::clone(&first);
    let server = Server::answering(move |_| {
        note.lock().unwrap().get_or_insert_with(SystemTime::now);
        Some(ok("hello"))
    });
    let mut plan = server.plan();
    plan.load = load;
    let start = milliseconds(SystemTime::now()) + 300;
    plan.start_at_ms = Some(start);
    let outcome = run(&plan);
    let first = first.lock().unwrap().unwrap();
    // The clock of the wall may be corrected meanwhile.
    assert!(first + Duration::from_millis(1) >= UNIX_EPOCH + Duration::from_millis(start), "{first:?}, not {start}");
    assert!(outcome.started_at_ms + 1 >= start, "{} {start}", outcome.started_at_ms);
    assert!(!outcome.stopped_early && outcome.responses > 0);
}

#[test]
fn a_head_is_asked_for_and_has_no_body() {
    let server = Server::talking(|connection, _| {
        while let Some(request) = connection.next_request() {
            let is_head = request.starts_with("HEAD /some/path HTTP/1.1\r\n");
            let answer: &[u8] = if is_head { b"HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n" } else { b"HTTP/1.1 4" };
            if !connection.write(answer) {
                return;
            }
        }
    });
    let mut plan = server.plan();
    (plan.method, plan.pipeline) = (Method::Head, 3);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(300), 60_000, 30_000);
    plan.expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(0)), ..Expect::default() };
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total(), outcome.unexpected.responses), (300, 0, 0));
    assert_nothing_told(&outcome);
}
