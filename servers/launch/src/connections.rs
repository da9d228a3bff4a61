use crate::Stop;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The open connections: how many there may be, how many there are, and whether anything is in flight on them.
#[derive(Clone, Debug)]
pub struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    open: Mutex<Open>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    states: HashMap<u64, Arc<State>>,
    /// How many wait for a place.
    waiting: usize,
}

struct State {
    quiet: AtomicBool,
    /// How to wake whoever waits for the client, until that was done.
    wake: Mutex<Option<Wake>>,
}

type Wake = Box<dyn FnOnce() + Send>;

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("State").field("quiet", &self.quiet).finish_non_exhaustive()
    }
}

/// A place among the open connections; given back when it is dropped.
#[derive(Debug)]
pub struct Presence {
    connections: Connections,
    number: u64,
    state: Arc<State>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Self {
        Self { shared: Arc::new(Shared { most, open: Mutex::default(), freed: Condvar::new() }) }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection, unless there are as many as there may be.
    #[must_use]
    pub fn admit(&self) -> Option<Presence> {
        let mut open = self.open();
        (open.states.len() < self.shared.most).then(|| self.enter(&mut open))
    }

    /// Waits for a place; none when the server stops.
    #[must_use]
    pub fn wait_to_admit(&self, stop: &Stop) -> Option<Presence> {
        /// How late the end of the server may be noticed in here.
        const LATE: Duration = Duration::from_millis(50);
        let mut open = self.open();
        while open.states.len() >= self.shared.most {
            if stop.is_stopping() {
                return None;
            }
            open.waiting += 1;
            open = self.shared.freed.wait_timeout(open, LATE).unwrap_or_else(PoisonError::into_inner).0;
            open.waiting -= 1;
        }
        Some(self.enter(&mut open))
    }

    fn enter(&self, open: &mut Open) -> Presence {
        let state = Arc::new(State { quiet: AtomicBool::new(true), wake: Mutex::new(None) });
        let number = open.next;
        open.next += 1;
        open.states.insert(number, Arc::clone(&state));
        Presence { connections: self.clone(), number, state }
    }

    /// Waits until the last connection has ended, when the server stops. Whoever waits for a client on whose connection
    /// nothing is in flight is woken: it answers what has come without having been seen, and leaves. So nobody has to
    /// guess from outside whether a request is between the socket and its reader.
    pub fn finish(&self) {
        /// How long a connection that has become quiet may go unnoticed, and the end of the last one.
        const LATE: Duration = Duration::from_millis(5);
        while !self.wake_quiet_ones() {
            std::thread::sleep(LATE);
        }
    }

    /// Tells whether there are none at all any more.
    fn wake_quiet_ones(&self) -> bool {
        let open = self.open();
        for state in open.states.values().filter(|state| state.quiet.load(Ordering::Acquire)) {
            let wake = state.wake.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(wake) = wake {
                wake();
            }
        }
        open.states.is_empty()
    }
}

impl Presence {
    /// Tells whether something is in flight on this connection. Costs a store to a line of its own.
    pub fn set_quiet(&self, quiet: bool) {
        self.state.quiet.store(quiet, Ordering::Release);
    }

    /// Tells how to wake whoever waits for the client, so that it looks what has come and then waits no longer.
    pub fn wake_by(&self, wake: impl FnOnce() + Send + 'static) {
        *self.state.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.states.remove(&self.number);
        // Telling nobody costs a system call, too.
        if open.waiting > 0 {
            self.connections.shared.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_there_may_be() {
        let connections = Connections::new(2);
        let (first, second) = (connections.admit(), connections.admit());
        assert!(first.is_some() && second.is_some() && connections.admit().is_none());
        drop(first);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn a_place_that_becomes_free_is_given_to_who_waits() {
        let (connections, stop) = (Connections::new(1), Stop::default());
        let first = connections.admit();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| connections.wait_to_admit(&stop).is_some());
            std::thread::sleep(Duration::from_millis(20));
            drop(first);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn in_the_end_those_who_wait_for_nothing_in_flight_are_woken() {
        let connections = Connections::new(5);
        let (quiet, busy) = (connections.admit().unwrap(), connections.admit().unwrap());
        busy.set_quiet(false);
        let (wake, woken) = std::sync::mpsc::channel();
        for (name, presence) in [("quiet", &quiet), ("busy", &busy)] {
            let wake = wake.clone();
            presence.wake_by(move || wake.send(name).unwrap());
        }
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| connections.finish());
            assert_eq!(woken.recv().unwrap(), "quiet");
            drop(quiet);
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished() && woken.try_recv().is_err());
            busy.set_quiet(true);
            assert_eq!(woken.recv().unwrap(), "busy");
            assert!(!waiting.is_finished());
            drop(busy);
        });
    }
}
