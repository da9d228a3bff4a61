//! Figures and ranks of runs whose answers can be worked out by hand.

use std::collections::BTreeMap;

use reports::ranking::{compare, tables};
use reports::record::{Measurement, Run};

use crate::fixture::{WINDOWS, measurement, round, run, whole_run};

/// A run of servers with these rates in their rounds.
fn with_rates(servers: &[(&str, &[f64])]) -> Run {
    let measurements = servers
        .iter()
        .map(|(name, rates)| Measurement {
            rounds: (0..).zip(*rates).map(|(index, rate)| round(index, *rate)).collect(),
            ..measurement(name, "a model", Some(1), false)
        })
        .collect();
    run(measurements, 0)
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn the_figures_of_two_rounds_are_summed_and_never_averaged() {
    let run = with_rates(&[("epoll", &[10_000.0, 30_000.0])]);
    let tables = tables(&run);
    let figures = &tables[0].rows[0].figures;
    assert_eq!((figures.responses, figures.totals.requests, figures.totals.in_flight), (40_000, 40_200, 200));
    close(figures.requests_per_second(), 20_000.0);
    assert_eq!(figures.spread(), Some((10_000.0, 20_000.0, 30_000.0)));
    // What is ranked is the geometric mean of the rounds.
    close(figures.capacity(), (10_000.0_f64 * 30_000.0).sqrt());
    // Twice 0.98 s of CPU for 40,000 responses; the client takes 6 microseconds for each.
    close(figures.server_cpu_microseconds(), 49.0);
    close(figures.server_user_microseconds(), 13.5);
    close(figures.generator_cpu_microseconds(), 6.0);
    close(figures.server_utilisation, 0.98);
    close(figures.generator_utilisation, 0.12);
    close(figures.requests_per_connection(), 200.0);
    // A twentieth of the responses, and 60 in each round.
    close(figures.switches_per_request(), 2_120.0 / 40_000.0);
    assert_eq!(figures.latency.count(), 40_000);
    assert_eq!((figures.peak_threads, figures.peak_resident_bytes), (Some(5), Some(4 << 20)));
}

#[test]
fn capacity_is_per_cpu_and_less_steal() {
    let mut run = with_rates(&[("epoll", &[10_000.0])]);
    for measurement in &mut run.measurements {
        measurement.placement.server_cpus = vec![0, 2];
    }
    for window in &mut run.measurements[0].rounds[0].outcome.as_mut().unwrap().windows {
        window.steal_ns = Some(BTreeMap::from([(0, 10_000_000), (5, 200_000_000)]));
    }
    let tables = tables(&run);
    // 2 CPUs for 1 s, less 10 ms in each of the windows.
    close(tables[0].rows[0].figures.capacity(), 10_000.0 / (2.0 - 0.010 * WINDOWS as f64));
}

#[test]
fn the_ratio_is_that_of_the_rounds_in_pairs() {
    let run = with_rates(&[("slow", &[1_000.0, 2_000.0, 4_000.0]), ("fast", &[1_250.0, 2_500.0, 5_000.0])]);
    let tables = tables(&run);
    let (slow, fast) = (&tables[0].rows[0], &tables[0].rows[1]);
    assert_eq!((slow.rank, fast.rank), (Some(2), Some(1)));
    // Rounds differ by a factor of four, their ratios not at all.
    let ratio = compare(fast, slow).unwrap();
    close(Some(ratio.ratio), 1.25);
    let (low, high) = ratio.interval.unwrap();
    assert!(high - low < 1e-9 && ratio.is_distinct() && ratio.rounds == 3, "{ratio:?}");
    close(slow.to_best.map(|ratio| ratio.ratio), 0.8);
    close(fast.to_best.map(|ratio| ratio.ratio), 1.0);
}

#[test]
fn rounds_that_only_one_of_them_had_are_left_out_of_the_ratio() {
    let mut run =
        with_rates(&[("slow", &[1_000.0, 2_000.0, 1_000.0]), ("fast", &[1_500.0, 9_000.0, 1_500.0, 9_000.0])]);
    run.measurements[0].rounds.remove(1);
    let tables = tables(&run);
    let ratio = compare(&tables[0].rows[1], &tables[0].rows[0]).unwrap();
    close(Some(ratio.ratio), 1.5);
    assert_eq!(ratio.rounds, 2);
}

#[test]
fn a_ratio_without_an_interval_is_that_of_the_figures_beside_it() {
    // In the one round that they share, the first was slow and the second fast.
    let mut run = with_rates(&[("first", &[1_000.0, 4_000.0]), ("second", &[1_500.0, 0.0, 1_500.0])]);
    run.measurements[1].rounds.remove(1);
    let tables = tables(&run);
    let ratio = compare(&tables[0].rows[0], &tables[0].rows[1]).unwrap();
    close(Some(ratio.ratio), 2_000.0 / 1_500.0);
    assert_eq!((ratio.interval, ratio.rounds), (None, 0));
    assert_eq!((tables[0].rows[0].rank, tables[0].rows[1].rank), (Some(1), Some(2)));
}

#[test]
fn every_row_of_the_plan_is_ranked_once() {
    let run = whole_run();
    let tables = tables(&run);
    assert_eq!(tables.len(), 1);
    let ranked = tables[0].ranked();
    assert_eq!(ranked.len(), 17);
    assert_eq!(ranked[0].measurement.name(), "epoll, 1 worker");
    let capacities: Vec<f64> = ranked.iter().map(|row| row.figures.capacity().unwrap()).collect();
    assert!(capacities.is_sorted_by(|first, second| first >= second), "{capacities:?}");
    let best: Vec<String> = tables[0].best_of_each_server().iter().map(|row| row.measurement.name()).collect();
    assert_eq!(best, ["epoll, 1 worker", "async, 1 worker", "thread-per-connection", "thread-pool, 1 worker"]);
}

#[test]
fn different_workloads_are_not_compared() {
    let mut run = with_rates(&[("small", &[1_000.0]), ("large", &[500.0]), ("small too", &[900.0])]);
    run.measurements[1].workload_hash = "large files".to_owned();
    let tables = tables(&run);
    let names: Vec<Vec<&str>> = tables.iter().map(|table| table.servers()).collect();
    assert_eq!(names, [vec!["small", "small too"], vec!["large"]]);
    assert_eq!(tables[1].rows[0].rank, Some(1));
}

#[test]
fn a_run_without_measurements_has_no_table() {
    assert!(tables(&run(vec![], 0)).is_empty());
}
