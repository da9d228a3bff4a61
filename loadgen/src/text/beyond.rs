//! What wrk leaves out.

use std::fmt::Write as _;

use super::units::{metric, microseconds};
use crate::{Histogram, Outcome};

/// From this share of its time on, in per cent, it is worth a word that a thread waited for a CPU.
const CROWDED: f64 = 5.0;

/// A short account of what wrk's figures do not show. None of its lines can be mistaken for one of wrk's.
#[must_use]
pub fn beyond(outcome: &Outcome) -> String {
    let mut text = String::from("\nNot in wrk's figures:\n");
    let mut say = |label: &str, what: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {label:<16}{what}");
    };
    if outcome.stopped_early {
        say("stopped early", format!("after {}", duration(outcome.elapsed_ns)));
    }
    if let Some(latency) = percentiles(&outcome.latency) {
        say("uncorrected", format!("{latency} (closed loop: mostly connections / throughput)"));
    }
    let connections = &outcome.connections;
    say(
        "fairness",
        format!(
            "{} / {} / {} responses per connection (min / median / max), Jain {:.3}",
            connections.minimum, connections.median, connections.maximum, connections.jain
        ),
    );
    say("never served", format!("{} of {} connections", connections.never_served, connections.responses.len()));
    if let Some(each) = connections.responses_per_connection() {
        let (opened, closed) = (connections.opened, connections.closed_by_server);
        say("reuse", format!("{each:.1} responses per TCP connection: {opened} used, {closed} ended by the server"));
    }
    say("at the end", unanswered(&outcome.in_flight));
    if outcome.timed_out.count() > 0 {
        let limit = outcome.plan.timeout_ms;
        say("given up", format!("{} requests without a response after {limit} ms", outcome.timed_out.count()));
    }
    if outcome.errors.total() > 0 {
        say("errors", errors(outcome));
    }
    if outcome.error_statuses() > 0 {
        let statuses: Vec<_> = outcome.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        say("statuses", statuses.join(", "));
    }
    if outcome.unexpected.responses > 0 {
        let unexpected = &outcome.unexpected;
        say(
            "unexpected",
            format!(
                "{} of {} responses ({} with another status, {} with another length)",
                unexpected.responses, outcome.responses, unexpected.status, unexpected.length
            ),
        );
    }
    if let Some(each) = outcome.cpu_ns_per_response() {
        let busy = outcome.busiest_thread() * 100.0;
        say(
            "generator",
            format!("{} CPU per response, busiest thread {busy:.0}% of its CPU time", duration(each as u64)),
        );
    }
    let waited = outcome.threads.iter().map(|thread| share(thread.waited_ns, thread.wall_ns)).fold(0.0, f64::max);
    if waited >= CROWDED {
        say("disturbed", format!("up to {waited:.0}% of the time a thread waited while others had its CPU"));
    }
    if outcome.generator_was_the_limit() {
        say("NOTE", "the generator was the limit: the server can do at least this much, maybe more".into());
    }
    text
}

/// Per cent.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

fn percentiles(histogram: &Histogram) -> Option<String> {
    let mut parts = Vec::new();
    for percent in [50.0, 90.0, 99.0, 99.9] {
        parts.push(format!("{percent}% {}", duration(histogram.percentile(percent)?)));
    }
    parts.push(format!("max {}", duration(histogram.maximum()?)));
    Some(parts.join(", "))
}

fn unanswered(ages: &Histogram) -> String {
    match ages.maximum() {
        None => "no request was unanswered".to_owned(),
        Some(oldest) => format!("{} requests unanswered, the oldest for {}", ages.count(), duration(oldest)),
    }
}

fn errors(outcome: &Outcome) -> String {
    let errors = &outcome.errors;
    let kinds = [
        (errors.refused, "refused"),
        (errors.connect_timed_out, "not connected in time"),
        (errors.connect_other, "not connected for another reason"),
        (errors.write, "not written"),
        (errors.reset, "reset"),
        (errors.closed_early, "closed before the response"),
        (errors.truncated, "cut off in the response"),
        (errors.malformed, "malformed"),
        (errors.read_other, "not read for another reason"),
        (errors.timed_out, "timed out"),
    ];
    let seen: Vec<_> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
    seen.join(", ")
}

fn duration(nanoseconds: u64) -> String {
    microseconds(nanoseconds as f64 / 1000.0)
}

/// The one line that is redrawn while a run goes on.
#[must_use]
pub fn live_line(progress: &crate::Progress) -> String {
    let rate = match progress.elapsed.as_secs_f64() {
        0.0 => 0.0,
        seconds => progress.responses as f64 / seconds,
    };
    let phase = match progress.phase {
        crate::Phase::WarmUp => "warming up",
        crate::Phase::Measure => "measuring",
    };
    let mut line = format!(
        "  {phase}: {:.1} of {:.1} s, {} req/s",
        progress.elapsed.as_secs_f64(),
        progress.planned.as_secs_f64(),
        metric(rate)
    );
    if progress.errors > 0 {
        let _ = write!(line, ", {} errors", progress.errors);
    }
    line
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::{Connections, Errors, FORMAT, Phase, Plan, Progress, ThreadRecord, Unexpected};

    /// The outcome of a second with one thread, one connection and these latencies in nanoseconds.
    pub(in crate::text) fn outcome(latencies: &[u64]) -> Outcome {
        let mut latency = Histogram::new();
        latencies.iter().for_each(|&nanoseconds| latency.record(nanoseconds));
        let responses = latencies.len() as u64;
        let mut plan = Plan::new("http://127.0.0.1/");
        (plan.connections, plan.threads) = (1, 1);
        Outcome {
            format: FORMAT,
            plan,
            address: "127.0.0.1:80".into(),
            started_at_ms: 0,
            elapsed_ns: 1_000_000_000,
            stopped_early: false,
            requests: responses,
            responses,
            bytes_read: 0,
            statuses: BTreeMap::new(),
            unexpected: Unexpected::default(),
            errors: Errors::default(),
            latency,
            timed_out: Histogram::new(),
            in_flight: Histogram::new(),
            connections: Connections::new(1, 0, vec![responses]),
            threads: vec![ThreadRecord { wall_ns: 1_000_000_000, responses, ..ThreadRecord::default() }],
            windows: Vec::new(),
        }
    }

    #[test]
    fn a_good_run_is_told_in_a_few_lines() {
        let mut good = outcome(&[1_000_000; 100]);
        good.threads[0].cpu_ns = 500_000;
        let expected = "
Not in wrk's figures:
  uncorrected     50% 1.00ms, 90% 1.00ms, 99% 1.00ms, 99.9% 1.00ms, max 1.00ms (closed loop: mostly connections / throughput)
  fairness        100 / 100 / 100 responses per connection (min / median / max), Jain 1.000
  never served    0 of 1 connections
  reuse           100.0 responses per TCP connection: 1 used, 0 ended by the server
  at the end      no request was unanswered
  generator       5.00us CPU per response, busiest thread 0% of its CPU time
";
        assert_eq!(beyond(&good), expected);
    }

    #[test]
    fn everything_that_went_wrong_is_named() {
        let mut bad = outcome(&[1_000_000]);
        bad.stopped_early = true;
        bad.in_flight.record(3_000_000_000);
        bad.timed_out.record(2_000_000_000);
        bad.errors = Errors { refused: 1, malformed: 2, timed_out: 1, ..Errors::default() };
        bad.statuses = [(200, 4), (404, 5)].into();
        bad.unexpected = Unexpected { responses: 5, status: 5, length: 1 };
        bad.connections = Connections::new(3, 1, vec![0, 0, 1]);
        (bad.threads[0].cpu_ns, bad.threads[0].waited_ns) = (600_000_000, 390_000_000);
        let text = beyond(&bad);
        for line in [
            "  stopped early   after 1.00s\n",
            "  never served    2 of 3 connections\n",
            "  at the end      1 requests unanswered, the oldest for 3.00s\n",
            "  given up        1 requests without a response after 2000 ms\n",
            "  errors          1 refused, 2 malformed, 1 timed out\n",
            "  statuses        4 x 200, 5 x 404\n",
            "  unexpected      5 of 1 responses (5 with another status, 1 with another length)\n",
            "  disturbed       up to 39% of the time a thread waited while others had its CPU\n",
            "  NOTE            the generator was the limit: the server can do at least this much, maybe more\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn nothing_at_all_is_told_without_a_figure_that_does_not_exist() {
        let text = beyond(&outcome(&[]));
        assert!(text.contains("  never served    1 of 1 connections\n"), "{text}");
        assert!(!text.contains("uncorrected") && !text.contains("NaN") && !text.contains("generator"), "{text}");
    }

    #[test]
    fn the_live_line() {
        let mut progress = Progress {
            phase: Phase::Measure,
            elapsed: Duration::from_millis(2000),
            planned: Duration::from_secs(30),
            responses: 246_000,
            errors: 0,
            opened: 100,
        };
        assert_eq!(live_line(&progress), "  measuring: 2.0 of 30.0 s, 123.00k req/s");
        (progress.errors, progress.elapsed, progress.phase) = (3, Duration::ZERO, Phase::WarmUp);
        assert_eq!(live_line(&progress), "  warming up: 0.0 of 30.0 s, 0.00 req/s, 3 errors");
    }
}
