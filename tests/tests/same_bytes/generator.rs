//! Streams that nobody wrote: requests put together from parts that matter, then damaged.

use std::fmt::Write as _;

use fastrand::Rng;

/// What requests are put together from.
pub(crate) struct Parts {
    /// Targets, and the entity tags that the servers give for those that have one.
    targets: Vec<(&'static str, Option<String>)>,
}

const METHODS: [&str; 10] = ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "BREW", "G(T", "", "CONNECT"];
const VERSIONS: [&str; 8] =
    ["HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "HTTP/1.", "http/1.1", "HTTP/1.1 "];
const CONNECTIONS: [&str; 6] = ["close", "keep-alive", "Close", "x, close", "upgrade", "keep-alive, x"];
const DATES: [&str; 8] = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:36 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Sun, 31 Feb 2021 00:00:00 GMT",
    "yesterday",
    "",
];
const TAGS: [&str; 8] = ["*", "\"other\"", "W/\"other\"", "\"a, b\"", "nope", "\"open", "", ","];
const BODIES: [&str; 12] = [
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 99999",
    "Content-Length: +5",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Expect: 100-continue\r\nContent-Length: 5",
];
const ODD_LINES: [&str; 12] = [
    "Host: elsewhere",
    "X : y",
    "nothing",
    ": y",
    "X: a\r\n b",
    "X: a\rb",
    "X: \0",
    "X:\ty\t",
    "X\u{fc}: y",
    "X: \u{fc}",
    "Upgrade: h2c",
    "Proxy-Connection: close",
];
/// What a damaged stream has in it where it had something else.
const SPLINTERS: [&str; 14] =
    ["\r\n", "\n", "\r", "\0", " ", "\t", ":", ",", "\"", "/../", "%2F", "%", "\r\n\r\n", "GET / HTTP/1.1\r\n"];

impl Parts {
    /// With these targets, whose entity tags are known from a server.
    pub(crate) fn new(targets: Vec<(&'static str, Option<String>)>) -> Self {
        Self { targets }
    }

    /// A stream of a few requests; the same seed gives the same stream.
    pub(crate) fn stream(&self, seed: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(seed);
        let count = if rng.u8(..10) == 0 { rng.usize(10..60) } else { rng.usize(1..6) };
        let mut stream: Vec<u8> = (0..count).flat_map(|_| self.request(&mut rng)).collect();
        // Half of the streams stay as they are: they reach further than damaged ones.
        if rng.bool() {
            for _ in 0..rng.usize(1..4) {
                damage(&mut stream, &mut rng);
            }
        }
        stream
    }

    fn request(&self, rng: &mut Rng) -> Vec<u8> {
        let method = match rng.u8(..10) {
            0 => METHODS[rng.usize(..METHODS.len())],
            1..=3 => "HEAD",
            _ => "GET",
        };
        let (target, tag) = &self.targets[rng.usize(..self.targets.len())];
        let version = if rng.u8(..12) == 0 { VERSIONS[rng.usize(..VERSIONS.len())] } else { "HTTP/1.1" };
        let end = if rng.u8(..15) == 0 { "\n" } else { "\r\n" };
        let mut head = format!("{method} {target}{} {version}{end}", if rng.u8(..8) == 0 { "?a=%zz&b" } else { "" });
        let mut lines = Vec::new();
        if rng.u8(..30) > 0 {
            lines.push("Host: localhost".to_owned());
        }
        for _ in 0..rng.u8(..4) {
            lines.push(field(tag.as_deref(), rng));
        }
        let mut body = "";
        if rng.u8(..8) == 0 {
            lines.push(BODIES[rng.usize(..BODIES.len())].to_owned());
            body = ["hello", "", "5\r\nhello\r\n0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"][rng.usize(..4)];
        }
        rng.shuffle(&mut lines);
        for line in lines {
            // Writing to a string does not fail.
            let _ = write!(head, "{line}{end}");
        }
        head.push_str(end);
        head.push_str(body);
        head.into_bytes()
    }
}

fn field(tag: Option<&str>, rng: &mut Rng) -> String {
    let date = |rng: &mut Rng| DATES[rng.usize(..DATES.len())];
    match rng.u8(..16) {
        0..=3 => format!("Range: {}", range(rng)),
        4..=5 => format!("If-None-Match: {}", tags(tag, rng)),
        6..=7 => format!("If-Match: {}", tags(tag, rng)),
        8 => format!("If-Modified-Since: {}", date(rng)),
        9 => format!("If-Unmodified-Since: {}", date(rng)),
        10 => format!("If-Range: {}", date(rng)),
        11 => format!("If-Range: {}", tags(tag, rng)),
        12 => format!("Connection: {}", CONNECTIONS[rng.usize(..CONNECTIONS.len())]),
        13 => ODD_LINES[rng.usize(..ODD_LINES.len())].to_owned(),
        14 => format!("X: {}", "y".repeat(rng.usize(..3000))),
        _ => "Accept-Encoding: gzip, br".to_owned(),
    }
}

/// A list of entity tags, that of the target among them as often as not.
fn tags(tag: Option<&str>, rng: &mut Rng) -> String {
    let one = |rng: &mut Rng| match (tag, rng.u8(..4)) {
        (Some(tag), 0 | 1) => tag.to_owned(),
        (Some(tag), 2) => format!("W/{tag}"),
        _ => TAGS[rng.usize(..TAGS.len())].to_owned(),
    };
    let list: Vec<String> = (0..rng.usize(1..4)).map(|_| one(rng)).collect();
    list.join([", ", ",", " ,\t"][rng.usize(..3)])
}

fn range(rng: &mut Rng) -> String {
    let number = |rng: &mut Rng| match rng.u8(..8) {
        0 => String::new(),
        1 => "18446744073709551616".to_owned(),
        2 => rng.u32(..).to_string(),
        3 | 4 => rng.u32(..80_000).to_string(),
        _ => rng.u8(..40).to_string(),
    };
    let unit = ["bytes=", "bytes=", "bytes=", "bytes=", "Bytes=", "items=", "bytes", ""][rng.usize(..8)];
    let members = if rng.u8(..6) == 0 { rng.usize(2..5) } else { 1 };
    let set: Vec<String> = (0..members).map(|_| format!("{}-{}", number(rng), number(rng))).collect();
    format!("{unit}{}", set.join(","))
}

/// One change somewhere.
fn damage(stream: &mut Vec<u8>, rng: &mut Rng) {
    if stream.is_empty() {
        return;
    }
    let at = rng.usize(..stream.len());
    match rng.u8(..6) {
        0 => stream[at] = rng.u8(..),
        1 => {
            stream.remove(at);
        }
        2 => stream.truncate(at),
        3 => {
            let end = (at + rng.usize(1..60)).min(stream.len());
            let piece = stream[at..end].to_vec();
            stream.splice(at..at, piece);
        }
        _ => {
            let splinter = SPLINTERS[rng.usize(..SPLINTERS.len())];
            stream.splice(at..at, splinter.bytes());
        }
    }
}

/// Where a stream of so many bytes is cut into pieces; the same seed cuts at the same places.
pub(crate) fn cuts(length: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::with_seed(!seed);
    let mut cuts: Vec<usize> = (0..rng.usize(1..6)).map(|_| rng.usize(..=length)).collect();
    cuts.sort_unstable();
    cuts
}
