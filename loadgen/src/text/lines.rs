//! Lines of a label and what there is to say, one below the other.

use std::fmt::{Display, Write as _};

use super::units::microseconds;
use crate::{Histogram, TOO_FEW};

/// Lines of a label and what there is to say, one below the other.
#[derive(Debug)]
pub(super) struct Lines(String);

impl Lines {
    /// Begins below this title.
    pub(super) fn new(title: &str) -> Self {
        Self(format!("\n{title}\n"))
    }

    /// Adds one.
    pub(super) fn say(&mut self, label: &str, what: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "  {label:<16}{what}");
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Nanoseconds as wrk prints a duration.
pub(super) fn duration(nanoseconds: u64) -> String {
    microseconds(nanoseconds as f64 / 1000.0)
}

/// Some percentiles, as far as there are enough durations for them, and the maximum; `None` when there are none.
pub(super) fn percentiles(histogram: &Histogram, percents: &[f64]) -> Option<String> {
    let maximum = histogram.maximum()?;
    let shown = |&percent: &f64| {
        let value = histogram.shown_percentile(percent).map_or_else(|| TOO_FEW.to_owned(), duration);
        format!("{percent}% {value}")
    };
    let parts: Vec<String> = percents.iter().map(shown).collect();
    Some(format!("{}, max {}", parts.join(", "), duration(maximum)))
}

/// Per cent of the whole; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}
