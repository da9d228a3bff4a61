//! Steps: where the level of a series changes to stay changed.
//!
//! A series is split where it breaks most, if a flat one would hardly ever break as much, and each side is split again
//! (binary segmentation; Scott and Knott, A Cluster Analysis Method, Biometrics 30, 1974). It works on logarithms, so
//! that a step is a ratio.

use super::family::Family;
use super::median;
use super::ratio::is_usable;
use super::scan::{NEIGHBOURS, SHORTEST, Scan, Split, noise};
use super::student;

/// How often a family of flat series may show a step somewhere; each series of it has its part (Bonferroni).
///
/// In 1,000 simulated families of 20 series of 60 figures, 0.7 % showed one where the noise was normal, 1.4 % where it
/// had the heavy tails of Student's distribution with three degrees, 2.5 % where every twentieth figure was wild, and
/// 8.3 % where it was as skewed as an exponential distribution. Where the noise of neighbours was correlated by 0.3,
/// 1.9 % did, because that was seen in the family ([`Family::correlation`]); without that, 79 % would.
///
/// It holds for one look. Families that were looked at anew with each figure from the 8th to the 60th showed a step at
/// some time in 6 % of the cases where the noise was normal, and in 13 % where it was correlated.
pub const FALSE_ALARMS: f64 = 0.01;

/// A series of fewer figures has no steps.
pub const FEWEST_FIGURES: usize = 2 * SHORTEST;

/// A figure farther from its neighbours' median than so many standard deviations is wild, and counts as if it were no
/// farther.
const WILD: f64 = 3.0;

/// So many figures on each side have to be nearer to its level than to the other side's.
const LASTING: usize = 3;

/// Another place of a step is possible if the square of its distance is less than this below the largest one.
const PLACES: f64 = 6.0;

/// The figures of a series of which the first so many have one level, the next another, and so on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The levels, in order and without gaps; none of no figures.
    pub levels: Vec<Level>,
    /// The steps between them: one less.
    pub steps: Vec<Step>,
    /// The standard deviation of the logarithm of a single figure about its level; as a share it is nearly the same.
    pub noise: f64,
}

/// Figures between two steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The place of the first.
    pub first: usize,
    /// The place behind the last.
    pub end: usize,
    /// Their geometric mean, in which a wild one has little weight.
    pub mean: f64,
}

/// A lasting change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The place of the first figure after it.
    pub place: usize,
    /// The first and the last place that it may have as well, with 95 % certainty.
    pub places: (usize, usize),
    /// How many times the level before it the level after it is.
    pub ratio: f64,
    /// The 95 % interval of that, as if its place were known.
    pub interval: (f64, f64),
    /// How often a step like this is seen somewhere in as many flat series, at most: 0 to 1.
    pub p_value: f64,
}

impl Course {
    /// Finds the steps of a series that is one of a family looked at together. A series with a figure that is no
    /// positive number has neither levels nor steps.
    #[must_use]
    pub fn of(figures: &[f64], family: &Family) -> Self {
        if figures.is_empty() || !figures.iter().all(|figure| is_usable(*figure)) {
            return Self::default();
        }
        let logs: Vec<f64> = figures.iter().map(|figure| figure.ln()).collect();
        let tamed = tamed(&logs);
        let mut places = Vec::new();
        divide(&logs, &tamed, 0, family, &mut places);
        places.sort_unstable();
        let found = settled(&logs, &tamed, places, family);
        Self::with(&tamed, &found, family)
    }

    /// Levels and steps of these places with their probabilities.
    fn with(tamed: &[f64], found: &[(usize, f64)], family: &Family) -> Self {
        let mut ends: Vec<usize> = found.iter().map(|(place, _)| *place).collect();
        ends.push(tamed.len());
        let mut levels = Vec::with_capacity(ends.len());
        let mut rest = Vec::with_capacity(tamed.len());
        let mut first = 0;
        for end in ends {
            let side = &tamed[first..end];
            let mean = mean(side);
            rest.extend(side.iter().map(|log| log - mean));
            levels.push(Level { first, end, mean: mean.exp() });
            first = end;
        }
        let degrees = rest.len().saturating_sub(levels.len()).max(1);
        let noise = (rest.iter().map(|log| log * log).sum::<f64>() / degrees as f64).sqrt();
        // What is known of lasting noise is known about distances of neighbours, which it makes smaller.
        let lasting = family.inflation() * (1.0 - family.correlation).sqrt();
        let step = |(pair, (place, p_value)): (&[Level], &(usize, f64))| {
            let (before, after) = (pair[0], pair[1]);
            let log = (after.mean / before.mean).ln();
            let reach = student::quantile(super::SIGNIFICANCE, degrees) * noise * error(&before, &after) * lasting;
            Step {
                place: *place,
                places: places(&tamed[before.first..after.end], before.first, *place, family),
                ratio: log.exp(),
                interval: ((log - reach).exp(), (log + reach).exp()),
                p_value: (p_value * family.series as f64).min(1.0),
            }
        };
        let steps = levels.windows(2).zip(found).map(step).collect();
        Self { levels, steps, noise }
    }
}

/// The smallest step that would have been found in about four of five such series, if a quarter of the figures came
/// after it or before it, as a share (in simulations, in two of three series of 16 figures and in 75 to 85 % of longer
/// ones); none where no step could be found, because there are too few figures.
#[must_use]
pub fn smallest_step(figures: &[f64], family: &Family) -> Option<f64> {
    let count = figures.len();
    let aside = (count / 4).max(SHORTEST);
    if count < FEWEST_FIGURES || !figures.iter().all(|figure| is_usable(*figure)) {
        return None;
    }
    let tamed = tamed(&figures.iter().map(|figure| figure.ln()).collect::<Vec<_>>());
    let scan = Scan::of(count);
    let Some(split) = scan.split(&tamed) else { return Some(0.0) };
    let critical = scan.critical(&tamed, split.place, FALSE_ALARMS / family.series as f64) * family.inflation();
    let error = (1.0 / aside as f64 + 1.0 / (count - aside) as f64).sqrt();
    // The step itself is one of the distances between neighbours.
    let share = 1.0 - critical * error * NEIGHBOURS / (count - 1) as f64;
    let log = (critical + POWER_DISTANCE * family.inflation()) * error * noise(&tamed) / share;
    (share > 0.0).then(|| log.exp_m1()).filter(|share| share.is_finite())
}

/// What a distance has to be expected beyond the critical one to be beyond it in four of five cases: 0.84 for a normal
/// figure, and a little more because its noise is estimated.
const POWER_DISTANCE: f64 = 1.1;

/// The figures with the wild ones moved to where they are just not wild. A step stays, because a figure's two
/// neighbours on one side are on its own level.
fn tamed(logs: &[f64]) -> Vec<f64> {
    let distances: Vec<f64> = logs.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    // The median distance of two normal figures is 0.954 standard deviations.
    let allowed = WILD * median(&distances).unwrap_or(0.0) / 0.954;
    let tame = |(place, log): (usize, &f64)| {
        let near = &logs[place.saturating_sub(2)..(place + 3).min(logs.len())];
        median(near).map_or(*log, |middle| log.clamp(middle - allowed, middle + allowed))
    };
    logs.iter().enumerate().map(tame).collect()
}

/// Splits the figures, which begin at `first` of the series, and its sides again while there are steps.
fn divide(logs: &[f64], tamed: &[f64], first: usize, family: &Family, places: &mut Vec<usize>) {
    let Some((place, _)) = step_in(logs, tamed, family) else { return };
    places.push(first + place);
    divide(&logs[..place], &tamed[..place], first, family, places);
    divide(&logs[place..], &tamed[place..], first + place, family, places);
}

/// The place of the largest step, with its probability if there were none.
fn step_in(logs: &[f64], tamed: &[f64], family: &Family) -> Option<(usize, f64)> {
    let scan = Scan::of(tamed.len());
    let split = scan.split(tamed).filter(|split| is_lasting(logs, tamed, split))?;
    let found = scan.p_value(tamed, &Split { distance: split.distance / family.inflation(), ..split });
    (found <= FALSE_ALARMS / family.series as f64).then_some((split.place, found))
}

/// Whether on each side enough figures are nearer to its own level than to the other's. So two wild ones alone are no
/// step, however wild they are.
fn is_lasting(logs: &[f64], tamed: &[f64], split: &Split) -> bool {
    let (before, after) = (mean(&tamed[..split.place]), mean(&tamed[split.place..]));
    let middle = f64::midpoint(before, after);
    let own = |side: &[f64], level: f64| side.iter().filter(|log| (**log > middle) == (level > middle)).count();
    own(&logs[..split.place], before) >= LASTING && own(&logs[split.place..], after) >= LASTING
}

/// Each step looked for again between its neighbours, because the first one was found with the others in its sides. One
/// that is none then is dropped.
fn settled(logs: &[f64], tamed: &[f64], mut places: Vec<usize>, family: &Family) -> Vec<(usize, f64)> {
    let mut found = Vec::with_capacity(places.len());
    let mut number = 0;
    while number < places.len() {
        let from = if number > 0 { places[number - 1] } else { 0 };
        let to = places.get(number + 1).copied().unwrap_or(logs.len());
        if let Some((place, p_value)) = step_in(&logs[from..to], &tamed[from..to], family) {
            places[number] = from + place;
            found.push((from + place, p_value));
            number += 1;
        } else {
            places.remove(number);
        }
    }
    found
}

/// The first and the last place that a step in these figures, which begin at `first` of the series, may have.
fn places(tamed: &[f64], first: usize, place: usize, family: &Family) -> (usize, usize) {
    let scan = Scan::of(tamed.len());
    let square = |place: usize| scan.distance(tamed, place).powi(2);
    let least = square(place - first) - PLACES * family.inflation().powi(2);
    let possible = |place: &usize| square(*place) >= least;
    let all = SHORTEST..=tamed.len().saturating_sub(SHORTEST);
    let from = all.clone().find(possible).map_or(place, |possible| first + possible);
    let to = all.rev().find(possible).map_or(place, |possible| first + possible);
    (from.min(place), to.max(place))
}

/// What the noise of a figure is to be multiplied with for the standard error of a step.
fn error(before: &Level, after: &Level) -> f64 {
    let of = |level: &Level| 1.0 / (level.end - level.first) as f64;
    (of(before) + of(after)).sqrt()
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}
