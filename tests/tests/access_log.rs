//! The access log, in Common Log Format, and what happens when nobody takes it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use harness::{Log, Model, Root, Server, request, wait_until};

harness::under_every_model!(
    writes_a_line_per_response,
    keeps_a_line_a_line,
    never_mixes_lines,
    says_nothing_when_quiet,
    goes_on_when_the_pipe_is_closed,
    goes_on_when_nobody_reads_the_pipe,
    begins_when_the_pipe_is_full,
    keeps_so_much_and_no_more_for_a_reader_that_is_stuck,
    logs_what_was_sent_when_it_ends,
);

/// `127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 200 2326`
struct Line {
    request: String,
    status: u16,
    bytes: String,
}

fn parse(line: &str) -> Option<Line> {
    let rest = line.strip_prefix("127.0.0.1 - - [")?;
    let (date, rest) = rest.split_once("] \"")?;
    let pattern = "00/Aaa/0000:00:00:00 +0000";
    let fits = date.len() == pattern.len()
        && date.bytes().zip(pattern.bytes()).all(|(byte, expected)| match expected {
            b'0' => byte.is_ascii_digit(),
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            _ => byte == expected,
        });
    let (request, rest) = rest.rsplit_once("\" ")?;
    let (status, bytes) = rest.split_once(' ')?;
    let numeric = bytes == "-" || bytes.parse::<u64>().is_ok();
    (fits && numeric)
        .then(|| Line { request: request.to_owned(), status: status.parse().ok()?, bytes: bytes.to_owned() }.into())?
}

#[track_caller]
fn lines(server: &Server, count: usize) -> Vec<Line> {
    wait_until(&format!("there are {count} lines"), || server.log_lines().len() >= count);
    let lines = server.log_lines();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines.iter().map(|line| parse(line).unwrap_or_else(|| panic!("no line of a log: {line:?}"))).collect()
}

fn writes_a_line_per_response(model: Model) {
    let root = Root::with_index("six by").file("a b", "twelve bytes").directory("deep");
    let server = Server::of(model).root(&root).log(Log::Collected).start();
    let mut client = server.connect();
    client.get("/").expect(200);
    client.get("/a%20b?q=1").expect(200);
    client.send(request("HEAD", "/", &[])).response_to_head().expect(200);
    let absent = client.get("/absent").expect(404).body.len().to_string();
    let moved = client.get("/deep").expect(301).body.len().to_string();
    client.send("GET / HTTP/1.0\r\n\r\n").response().expect(200);
    let lines = lines(&server, 6);
    let seen: Vec<_> = lines.iter().map(|line| (line.request.as_str(), line.status, line.bytes.as_str())).collect();
    assert_eq!(seen[0], ("GET / HTTP/1.1", 200, "6"));
    assert_eq!(seen[1], ("GET /a%20b?q=1 HTTP/1.1", 200, "12"));
    assert!(matches!(seen[2], ("HEAD / HTTP/1.1", 200, "0" | "-")), "{seen:?}");
    assert_eq!(seen[3], ("GET /absent HTTP/1.1", 404, absent.as_str()));
    assert_eq!(seen[4], ("GET /deep HTTP/1.1", 301, moved.as_str()));
    assert_eq!(seen[5], ("GET / HTTP/1.0", 200, "6"));
}

fn keeps_a_line_a_line(model: Model) {
    let server = Server::of(model).log(Log::Collected).start();
    for bad in [
        "GET /\x1b[31m\x07 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a\"b\\c HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x01\x02\r\n\r\n",
    ] {
        let status = server.ask(bad).status;
        assert!([400, 404].contains(&status), "{bad:?} is answered with {status}");
    }
    for line in lines(&server, 3) {
        assert!(!line.request.chars().any(char::is_control), "{:?}", line.request);
        let unescaped = line.request.replace("\\\\", "").replace("\\\"", "");
        assert!(!unescaped.contains('"'), "a quote that ends the field: {:?}", line.request);
    }
}

/// A request line of `length` bytes that no other is like, and what stands in the log for it.
fn long_request_line(client: usize, number: usize, length: usize) -> String {
    let start = format!("GET /{client}-{number}-");
    let end = " HTTP/1.1";
    format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
}

/// Many clients, several workers, lines longer than what a pipe takes in one piece (4 KiB), and bytes that are no text.
fn never_mixes_lines(model: Model) {
    const CLIENTS: usize = 16;
    const REQUESTS: usize = 30;
    let server = Server::of(model).workers(4).log(Log::Collected).start();
    let asked: Vec<String> = thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|client| {
            let server = &server;
            scope.spawn(move || {
                let mut asked = Vec::new();
                for number in 0..REQUESTS {
                    let line = long_request_line(client, number, 100 + (number * 631 + client * 97) % 6000);
                    // Some with a byte that no request may hold: refused, and logged all the same.
                    let (bad, status) = if number % 5 == 0 { ("\x01\x7f\"", 400) } else { ("", 404) };
                    let line = line.replacen("-x", &format!("-{bad}x"), 1);
                    let response = server.ask(format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n"));
                    assert_eq!(response.status, status, "{line:?}");
                    asked.push(format!("{} {status}", line.replace(bad, &bad.escape_default().to_string())));
                }
                asked
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("no client panics")).collect()
    });
    let mut expected = BTreeMap::new();
    for line in asked {
        // `\u{1}` is how Rust writes it, `\x01` how the log does.
        *expected.entry(line.replace("\\u{1}", "\\x01").replace("\\u{7f}", "\\x7f")).or_insert(0) += 1;
    }
    let mut logged = BTreeMap::new();
    for line in lines(&server, CLIENTS * REQUESTS) {
        *logged.entry(format!("{} {}", line.request, line.status)).or_insert(0) += 1;
    }
    for (line, count) in &expected {
        assert_eq!(logged.get(line), Some(count), "{line:?}");
    }
    assert_eq!(logged.len(), expected.len(), "lines that nobody caused");
}

fn says_nothing_when_quiet(model: Model) {
    let mut server = Server::of(model).start();
    for _ in 0..10 {
        server.get("/").expect(200);
    }
    server.terminate();
    server.ends_within(harness::PATIENCE);
    assert_eq!(server.log_lines(), [""; 0]);
}

fn goes_on_when_the_pipe_is_closed(model: Model) {
    let mut server = Server::of(model).log(Log::Closed).start();
    let mut client = server.connect();
    for _ in 0..100 {
        client.get("/").expect(200);
    }
    server.get("/").expect(200);
    assert!(server.runs());
    server.terminate();
    assert_eq!(server.ends_within(harness::PATIENCE).code(), Some(0));
}

/// A pipe holds 64 KiB, which is about 900 lines.
fn goes_on_when_nobody_reads_the_pipe(model: Model) {
    let mut server = Server::of(model).workers(1).log(Log::Unread).start();
    let mut client = server.connect();
    for _ in 0..300 {
        client.send(request("GET", "/absent", &[]).repeat(10));
        for _ in 0..10 {
            client.response().expect(404);
        }
    }
    server.get("/").expect(200);
    assert!(server.runs());
    server.terminate();
    assert_eq!(server.ends_within(Duration::from_secs(15)).code(), Some(0));
}

/// Then it cannot even say that it is ready, and serves all the same.
fn begins_when_the_pipe_is_full(model: Model) {
    for log in [Log::Full, Log::FullAndQuiet] {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port");
        let mut server = Server::of(model).port(free.port()).log(log).start();
        server.get("/").expect(200);
        server.terminate();
        assert_eq!(server.ends_within(Duration::from_secs(10)).code(), Some(0));
    }
}

/// Five times what may wait to be written (8 MiB): what is more than that is dropped, and neither held nor waited for.
fn keeps_so_much_and_no_more_for_a_reader_that_is_stuck(model: Model) {
    const REQUESTS: usize = 6000;
    const AT_ONCE: usize = 50;
    let mut server = Server::of(model).workers(2).log(Log::Unread).start();
    let mut client = server.connect();
    client.get("/").expect(200);
    let before = server.process().resident_bytes();
    for round in 0..REQUESTS / AT_ONCE {
        let line = |number| long_request_line(round, number, 7000) + "\r\nHost: a\r\n\r\n";
        let bytes: String = (0..AT_ONCE).map(line).collect();
        for answer in client.exchange(bytes.as_bytes(), AT_ONCE) {
            answer.expect(404);
        }
    }
    let grown = server.process().resident_bytes().saturating_sub(before);
    // What waits, what is being written, and what allocators do not give back.
    assert!(grown < 28 << 20, "{grown} bytes for lines that nobody reads");
    server.get("/").expect(200);
    server.terminate();
    assert_eq!(server.ends_within(Duration::from_secs(15)).code(), Some(0));
}

fn logs_what_was_sent_when_it_ends(model: Model) {
    let mut server = Server::of(model).log(Log::Collected).start();
    let mut client = server.connect();
    for _ in 0..50 {
        client.get("/").expect(200);
    }
    server.terminate();
    server.ends_within(harness::PATIENCE);
    lines(&server, 50);
}
