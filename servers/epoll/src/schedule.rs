use protocol::Settings;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

/// When an event loop has to wake although nothing has happened: for the waits of single clients, to the point, and
/// for everybody's deadlines, now and then.
///
/// The timeout of `epoll_wait` counts in whole milliseconds, which is too coarse for a wait of ten. So waits have a
/// timer of their own (`timerfd_create(2)`), whose descriptor the loop watches like any other.
#[derive(Debug)]
pub(crate) struct Schedule {
    waits: BinaryHeap<Reverse<(Instant, usize)>>,
    timer: OwnedFd,
    /// What the timer is set to.
    set: Option<Instant>,
    interval: Duration,
    next_sweep: Instant,
}

impl Schedule {
    pub(crate) fn new(settings: &Settings) -> io::Result<Self> {
        /// Sweeps in the time of the shortest deadline: none is late by more than a part of itself.
        const SWEEPS: u32 = 8;
        let shortest = settings.header_timeout.min(settings.idle_timeout).min(settings.send_timeout);
        let interval = (shortest / SWEEPS).clamp(Duration::from_millis(5), Duration::from_millis(250));
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { waits: BinaryHeap::new(), timer, set: None, interval, next_sweep: Instant::now() })
    }

    /// The descriptor that becomes readable when the time of a client has come.
    pub(crate) fn timer(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// Puts a client down for a time.
    pub(crate) fn add(&mut self, at: Instant, key: usize) {
        self.waits.push(Reverse((at, key)));
    }

    /// Sets the timer for the first of the waits, if it is not: to be called before the loop sleeps.
    pub(crate) fn set_timer(&mut self) -> io::Result<()> {
        let first = self.waits.peek().map(|Reverse((at, _))| *at);
        if first == self.set {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A time of zero would stop the timer.
        let left = first.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)));
        let value = left.and_then(|left| Timespec::try_from(left).ok()).unwrap_or(zero);
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: value })?;
        self.set = first;
        Ok(())
    }

    /// When to look at the deadlines again.
    pub(crate) fn next_sweep(&self) -> Instant {
        self.next_sweep
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
    use rustix::event::{PollFd, PollFlags, poll};

    #[test]
    fn clients_come_up_in_the_order_of_their_times() {
        let mut schedule = Schedule::new(&Settings::default()).unwrap();
        let start = Instant::now() + Duration::from_secs(1);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for (milliseconds, key) in [(30, 3), (10, 1), (20, 2)] {
            schedule.add(at(milliseconds), key);
        }
        assert_eq!(schedule.due(at(9)), None);
        assert_eq!(schedule.due(at(25)), Some(1));
        assert_eq!(schedule.due(at(25)), Some(2));
        assert_eq!(schedule.due(at(25)), None);
        assert_eq!(schedule.due(at(30)), Some(3));
    }

    #[test]
    fn the_timer_ends_with_the_first_wait_and_not_before() {
        let mut schedule = Schedule::new(&Settings::default()).unwrap();
        let ends = |schedule: &Schedule, milliseconds: i64| {
            let timeout = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
            poll(&mut [PollFd::new(&schedule.timer, PollFlags::IN)], Some(&timeout)).unwrap() > 0
        };
        schedule.set_timer().unwrap();
        assert!(!ends(&schedule, 5), "nobody waits");
        let start = Instant::now();
        schedule.add(start + Duration::from_secs(60), 1);
        schedule.set_timer().unwrap();
        schedule.add(start + Duration::from_millis(20), 2);
        schedule.set_timer().unwrap();
        assert!(ends(&schedule, 900));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(schedule.due(Instant::now()), Some(2));
        schedule.set_timer().unwrap();
        assert!(!ends(&schedule, 5), "the other one waits for a minute");
    }

    #[test]
    fn deadlines_are_looked_at_now_and_then() {
        let settings = Settings { send_timeout: Duration::from_millis(80), ..Settings::default() };
        let mut schedule = Schedule::new(&settings).unwrap();
        let start = Instant::now();
        assert!(schedule.sweep_is_due(start));
        assert!(!schedule.sweep_is_due(start + Duration::from_millis(9)));
        assert_eq!(schedule.next_sweep(), start + Duration::from_millis(10));
        assert!(schedule.sweep_is_due(start + Duration::from_millis(10)));
    }
}
