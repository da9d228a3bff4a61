use proptest::prelude::*;

use super::*;

/// Drives a search to its end. `answer` is told the rate; every probe comes back with its answer.
fn drive(
    search: &mut Search,
    mut answer: impl FnMut(f64) -> ProbeResult,
) -> (Verdict, Vec<(f64, Purpose, ProbeResult)>) {
    let mut probes = Vec::new();
    loop {
        match search.next() {
            Step::Done(verdict) => return (verdict, probes),
            Step::Probe { rate, purpose } => {
                let result = answer(rate);
                probes.push((rate, purpose, result));
                search.report(result);
            }
        }
    }
}

/// A server that keeps its objective up to a rate and never above.
fn steady(threshold: f64) -> impl Fn(f64) -> ProbeResult {
    move |rate| if rate <= threshold { ProbeResult::Kept } else { ProbeResult::Missed }
}

/// A server that keeps its objective by chance: in half of the probes at the threshold, in 73 % of them a `width` below
/// it and in 27 % a `width` above it, where 0.02 is 2 %.
fn noisy(threshold: f64, width: f64, chance: &mut fastrand::Rng) -> impl FnMut(f64) -> ProbeResult {
    move |rate| {
        let odds_against = ((rate / threshold).ln() / width).exp();
        if chance.f64() < 1.0 / (1.0 + odds_against) { ProbeResult::Kept } else { ProbeResult::Missed }
    }
}

/// From 2 to 2,000,000 requests per second.
fn thresholds() -> impl Iterator<Item = f64> {
    (0..=300).map(|step| 2.0 * 1e6f64.powf(f64::from(step) / 300.0))
}

#[track_caller]
fn assert_found(verdict: Verdict, threshold: f64, resolution: f64) {
    let Verdict::Found { rate, missed_at: Some(missed), confirmations: 2 } = verdict else {
        panic!("{verdict:?} with a threshold of {threshold}");
    };
    assert!(rate <= threshold && threshold < missed, "{verdict:?} with a threshold of {threshold}");
    let is_near = missed <= rate * (1.0 + resolution) || Rung::nearest(rate).above(1.0) == Some(Rung::nearest(missed));
    assert!(is_near, "{verdict:?} with a resolution of {resolution}");
}

#[test]
fn a_good_guess_takes_at_most_a_dozen_probes() {
    for threshold in thresholds() {
        for factor in [1.0, 1.01, 1.1, 1.4, 1.9, 2.0, 2.5] {
            let (verdict, probes) = drive(&mut Search::new(threshold * factor, 0.02, 2), steady(threshold));
            assert_found(verdict, threshold, 0.02);
            assert!(probes.len() <= 12, "{} probes from {factor} times {threshold}", probes.len());
        }
    }
}

#[test]
fn a_guess_that_is_wrong_by_orders_of_magnitude_takes_at_most_22_probes() {
    for threshold in thresholds() {
        for start in [f64::NAN, 0.0, 1.0, 7.0, 1e3, 12_345.0, 1e6, 1e9, f64::INFINITY] {
            let mut search = Search::new(start, 0.02, 2);
            let (verdict, probes) = drive(&mut search, steady(threshold));
            assert_found(verdict, threshold, 0.02);
            assert!(probes.len() <= 22, "{} probes from {start} to {threshold}", probes.len());
            assert_eq!(search.probes() as usize, probes.len());
        }
    }
}

#[test]
fn any_resolution_is_reached_with_fewer_than_half_of_the_probes() {
    for threshold in thresholds() {
        for (resolution, held_to) in [(0.0, 0.001), (f64::NAN, 0.001), (0.005, 0.005), (0.1, 0.1), (9.0, 1.0)] {
            for start in [1.0, 1e9] {
                let (verdict, probes) = drive(&mut Search::new(start, resolution, 2), steady(threshold));
                assert_found(verdict, threshold, held_to);
                assert!((probes.len() as u32) < Search::MOST_PROBES / 2, "{} probes", probes.len());
            }
        }
    }
}

#[test]
fn it_brackets_then_narrows_then_confirms() {
    let (verdict, probes) = drive(&mut Search::new(1000.0, 0.1, 1), steady(900.0));
    assert_eq!(verdict, Verdict::Found { rate: 841.0, missed_at: Some(917.0), confirmations: 1 });
    use ProbeResult::{Kept, Missed};
    use Purpose::{Bracket, Confirm, Narrow};
    let expected = [
        (1000.0, Bracket, Missed),
        (500.0, Bracket, Kept),
        (707.0, Narrow, Kept),
        (841.0, Narrow, Kept),
        (917.0, Narrow, Missed),
        (841.0, Confirm, Kept),
    ];
    assert_eq!(probes, expected);
}

#[test]
fn a_server_that_keeps_nothing_has_no_rate() {
    for start in [1.0, 50_000.0, 1e9] {
        let (verdict, probes) = drive(&mut Search::new(start, 0.02, 2), |_| ProbeResult::Missed);
        assert_eq!(verdict, Verdict::None { lowest_tried: 1.0 });
        assert!(probes.len() <= 12, "{} probes", probes.len());
    }
}

#[test]
fn a_server_that_keeps_everything_ends_at_the_highest_rate() {
    let (verdict, _) = drive(&mut Search::new(1.0, 0.02, 2), |_| ProbeResult::Kept);
    assert_eq!(verdict, Verdict::Found { rate: 1e9, missed_at: None, confirmations: 2 });
}

#[test]
fn a_noisy_server_is_hardly_ever_given_more_than_it_keeps() {
    for (width, start) in [(0.01, 1.4), (0.02, 1.0), (0.02, 0.01), (0.03, 1.4), (0.03, 100.0)] {
        let mut ratios = Vec::new();
        for seed in 0..200 {
            let mut chance = fastrand::Rng::with_seed(seed);
            let threshold = 10_000.0 * (1.0 + chance.f64());
            let server = noisy(threshold, width, &mut chance);
            let (verdict, probes) = drive(&mut Search::new(threshold * start, 0.02, 2), server);
            assert!(probes.len() <= 40, "{} probes with seed {seed}", probes.len());
            match verdict {
                Verdict::Found { rate, confirmations: 2, .. } => ratios.push(rate / threshold),
                other => panic!("{other:?} with seed {seed}"),
            }
        }
        ratios.sort_by(f64::total_cmp);
        let too_high = ratios.iter().filter(|&&ratio| ratio > 1.05).count();
        assert!(too_high <= 2, "{too_high} of 200 with a width of {width}");
        // Three of three are kept with even odds where one is kept with odds of four to one.
        assert!((0.95..=1.0).contains(&ratios[100]), "a median of {} with a width of {width}", ratios[100]);
        assert!(ratios[10] > 0.9, "a twentieth is below {} with a width of {width}", ratios[10]);
    }
}

#[test]
fn a_miss_by_accident_never_raises_the_rate_and_seldom_lowers_it() {
    let mut too_low = 0;
    for seed in 0..1000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let start = 10_000.0 * (1.0 + chance.f64());
        let (verdict, _) = drive(&mut Search::new(start, 0.02, 2), |rate| {
            if chance.f64() < 0.02 { ProbeResult::Missed } else { steady(10_000.0)(rate) }
        });
        let Verdict::Found { rate, .. } = verdict else {
            panic!("{verdict:?} with seed {seed}");
        };
        assert!(rate <= 10_000.0, "{rate} with seed {seed}");
        too_low += u32::from(rate < 9700.0);
    }
    assert!(too_low <= 60, "{too_low} of 1000 are more than 3 % too low");
}

#[test]
fn a_miss_in_confirmation_leads_to_the_next_lower_rate() {
    let mut asked = 0;
    let (verdict, probes) = drive(&mut Search::new(1000.0, 0.02, 2), |rate| {
        asked += u32::from(rate == 989.0);
        if rate == 989.0 && asked == 3 { ProbeResult::Missed } else { steady(995.0)(rate) }
    });
    assert_eq!(verdict, Verdict::Found { rate: 979.0, missed_at: Some(989.0), confirmations: 2 });
    // That was kept on the way up, so that confirming it is all that is left to do.
    assert_eq!(probes[probes.len() - 3..].iter().map(|probe| probe.0).collect::<Vec<_>>(), [989.0, 979.0, 979.0]);
}

#[test]
fn a_server_that_wears_out_is_followed_down_in_small_steps() {
    // All below the first rate is unknown when it is missed in its confirmation; the limit is a little lower by then.
    let mut probes_so_far = 0;
    let (verdict, probes) = drive(&mut Search::new(1000.0, 0.02, 2), |rate| {
        probes_so_far += 1;
        steady(if probes_so_far <= 8 { 1000.0 } else { 950.0 })(rate)
    });
    let Verdict::Found { rate, missed_at: Some(missed), .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!(rate <= 950.0 && 950.0 < missed && missed <= rate * 1.02, "{verdict:?}");
    let lowest = probes.iter().map(|probe| probe.0).fold(f64::INFINITY, f64::min);
    assert!(lowest > 900.0, "{probes:?}");
}

#[test]
fn a_generator_that_cannot_go_higher_makes_it_at_least() {
    for limit in [3.0, 777.0, 123_456.0] {
        for start in [1.0, limit * 1.5, 1e8] {
            let answer = |rate| if rate <= limit { ProbeResult::Kept } else { ProbeResult::NotOffered };
            let (verdict, _) = drive(&mut Search::new(start, 0.02, 2), answer);
            let Verdict::AtLeast { rate, why: GeneratorLimit { not_offered } } = verdict else {
                panic!("{verdict:?}");
            };
            assert!(rate <= limit && limit < not_offered && not_offered <= rate * 1.02, "{verdict:?}");
        }
    }
}

#[test]
fn a_generator_that_goes_higher_than_the_server_does_not_matter() {
    let answer = |rate| if rate > 70_000.0 { ProbeResult::NotOffered } else { steady(50_000.0)(rate) };
    for start in [100.0, 60_000.0, 1e7] {
        assert_found(drive(&mut Search::new(start, 0.02, 2), answer).0, 50_000.0, 0.02);
    }
}

#[test]
fn a_generator_that_offers_nothing_says_nothing_about_the_server() {
    let (verdict, _) = drive(&mut Search::new(1000.0, 0.02, 2), |_| ProbeResult::NotOffered);
    assert_eq!(verdict, Verdict::Undecided { why: Doubt::NothingOffered, kept_at: None, missed_at: None });
}

#[test]
fn probes_that_are_disturbed_now_and_then_change_nothing() {
    for threshold in thresholds() {
        let undisturbed = drive(&mut Search::new(5000.0, 0.02, 2), steady(threshold)).0;
        let mut probe = 0;
        let (verdict, _) = drive(&mut Search::new(5000.0, 0.02, 2), |rate| {
            probe += 1;
            if probe % 5 < 2 { ProbeResult::Disturbed } else { steady(threshold)(rate) }
        });
        assert_eq!(verdict, undisturbed);
    }
}

#[test]
fn a_machine_that_is_always_disturbed_leaves_it_undecided() {
    let (verdict, probes) = drive(&mut Search::new(5000.0, 0.02, 2), |_| ProbeResult::Disturbed);
    assert_eq!(verdict, Verdict::Undecided { why: Doubt::Disturbed, kept_at: None, missed_at: None });
    assert_eq!(probes, [(5000.0, Purpose::Bracket, ProbeResult::Disturbed); 3]);
    // From the third probe on.
    let mut probe = 0;
    let (verdict, _) = drive(&mut Search::new(5000.0, 0.02, 2), |rate| {
        probe += 1;
        if probe > 2 { ProbeResult::Disturbed } else { steady(4000.0)(rate) }
    });
    let expected = Verdict::Undecided { why: Doubt::Disturbed, kept_at: Some(2500.0), missed_at: Some(5000.0) };
    assert_eq!(verdict, expected);
}

#[test]
fn probes_that_are_spent_leave_it_undecided() {
    let (verdict, probes) = drive(&mut Search::new(1000.0, 0.02, 100), steady(900.0));
    assert_eq!(probes.len() as u32, Search::MOST_PROBES);
    assert!(matches!(verdict, Verdict::Undecided { why: Doubt::ProbesSpent, kept_at: Some(_), .. }), "{verdict:?}");
}

#[test]
fn a_report_after_the_verdict_changes_nothing() {
    let mut search = Search::new(1000.0, 0.02, 2);
    let (verdict, probes) = drive(&mut search, steady(900.0));
    search.report(ProbeResult::Missed);
    assert_eq!((search.next(), search.probes() as usize), (Step::Done(verdict), probes.len()));
}

#[test]
fn a_verdict_that_is_stored_comes_back_the_same() {
    for verdict in [
        Verdict::Found { rate: 1.23, missed_at: None, confirmations: 2 },
        Verdict::None { lowest_tried: 1.0 },
        Verdict::AtLeast { rate: 777.0, why: GeneratorLimit { not_offered: 800.0 } },
        Verdict::Undecided { why: Doubt::ProbesSpent, kept_at: Some(5.0), missed_at: Some(7.0) },
    ] {
        let text = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict, "{text}");
    }
}

fn any_result() -> impl Strategy<Value = ProbeResult> {
    prop_oneof![
        4 => Just(ProbeResult::Kept),
        3 => Just(ProbeResult::Missed),
        1 => Just(ProbeResult::NotOffered),
        1 => Just(ProbeResult::Disturbed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_comes_of_the_probes_it_ends_and_says_nothing_that_they_do_not(
        start in prop_oneof![any::<f64>(), 1.0..1e6],
        resolution in prop_oneof![any::<f64>(), 0.001..0.2],
        confirmations in 0u32..6,
        results in proptest::collection::vec(any_result(), Search::MOST_PROBES as usize),
    ) {
        let mut search = Search::new(start, resolution, confirmations);
        let mut probe = 0;
        // A search that goes on beyond the bound finds no more results.
        let (verdict, probes) = drive(&mut search, |_| { probe += 1; results[probe - 1] });
        prop_assert!(probes.iter().all(|&(rate, ..)| (1.0..=1e9).contains(&rate)), "{probes:?}");
        let rates = |wanted| probes.iter().filter(move |probe| probe.2 == wanted).map(|probe| probe.0);
        let lowest = |wanted| rates(wanted).reduce(f64::min);
        match verdict {
            Verdict::Found { rate, missed_at, confirmations: confirmed } => {
                let kept = rates(ProbeResult::Kept).filter(|&kept| kept == rate).count() as u32;
                prop_assert!(confirmed >= confirmations && kept == confirmed + 1, "{probes:?}");
                prop_assert_eq!(missed_at, lowest(ProbeResult::Missed));
                prop_assert!(missed_at.is_none_or(|missed| rate < missed), "{probes:?}");
            }
            Verdict::AtLeast { rate, why } => {
                let kept = rates(ProbeResult::Kept).filter(|&kept| kept == rate).count() as u32;
                prop_assert!(kept > confirmations && rate < why.not_offered, "{probes:?}");
                prop_assert_eq!(Some(why.not_offered), lowest(ProbeResult::NotOffered));
                prop_assert!(lowest(ProbeResult::Missed).is_none_or(|missed| rate < missed), "{probes:?}");
            }
            Verdict::None { lowest_tried } => {
                prop_assert_eq!(lowest_tried, 1.0);
                prop_assert_eq!(lowest(ProbeResult::Missed), Some(1.0));
            }
            Verdict::Undecided { why, kept_at, missed_at } => {
                prop_assert_eq!(missed_at, lowest(ProbeResult::Missed));
                prop_assert!(kept_at.is_none_or(|kept| missed_at.is_none_or(|missed| kept < missed)));
                match why {
                    Doubt::Disturbed => prop_assert!(
                        probes.len() >= 3 && probes[probes.len() - 3..].iter().all(|p| p.2 == ProbeResult::Disturbed)
                    ),
                    Doubt::ProbesSpent => prop_assert_eq!(probes.len() as u32, Search::MOST_PROBES),
                    Doubt::NothingOffered => prop_assert_eq!(lowest(ProbeResult::NotOffered), Some(1.0)),
                }
            }
        }
    }
}
