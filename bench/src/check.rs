//! The check before the measuring: does the file come back with the right status, headers and bytes?

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reports::failure::{Failure, Phase};
use reports::record::CorrectnessCheck;

/// Requests of one check, each on a connection of its own. Two, because a server may answer only its first one well.
const REQUESTS: u32 = 2;
/// The longest head of a response that is read.
const LONGEST_HEAD: usize = 64 * 1024;
/// Bytes of a body that are read beyond the right length, to tell by how much it is too long.
const TOO_MUCH: usize = 1024 * 1024;

/// The right answer.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// Its Content-Type without parameters, where that matters.
    pub content_type: Option<String>,
    /// Its body, or why that is not known.
    pub body: Result<Vec<u8>, String>,
}

/// The request to make.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the server listens on 127.0.0.1.
    pub port: u16,
    /// The path.
    pub path: &'a str,
    /// Further header lines.
    pub headers: &'a [String],
    /// Whether the connection may be kept.
    pub keep_alive: bool,
}

/// An answer that has come in whole.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content_length: Option<u64>,
    content_type: Option<String>,
    body: Vec<u8>,
}

/// Why there is no whole answer.
enum NoAnswer {
    Hung,
    Problem(String),
}

/// Asks the server and compares its answers with the right one.
///
/// # Errors
/// [`Failure::Hung`] when an answer has not come in whole after `limit`.
pub fn check(request: Request<'_>, expected: &Expected, limit: Duration) -> Result<CorrectnessCheck, Failure> {
    let mut check = CorrectnessCheck::default();
    for _ in 0..REQUESTS {
        check.requests += 1;
        match ask(request, expected, limit) {
            Ok(answer) => {
                check.status = Some(answer.status);
                check.length = Some(answer.body.len() as u64);
                check.problems = compare(&answer, expected);
            }
            Err(NoAnswer::Hung) => {
                return Err(Failure::Hung { during: Phase::Check, waited_seconds: limit.as_secs_f64() });
            }
            Err(NoAnswer::Problem(problem)) => check.problems = vec![problem],
        }
        if !check.problems.is_empty() {
            break;
        }
    }
    Ok(check)
}

/// The body of a server's answer, where nothing else tells what it should be.
///
/// # Errors
/// What keeps it from being something to compare with: a sentence's end.
pub fn look(request: Request<'_>, status: u16, limit: Duration) -> Result<Vec<u8>, String> {
    let anything = Expected { status, content_type: None, body: Ok(Vec::new()) };
    match ask(request, &anything, limit) {
        Ok(answer) if answer.status == status => Ok(answer.body),
        Ok(answer) => Err(format!("its answer has the status {}, not {status}", answer.status)),
        Err(NoAnswer::Hung) => Err(format!("no answer came within {} s", limit.as_secs_f64())),
        Err(NoAnswer::Problem(problem)) => Err(problem),
    }
}

fn compare(answer: &Answer, expected: &Expected) -> Vec<String> {
    let mut problems = Vec::new();
    if answer.status != expected.status {
        problems.push(format!("the status is {}, not {}", answer.status, expected.status));
    }
    let body = match &expected.body {
        Ok(body) => body,
        Err(reason) => {
            problems.push(reason.clone());
            return problems;
        }
    };
    if answer.status != expected.status {
        // The headers and bytes of an error page are not worth a word each.
        return problems;
    }
    match answer.content_length {
        None => problems.push("there is no Content-Length".to_owned()),
        Some(length) if length != body.len() as u64 => {
            problems.push(format!("Content-Length is {length}, not {}", body.len()));
        }
        Some(_) => {}
    }
    match (&answer.content_type, &expected.content_type) {
        (None, _) => problems.push("there is no Content-Type".to_owned()),
        (Some(found), Some(right)) if !essence(found).eq_ignore_ascii_case(right) => {
            problems.push(format!("Content-Type is {found}, not {right}"));
        }
        _ => {}
    }
    if answer.body.len() != body.len() {
        problems.push(format!("{} bytes came, not {}", answer.body.len(), body.len()));
    } else if let Some(place) = answer.body.iter().zip(body).position(|(came, right)| came != right) {
        problems.push(format!("the bytes differ from the file's from byte {place} on"));
    }
    problems
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn ask(request: Request<'_>, expected: &Expected, limit: Duration) -> Result<Answer, NoAnswer> {
    let mut connection = Connection::open(request.port, limit)?;
    let mut text = format!("GET {} HTTP/1.1\r\n", request.path);
    let is_host = |line: &String| line.split(':').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("host"));
    if !request.headers.iter().any(is_host) {
        text.push_str(&format!("Host: 127.0.0.1:{}\r\n", request.port));
    }
    for line in request.headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(if request.keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
    connection.stream.write_all(text.as_bytes()).map_err(problem)?;

    let longest = LONGEST_HEAD + TOO_MUCH + expected.body.as_ref().map_or(0, Vec::len);
    let mut bytes = Vec::new();
    let (mut answer, head_length) = loop {
        if let Some(head) = parse_head(&bytes)? {
            break head;
        }
        if bytes.len() > LONGEST_HEAD {
            return Err(NoAnswer::Problem(format!("the head of the answer is longer than {LONGEST_HEAD} bytes")));
        }
        if connection.read_some(&mut bytes)? == 0 {
            let came = bytes.len();
            return Err(NoAnswer::Problem(format!(
                "the connection was closed after {came} bytes, before an answer's head was whole"
            )));
        }
    };
    // Without a length, the end of the connection is the end of the body.
    let whole = answer.content_length.map_or(longest, |length| head_length.saturating_add(length as usize));
    while bytes.len() < whole.min(longest) && connection.read_some(&mut bytes)? > 0 {}
    answer.body = bytes.split_off(head_length);
    Ok(answer)
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>, NoAnswer> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(head_length)) => {
            let value = |name: &str| {
                let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
                Some(String::from_utf8_lossy(field.value).into_owned())
            };
            let answer = Answer {
                status: response.code.unwrap_or(0),
                content_length: value("content-length").and_then(|digits| digits.parse().ok()),
                content_type: value("content-type"),
                body: Vec::new(),
            };
            Ok(Some((answer, head_length)))
        }
        Err(error) => Err(NoAnswer::Problem(format!("the answer is not HTTP/1.1 ({error})"))),
    }
}

/// A connection whose reads end at a common moment.
struct Connection {
    stream: TcpStream,
    deadline: Instant,
}

impl Connection {
    fn open(port: u16, limit: Duration) -> Result<Self, NoAnswer> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + limit;
        let stream = TcpStream::connect_timeout(&address, limit).map_err(problem)?;
        stream.set_write_timeout(Some(limit)).map_err(problem)?;
        Ok(Self { stream, deadline })
    }

    fn read_some(&mut self, into: &mut Vec<u8>) -> Result<usize, NoAnswer> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoAnswer::Hung);
        }
        self.stream.set_read_timeout(Some(left)).map_err(problem)?;
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer).map_err(problem)?;
        into.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

fn problem(error: io::Error) -> NoAnswer {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoAnswer::Hung,
        _ => NoAnswer::Problem(format!("the connection failed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpListener;
    use std::thread;

    const LIMIT: Duration = Duration::from_secs(20);

    fn expected() -> Expected {
        Expected { status: 200, content_type: Some("text/html".into()), body: Ok(b"hello".to_vec()) }
    }

    /// Checks a server that writes `answer` in two pieces on every connection, then closes or waits for the client.
    fn check_against(answer: &'static str, then_wait: bool, limit: Duration) -> Result<CorrectnessCheck, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let (first, second) = answer.split_at(answer.len() / 2);
                let _ = stream.write_all(first.as_bytes());
                thread::sleep(Duration::from_millis(5));
                let _ = stream.write_all(second.as_bytes());
                while then_wait && stream.read(&mut request).is_ok_and(|length| length > 0) {}
            }
        });
        check(Request { port, path: "/", headers: &[], keep_alive: then_wait }, &expected(), limit)
    }

    fn problems(answer: &'static str) -> String {
        check_against(answer, false, LIMIT).unwrap().problems.join("; ")
    }

    #[test]
    fn a_right_answer_has_no_problems() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello";
        let right = CorrectnessCheck { requests: 2, status: Some(200), length: Some(5), problems: vec![] };
        assert_eq!(check_against(answer, false, LIMIT).unwrap(), right);
        assert_eq!(check_against(answer, true, LIMIT).unwrap(), right);
    }

    #[test]
    fn every_difference_is_named() {
        for (answer, phrase) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "the status is 404, not 200"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhullo", "from byte 1 on"),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
                "text/plain, not text/html",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no Content-Type"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhello", "no Content-Length"),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhell", "4 bytes came, not 5"),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nhello!",
                "Content-Length is 6, not 5",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/h", "before an answer's head was whole"),
            ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP/1.1"),
            ("", "after 0 bytes"),
        ] {
            let problems = problems(answer);
            assert!(problems.contains(phrase), "{answer:?}: {problems:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_given_up() {
        let limit = Duration::from_millis(300);
        let failure = check_against("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true, limit).unwrap_err();
        assert_eq!(failure, Failure::Hung { during: Phase::Check, waited_seconds: 0.3 });
    }

    #[test]
    fn a_file_that_is_not_there_is_told_beside_the_status() {
        let answer = Answer { status: 404, content_length: Some(0), content_type: None, body: vec![] };
        let absent = Expected { body: Err("there is no index.html".into()), ..expected() };
        assert_eq!(compare(&answer, &absent), ["the status is 404, not 200", "there is no index.html"]);
    }
}
