//! What a request and an idle connection cost, what was not ranked, and how sure a run is.

use reports::exclusions::exclusions;
use reports::ranking::tables;
use reports::record::{NoiseBefore, Run};
use reports::system_calls::Pass;
use reports::{Counting, NotCounted, SystemCalls, certainty, costs, scaling};

use crate::fixture::{measurement, mixed_run, round, run, whole_run};

/// Counted calls: one to receive, one to send, and one to wait for every fourth request.
fn counted() -> Counting {
    let pass = |requests: u64| Pass {
        requests,
        calls: [("recvfrom", requests + 4), ("sendto", requests), ("epoll_wait", requests / 4), ("futex", 1)]
            .map(|(name, count)| (name.to_owned(), count))
            .into(),
    };
    Counting::Counted(SystemCalls { connections: 4, few: pass(40), many: pass(840) })
}

#[test]
fn a_request_costs_what_was_measured_and_counted() {
    let mut run = whole_run();
    for round in &mut run.measurements[3].rounds {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.connections.opened = outcome.responses;
    }
    // Workers change nothing about calls: the first row of a server shows them, and its row with a log is another.
    run.measurements[9].system_calls = Some(counted());
    let lines = costs::per_request(&tables(&run));
    let line = |name: &str| lines.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("{name}: {lines:?}"));
    assert_eq!(lines.len(), 8, "with and without the log of each model: {lines:?}");
    let epoll = line("epoll, 4 workers");
    assert_eq!(epoll[1], "kept");
    assert_eq!(epoll[3], "72 %", "0.71 s of 0.98 s in the kernel");
    assert_eq!(epoll[4], "6.00");
    assert_eq!(epoll[6], "2.25: 1 recvfrom, 1 sendto, 0.25 epoll_wait");
    assert_eq!(epoll[7], "800");
    assert_eq!(line("async, 1 worker")[6], "–");
    assert_eq!(line("thread-pool, 1 worker")[1], "closed by the server", "each answer had a connection of its own");
}

#[test]
fn the_reason_why_calls_were_not_counted_is_said_once() {
    let mut run = whole_run();
    for measurement in &mut run.measurements {
        measurement.system_calls = Some(Counting::NotCounted(NotCounted::NoStrace));
    }
    let reasons = costs::not_counted(&tables(&run));
    assert_eq!(reasons, ["System calls were not counted, because there is no strace: install it."]);
}

#[test]
fn an_idle_connection_costs_what_many_have_beyond_few() {
    let of = |idle: u32, mebibytes: u64, threads: u32| {
        let mut one = measurement("epoll", "event loops", Some(1), false);
        one.workload.idle_connections = idle;
        one.workload_hash = format!("{idle} idle");
        one.rounds = vec![round(0, 50_000.0)];
        let sample = one.rounds[0].server.as_mut().unwrap();
        (sample.peak_resident_bytes, sample.peak_threads) = (mebibytes << 20, threads);
        sample.peak_descriptors = 112 + idle;
        one
    };
    let lines = costs::per_connection(&tables(&run(vec![of(0, 4, 2), of(1_000, 4, 2), of(10_000, 14, 10_002)], 0)));
    assert_eq!(lines.len(), 1);
    // 10 MiB over 10,000 connections are 1,049 bytes for each.
    assert_eq!(lines[0].each_ref().map(String::as_str), ["epoll, 1 worker", "10,000", "1.02 KiB", "1", "1"]);
    assert!(costs::per_connection(&tables(&whole_run())).is_empty());
}

#[test]
fn every_row_that_is_not_ranked_stands_under_its_rule() {
    let run = mixed_run();
    let tables = tables(&run);
    let exclusions = exclusions(&tables);
    let rules: Vec<&str> = exclusions.iter().map(|exclusion| exclusion.rule).collect();
    // The row whose generator was the limit is ranked, by its cost.
    for rule in ["failed process", "too noisy", "timeouts"] {
        assert!(rules.contains(&rule), "{rules:?}");
    }
    let rows: usize = exclusions.iter().map(|exclusion| exclusion.rows.len()).sum();
    assert_eq!(rows, 3, "{exclusions:?}");
    assert!(exclusions.iter().all(|exclusion| exclusion.rows[0].anchor == "load-1"));
    assert!(reports::exclusions::exclusions(&reports::ranking::tables(&whole_run())).is_empty());
}

#[test]
fn how_sure_a_run_is_goes_by_its_twins_and_its_rounds() {
    let mut run = whole_run();
    let mut twin = run.measurements[9].clone();
    twin.is_twin = true;
    run.measurements.push(twin);
    let sentences = |run: &Run| certainty::sentences(run, &tables(run)).join("\n");
    let few = sentences(&run);
    assert!(few.starts_with("3 of 3 rounds done. A 95 % interval comes from Student's t"), "{few}");
    assert!(
        few.contains("there are 3 A/A pairs, too few for one: it takes 20. The A/A control of this run: epoll"),
        "{few}"
    );
    assert!(few.contains("1.00 times itself (95 % interval 1.00 to 1.00, 3 rounds)"), "{few}");
    assert!(few.contains("No window had too much steal, and none of 54 trials is excluded"), "{few}");
    assert!(few.contains("The load generator reaches 151,234 requests per second"), "{few}");
    // 17 pairs of runs before, 4 % apart, and 3 of this one that are the same: the mean square is 17/20 of theirs.
    run.noise_before = Some(NoiseBefore { runs: 2, pairs: 17, squares: 17.0 * 1.04_f64.ln().powi(2) });
    let pooled = sentences(&run);
    assert!(
        pooled.contains(
            "in 20 A/A pairs (of this run and of 2 runs before it on this machine), which are two trials of one and the same server"
        ) && pooled.contains("by up to 7.8 % in 19 of 20"),
        "{pooled}"
    );
    run.noise_before = None;
    // Twins that are 4 % apart in 20 rounds, to either side in turn.
    for (place, factor) in [(9, 1.0), (17, 1.04)] {
        let rate = |index: u32| if index.is_multiple_of(2) { 50_000.0 * factor } else { 50_000.0 / factor };
        run.measurements[place].rounds = (0..20).map(|index| round(index, rate(index))).collect();
    }
    let many = sentences(&run);
    // Student's quantile with 20 degrees of freedom is 2.086, and exp(2.086 ln 1.04) is 1.085.
    assert!(
        many.contains(
            "in 20 A/A pairs, which are two trials of one and the same server in one round, the two differed by 4 % (root mean \
             square), so by up to 8.5 % in 19 of 20 cases"
        ),
        "{many}"
    );
}

#[test]
fn scaling_is_fitted_where_there_are_cpus_for_it_and_refused_where_not() {
    let mut measurements = Vec::new();
    for workers in [1_u32, 2, 4, 8] {
        let mut one = measurement("epoll", "event loops", Some(workers), false);
        one.placement.server_cpus = (0..8).collect();
        one.placement.client_cpus = (8..16).collect();
        // Contention of 10 %, nothing else.
        let rate = 10_000.0 * f64::from(workers) / (1.0 + 0.1 * f64::from(workers - 1));
        one.rounds = (0..3).map(|index| round(index, rate)).collect();
        measurements.push(one);
    }
    let mut run = run(measurements, 0);
    let found = scaling::sentences(&tables(&run)[0]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("epoll: one worker does 10,0"), "{found:?}");
    assert!(found[0].contains(" 10 % of the work waits for its turn"), "{found:?}");
    for one in &mut run.measurements {
        one.placement.server_cpus = vec![0];
    }
    let refused = scaling::sentences(&tables(&run)[0]);
    assert_eq!(refused, ["Scaling: 1 server CPU allows no scaling to be fitted: give the server 4 or more."]);
}
