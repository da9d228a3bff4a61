//! The load generator against our servers: its text is wrk's, its figures are true, its exit codes mean something.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use harness::{Finished, Model, Root, Server, SocketErrors, WrkText, binary, finish, wait_until};
use serde_json::Value;

harness::under_every_model!(
    speaks_as_wrk_does,
    leaves_no_connection_unserved,
    opens_a_connection_per_request,
    counts_answers_that_are_mistakes,
    agrees_with_the_access_log,
);

const LIMIT: Duration = Duration::from_secs(30);

fn loadgen(arguments: &[&str], url: &str) -> Finished {
    finish(Command::new(binary("loadgen")).args(arguments).arg(url), LIMIT)
}

#[track_caller]
fn parsed(finished: &Finished) -> WrkText {
    WrkText::parse(&finished.stdout).unwrap_or_else(|why| panic!("{why}\n{}{}", finished.stdout, finished.stderr))
}

/// All figures of one run, from `--json`.
#[track_caller]
fn outcome(arguments: &[&str], url: &str) -> (Finished, Value) {
    let place = Root::new();
    let file = place.path().join("outcome.json");
    let file_name = file.to_str().expect("a temporary directory in UTF-8");
    let finished = loadgen(&[arguments, &["--json", file_name]].concat(), url);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("no outcome: {error}; {finished:?}"));
    (finished, serde_json::from_str(&text).expect("the outcome is JSON"))
}

fn speaks_as_wrk_does(model: Model) {
    let server = Server::of(model).workers(1).start();
    let finished = loadgen(&["-c", "20", "-t", "2", "-d", "1s", "--latency"], &server.url("/")).succeeded();
    let text = parsed(&finished);
    assert_eq!(text.url, server.url("/"));
    assert_eq!((text.duration, text.threads, text.connections), (1.0, 2, 20));
    assert_eq!(text.not_2xx_or_3xx, 0, "{}", finished.stdout);
    if model == Model::ThreadPool {
        assert!(text.socket_errors.are_only_closed_while_idle(text.requests), "{}", finished.stdout);
    } else {
        assert_eq!(text.socket_errors, SocketErrors::default(), "{}", finished.stdout);
    }
    assert!(text.requests > 0 && text.elapsed >= 0.99 && text.elapsed < 10.0, "{}", finished.stdout);
    let about = |a: f64, b: f64| (a / b - 1.0).abs() < 0.05;
    assert!(about(text.requests_per_second, text.requests as f64 / text.elapsed), "{}", finished.stdout);
    assert!(about(text.bytes_per_second, text.bytes / text.elapsed), "{}", finished.stdout);
    let bytes_per_request = text.bytes / text.requests as f64;
    assert!((612.0..1200.0).contains(&bytes_per_request), "{}", finished.stdout);
    let distribution = text.distribution.expect("it was asked for");
    let ordered = [distribution.p50, distribution.p75, distribution.p90, distribution.p99, text.latency.maximum];
    assert!(ordered.is_sorted_by(|a, b| *a <= b * 1.01), "{}", finished.stdout);
}

fn leaves_no_connection_unserved(model: Model) {
    let server = Server::of(model).workers(1).start();
    let (finished, outcome) = outcome(&["-c", "100", "-t", "1", "-d", "2s"], &server.url("/"));
    finished.succeeded();
    assert_eq!(outcome["connections"]["never_served"], 0, "{:#}", outcome["connections"]);
    assert_eq!(
        outcome["statuses"].as_object().map(|statuses| statuses.keys().collect::<Vec<_>>()),
        Some(vec![&"200".to_owned()])
    );
}

#[test]
fn tells_of_the_connections_that_a_pinned_pool_starves() {
    let server = Server::of(Model::ThreadPool).workers(1).flags(["--keep-alive", "pinned"]).start();
    let (_, outcome) = outcome(&["-c", "10", "-t", "1", "-d", "1s", "--timeout", "10s"], &server.url("/"));
    assert_eq!(outcome["connections"]["never_served"], 9, "{:#}", outcome["connections"]);
}

fn opens_a_connection_per_request(model: Model) {
    let server = Server::of(model).workers(1).start();
    let (finished, outcome) = outcome(&["-c", "10", "-t", "1", "-d", "1s", "--close"], &server.url("/"));
    let text = parsed(&finished.succeeded());
    assert_eq!((text.socket_errors, text.not_2xx_or_3xx), (SocketErrors::default(), 0));
    let (opened, responses) = (outcome["connections"]["opened"].as_u64(), outcome["responses"].as_u64());
    assert!(opened >= responses && responses > Some(0), "{opened:?} connections for {responses:?} responses");
}

fn counts_answers_that_are_mistakes(model: Model) {
    let root = Root::new();
    let server = Server::of(model).root(&root).workers(1).start();
    let text = parsed(&loadgen(&["-c", "10", "-t", "1", "-d", "1s"], &server.url("/")));
    assert!(text.requests > 0);
    assert_eq!(text.not_2xx_or_3xx, text.requests);
}

/// What the server logged and what the client counted are the same requests.
fn agrees_with_the_access_log(model: Model) {
    let mut server = Server::of(model).workers(1).log(harness::Log::Collected).start();
    let (finished, outcome) = outcome(&["-c", "5", "-t", "1", "-d", "1s"], &server.url("/style.css"));
    finished.succeeded();
    let responses = outcome["responses"].as_u64().expect("a number of responses");
    server.terminate();
    server.ends_within(harness::PATIENCE);
    let logged = || server.log_lines().iter().filter(|line| line.contains("\"GET /style.css HTTP/1.1\" 200 ")).count();
    // What was under way when the client's time was up may have been answered: one request for each connection.
    wait_until("the log has it all", || logged() as u64 >= responses);
    assert!(logged() as u64 <= responses + 5, "{} logged, {responses} counted", logged());
}

#[test]
fn takes_an_address_without_a_path() {
    let server = Server::of(Model::Epoll).start();
    let text =
        parsed(&loadgen(&["-c", "2", "-t", "1", "-d", "500ms"], &format!("http://{}", server.address())).succeeded());
    assert_eq!(text.not_2xx_or_3xx, 0);
}

#[test]
fn exits_with_1_when_nobody_answers() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let refused = loadgen(&["-c", "2", "-t", "1", "-d", "300ms"], &format!("http://{free}/"));
    assert_eq!(refused.code(), 1, "{refused:?}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it listens");
    let unanswered = loadgen(&["-c", "2", "-t", "1", "-d", "300ms"], &format!("http://{address}/"));
    assert_eq!(unanswered.code(), 1, "{unanswered:?}");
}

#[test]
fn exits_with_2_for_wrong_usage() {
    for arguments in [
        &["--no-such-flag"][..],
        &["-c", "none"],
        &["-c", "0"],
        &["-d", "soon"],
        &["-c", "1", "-t", "2"],
        &["-s", "script.lua"],
    ] {
        let finished = loadgen(arguments, "http://127.0.0.1:1/");
        assert_eq!(finished.code(), 2, "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty() && !finished.stderr.contains("panicked"), "{finished:?}");
    }
    for url in ["https://127.0.0.1/", "127.0.0.1", "http://", "ftp://127.0.0.1/"] {
        let finished = loadgen(&["-d", "300ms"], url);
        assert_eq!(finished.code(), 2, "{url}: {finished:?}");
    }
}

/// The null server is a server like any other, and our generator measures it.
#[test]
fn measures_its_own_ceiling() {
    let mut command = Command::new(binary("loadgen"));
    command.args(["null-server", "0"]).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut null_server = command.spawn().expect("it starts");
    let mut line = String::new();
    let output = null_server.stdout.take().expect("piped above");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("a first line");
    let finished = line.split_whitespace().nth(2).map(|url| loadgen(&["-c", "10", "-t", "1", "-d", "500ms"], url));
    null_server.kill().expect("a child of ours");
    null_server.wait().expect("a child of ours");
    let finished = finished.unwrap_or_else(|| panic!("no address in {line:?}")).succeeded();
    let text = parsed(&finished);
    assert!(text.requests > 0 && text.not_2xx_or_3xx == 0, "{}", finished.stdout);
}
