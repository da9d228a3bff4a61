//! Where latency turns up as the load grows.

use loadgen::Histogram;
use reports::knee;
use reports::ranking::tables;
use reports::record::{Arrival, Measurement, Varies};

use crate::fixture::{measurement, round, run};

/// A server at this share of its capacity, all of whose answers took so long.
fn offered(share: f64, microseconds: u64) -> Measurement {
    let mut one = measurement("epoll", "a model", Some(1), false);
    one.workload.arrival = Arrival::OpenShare { share };
    one.workload_hash = share.to_string();
    one.rounds = (0..3).map(|index| round(index, 1_000.0)).collect();
    for outcome in one.rounds.iter_mut().filter_map(|round| round.outcome.as_mut()) {
        outcome.latency = Histogram::new();
        (0..outcome.responses).for_each(|_| outcome.latency.record(microseconds * 1_000));
    }
    one
}

fn said(measurements: Vec<Measurement>) -> Vec<String> {
    let mut run = run(measurements, 0);
    run.parts[0].varies = Varies::OfferedLoad;
    let tables = tables(&run);
    knee::sentences(&tables.iter().collect::<Vec<_>>())
}

#[test]
fn the_knee_is_where_the_latency_grows_most() {
    let stops = vec![offered(0.75, 400), offered(0.25, 100), offered(0.9, 4_000), offered(0.5, 200)];
    let expected = "epoll, 1 worker: the p99 is 100 µs at 25 % of its capacity, 200 µs at 50 %, 400 µs \
                    at 75 % and 4.00 ms at 90 %; the knee lies between 75 % and 90 %, where the p99 grows 10.00 \
                    times (95 % interval 10.00 to 10.00, 3 rounds).";
    assert_eq!(said(stops), [expected]);
}

#[test]
fn a_latency_that_climbs_slowly_has_no_knee() {
    let found = said(vec![offered(0.25, 100), offered(0.5, 250), offered(0.75, 600)]);
    assert!(found[0].ends_with("600 µs at 75 %; no knee could be told from noise up to 75 %."), "{found:?}");
    // One load is no curve.
    assert_eq!(said(vec![offered(0.25, 100)]), [""; 0]);
}

/// A server at 90 % of its capacity that does not keep up in so many of three rounds; in each it was offered 1,250 requests per
/// second, after the same process had carried so many.
fn overloaded(rounds: usize, capacity: Option<f64>) -> Measurement {
    let mut one = offered(0.9, 90_000);
    for (place, round) in one.rounds.iter_mut().enumerate() {
        (round.offered_rate, round.capacity) = (Some(1_250.0), capacity);
        let outcome = round.outcome.as_mut().unwrap();
        if place < rounds {
            // A fifth of what was due never found a connection.
            (0..outcome.responses / 4).for_each(|_| outcome.unsent.record(50_000_000));
        }
        outcome.plan.load = loadgen::Load::Open(loadgen::Offered::steady(1_250.0));
    }
    one
}

#[test]
fn a_server_did_not_keep_up_only_where_that_is_established() {
    let said_of = |broken| said(vec![offered(0.25, 100), offered(0.5, 250), broken]).remove(0);
    let found = said_of(overloaded(3, Some(1_300.0)));
    assert!(found.ends_with("and 250 µs at 50 %; from 90 % on it did not keep up."), "{found}");
    // In some rounds, at a rate that nobody knows to be a share of its capacity, or above what it carried.
    for (broken, kept) in [
        (overloaded(2, Some(1_300.0)), "1 of 3"),
        (overloaded(3, None), "0 of 3"),
        (overloaded(3, Some(1_200.0)), "0 of 3"),
    ] {
        let found = said_of(broken);
        assert!(found.ends_with(&format!("and 250 µs at 50 %; at 90 % it kept up in {kept} rounds.")), "{found}");
    }
    // Nor is anything said of all loads from one on if it kept up with a higher one.
    let mut lower = overloaded(3, Some(1_300.0));
    (lower.workload.arrival, lower.workload_hash) = (Arrival::OpenShare { share: 0.6 }, "0.6".to_owned());
    let found = said(vec![offered(0.25, 100), lower, offered(0.75, 250)]).remove(0);
    assert!(found.ends_with("at 60 % it kept up in no round."), "{found}");
}
