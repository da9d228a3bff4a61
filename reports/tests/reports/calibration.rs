//! Comparisons whose right answer is known: what was recorded says what docs/regressions.md says of it, and what is drawn from
//! it shows what was recorded, whichever that is.

use std::fs;
use std::path::Path;

use reports::comparison::resampling::{Calibration, Drawing, FORMAT, Kind, Trial};
use reports::comparison::{Figure, Verdict};
use reports::statistics::binomial;
use reports::words;

/// Enough to tell 1 % from 2 %.
const DRAWN: usize = 2_000;

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)).unwrap()
}

/// Comparisons of both kinds, by the closed loop alone.
fn recorded() -> Calibration {
    serde_json::from_slice(&read("calibration/2026-11-26-epyc-2-cpus.json")).unwrap()
}

#[test]
fn the_page_says_how_often_live_comparisons_of_equals_were_wrong() {
    let recorded: Calibration = serde_json::from_slice(&read("calibration/2026-11-28-epyc-2-cpus.json")).unwrap();
    let equal = recorded.live(Kind::Equal);
    // Whoever says that there is no difference has seen a fixed load, too.
    let of_equals = || recorded.of(Kind::Equal).filter(|trial| trial.verdict == Verdict::NoDifference.label());
    assert!(equal.all() >= 100 && of_equals().all(|trial| !trial.fixed_load_pairs.is_empty()));
    let bound = words::percent(binomial::upper_bound(equal.alarms(), equal.all(), 0.05));
    let page = String::from_utf8(read("regressions.md")).unwrap();
    let row = [equal.all(), equal.slower, equal.faster, equal.no_difference, equal.undecided, equal.failed];
    let row = row.map(|number| number.to_string()).join(" | ");
    for said in [format!("| {row} |"), format!("{} of {}", equal.alarms(), equal.all()), format!("at most {bound}")] {
        assert!(page.contains(&said), "docs/regressions.md does not say {said:?}");
    }
}

fn drawing(from: Kind, slower: f64) -> Drawing {
    Drawing { from, slower, max_slowdown: 0.05, most_pairs: 40 }
}

#[test]
fn live_comparisons_were_right_as_far_as_they_go() {
    let recorded = recorded();
    assert_eq!(recorded.format, FORMAT);
    let (equal, burning) = (recorded.live(Kind::Equal), recorded.live(Kind::Burn));
    assert!(equal.all() >= 20 && burning.all() >= 20, "{equal:?} {burning:?}");
    assert_eq!((equal.slower, equal.faster), (0, 0));
    assert_eq!(burning.slower, burning.all());
    // What that bounds: no false alarm in 20 leaves up to 13.9 % of them possible.
    let bound = binomial::upper_bound(equal.alarms(), equal.all(), 0.05);
    assert!(equal.all() > 20 || (bound - 0.1391).abs() < 1e-4, "{bound}");
}

#[test]
fn whole_comparisons_are_drawn_with_their_signs() {
    let mut recorded = recorded();
    let as_recorded = recorded.resampled(drawing(Kind::Equal, 0.0), DRAWN, 1);
    assert_eq!(as_recorded.said.all(), DRAWN);
    // A drawn comparison that ends where the recorded one ended is that one.
    let shortest = recorded.of(Kind::Equal).map(|trial| trial.pairs.len()).min().unwrap();
    assert!(as_recorded.pairs >= DRAWN * shortest.min(10));
    // One side that is always 3 % slower, as a build may be for the places of its functions, is an alarm in what is drawn, too.
    // Drawn pair by pair with a coin for each sign there was none.
    for trial in recorded.trials.iter_mut().filter(|trial| trial.kind() == Kind::Equal) {
        shift(trial, 0.03);
    }
    let biased = recorded.resampled(drawing(Kind::Equal, 0.0), DRAWN, 1).said;
    assert!(biased.slower > DRAWN * 9 / 10, "{biased:?}");
}

#[test]
fn whole_comparisons_that_are_off_to_either_side_are_alarms() {
    // Each comparison as a whole is off by 3 %, half of them to either side: no coin can tell that from pairs that are.
    let mut recorded = recorded();
    for (place, trial) in recorded.trials.iter_mut().filter(|trial| trial.kind() == Kind::Equal).enumerate() {
        shift(trial, if place % 2 == 0 { 0.03 } else { -0.03 });
    }
    let said = recorded.resampled(drawing(Kind::Equal, 0.0), DRAWN, 1).said;
    assert!(said.alarms() > DRAWN * 9 / 10 && said.slower > DRAWN / 3 && said.faster > DRAWN / 3, "{said:?}");
}

fn shift(trial: &mut Trial, slower: f64) {
    for (figure, log) in trial.pairs.iter_mut().flatten() {
        *log += if figure.is_better_higher() { -slower } else { slower };
    }
}

#[test]
fn the_rule_for_ending_takes_more_than_ten_pairs_for_a_thinner_effect() {
    let recorded = recorded();
    let thin = Drawing { max_slowdown: 0.015, most_pairs: 300, ..drawing(Kind::Equal, 0.0) };
    let drawn = recorded.resampled(thin, 300, 1);
    assert!(drawn.pairs > 300 * 12, "{drawn:?}");
    // It ends because enough was seen, and not because the time is spent.
    assert!(drawn.pairs < 300 * 250 && drawn.said.undecided < 30, "{drawn:?}");
    // What it waits for is found when it is there.
    let found = recorded.resampled(Drawing { slower: 0.03, ..thin }, 300, 1);
    assert!(found.said.slower >= 290, "{found:?}");
}

#[test]
fn a_slow_down_that_was_recorded_or_reckoned_is_found() {
    let recorded = recorded();
    assert!((recorded.burnt - 0.10).abs() < 1e-9);
    let said = recorded.resampled(drawing(Kind::Burn, 0.0), DRAWN, 1).said;
    assert!(said.slower >= DRAWN * 99 / 100, "{said:?}");
    // The same from pairs of equals, one side of which is made slower by reckoning.
    let said = recorded.resampled(drawing(Kind::Equal, 1.0 - 1.0 / 1.1), DRAWN, 1).said;
    assert!(said.slower >= DRAWN * 99 / 100, "{said:?}");
    // A head that is faster is called so, and never slower.
    let said = recorded.resampled(drawing(Kind::Equal, -0.10), 200, 1).said;
    assert!(said.faster >= 198 && said.slower == 0, "{said:?}");
    // Of a kind that was not recorded nothing is drawn.
    assert_eq!(recorded.resampled(drawing(Kind::Wait, 0.0), 10, 1).said.all(), 0);
}

#[test]
fn the_two_loops_of_a_comparison_end_each_by_itself() {
    // A fixed load that is noisier than the closed loop takes more pairs, and those are drawn from the fixed load alone.
    let mut recorded = recorded();
    for (place, trial) in recorded.trials.iter_mut().enumerate() {
        let latency = |pair: usize| 0.25 * (((pair * 7 + place * 3) % 11) as f64 / 10.0 - 0.5);
        trial.fixed_load_pairs = (0..10).map(|pair| [(Figure::MedianLatency, latency(pair))].into()).collect();
    }
    let drawn = recorded.resampled(drawing(Kind::Equal, 0.0), 200, 1);
    assert!(drawn.said.slower + drawn.said.faster <= 10, "{drawn:?}");
    let found = recorded.resampled(drawing(Kind::Equal, 0.4), 200, 1);
    assert_eq!(found.said.slower, 200);
}
