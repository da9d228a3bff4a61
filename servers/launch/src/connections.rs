use crate::Stop;
use std::{
    collections::HashMap,
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
    quiet: HashMap<u64, Arc<AtomicBool>>,
}

/// A place among the open connections; given back when it is dropped.
#[derive(Debug)]
pub struct Presence {
    connections: Connections,
    number: u64,
    quiet: Arc<AtomicBool>,
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
        (open.quiet.len() < self.shared.most).then(|| self.enter(&mut open))
    }

    /// Waits for a place; none when the server stops.
    #[must_use]
    pub fn wait_to_admit(&self, stop: &Stop) -> Option<Presence> {
        /// How late the end of the server may be noticed in here.
        const LATE: Duration = Duration::from_millis(50);
        let mut open = self.open();
        while open.quiet.len() >= self.shared.most {
            if stop.is_stopping() {
                return None;
            }
            open = self.shared.freed.wait_timeout(open, LATE).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(self.enter(&mut open))
    }

    fn enter(&self, open: &mut Open) -> Presence {
        let (number, quiet) = (open.next, Arc::new(AtomicBool::new(true)));
        open.next += 1;
        open.quiet.insert(number, Arc::clone(&quiet));
        Presence { connections: self.clone(), number, quiet }
    }

    /// Waits until nothing is in flight on any connection: for models whose connections end with the process.
    pub fn wait_until_quiet(&self) {
        /// How long a response that was finished may go unnoticed.
        const LATE: Duration = Duration::from_millis(5);
        /// A connection counts as quiet when it begins to read, also if its next request has come already. So one
        /// look is not enough.
        const LOOKS: u32 = 3;
        let mut looks = 0;
        while looks < LOOKS {
            let quiet = self.open().quiet.values().all(|quiet| quiet.load(Ordering::Acquire));
            looks = if quiet { looks + 1 } else { 0 };
            std::thread::sleep(LATE);
        }
    }
}

impl Presence {
    /// Tells whether something is in flight on this connection. Costs a store to a line of its own.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Release);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.connections.open().quiet.remove(&self.number);
        self.connections.shared.freed.notify_one();
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
    fn quiet_means_that_all_are() {
        let connections = Connections::new(5);
        let (_first, second) = (connections.admit().unwrap(), connections.admit().unwrap());
        connections.wait_until_quiet();
        second.set_quiet(false);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| connections.wait_until_quiet());
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            drop(second);
        });
    }
}
