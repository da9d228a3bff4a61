//! Servers that stand still for a while. An open loop feels it in every request that was due meanwhile; whoever looks
//! only at how long each request took feels it as often as there are connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::validity::Complaint;
use loadgen::{Load, Offered, Outcome, Phase, Plan};

use crate::child::NullServer;
use crate::figures::longer_than;
use crate::server::{Raise, Server, ok, run_while};
use crate::verdict::assert_told;

const RATE: f64 = 200.0;
const STALL: Duration = Duration::from_millis(1_400);
const MS: u64 = 1_000_000;

/// Offers load until the server has stalled and some time has passed. `stall` makes it stand still, and says for how
/// long it certainly did, by its own clock.
fn run_with_stall(plan: &Plan, stall: impl FnOnce() -> Duration + Send) -> (Outcome, Duration) {
    let (is_loaded, is_over, has_ended) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let stalled = scope.spawn(|| {
            while !is_loaded.load(Ordering::SeqCst) && !has_ended.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            let stalled = stall();
            // Time to work off what has piled up. If it is too short, some of it is unsent in the end.
            thread::sleep(Duration::from_millis(250));
            is_over.store(true, Ordering::SeqCst);
            stalled
        });
        let _ending = Raise(&has_ended);
        let outcome = run_while(plan, |progress| {
            is_loaded.store(progress.phase == Phase::Measure && progress.responses > 0, Ordering::SeqCst);
            !is_over.load(Ordering::SeqCst)
        });
        (outcome, stalled.join().unwrap())
    })
}

fn open(mut plan: Plan) -> Plan {
    plan.load = Load::Open(Offered::steady(RATE));
    (plan.connections, plan.threads) = (4, 1);
    // It is stopped before, and nothing is given up.
    (plan.duration_ms, plan.timeout_ms) = (60_000, 60_000);
    plan
}

fn assert_stall_is_told(outcome: &Outcome, stalled: Duration) {
    let stalled_ns = u64::try_from(stalled.as_nanos()).unwrap();
    assert!(stalled_ns >= 1_400 * MS);
    let mut all = outcome.latency.clone();
    all.add(&outcome.in_flight);
    all.add(&outcome.unsent);
    // A request that was due right after the beginning was answered after the end.
    let gap_ns = (1e9 / RATE) as u64;
    assert!(all.maximum().unwrap() >= stalled_ns - gap_ns, "{outcome:#?}");
    for limit_ns in [100 * MS, 400 * MS, 700 * MS, 1_000 * MS, 1_300 * MS] {
        // So has each that was due until so long before the end. The first gap may be cut.
        let expected = (RATE * (stalled_ns - limit_ns) as f64 / 1e9) as u64 - 1;
        let certain_ns = limit_ns - limit_ns / 500;
        let found = longer_than(&all, certain_ns);
        assert!(found >= expected, "{found} above {limit_ns} ns, expected {expected}: {outcome:#?}");
    }
    // Only four requests were under way; a busy machine may add some, but not for so long.
    let (service, latency) = (longer_than(&outcome.service, 700 * MS), longer_than(&all, 700 * MS));
    assert!(service * 4 <= latency, "{service} and {latency}: {outcome:#?}");
    assert_eq!(outcome.errors.total(), 0);
}

#[test]
fn a_process_that_is_stopped_delays_every_request_that_is_due_meanwhile() {
    let server = NullServer::start();
    let (outcome, stalled) = run_with_stall(&open(server.plan()), || {
        server.stop();
        let stopped = Instant::now();
        thread::sleep(STALL);
        let stalled = stopped.elapsed();
        server.go_on();
        stalled
    });
    assert_stall_is_told(&outcome, stalled);
}

#[test]
fn answers_that_are_held_back_delay_every_request_that_is_due_meanwhile() {
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let passage = Arc::clone(&gate);
    let server = Server::answering(move |_| {
        let (is_open, opened) = &*passage;
        drop(opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        Some(ok("hello"))
    });
    let (outcome, stalled) = run_with_stall(&open(server.plan()), || {
        let (is_open, opened) = &*gate;
        *is_open.lock().unwrap() = false;
        let closed = Instant::now();
        thread::sleep(STALL);
        let stalled = closed.elapsed();
        *is_open.lock().unwrap() = true;
        opened.notify_all();
        stalled
    });
    assert_stall_is_told(&outcome, stalled);
}

#[test]
fn a_stall_that_lasts_until_the_end_is_told_by_what_was_not_sent() {
    let server = NullServer::start();
    let mut stopped = None;
    let outcome = run_while(&open(server.plan()), |progress| {
        if progress.responses > 0 && stopped.is_none() {
            server.stop();
            stopped = Some(Instant::now());
        }
        stopped.is_none_or(|stopped| stopped.elapsed() < Duration::from_millis(400))
    });
    assert_eq!(outcome.in_flight.count(), 4);
    // Four were under way, and one more may have been due when it stopped.
    let unsent = outcome.unsent.count();
    assert!(unsent >= 80 - 5 && outcome.unsent.maximum().unwrap() >= 350 * MS, "{outcome:#?}");
    let is_meant = |complaint: &_| matches!(complaint, Complaint::Overloaded { unsent: told, .. } if *told == unsent);
    assert_told(&outcome, is_meant, &format!("; {unsent} still unsent at the end"));
}
