//! Slow-downs of a known size, for `bench calibrate`, which finds out whether a comparison of two builds sees them. They are in
//! no build that does not ask for the feature `burn`.

use std::cell::Cell;
use std::hint;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// What each response costs more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlowDown {
    /// CPU time.
    pub(crate) burn: Duration,
    /// Time in which the thread waits and uses no CPU, on average.
    pub(crate) wait: Duration,
}

/// A thread sleeps when it owes so much: a shorter sleep takes longer than it is asked for, by the timer slack of 50 us
/// (`PR_SET_TIMERSLACK(2const)`), so waits of a few microseconds are taken for many responses together.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

static EACH_RESPONSE: OnceLock<SlowDown> = OnceLock::new();

thread_local! {
    /// How long this thread has still to wait, in nanoseconds; below zero if it overslept.
    static OWED: Cell<i64> = const { Cell::new(0) };
}

/// From now on every response costs so much more. Only the first call has an effect.
pub(crate) fn set(each_response: SlowDown) {
    let _ = EACH_RESPONSE.set(each_response);
}

/// Takes what a response is to cost more.
pub(crate) fn slow_down() {
    let Some(SlowDown { burn, wait }) = EACH_RESPONSE.get().copied() else { return };
    if !burn.is_zero() {
        let begin = Instant::now();
        while begin.elapsed() < burn {
            hint::spin_loop();
        }
    }
    if !wait.is_zero() {
        let owed = OWED.get() + nanoseconds(wait);
        OWED.set(owed - if owed >= nanoseconds(SHORTEST_SLEEP) { sleep(owed) } else { 0 });
    }
}

/// Sleeps and returns how long it took, in nanoseconds.
fn sleep(owed: i64) -> i64 {
    let begin = Instant::now();
    thread::sleep(Duration::from_nanos(owed.unsigned_abs()));
    nanoseconds(begin.elapsed())
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_many_responses_add_up_without_cpu_time() {
        set(SlowDown { burn: Duration::ZERO, wait: Duration::from_micros(20) });
        let begin = Instant::now();
        for _ in 0..1_000 {
            slow_down();
        }
        // What is still owed at the end is less than one sleep.
        let least = Duration::from_micros(20) * 1_000 - SHORTEST_SLEEP;
        assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
        assert!(OWED.get() < nanoseconds(SHORTEST_SLEEP));
    }
}
