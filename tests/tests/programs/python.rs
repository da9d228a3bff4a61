//! The first server's own design, in Python: does it answer rightly what the bench asks it for?

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::{Client, PATIENCE, Root, eventually, request, tool, workspace};
use rustix::process::{Pid, Signal, kill_process};

/// A running `httpd.py` on a port of its own.
struct Python {
    child: Child,
    address: SocketAddr,
}

impl Python {
    /// Starts it with two workers and these flags; `None` without python3.
    fn start(root: &Root, flags: &[&str]) -> Option<Self> {
        let mut command = tool("python3")?;
        let script = workspace().join("servers/python/httpd.py");
        command.arg(script).args(["-w", "2", "-q"]).arg("-r").arg(root.path()).args(flags).arg("0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        assert!(line.contains("GIL o"), "{line:?}");
        Some(Self { child, address })
    }

    fn ask(&self, method: &str, target: &str) -> Client {
        let mut client = Client::connect(self.address);
        client.send(request(method, target, &[]));
        client
    }

    /// Tells it to stop; its exit code, or `None` if it goes on.
    fn stop(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let has_ended = eventually(PATIENCE, || self.child.try_wait().unwrap().is_some());
        if has_ended { self.child.wait().unwrap().code() } else { None }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // What it started ends with it; a group of its own would hide it from the test that stops it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers_files_and_nothing_else(flags: &[&str]) {
    let root = Root::with_index("index").file("a b.css", "css").link("out", "/etc").directory("folder");
    let Some(server) = Python::start(&root, flags) else { return };
    for target in ["/", "/index.html", "/?query"] {
        let mut client = server.ask("GET", target);
        let response = client.response().expect(200);
        assert_eq!((response.text(), response.header("content-type")), ("index", "text/html"));
        assert_eq!(response.header("connection"), "close");
        client.closed();
    }
    assert_eq!(server.ask("GET", "/a%20b.css").response().expect(200).header("content-type"), "text/css");
    let head = server.ask("HEAD", "/").response_to_head().expect(200);
    assert_eq!((head.length(), head.body.len()), (Some(5), 0));
    for target in ["/none", "/out/passwd", "/../outside", "/%2e%2e/%2e%2e/etc/passwd", "/a/../index.html"] {
        server.ask("GET", target).response().expect(404);
    }
    server.ask("HEAD", "/none").response_to_head().expect(404);
    assert_eq!(server.ask("POST", "/").response().expect(405).header("allow"), "GET, HEAD");
    Client::connect(server.address).send("nonsense\r\n\r\n").response().expect(400);
    Client::connect(server.address).send("GET / HTTP/1.1\r\n\r\n").response().expect(400);
    Client::connect(server.address).send("GET / HTTP/2.0\r\nHost: a\r\n\r\n").response().expect(505);
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "x".repeat(40_000));
    Client::connect(server.address).send(long).response().expect(431);
}

fn a_silent_client_stops_only_its_worker(flags: &[&str]) {
    let root = Root::with_index("index");
    let Some(mut server) = Python::start(&root, flags) else { return };
    let mut silent = Client::connect(server.address);
    silent.send("GET / HT");
    let begin = Instant::now();
    for _ in 0..5 {
        server.ask("GET", "/").response().expect(200);
    }
    assert!(begin.elapsed() < Duration::from_secs(4), "they waited for the silent one");
    assert_eq!(server.stop(), Some(0));
}

/// A signal finds it at any step between two answers, of which some are easily missed.
fn ends_when_it_is_told_to(flags: &[&str]) {
    let root = Root::with_index("index");
    for _ in 0..10 {
        let Some(mut server) = Python::start(&root, flags) else { return };
        server.ask("GET", "/").response().expect(200);
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn threads_end_when_they_are_told_to() {
    ends_when_it_is_told_to(&[]);
}

#[test]
fn processes_end_when_they_are_told_to() {
    ends_when_it_is_told_to(&["--processes"]);
}

#[test]
fn threads_answer_files_and_nothing_else() {
    answers_files_and_nothing_else(&[]);
}

#[test]
fn processes_answer_files_and_nothing_else() {
    answers_files_and_nothing_else(&["--processes"]);
}

#[test]
fn a_silent_client_stops_only_its_thread() {
    a_silent_client_stops_only_its_worker(&[]);
}

#[test]
fn a_silent_client_stops_only_its_process() {
    a_silent_client_stops_only_its_worker(&["--processes"]);
}
