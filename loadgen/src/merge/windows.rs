//! Windows of several runs, one on top of the other.

use std::collections::BTreeMap;

use super::span::Span;
use crate::{Outcome, Window};

/// Adds up the windows of runs that lie within `around`, each moved by whole windows to where it was by the clock,
/// to the nearest.
pub(super) fn aligned(outcomes: &[Outcome], around: Span, interval_ns: u64) -> Vec<Window> {
    let interval = u128::from(interval_ns.max(1));
    // A map, since what a file says of times could otherwise ask for more windows than there is memory for.
    let mut windows: BTreeMap<u128, Window> = BTreeMap::new();
    for outcome in outcomes {
        let shift = (Span::of(outcome).start.saturating_sub(around.start) + interval / 2) / interval;
        for (number, part) in (shift..).zip(&outcome.windows) {
            let window = windows.entry(number).or_default();
            window.length_ns = window.length_ns.max(part.length_ns);
            window.responses += part.responses;
            window.errors += part.errors;
            window.bytes_read += part.bytes_read;
            window.cpu_ns += part.cpu_ns;
            // The CPUs of one machine are not those of another.
            window.steal_ns = None;
        }
    }
    let last = windows.keys().next_back().copied();
    let place = |(number, window): (u128, Window)| Window {
        offset_ns: u64::try_from(number * interval).unwrap_or(u64::MAX),
        // The last window of one run may lie where the others still have whole ones.
        length_ns: if Some(number) == last { window.length_ns } else { interval_ns },
        ..window
    };
    windows.into_iter().map(place).collect()
}
