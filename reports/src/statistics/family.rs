//! Series that are looked at together: how many they are, and how long their noise lasts.

use super::median;
use super::ratio::is_usable;
use super::scan::Scan;

/// A distance counts as at most so many median ones, so that further steps do not pass for lasting noise.
const FAR: f64 = 3.0;
/// Noise that lasts longer than this is not told from steps by any means.
const MOST: f64 = 0.7;

/// Series that are looked at together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// How many there are, at least 1.
    pub series: usize,
    /// How much of a figure's noise is left in the next one: their correlation, 0 to 0.7. Noise of a machine lasts, and
    /// is the same for all of its series, so that together they show it well where one alone would not.
    pub correlation: f64,
}

impl Family {
    /// The family of these series. Those that are short or hold a figure that is no positive number are counted, but
    /// say nothing about the noise.
    #[must_use]
    pub fn of(all: &[Vec<f64>]) -> Self {
        let ratios: Vec<f64> = all.iter().filter_map(|figures| widening(figures)).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len().max(1) as f64;
        // Figures whose noise decays evenly (AR(1)) with the correlation r are farther from the next but one than from
        // the next by the root of 1 + r.
        let correlation = if ratios.is_empty() { 0.0 } else { (mean * mean - 1.0).clamp(0.0, MOST) };
        Self { series: all.len().max(1), correlation }
    }

    /// By how much the mean of many figures is farther from the truth than the distances of neighbours tell.
    pub(super) fn inflation(&self) -> f64 {
        (1.0 + self.correlation).sqrt() / (1.0 - self.correlation)
    }
}

/// How many times as far apart figures are from the next but one as from the next, on either side of where the series
/// breaks most: a step is no noise.
fn widening(figures: &[f64]) -> Option<f64> {
    if !figures.iter().all(|figure| is_usable(*figure)) {
        return None;
    }
    let logs: Vec<f64> = figures.iter().map(|figure| figure.ln()).collect();
    let (before, after) = logs.split_at(Scan::of(logs.len()).split(&logs)?.place);
    let distances = |lag: usize| -> Vec<f64> {
        let of = |side: &[f64]| -> Vec<f64> {
            side.iter().zip(&side[lag..]).map(|(first, second)| (second - first).abs()).collect()
        };
        [of(before), of(after)].concat()
    };
    let (near, far) = (distances(1), distances(2));
    let most = FAR * median(&near)?;
    let mean =
        |distances: &[f64]| distances.iter().map(|distance| distance.min(most)).sum::<f64>() / distances.len() as f64;
    let ratio = mean(&far) / mean(&near);
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::normal;
    use super::*;

    use fastrand::Rng;

    fn series(random: &mut Rng, correlation: f64, step: f64) -> Vec<f64> {
        let mut state = normal(random);
        let figure = |place: usize| {
            state = correlation * state + (1.0 - correlation * correlation).sqrt() * normal(random);
            (0.02 * state + if place < 30 { 0.0 } else { step }).exp()
        };
        (0..60).map(figure).collect()
    }

    #[test]
    fn lasting_noise_is_known_from_many_series_and_a_step_is_none() {
        let mut random = Rng::with_seed(2);
        for (truth, step, low, high) in
            [(0.0, 0.0, 0.0, 0.06), (0.3, 0.0, 0.2, 0.38), (0.5, 0.0, 0.38, 0.6), (0.0, 0.3, 0.0, 0.12)]
        {
            let all: Vec<Vec<f64>> = (0..100).map(|_| series(&mut random, truth, step)).collect();
            let found = Family::of(&all).correlation;
            assert!((low..=high).contains(&found), "{found} for {truth} with a step of {step}");
        }
    }

    #[test]
    fn what_says_nothing_has_no_correlation() {
        for all in [vec![], vec![vec![1.0, 2.0, 3.0]], vec![vec![5.0; 40]], vec![vec![0.0; 40]]] {
            let family = Family::of(&all);
            assert_eq!((family.series, family.correlation, family.inflation()), (all.len().max(1), 0.0, 1.0));
        }
    }
}
