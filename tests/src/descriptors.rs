//! How many sockets a test may have open, and what to do when that is too few.

use std::io::Write;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no sockets of an attack: files, pipes, other clients of other tests beside it.
const RESERVED: usize = 600;

/// How many connections this process has room for. The first call raises the soft limit of open files to the hard one
/// (getrlimit(2)); what is started after that inherits it.
pub fn room_for_connections() -> usize {
    static ROOM: OnceLock<usize> = OnceLock::new();
    *ROOM.get_or_init(|| {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { before.maximum } else { before.current };
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        limit.saturating_sub(RESERVED)
    })
}

/// `wanted` connections, or as many as there is room for in this process and in a server started from it; then standard error
/// says so.
pub fn scaled(wanted: usize) -> usize {
    // A server keeps a third of its descriptors for files.
    let room = room_for_connections() / 3 * 2;
    if wanted > room {
        // Not by eprintln!, which the test runner keeps to itself when a test passes.
        let _ =
            writeln!(std::io::stderr(), "scaled down: {room} connections instead of {wanted}, for want of descriptors");
    }
    wanted.min(room)
}

/// Room for connections that a test has to itself; dropping it gives it back.
#[derive(Debug)]
pub struct Room(usize);

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

impl Room {
    /// For so many connections, or for all there is room for if that is less. Waits until other tests of this process leave it.
    pub fn for_connections(wanted: usize) -> Self {
        let all = room_for_connections();
        let wanted = wanted.min(all);
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_too_much = |taken: &mut usize| *taken + wanted > all;
        *GIVEN_BACK.wait_while(taken, is_too_much).unwrap_or_else(PoisonError::into_inner) += wanted;
        Self(wanted)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}
