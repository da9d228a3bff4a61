//! Does a server hold a rate? A gate for a build, in forty lines:
//!
//! ```sh
//! cargo run --release --package otus-loadgen --example hold_a_rate -- http://127.0.0.1:8080/ 1000 'p99<10ms'
//! ```
//!
//! Exit code 0: it does; 1: it does not, or nobody can tell; 2: wrong usage.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "an example shows the load generator and not how to print"
)]

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use loadgen::validity::complaints;
use loadgen::{Load, Objective, Offered, Plan, Progress};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, rate, objective] = arguments.as_slice() else {
        eprintln!("usage: hold_a_rate URL REQUESTS_PER_SECOND OBJECTIVE");
        return ExitCode::from(2);
    };
    let (Ok(rate), Ok(objective)) = (rate.parse::<f64>(), objective.parse::<Objective>()) else {
        eprintln!("hold_a_rate: the rate has to be a number, and the objective has to look like p99<10ms");
        return ExitCode::from(2);
    };

    let mut plan = Plan::new(url);
    (plan.connections, plan.threads) = (50, 1);
    (plan.warmup_ms, plan.duration_ms) = (500, 5_000);
    plan.load = Load::Open(Offered::steady(rate));
    plan.expect.status = Some(200);

    let mut show = |progress: &Progress| eprint!("\r{} responses", progress.responses);
    let outcome = match loadgen::run(&plan, &mut show, &AtomicBool::new(false)) {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("hold_a_rate: {error}");
            return ExitCode::from(2);
        }
    };
    let doubts = complaints(&outcome);
    for doubt in &doubts {
        eprintln!("\nnot valid: {doubt}");
    }
    // Requests that were given up took at least that long; without them the percentiles would be too good.
    let latency = outcome.latency_with_timeouts();
    for (limit, measured) in objective.figures(&latency) {
        println!("\n{limit}: {:.3} ms", measured.map_or(f64::NAN, |nanoseconds| nanoseconds as f64 / 1e6));
    }
    ExitCode::from(u8::from(!doubts.is_empty() || !objective.is_met(&latency)))
}
