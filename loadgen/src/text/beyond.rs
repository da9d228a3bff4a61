//! What wrk leaves out.

use super::generator::generator;
use super::lines::{Lines, duration, percentiles};
use crate::validity::{Caveat, caveats, complaints};
use crate::{Histogram, Offered, Outcome};

/// A short account of what wrk's figures do not show, and whether they may be believed. None of its lines can be
/// mistaken for one of wrk's.
#[must_use]
pub fn beyond(outcome: &Outcome) -> String {
    let mut lines = Lines::new("Not in wrk's figures:");
    if outcome.stopped_early {
        lines.say("stopped early", format!("after {}", duration(outcome.elapsed_ns)));
    }
    times(&mut lines, outcome);
    if let Some(offered) = outcome.plan.load.offered() {
        schedule(&mut lines, outcome, offered);
    }
    if outcome.plan.depends_on_seed() && outcome.generators == 1 {
        lines.say("seed", format!("{} (--seed repeats the arrivals and paths)", outcome.plan.seed));
    }
    connections(&mut lines, outcome);
    unanswered(&mut lines, outcome);
    answers(&mut lines, outcome);
    generator(&mut lines, outcome);
    verdict(&mut lines, outcome);
    lines.into_text()
}

/// How long responses took.
fn times(lines: &mut Lines, outcome: &Outcome) {
    let percents = [50.0, 90.0, 99.0, 99.9];
    // wrk's own block corrects the latency of a closed loop; that of an open loop needs no correction.
    let (name, label) = if outcome.plan.load.offered().is_some() {
        ("latency", "open loop, from when each request was due: what a user waits")
    } else {
        ("uncorrected", "closed loop: mostly connections / throughput")
    };
    if let Some(latency) = percentiles(&outcome.latency_with_timeouts(), &percents) {
        let given_up = match outcome.timed_out.count() {
            0 => String::new(),
            count => format!("; the {count} given up as if answered then"),
        };
        lines.say(name, format!("{latency} ({label}{given_up})"));
    }
    if let Some(service) = percentiles(&outcome.service, &percents) {
        lines.say(
            "service",
            format!("{service} (of those answered, from when each request was sent: without its wait before)"),
        );
    }
}

/// What an open loop offered, and how well it kept to it.
fn schedule(lines: &mut Lines, outcome: &Outcome, offered: &Offered) {
    let asked = match offered.final_rate {
        Some(last) => format!("{:.1} to {last:.1}", offered.rate),
        None => format!("{:.1}", offered.rate),
    };
    let seconds = outcome.elapsed_ns as f64 / 1e9;
    let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let mut text = format!(
        "{asked} req/s asked for, {:.1} sent, {:.1} answered",
        per_second(outcome.requests),
        per_second(outcome.responses)
    );
    if let Some(oldest) = outcome.unsent.maximum() {
        let unsent = outcome.unsent.count();
        text += &format!("; {unsent} still unsent at the end, the oldest due for {}", duration(oldest));
    }
    lines.say("offered", text);
    if let Some(lag) = percentiles(&outcome.lag, &[50.0, 99.0]) {
        lines.say("schedule lag", format!("{lag} (sent so much later than it could have been)"));
    }
}

/// How the connections fared.
fn connections(lines: &mut Lines, outcome: &Outcome) {
    if let Some(connect) = percentiles(&outcome.connect, &[50.0, 99.0]) {
        lines.say("connect", format!("{connect} ({} TCP connections)", outcome.connect.count()));
    }
    if let Some(first) = spread(&outcome.first_response) {
        lines.say("first response", format!("{first} of a connection (min / median / max)"));
    }
    let connections = &outcome.connections;
    lines.say(
        "fairness",
        format!(
            "{} / {} / {} responses per connection (min / median / max), Jain {:.3}",
            connections.minimum, connections.median, connections.maximum, connections.jain
        ),
    );
    lines.say("never served", format!("{} of {} connections", connections.never_served, connections.responses.len()));
    if let Some(each) = connections.responses_per_connection() {
        let (opened, closed) = (connections.opened, connections.closed_by_server);
        lines.say(
            "reuse",
            format!("{each:.1} responses per TCP connection: {opened} used, {closed} ended by the server"),
        );
    }
    if let Some(idle) = &outcome.idle_connections {
        let not_opened = idle.planned.saturating_sub(idle.opened);
        let (held, planned, ended) = (idle.held(), idle.planned, idle.ended_by_server);
        lines.say(
            "idle",
            format!("{held} of {planned} connections held, {not_opened} not opened, {ended} ended by the server"),
        );
    }
}

/// Requests without a response.
fn unanswered(lines: &mut Lines, outcome: &Outcome) {
    let ages = &outcome.in_flight;
    match (ages.percentile(50.0), ages.maximum()) {
        (Some(median), Some(oldest)) => {
            let (median, oldest) = (duration(median), duration(oldest));
            let count = ages.count();
            lines.say(
                "at the end",
                format!("{count} requests unanswered, the median for {median}, the oldest for {oldest}"),
            );
        }
        _ => lines.say("at the end", "no request was unanswered"),
    }
    if outcome.timed_out.count() > 0 {
        let limit = outcome.plan.timeout_ms;
        lines.say("given up", format!("{} requests without a response after {limit} ms", outcome.timed_out.count()));
    }
    if outcome.errors.total() > 0 {
        let kinds: Vec<_> = outcome.errors.kinds().iter().map(|(count, kind)| format!("{count} {kind}")).collect();
        lines.say("errors", kinds.join(", "));
    }
}

/// What was wrong with the responses.
fn answers(lines: &mut Lines, outcome: &Outcome) {
    let expect = &outcome.plan.expect;
    let is_worth_a_word = |status: &u16| *status >= 400 || !expect.allows_status(*status);
    if outcome.statuses.keys().any(is_worth_a_word) {
        let statuses: Vec<_> = outcome.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        lines.say("statuses", statuses.join(", "));
    }
    let unexpected = &outcome.unexpected;
    if unexpected.responses > 0 {
        let other_type = match unexpected.content_type {
            0 => String::new(),
            count => format!("{count} with another type, "),
        };
        lines.say(
            "unexpected",
            format!(
                "{} of {} responses ({} with another status, {} with another length, {}{} with other bytes)",
                unexpected.responses,
                outcome.responses,
                unexpected.status,
                unexpected.length,
                other_type,
                unexpected.body
            ),
        );
    }
    if expect.body.is_some() {
        lines.say("bodies", format!("{} of {} compared", unexpected.bodies_compared, outcome.responses));
    }
    if let Some(difference) = &unexpected.first_difference {
        lines.say(
            "difference",
            format!(
                "first in {} at offset {}: {:02x} instead of {:02x}",
                difference.path, difference.offset, difference.found, difference.expected
            ),
        );
    }
}

/// Whether all this may be believed.
fn verdict(lines: &mut Lines, outcome: &Outcome) {
    let complaints = complaints(outcome);
    if complaints.is_empty() {
        lines.say("valid", "yes");
    }
    complaints.iter().for_each(|complaint| lines.say("NOT VALID", complaint));
    // That of the closed loop stands behind the latency itself.
    let notes = caveats(outcome).into_iter().filter(|caveat| *caveat != Caveat::ClosedLoop);
    notes.for_each(|note| lines.say("NOTE", &note));
}

/// The shortest, the median and the longest; `None` when there are none.
fn spread(durations: &Histogram) -> Option<String> {
    let (shortest, median) = (durations.minimum()?, durations.percentile(50.0)?);
    Some(format!("{} / {} / {}", duration(shortest), duration(median), duration(durations.maximum()?)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        Ceiling, Connections, Difference, Errors, ExpectedBody, IdleConnections, Load, Plan, Shape, ThreadRecord,
        Unexpected, Window,
    };

    /// The outcome of a second with one thread, one connection and these latencies in nanoseconds.
    pub(in crate::text) fn outcome(latencies: &[u64]) -> Outcome {
        let responses = latencies.len() as u64;
        let mut plan = Plan::new("http://127.0.0.1/");
        (plan.connections, plan.threads) = (1, 1);
        Outcome {
            elapsed_ns: 1_000_000_000,
            requests: responses,
            responses,
            latency: of(latencies),
            connections: Connections::new(1, 0, vec![responses]),
            threads: vec![ThreadRecord { wall_ns: 1_000_000_000, responses, ..ThreadRecord::default() }],
            ..Outcome::new(plan, "127.0.0.1:80".into())
        }
    }

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        durations.iter().for_each(|&nanoseconds| histogram.record(nanoseconds));
        histogram
    }

    #[track_caller]
    fn assert_lines(outcome: &Outcome, lines: &[&str]) {
        let text = beyond(outcome);
        for line in lines {
            assert!(text.contains(&format!("\n{line}\n")), "{line}{text}");
        }
    }

    #[test]
    fn a_good_run_is_told_in_a_few_lines() {
        let mut good = outcome(&[10_000_000; 100]);
        good.threads[0].cpu_ns = 500_000;
        let expected = "
Not in wrk's figures:
  uncorrected     50% 10.00ms, 90% 10.00ms, 99% too few answers, 99.9% too few answers, max 10.00ms \
(closed loop: mostly connections / throughput)
  fairness        100 / 100 / 100 responses per connection (min / median / max), Jain 1.000
  never served    0 of 1 connections
  reuse           100.0 responses per TCP connection: 1 used, 0 ended by the server
  at the end      no request was unanswered
  generator       5.00us CPU per response, busiest thread 0% of the time on a CPU
  valid           yes
";
        assert_eq!(beyond(&good), expected);
    }

    #[test]
    fn an_open_loop_is_told_by_what_it_offered() {
        let mut open = outcome(&[2_000_000; 998]);
        open.plan.load = Load::Open(Offered::steady(1_000.0));
        (open.requests, open.service, open.unsent) = (999, of(&[1_000_000; 998]), of(&[20_000_000]));
        open.in_flight = of(&[1_000_000]);
        (open.lag, open.connect) = (of(&[10_000; 1_000]), of(&[50_000; 2]));
        open.first_response = of(&[1_000_000, 2_000_000, 4_000_000]);
        let expected = "
Not in wrk's figures:
  latency         50% 2.00ms, 90% 2.00ms, 99% too few answers, 99.9% too few answers, max 2.00ms \
(open loop, from when each request was due: what a user waits)
  service         50% 1.00ms, 90% 1.00ms, 99% too few answers, 99.9% too few answers, max 1.00ms \
(of those answered, from when each request was sent: without its wait before)
  offered         1000.0 req/s asked for, 999.0 sent, 998.0 answered; 1 still unsent at the end, the oldest due for 20.00ms
  schedule lag    50% 10.00us, 99% 10.00us, max 10.00us (sent so much later than it could have been)
  connect         50% too few answers, 99% too few answers, max 50.00us (2 TCP connections)
  first response  1.00ms / 2.00ms / 4.00ms of a connection (min / median / max)
  fairness        998 / 998 / 998 responses per connection (min / median / max), Jain 1.000
  never served    0 of 1 connections
  reuse           998.0 responses per TCP connection: 1 used, 0 ended by the server
  at the end      1 requests unanswered, the median for 1.00ms, the oldest for 1.00ms
  generator       0.00us CPU per response, busiest thread 0% of the time on a CPU
  valid           yes
";
        assert_eq!(beyond(&open), expected);
        assert!(!beyond(&open).contains("uncorrected"));
        open.plan.load = Load::Open(Offered { final_rate: Some(3_000.0), ..Offered::steady(1_000.0) });
        open.unsent.clear();
        assert_lines(&open, &["  offered         1000.0 to 3000.0 req/s asked for, 999.0 sent, 998.0 answered"]);
        assert!(!beyond(&open).contains("seed"), "evenly spaced requests depend on none");
        (open.plan.start_at_ms, open.plan.seed) = (Some(0), 17);
        assert_lines(&open, &["  seed            17 (--seed repeats the arrivals and paths)"]);
    }

    #[test]
    fn everything_that_went_wrong_is_named() {
        let mut bad = outcome(&[1_000_000]);
        bad.stopped_early = true;
        bad.in_flight = of(&[1_000_000, 2_000_000, 3_000_000_000]);
        bad.timed_out.record(2_000_000_000);
        bad.errors = Errors { refused: 1, malformed: 2, timed_out: 1, ..Errors::default() };
        bad.statuses = [(200, 4), (404, 5)].into();
        let difference = Difference { path: "/a".into(), offset: 7, expected: 0x0a, found: b'x' };
        bad.unexpected = Unexpected {
            responses: 5,
            status: 5,
            length: 1,
            content_type: 0,
            body: 2,
            bodies_compared: 4,
            first_difference: Some(difference),
        };
        bad.plan.expect.body = Some(ExpectedBody::LikeFirst);
        bad.connections = Connections::new(3, 1, vec![0, 0, 1]);
        bad.idle_connections = Some(IdleConnections { planned: 10, opened: 8, ended_by_server: 1 });
        assert_lines(
            &bad,
            &[
                "  stopped early   after 1.00s",
                "  uncorrected     50% too few answers, 90% too few answers, 99% too few answers, \
                 99.9% too few answers, max 2.00s \
                 (closed loop: mostly connections / throughput; the 1 given up as if answered then)",
                "  never served    2 of 3 connections",
                "  idle            7 of 10 connections held, 2 not opened, 1 ended by the server",
                "  at the end      3 requests unanswered, the median for 2.00ms, the oldest for 3.00s",
                "  given up        1 requests without a response after 2000 ms",
                "  errors          1 refused, 2 malformed, 1 timed out",
                "  statuses        4 x 200, 5 x 404",
                "  unexpected      5 of 1 responses (5 with another status, 1 with another length, 2 with other bytes)",
                "  bodies          4 of 1 compared",
                "  difference      first in /a at offset 7: 78 instead of 0a",
                "  NOT VALID       0 responses were cut off and 2 not HTTP: the server breaks its responses under \
                 load; look at what it says on standard error.",
                "  NOTE            The run was stopped before its time: 1 s of 10 s were measured.",
            ],
        );
        assert!(!beyond(&bad).contains("  valid  "));
    }

    #[test]
    fn the_machine_and_the_generator_are_told_of() {
        let mut run = outcome(&[10_000_000; 100]);
        (run.generators, run.peak_resident_bytes) = (2, Some(12 << 20));
        let thread = ThreadRecord { wall_ns: 1_000, cpu_ns: 600, waited_ns: 390, ..ThreadRecord::default() };
        run.threads = vec![thread.clone(), ThreadRecord { cpu_ns: 250, waited_ns: 0, cpu: Some(1), ..thread }];
        let steal = |ns| Window { length_ns: 500, steal_ns: Some([(1, ns)].into()), ..Window::default() };
        run.windows = vec![steal(100), steal(0)];
        let shape = Shape::of(&run.plan);
        run.ceiling = Some(Ceiling { responses_per_second: 400.0, cpu_ns_per_response: 1.0, shape });
        assert_lines(
            &run,
            &[
                "  generator       0.01us CPU per response, busiest thread 60% of the time on a CPU, \
                 12.00MB of memory at most",
                "  threads         60%, 25% on CPU 1",
                "  disturbed       up to 39% of the time a thread waited while others had its CPU",
                "  ceiling         25% of this machine's ceiling of 400 req/s",
                "  steal           5.0% of this machine's CPU time, more than 5% in 1 of 2 windows",
                "  generators      2 at the same time, added up",
            ],
        );
        assert!(beyond(&run).contains("\n  NOTE            The generator was the limit, its busiest thread ran 60 %"));
    }

    #[test]
    fn nothing_at_all_is_told_without_a_figure_that_does_not_exist() {
        let text = beyond(&outcome(&[]));
        assert!(text.contains("  never served    1 of 1 connections\n"), "{text}");
        assert!(text.contains("  NOT VALID       Not one response came in 1 s: "), "{text}");
        assert!(!text.contains("uncorrected") && !text.contains("NaN") && !text.contains("generator"), "{text}");
    }
}
