//! A distribution of durations that can be stored and merged without loss.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HdrDeserializer, Serializer as _, V2Serializer};
use serde::{Deserialize, Serialize};

/// The largest duration that is told apart from larger ones: one hour.
const HIGHEST: u64 = 3_600_000_000_000;
/// Values within a thousandth of each other may share a bucket.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Durations beyond a percentile that are expected, at least, where it is shown. With fewer, the percentile is little more
/// than the maximum of a sample, and another sample has another one.
pub const SHOWN_BEYOND: f64 = 10.0;

/// What stands in the place of a percentile of too few durations.
pub const TOO_FEW: &str = "too few answers";

/// Durations in nanoseconds from 1 to one hour, kept to three significant digits; count, sum, minimum and maximum
/// are exact. Longer ones are counted as one hour in the percentiles.
///
/// Histograms merge by [`add`](Self::add), never by averaging their percentiles. The stored form holds the exact
/// figures and the buckets in the `HdrHistogram` V2 encoding in base64, which any `HdrHistogram` library reads.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Histogram {
    buckets: hdrhistogram::Histogram<u64>,
    sum: u64,
    minimum: u64,
    maximum: u64,
}

/// The figures only: thousands of buckets tell nobody anything.
impl fmt::Debug for Histogram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum)
            .field("minimum", &self.minimum())
            .field("median", &self.percentile(50.0))
            .field("maximum", &self.maximum())
            .finish_non_exhaustive()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the bounds are constants that the constructor accepts")]
    pub fn new() -> Self {
        let buckets = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST, SIGNIFICANT_DIGITS)
            .expect("constant bounds that the constructor accepts");
        Self { buckets, sum: 0, minimum: u64::MAX, maximum: 0 }
    }

    /// Adds one duration of `nanoseconds`.
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        self.buckets.saturating_record(nanoseconds);
        self.sum = self.sum.saturating_add(nanoseconds);
        self.minimum = self.minimum.min(nanoseconds);
        self.maximum = self.maximum.max(nanoseconds);
    }

    /// Adds everything that `other` holds.
    #[expect(clippy::missing_panics_doc, reason = "all histograms have the same bounds")]
    pub fn add(&mut self, other: &Self) {
        self.buckets.add(&other.buckets).expect("all histograms have the same bounds");
        self.sum = self.sum.saturating_add(other.sum);
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.reset();
        self.sum = 0;
        self.minimum = u64::MAX;
        self.maximum = 0;
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.len()
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The exact sum in nanoseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The exact arithmetic mean in nanoseconds; `None` when empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum as f64 / self.count() as f64)
    }

    /// The exact shortest duration in nanoseconds; `None` when empty.
    #[must_use]
    pub fn minimum(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.minimum)
    }

    /// The exact longest duration in nanoseconds; `None` when empty.
    #[must_use]
    pub fn maximum(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.maximum)
    }

    /// The smallest duration in nanoseconds that `percent` per cent of all do not exceed, to three significant
    /// digits and never beyond the maximum; `None` when empty. `percent` is held within 0 and 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        // 99.9 / 100 is a little above 0.999, and would take one too many of a thousand.
        let rank = (percent.clamp(0.0, 100.0) / 100.0 * self.count() as f64 * (1.0 - 1e-12)).ceil().max(1.0);
        let value = self.buckets.value_at_quantile((rank - 0.5) / self.count() as f64);
        Some(value.clamp(self.minimum, self.maximum))
    }

    /// The same, where at least [`SHOWN_BEYOND`] durations are expected beyond it, as 99 % needs 1,000 in all; `None` where
    /// there are fewer. 100 % is the maximum and needs one.
    #[must_use]
    pub fn shown_percentile(&self, percent: f64) -> Option<u64> {
        let percent = percent.clamp(0.0, 100.0);
        // 100 less 99.9 is a little below a tenth.
        let beyond = self.count() as f64 * (100.0 - percent) / 100.0 * (1.0 + 1e-9);
        self.percentile(percent).filter(|_| percent >= 100.0 || beyond >= SHOWN_BEYOND)
    }

    /// The filled buckets in ascending order: a duration in nanoseconds that stands for the bucket (its middle) and
    /// how many durations fell into it.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.iter_recorded().map(|bucket| {
            let middle = self.buckets.median_equivalent(bucket.value_iterated_to());
            (middle.clamp(self.minimum, self.maximum), bucket.count_at_value())
        })
    }

    /// The buckets in the form that the formats of `HdrHistogram` are written from. Their minimum, maximum and mean are
    /// not the exact ones.
    pub(crate) fn inner(&self) -> &hdrhistogram::Histogram<u64> {
        &self.buckets
    }
}

/// The length of what stands before the counts in the `HdrHistogram` V2 encoding, in bytes.
const HEAD: usize = 40;

/// What stands there in each of ours, if the whole encoding has so many bytes: cookie, length of the counts, normalizing
/// offset, significant digits, lowest and highest value, and ratio, all of them with the highest byte first.
fn head(length: usize) -> [u8; HEAD] {
    const V2_COOKIE: u32 = 0x1c84_9313;
    let counts = length.saturating_sub(HEAD) as u32;
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&V2_COOKIE.to_be_bytes());
    head[4..8].copy_from_slice(&counts.to_be_bytes());
    head[12..16].copy_from_slice(&u32::from(SIGNIFICANT_DIGITS).to_be_bytes());
    head[16..24].copy_from_slice(&1_u64.to_be_bytes());
    head[24..32].copy_from_slice(&HIGHEST.to_be_bytes());
    head[32..].copy_from_slice(&1_f64.to_be_bytes());
    head
}

/// How a histogram is written down.
#[derive(Serialize, Deserialize)]
struct Stored {
    unit: Unit,
    count: u64,
    sum: u64,
    minimum: Option<u64>,
    maximum: Option<u64>,
    hdr_v2_base64: String,
}

#[derive(Serialize, Deserialize)]
enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl From<Histogram> for Stored {
    fn from(histogram: Histogram) -> Self {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&histogram.buckets, &mut bytes)
            .expect("a vector takes every byte and constant bounds fit the encoding");
        Self {
            unit: Unit::Nanoseconds,
            count: histogram.count(),
            sum: histogram.sum,
            minimum: histogram.minimum(),
            maximum: histogram.maximum(),
            hdr_v2_base64: STANDARD.encode(bytes),
        }
    }
}

/// A stored histogram that cannot be taken at its word.
#[derive(Debug, thiserror::Error)]
enum StoredError {
    #[error("the histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error(
        "the histogram does not begin as one of durations from 1 ns to one hour with three digits in the HdrHistogram V2 encoding"
    )]
    Head,
    #[error("the histogram is not in the HdrHistogram V2 encoding: {0}")]
    Encoding(#[from] hdrhistogram::serialization::DeserializeError),
    #[error("the histogram holds values beyond one hour")]
    Bounds(#[from] hdrhistogram::AdditionError),
    #[error("the histogram says that it holds {said} values and holds {held}")]
    Count { said: u64, held: u64 },
    #[error("the histogram's minimum, maximum and sum do not fit its values")]
    Figures,
}

impl TryFrom<Stored> for Histogram {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Self, StoredError> {
        let bytes = STANDARD.decode(stored.hdr_v2_base64)?;
        // Whoever decodes it makes room for what its head declares, which may be gigabytes.
        if bytes.get(..HEAD) != Some(&head(bytes.len())[..]) {
            return Err(StoredError::Head);
        }
        let decoded: hdrhistogram::Histogram<u64> = HdrDeserializer::new().deserialize(&mut bytes.as_slice())?;
        // Adding to one of ours, instead of keeping what came, makes sure of our bounds.
        let mut histogram = Self::new();
        histogram.buckets.add(&decoded)?;
        if histogram.count() != stored.count {
            return Err(StoredError::Count { said: stored.count, held: histogram.count() });
        }
        match (stored.minimum, stored.maximum) {
            (None, None) if histogram.is_empty() && stored.sum == 0 => {}
            (Some(minimum), Some(maximum))
                if !histogram.is_empty()
                    && minimum <= maximum
                    && stored.sum >= maximum
                    && histogram.buckets.equivalent(minimum.min(HIGHEST), histogram.buckets.min())
                    && histogram.buckets.equivalent(maximum.min(HIGHEST), histogram.buckets.max()) =>
            {
                (histogram.minimum, histogram.maximum) = (minimum, maximum);
            }
            _ => return Err(StoredError::Figures),
        }
        histogram.sum = stored.sum;
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    #[test]
    fn an_empty_one_has_no_figures() {
        let empty = Histogram::new();
        assert_eq!((empty.count(), empty.mean(), empty.minimum(), empty.maximum()), (0, None, None, None));
        assert_eq!(empty.percentile(50.0), None);
    }

    #[test]
    fn figures_are_exact_and_percentiles_stay_within_them() {
        let histogram = of(&[1_000_001, 2_000_003, 3_000_007]);
        assert_eq!(histogram.sum(), 6_000_011);
        assert_eq!(histogram.minimum(), Some(1_000_001));
        assert_eq!(histogram.maximum(), Some(3_000_007));
        assert_eq!(histogram.percentile(100.0), Some(3_000_007));
        let median = histogram.percentile(50.0).unwrap() as f64;
        assert!((median / 2_000_003.0 - 1.0).abs() < 0.001, "{median}");
    }

    #[test]
    fn a_percentile_is_shown_if_ten_are_expected_beyond_it() {
        let shown = |count: usize, percent| of(&vec![7; count]).shown_percentile(percent).is_some();
        for (percent, needed) in [(50.0, 20), (90.0, 100), (99.0, 1_000), (99.9, 10_000)] {
            assert_eq!([shown(needed - 1, percent), shown(needed, percent)], [false, true], "{percent}");
        }
        assert_eq!([shown(0, 100.0), shown(1, 100.0)], [false, true]);
    }

    #[test]
    fn a_percentile_is_the_value_of_its_rank() {
        let histogram = of(&(1..=1_000).map(|n| n * 1_000_000_000).collect::<Vec<_>>());
        for (percent, rank) in [(0.0, 1.0), (0.1, 1.0), (50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (99.95, 1000.0)] {
            let found = histogram.percentile(percent).unwrap() as f64 / 1e9;
            assert!((found / rank - 1.0).abs() < 0.001, "{percent}%: {found}");
        }
        assert_eq!(of(&[7]).percentile(99.9), Some(7));
    }

    #[test]
    fn what_is_stored_comes_back_the_same() {
        for histogram in [of(&[]), of(&[1]), of(&[17, 4_711, 9_999_999, HIGHEST])] {
            let text = serde_json::to_string(&histogram).unwrap();
            assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), histogram, "{text}");
        }
    }

    #[test]
    fn merging_is_the_same_as_recording_everything_in_one() {
        let mut merged = of(&[5, 500, 50_000]);
        merged.add(&of(&[7, 700_000]));
        assert_eq!(merged, of(&[5, 500, 50_000, 7, 700_000]));
    }

    #[test]
    fn a_duration_beyond_an_hour_is_counted() {
        let histogram = of(&[2 * HIGHEST]);
        assert_eq!((histogram.count(), histogram.maximum()), (1, Some(2 * HIGHEST)));
    }

    #[test]
    fn figures_that_do_not_fit_the_buckets_are_refused() {
        for figure in ["minimum", "maximum"] {
            let mut value = serde_json::to_value(of(&[1_000, 2_000])).unwrap();
            (value[figure], value["sum"]) = (1_500.into(), 9_000.into());
            assert!(serde_json::from_value::<Histogram>(value).is_err(), "{figure}");
        }
    }

    #[test]
    fn one_that_declares_other_bounds_is_refused_before_room_is_made_for_it() {
        let mut bytes = Vec::new();
        // Ten gigabytes of counts, if they were made.
        for (place, byte) in [(0, 0), (7, 255), (15, 5), (23, 0), (24, 127), (39, 1)] {
            let mut value = serde_json::to_value(of(&[10, 20])).unwrap();
            bytes.clear();
            bytes.extend(STANDARD.decode(value["hdr_v2_base64"].as_str().unwrap()).unwrap());
            bytes[place] = byte;
            value["hdr_v2_base64"] = STANDARD.encode(&bytes).into();
            let error = serde_json::from_value::<Histogram>(value).unwrap_err();
            assert!(error.to_string().contains("does not begin"), "{place}: {error}");
        }
    }

    #[test]
    fn a_stored_one_that_contradicts_itself_is_refused() {
        let mut value = serde_json::to_value(of(&[10, 20])).unwrap();
        value["count"] = 3.into();
        let error = serde_json::from_value::<Histogram>(value).unwrap_err();
        assert!(error.to_string().contains("says that it holds 3 values and holds 2"), "{error}");
    }
}
