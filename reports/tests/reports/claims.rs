//! What a report says in words, held to what its rounds show.

use reports::ranking::tables;
use reports::record::{Arrival, Measurement, NoiseBefore, Part, Placement, Run, Varies};
use reports::{certainty, contrast, csv, html, interpreter, markdown, sensitivity, summary};

use crate::fixture::{measurement, part, round, run};

/// A measurement with a round at each of these rates.
fn measured(server: &str, workers: u32, access_log: bool, rates: [f64; 5]) -> Measurement {
    let mut one = measurement(server, "a model", Some(workers), access_log);
    one.rounds = (0..).zip(rates).map(|(index, rate)| round(index, rate)).collect();
    one
}

/// Rates around a level, of which each round's share is the same for all that have the same phase.
fn around(level: f64, phase: usize) -> [f64; 5] {
    const SHARES: [f64; 5] = [1.0, 0.94, 1.05, 0.98, 1.02];
    std::array::from_fn(|round| level * SHARES[(round + phase) % 5])
}

fn interpreters(threads: f64, processes: f64, free_threaded: Option<f64>) -> Run {
    let mut plan = vec![
        measured("python-threads", 1, false, around(10_000.0, 0)),
        measured("python-threads", 50, false, around(10_000.0 * threads, 0)),
        measured("python-processes", 1, false, around(9_000.0, 1)),
        measured("python-processes", 50, false, around(9_000.0 * processes, 2)),
    ];
    plan.extend(free_threaded.map(|_| measured("python-free-threaded", 1, false, around(8_000.0, 0))));
    plan.extend(free_threaded.map(|kept| measured("python-free-threaded", 50, false, around(8_000.0 * kept, 0))));
    let mut run = run(plan, 0);
    run.parts = vec![Part { varies: Varies::Interpreter, ..part("wrk") }];
    run
}

fn conclusion(run: &Run) -> interpreter::Finding {
    interpreter::Finding::of(run, &tables(run))
}

#[test]
fn the_interpreters_question_is_answered_by_the_ratio_of_the_two_ratios() {
    // Both get slower beyond doubt; that processes do, too, says nothing against the lock.
    let found = conclusion(&interpreters(0.49, 0.84, None));
    let text = &found.conclusion;
    assert!(
        text.starts_with("On 1 CPU: with 50 workers instead of 1, threads of one interpreter carry 0.49 ("),
        "{text}"
    );
    assert!(text.contains("and processes 0.84 (95 % interval 0."), "{text}");
    assert!(text.contains("The ratio of these two ratios is 0.58 (95 % interval 0.5"), "{text}");
    assert!(text.contains("costs 42 % (") && text.contains("beyond what any 50 workers cost here"), "{text}");
    assert!(text.contains("It stays open how much of that is the lock"), "{text}");
    assert!(!text.contains("too, and they share no lock"), "{text}");
    let costs = found.evidence.iter().filter(|sentence| sentence.contains("Server CPU time per request: ")).count();
    assert_eq!((costs, found.evidence.len()), (2, 2), "{:?}", found.evidence);
}

#[test]
fn threads_that_lose_no_more_than_processes_show_nothing_of_the_lock() {
    // Threads lose a tenth beyond doubt, and what processes lose is not known so surely.
    let text = conclusion(&interpreters(0.9, 0.93, None)).conclusion;
    assert!(text.contains("no significant difference: it is not shown that"), "{text}");
    let text = conclusion(&interpreters(0.9, 0.6, None)).conclusion;
    assert!(text.contains("1.50") && text.contains("nothing is seen here"), "{text}");
    let text = conclusion(&interpreters(0.5, 0.9, Some(0.9))).conclusion;
    assert!(text.contains("Against threads without the lock the ratio is 0.56"), "{text}");
    assert!(text.contains("that much is the lock"), "{text}");
}

#[test]
fn one_round_or_unlike_worker_counts_decide_nothing_about_the_lock() {
    let mut one = interpreters(0.49, 0.84, None);
    one.measurements.iter_mut().for_each(|measurement| measurement.rounds.truncate(1));
    assert!(conclusion(&one).conclusion.contains("Undecided: too few rounds"), "{}", conclusion(&one).conclusion);
    let mut unlike = interpreters(0.49, 0.84, None);
    unlike.measurements[3].configuration.workers = Some(10);
    assert!(conclusion(&unlike).conclusion.contains("no two numbers of workers in common"));
}

#[test]
fn the_first_rounds_of_a_row_are_not_paired_with_the_last_ones_of_another() {
    // Each row has two rounds, but no round has all four rows.
    let mut apart = interpreters(0.49, 0.84, None);
    for (place, measurement) in apart.measurements.iter_mut().enumerate() {
        measurement.rounds.retain(|round| (round.index < 2) == (place < 2));
    }
    assert!(conclusion(&apart).conclusion.contains("Undecided"), "{}", conclusion(&apart).conclusion);
}

#[test]
fn whether_workers_or_the_log_change_one_server_more_is_a_comparison_of_its_own() {
    let with_log = |server: &str, level: f64, kept: f64, log: f64, phase| {
        [
            measured(server, 1, false, around(level, 0)),
            measured(server, 50, false, around(level * kept, phase)),
            measured(server, 1, true, around(level * log, phase)),
        ]
    };
    let plan = [with_log("epoll", 100_000.0, 0.5, 0.85, 0), with_log("async", 90_000.0, 0.9, 0.87, 1)].concat();
    let run = run(plan, 0);
    let found = contrast::sentences(&tables(&run)[0]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("Whether more workers change one server more"), "{found:?}");
    assert!(found[0].contains("epoll against async 0.5") || found[0].contains("async against epoll 1.8"), "{found:?}");
    assert!(found[1].contains("the access log") && found[1].ends_with(": no significant difference."), "{found:?}");
    assert!(markdown::render(&run, &tables(&run), &[]).contains(&found[1]));
}

/// Two servers with the same four numbers of workers, and an A/A control.
fn with_control(second: f64) -> Run {
    let mut plan: Vec<Measurement> = [("epoll", 100_000.0), ("async", 100_000.0 * second)]
        .into_iter()
        // Fewer workers carry a little more, so that the best rows of the two have rounds of their own.
        .flat_map(|(server, level)| [1, 4, 10, 50].map(|workers| (server, level - f64::from(workers), workers)))
        .enumerate()
        .map(|(place, (server, level, workers))| measured(server, workers, false, around(level, place)))
        .collect();
    let mut control = plan[0].clone();
    control.is_twin = true;
    control.rounds = (0..).zip(around(100_500.0, 2)).map(|(index, rate)| round(index, rate)).collect();
    plan.push(control);
    run(plan, 0)
}

#[test]
fn the_noise_floor_takes_twenty_pairs_and_is_no_mean_of_one_control() {
    let mut run = with_control(0.9);
    let said = |run: &Run| certainty::sentences(run, &tables(run)).join("\n");
    let few = said(&run);
    assert!(few.contains("Noise floor: there are 5 A/A pairs, too few for one: it takes 20."), "{few}");
    assert!(few.contains("epoll with 1 worker (wrk) 1.0") && few.contains("times itself (95 % interval 0.9"), "{few}");
    assert!(!few.contains("differed from itself by up to"), "{few}");
    // 15 pairs of runs before, each 4 % apart.
    run.noise_before = Some(NoiseBefore { runs: 3, pairs: 15, squares: 15.0 * 0.04_f64.powi(2) });
    let enough = said(&run);
    assert!(enough.contains("Noise floor: in 20 A/A pairs (of this run and of 3 runs before it"), "{enough}");
    assert!(enough.contains("(root mean square)"), "{enough}");
}

#[test]
fn error_rates_are_said_for_each_table_and_for_the_run() {
    let mut two = with_control(0.9);
    let mut second = two.measurements.clone();
    second.iter_mut().for_each(|one| one.workload_hash = "other".to_owned());
    let said = |run: &Run| certainty::sentences(run, &tables(run)).join("\n");
    assert!(said(&two).contains("in at most 1 of 20 such tables.\n"), "{}", said(&two));
    two.measurements.extend(second);
    assert!(said(&two).contains("in the 2 of this run, at most 0.10 such errors are to be expected"), "{}", said(&two));
}

#[test]
fn what_would_have_been_seen_is_said_for_the_corrected_level() {
    let run = with_control(0.97);
    let table = &tables(&run)[0];
    let found = sensitivity::of(table).unwrap();
    // One pair, which counts as two for the four rows of each of its servers.
    let servers = table.best_of_each_server();
    let alone = reports::ranking::compare(servers[1], servers[0]).unwrap();
    assert_eq!((found.pairs, Some(found.smallest)), (1, alone.smallest_detectable(2)));
    assert!(found.smallest > alone.smallest_detectable(1).unwrap());
    let said = summary::limits(&run, table).join("\n");
    assert!(said.contains("found in four of five runs like this one (80 % power"), "{said}");
    assert!(!said.contains("would mostly not have been seen"), "{said}");
}

#[test]
fn measurements_for_programs_are_plain_numbers_with_units_in_their_headings() {
    let text = csv::of_tables(&tables(&with_control(0.9)));
    let mut lines = text.lines();
    let headings: Vec<&str> = lines.next().unwrap().split(',').collect();
    for heading in ["requests per second", "p99 in µs", "server CPU in µs per request", "most memory in bytes"] {
        assert!(headings.contains(&heading), "{heading}");
    }
    let texts = ["load", "server", "flags", "access log", "A/A control", "standing"];
    let mut count = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), headings.len(), "{line}");
        for (heading, cell) in headings.iter().zip(cells).filter(|(heading, _)| !texts.contains(heading)) {
            assert!(cell.is_empty() || cell.parse::<f64>().is_ok_and(f64::is_finite), "{heading}: {cell}");
        }
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn no_two_tables_of_a_page_have_the_same_caption() {
    let mut run = with_control(0.9);
    run.parts[0].varies = Varies::IdleConnections;
    let plain = run.measurements.clone();
    let mut add = |name: &str, change: &dyn Fn(&mut Measurement)| {
        let mut more = plain.clone();
        for one in &mut more {
            one.workload_hash = name.to_owned();
            change(one);
        }
        run.measurements.extend(more);
    };
    add("idle", &|one| one.workload.idle_connections = 1_000);
    add("delay", &|one| one.workload.delay_seconds = Some(0.01));
    add("pipeline", &|one| one.workload.pipeline = 16);
    add("open", &|one| one.workload.arrival = Arrival::Open { rate: 5_000.0 });
    add("shared", &|one| one.placement = Placement { server_cpus: vec![0, 1], client_cpus: vec![0, 1] });
    let page = html::render(&run, &tables(&run), &[]);
    let captions: Vec<&str> =
        page.split("<h3>The measurements: ").skip(1).map(|rest| rest.split("<div").next().unwrap()).collect();
    assert_eq!(captions.len(), 6);
    for (place, caption) in captions.iter().enumerate() {
        assert!(!captions[..place].contains(caption), "{caption}");
    }
    // What is said of the load below the heading tells it apart, too.
    for words in ["1,000 idle connections beside, closed loop", "16 requests at a time", "every answer waits 10 ms"] {
        assert!(page.contains(words), "{words}");
    }
}

/// The values of a column of a chart's data, by its heading.
fn column<'a>(chart: &'a reports::chart::Chart, heading: &str) -> Vec<&'a str> {
    let place = chart.data.columns.iter().position(|column| column == heading).unwrap();
    chart.data.rows.iter().map(|row| row[place].as_str()).collect()
}

/// Rounds in which all answers took these milliseconds but 2 % of them, which took longer by this factor.
fn open_loop(server: &str, rate: f64, tails: [f64; 5]) -> Measurement {
    let mut one = measured(server, 1, false, [rate; 5]);
    one.workload.arrival = Arrival::Open { rate };
    one.workload_hash = format!("{rate}");
    for (round, tail) in one.rounds.iter_mut().zip(tails) {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.latency = loadgen::Histogram::new();
        let nanoseconds = |place: u64| if place.is_multiple_of(50) { tail * 1e6 } else { 1e6 };
        (0..outcome.responses).for_each(|place| outcome.latency.record(nanoseconds(place) as u64));
    }
    one
}

#[test]
fn every_mark_lies_within_its_own_interval() {
    // In one round the tail was 200 times as long: it decides the p99 of all answers together.
    let tails = [1.1, 1.2, 1.0, 1.15, 230.0];
    let mut run = run(vec![open_loop("epoll", 5_000.0, tails), open_loop("epoll", 10_000.0, tails)], 0);
    run.parts[0].varies = Varies::OfferedLoad;
    let wild = [100_000.0, 99_000.0, 101_000.0, 100_500.0, 3_000.0];
    let mut closed = measured("epoll", 1, false, wild);
    closed.part = "close".to_owned();
    run.parts.push(Part { suite: "close".to_owned(), ..part("close") });
    run.measurements.push(closed);
    let charts = reports::chart::draw(&run, &tables(&run), None).unwrap();
    let mut seen = 0;
    for chart in charts.iter().filter(|chart| chart.data.columns.iter().any(|column| column == "95 % from")) {
        let figure = chart.data.columns.iter().position(|column| column == "95 % from").unwrap() - 1;
        for row in &chart.data.rows {
            let [figure, low, high] = [0, 1, 2].map(|more| row[figure + more].parse::<f64>().ok());
            let (Some(low), Some(high)) = (low, high) else { continue };
            assert!((low..=high).contains(&figure.unwrap()), "{}: {row:?}", chart.name);
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
    let p99 = charts.iter().find(|chart| chart.name.contains("p99")).unwrap();
    let shown = column(p99, "Latency that 99 % did not exceed, in ms")[0].parse::<f64>().unwrap();
    let mean = tails.iter().map(|tail| tail.ln()).sum::<f64>() / 5.0;
    assert!((shown / mean.exp() - 1.0).abs() < 0.01, "{shown} is not {}", mean.exp());
    // The table says the same as the chart.
    let text = reports::text::render(&run);
    assert!(text.contains(&format!("{shown:.2} ms")), "{shown} {text}");
}

#[test]
fn the_data_of_charts_are_plain_numbers() {
    let mut run = run([1_000.0, 20_000.0].map(|rate| open_loop("epoll", rate, [2.0; 5])).to_vec(), 0);
    run.parts[0].varies = Varies::OfferedLoad;
    for chart in reports::chart::draw(&run, &tables(&run), None).unwrap() {
        assert_eq!(column(&chart, "offered requests per second"), ["1000", "20000"]);
        for (heading, cell) in chart.data.rows.iter().flat_map(|row| chart.data.columns.iter().zip(row)) {
            let is_text = ["measurement", "standing"].contains(&heading.as_str());
            assert!(is_text || cell.split(' ').all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok()), "{cell}");
        }
    }
}

#[test]
fn a_p99_of_too_few_answers_is_neither_shown_nor_ranked() {
    // 900 answers in a round expect 9 beyond their p99.
    let few = open_loop("epoll", 900.0, [2.0; 5]);
    let enough = open_loop("async", 1_000.0, [2.0; 5]);
    let mut other = enough.clone();
    other.server.name = "epoll".to_owned();
    for (few, rank) in [(few, None), (other, Some(1))] {
        let mut run = run(vec![few, enough.clone()], 0);
        run.measurements[0].workload_hash = run.measurements[1].workload_hash.clone();
        let tables = tables(&run);
        assert_eq!(tables[0].rows[0].rank.map(|_| 1), rank);
        let pages =
            [markdown::render(&run, &tables, &[]), html::render(&run, &tables, &[]), reports::text::render(&run)];
        for page in pages {
            assert_eq!(page.contains("too few answers"), rank.is_none(), "{page}");
        }
        let charts = reports::chart::draw(&run, &tables, None).unwrap();
        let latency = charts.iter().find(|chart| chart.name.ends_with("latency")).unwrap();
        // All rounds together have enough of them.
        assert!(column(latency, "p50 µs").iter().all(|cell| !cell.is_empty()));
    }
}
