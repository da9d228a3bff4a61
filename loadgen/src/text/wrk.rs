//! The text that wrk 4 prints on x86-64, to the letter.

use std::fmt::Write as _;

use super::statistics::Statistics;
use super::units::{Extended, binary, column, metric, microseconds, seconds};
use crate::{Outcome, Plan};

/// wrk leaves out samples of the rate of a thread that are above this.
const HIGHEST_RATE: u64 = 10_000_000;

/// The two lines that are printed when a run begins.
#[must_use]
pub fn headline(plan: &Plan) -> String {
    let test = match (plan.requests, plan.duration_ms) {
        // wrk ends with its time alone.
        (Some(requests), _) => format!("{requests} requests"),
        // wrk knows whole seconds only.
        (None, ms) if ms.is_multiple_of(1000) => format!("{} test", seconds(ms / 1000)),
        (None, ms) => format!("{ms}ms test"),
    };
    let Plan { url, threads, connections, .. } = plan;
    format!("Running {test} @ {url}\n  {threads} threads and {connections} connections\n")
}

/// The lines that are printed when a run has ended, with the percentiles of the latency if `distribution` is set.
///
/// The latency is what wrk makes of it, which "corrects" it for requests that a closed loop did not send. Where
/// requests are pipelined, that leaves hardly anything of it, in wrk as here. The latency of an open loop, where
/// nothing is left unsent, stays as it is.
#[must_use]
pub fn summary(outcome: &Outcome, distribution: bool) -> String {
    let runtime_us = outcome.elapsed_ns / 1000;
    let mut latency = Statistics::of_microseconds(&outcome.latency);
    let per_connection = outcome.responses / outcome.plan.connections.max(1) as u64;
    if let (None, Some(expected)) = (outcome.plan.load.offered(), runtime_us.checked_div(per_connection)) {
        latency.correct(expected);
    }
    let rates = outcome.threads.iter().flat_map(|thread| thread.rates.iter().copied());
    let rates = rates.filter(|&rate| rate <= HIGHEST_RATE).collect();

    let mut text = String::new();
    line(&mut text, format_args!("  Thread Stats{:>6}{:>11}{:>8}{:>12}", "Avg", "Stdev", "Max", "+/- Stdev"));
    row(&mut text, "Latency", &latency, microseconds);
    row(&mut text, "Req/Sec", &rates, metric);
    if distribution {
        line(&mut text, format_args!("  Latency Distribution"));
        for percent in [50, 75, 90, 99] {
            let value = column(&microseconds(latency.percentile(percent)), 10);
            line(&mut text, format_args!("{percent:7}%{value}"));
        }
    }
    let (responses, read) = (outcome.responses, binary(outcome.bytes_read));
    line(&mut text, format_args!("  {responses} requests in {}, {read}B read", microseconds(runtime_us)));
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
    line(&mut text, format_args!("Requests/sec: {:>9}", per_second(outcome.responses, runtime_us).to_decimals(2)));
    let transfer = binary(per_second(outcome.bytes_read, runtime_us));
    line(&mut text, format_args!("Transfer/sec: {transfer:>10}B"));
    text
}

fn row(text: &mut String, name: &str, statistics: &Statistics, unit: fn(Extended) -> String) {
    let average = column(&unit(statistics.mean()), 8);
    let deviation = column(&unit(statistics.deviation()), 10);
    let maximum = column(&unit(statistics.maximum().into()), 9);
    // C's division of nothing by nothing, as it comes out on the machines that wrk runs on.
    let within = statistics.within_deviation().map_or("-nan".to_owned(), |share| share.to_decimals(2));
    line(text, format_args!("    {name:<10}{average}{deviation}{maximum}{within:>8}%"));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{arguments}");
}

fn per_second(count: u64, microseconds: u64) -> Extended {
    if microseconds == 0 {
        return Extended::ZERO;
    }
    // wrk keeps the seconds in a number that is not extended.
    let seconds = microseconds as f64 / 1e6;
    Extended::from(count) / seconds.into()
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

    /// What was counted, and what wrk makes of it.
    struct Golden {
        connections: usize,
        microseconds: u64,
        responses: u64,
        bytes: u64,
        /// In nanoseconds, each with how often it was seen.
        latencies: &'static [(u64, usize)],
        rates: &'static [u64],
        /// Without the first line, which is always the same.
        text: &'static str,
    }

    /// The texts were printed by wrk's own code, on x86-64, for what the histograms of these latencies hold.
    const GOLDEN: &[Golden] = &[
        // Nothing.
        Golden {
            connections: 10,
            microseconds: 1_100_000,
            responses: 0,
            bytes: 0,
            latencies: &[],
            rates: &[],
            text: "    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00      -nan%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  0 requests in 1.10s, 0.00B read
Requests/sec:      0.00
Transfer/sec:       0.00B
",
        },
        // One.
        Golden {
            connections: 1,
            microseconds: 1_000_000,
            responses: 1,
            bytes: 800,
            latencies: &[(1_234_000, 1)],
            rates: &[9],
            text: "    Latency     1.23ms    0.00us   1.23ms  100.00%
    Req/Sec     9.00      0.00     9.00    100.00%
  1 requests in 1.00s, 800.00B read
Requests/sec:      1.00
Transfer/sec:     800.00B
",
        },
        // One that lies halfway between two of two decimals, and rates around a step.
        Golden {
            connections: 1,
            microseconds: 1_000_000,
            responses: 1,
            bytes: 885,
            latencies: &[(885_000, 1)],
            rates: &[849, 850],
            text: "    Latency     0.88ms    0.00us   0.88ms  100.00%
    Req/Sec   849.50      0.71     0.85k   100.00%
  Latency Distribution
     50%    0.88ms
     75%    0.88ms
     90%    0.88ms
     99%    0.88ms
  1 requests in 1.00s, 0.86KB read
Requests/sec:      1.00
Transfer/sec:      0.86KB
",
        },
        // On both sides of a step.
        Golden {
            connections: 2,
            microseconds: 60_300_000,
            responses: 2,
            bytes: 1005,
            latencies: &[(849_000, 1), (850_000, 1)],
            rates: &[849_999, 850_000],
            text: "    Latency   849.50us    0.71us   0.85ms  100.00%
    Req/Sec   850.00k     0.71     0.85M   100.00%
  Latency Distribution
     50%    0.85ms
     75%    0.85ms
     90%    0.85ms
     99%    0.85ms
  2 requests in 1.00m, 0.98KB read
Requests/sec:      0.03
Transfer/sec:      16.67B
",
        },
        // Too wide for its column; the highest rate that wrk takes, and one that it does not.
        Golden {
            connections: 8,
            microseconds: 1_005_000,
            responses: 7,
            bytes: 870,
            latencies: &[(999_999_000, 7)],
            rates: &[10_000_000, 10_000_001],
            text: "    Latency   1000.00m    0.00us1000.00ms  100.00%
    Req/Sec    10.00M     0.00    10.00M   100.00%
  Latency Distribution
     50% 1000.00ms
     75% 1000.00ms
     90% 1000.00ms
     99% 1000.00ms
  7 requests in 1.00s, 870.00B read
Requests/sec:      6.97
Transfer/sec:     865.67B
",
        },
        // Seconds, uncorrected because not every connection got a response.
        Golden {
            connections: 1000,
            microseconds: 50_994_999,
            responses: 3,
            bytes: 871,
            latencies: &[(1_000_000_000, 1), (1_999_000_000, 2)],
            rates: &[0],
            text: "    Latency     1.67s   576.73ms   2.00s    66.67%
    Req/Sec     0.00      0.00     0.00    100.00%
  Latency Distribution
     50%    2.00s\x20
     75%    2.00s\x20
     90%    2.00s\x20
     99%    2.00s\x20
  3 requests in 50.99s, 0.85KB read
Requests/sec:      0.06
Transfer/sec:      17.08B
",
        },
        // Minutes.
        Golden {
            connections: 1000,
            microseconds: 51_000_000,
            responses: 2,
            bytes: 1_000_000_000_000_000,
            latencies: &[(50_999_000_000, 1), (51_000_000_000, 1)],
            rates: &[5],
            text: "    Latency    51.00s     0.00us   0.85m   100.00%
    Req/Sec     5.00      0.00     5.00    100.00%
  2 requests in 0.85m, 909.49TB read
Requests/sec:      0.04
Transfer/sec:     17.83TB
",
        },
        // Hours.
        Golden {
            connections: 10,
            microseconds: 7_200_000_000,
            responses: 2,
            bytes: 1 << 62,
            latencies: &[(3_600_000_000_000, 1), (3_660_300_000_000, 1)],
            rates: &[1005],
            text: "    Latency    60.50m    42.46s   61.01m   100.00%
    Req/Sec     1.00k     0.00     1.00k   100.00%
  2 requests in 120.00m, 4194304.00TB read
Requests/sec:      0.00
Transfer/sec:    582.54TB
",
        },
        // Both ends of the deviation belong to it.
        Golden {
            connections: 5,
            microseconds: 3_000_000,
            responses: 3,
            bytes: 912_680_551,
            latencies: &[(1000, 1), (2000, 1), (3000, 1)],
            rates: &[1235, 2470, 3705],
            text: "    Latency     2.00us    1.00us   3.00us  100.00%
    Req/Sec     2.47k     1.24k    3.70k   100.00%
  3 requests in 3.00s, 0.85GB read
Requests/sec:      1.00
Transfer/sec:    290.13MB
",
        },
        // A mean halfway between two of two decimals.
        Golden {
            connections: 1000,
            microseconds: 8_000_000,
            responses: 200,
            bytes: 1 << 40,
            latencies: &[(1000, 199), (2000, 1)],
            rates: &[1, 1, 1, 2, 1, 1, 1, 1],
            text: "    Latency     1.00us    0.07us   2.00us   99.50%
    Req/Sec     1.12      0.35     2.00     87.50%
  200 requests in 8.00s, 1.00TB read
Requests/sec:     25.00
Transfer/sec:    128.00GB
",
        },
        // One that the others had to wait for.
        Golden {
            connections: 1,
            microseconds: 1_090_000,
            responses: 10,
            bytes: 12_345_678,
            latencies: &[(10_000_000, 9), (1_000_000_000, 1)],
            rates: &[10, 11, 9],
            text: "    Latency   287.00ms  350.96ms   1.00s    77.78%
    Req/Sec    10.00      1.00    11.00    100.00%
  Latency Distribution
     50%  128.00ms
     75%  564.00ms
     90%  891.00ms
     99%    1.00s\x20
  10 requests in 1.09s, 11.77MB read
Requests/sec:      9.17
Transfer/sec:     10.80MB
",
        },
        // Pipelined, so that the correction fills in below the minimum, where wrk does not look.
        Golden {
            connections: 1,
            microseconds: 1_168_000,
            responses: 464,
            bytes: 18_096,
            latencies: &[(19_990_000, 30), (20_430_000, 28)],
            rates: &[390, 404],
            text: "    Latency     2.70ms    6.41ms  20.43ms    0.00%
    Req/Sec   397.00      9.90   404.00    100.00%
  Latency Distribution
     50%    0.00us
     75%    0.00us
     90%    0.00us
     99%    0.00us
  464 requests in 1.17s, 17.67KB read
Requests/sec:    397.26
Transfer/sec:     15.13KB
",
        },
    ];

    #[test]
    fn the_texts_are_those_that_wrk_prints_of_the_same() {
        for golden in GOLDEN {
            let latencies: Vec<u64> = golden.latencies.iter().flat_map(|&(ns, count)| vec![ns; count]).collect();
            let mut outcome = outcome(&latencies);
            outcome.plan.connections = golden.connections;
            outcome.elapsed_ns = golden.microseconds * 1000;
            outcome.responses = golden.responses;
            outcome.bytes_read = golden.bytes;
            outcome.threads[0].rates = golden.rates.to_vec();
            let expected = format!("  Thread Stats   Avg      Stdev     Max   +/- Stdev\n{}", golden.text);
            assert_eq!(summary(&outcome, golden.text.contains("Distribution")), expected);
        }
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
