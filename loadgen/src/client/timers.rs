//! When which place is to be looked at again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Times in nanoseconds with the places that wait for them. Whoever is called looks for itself whether it still waits.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(u64, usize)>>);

impl Timers {
    pub(super) fn add(&mut self, due: u64, place: usize) {
        self.0.push(Reverse((due, place)));
    }

    /// The earliest time; beyond all others when nobody waits.
    pub(super) fn next(&self) -> u64 {
        self.0.peek().map_or(u64::MAX, |&Reverse((due, _))| due)
    }

    /// Somebody whose time has come.
    pub(super) fn take_due(&mut self, now: u64) -> Option<usize> {
        if self.next() > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, place))| place)
    }
}
