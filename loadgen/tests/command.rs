//! The command as it is used: its text, its files, its signals and its exit codes.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use loadgen::Outcome;
use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_loadgen");

/// A null server, which ends with its guard.
struct NullServer {
    child: Child,
    url: String,
}

impl NullServer {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM).args(["null-server", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix(" (null-server, 1 worker)\n"));
        let url = url.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn loadgen(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_text_is_wrks_and_then_more() {
    let server = NullServer::start();
    let output = loadgen(&["-c", "10", "-d", "1s", "-t", "2", "--latency", &server.url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "nothing is drawn where there is no terminal");
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("Running 1s test @ {}", server.url));
    assert_eq!(lines[1], "  2 threads and 10 connections");
    assert_eq!(lines[2], "  Thread Stats   Avg      Stdev     Max   +/- Stdev");
    let starts = [
        "    Latency  ",
        "    Req/Sec  ",
        "  Latency Distribution",
        "     50% ",
        "     75% ",
        "     90% ",
        "     99% ",
    ];
    for (line, start) in lines[3..].iter().zip(starts) {
        assert!(line.starts_with(start), "{line:?}");
    }
    let requests: u64 = lines[10].trim_start().split(' ').next().unwrap().parse().unwrap();
    assert!(lines[10].ends_with("B read") && lines[10].contains(" requests in 1."), "{:?}", lines[10]);
    let rate: f64 = lines[11].strip_prefix("Requests/sec: ").unwrap().trim().parse().unwrap();
    assert!((rate / requests as f64 - 1.0).abs() < 0.1, "{rate} {requests}");
    assert!(lines[12].starts_with("Transfer/sec: ") && lines[12].ends_with('B'));
    assert_eq!(lines[14], "Not in wrk's figures:");
    assert!(text.contains("\n  never served    0 of 10 connections\n"), "{text}");
}

#[test]
fn everything_is_written_as_json() {
    let server = NullServer::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.json");
    let file = path.to_str().unwrap();
    let arguments =
        ["-c4", "-t1", "-d1", "--expect-status", "200", "--expect-length", "612", "--json", file, &server.url];
    let output = loadgen(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let outcome: Outcome = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(outcome.responses > 0 && outcome.is_accounted());
    assert_eq!((outcome.unexpected.responses, outcome.errors.total()), (0, 0));
    assert!(stdout(&output).contains(&format!("  {} requests in ", outcome.responses)));

    let output = loadgen(&["-c4", "-t1", "-d1", "--json", "-", &server.url]);
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome.plan.connections, 4);
    assert!(stderr(&output).contains("Requests/sec: "));
}

#[test]
fn an_interrupt_prints_what_there_is() {
    let server = NullServer::start();
    let started = Instant::now();
    let child = Command::new(PROGRAM).args(["-c4", "-t1", "-d60", &server.url]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("Requests/sec: ") && text.contains("  stopped early   after "), "{text}");
}

#[test]
fn exit_codes_tell_what_failed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = loadgen(&["null-server", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("loadgen: cannot listen on 127.0.0.1:{port}: ")));
    drop(taken);

    let started = Instant::now();
    let output = loadgen(&["-d30", "-c2", "-t1", &format!("http://127.0.0.1:{port}/")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(10), "it does not go on where nobody listens");
    assert!(stderr(&output).starts_with(&format!("loadgen: unable to connect to 127.0.0.1:{port} Connection refused")));
    assert_eq!(stdout(&output), "");

    for (arguments, expected) in [
        (&["-c1", "-t2", "http://127.0.0.1/"][..], "number of connections must be >= threads"),
        (&["foo"], "invalid URL: foo"),
        (&["https://127.0.0.1/"], "https is not spoken here"),
        (&["-s", "x.lua", "http://127.0.0.1/"], "Lua scripts are not supported"),
        (&["-d", "soon", "http://127.0.0.1/"], "whole number"),
        (&[], "Usage"),
    ] {
        let output = loadgen(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_server_that_never_answers_as_expected_has_failed() {
    let server = NullServer::start();
    let output = loadgen(&["-c2", "-t1", "-d1", "--expect-length", "1", &server.url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\n  unexpected      "));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let output = loadgen(&["-c2", "-t1", "-d1", &url]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("    Latency     0.00us    0.00us   0.00us    -nan%\n"), "{text}");
    assert!(text.contains("  at the end      2 requests unanswered"), "{text}");
}

#[test]
fn the_null_server_ends_with_a_signal() {
    for which in [Signal::TERM, Signal::INT] {
        let mut server = NullServer::start();
        signal(&server.child, which);
        let status = server.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{which:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_disaster() {
    let server = NullServer::start();
    let mut child = Command::new(PROGRAM)
        .args(["-c2", "-t1", "-d1", &server.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!((status.code(), complaints.as_str()), (Some(0), ""));
}
