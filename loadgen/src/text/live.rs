//! What is shown while a run goes on.

use std::fmt::Write as _;

use super::units::{metric, microseconds};
use crate::{Histogram, Phase, Progress};

/// The one line that is redrawn while a run goes on. `recent` are the latencies of the last second, if they are known.
#[must_use]
pub fn live_line(progress: &Progress, recent: Option<&Histogram>) -> String {
    let elapsed = progress.elapsed.as_secs_f64();
    let rate = if elapsed > 0.0 { progress.responses as f64 / elapsed } else { 0.0 };
    let phase = match progress.phase {
        Phase::WarmUp => "warming up",
        Phase::Measure => "measuring",
    };
    let mut line = format!("  {phase}: ");
    // Writing to a string does not fail.
    let _ = match progress.requests.filter(|_| progress.phase == Phase::Measure) {
        Some(requests) => write!(line, "{} of {requests} requests", progress.finished),
        None => write!(line, "{elapsed:.1} of {:.1} s", progress.planned.as_secs_f64()),
    };
    let _ = write!(line, ", {} req/s", metric(rate));
    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
        if let Some(nanoseconds) = recent.and_then(|recent| recent.shown_percentile(percent)) {
            let _ = write!(line, ", {name} {}", microseconds(nanoseconds as f64 / 1000.0));
        }
    }
    if progress.errors > 0 {
        let _ = write!(line, ", {} errors", progress.errors);
    }
    if let Some(left) = seconds_left(progress) {
        let _ = write!(line, ", {left:.0} s left");
    }
    line
}

/// How long the measuring goes on; where it ends with its requests, at the rate that they had so far.
fn seconds_left(progress: &Progress) -> Option<f64> {
    let elapsed = progress.elapsed.as_secs_f64();
    let by_time = (progress.planned.as_secs_f64() - elapsed).max(0.0);
    match progress.requests {
        _ if progress.phase == Phase::WarmUp => None,
        None => Some(by_time),
        Some(_) if progress.finished == 0 => None,
        Some(requests) => {
            let left = requests.saturating_sub(progress.finished) as f64;
            Some((left / progress.finished as f64 * elapsed).min(by_time))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn progress() -> Progress {
        Progress {
            phase: Phase::Measure,
            elapsed: Duration::from_millis(2000),
            planned: Duration::from_secs(30),
            requests: None,
            finished: 246_000,
            responses: 246_000,
            errors: 0,
            opened: 100,
        }
    }

    #[test]
    fn a_run_that_ends_with_its_time() {
        let mut progress = progress();
        assert_eq!(live_line(&progress, None), "  measuring: 2.0 of 30.0 s, 123.00k req/s, 28 s left");
        (progress.errors, progress.elapsed, progress.phase) = (3, Duration::ZERO, Phase::WarmUp);
        assert_eq!(live_line(&progress, None), "  warming up: 0.0 of 30.0 s, 0.00 req/s, 3 errors");
    }

    #[test]
    fn a_run_that_ends_with_its_requests() {
        let mut progress = progress();
        progress.requests = Some(1_000_000);
        let line = "  measuring: 246000 of 1000000 requests, 123.00k req/s, 6 s left";
        assert_eq!(live_line(&progress, None), line);
        progress.finished = 0;
        assert!(!live_line(&progress, None).contains("left"));
    }

    #[test]
    fn latencies_are_those_of_the_last_second() {
        let mut recent = Histogram::new();
        (1..=100).for_each(|ms| recent.record(ms * 1_000_000));
        let line = live_line(&progress(), Some(&recent));
        // The p99 of 100 is hardly more than their maximum.
        assert!(line.contains(" req/s, p50 50.0") && !line.contains("p99"), "{line}");
        (0..9).for_each(|_| (1..=100).for_each(|ms| recent.record(ms * 1_000_000)));
        let line = live_line(&progress(), Some(&recent));
        assert!(line.contains(" req/s, p50 50.0") && line.contains(", p99 99.0"), "{line}");
        assert!(!live_line(&progress(), Some(&Histogram::new())).contains("p50"));
    }
}
