//! The text that wrk 4 prints, to the letter.

use std::fmt::Write as _;

use super::statistics::Statistics;
use super::units::{binary, column, metric, microseconds, seconds};
use crate::{Outcome, Plan};

/// The two lines that are printed when a run begins.
#[must_use]
pub fn headline(plan: &Plan) -> String {
    let test = match (plan.requests, plan.duration_ms) {
        // wrk ends with its time alone.
        (Some(requests), _) => format!("{requests} requests"),
        // wrk knows whole seconds only.
        (None, ms) if ms.is_multiple_of(1000) => format!("{} test", seconds((ms / 1000) as f64)),
        (None, ms) => format!("{ms}ms test"),
    };
    let Plan { url, threads, connections, .. } = plan;
    format!("Running {test} @ {url}\n  {threads} threads and {connections} connections\n")
}

/// The lines that are printed when a run has ended, with the percentiles of the latency if `distribution` is set.
///
/// The latency is what wrk makes of it, which "corrects" it for requests that a closed loop did not send. That of an
/// open loop, where nothing is left unsent, stays as it is.
#[must_use]
pub fn summary(outcome: &Outcome, distribution: bool) -> String {
    let runtime_us = outcome.elapsed_ns / 1000;
    let mut latency = Statistics::of_microseconds(&outcome.latency);
    let per_connection = outcome.responses / outcome.plan.connections.max(1) as u64;
    if let (None, Some(expected)) = (outcome.plan.load.offered(), runtime_us.checked_div(per_connection)) {
        latency.correct(expected);
    }
    let rates = outcome.threads.iter().flat_map(|thread| thread.rates.iter().copied()).collect();

    let mut text = String::new();
    line(&mut text, format_args!("  Thread Stats{:>6}{:>11}{:>8}{:>12}", "Avg", "Stdev", "Max", "+/- Stdev"));
    row(&mut text, "Latency", &latency, microseconds);
    row(&mut text, "Req/Sec", &rates, metric);
    if distribution {
        line(&mut text, format_args!("  Latency Distribution"));
        for percent in [50.0, 75.0, 90.0, 99.0] {
            let value = column(&microseconds(latency.percentile(percent) as f64), 10);
            line(&mut text, format_args!("{percent:7.0}%{value}"));
        }
    }
    let (responses, read) = (outcome.responses, binary(outcome.bytes_read as f64));
    line(&mut text, format_args!("  {responses} requests in {}, {read}B read", microseconds(runtime_us as f64)));
    let errors = &outcome.errors;
    let (connect, read, write, timeout) = (errors.connect(), errors.read(), errors.write, errors.timed_out);
    if connect + read + write + timeout > 0 {
        line(
            &mut text,
            format_args!("  Socket errors: connect {connect}, read {read}, write {write}, timeout {timeout}"),
        );
    }
    if outcome.error_statuses() > 0 {
        line(&mut text, format_args!("  Non-2xx or 3xx responses: {}", outcome.error_statuses()));
    }
    line(&mut text, format_args!("Requests/sec: {:9.2}", per_second(outcome.responses, runtime_us)));
    let transfer = binary(per_second(outcome.bytes_read, runtime_us));
    line(&mut text, format_args!("Transfer/sec: {transfer:>10}B"));
    text
}

fn row(text: &mut String, name: &str, statistics: &Statistics, unit: fn(f64) -> String) {
    let average = column(&unit(statistics.mean()), 8);
    let deviation = column(&unit(statistics.deviation()), 10);
    let maximum = column(&unit(statistics.maximum() as f64), 9);
    // C's division of nothing by nothing, as it comes out on the machines that wrk runs on.
    let within = statistics.within_deviation().map_or("-nan".to_owned(), |share| format!("{share:.2}"));
    line(text, format_args!("    {name:<10}{average}{deviation}{maximum}{within:>8}%"));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{arguments}");
}

fn per_second(count: u64, microseconds: u64) -> f64 {
    if microseconds == 0 { 0.0 } else { count as f64 * 1e6 / microseconds as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::beyond::tests::outcome;
    use super::*;
    use crate::{Load, Offered};

    #[test]
    fn the_headline() {
        let mut plan = Plan::new("http://127.0.0.1:8080");
        assert_eq!(headline(&plan), "Running 10s test @ http://127.0.0.1:8080\n  2 threads and 10 connections\n");
        plan.duration_ms = 120_000;
        assert!(headline(&plan).starts_with("Running 2m test @ "));
        plan.duration_ms = 1500;
        assert!(headline(&plan).starts_with("Running 1500ms test @ "));
        plan.requests = Some(500);
        assert!(headline(&plan).starts_with("Running 500 requests @ "));
    }

    #[test]
    fn an_empty_result_reads_as_wrks() {
        let mut outcome = outcome(&[]);
        outcome.elapsed_ns = 1_100_000_000;
        let expected = "  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00      -nan%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  0 requests in 1.10s, 0.00B read
Requests/sec:      0.00
Transfer/sec:       0.00B
";
        assert_eq!(summary(&outcome, true), expected);
    }

    #[test]
    fn one_response() {
        let mut outcome = outcome(&[1_234_000]);
        outcome.bytes_read = 800;
        outcome.threads[0].rates = vec![9];
        let expected = "  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.23ms    0.00us   1.23ms  100.00%
    Req/Sec     9.00      0.00     9.00    100.00%
  1 requests in 1.00s, 800.00B read
Requests/sec:      1.00
Transfer/sec:     800.00B
";
        assert_eq!(summary(&outcome, false), expected);
    }

    #[test]
    fn only_a_closed_loop_is_corrected() {
        // Each of ten requests was to take 100 ms, and one took ten times as long.
        let mut outcome = outcome(&[&[10_000_000; 9][..], &[1_000_000_000]].concat());
        assert!(summary(&outcome, true).contains("\n     50%  200.00ms\n"), "{}", summary(&outcome, true));
        outcome.plan.load = Load::Open(Offered::steady(10.0));
        assert!(summary(&outcome, true).contains("\n     50%   10.00ms\n"), "{}", summary(&outcome, true));
    }

    #[test]
    fn a_full_one_with_every_line() {
        // The third latency's bucket stands for 899 us.
        let mut outcome = outcome(&[500_000, 700_000, 900_000]);
        outcome.plan.connections = 3;
        outcome.elapsed_ns = 10_050_000_000;
        outcome.bytes_read = 5 * 1024 * 1024 * 1024;
        outcome.statuses = [(200, 1), (399, 1), (400, 1)].into();
        outcome.errors.refused = 1;
        outcome.errors.reset = 2;
        outcome.errors.truncated = 3;
        outcome.errors.write = 4;
        outcome.errors.timed_out = 5;
        outcome.threads[0].rates = vec![56_000, 58_000];
        let expected = "  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   699.67us  199.50us   0.90ms   66.67%
    Req/Sec    57.00k     1.41k   58.00k   100.00%
  Latency Distribution
     50%  700.00us
     75%    0.90ms
     90%    0.90ms
     99%    0.90ms
  3 requests in 10.05s, 5.00GB read
  Socket errors: connect 1, read 5, write 4, timeout 5
  Non-2xx or 3xx responses: 1
Requests/sec:      0.30
Transfer/sec:    509.45MB
";
        assert_eq!(summary(&outcome, true), expected);
    }
}
