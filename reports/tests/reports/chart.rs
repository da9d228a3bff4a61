//! The charts, read by their structure.

use reports::chart;
use reports::ranking::tables;
use reports::record::{Arrival, Varies};

use crate::fixture::{measurement, mixed_run, round, run};

#[test]
fn every_picture_says_where_it_comes_from_and_what_its_marks_are() {
    let run = mixed_run();
    let charts = chart::draw(&run, &tables(&run), None).unwrap();
    // The load generator was the limit of a row, so the cost is what is ranked.
    assert_eq!(charts[0].name, "wrk-cost");
    for chart in &charts {
        let svg = chart.inline();
        assert!(svg.contains("Example Processor 9000 &lt;&amp; friends&gt; (virtual machine)"), "{}", chart.name);
        assert!(svg.contains("20260301T123005Z-wrk") && svg.contains("3 rounds x 1 s"), "{}", chart.name);
        assert!(svg.contains(&format!("<title id=\"{}-title\">", chart.name)));
        // 15 of 17 rows were measured; each has at least one mark, and the whole picture has its own title.
        assert!(svg.matches("<title").count() >= 16, "{}: {}", chart.name, svg.matches("<title").count());
        assert_eq!(chart.data.rows.len(), 17);
        assert!(chart.data.rows.iter().all(|row| row.len() == chart.data.columns.len()));
    }
    let capacity = charts.iter().find(|chart| chart.name == "wrk-capacity").unwrap().inline();
    for words in ["9,628, not valid", "too noisy", "at least"] {
        assert!(capacity.contains(words), "{words}");
    }
}

#[test]
fn the_workloads_of_a_part_share_one_picture() {
    let mut measurements = Vec::new();
    for connections in [10, 100, 1_000] {
        for server in ["epoll", "limit", "<b>\u{1}"] {
            let mut one = measurement(server, "a model", Some(1), false);
            one.workload.connections = connections;
            one.workload_hash = connections.to_string();
            one.rounds = vec![round(0, if server == "limit" { 90_000.0 } else { 20_000.0 + f64::from(connections) })];
            measurements.push(one);
        }
    }
    let mut run = run(measurements, 0);
    run.parts[0].varies = Varies::Connections;
    let charts = chart::draw(&run, &tables(&run), None).unwrap();
    let names: Vec<&str> = charts.iter().map(|chart| chart.name.as_str()).collect();
    assert_eq!(names, ["wrk-rate", "wrk-memory"]);
    for chart in &charts {
        assert_eq!(chart.inline().matches("<title").count(), 1 + 9);
        // It stays in the target directory, to be looked at.
        let path = format!("{}/{}.svg", env!("CARGO_TARGET_TMPDIR"), chart.name);
        std::fs::write(path, chart.standalone()).unwrap();
        assert!(!chart.inline().contains("<b>") && !chart.inline().contains('\u{1}'));
    }
}

#[test]
fn a_delay_shows_the_most_that_it_allows() {
    let of = |server: &str, workers, delay_seconds: f64| {
        let mut one = measurement(server, "a model", Some(workers), false);
        one.workload.delay_seconds = Some(delay_seconds);
        one.workload_hash = delay_seconds.to_string();
        one.rounds = [350.0, 340.0, 345.0].into_iter().zip(0..).map(|(rate, index)| round(index, rate)).collect();
        one
    };
    let mut one_delay = run(vec![of("thread-pool", 4, 0.01), of("epoll", 1, 0.01)], 0);
    one_delay.parts[0].varies = Varies::Delay;
    let mut two_delays = one_delay.clone();
    two_delays.measurements.extend([of("thread-pool", 4, 0.1), of("epoll", 1, 0.1)]);
    for (run, name, ceilings) in [(&one_delay, "wrk-capacity", 2), (&two_delays, "wrk-rate", 4)] {
        let charts = chart::draw(run, &tables(run), None).unwrap();
        let drawn = charts[0].inline();
        assert_eq!(charts[0].name, name);
        assert_eq!(drawn.matches(": the most that the delay allows").count(), ceilings, "{name}");
        // 100 connections of an event loop, each after 10 ms, fit on the scale: 10,000 per second.
        assert!(drawn.contains("\n10,000\n"), "{drawn}");
        assert!(drawn.matches("95 % interval 3").count() >= 2, "{drawn}");
    }
}

#[test]
fn shares_and_rates_are_on_axes_of_their_own() {
    let loads = [
        Arrival::Closed,
        Arrival::OpenShare { share: 0.5 },
        Arrival::OpenShare { share: 0.9 },
        Arrival::Open { rate: 1_000.0 },
        Arrival::Open { rate: 2_000.0 },
    ];
    let plan = loads.map(|arrival| {
        let mut one = measurement("epoll", "a model", Some(1), false);
        one.workload.arrival = arrival;
        one.workload_hash = format!("{arrival:?}");
        one.rounds = vec![round(0, 1_000.0)];
        one
    });
    let mut run = run(plan.to_vec(), 0);
    run.parts[0].varies = Varies::OfferedLoad;
    let charts = chart::draw(&run, &tables(&run), None).unwrap();
    let found: Vec<(&str, &str)> =
        charts.iter().map(|chart| (chart.name.as_str(), chart.data.rows[0][1].as_str())).collect();
    let (share, rate) = ("0.5", "1000");
    assert_eq!(found, [("wrk-p99", share), ("wrk-p99-absolute", rate), ("wrk-p50", share), ("wrk-p50-absolute", rate)]);
    assert!(charts.iter().all(|chart| chart.data.rows.len() == 2 && chart.inline().contains("open loop")));
    // A single load is no line.
    run.measurements.truncate(4);
    let names: Vec<String> =
        chart::draw(&run, &tables(&run), None).unwrap().into_iter().map(|chart| chart.name).collect();
    assert_eq!(names, ["wrk-p99", "wrk-p50"]);
}
