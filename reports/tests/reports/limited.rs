//! Tables in which the load generator was the limit, and configurations that differ in more than the server.

use reports::decision;
use reports::merit::Merit;
use reports::ranking::{Decision, Table, tables};
use reports::record::{Measurement, Run};
use reports::summary::{first_paragraph, within_servers};
use reports::validity::Standing;
use reports::{chart, interpreter, markdown, scaling};

use crate::fixture::{measurement, round, run};

/// Five rounds of a server at about this rate, with about so many microseconds of its CPU for each request; its client was busy all
/// of the time, or not.
fn server(name: &str, workers: u32, rate: f64, microseconds: f64, is_limited: bool) -> Measurement {
    let mut one = measurement(name, "a model", Some(workers), false);
    for index in 0..5 {
        let noise = 1.0 + 0.004 * f64::from((index * 3 + workers + name.len() as u32) % 5);
        let mut taken = round(index, rate * noise);
        let outcome = taken.outcome.as_mut().unwrap();
        let thread = &mut outcome.threads[0];
        thread.cpu_ns = if is_limited { thread.wall_ns * 99 / 100 } else { thread.wall_ns / 2 };
        let sample = taken.server.as_mut().unwrap();
        let seconds = outcome.responses as f64 * microseconds * noise / 1e6;
        (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.3 * seconds, 0.7 * seconds);
        // Fine enough for a server that is busy for a twentieth of the time.
        sample.cpu_resolution_seconds = Some(0.001);
        one.rounds.push(taken);
    }
    one
}

fn cells(run: &Run, tables: &[Table<'_>]) -> Vec<(String, String)> {
    let line = decision::lines(run, tables).remove(0);
    decision::servers(run).into_iter().map(str::to_owned).zip(line.cells.iter().map(decision::Cell::text)).collect()
}

#[test]
fn where_the_generator_limits_a_row_all_are_ranked_by_cost() {
    // nginx carries most of those that are not limited, because it needs the most CPU time.
    let run = run(
        vec![
            server("epoll", 1, 44_000.0, 13.9, true),
            server("async", 1, 43_000.0, 15.2, true),
            server("nginx", 10, 43_500.0, 22.6, false),
        ],
        0,
    );
    let tables = tables(&run);
    let table = &tables[0];
    assert_eq!((table.merit(), table.decision()), (Merit::Cost, Decision::One));
    let ranks: Vec<(Standing, Option<usize>)> = table.rows.iter().map(|row| (row.standing(), row.rank)).collect();
    assert_eq!(ranks, [(Standing::AtLeast, Some(1)), (Standing::AtLeast, Some(2)), (Standing::Ranked, Some(3))]);
    let to_best = table.rows[2].to_best.unwrap();
    assert!((to_best.ratio - 22.6 / 13.9).abs() < 0.02 && to_best.interval.is_some(), "{to_best:?}");
    let paragraph = first_paragraph(&run, table);
    assert!(paragraph.starts_with("The load generator was the limit in 2 of 3 rows"), "{paragraph}");
    assert!(paragraph.contains("epoll with 1 worker has the lowest server CPU time per request: 14."), "{paragraph}");
    assert!(
        paragraph.contains("1.63× for nginx with 10 workers (22.") || paragraph.contains("1.62× for nginx"),
        "{paragraph}"
    );
    assert!(!paragraph.contains("best") && !paragraph.contains("highest throughput"), "{paragraph}");
    assert_eq!(cells(&run, &tables)[0].1, "least CPU");
    assert!(decision::lines(&run, &tables)[0].title().ends_with("(server CPU time per request)"));
    let charts = chart::draw(&run, &tables, None).unwrap();
    assert!(charts[1].title.starts_with("Server CPU time per request over that of epoll"), "{}", charts[1].title);
    let markdown = markdown::render(&run, &tables, &charts);
    assert!(markdown.contains("server µs/req as bars") && markdown.contains("≥ 4"), "{markdown}");
    assert!(!markdown.contains("generator at its ceiling"), "no row is left out: {markdown}");
}

#[test]
fn a_server_that_waits_is_not_the_better_one_for_its_low_cost() {
    let run = run(vec![server("epoll", 1, 44_000.0, 13.9, true), server("sleeper", 1, 5_000.0, 9.0, false)], 0);
    let tables = tables(&run);
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(
        paragraph.contains("But sleeper with 1 worker carries 5,0")
            && paragraph.contains("epoll with 1 worker at least 44,"),
        "{paragraph}"
    );
}

#[test]
fn words_about_workers_say_what_is_compared() {
    let limited = |is_limited| {
        run(
            [1, 4, 50]
                .map(|workers| server("epoll", workers, 44_000.0, 10.0 + f64::from(workers) / 10.0, is_limited))
                .to_vec(),
            0,
        )
    };
    let (capacity, cost) = (limited(false), limited(true));
    let said = |run: &Run| within_servers(&tables(run)[0]).join(" ");
    assert!(said(&capacity).contains("50 workers carry "), "{}", said(&capacity));
    assert!(
        said(&cost).contains("50 workers need 1.4") && said(&cost).contains("server CPU time per request of 1 worker")
    );
    // Nothing is fitted to what the generator left over, and nothing is concluded from it.
    let mut many_cpus = cost.clone();
    for one in &mut many_cpus.measurements {
        one.placement.server_cpus = (2..10).collect();
    }
    assert_eq!(
        scaling::sentences(&tables(&many_cpus)[0]),
        ["epoll: no scaling is fitted, because epoll, 1 worker ran into the limit of the load generator."]
    );
    let finding = interpreter::Finding::of(&cost, &tables(&cost));
    assert!(!finding.conclusion.contains("slower"), "{finding:?}");
}

#[test]
fn where_answers_wait_and_nobody_is_limited_rows_are_ranked_by_what_they_carry() {
    let mut plan = vec![server("epoll", 1, 9_000.0, 30.0, false), server("async", 1, 8_000.0, 15.0, false)];
    for one in &mut plan {
        one.workload.delay_seconds = Some(0.010);
        for outcome in one.rounds.iter_mut().filter_map(|round| round.outcome.as_mut()) {
            outcome.latency = loadgen::Histogram::new();
            let nanoseconds = 100.0 / outcome.responses_per_second() * 1e9;
            (0..outcome.responses).for_each(|_| outcome.latency.record(nanoseconds as u64));
        }
    }
    let run = run(plan, 0);
    let tables = tables(&run);
    assert_eq!((tables[0].merit(), tables[0].rows[0].rank), (Merit::Capacity, Some(1)));
}

#[test]
fn configurations_that_are_compared_differ_in_one_thing_only() {
    // The row with the log is faster than the same server's without it, by noise.
    let mut logged = server("thread-per-connection", 1, 30_000.0, 30.0, false);
    logged.configuration.access_log = true;
    let run = run(
        vec![
            server("epoll", 1, 44_000.0, 20.0, false),
            logged,
            server("thread-per-connection", 1, 29_000.0, 31.0, false),
            server("nginx", 1, 20_000.0, 40.0, false),
        ],
        0,
    );
    let tables = tables(&run);
    let names: Vec<String> = tables[0].best_of_each_server().iter().map(|row| row.measurement.name()).collect();
    assert_eq!(names, ["epoll, 1 worker", "thread-per-connection, 1 worker", "nginx, 1 worker"]);
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(!paragraph.contains("access log"), "{paragraph}");
    assert_eq!(cells(&run, &tables)[1].1, "0.66×");
    assert_eq!((tables[0].rows[1].group, tables[0].rows[2].group), (None, Some(2)));
}

#[test]
fn what_is_ranked_has_its_column_in_every_table() {
    let titles: Vec<&str> = reports::columns::brief().map(|column| column.title).collect();
    for title in ["req / CPU-s", "server µs/req", "p99", "rounds", "to best"] {
        assert!(titles.contains(&title), "{titles:?}");
    }
}

#[test]
fn nobody_is_best_where_no_difference_is_significant() {
    let mut plan = vec![server("epoll", 1, 44_000.0, 20.0, false), server("async", 1, 44_300.0, 20.0, false)];
    for (place, one) in plan.iter_mut().enumerate() {
        one.rounds = (0..5)
            .map(|index| round(index, 40_000.0 + 3_000.0 * f64::from((index * 3 + 2 * place as u32) % 4)))
            .collect();
    }
    let run = run(plan, 0);
    let tables = tables(&run);
    assert_eq!(tables[0].decision(), Decision::Undecided);
    let line = decision::lines(&run, &tables).remove(0);
    assert_eq!(line.title(), "wrk (no significant difference)");
    assert!(line.cells.iter().all(|cell| cell.text().ends_with(" / CPU-s")), "{line:?}");
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(
        paragraph.starts_with("There is no significant difference in requests per available CPU-second"),
        "{paragraph}"
    );
    assert!(!paragraph.contains("best") && !paragraph.contains("highest"), "{paragraph}");
}

#[test]
fn servers_in_the_first_of_several_groups_are_the_best_group() {
    let mut plan = vec![
        server("epoll", 1, 1.0, 20.0, false),
        server("async", 1, 1.0, 20.0, false),
        server("nginx", 1, 1.0, 1.0, false),
    ];
    for (place, one) in plan.iter_mut().enumerate() {
        let rate = if place == 2 { 10_000.0 } else { 40_000.0 };
        one.rounds = (0..5)
            .map(|index| round(index, rate * (1.0 + 0.02 * f64::from((index * 3 + 2 * place as u32) % 4))))
            .collect();
    }
    let run = run(plan, 0);
    let tables = tables(&run);
    assert_eq!(tables[0].decision(), Decision::Several);
    let found: Vec<String> = cells(&run, &tables).into_iter().map(|(_, text)| text).collect();
    assert_eq!(found[..2], ["best group", "best group"]);
    assert!(found[2].starts_with("0.2"), "{found:?}");
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(
        paragraph.contains("have the highest throughput, with no significant difference to the first of them after"),
        "{paragraph}"
    );
}
