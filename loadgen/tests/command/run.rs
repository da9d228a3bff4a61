//! One run.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loadgen::Outcome;
use rustix::process::Signal;

use crate::program::{NullServer, PROGRAM, loadgen, signal, stderr, stdout};

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
        ["-c4", "-t1", "-d300ms", "--expect-status", "200", "--expect-length", "612", "--json", file, &server.url];
    let output = loadgen(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let outcome: Outcome = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(outcome.responses > 0 && outcome.is_accounted());
    assert_eq!((outcome.unexpected.responses, outcome.errors.total()), (0, 0));
    assert!(stdout(&output).contains(&format!("  {} requests in ", outcome.responses)));

    let output = loadgen(&["-c4", "-t1", "-d300ms", "--json", "-", &server.url]);
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome.plan.connections, 4);
    assert!(stderr(&output).contains("Requests/sec: "));
}

#[test]
fn an_interrupt_prints_what_there_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let child = Command::new(PROGRAM).args(["-c1", "-t1", "-d60", &url]).stdout(Stdio::piped()).spawn().unwrap();
    // The first connection only looks whether anybody is there.
    drop(listener.accept().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = [0; 1024];
    // The second request says that the answer to the first was counted.
    for _ in 0..2 {
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
    let started = Instant::now();
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    // The run would have gone on for a minute.
    assert!(started.elapsed() < Duration::from_secs(40));
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

    // Nobody is waited for in a warm-up either, and nobody is told that it should have been longer.
    let warmed_up = loadgen(&["-d30", "-c2", "-t1", "--warmup", "20s", &format!("http://127.0.0.1:{port}/")]);
    assert_eq!(warmed_up.status.code(), Some(1));
    assert!(stderr(&warmed_up).contains("Connection refused; is the server running?"), "{}", stderr(&warmed_up));
    assert!(started.elapsed() < Duration::from_secs(15));

    for (arguments, expected) in [
        (&["-c1", "-t2", "http://127.0.0.1/"][..], "number of connections must be >= threads"),
        (&["foo"], "invalid URL: foo"),
        (&["https://127.0.0.1/"], "https is not spoken here"),
        (&["-s", "x.lua", "http://127.0.0.1/"], "Lua scripts are not supported"),
        (&["-d", "soon", "http://127.0.0.1/"], "no length of time"),
        (&["-c", "1000000000000", "http://127.0.0.1/"], "a million connections"),
        (&["--pipeline", "100G", "http://127.0.0.1/"], "a million requests"),
        (&["--idle", "18446744073709551610", "http://127.0.0.1/"], "a million idle ones"),
        (&["--cpus", "999", "-t1", "-c1", "http://127.0.0.1/"], "cannot run on CPU 999"),
        (&["--expect-body", "/dev/zero", "http://127.0.0.1/"], "no regular file"),
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
    let output = loadgen(&["-c2", "-t1", "-d300ms", "--expect-length", "1", &server.url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("\n  unexpected      "));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let output = loadgen(&["-c2", "-t1", "-d300ms", &url]);
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
        .args(["-c2", "-t1", "-d300ms", &server.url])
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

#[test]
fn a_limited_number_of_requests_is_exact() {
    let server = NullServer::start();
    let output = loadgen(&["-n", "1001", "-c4", "-t2", "--json", "-", &server.url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((outcome.requests, outcome.responses, outcome.stopped_early), (1001, 1001, false));
    assert!(stderr(&output).starts_with("Running 1001 requests @ "), "{}", stderr(&output));
}

#[test]
fn strict_fails_where_the_result_is_not_valid() {
    let server = NullServer::start();
    let arguments = ["-c2", "-t1", "-d300ms", "--expect-length", "1", "-n", "1000", &server.url];
    let text = stdout(&loadgen(&arguments));
    assert!(
        text.contains("\n  NOT VALID       Every response had a body of another length than the expected 1 byte"),
        "{text}"
    );

    // One connection is served for ever, and the others wait.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            while stream.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let lenient = loadgen(&["-c3", "-t1", "-d300ms", &url]);
    assert_eq!(lenient.status.code(), Some(0));
    assert!(stdout(&lenient).contains("  never served    2 of 3 connections\n"), "{}", stdout(&lenient));
    let strict = loadgen(&["-c3", "-t1", "-d300ms", "--strict", &url]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_null_server_refuses_a_body_that_is_no_file() {
    for path in ["/dev/zero", "/nowhere/at/all", "/"] {
        let output = loadgen(&["null-server", "--body", path, "0"]);
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("cannot read {path}")), "{output:?}");
    }
}
