//! Comparisons whose right answer is known, drawn anew from rounds that were really measured: false alarms and power keep
//! what docs/regressions.md says.

use std::path::Path;

use reports::comparison::resampling::{Calibration, FORMAT, Treatment};

/// Enough to tell 1 % from 2 %.
const DRAWN: usize = 2_000;

fn recorded() -> Calibration {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/calibration/2026-11-26-epyc-2-cpus.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn live_comparisons_were_right() {
    let recorded = recorded();
    assert_eq!(recorded.format, FORMAT);
    let (equal, slowed) = (recorded.live(false), recorded.live(true));
    assert!(equal.all() >= 20 && slowed.all() >= 20, "{equal:?} {slowed:?}");
    assert_eq!((equal.slower, equal.faster), (0, 0));
    assert_eq!(slowed.slower, slowed.all());
}

#[test]
fn equals_raise_an_alarm_in_one_of_a_hundred_comparisons_at_most() {
    let recorded = recorded();
    for seed in 0..3 {
        let said = recorded.resampled(false, Treatment::Equals, DRAWN, seed);
        assert_eq!(said.all(), DRAWN);
        assert!(said.slower + said.faster <= DRAWN / 100, "{said:?}");
    }
}

#[test]
fn ten_per_cent_more_cpu_time_is_found_in_ninety_nine_of_a_hundred() {
    let recorded = recorded();
    assert!((recorded.burnt - 0.10).abs() < 1e-9);
    let said = recorded.resampled(true, Treatment::Recorded, DRAWN, 1);
    assert!(said.slower >= DRAWN * 99 / 100, "{said:?}");
    // The same from pairs of equals, one side of which is made slower by reckoning.
    let said = recorded.resampled(false, Treatment::Slowed(1.0 - 1.0 / 1.1), DRAWN, 1);
    assert!(said.slower >= DRAWN * 99 / 100, "{said:?}");
}

#[test]
fn a_difference_of_nothing_is_not_found_by_a_decision_that_always_finds_one() {
    // What is drawn depends on what was recorded: a head that is faster is called so, and never slower.
    let said = recorded().resampled(false, Treatment::Slowed(-0.10), 200, 1);
    assert!(said.faster >= 198 && said.slower == 0, "{said:?}");
}
