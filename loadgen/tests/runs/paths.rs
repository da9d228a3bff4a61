//! Which paths are asked for, and how often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use loadgen::{Order, Paths};

use crate::connection::path_of;
use crate::server::{Server, ok, run};

const PATHS: [&str; 5] = ["/a", "/b", "/c?x=1", "/d%20", "/e"];

/// How often each path is asked for in so many requests, in the order of the list, as the server counts it.
fn counts(order: &Order, requests: u64, threads: usize, seed: u64) -> [u64; 5] {
    let counts = Arc::new(Mutex::new(BTreeMap::new()));
    let notes = Arc::clone(&counts);
    let server = Server::talking(move |connection, _| {
        while let Some(request) = connection.next_request() {
            *notes.lock().unwrap().entry(path_of(&request).to_owned()).or_default() += 1;
            if !connection.write(&ok("hello")) {
                return;
            }
        }
    });
    let mut plan = server.plan();
    plan.paths = Paths { list: PATHS.map(str::to_owned).to_vec(), order: order.clone() };
    (plan.threads, plan.seed, plan.pipeline) = (threads, seed, 2);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(requests), 60_000, 30_000);
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total()), (requests, 0));
    let mut counts = counts.lock().unwrap().clone();
    let counted = PATHS.map(|path| counts.remove(path).unwrap_or(0));
    assert!(counts.is_empty(), "nobody asked for {counts:?}");
    assert_eq!(counted.iter().sum::<u64>(), requests);
    counted
}

#[test]
fn in_turn_each_comes_as_often_as_the_others() {
    assert_eq!(counts(&Order::InTurn, 100, 1, 0), [20; 5]);
    // Each of the two threads goes through the list by itself.
    assert_eq!(counts(&Order::InTurn, 100, 2, 0), [20; 5]);
    // The first thread begins at the beginning.
    assert_eq!(counts(&Order::InTurn, 7, 1, 0), [2, 2, 1, 1, 1]);
}

#[test]
fn by_chance_each_comes_as_often_as_its_weight_says() {
    let order = Order::Weighted(vec![5.0, 0.0, 1.0, 3.0, 1.0]);
    let first = counts(&order, 2_000, 1, 3);
    // 5 deviations of such a count are 112 at most.
    for (count, expected) in first.iter().zip([1_000, 0, 200, 600, 200]) {
        assert!(count.abs_diff(expected) <= 112 && (expected > 0 || *count == 0), "{first:?}");
    }
    assert_eq!(counts(&order, 2_000, 1, 3), first, "the same seed");
    assert_ne!(counts(&order, 2_000, 1, 4), first, "another seed");
}

#[test]
fn by_zipfs_law_each_comes_as_often_as_its_rank_says() {
    let found = counts(&Order::Zipf(1.0), 2_000, 2, 3);
    // 1 + 1/2 + 1/3 + 1/4 + 1/5 are 137/60.
    for (rank, count) in (1..).zip(found) {
        let expected = 2_000 * 60 / 137 / rank;
        assert!(count.abs_diff(expected) <= 112, "{found:?}: {expected}");
    }
    assert_eq!(counts(&Order::Zipf(1.0), 2_000, 2, 3), found, "the same seed");
}
