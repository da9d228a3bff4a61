use protocol::Settings;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// When an event loop has to wake although nothing has happened: for the waits of single clients, to the point, and
/// for everybody's deadlines, now and then.
#[derive(Debug)]
pub(crate) struct Schedule {
    waits: BinaryHeap<Reverse<(Instant, usize)>>,
    interval: Duration,
    next_sweep: Instant,
}

impl Schedule {
    pub(crate) fn new(settings: &Settings) -> Self {
        /// Sweeps in the time of the shortest deadline: none is late by more than a part of itself.
        const SWEEPS: u32 = 8;
        let shortest = settings.header_timeout.min(settings.idle_timeout).min(settings.send_timeout);
        let interval = (shortest / SWEEPS).clamp(Duration::from_millis(5), Duration::from_millis(250));
        Self { waits: BinaryHeap::new(), interval, next_sweep: Instant::now() }
    }

    /// Puts a client down for a time.
    pub(crate) fn add(&mut self, at: Instant, key: usize) {
        self.waits.push(Reverse((at, key)));
    }

    /// When to wake; deadlines matter only while there are clients.
    pub(crate) fn next(&self, clients: bool) -> Option<Instant> {
        let wait = self.waits.peek().map(|Reverse((at, _))| *at);
        wait.into_iter().chain(clients.then_some(self.next_sweep)).min()
    }

    /// The next client whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<usize> {
        if self.waits.peek().is_none_or(|Reverse((at, _))| *at > now) {
            return None;
        }
        self.waits.pop().map(|Reverse((_, key))| key)
    }

    /// Whether it is time to look at all deadlines; if so, the next time is set.
    pub(crate) fn sweep_is_due(&mut self, now: Instant) -> bool {
        let due = self.next_sweep <= now;
        if due {
            self.next_sweep = now + self.interval;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_up_in_the_order_of_their_times() {
        let mut schedule = Schedule::new(&Settings::default());
        let start = Instant::now() + Duration::from_secs(1);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for (milliseconds, key) in [(30, 3), (10, 1), (20, 2)] {
            schedule.add(at(milliseconds), key);
        }
        assert_eq!(schedule.next(false), Some(at(10)));
        assert_eq!(schedule.due(at(9)), None);
        assert_eq!(schedule.due(at(25)), Some(1));
        assert_eq!(schedule.due(at(25)), Some(2));
        assert_eq!(schedule.due(at(25)), None);
        assert_eq!(schedule.next(false), Some(at(30)));
    }

    #[test]
    fn deadlines_are_looked_at_now_and_then() {
        let settings = Settings { send_timeout: Duration::from_millis(80), ..Settings::default() };
        let mut schedule = Schedule::new(&settings);
        let start = Instant::now();
        assert_eq!(schedule.next(false), None);
        assert!(schedule.sweep_is_due(start));
        assert!(!schedule.sweep_is_due(start + Duration::from_millis(9)));
        assert_eq!(schedule.next(true), Some(start + Duration::from_millis(10)));
        assert!(schedule.sweep_is_due(start + Duration::from_millis(10)));
    }
}
