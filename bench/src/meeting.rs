//! Where two turns meet, so that their loads begin at the same moment.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long after both are there the load begins: time to open the connections.
const AHEAD: Duration = Duration::from_millis(40);

/// A meeting of two.
#[derive(Debug, Default)]
pub struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: u32,
    has_one_left: bool,
    begins_at_ms: Option<u64>,
}

impl Meeting {
    /// Waits for the other one. Returns when both are to begin, in milliseconds since 1970-01-01 UTC; none if the other one
    /// will not come.
    #[must_use]
    pub fn meet(&self) -> Option<u64> {
        // A panic of the other one ends its turn, and leaves nothing half done in here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived += 1;
        if state.arrived == 2 && !state.has_one_left {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            state.begins_at_ms = u64::try_from((now + AHEAD).as_millis()).ok();
            self.changed.notify_all();
        }
        let waits = |state: &mut State| state.arrived < 2 && !state.has_one_left;
        let state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.begins_at_ms
    }

    /// Tells the other one not to wait: this turn is over, or will never come to its load.
    pub fn leave(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).has_one_left = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::thread;

    #[test]
    fn both_are_told_the_same_moment() {
        let meeting = Meeting::default();
        thread::scope(|scope| {
            let other = scope.spawn(|| meeting.meet());
            thread::sleep(Duration::from_millis(20));
            let mine = meeting.meet();
            assert!(mine.is_some());
            assert_eq!(mine, other.join().unwrap());
        });
    }

    #[test]
    fn nobody_waits_for_one_who_has_left() {
        let meeting = Meeting::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| meeting.meet());
            thread::sleep(Duration::from_millis(20));
            meeting.leave();
            assert_eq!(waiting.join().unwrap(), None);
        });
        assert_eq!(meeting.meet(), None);
    }
}
