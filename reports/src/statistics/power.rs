//! How far from zero the truth has to be for a t test to notice it.

use std::f64::consts::SQRT_2;

/// Steps of the integral over the spread that a sample may have.
const STEPS: u32 = 1_000;
/// The integral reaches so far to either side of the true spread, in about standard deviations of what a sample shows of it.
const REACH: f64 = 8.0;

/// How many standard errors a truth has to be from zero for its sample to be more than `critical` estimated standard
/// errors away, on its side, with this probability: the non-centrality at which a t test with these degrees of freedom has
/// this power. The usual sum of two central quantiles (Bloom 1995) is too small where few degrees meet a strict level: with
/// 4 degrees and ten comparisons its power is 74 % instead of 80 %.
pub(super) fn noncentrality(critical: f64, degrees: usize, power: f64) -> f64 {
    let (mut below, mut above) = (0.0, critical + 10.0);
    while detection(critical, degrees, above) < power && above < 1e9 {
        above *= 2.0;
    }
    // 50 halvings leave nothing of the range that a figure shows.
    for _ in 0..50 {
        let middle = f64::midpoint(below, above);
        if detection(critical, degrees, middle) < power {
            below = middle;
        } else {
            above = middle;
        }
    }
    above
}

/// How likely the sample of a truth that is so many standard errors from zero exceeds the critical distance: the mean, over
/// what the sample may take for its standard error, of the chance of a normal variable.
fn detection(critical: f64, degrees: usize, distance: f64) -> f64 {
    let degrees = degrees.max(1) as f64;
    let reach = REACH / (2.0 * degrees).sqrt();
    let (lowest, highest) = ((1.0 - reach).max(0.0), 1.0 + reach);
    let (mut chance, mut all) = (0.0, 0.0);
    for step in 0..STEPS {
        // The spread of the sample over the true one, and how likely it is: Helmert's distribution without its constant,
        // which the sum of all gives.
        let spread = lowest + (highest - lowest) * (f64::from(step) + 0.5) / f64::from(STEPS);
        let weight = ((degrees - 1.0) * spread.ln() - degrees * (spread * spread - 1.0) / 2.0).exp();
        chance += weight * below(distance - critical * spread);
        all += weight;
    }
    chance / all
}

/// How likely a standard normal variable is below this (Abramowitz and Stegun, Handbook of Mathematical Functions, 1964,
/// 7.1.26; to 1e-7).
fn below(value: f64) -> f64 {
    let size = value.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let factors = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let tail = factors.into_iter().fold(0.0, |sum, factor| (sum + factor) * t) * (-size * size).exp() / 2.0;
    if value < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_printed_tables() {
        for (value, expected) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.959_964, 0.025), (3.0, 0.998_650_1)] {
            assert!((below(value) - expected).abs() < 2e-7, "{value}: {}", below(value));
        }
    }

    #[test]
    fn a_truth_of_nothing_is_seen_as_often_as_the_level_says() {
        // One side of the quantiles of Student's distribution for 5 %.
        for (critical, degrees) in [(12.7062, 1), (4.3027, 2), (2.7764, 4), (2.0930, 19)] {
            let found = detection(critical, degrees, 0.0);
            assert!((found - 0.025).abs() < 1e-4, "{found} with {degrees} degrees");
        }
    }

    #[test]
    fn the_noncentrality_has_the_power_and_is_that_of_a_normal_variable_in_the_end() {
        for (critical, degrees) in [(4.3027, 2), (2.7764, 4), (5.5976, 4), (2.2622, 9)] {
            let found = noncentrality(critical, degrees, 0.8);
            assert!((detection(critical, degrees, found) - 0.8).abs() < 1e-6);
        }
        // 1.96 and the 80 % quantile, 0.8416.
        assert!((noncentrality(1.959_964, 100_000, 0.8) - 2.801_6).abs() < 1e-3);
    }
}
