//! The course of a run as lines of JSON, for whatever draws or watches it.

use serde::{Deserialize, Serialize};

use crate::{Histogram, WindowReport};

/// What one line holds: the figures of one window. The names of the fields stay as they are; new ones may be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The window's number, from 0.
    pub window: u64,
    /// Its beginning, in seconds since measuring started.
    pub offset_s: f64,
    /// Its length in seconds.
    pub length_s: f64,
    /// Complete responses, whatever their status.
    pub responses: u64,
    /// Complete responses per second.
    pub requests_per_second: f64,
    /// Errors of all kinds: failed attempts to connect, failed requests, and connections with bytes that nobody asked
    /// for.
    pub errors: u64,
    /// Bytes read from the connections.
    pub bytes_read: u64,
    /// The median latency in milliseconds, to three significant digits as are the other percentiles. Requests that were
    /// given up at the plan's time limit count with their age at that moment; `None` (`null`) where a percentile has too
    /// few of both ([`Histogram::shown_percentile`]).
    pub p50_ms: Option<f64>,
    /// The latency in milliseconds that 90 % do not exceed.
    pub p90_ms: Option<f64>,
    /// The latency in milliseconds that 99 % do not exceed.
    pub p99_ms: Option<f64>,
    /// The latency in milliseconds that 99.9 % do not exceed.
    pub p99_9_ms: Option<f64>,
    /// The exact longest latency in milliseconds.
    pub max_ms: Option<f64>,
    /// CPU time of all client threads in nanoseconds.
    pub cpu_ns: u64,
}

impl Line {
    /// The figures of a window.
    #[must_use]
    pub fn of(report: &WindowReport) -> Self {
        let WindowReport { index, window, latency } = report;
        Self {
            window: *index,
            offset_s: seconds(window.offset_ns),
            length_s: seconds(window.length_ns),
            responses: window.responses,
            requests_per_second: window.responses_per_second(),
            errors: window.errors,
            bytes_read: window.bytes_read,
            p50_ms: percentile_ms(latency, 50.0),
            p90_ms: percentile_ms(latency, 90.0),
            p99_ms: percentile_ms(latency, 99.0),
            p99_9_ms: percentile_ms(latency, 99.9),
            max_ms: latency.maximum().map(milliseconds),
            cpu_ns: window.cpu_ns,
        }
    }
}

/// The window as one line of JSON (NDJSON: an object in each line), without the line feed that ends it. What its fields
/// mean is said at [`Line`].
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "numbers under constant names always have a form in JSON")]
pub fn line(report: &WindowReport) -> String {
    serde_json::to_string(&Line::of(report)).expect("numbers under constant names have a form in JSON")
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

fn percentile_ms(latency: &Histogram, percent: f64) -> Option<f64> {
    latency.shown_percentile(percent).map(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    fn report(latencies: impl IntoIterator<Item = u64>) -> WindowReport {
        let mut latency = Histogram::new();
        latencies.into_iter().for_each(|nanoseconds| latency.record(nanoseconds));
        let window = Window {
            offset_ns: 1_400_000_000,
            length_ns: 200_000_000,
            responses: latency.count(),
            errors: 3,
            bytes_read: 4_096,
            cpu_ns: 123_456_789,
            steal_ns: None,
        };
        WindowReport { index: 7, window, latency }
    }

    #[test]
    fn every_figure_has_its_name_and_its_unit() {
        let expected = "{\"window\":7,\"offset_s\":1.4,\"length_s\":0.2,\"responses\":1,\"requests_per_second\":5.0,\
            \"errors\":3,\"bytes_read\":4096,\"p50_ms\":null,\"p90_ms\":null,\"p99_ms\":null,\"p99_9_ms\":null,\
            \"max_ms\":1.5,\"cpu_ns\":123456789}";
        assert_eq!(line(&report([1_500_000])), expected);
    }

    #[test]
    fn a_window_without_a_response_has_no_latency() {
        let text = line(&report([]));
        let expected = "\"p50_ms\":null,\"p90_ms\":null,\"p99_ms\":null,\"p99_9_ms\":null,\"max_ms\":null";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("\"responses\":0,\"requests_per_second\":0.0,"), "{text}");
    }

    #[test]
    fn percentiles_are_those_of_the_histogram() {
        let figures = Line::of(&report((1..=10_000).map(|n| n * 100_000)));
        let near = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 0.001;
        assert!(near(figures.p50_ms, 500.0) && near(figures.p90_ms, 900.0), "{figures:?}");
        assert!(near(figures.p99_ms, 990.0) && near(figures.p99_9_ms, 999.0), "{figures:?}");
        assert_eq!(figures.max_ms, Some(1000.0));
    }

    #[test]
    fn a_percentile_of_too_few_is_null() {
        let figures = Line::of(&report((1..=100).map(|n| n * 100_000)));
        let known = [figures.p50_ms, figures.p90_ms, figures.p99_ms, figures.p99_9_ms].map(|value| value.is_some());
        assert_eq!(known, [true, true, false, false]);
    }

    #[test]
    fn a_line_is_one_line_and_reads_back_the_same() {
        let report = report([1, 333_333, 7_777_777, 9_000_000_000]);
        let text = line(&report);
        assert!(!text.contains('\n'), "{text}");
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), Line::of(&report));
    }

    #[test]
    fn a_window_of_no_length_has_no_rate_that_is_not_a_number() {
        let mut report = report([1_000]);
        report.window.length_ns = 0;
        assert_eq!(Line::of(&report).requests_per_second, 0.0);
    }
}
