//! How many times as much one program did as another, where turns came in pairs and a coin said who went first.
//!
//! Wilcoxon's signed-rank test with the estimate and the interval that belong to it (Wilcoxon, Individual Comparisons by
//! Ranking Methods, Biometrics Bulletin 1, 1945; Hodges and Lehmann, Estimates of Location Based on Rank Tests, Annals of
//! Mathematical Statistics 34, 1963). If the two programs are equal, a pair is as likely to show the one ahead by some
//! amount as the other, whatever the noise is like: that is all it asks, so its false alarms are bounded without knowing
//! the noise. One wild pair moves the estimate hardly at all, where it would double the width of Student's interval.

use super::SIGNIFICANCE;
use super::ratio::log_ratios;

/// From so many pairs on the distribution of the signed ranks is taken to be normal; below, it is counted out.
const NORMAL_FROM: usize = 60;

/// Two distances of a normal figure from its mean that are reached on either side in 5 % of the cases and, on one side, in
/// 20 %: for an interval of 95 % and a power of 80 %.
const TWO_SIDED_95: f64 = 1.959_964;
const ONE_SIDED_80: f64 = 0.841_621;

/// What pairs of turns say of the ratio of the first to the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The means of all pairs of log ratios, each with itself too (Walsh averages), ascending.
    averages: Vec<f64>,
    /// Pairs of turns.
    pairs: usize,
}

impl Shift {
    /// Of these pairs. Those in which a figure is not a positive number say nothing and are left out; none without any.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        Self::of_logs(&log_ratios(pairs))
    }

    /// Of pairs whose ratios have these natural logarithms.
    #[must_use]
    pub fn of_logs(logs: &[f64]) -> Option<Self> {
        if logs.is_empty() || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let mut averages = Vec::with_capacity(logs.len() * (logs.len() + 1) / 2);
        for (place, first) in logs.iter().enumerate() {
            averages.extend(logs[place..].iter().map(|second| f64::midpoint(*first, *second)));
        }
        averages.sort_by(f64::total_cmp);
        Some(Self { averages, pairs: logs.len() })
    }

    /// Pairs of turns that it comes from.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// The natural logarithm of the ratio: the median of the Walsh averages.
    #[must_use]
    pub fn log(&self) -> f64 {
        let middle = self.averages.len() / 2;
        if self.averages.len() % 2 == 1 {
            self.averages[middle]
        } else {
            f64::midpoint(self.averages[middle - 1], self.averages[middle])
        }
    }

    /// The ratio.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.log().exp()
    }

    /// How likely two equals are at least so far apart, 0 to 1. No number of pairs can show less than two out of two to the
    /// power of that number.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        // The sum of the ranks of the pairs above zero is the number of averages above zero (Tukey).
        let sum_above = self.averages.iter().map(|average| above_zero(*average)).sum::<f64>();
        let all = self.averages.len() as f64;
        // Averages that are zero count by half; a half is rounded towards no difference.
        let smaller = sum_above.min(all - sum_above).ceil() as usize;
        (2.0 * Distribution::of(self.pairs).at_most(smaller)).min(1.0)
    }

    /// The lower and upper end of the ratio's interval that misses the truth at most so often, 0.05 for an interval of 95 %.
    /// None where there are too few pairs for that: six for 95 %, eight for 99 %.
    #[must_use]
    pub fn interval(&self, error: f64) -> Option<(f64, f64)> {
        let cut = Distribution::of(self.pairs).lower_cut(error / 2.0)?;
        let (low, high) = (self.averages.get(cut)?, self.averages.get(self.averages.len() - 1 - cut)?);
        Some((low.exp(), high.exp()))
    }

    /// The interval of 95 %.
    #[must_use]
    pub fn usual_interval(&self) -> Option<(f64, f64)> {
        self.interval(SIGNIFICANCE)
    }

    /// The smallest difference that so many pairs with such a noise would show in four of five comparisons, as a share, where
    /// a difference is called one if the interval with this error leaves out 1. None where there is no such interval.
    ///
    /// It is half the width of that interval, and the distance that the estimate itself stays within in four of five: its
    /// standard error, which the width of the 95 % interval tells, times the quantile of the normal distribution.
    #[must_use]
    pub fn smallest_detectable(&self, error: f64) -> Option<f64> {
        let half = |(low, high): (f64, f64)| (high / low).ln() / 2.0;
        let reach = half(self.interval(error)?);
        let standard_error = half(self.usual_interval()?) / TWO_SIDED_95;
        Some((reach + ONE_SIDED_80 * standard_error).exp_m1())
    }
}

/// By how much an average counts as above zero: all, by half where it is zero, or not.
fn above_zero(average: f64) -> f64 {
    // Logarithms of equal figures may differ from zero by rounding.
    if average.abs() < 1e-12 { 0.5 } else { f64::from(u8::from(average > 0.0)) }
}

/// How likely each sum of the ranks above zero is for a number of pairs of equals.
enum Distribution {
    /// The probability of each sum, from 0 on.
    Counted(Vec<f64>),
    /// Mean and standard deviation of the sum.
    Normal(f64, f64),
}

impl Distribution {
    fn of(pairs: usize) -> Self {
        if pairs >= NORMAL_FROM {
            let pairs = pairs as f64;
            let deviation = (pairs * (pairs + 1.0) * (2.0 * pairs + 1.0) / 24.0).sqrt();
            return Self::Normal(pairs * (pairs + 1.0) / 4.0, deviation);
        }
        let mut probabilities = vec![0.0; pairs * (pairs + 1) / 2 + 1];
        probabilities[0] = 1.0;
        for rank in 1..=pairs {
            // Each rank is above zero in half of the cases. From the top, so that none is counted twice.
            for sum in (0..=rank * (rank + 1) / 2).rev() {
                let with = sum.checked_sub(rank).map_or(0.0, |rest| probabilities[rest]);
                probabilities[sum] = f64::midpoint(probabilities[sum], with);
            }
        }
        Self::Counted(probabilities)
    }

    /// How likely the sum is at most this.
    fn at_most(&self, sum: usize) -> f64 {
        match self {
            Self::Counted(probabilities) => probabilities.iter().take(sum + 1).sum::<f64>().min(1.0),
            Self::Normal(mean, deviation) => normal_below((sum as f64 + 0.5 - mean) / deviation),
        }
    }

    /// The largest sum that together with all smaller ones is at most so likely.
    fn lower_cut(&self, probability: f64) -> Option<usize> {
        match self {
            Self::Counted(probabilities) => {
                let mut below = 0.0;
                let within = probabilities.iter().take_while(|each| {
                    below += *each;
                    below <= probability
                });
                within.count().checked_sub(1)
            }
            Self::Normal(mean, _) => {
                let sums = 0..mean.ceil() as usize;
                sums.take_while(|sum| self.at_most(*sum) <= probability).count().checked_sub(1)
            }
        }
    }
}

/// How likely a normal figure is below this many standard deviations.
fn normal_below(distance: f64) -> f64 {
    // The complementary error function by its continued fraction far out and its series near the middle (Abramowitz and
    // Stegun, Handbook of Mathematical Functions, 1964, 26.2.11 and 26.2.14).
    let x = distance.abs();
    let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = if x < 3.0 {
        let mut term = x;
        let mut sum = x;
        let mut factor = 1.0;
        while term > 1e-17 {
            factor += 2.0;
            term *= x * x / factor;
            sum += term;
        }
        0.5 - density * sum
    } else {
        let fraction = (1..=60).rev().fold(x, |below, step| x + f64::from(step) / below);
        density / fraction
    };
    if distance < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    use fastrand::Rng;

    use super::super::bootstrap::normal;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn the_textbook_distribution_is_counted_out() {
        // Of the 32 signs of five ranks the sums 0, 1, 2 and 3 have 1, 1, 1 and 2.
        let five = Distribution::of(5);
        for (sum, cases) in [(0, 1.0), (1, 2.0), (2, 3.0), (3, 5.0), (15, 32.0)] {
            close(five.at_most(sum), cases / 32.0);
        }
        // Printed tables: with 10 pairs at most 8 on 5 % of both sides, at most 3 on 1 %; with 20 at most 52 and 37.
        for (pairs, error, cut) in [(10, 0.05, 8), (10, 0.01, 3), (20, 0.05, 52), (20, 0.01, 37), (6, 0.05, 0)] {
            assert_eq!(Distribution::of(pairs).lower_cut(error / 2.0), Some(cut), "{pairs} pairs at {error}");
        }
        assert_eq!(Distribution::of(5).lower_cut(0.025), None);
    }

    #[test]
    fn many_pairs_are_taken_to_be_normal_and_meet_what_is_counted() {
        close(normal_below(0.0), 0.5);
        assert!((normal_below(-1.959_964) - 0.025).abs() < 1e-7);
        assert!((normal_below(-3.290_527) - 0.000_5).abs() < 1e-9);
        assert!((normal_below(1.0) - 0.841_344_746).abs() < 1e-8);
        let counted = Distribution::of(NORMAL_FROM - 1);
        let pairs = (NORMAL_FROM - 1) as f64;
        let normal = Distribution::Normal(
            pairs * (pairs + 1.0) / 4.0,
            (pairs * (pairs + 1.0) * (2.0 * pairs + 1.0) / 24.0).sqrt(),
        );
        for sum in [500, 620, 700, 885] {
            assert!((counted.at_most(sum) - normal.at_most(sum)).abs() < 2e-3, "{sum}");
        }
        let apart = counted.lower_cut(0.005).unwrap().abs_diff(normal.lower_cut(0.005).unwrap());
        assert!(apart <= 6, "{apart}");
    }

    #[test]
    fn the_estimate_is_the_median_of_the_averages() {
        // Walsh averages of 1, 2 and 6: 1, 1.5, 2, 3.5, 4, 6.
        let shift = Shift::of_logs(&[2.0, 6.0, 1.0]).unwrap();
        close(shift.log(), 2.75);
        assert_eq!((shift.pairs(), shift.usual_interval()), (3, None));
        close(shift.p_value(), 0.25);
        close(Shift::of(&[(110.0, 100.0), (0.0, 1.0), (f64::NAN, 1.0)]).unwrap().ratio(), 1.1);
        assert_eq!(Shift::of(&[]), None);
    }

    #[test]
    fn the_interval_leaves_out_one_exactly_if_the_p_value_is_small() {
        let mut random = Rng::with_seed(11);
        let mut both = [false; 2];
        for pairs in [6, 9, 14, 25, 70] {
            for _ in 0..60 {
                let at = 0.02 * random.f64();
                let logs: Vec<f64> = (0..pairs).map(|_| at + 0.02 * normal(&mut random)).collect();
                let shift = Shift::of_logs(&logs).unwrap();
                let (low, high) = shift.usual_interval().unwrap();
                let is_small = shift.p_value() < 0.05;
                assert_eq!(is_small, low > 1.0 || high < 1.0, "{shift:?}");
                both[usize::from(is_small)] = true;
            }
        }
        assert_eq!(both, [true, true]);
    }

    #[test]
    fn one_wild_pair_moves_little() {
        let mut logs: Vec<f64> = (0..20).map(|index| 0.10 + 0.01 * f64::from(index % 5 - 2)).collect();
        let before = Shift::of_logs(&logs).unwrap();
        logs[7] = -0.9;
        let after = Shift::of_logs(&logs).unwrap();
        assert!((after.log() - before.log()).abs() < 0.005, "{} and {}", before.log(), after.log());
        assert!(after.p_value() < 0.01);
    }

    #[test]
    fn equals_are_no_difference() {
        let shift = Shift::of(&[(3.0, 3.0); 12]).unwrap();
        assert_eq!((shift.p_value(), shift.ratio()), (1.0, 1.0));
        close(shift.smallest_detectable(0.01).unwrap(), 0.0);
    }

    #[test]
    fn intervals_cover_and_false_alarms_stay_within_their_bound() {
        let mut random = Rng::with_seed(5);
        // Noise as it is here: mostly small, with bursts that are ten times as large.
        let mut noise = || {
            let burst = if random.f64() < 0.1 { 10.0 } else { 1.0 };
            0.02 * burst * normal(&mut random)
        };
        let (mut alarms, mut missed) = (0, 0);
        const TRIALS: usize = 2_000;
        for _ in 0..TRIALS {
            let logs: Vec<f64> = (0..16).map(|_| noise()).collect();
            let shift = Shift::of_logs(&logs).unwrap();
            alarms += usize::from(shift.p_value() < 0.01);
            let (low, high) = shift.usual_interval().unwrap();
            missed += usize::from(low > 1.0 || high < 1.0);
        }
        assert!(alarms <= TRIALS / 100 + 10, "{alarms} false alarms");
        assert!(missed <= TRIALS / 20 + 25, "{missed} intervals missed");
    }

    #[test]
    fn the_smallest_difference_is_seen_in_four_of_five() {
        let mut random = Rng::with_seed(8);
        let mut shift = |at: f64| {
            let logs: Vec<f64> = (0..18).map(|_| at + 0.03 * normal(&mut random)).collect();
            Shift::of_logs(&logs).unwrap()
        };
        let told: Vec<f64> = (0..200).filter_map(|_| shift(0.0).smallest_detectable(0.01)).collect();
        let usual = super::super::median(&told).unwrap();
        let seen = (0..1_000).filter(|_| shift(usual.ln_1p()).p_value() < 0.01).count();
        assert!((730..880).contains(&seen), "{seen} of 1,000");
    }
}
