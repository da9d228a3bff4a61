//! When runs were measured, by the clocks on the wall.

use super::MergeError;
use crate::Outcome;

const NANOSECONDS_PER_MILLISECOND: u128 = 1_000_000;

/// A stretch of time in nanoseconds since 1970-01-01 UTC. What files say may be any number, hence the wide ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u128,
    pub(super) end: u128,
}

impl Span {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let start = u128::from(outcome.started_at_ms) * NANOSECONDS_PER_MILLISECOND;
        Self { start, end: start + u128::from(outcome.elapsed_ns) }
    }

    /// From the earliest start to the latest end; `None` if there is no outcome.
    pub(super) fn around(outcomes: &[Outcome]) -> Option<Self> {
        let spans = || outcomes.iter().map(Self::of);
        Some(Self { start: spans().map(|span| span.start).min()?, end: spans().map(|span| span.end).max()? })
    }

    pub(super) fn length(self) -> u128 {
        self.end.saturating_sub(self.start)
    }
}

/// The share of the merged outcome's time during which all of the runs were measuring, from 0 to 1. Below 1, the
/// generators did not start or end together, and the merged rate is lower than what the server was asked for while all
/// were at it. It relies on the clocks of the machines, to a millisecond.
///
/// 1 for a single outcome; 0 for none, and for runs of which two did not overlap at all.
#[must_use]
pub fn overlap(outcomes: &[Outcome]) -> f64 {
    let (Some(around), [_, _, ..]) = (Span::around(outcomes), outcomes) else {
        return if outcomes.is_empty() { 0.0 } else { 1.0 };
    };
    let latest_start = outcomes.iter().map(|outcome| Span::of(outcome).start).max().unwrap_or_default();
    let earliest_end = outcomes.iter().map(|outcome| Span::of(outcome).end).min().unwrap_or_default();
    match around.length() {
        0 => 0.0,
        length => earliest_end.saturating_sub(latest_start) as f64 / length as f64,
    }
}

/// Makes sure that there was a moment at which all of the runs were measuring, which is so when any two overlap.
pub(super) fn check_together(outcomes: &[Outcome]) -> Result<(), MergeError> {
    let spans: Vec<Span> = outcomes.iter().map(Span::of).collect();
    for (second, later) in spans.iter().enumerate() {
        let ended = |(first, earlier): (usize, &Span)| first != second && earlier.end <= later.start;
        if let Some(first) = spans.iter().enumerate().position(ended) {
            return Err(MergeError::Apart { first, second });
        }
    }
    Ok(())
}
