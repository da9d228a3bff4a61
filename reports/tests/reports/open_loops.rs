//! Open loops: one estimator, loads that are not kept up with, lateness, and shares of a capacity.

use loadgen::{Histogram, Load, Offered};
use reports::decision;
use reports::ranking::{compare, tables};
use reports::record::{Arrival, Measurement, Run};
use reports::round_exclusion::RoundExclusion;
use reports::summary::first_paragraph;
use reports::validity::Standing;

use crate::fixture::{measurement, round, run};
use crate::validity::{reasons, standing, with_row};

/// A server at 1,000 requests per second whose rounds have these p99, in microseconds.
fn offered(name: &str, arrival: Arrival, p99s: &[u64]) -> Measurement {
    let mut one = measurement(name, "a model", Some(1), false);
    one.workload.arrival = arrival;
    for (index, p99) in (0..).zip(p99s) {
        let mut taken = round(index, 1_000.0);
        taken.offered_rate = Some(1_000.0);
        let outcome = taken.outcome.as_mut().unwrap();
        outcome.plan.load = Load::Open(Offered::steady(1_000.0));
        outcome.latency = Histogram::new();
        (0..outcome.responses)
            .for_each(|place| outcome.latency.record(if place % 50 == 0 { p99 * 1_000 } else { 50_000 }));
        outcome.in_flight = Histogram::new();
        outcome.requests = outcome.responses;
        one.rounds.push(taken);
    }
    one
}

const RATE: Arrival = Arrival::Open { rate: 1_000.0 };
const SHARE: Arrival = Arrival::OpenShare { share: 0.5 };

#[test]
fn rank_figure_and_ratio_come_from_one_estimator() {
    // Pooled, the first has the larger p99 by its one bad round; by the mean of the rounds it is the smaller one.
    let run = run(
        vec![
            offered("epoll", RATE, &[1_000, 1_000, 1_000, 20_000, 1_000]),
            offered("async", RATE, &[3_000, 3_200, 3_100, 2_900, 3_000]),
        ],
        0,
    );
    let tables = tables(&run);
    let (epoll, aside) = (&tables[0].rows[0], &tables[0].rows[1]);
    assert_eq!((epoll.rank, aside.rank), (Some(1), Some(2)));
    let (first, second) = (epoll.p99().unwrap() as f64, aside.p99().unwrap() as f64);
    // The fifth root of 20 times a millisecond.
    assert!((first / 1.82e6 - 1.0).abs() < 0.01, "{first}");
    let ratio = compare(aside, epoll).unwrap().ratio;
    assert!((ratio / (second / first) - 1.0).abs() < 0.01 && ratio > 1.0, "{ratio} of {second} and {first}");
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(
        paragraph.starts_with("There is no significant difference in p99 between epoll with 1 worker (1.8"),
        "{paragraph}"
    );
    assert!(!paragraph.contains("soonest") && !paragraph.contains("lowest"), "{paragraph}");
}

fn overload(one: &mut Measurement, rounds: usize) {
    for outcome in one.rounds.iter_mut().take(rounds).filter_map(|round| round.outcome.as_mut()) {
        (0..outcome.responses / 4).for_each(|_| outcome.unsent.record(50_000_000));
    }
}

#[test]
fn a_load_that_was_too_much_in_one_round_is_not_ranked_by_the_others() {
    for arrival in [RATE, SHARE] {
        let mut plan =
            vec![offered("epoll", arrival, &[400; 5]), offered("async", arrival, &[500, 510, 505, 500, 500])];
        overload(&mut plan[0], 1);
        let run = run(plan, 0);
        let tables = tables(&run);
        let row = &tables[0].rows[0];
        assert_eq!((row.rank, row.validity.kept(), row.standing()), (None, Some((4, 5)), Standing::Invalid));
        assert_eq!(row.label(), "kept in 4 of 5");
        assert!(
            row.figures.rounds.iter().all(reports::figures::RoundFigures::counts),
            "no round is dropped by its result"
        );
        let paragraph = first_paragraph(&run, &tables[0]);
        assert!(paragraph.contains("epoll with 1 worker kept up with this load in 4 of 5 rounds"), "{paragraph}");
        assert!(!paragraph.contains("did not keep up"), "{paragraph}");
        assert_eq!(decision::lines(&run, &tables)[0].cells[0].text(), "kept in 4 of 5");
        assert!(
            reasons(&run)[0].starts_with("It kept up with the offered load in 4 of 5 rounds. Of "),
            "{:?}",
            reasons(&run)
        );
    }
}

/// Lets one in twenty requests of a round be sent so late, in microseconds.
fn late(one: &mut Measurement, round: usize, microseconds: u64) {
    let outcome = one.rounds[round].outcome.as_mut().unwrap();
    (0..outcome.responses)
        .for_each(|place| outcome.lag.record(if place % 20 == 0 { microseconds * 1_000 } else { 1_000 }));
}

fn exclusions(one: Measurement) -> Vec<Option<RoundExclusion>> {
    with_row(&run(vec![one], 0), |row| row.figures.rounds.iter().map(|round| round.exclusion).collect())
}

#[test]
fn only_lateness_that_no_server_can_cause_excludes_a_round() {
    let of = |p99s: &[u64], lag: u64| {
        let mut one = offered("epoll", RATE, p99s);
        late(&mut one, 1, lag);
        one
    };
    // The generator stood still for some milliseconds, which is what the p99 shows.
    assert_eq!(exclusions(of(&[500, 5_000, 500], 4_000)), [None, Some(RoundExclusion::LateGenerator), None]);
    // The server stood still for half a second, and what came at once kept the generator busy.
    assert_eq!(exclusions(of(&[500, 500_000, 500], 4_000)), [None; 3]);
    // On shared CPUs the server takes the generator's time.
    let mut shared = of(&[500, 5_000, 500], 4_000);
    shared.placement.client_cpus = shared.placement.server_cpus.clone();
    assert_eq!(exclusions(shared), [None; 3]);
    // A round that was late does not keep the others from being ranked; all of them do.
    let mut all = of(&[5_000, 5_000], 4_000);
    assert_eq!(standing(&run(vec![all.clone()], 0)), Standing::Ranked);
    late(&mut all, 0, 4_000);
    let all = run(vec![all], 0);
    assert_eq!(standing(&all), Standing::TooNoisy);
    assert!(reasons(&all)[0].starts_with("The generator was late for its own schedule"), "{:?}", reasons(&all));
}

#[test]
fn shares_of_their_own_capacity_are_shown_and_not_ranked() {
    let mut plan = vec![offered("epoll", SHARE, &[400, 410, 405]), offered("async", SHARE, &[900, 910, 905])];
    for (one, rate) in plan.iter_mut().zip([900.0, 500.0]) {
        one.rounds.iter_mut().for_each(|round| (round.offered_rate, round.capacity) = (Some(rate), Some(2.0 * rate)));
    }
    let run: Run = run(plan, 0);
    let tables = tables(&run);
    assert!(tables[0].rows.iter().all(|row| (row.rank, row.group, row.to_best) == (None, None, None)));
    assert_eq!(tables[0].rows[0].standing(), Standing::Ranked, "nothing speaks against it");
    let line = decision::lines(&run, &tables).remove(0);
    assert!(line.title().ends_with("(each at its own rate, not compared)"), "{}", line.title());
    let cells: Vec<String> = line.cells.iter().map(decision::Cell::text).collect();
    assert!(cells[0].starts_with("40") && cells[0].ends_with(" µs") && cells[1].starts_with("90"), "{cells:?}");
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(paragraph.contains("so they are not ranked"), "{paragraph}");
    for word in ["best", "lowest", "soonest"] {
        assert!(!paragraph.contains(word), "{paragraph}");
    }
}
