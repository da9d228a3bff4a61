//! How many times as much one thing did as another, judged by pairs.

use super::SIGNIFICANCE;
use super::bootstrap::Distances;
use super::moments::Moments;
use super::power::noncentrality;
use super::student;

/// From so many rounds on, rounds are bootstrapped; below, there are too few to learn a distribution from, and Student's
/// t is used. (A plain percentile bootstrap covers 75, 82 and 90 % for 3, 5 and 10 rounds instead of 95 %.)
pub const BOOTSTRAP_FROM: usize = 10;

/// How often the rounds are drawn anew, in pairs of draws.
pub(super) const DRAWN_PAIRS: usize = 5_000;

/// How often the smallest detectable difference would be detected.
const POWER: f64 = 0.80;

/// How many times as much one thing did as another, from rounds in which both had their turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub ratio: f64,
    /// The lower and upper end of its 95 % interval; one round has none. Rounds that are all equal, as counters may be,
    /// have one of no width.
    pub interval: Option<(f64, f64)>,
    /// How likely rounds of two equals are at least so far apart, 0 to 1; one round has none. It is below 0.05 exactly if
    /// the interval leaves out 1.
    pub p_value: Option<f64>,
    /// The standard error of the logarithm of the ratio; one round has none.
    pub standard_error: Option<f64>,
    /// Pairs of rounds that it comes from.
    pub rounds: usize,
}

impl Ratio {
    /// Whether the interval leaves out 1, so that the two can be told apart. One round cannot tell.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low > 1.0 || high < 1.0)
    }

    /// The ratio of the second to the first.
    #[must_use]
    pub fn turned_around(&self) -> Self {
        let interval = self.interval.map(|(low, high)| (1.0 / high, 1.0 / low));
        Self { ratio: 1.0 / self.ratio, interval, ..*self }
    }

    /// The smallest difference that so many rounds with such a noise would show in four of five runs, as a share: 0.03 for
    /// "no difference seen, one of 3 % would have been". It holds for one that is more; one that is less is seen from a
    /// slightly smaller share on. None without an interval.
    ///
    /// `comparisons` is the number of comparisons made together, 1 for this one alone; the strictest step of
    /// [`holm`](super::holm) is assumed.
    ///
    /// In logarithms it is the distance from which a t test at that level has a power of 80 %, by the distribution of t where
    /// there is a difference (the non-central one).
    #[must_use]
    pub fn smallest_detectable(&self, comparisons: usize) -> Option<f64> {
        let (_, high) = self.interval?;
        let standard_error = self.standard_error?;
        let degrees = self.rounds.checked_sub(1).filter(|degrees| *degrees > 0)?;
        if standard_error == 0.0 {
            return Some(0.0);
        }
        // The interval of a bootstrap is widened for many comparisons as Student's is.
        let corrected = student::quantile(SIGNIFICANCE / comparisons.max(1) as f64, degrees);
        let widened = corrected / student::quantile(SIGNIFICANCE, degrees);
        let critical = (high / self.ratio).ln() / standard_error * widened;
        Some((noncentrality(critical, degrees, POWER) * standard_error).exp_m1())
    }
}

/// The ratio of the first to the second of each pair, one pair a round. Pairs in which a figure is not a positive
/// number say nothing about a ratio and are left out; without any pair there is none.
#[must_use]
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    ratio_of_pairs(pairs, DRAWN_PAIRS)
}

/// The same, with the number of pairs of draws that the bootstrap makes.
pub(super) fn ratio_of_pairs(pairs: &[(f64, f64)], drawn_pairs: usize) -> Option<Ratio> {
    ratio_of(&log_ratios(pairs), drawn_pairs)
}

/// The natural logarithms of the ratios of the first to the second of each pair, without the pairs that have none.
pub(crate) fn log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    let usable = pairs.iter().filter(|(first, second)| is_usable(*first) && is_usable(*second));
    usable.map(|(first, second)| (first / second).ln()).filter(|log| log.is_finite()).collect()
}

/// Whether a figure can be part of a ratio: a positive number.
pub(super) fn is_usable(figure: f64) -> bool {
    figure.is_finite() && figure > 0.0
}

/// The ratio whose logarithms these are, one a round.
fn ratio_of(logs: &[f64], drawn_pairs: usize) -> Option<Ratio> {
    let moments = Moments::of(logs)?;
    let mean = moments.mean;
    let ratio = Ratio { ratio: mean.exp(), interval: None, p_value: None, standard_error: None, rounds: logs.len() };
    if logs.len() < 2 {
        return Some(ratio);
    }
    let (critical, p_value) = if moments.standard_error == 0.0 {
        // Equal rounds leave no doubt, in this sample of them.
        (0.0, if mean == 0.0 { 1.0 } else { 0.0 })
    } else {
        let distance = mean / moments.standard_error;
        if logs.len() < BOOTSTRAP_FROM {
            let degrees = logs.len() - 1;
            (student::quantile(SIGNIFICANCE, degrees), student::tail(distance, degrees))
        } else {
            let distances = Distances::drawn(logs, &moments, drawn_pairs);
            (distances.critical(), distances.p_value(distance))
        }
    };
    let reach = critical * moments.standard_error;
    Some(Ratio {
        interval: Some(((mean - reach).exp(), (mean + reach).exp())),
        p_value: Some(p_value),
        standard_error: Some(moments.standard_error),
        ..ratio
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }

    /// Pairs whose log ratios are these.
    fn pairs(logs: &[f64]) -> Vec<(f64, f64)> {
        logs.iter().map(|log| (1_000.0 * log.exp(), 1_000.0)).collect()
    }

    #[test]
    fn three_rounds_use_student_with_two_degrees_of_freedom() {
        // Mean 0.2, standard deviation 0.1, so 0.2 +- 4.303 * 0.1 / sqrt(3) = 0.2 +- 0.24844.
        let found = paired_ratio(&pairs(&[0.1, 0.2, 0.3])).unwrap();
        close(found.ratio, 0.2_f64.exp());
        let (low, high) = found.interval.unwrap();
        close(low.ln(), -0.048_44);
        close(high.ln(), 0.448_44);
        close(found.standard_error.unwrap(), 0.057_74);
        // t is 3.4641, and with two degrees of freedom the tails are 1 - t / sqrt(2 + t^2).
        close(found.p_value.unwrap(), 0.074_18);
        assert!(!found.is_distinct());
    }

    #[test]
    fn nine_rounds_use_student_with_eight_degrees_of_freedom() {
        // 1 to 9: mean 5, standard deviation 2.7386, so 5 +- 2.306 * 2.7386 / 3 = 5 +- 2.1051.
        let found = paired_ratio(&pairs(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])).unwrap();
        let (low, high) = found.interval.unwrap();
        close(low.ln(), 2.894_9);
        close(high.ln(), 7.105_1);
        assert!(found.is_distinct());
    }

    #[test]
    fn one_round_has_a_ratio_and_nothing_else() {
        let found = paired_ratio(&[(236.0, 200.0)]).unwrap();
        close(found.ratio, 1.18);
        assert_eq!((found.interval, found.p_value, found.standard_error, found.rounds), (None, None, None, 1));
        assert_eq!(found.smallest_detectable(1), None);
        assert!(!found.is_distinct());
    }

    #[test]
    fn what_has_no_ratio_is_left_out() {
        assert_eq!(paired_ratio(&[]), None);
        assert_eq!(paired_ratio(&[(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)]), None);
        assert_eq!(paired_ratio(&[(1e300, 1e-300)]), None);
        assert_eq!(paired_ratio(&[(2.0, 1.0), (0.0, 1.0)]).unwrap().rounds, 1);
    }

    #[test]
    fn equal_rounds_have_an_interval_of_no_width() {
        for rounds in [2, 9, 10, 30] {
            let found = paired_ratio(&vec![(3.0, 2.0); rounds]).unwrap();
            let (low, high) = found.interval.unwrap();
            close(low, 1.5);
            close(high, 1.5);
            assert_eq!(found.p_value, Some(0.0));
            close(found.smallest_detectable(1).unwrap(), 0.0);
            let same = paired_ratio(&vec![(0.1 + 0.2, 0.3); rounds]).unwrap();
            assert_eq!((same.p_value, same.is_distinct()), (Some(1.0), false));
        }
    }

    #[test]
    fn rounds_of_which_all_but_one_are_equal_have_a_finite_interval() {
        for rounds in [10, 11, 20] {
            let mut rounds = vec![(100.0, 100.0); rounds];
            rounds[3].0 = 80.0;
            let found = paired_ratio(&rounds).unwrap();
            let (low, high) = found.interval.unwrap();
            assert!(low > 0.7 && low < 1.0 && high > 1.0 && high < 1.3, "{low} to {high}");
        }
    }

    #[test]
    fn the_ratio_turned_around_is_its_reciprocal() {
        for rounds in [3, 9, 10, 15] {
            let there: Vec<(f64, f64)> = (0..rounds).map(|round| (110.0 + f64::from(round * round), 100.0)).collect();
            let back: Vec<(f64, f64)> = there.iter().map(|(first, second)| (*second, *first)).collect();
            let (there, back) = (paired_ratio(&there).unwrap(), paired_ratio(&back).unwrap());
            close(there.ratio, 1.0 / back.ratio);
            close(there.interval.unwrap().0, back.turned_around().interval.unwrap().0);
            close(there.interval.unwrap().1, back.turned_around().interval.unwrap().1);
            assert_eq!(there.p_value.map(|p| (p * 1e9).round()), back.p_value.map(|p| (p * 1e9).round()));
        }
    }

    #[test]
    fn the_p_value_is_small_exactly_if_the_interval_leaves_out_one() {
        let shape = [0.3, -0.8, 1.1, 0.2, -1.4, 0.6, 0.1, -0.5, 0.9, -0.5, 0.4, -0.4];
        let mut both = [false; 2];
        for rounds in [3, 9, 10, 12] {
            for shift in 0..60 {
                let logs: Vec<f64> = shape[..rounds].iter().map(|log| log + f64::from(shift) / 20.0).collect();
                let found = ratio_of(&logs, 500).unwrap();
                let is_small = found.p_value.unwrap() < 0.05;
                assert_eq!(is_small, found.is_distinct(), "{found:?}");
                both[usize::from(is_small)] = true;
            }
        }
        assert_eq!(both, [true, true]);
    }

    #[test]
    fn the_smallest_detectable_difference_has_the_power_that_is_said() {
        // Standard error 0.1 / sqrt(3). With two degrees of freedom a test at 5 % (4.3027) has a power of 80 % at a
        // non-centrality of 5.6535, and one at a third of 5 % (7.6488) at 9.8164: from the integral in another program.
        let found = paired_ratio(&pairs(&[0.1, 0.2, 0.3])).unwrap();
        close(found.smallest_detectable(1).unwrap(), (5.653_5 * 0.057_735_f64).exp() - 1.0);
        close(found.smallest_detectable(3).unwrap(), (9.816_4 * 0.057_735_f64).exp() - 1.0);
    }
}
