//! A slow-down on order, for whoever wants to know whether a comparison of two builds would find one. It is in no build that
//! does not ask for the feature `burn`.

use std::hint;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static EACH_ANSWER: OnceLock<Duration> = OnceLock::new();

/// From now on every answer costs so much CPU time more. Only the first call has an effect.
pub(crate) fn set(each_answer: Duration) {
    let _ = EACH_ANSWER.set(each_answer);
}

/// Burns what an answer is to cost more.
pub(crate) fn burn() {
    let Some(time) = EACH_ANSWER.get().filter(|time| !time.is_zero()) else { return };
    let begin = Instant::now();
    while begin.elapsed() < *time {
        hint::spin_loop();
    }
}
