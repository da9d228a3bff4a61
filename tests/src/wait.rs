//! Waiting for something instead of sleeping and hoping.

use std::time::{Duration, Instant};

/// How long anything that should happen at once may take before a test gives up. Generous, because the machine may be
/// busy with a build; no test passes by waiting for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Whether `condition` comes true within `limit`. It is asked every few milliseconds and once more at the end.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    condition()
}

/// Waits up to [`PATIENCE`] until `condition` holds; panics with `what` when it does not.
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(eventually(PATIENCE, condition), "waited {PATIENCE:?} in vain until {what}");
}
