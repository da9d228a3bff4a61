//! Simulated runs with a known truth, to which the statistics are held.
//!
//! A round's figure is the mean of its windows, as in a real run. Windows of one round depend on each other, rounds differ
//! by more than their windows say, and the machine of a round is the same for all contestants.

use fastrand::Rng;

use super::bootstrap::normal;
use super::groups::groups_drawn;
use super::ratio::{BOOTSTRAP_FROM, ratio_of_pairs};
use super::student;
use super::{Better, NoiseFloor, Place, Ratio, TwinNoise};

/// Windows in a round.
const WINDOWS: usize = 20;

/// A twentieth of what a report draws: enough for frequencies over many runs.
const DRAWN_PAIRS: usize = 250;

/// What makes figures differ from the truth. Standard deviations are of logarithms.
#[derive(Clone, Copy)]
struct Noise {
    /// Of a round, for each contestant: the server was started anew.
    rounds: f64,
    /// Of a window.
    windows: f64,
    /// The correlation of a window with the next (AR(1)).
    correlation: f64,
    /// What is left of the first contestant's figure in one round of the run, 1 for no bad round.
    bad_round: f64,
}

/// A quiet machine: the log ratio of a pair has a standard deviation of 1.8 %.
const QUIET: Noise = Noise { rounds: 0.011, windows: 0.012, correlation: 0.7, bad_round: 1.0 };

/// The figures of one contestant after the other, per round, around these truths.
fn run(random: &mut Rng, truths: &[f64], rounds: usize, noise: &Noise) -> Vec<Vec<Option<f64>>> {
    let bad = random.usize(..rounds);
    let mut contestants = vec![Vec::with_capacity(rounds); truths.len()];
    for round in 0..rounds {
        let machine = (0.1 * normal(random)).exp();
        for (index, truth) in truths.iter().enumerate() {
            let own = (noise.rounds * normal(random)).exp();
            let hit = if round == bad && index == 0 { noise.bad_round } else { 1.0 };
            contestants[index].push(Some(truth * machine * own * hit * mean_of_windows(random, noise)));
        }
    }
    contestants
}

fn mean_of_windows(random: &mut Rng, noise: &Noise) -> f64 {
    let fresh = (1.0 - noise.correlation * noise.correlation).sqrt();
    let mut state = normal(random);
    let mut sum = 0.0;
    for _ in 0..WINDOWS {
        sum += (noise.windows * state).exp();
        state = noise.correlation * state + fresh * normal(random);
    }
    sum / WINDOWS as f64
}

fn pairs(contestants: &[Vec<Option<f64>>]) -> Vec<(f64, f64)> {
    contestants[0].iter().zip(&contestants[1]).map(|(first, second)| (first.unwrap(), second.unwrap())).collect()
}

/// In which share of the simulated runs something is so.
fn share(runs: usize, mut is_so: impl FnMut(&mut Rng) -> bool) -> f64 {
    let mut random = Rng::with_seed(0x0715);
    (0..runs).filter(|_| is_so(&mut random)).count() as f64 / runs as f64
}

/// In which share of the runs the 95 % interval holds the true ratio.
fn coverage(rounds: usize, noise: &Noise) -> f64 {
    // A bootstrap takes its time, Student's t takes none.
    let runs = if rounds < BOOTSTRAP_FROM { 4_000 } else { 1_000 };
    share(runs, |random| {
        let figures = run(random, &[1_100.0, 1_000.0], rounds, noise);
        let (low, high) = ratio_of_pairs(&pairs(&figures), DRAWN_PAIRS).unwrap().interval.unwrap();
        (low..=high).contains(&1.1)
    })
}

/// That the interval holds the truth in at least 93 % of the runs, with few rounds and with many.
fn assert_coverage(noise: &Noise) {
    for rounds in [3, 5, 10, 20] {
        let found = coverage(rounds, noise);
        assert!(found >= 0.93, "{found} at {rounds} rounds");
    }
}

#[test]
fn intervals_hold_the_truth_on_a_quiet_machine_and_are_no_wider_than_that_takes() {
    for rounds in [3, 5, 10, 20] {
        let found = coverage(rounds, &QUIET);
        assert!((0.93..=0.975).contains(&found), "{found} at {rounds} rounds");
    }
}

#[test]
fn intervals_hold_the_truth_when_windows_depend_on_each_other() {
    assert_coverage(&Noise { rounds: 0.003, windows: 0.04, correlation: 0.9, ..QUIET });
}

#[test]
fn intervals_hold_the_truth_when_rounds_differ_much() {
    assert_coverage(&Noise { rounds: 0.08, ..QUIET });
}

// The truth is the ratio without the bad round, in which one of the two lost a fifth. The mean is off by a fifth over the
// number of rounds, and so is its standard error: so the intervals have to be wide, and they hold the truth more often
// than they say. What they cannot do is stay narrow.

#[test]
fn intervals_hold_the_truth_with_one_bad_round() {
    assert_coverage(&Noise { bad_round: 0.8, ..QUIET });
}

#[test]
fn intervals_hold_the_truth_with_one_bad_round_among_noisy_ones() {
    assert_coverage(&Noise { bad_round: 0.8, rounds: 0.05, ..QUIET });
}

/// The groups of a run of so many rounds on a quiet machine.
fn grouped(random: &mut Rng, truths: &[f64], rounds: usize) -> Vec<Option<usize>> {
    let figures = run(random, truths, rounds, &QUIET);
    groups_drawn(&figures, Better::Higher, &[], &[], DRAWN_PAIRS).iter().map(Place::group).collect()
}

/// A server, its twin, one that burns a tenth more CPU per request, and three of other kinds.
const FIELD: [f64; 6] = [1.0, 1.0, 1.0 / 1.1, 0.7, 0.5, 1.3];

#[test]
fn a_tenth_more_cpu_is_another_group_and_the_twin_is_not() {
    // Four rounds see it in nearly all runs, three in 86 %.
    for (rounds, runs) in [(4, 2_000), (5, 2_000), (10, 150)] {
        let apart = share(runs, |random| {
            let groups = grouped(random, &FIELD, rounds);
            groups[2] > groups[0] && groups[2] > groups[1]
        });
        assert!(apart >= 0.9, "{apart} at {rounds} rounds");
    }
    // When all others have been told apart, nothing is left to correct for: it is 95 %, and a little luck of 4,000 runs.
    for (rounds, runs) in [(3, 4_000), (5, 4_000), (10, 400)] {
        let together = share(runs, |random| {
            let groups = grouped(random, &FIELD[..3], rounds);
            groups[0] == groups[1]
        });
        let luck = 3.0 * (0.95 * 0.05 / runs as f64).sqrt();
        assert!(together >= 0.95 - luck, "{together} at {rounds} rounds");
    }
}

#[test]
fn many_equals_are_one_group() {
    for (contestants, rounds, runs) in [(3, 5, 2_000), (6, 3, 2_000), (12, 5, 2_000), (4, 10, 300)] {
        let together = share(runs, |random| {
            let groups = grouped(random, &vec![1.0; contestants], rounds);
            groups.iter().all(|group| *group == Some(1))
        });
        assert!(together >= 0.95, "{together} of {contestants} contestants at {rounds} rounds");
    }
}

/// In which share of runs with a server for each of these lists, each with the truths of its rows, a server is put below
/// another that is no better: the procedure of a report, which takes each server by its best row.
fn false_orders(servers: &[&[f64]], rounds: usize, runs: usize) -> f64 {
    let truths: Vec<f64> = servers.concat();
    let best_truths: Vec<f64> = servers.iter().map(|rows| rows.iter().copied().fold(0.0, f64::max)).collect();
    let chosen_from: Vec<usize> = servers.iter().map(|rows| rows.len()).collect();
    share(runs, |random| {
        let mut rows = run(random, &truths, rounds, &QUIET).into_iter();
        let mean = |row: &Vec<Option<f64>>| row.iter().map(|figure| figure.unwrap().ln()).sum::<f64>();
        let best = |count: &usize| rows.by_ref().take(*count).max_by(|one, other| mean(one).total_cmp(&mean(other)));
        let chosen: Vec<Vec<Option<f64>>> = chosen_from.iter().filter_map(best).collect();
        let places = groups_drawn(&chosen, Better::Higher, &[], &chosen_from, DRAWN_PAIRS);
        let groups: Vec<Option<usize>> = places.iter().map(Place::group).collect();
        let is_false = |one: usize, other: usize| groups[one] > groups[other] && best_truths[one] >= best_truths[other];
        (0..servers.len()).any(|one| (0..servers.len()).any(|other| is_false(one, other)))
    })
}

#[test]
fn servers_taken_by_their_best_row_are_put_below_their_equals_in_one_run_of_twenty() {
    let four = &[1.0; 4][..];
    for (servers, rounds, runs) in [
        // Without a correction for the choice it is 7, 7 and 11 % in the first three.
        (&[&[1.0][..], four][..], 5, 3_000),
        (&[&[1.0], four], 9, 3_000),
        (&[&[1.0], &[1.0; 10]], 5, 2_000),
        (&[&[1.0], four], 10, 200),
        (&[four, four, four, four], 5, 500),
        (&[&[1.0], four, &[0.5; 4]], 5, 1_000),
        (&[four, &[1.0], &[1.0], &[1.0], &[1.0]], 9, 1_000),
        (&[four, &[1.0, 0.7, 0.7, 0.7], &[1.0, 0.7, 0.7, 0.7]], 5, 1_000),
    ] {
        let found = false_orders(servers, rounds, runs);
        let luck = 3.0 * (0.05 * 0.95 / runs as f64).sqrt();
        assert!(found <= 0.05 + luck, "{found} of {servers:?} at {rounds} rounds");
    }
}

#[test]
fn a_tenth_is_seen_between_best_rows_too() {
    let apart = share(2_000, |random| {
        let rows = run(random, &[1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9], 5, &QUIET);
        // Whichever of its equal rows a server is taken by, so is the first one.
        let groups = groups_drawn(&[rows[0].clone(), rows[4].clone()], Better::Higher, &[], &[4, 4], DRAWN_PAIRS);
        groups[1].group() > groups[0].group()
    });
    assert!(apart >= 0.98, "{apart}");
}

#[test]
fn the_smallest_detectable_difference_is_detected_in_four_of_five_runs_at_the_corrected_level() {
    for (rounds, comparisons) in [(3, 1), (5, 1), (9, 1), (3, 10), (5, 10), (9, 10), (5, 25)] {
        // What a run of that noise would show if its standard error were known.
        let standard_error = floor_of_quiet().standard_deviation / (rounds as f64).sqrt();
        let reach = student::quantile(0.05, rounds - 1) * standard_error;
        let shown = Ratio {
            ratio: 1.0,
            interval: Some(((-reach).exp(), reach.exp())),
            p_value: Some(1.0),
            standard_error: Some(standard_error),
            rounds,
        };
        let truths = [1.0 + shown.smallest_detectable(comparisons).unwrap(), 1.0];
        let detected = share(2_000, |random| {
            let figures = run(random, &truths, rounds, &QUIET);
            let p_value = ratio_of_pairs(&pairs(&figures), DRAWN_PAIRS).unwrap().p_value.unwrap();
            p_value * (comparisons as f64) < 0.05
        });
        assert!((0.77..=0.83).contains(&detected), "{detected} at {rounds} rounds, {comparisons} comparisons");
    }
}

/// What three workloads of five rounds in 50 runs show.
fn floor_of_quiet() -> NoiseFloor {
    let mut random = Rng::with_seed(5);
    let mut noise = TwinNoise::default();
    for _ in 0..50 * 3 {
        noise.add(&TwinNoise::of(&pairs(&run(&mut random, &[700.0, 700.0], 5, &QUIET))));
    }
    noise.floor().unwrap()
}

#[test]
fn the_noise_floor_is_what_twins_stay_below() {
    let floor = floor_of_quiet();
    assert!((0.0165..0.0185).contains(&floor.standard_deviation), "{floor:?}");
    for rounds in [1, 4] {
        let below = share(4_000, |random| {
            let figures = run(random, &[700.0, 700.0], rounds, &QUIET);
            let ratio = ratio_of_pairs(&pairs(&figures), DRAWN_PAIRS).unwrap().ratio;
            ratio.max(1.0 / ratio) < 1.0 + floor.mean_of(rounds)
        });
        assert!((0.94..=0.96).contains(&below), "{below} at {rounds} rounds");
    }
}
