//! The search for the highest rate that keeps an objective.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::program::{NullServer, loadgen, stderr, stdout};

#[test]
fn an_objective_that_nobody_keeps_is_told_as_that() {
    let server = NullServer::start();
    // No response takes a microsecond.
    let output = loadgen(&["--search", "p50<1us", "-c2", "-t1", "-d", "100ms", &server.url]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("Searching for the highest rate with p50<1us @ http://"), "{text}");
    assert!(text.contains("  bracketing  "), "{text}");
    let last = text.lines().last().unwrap();
    // On a machine that others keep busy nothing is decided.
    assert!(last.starts_with("No rate keeps p50<1us") || last.starts_with("Undecided: "), "{text}");
}

#[test]
fn a_search_ends_with_a_rate_and_its_last_run_or_says_why_not() {
    let server = NullServer::start();
    let arguments = ["--search", "p50<900ms", "-c2", "-t1", "-d", "100ms", "--json", "-", &server.url];
    let output = loadgen(&arguments);
    let text = stderr(&output);
    let told = |start: &str| text.lines().any(|line| line.contains(start));
    match output.status.code() {
        Some(0) => {
            assert!(told("requests per second keep p50<900ms"), "{text}");
            let outcome: loadgen::Outcome = serde_json::from_slice(&output.stdout).unwrap();
            assert!(outcome.plan.load.offered().is_some() && outcome.responses > 0);
            assert!(told("Requests/sec: "), "{text}");
        }
        code => {
            assert_eq!(code, Some(1), "{text}");
            assert!(told("Undecided: "), "{text}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_ends_the_search() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = Instant::now();
    let output = loadgen(&["--search", "p99<10ms", "-c2", "-t1", "-d5", &format!("http://{nobody}/")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("unable to connect to"), "{}", stderr(&output));
    assert!(started.elapsed() < Duration::from_secs(15));
}
