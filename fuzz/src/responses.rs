//! Reading what a connection sent: a sequence of responses, each in its grammar and true to its document.

use protocol::Exchange;

/// The documents that are served, by name. No two have the same length, so that a length tells which it is.
pub(crate) const DOCUMENTS: [(&str, usize); 5] =
    [("empty", 0), ("small.html", 13), ("medium.txt", 9_000), ("large.bin", 17_000), ("disk.bin", 18_000)];

/// The bytes of each document: the first ones of these.
pub(crate) fn bytes() -> Vec<u8> {
    (0..18_000_u32).map(|at| (at % 251) as u8).collect()
}

/// Checks that `sent` is the responses to `finished` whole, then those to `abandoned` as far as they tell, and nothing
/// else. Returns where each of the finished ones ends.
pub(crate) fn check(mut sent: &[u8], finished: &[Exchange], abandoned: &[Exchange], bytes: &[u8]) -> Vec<usize> {
    let all = sent.len();
    let mut closed = false;
    let mut ends = Vec::new();
    for exchange in finished {
        assert!(!closed, "a response after the last one");
        let response = Response::read(sent).expect("a whole head");
        response.check(exchange);
        let body = &sent[response.length..][..response.body(exchange)];
        assert_eq!(body.len() as u64, exchange.body_bytes);
        response.check_body(body, bytes);
        sent = &sent[response.length + body.len()..];
        ends.push(all - sent.len());
        closed = response.field("Connection") == Some("close");
    }
    for exchange in abandoned {
        assert!(!closed || sent.is_empty(), "a response after the last one");
        let Some(response) = Response::read(sent) else {
            assert_eq!(exchange.body_bytes, 0);
            sent = &[];
            continue;
        };
        response.check(exchange);
        let body = &sent[response.length..];
        assert_eq!(body.len() as u64, exchange.body_bytes);
        assert!(body.len() <= response.body(exchange), "more than was promised");
        sent = &[];
        closed = true;
    }
    assert!(sent.is_empty(), "{} bytes of no exchange", sent.len());
    ends
}

struct Response<'s> {
    status: u16,
    fields: Vec<(&'s str, &'s str)>,
    /// Bytes of the head.
    length: usize,
}

impl<'s> Response<'s> {
    /// The head at the start of `sent`, if all of it is there.
    fn read(sent: &'s [u8]) -> Option<Self> {
        let length = sent.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&sent[..length - 4]).expect("a head of text");
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() || b" \r\n".contains(&byte)), "{text}");
        let mut lines = text.split("\r\n");
        let line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let (status, reason) = line.split_once(' ').expect("a reason");
        assert!(status.len() == 3 && !reason.is_empty(), "{line}");
        let fields = lines.map(|line| line.split_once(": ").expect(line)).collect();
        Some(Self { status: status.parse().expect("three digits"), fields, length })
    }

    /// The value of a field that may be there once.
    fn field(&self, wanted: &str) -> Option<&'s str> {
        let mut values = self.fields.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let value = values.next();
        assert_eq!(values.next(), None, "{wanted} twice");
        value
    }

    fn check(&self, exchange: &Exchange) {
        assert_eq!(self.status, exchange.status);
        assert_eq!(self.field("Server"), Some("OTUServer"));
        assert_eq!(self.field("Date").map(str::as_bytes), Some(&exchange.date[..]));
        assert!(matches!(self.field("Connection"), Some("close" | "keep-alive")));
        if matches!(self.status, 400 | 408 | 414 | 431 | 505) {
            assert_eq!(self.field("Connection"), Some("close"), "after what may be no request");
        }
        assert_eq!(self.field("Allow"), (self.status == 405).then_some("GET, HEAD"));
        assert_eq!(self.field("Content-Length").is_none(), self.status == 304);
        assert_eq!(self.field("ETag").is_some(), matches!(self.status, 200 | 206 | 304));
        assert_eq!(self.field("Last-Modified").is_some(), matches!(self.status, 200 | 206 | 304));
        assert_eq!(self.field("Content-Range").is_some(), matches!(self.status, 206 | 416));
        assert_eq!(self.field("Content-Type").is_some(), self.status != 304);
        match self.field("Location") {
            Some(location) => {
                assert!(self.status == 301 && location.starts_with('/') && !location.starts_with("//"), "{location}");
            }
            None => assert_ne!(self.status, 301),
        }
    }

    fn promised(&self) -> usize {
        self.field("Content-Length").map_or(0, |length| length.parse().expect("a length"))
    }

    /// How many bytes follow the head.
    fn body(&self, exchange: &Exchange) -> usize {
        if exchange.request_line.starts_with(b"HEAD ") { 0 } else { self.promised() }
    }

    /// A body is that of its document, or the part that the head names; or a page.
    fn check_body(&self, body: &[u8], bytes: &[u8]) {
        let extent = self.field("Content-Range").map(|range| range.strip_prefix("bytes ").expect("a unit"));
        let document = |length: &str| {
            let length: usize = length.parse().expect("a length");
            assert!(DOCUMENTS.iter().any(|(_, known)| *known == length), "{length}");
            &bytes[..length]
        };
        match (self.status, extent.and_then(|extent| extent.split_once('/'))) {
            (200, None) => {
                let length = self.field("Content-Length").expect("a length");
                assert!(body.is_empty() || body == document(length));
            }
            (206, Some((range, length))) => {
                let (first, last) = range.split_once('-').expect("a range");
                let (first, last): (usize, usize) = (first.parse().expect("first"), last.parse().expect("last"));
                assert!(body == &document(length)[first..=last]);
            }
            (304, None) => assert!(body.is_empty()),
            (status, extent) => {
                assert_eq!(extent.is_some(), status == 416);
                assert!(status >= 300);
                if let Some((range, length)) = extent {
                    assert_eq!(range, "*");
                    document(length);
                }
                let page = String::from_utf8_lossy(body);
                assert!(page.is_empty() || page.contains(&format!("<h1>{status} ")), "{page}");
            }
        }
    }
}
