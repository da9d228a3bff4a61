//! How many descriptors the process may have open (`RLIMIT_NOFILE`, getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to what is allowed.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this is refused, the limit stays what it was, and the bound on connections follows from that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The limit now in force.
pub(crate) fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX / 2)
}
