//! How many sockets a test may have open, and what to do when that is too few.

use std::io::Write;
use std::sync::OnceLock;

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
        // A server started from here has the same limit, and keeps descriptors for itself.
        limit.saturating_sub(RESERVED)
    })
}

/// `wanted` connections, or as many as there is room for; then standard error says so.
pub fn scaled(wanted: usize) -> usize {
    let room = room_for_connections();
    if wanted > room {
        // Not by eprintln!, which the test runner keeps to itself when a test passes.
        let _ =
            writeln!(std::io::stderr(), "scaled down: {room} connections instead of {wanted}, for want of descriptors");
    }
    wanted.min(room)
}
