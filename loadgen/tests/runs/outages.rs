//! Servers that go away while they are asked.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::validity::Complaint;
use loadgen::{Errors, Load, Offered, Plan};

use crate::child::NullServer;
use crate::connection::Connection;
use crate::figures::longer_than;
use crate::server::{Raise, ok, run_while};
use crate::verdict::assert_told;

/// No other test uses this address, and no client has it: a port of it stays free when its server goes.
const ADDRESS: &str = "127.0.0.2:0";
const MS: u64 = 1_000_000;

/// Takes connections in and answers one request on each, for as long as `goes_on` says when it is told how many it has
/// answered.
fn answer_once_each(listener: &TcpListener, goes_on: impl Fn(u64) -> bool) {
    listener.set_nonblocking(true).unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    while goes_on(answered.load(Ordering::SeqCst)) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let answered = Arc::clone(&answered);
        thread::spawn(move || {
            stream.set_nonblocking(false).unwrap();
            let mut connection = Connection::new(stream);
            if connection.next_request().is_some() && connection.write(&ok("hello")) {
                answered.fetch_add(1, Ordering::SeqCst);
                connection.wait_for_the_end();
            }
        });
    }
}

#[test]
fn what_is_due_while_connections_are_refused_is_sent_later() {
    const RATE: f64 = 200.0;
    let listener = TcpListener::bind(ADDRESS).unwrap();
    let address = listener.local_addr().unwrap();
    let mut plan = Plan::new(format!("http://{address}"));
    (plan.connections, plan.threads, plan.requests_per_connection) = (10, 1, Some(1));
    (plan.load, plan.duration_ms, plan.timeout_ms) = (Load::Open(Offered::steady(RATE)), 60_000, 60_000);
    let (errors, is_over, has_ended) = (AtomicU64::new(0), AtomicBool::new(false), AtomicBool::new(false));
    let (outcome, outage) = thread::scope(|scope| {
        let server = scope.spawn(|| {
            answer_once_each(&listener, |answered| answered < 20 && !has_ended.load(Ordering::SeqCst));
            drop(listener);
            let gone = Instant::now();
            // Those that were waiting to be accepted are reset; the others are refused, again and again.
            let has_ended = || has_ended.load(Ordering::SeqCst);
            let is_noticed = || errors.load(Ordering::SeqCst) >= 30 || has_ended();
            while gone.elapsed() < Duration::from_millis(300) || !is_noticed() {
                thread::sleep(Duration::from_millis(1));
            }
            let outage = gone.elapsed();
            let listener = TcpListener::bind(address).unwrap();
            answer_once_each(&listener, |answered| {
                is_over.store(answered >= 100, Ordering::SeqCst);
                !has_ended()
            });
            outage
        });
        let ending = Raise(&has_ended);
        let outcome = run_while(&plan, |progress| {
            errors.store(progress.errors, Ordering::SeqCst);
            !is_over.load(Ordering::SeqCst)
        });
        drop(ending);
        (outcome, server.join().unwrap())
    });
    // That everything that was due was sent or is told of is checked of every run.
    let (refused, failed) = (outcome.errors.refused, outcome.errors.of_requests());
    assert!(refused >= 20 && outcome.responses >= 120 && failed <= 10, "{outcome:#?}");
    assert!(outcome.lag.count() > outcome.requests, "those that were refused were tried again");
    let outage_ns = u64::try_from(outage.as_nanos()).unwrap();
    let mut all = outcome.latency.clone();
    all.add(&outcome.in_flight);
    all.add(&outcome.unsent);
    let limit_ns = 100 * MS;
    let expected = (RATE * (outage_ns - limit_ns) as f64 / 1e9) as u64 - 1;
    assert!(longer_than(&all, limit_ns - MS / 5) >= expected - failed.min(expected), "{expected}: {outcome:#?}");
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::NotConnected { errors, .. } if errors.refused == refused);
    assert_told(&outcome, is_meant, &format!("{refused} refused"));
}

#[test]
fn what_waits_for_a_connection_at_the_end_is_not_lost() {
    let listener = TcpListener::bind(ADDRESS).unwrap();
    let full = listener.try_clone().unwrap();
    // Once it has all four connections, it answers on them and never accepts again; in its queue there is room for one.
    let connections = Mutex::new(Vec::new());
    let accepted = thread::spawn(move || {
        let mut connections = connections.lock().unwrap();
        connections.extend((0..4).map(|_| Connection::new(listener.accept().unwrap().0)));
        rustix::net::listen(&listener, 0).unwrap();
        for connection in connections.iter_mut() {
            assert!(connection.next_request().is_some() && connection.write(&ok("hello")));
        }
    });
    let mut plan = Plan::new(format!("http://{}", full.local_addr().unwrap()));
    (plan.connections, plan.threads, plan.requests_per_connection) = (4, 1, Some(1));
    (plan.load, plan.duration_ms, plan.timeout_ms) = (Load::Open(Offered::steady(100.0)), 60_000, 60_000);
    let mut full_since = None;
    let outcome = run_while(&plan, |progress| {
        if progress.responses == 4 && full_since.is_none() {
            full_since = Some(Instant::now());
        }
        full_since.is_none_or(|since| since.elapsed() < Duration::from_millis(200))
    });
    accepted.join().unwrap();
    assert_eq!((outcome.responses, outcome.errors.total()), (4, 0));
    // The kernel has established the ones in its queue, and for the others it is as if the server were not there. That
    // everything was sent or is told of is checked of every run.
    assert!((1..=2).contains(&outcome.in_flight.count()) && outcome.unsent.count() >= 10, "{outcome:#?}");
    assert!(outcome.unsent.maximum().unwrap() >= 150 * MS, "{outcome:#?}");
    assert_told(&outcome, |complaint| matches!(complaint, Complaint::Overloaded { .. }), "still unsent at the end");
}

#[test]
fn a_server_that_is_killed_is_told_by_its_errors_and_the_run_ends_in_time() {
    thread::scope(|scope| {
        for load in [Load::Closed, Load::Open(Offered::steady(500.0))] {
            scope.spawn(move || kill_under(load));
        }
    });
}

fn kill_under(load: Load) {
    let server = NullServer::start();
    let mut plan = Plan { load, ..server.plan() };
    (plan.duration_ms, plan.timeout_ms) = (1_000, 10_000);
    let mut is_killed = false;
    let outcome = run_while(&plan, |progress| {
        if progress.responses > 0 && !is_killed {
            server.kill();
            is_killed = true;
        }
        true
    });
    let Errors { refused, connect_other, reset, closed_early, write, .. } = outcome.errors;
    assert!(refused > 0 && outcome.responses > 0, "{outcome:#?}");
    // A connection may be reset before it has carried anything.
    let all = refused + connect_other + reset + closed_early + write;
    assert_eq!(outcome.errors.total(), all, "{:?}", outcome.errors);
    assert!(outcome.errors.of_requests() <= 8 && outcome.in_flight.is_empty(), "{outcome:#?}");
    assert!(!outcome.stopped_early && outcome.elapsed_ns >= 1_000 * MS);
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::NotConnected { errors, .. } if errors.refused == refused);
    assert_told(&outcome, is_meant, &format!("{refused} refused"));
}
