//! The text that plots of percentiles are drawn from.

use std::fmt::Write as _;

use super::NANOSECONDS_PER_MILLISECOND;
use crate::Histogram;

/// How many lines lie between one percentile and the one that is half as far from 100 %.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The distribution as the Java class `AbstractHistogram` of `HdrHistogram` prints it in
/// `outputPercentileDistribution`: what `.hgrm` files hold and its plotters read.
///
/// Each line has a duration in milliseconds, a share from 0 to 1, the number of durations that do not exceed this one,
/// which are at least that share of all, and `1 / (1 - share)`, the axis of the plots. The last line is for the share
/// 1, which has no such quotient. Below stand the mean, the standard deviation and the maximum in milliseconds, the number
/// of durations, and how finely they were told apart.
///
/// Durations have three significant digits and never lie beyond the exact minimum and maximum. Mean and
/// maximum are exact, the standard deviation is that of the buckets. All are 0 when nothing was recorded.
#[must_use]
pub fn percentile_distribution(histogram: &Histogram) -> String {
    let mut text = String::new();
    line(
        &mut text,
        format_args!("{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)"),
    );
    let (minimum, maximum) = (histogram.minimum().unwrap_or(0), histogram.maximum().unwrap_or(0));
    let (mut tick, mut count, mut value) = (Tick::default(), 0, 0.0);
    for bucket in histogram.inner().iter_recorded() {
        count += bucket.count_at_value();
        value = milliseconds(bucket.value_iterated_to().clamp(minimum, maximum) as f64);
        while tick.is_reached_by(count, histogram.count()) {
            let (share, quotient) = (1.0 - tick.distance(), 1.0 / tick.distance());
            line(&mut text, format_args!("{value:12.3} {share:2.12} {count:10} {quotient:14.2}"));
            tick.advance();
            if count == histogram.count() {
                // All further ticks would have the same value, without an end.
                break;
            }
        }
    }
    if count > 0 {
        line(&mut text, format_args!("{value:12.3} {:2.12} {count:10}", 1.0));
    }
    let mean = milliseconds(histogram.mean().unwrap_or(0.0));
    let deviation = milliseconds(histogram.inner().stdev());
    line(&mut text, format_args!("#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]"));
    let (maximum, count) = (milliseconds(maximum as f64), histogram.count());
    line(&mut text, format_args!("#[Max     = {maximum:12.3}, Total count    = {count:12}]"));
    let (buckets, sub_buckets) = shape(histogram);
    line(&mut text, format_args!("#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]"));
    text
}

/// A share that gets a line. It is counted in whole numbers: a share that is off by the last bit of a float would get
/// the value of the next duration where it is to get just this one.
#[derive(Default)]
struct Tick {
    /// How often the distance to the whole was halved.
    halvings: u32,
    /// The ticks behind the last halving, fewer than there are between two.
    ticks: u32,
}

impl Tick {
    /// What is left of `2 * TICKS_PER_HALF_DISTANCE` parts between the last halving and the whole.
    fn parts_left(&self) -> u32 {
        2 * TICKS_PER_HALF_DISTANCE - self.ticks
    }

    /// What the share lacks to the whole, from 1 to just above 0.
    fn distance(&self) -> f64 {
        f64::from(self.parts_left()) / f64::from(2 * TICKS_PER_HALF_DISTANCE) / 2f64.powi(self.halvings as i32)
    }

    /// Whether `count` of `all` are at least this share.
    fn is_reached_by(&self, count: u64, all: u64) -> bool {
        let parts = u128::from(2 * TICKS_PER_HALF_DISTANCE) << self.halvings;
        u128::from(all - count).saturating_mul(parts) <= u128::from(all) * u128::from(self.parts_left())
    }

    fn advance(&mut self) {
        self.ticks += 1;
        if self.ticks == TICKS_PER_HALF_DISTANCE {
            (self.halvings, self.ticks) = (self.halvings + 1, 0);
        }
    }
}

fn milliseconds(nanoseconds: f64) -> f64 {
    nanoseconds / NANOSECONDS_PER_MILLISECOND
}

/// Into how many ranges, each twice as wide as the one before, the values are divided, and into how many steps the
/// first of these. The others have half as many, since their lower half is the range before.
fn shape(histogram: &Histogram) -> (usize, usize) {
    let buckets = usize::from(histogram.inner().buckets());
    (buckets, 2 * histogram.inner().distinct_values() / (buckets + 1))
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    /// Value, share, count and quotient of each line.
    fn lines(text: &str) -> Vec<(f64, f64, u64, Option<f64>)> {
        let parse = |line: &str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let quotient = columns.get(3).map(|quotient| quotient.parse().unwrap());
            (columns[0].parse().unwrap(), columns[1].parse().unwrap(), columns[2].parse().unwrap(), quotient)
        };
        text.lines().skip(2).filter(|line| !line.starts_with('#')).map(parse).collect()
    }

    #[test]
    fn a_small_one_is_printed_in_its_columns() {
        // The two in the middle share a bucket that ends at 2.001 ms.
        let expected = "
       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          1           1.00
       1.000 0.100000000000          1           1.11
       1.000 0.200000000000          1           1.25
       2.001 0.300000000000          3           1.43
       2.001 0.400000000000          3           1.67
       2.001 0.500000000000          3           2.00
       2.001 0.550000000000          3           2.22
       2.001 0.600000000000          3           2.50
       2.001 0.650000000000          3           2.86
       2.001 0.700000000000          3           3.33
       2.001 0.750000000000          3           4.00
      10.000 0.775000000000          4           4.44
      10.000 1.000000000000          4
#[Mean    =        3.750, StdDeviation   =        3.631]
#[Max     =       10.000, Total count    =            4]
#[Buckets =           32, SubBuckets     =         2048]
";
        let text = percentile_distribution(&of([1_000_000, 2_000_000, 2_000_000, 10_000_000]));
        assert_eq!(format!("\n{text}"), expected);
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let histogram = of((0..100_000).map(|n: u64| 1_000 + n * n % 9_973 * 10_000));
        let text = percentile_distribution(&histogram);
        let lines = lines(&text);
        for pair in lines.windows(2) {
            assert!(pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1 && pair[0].2 <= pair[1].2, "{pair:?}");
        }
        for (value, share, count, quotient) in &lines {
            // The three digits behind the point are microseconds.
            let percentile = histogram.percentile(share * 100.0).unwrap() as f64 / 1e6;
            assert!((value - percentile).abs() <= 0.000_501, "{value} {share} {percentile}");
            assert!(*count as f64 >= share * 1e5 - 0.5, "{count} {share}");
            let expected = 1.0 / (1.0 - share);
            assert!(quotient.is_none_or(|quotient| (quotient / expected - 1.0).abs() < 0.01), "{quotient:?} {share}");
        }
        let last = lines.last().unwrap();
        assert_eq!((last.1, last.2, last.3), (1.0, 100_000, None));
        assert!(lines[..lines.len() - 1].iter().all(|line| line.3.is_some()));
        assert!(text.ends_with("#[Buckets =           32, SubBuckets     =         2048]\n"), "{text}");
    }

    #[test]
    fn between_two_halvings_of_the_distance_are_five_lines() {
        let shares: Vec<f64> =
            lines(&percentile_distribution(&of(1..=100_000))).into_iter().map(|line| line.1).collect();
        for (from, to) in [(0.0, 0.5), (0.5, 0.75), (0.75, 0.875)] {
            assert_eq!(shares.iter().filter(|share| (from..to).contains(*share)).count(), 5, "{shares:?}");
        }
    }

    #[test]
    fn one_duration_is_the_first_and_the_last() {
        let text = percentile_distribution(&of([1_234_567]));
        let rows = "
       1.235 0.000000000000          1           1.00
       1.235 1.000000000000          1
#[Mean    =        1.235, StdDeviation   =        0.000]
#[Max     =        1.235, Total count    =            1]
";
        assert!(text.contains(rows), "{text}");
    }

    #[test]
    fn nothing_has_a_distribution_without_lines() {
        let expected = "
       Value     Percentile TotalCount 1/(1-Percentile)

#[Mean    =        0.000, StdDeviation   =        0.000]
#[Max     =        0.000, Total count    =            0]
#[Buckets =           32, SubBuckets     =         2048]
";
        assert_eq!(format!("\n{}", percentile_distribution(&Histogram::new())), expected);
    }
}
