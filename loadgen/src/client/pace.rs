//! The requests of an open loop that are due and the connections that could take them, within one thread.

use std::collections::VecDeque;

use crate::Histogram;
use crate::schedule::Schedule;

/// Who sends the next request of an open loop, and when. It holds no queue of requests: a schedule can say at any time
/// what is due and was not taken, however much that is.
#[derive(Debug)]
pub(super) struct Pace {
    schedule: Schedule,
    /// When requests were due that were taken and could not be sent, because no connection came about.
    returned: VecDeque<u64>,
    /// Places that could take a request, the one that has waited longest first.
    pub(super) ready: VecDeque<usize>,
}

impl Pace {
    pub(super) fn new(schedule: Schedule) -> Self {
        Self { schedule, returned: VecDeque::new(), ready: VecDeque::new() }
    }

    /// When the next request is or was due.
    #[inline]
    pub(super) fn due(&self) -> u64 {
        self.returned.front().copied().unwrap_or_else(|| self.schedule.due())
    }

    /// Takes the next request and says when it is or was due.
    #[inline]
    pub(super) fn take(&mut self) -> u64 {
        if let Some(due) = self.returned.pop_front() {
            return due;
        }
        let due = self.schedule.due();
        self.schedule.advance();
        due
    }

    /// Gives back a request that was taken: somebody else is to send it.
    pub(super) fn give_back(&mut self, due: u64) {
        let place = self.returned.partition_point(|&other| other <= due);
        self.returned.insert(place, due);
    }

    /// The ages of the requests that were due before `end` and were not taken; no more than `most` were to be.
    pub(super) fn unsent(&mut self, end: u64, most: u64) -> Histogram {
        let mut ages = Histogram::new();
        while self.due() < end && ages.count() < most {
            ages.record(end - self.take());
        }
        ages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Offered;

    fn pace() -> Pace {
        Pace::new(Schedule::new(&Offered::steady(1e9 / 100.0), 0, 0, 1_000, 0, 0, 1))
    }

    #[test]
    fn what_is_given_back_goes_first() {
        let mut pace = pace();
        let taken: Vec<u64> = (0..3).map(|_| pace.take()).collect();
        assert_eq!(taken, [0, 100, 200]);
        pace.give_back(200);
        pace.give_back(100);
        assert_eq!([pace.take(), pace.take(), pace.take()], [100, 200, 300]);
    }

    #[test]
    fn what_was_not_taken_has_its_age() {
        let mut pace = pace();
        pace.take();
        let unsent = pace.unsent(1_000, u64::MAX);
        assert_eq!((unsent.count(), unsent.minimum(), unsent.maximum()), (9, Some(100), Some(900)));
        assert!(pace.unsent(1_000, u64::MAX).is_empty());
    }

    #[test]
    fn what_is_not_to_be_sent_is_not_missed() {
        let mut pace = pace();
        pace.take();
        assert_eq!(pace.unsent(1_000, 2).count(), 2);
        assert!(pace.unsent(1_000, 0).is_empty());
    }
}
