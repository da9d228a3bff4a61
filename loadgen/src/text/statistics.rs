//! The statistics of wrk's table: whole numbers and how often each was seen.

use std::collections::BTreeMap;

use super::units::Extended;
use crate::Histogram;

/// Whole numbers (microseconds or requests per second) with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    counts: BTreeMap<u64, u64>,
    total: u64,
    minimum: u64,
    maximum: u64,
}

impl FromIterator<u64> for Statistics {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut statistics = Self::default();
        numbers.into_iter().for_each(|number| statistics.add(number, 1));
        statistics.minimum = statistics.counts.first_key_value().map_or(0, |(&number, _)| number);
        statistics.maximum = statistics.counts.last_key_value().map_or(0, |(&number, _)| number);
        statistics
    }
}

impl Statistics {
    /// The durations of a histogram in whole microseconds.
    pub(super) fn of_microseconds(durations: &Histogram) -> Self {
        let mut statistics = Self {
            minimum: durations.minimum().unwrap_or(0) / 1000,
            maximum: durations.maximum().unwrap_or(0) / 1000,
            ..Self::default()
        };
        for (nanoseconds, count) in durations.buckets() {
            statistics.add(nanoseconds / 1000, count);
        }
        statistics
    }

    fn add(&mut self, number: u64, count: u64) {
        *self.counts.entry(number).or_default() += count;
        self.total += count;
    }

    /// What wrk does to make up for the requests that a closed loop does not send while it waits: each number that is
    /// at least twice the `expected` one adds itself, less `expected`, less twice `expected`, and so on, as long as
    /// that stays above `expected`. The minimum stays what it was, even where that adds smaller ones.
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

    /// The numbers that wrk looks at, with their counts. Those which the correction adds below the minimum, as it does
    /// where requests are pipelined, are not among them, though they are part of the total: with many of them the mean
    /// comes out too small and the percentiles as 0.
    fn seen(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.range(self.minimum..).map(|(&number, &count)| (number, count))
    }

    pub(super) fn maximum(&self) -> u64 {
        self.maximum
    }

    /// 0 when empty.
    pub(super) fn mean(&self) -> Extended {
        if self.total == 0 {
            return Extended::ZERO;
        }
        let sum: u128 = self.seen().map(|(number, count)| u128::from(number) * u128::from(count)).sum();
        Extended::from(sum) / self.total.into()
    }

    /// The standard deviation of a sample; 0 when there are fewer than two numbers.
    pub(super) fn deviation(&self) -> Extended {
        if self.total < 2 {
            return Extended::ZERO;
        }
        let mean = self.mean();
        let squares = self.seen().fold(Extended::ZERO, |sum, (number, count)| {
            let distance = mean.distance(number.into());
            sum + distance * distance * count.into()
        });
        (squares / (self.total - 1).into()).square_root()
    }

    /// The share of the numbers within one deviation of the mean, in per cent; `None` when empty.
    pub(super) fn within_deviation(&self) -> Option<Extended> {
        if self.total == 0 {
            return None;
        }
        let (mean, deviation) = (self.mean(), self.deviation());
        let range = mean.saturating_sub(deviation)..=mean + deviation;
        let within: u64 = self.seen().filter(|&(n, _)| range.contains(&n.into())).map(|(_, count)| count).sum();
        Some(Extended::from(within) / self.total.into() * 100u64.into())
    }

    /// The number whose rank is that of `percent`, plus a half and rounded; 0 when there is none.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        // wrk calculates this in extended numbers and rounds it as an f64, which leaves it exact.
        let rank = u128::from(percent) * u128::from(self.total) / 100 + 1;
        let mut below = 0;
        let found = self.seen().find(|(_, count)| {
            below += u128::from(*count);
            below >= rank
        });
        found.map_or(0, |(number, _)| number)
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
        assert_eq!(
            (none.mean(), none.deviation(), none.maximum(), none.percentile(99)),
            (0u64.into(), 0u64.into(), 0, 0)
        );
        assert_eq!(none.within_deviation(), None);
        let one = of(&[7]);
        assert_eq!((one.mean(), one.deviation(), one.maximum(), one.percentile(99)), (7u64.into(), 0u64.into(), 7, 7));
        assert_eq!(one.within_deviation(), Some(100u64.into()));
    }

    #[test]
    fn figures_of_a_known_sample() {
        // Mean 5; the squared differences add up to 32, divided by 8 - 1.
        let sample = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(sample.mean(), 5u64.into());
        assert_eq!(sample.deviation(), (Extended::from(32u64) / 7u64.into()).square_root());
        assert_eq!(sample.within_deviation(), Some(75u64.into()));
        assert_eq!(sample.percentile(50), 5);
        assert_eq!(sample.percentile(75), 7);
        assert_eq!(sample.percentile(99), 9);
    }

    #[test]
    fn both_ends_of_the_deviation_belong_to_it() {
        // Mean 2, deviation 1.
        assert_eq!(of(&[1, 2, 3]).within_deviation(), Some(100u64.into()));
    }

    #[test]
    fn the_correction_fills_in_what_was_not_sent() {
        let mut sample = of(&[10, 19, 20, 35]);
        sample.correct(10);
        // 20 would add 10, which is not above 10; 35 adds 25 and 15.
        assert_eq!(sample, of(&[10, 19, 20, 35, 25, 15]));
        let mut again = of(&[1, 40, 40]);
        again.correct(10);
        assert_eq!(again, of(&[1, 40, 40, 30, 30, 20, 20]));
    }

    #[test]
    fn what_is_filled_in_below_the_minimum_is_only_counted() {
        let mut sample = of(&[40, 40, 40]);
        sample.correct(10);
        // Three of the nine are seen, so that no number is the fifth.
        assert_eq!((sample.total, sample.mean()), (9, Extended::from(120u64) / 9u64.into()));
        assert_eq!((sample.percentile(20), sample.percentile(50), sample.maximum()), (40, 0, 40));
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
        assert_eq!(statistics.percentile(1), 1);
    }
}
