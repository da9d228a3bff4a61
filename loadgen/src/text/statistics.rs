//! The statistics of wrk's table: whole numbers and how often each was seen.

use std::collections::BTreeMap;

use crate::Histogram;

/// Whole numbers (microseconds or requests per second) with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    counts: BTreeMap<u64, u64>,
    total: u64,
    maximum: u64,
}

impl FromIterator<u64> for Statistics {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut statistics = Self::default();
        numbers.into_iter().for_each(|number| statistics.add(number, 1));
        statistics
    }
}

impl Statistics {
    /// The durations of a histogram in whole microseconds.
    pub(super) fn of_microseconds(durations: &Histogram) -> Self {
        let mut statistics = Self::default();
        for (nanoseconds, count) in durations.buckets() {
            statistics.add(nanoseconds / 1000, count);
        }
        statistics.maximum = durations.maximum().unwrap_or(0) / 1000;
        statistics
    }

    fn add(&mut self, number: u64, count: u64) {
        *self.counts.entry(number).or_default() += count;
        self.total += count;
        self.maximum = self.maximum.max(number);
    }

    /// What wrk does to make up for the requests that a closed loop does not send while it waits: each number that is at
    /// least twice the `expected` one adds itself, less `expected`, less twice `expected`, and so on, as long as
    /// that stays above `expected`.
    pub(super) fn correct(&mut self, expected: u64) {
        if expected == 0 {
            return;
        }
        let measured: Vec<(u64, u64)> =
            self.counts.range(expected.saturating_mul(2)..).map(|(&n, &c)| (n, c)).collect();
        for (number, count) in measured {
            let mut added = number - expected;
            while added > expected {
                self.add(added, count);
                added -= expected;
            }
        }
    }

    pub(super) fn maximum(&self) -> u64 {
        self.maximum
    }

    /// 0 when empty.
    pub(super) fn mean(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let sum: u128 = self.counts.iter().map(|(&number, &count)| u128::from(number) * u128::from(count)).sum();
        sum as f64 / self.total as f64
    }

    /// The standard deviation of a sample; 0 when there are fewer than two numbers.
    pub(super) fn deviation(&self) -> f64 {
        if self.total < 2 {
            return 0.0;
        }
        let mean = self.mean();
        let squares: f64 = self.counts.iter().map(|(&n, &count)| (n as f64 - mean).powi(2) * count as f64).sum();
        (squares / (self.total - 1) as f64).sqrt()
    }

    /// The share of the numbers within one deviation of the mean, in per cent; `None` when empty.
    pub(super) fn within_deviation(&self) -> Option<f64> {
        let (mean, deviation) = (self.mean(), self.deviation());
        let range = mean - deviation..=mean + deviation;
        let within: u64 = self.counts.iter().filter(|(n, _)| range.contains(&(**n as f64))).map(|(_, c)| c).sum();
        (self.total > 0).then(|| within as f64 / self.total as f64 * 100.0)
    }

    /// The number of rank `round(p / 100 x total + 0.5)`; 0 when empty.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        let rank = (percent / 100.0 * self.total as f64 + 0.5).round() as u64;
        let mut below = 0;
        let found = self.counts.iter().find(|(_, count)| {
            below += **count;
            below >= rank
        });
        found.map_or(0, |(&number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Statistics {
        numbers.iter().copied().collect()
    }

    #[test]
    fn nothing_and_one_number() {
        let none = of(&[]);
        assert_eq!((none.mean(), none.deviation(), none.maximum(), none.percentile(99.0)), (0.0, 0.0, 0, 0));
        assert_eq!(none.within_deviation(), None);
        let one = of(&[7]);
        assert_eq!((one.mean(), one.deviation(), one.maximum(), one.percentile(99.0)), (7.0, 0.0, 7, 7));
        assert_eq!(one.within_deviation(), Some(100.0));
    }

    #[test]
    fn figures_of_a_known_sample() {
        // Mean 5; the squared differences add up to 32, divided by 8 - 1.
        let sample = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(sample.mean(), 5.0);
        assert!((sample.deviation() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(sample.within_deviation(), Some(75.0));
        assert_eq!(sample.percentile(50.0), 5);
        assert_eq!(sample.percentile(75.0), 7);
        assert_eq!(sample.percentile(99.0), 9);
    }

    #[test]
    fn both_ends_of_the_deviation_belong_to_it() {
        // Mean 2, deviation 1.
        assert_eq!(of(&[1, 2, 3]).within_deviation(), Some(100.0));
    }

    #[test]
    fn the_correction_fills_in_what_was_not_sent() {
        let mut sample = of(&[10, 19, 20, 35]);
        sample.correct(10);
        // 20 would add 10, which is not above 10; 35 adds 25 and 15.
        assert_eq!(sample, of(&[10, 19, 20, 35, 25, 15]));
        let mut again = of(&[40, 40]);
        again.correct(10);
        assert_eq!(again, of(&[40, 40, 30, 30, 20, 20]));
    }

    #[test]
    fn a_correction_by_nothing_ends() {
        let mut sample = of(&[1000]);
        sample.correct(0);
        assert_eq!(sample, of(&[1000]));
    }

    #[test]
    fn durations_are_cut_to_microseconds() {
        let mut durations = Histogram::new();
        [1_999, 2_000, 1_234_567_890].iter().for_each(|&nanoseconds| durations.record(nanoseconds));
        let statistics = Statistics::of_microseconds(&durations);
        assert_eq!(statistics.maximum(), 1_234_567);
        assert_eq!(statistics.percentile(1.0), 1);
    }
}
