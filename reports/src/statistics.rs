//! The arithmetic of few repeats: a median, and a ratio with its interval. It knows nothing of servers.

/// From so many rounds on, rounds are bootstrapped; below, a percentile bootstrap covers far less than it claims (75,
/// 82 and 90 % for 3, 5 and 10 rounds instead of 95 %), and Student's t does not.
pub const BOOTSTRAP_FROM: usize = 10;

/// How often the rounds are drawn anew.
const RESAMPLES: usize = 10_000;

/// The draws are the same for the same rounds, so that a report made twice says the same.
const BOOTSTRAP_SEED: u64 = 0x5eed;

/// Student's t for a two-sided interval of 95 %, by degrees of freedom from 1 (any table of the distribution has these).
const STUDENT_95: [f64; BOOTSTRAP_FROM - 2] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306];

/// How many times as much one thing did as another, from rounds in which both had their turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds' ratios.
    pub ratio: f64,
    /// The lower and upper end of its 95 % interval; one round has none.
    pub interval: Option<(f64, f64)>,
    /// Pairs of rounds that it comes from.
    pub rounds: usize,
}

impl Ratio {
    /// Whether the interval leaves out 1, so that the two can be told apart. One round cannot tell.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.interval.is_some_and(|(low, high)| low > 1.0 || high < 1.0)
    }
}

/// The ratio of the first to the second of each pair, one pair a round. Pairs in which a figure is not a positive
/// number say nothing about a ratio and are left out; without any pair there is none.
#[must_use]
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let is_usable = |figure: f64| figure.is_finite() && figure > 0.0;
    let logs: Vec<f64> = pairs
        .iter()
        .filter(|(first, second)| is_usable(*first) && is_usable(*second))
        .map(|(first, second)| (first / second).ln())
        .collect();
    let mean = mean(&logs)?;
    let interval =
        if logs.len() < BOOTSTRAP_FROM { student_interval(&logs, mean) } else { Some(bootstrap_interval(&logs)) };
    Some(Ratio { ratio: mean.exp(), interval: interval.map(|(low, high)| (low.exp(), high.exp())), rounds: logs.len() })
}

/// The middle of the figures, or the mean of the middle two; none of no figures.
#[must_use]
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

fn mean(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}

/// The interval of the mean of 2 to 9 figures by Student's t; none for one figure.
fn student_interval(figures: &[f64], mean: f64) -> Option<(f64, f64)> {
    let quantile = STUDENT_95.get(figures.len().checked_sub(2)?)?;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let variance = squares / (figures.len() - 1) as f64;
    let reach = quantile * (variance / figures.len() as f64).sqrt();
    Some((mean - reach, mean + reach))
}

/// The middle 95 % of the means of rounds drawn anew, with replacement.
fn bootstrap_interval(figures: &[f64]) -> (f64, f64) {
    let mut random = fastrand::Rng::with_seed(BOOTSTRAP_SEED);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..figures.len()).map(|_| figures[random.usize(..figures.len())]);
            drawn.sum::<f64>() / figures.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    (means[tail], means[RESAMPLES - 1 - tail])
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
    fn one_round_has_a_ratio_and_no_interval() {
        let found = paired_ratio(&[(236.0, 200.0)]).unwrap();
        close(found.ratio, 1.18);
        assert_eq!((found.interval, found.rounds), (None, 1));
        assert!(!found.is_distinct());
    }

    #[test]
    fn what_has_no_ratio_is_left_out() {
        assert_eq!(paired_ratio(&[]), None);
        assert_eq!(paired_ratio(&[(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)]), None);
        assert_eq!(paired_ratio(&[(2.0, 1.0), (0.0, 1.0)]).unwrap().rounds, 1);
    }

    #[test]
    fn equal_rounds_have_an_interval_of_no_width() {
        for rounds in [2, 9, 10, 30] {
            let (low, high) = paired_ratio(&vec![(3.0, 2.0); rounds]).unwrap().interval.unwrap();
            close(low, 1.5);
            close(high, 1.5);
        }
    }

    #[test]
    fn the_ratio_turned_around_is_its_reciprocal() {
        let there = [(110.0, 100.0), (130.0, 101.0), (125.0, 99.0)];
        let back = there.map(|(first, second)| (second, first));
        let (there, back) = (paired_ratio(&there).unwrap(), paired_ratio(&back).unwrap());
        close(there.ratio, 1.0 / back.ratio);
        close(there.interval.unwrap().0, 1.0 / back.interval.unwrap().1);
    }

    /// How often in 2,000 simulated runs of so many rounds the interval holds the truth, for normal noise.
    fn coverage(rounds: usize) -> f64 {
        let mut random = fastrand::Rng::with_seed(7);
        let mut normal = || {
            // The sum of twelve uniform figures is near enough to normal here.
            (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
        };
        let holds = (0..2_000).filter(|_| {
            let logs: Vec<f64> = (0..rounds).map(|_| 0.3 + 0.05 * normal()).collect();
            let (low, high) = paired_ratio(&pairs(&logs)).unwrap().interval.unwrap();
            (low.ln()..=high.ln()).contains(&0.3)
        });
        holds.count() as f64 / 2_000.0
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        for rounds in [2, 3, 5, 9] {
            let found = coverage(rounds);
            assert!((0.93..=0.97).contains(&found), "{found} at {rounds} rounds");
        }
        let found = coverage(30);
        assert!((0.91..=0.97).contains(&found), "{found} at 30 rounds");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }
}
