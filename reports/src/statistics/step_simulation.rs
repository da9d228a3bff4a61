//! Simulated series with known steps, to which [`Course`](super::Course) is held.

use fastrand::Rng;

use super::bootstrap::normal;
use super::{Course, Family, smallest_step};

/// Series that are looked at together.
const SERIES: usize = 20;
/// The family of a series that is simulated alone.
const FAMILY: &Family = &Family { series: SERIES, correlation: 0.0 };
/// Figures in a series.
const FIGURES: usize = 60;

/// A figure of noise with a standard deviation of about 1, given the one before it.
type Noise = fn(&mut Rng, f64) -> f64;

const NORMAL: Noise = |random, _| normal(random);
/// Student's with three degrees of freedom.
const HEAVY: Noise = |random, _| {
    let squares: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
    normal(random) / (squares / 3.0).sqrt()
};
/// Every twentieth is wild.
const WILD: Noise = |random, _| normal(random) + if random.f64() < 0.05 { 8.0 * normal(random) } else { 0.0 };
/// Never below the usual figure by much, and above it by any amount.
const SKEWED: Noise = |random, _| -(1.0 - random.f64()).ln();
/// Neighbours are correlated by 0.3.
const LASTING: Noise = |random, before| 0.3 * before + 0.91_f64.sqrt() * normal(random);

/// Figures with so much noise in their logarithms, and with a step of such a share from each of these places on.
fn series(random: &mut Rng, figures: usize, noise: (Noise, f64), steps: &[(usize, f64)]) -> Vec<f64> {
    let mut state = normal(random);
    let figure = |place: usize| {
        state = noise.0(random, state);
        let level: f64 = steps.iter().filter(|(at, _)| *at <= place).map(|(_, share)| 1.0 + share).product();
        100_000.0 * level * (noise.1 * state).exp()
    };
    (0..figures).map(figure).collect()
}

/// In which share of so many trials something is so.
fn share(trials: usize, mut is_so: impl FnMut(&mut Rng) -> bool) -> f64 {
    let mut random = Rng::with_seed(0x0715);
    (0..trials).filter(|_| is_so(&mut random)).count() as f64 / trials as f64
}

/// The share of flat families in which a step is seen.
fn alarms(families: usize, figures: usize, noise: Noise) -> f64 {
    share(families, |random| {
        let all: Vec<Vec<f64>> = (0..SERIES).map(|_| series(random, figures, (noise, 0.02), &[])).collect();
        let family = Family::of(&all);
        all.iter().any(|figures| !Course::of(figures, &family).steps.is_empty())
    })
}

/// The share of series in which these steps are found within one figure of their places, and no others.
fn found(figures: usize, noise: (Noise, f64), steps: &[(usize, f64)]) -> f64 {
    // A long series takes the time of many short ones.
    share(if figures > FIGURES { 60 } else { 300 }, |random| {
        let course = Course::of(&series(random, figures, noise, steps), FAMILY);
        let is_near = |(step, (place, share)): (&super::Step, &(usize, f64))| {
            step.place.abs_diff(*place) <= 1 && (step.ratio > 1.0) == (*share > 0.0)
        };
        course.steps.len() == steps.len() && course.steps.iter().zip(steps).all(is_near)
    })
}

#[test]
fn flat_families_hardly_ever_show_a_step() {
    // What 500 families may show by luck when the rate is what it should be, and a little more.
    for figures in [12, 25, FIGURES] {
        let found = alarms(500, figures, NORMAL);
        assert!(found <= 0.02, "{found} of families of {figures} normal figures");
    }
    for (noise, most) in [(HEAVY, 0.03), (WILD, 0.045), (SKEWED, 0.12), (LASTING, 0.04)] {
        let found = alarms(500, FIGURES, noise);
        assert!(found <= most, "{found} is more than {most}");
    }
}

#[test]
fn steps_are_found_within_one_figure() {
    for (figures, noise, steps, least) in [
        (60, 0.01, &[(30, 0.05)][..], 0.98),
        (60, 0.01, &[(10, -0.05)], 0.98),
        (60, 0.01, &[(56, 0.05)], 0.97),
        (60, 0.01, &[(4, -0.05)], 0.97),
        (20, 0.01, &[(16, -0.05)], 0.85),
        (12, 0.01, &[(8, 0.10)], 0.93),
        (60, 0.03, &[(30, 0.10)], 0.95),
        (60, 0.03, &[(15, -0.10)], 0.94),
        (60, 0.03, &[(56, 0.10)], 0.70),
        (60, 0.01, &[(20, 0.05), (40, -0.05)], 0.97),
        (60, 0.01, &[(30, 0.05), (36, -0.05)], 0.95),
        (60, 0.01, &[(20, -0.05), (56, -0.05)], 0.96),
        (500, 0.01, &[(250, 0.05)], 0.97),
    ] {
        let found = found(figures, (NORMAL, noise), steps);
        assert!(found >= least, "{found} is less than {least}: {steps:?} in {figures} figures with {noise}");
    }
    let among_wild = found(60, (WILD, 0.01), &[(30, 0.05)]);
    assert!(among_wild >= 0.93, "{among_wild}");
}

#[test]
fn a_step_of_all_series_does_not_hide_itself() {
    for (noise, figures, place, least) in [
        (NORMAL, 60, 30, 0.97),
        (NORMAL, 60, 56, 0.97),
        (NORMAL, 20, 16, 0.88),
        (NORMAL, 16, 8, 0.88),
        (LASTING, 60, 30, 0.90),
    ] {
        let mut random = Rng::with_seed(13);
        let (mut seen, mut all) = (0, 0);
        for _ in 0..20 {
            let family: Vec<Vec<f64>> =
                (0..SERIES).map(|_| series(&mut random, figures, (noise, 0.01), &[(place, 0.06)])).collect();
            let known = Family::of(&family);
            let is_seen = |figures: &&Vec<f64>| {
                let course = Course::of(figures, &known);
                course.steps.len() == 1 && course.steps[0].place.abs_diff(place) <= 1
            };
            seen += family.iter().filter(is_seen).count();
            all += SERIES;
        }
        let found = seen as f64 / all as f64;
        assert!(found >= least, "{found} at {place} of {figures}");
    }
}

#[test]
fn a_wild_figure_is_no_step_wherever_it_is_and_two_are_hardly_ever_one() {
    let mut random = Rng::with_seed(11);
    for (figures, wild, most) in [(10, 1, 0.003), (30, 1, 0.003), (30, 2, 0.01)] {
        let (mut steps, mut all) = (0, 0);
        for factor in [0.3, 0.8, 1.2, 10.0].repeat(10) {
            for place in 0..=figures - wild {
                let mut flat = series(&mut random, figures, (NORMAL, 0.01), &[]);
                flat[place..place + wild].iter_mut().for_each(|figure| *figure *= factor);
                steps += Course::of(&flat, FAMILY).steps.len();
                all += 1;
            }
        }
        // By luck alone, one series in 2,000 shows a step.
        let found = steps as f64 / f64::from(all);
        assert!(found <= most, "{found} with {wild} wild of {figures}");
    }
}

#[test]
fn the_true_place_and_ratio_are_within_what_is_said() {
    let mut random = Rng::with_seed(12);
    for (place, noise) in [(30, 0.01), (50, 0.03), (20, 0.04)] {
        let (mut seen, mut places, mut ratios) = (0, 0, 0);
        for _ in 0..400 {
            let course = Course::of(&series(&mut random, FIGURES, (NORMAL, noise), &[(place, 0.08)]), FAMILY);
            if let [step] = course.steps[..] {
                seen += 1;
                places += usize::from((step.places.0..=step.places.1).contains(&place));
                ratios += usize::from((step.interval.0..=step.interval.1).contains(&1.08));
            }
        }
        let share = |count: usize| count as f64 / f64::from(seen);
        assert!(share(places) >= 0.95 && share(ratios) >= 0.90, "{} {} of {seen}", share(places), share(ratios));
    }
}

#[test]
fn the_smallest_step_is_found_in_four_of_five_series() {
    for figures in [16, 30, 100] {
        let found = share(200, |random| {
            let noise = (NORMAL, 0.02);
            let smallest = smallest_step(&series(random, figures, noise, &[]), FAMILY).unwrap();
            let steps = [(figures - (figures / 4).max(4), smallest)];
            !Course::of(&series(random, figures, noise, &steps), FAMILY).steps.is_empty()
        });
        // Short series tell their own noise badly.
        let least = if figures < 20 { 0.6 } else { 0.7 };
        assert!((least..=0.9).contains(&found), "{found} of {figures} figures");
    }
}

#[test]
fn what_cannot_be_judged_has_no_step() {
    assert_eq!(Course::of(&[], FAMILY), Course::default());
    assert_eq!(Course::of(&[1.0, 0.0, 2.0], FAMILY), Course::default());
    assert_eq!(smallest_step(&[1.0; 7], FAMILY), None);
    let equal = Course::of(&[6.5; 40], FAMILY);
    assert_eq!((equal.steps.len(), equal.levels.len(), equal.noise), (0, 1, 0.0));
    // A counter that does not move but for one step.
    let counted: Vec<f64> = (0..40).map(|place| if place < 33 { 6.5 } else { 7.5 }).collect();
    let course = Course::of(&counted, FAMILY);
    assert_eq!(course.steps.iter().map(|step| step.place).collect::<Vec<_>>(), [33]);
    assert!((course.steps[0].ratio - 7.5 / 6.5).abs() < 1e-9);
}
