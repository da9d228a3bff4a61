//! Rounds that do not count: they are in no figure, and they are shown as excluded.

use std::collections::BTreeMap;

use reports::chart;
use reports::csv;
use reports::history::Line;
use reports::ranking::{compare, tables};
use reports::record::Run;
use reports::round_exclusion::RoundExclusion;
use reports::sample::Others;
use reports::summary::first_paragraph;
use reports::validity::Standing;
use reports::{html, markdown};

use crate::fixture::{WINDOW_NS, measurement, outcome, round, run, sample};
use crate::validity::{changed, reasons, standing, with_row};

/// Two servers that each had five rounds; in the third of the first, other processes took half of the server's CPU.
fn disturbed() -> Run {
    let mut run = run(
        vec![measurement("epoll", "event loops", Some(1), false), measurement("epoll", "event loops", Some(4), false)],
        0,
    );
    run.measurements[0].rounds = (0..)
        .zip([229_000.0, 227_000.0, 57_000.0, 225_000.0, 229_000.0])
        .map(|(index, rate)| round(index, rate))
        .collect();
    run.measurements[1].rounds = (0..)
        .zip([226_000.0, 224_000.0, 225_000.0, 222_000.0, 226_000.0])
        .map(|(index, rate)| round(index, rate))
        .collect();
    run.measurements[0].rounds[2].others = Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.0 });
    run
}

#[test]
fn an_excluded_round_is_in_no_figure() {
    let run = disturbed();
    let tables = tables(&run);
    let (first, second) = (&tables[0].rows[0], &tables[0].rows[1]);
    let figures = &first.figures;
    assert_eq!(figures.rounds[2].exclusion, Some(RoundExclusion::OtherProcesses));
    assert_eq!((figures.counted_rounds(), figures.rounds.len()), (4, 5));
    // The mean of 229, 227, 225 and 229 thousand; of all five it would be 193,400.
    assert_eq!(figures.requests_per_second(), Some(227_500.0));
    assert_eq!(figures.spread(), Some((225_000.0, 228_000.0, 229_000.0)));
    let capacity = figures.capacity().unwrap();
    assert!((capacity / (229_f64 * 227.0 * 225.0 * 229.0).powf(0.25) / 1e3 - 1.0).abs() < 1e-9, "{capacity}");
    assert_eq!(figures.latency.count(), 4 * 227_500);
    let cost = first.server_cpu_microseconds().unwrap();
    assert!((cost - 4.0 * 980_000.0 / 910_000.0).abs() < 1e-9, "{cost}");
    assert_eq!((first.rank, second.rank), (Some(1), Some(2)));
    let ratio = compare(first, second).unwrap();
    assert_eq!(ratio.rounds, 4);
    assert!(ratio.ratio > 1.0, "the row that is ahead has the larger figure: {ratio:?}");
}

#[test]
fn every_form_of_a_report_shows_the_rounds_that_count() {
    let run = disturbed();
    let tables = tables(&run);
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(paragraph.contains("227,500 requests per second"), "{paragraph}");
    let charts = chart::draw(&run, &tables, None).unwrap();
    let markdown = markdown::render(&run, &tables, &charts);
    let line = markdown.lines().find(|line| line.starts_with("| epoll | 1 |")).unwrap();
    assert!(line.contains("| 4 of 5 | 227,500 |"), "{line}");
    assert!(
        markdown.contains("1 of 5 rounds is excluded from all figures, because other processes took"),
        "{markdown}"
    );
    let csv = csv::of_tables(&tables);
    // The rounds, those that count, and the requests per second.
    assert!(csv.contains(",5,4,227500,"), "{csv}");
    assert!(html::render(&run, &tables, &charts).contains("227,500"));
    let kept = Line::of(&run);
    assert_eq!(kept.measurements[0].requests_per_second, Some(227_500.0));
    let figure = kept.measurements[0].capacity.unwrap();
    assert!((figure.value / 227_490.0 - 1.0).abs() < 1e-4 && figure.rounds == 4, "{figure:?}");
    for text in [&paragraph, &markdown, &csv] {
        assert!(!text.contains("193,4"), "the mean of all five rounds: {text}");
    }
    // In pictures the excluded round is a point of its own kind, and no part of the interval.
    let rates = &charts.iter().find(|chart| chart.name == "wrk-capacity").unwrap().data;
    let cell = |title: &str| &rates.rows[0][rates.columns.iter().position(|column| column == title).unwrap()];
    assert_eq!(cell("requests per second"), "227500.000");
    assert_eq!(cell("rounds in requests per second"), "229000.000 227000.000 225000.000 229000.000");
    assert_eq!(cell("excluded rounds in requests per second"), "57000.000");
    assert!(cell("95 % from").parse::<f64>().unwrap() > 220_000.0);
    for chart in charts.iter().filter(|chart| chart.name != "wrk-ratio" && chart.name != "wrk-latency") {
        let is_marked = chart.inline().contains("1 round excluded (other processes)")
            || chart.inline().contains("excluded: other processes")
            || chart.name == "wrk-throughput";
        assert!(is_marked, "{}", chart.name);
    }
}

#[test]
fn a_fault_in_an_excluded_round_is_a_fault() {
    let run = changed(|one| {
        one.rounds[0].others = Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.0 });
        let outcome = one.rounds[0].outcome.as_mut().unwrap();
        outcome.statuses = BTreeMap::from([(200, outcome.responses - 1), (500, 1)]);
        (outcome.unexpected.status, outcome.unexpected.responses) = (1, 1);
    });
    assert_eq!(standing(&run), Standing::Invalid);
    assert!(reasons(&run)[0].starts_with("1 of "), "{:?}", reasons(&run));
}

#[test]
fn a_row_of_which_no_round_counts_shows_all_of_them_and_is_not_ranked() {
    let run = changed(|one| {
        for round in &mut one.rounds {
            round.others = Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.0 });
        }
    });
    assert_eq!(standing(&run), Standing::TooNoisy);
    with_row(&run, |row| {
        assert_eq!((row.rank, row.figures.counted_rounds()), (None, 0));
        assert!(row.figures.requests_per_second().is_some() && row.figures.capacity().is_some());
        assert_eq!(row.label(), "too noisy");
    });
}

#[test]
fn one_quiet_round_is_enough_to_be_ranked_by() {
    // Of ten rounds nine had too much steal: a tenth of the time was quiet, but all of one round was.
    let run = changed(|one| {
        one.rounds = (0..10).map(|index| round(index, 20_000.0)).collect();
        for round in &mut one.rounds[1..] {
            for window in &mut round.outcome.as_mut().unwrap().windows {
                window.steal_ns = Some(BTreeMap::from([(0, WINDOW_NS / 2)]));
            }
            round.outcome.as_mut().unwrap().responses /= 2;
            round.outcome.as_mut().unwrap().requests -= 10_000;
        }
    });
    with_row(&run, |row| {
        assert_eq!((row.standing(), row.figures.counted_rounds()), (Standing::Ranked, 1));
        assert_eq!(row.figures.requests_per_second(), Some(20_000.0));
    });
}

#[test]
fn no_row_is_better_than_the_first_in_the_rounds_that_they_share() {
    // Rounds differ by the minute as much as servers do, and a fifth of them is excluded by chance.
    let mut random = fastrand::Rng::with_seed(9);
    let (mut compared, mut shared) = (0, 0);
    for _ in 0..150 {
        let minutes: Vec<f64> = (0..5).map(|_| 1.0 + 0.3 * random.f64()).collect();
        let mut rows = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let mut one = measurement(name, "a model", Some(1), false);
            for (index, minute) in (0..).zip(&minutes) {
                // A small outcome of one's own: histograms of thousands of answers would only take time.
                let outcome = outcome(500.0 * minute * (1.0 + 0.05 * random.f64()));
                let mut taken = round(index, 500.0);
                taken.server = Some(sample(&outcome));
                taken.outcome = Some(outcome);
                if random.f64() < 0.2 {
                    taken.others = Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.0 });
                }
                one.rounds.push(taken);
            }
            rows.push(one);
        }
        let run = run(rows, 0);
        let tables = tables(&run);
        let ranked = tables[0].ranked();
        let ratios: Vec<(usize, f64)> = ranked.iter().filter_map(|row| Some((row.rank?, row.to_best?.ratio))).collect();
        assert_eq!(ratios[0], (1, 1.0));
        assert!(ratios[1..].is_sorted_by(|first, second| first.1 >= second.1), "{ratios:?}");
        // Three that beat each other in turn share the first place.
        assert!(ratios.iter().all(|(rank, ratio)| *rank == 1 || *ratio <= 1.0), "{ratios:?}");
        shared += ratios[1..].iter().filter(|(rank, _)| *rank == 1).count();
        compared += ratios.len();
    }
    assert!(compared > 500 && shared < compared / 20, "{shared} of {compared}");
}
