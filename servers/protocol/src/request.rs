use crate::{Limits, Status, conditions::Conditions, target::is_authority};

/// The head of a request, as far as a file server cares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'i> {
    pub(crate) method: Method,
    /// The request target as it came.
    pub(crate) target: &'i [u8],
    /// The request line as it came, without its line end.
    pub(crate) line: &'i [u8],
    /// Whether the client wants the connection kept (RFC 9112, section 9.3).
    pub(crate) keep_alive: bool,
    pub(crate) body: Body,
    /// What the answer depends on; most requests have no conditions.
    pub(crate) conditions: Option<Box<Conditions>>,
    /// Bytes of the whole head.
    pub(crate) length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// A method of RFC 9110 or RFC 5789 that a file server does not allow: 405.
    Other,
    /// No method that we have heard of: 501. Methods are case-sensitive.
    Unknown,
}

/// What follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes, to be read and dropped; 0 for most requests.
    Dropped(u64),
    /// Something that is not worth reading: the connection ends with the response.
    Unread,
}

/// A header section this small is parsed without clearing a hundred slots first.
const USUAL_FIELDS: usize = 16;

/// Looks for a request's head at the start of `input`, which does not start with an empty line.
///
/// `scanned` is how much of the head was looked at in vain by earlier calls, 0 at first; it is updated. A head is
/// parsed again only when a line end has come since, so that the cost of bytes that trickle in stays linear.
///
/// Whatever the cutting, the same bytes give the same result in the end: the request line is judged as soon as it is
/// complete, the fields by a parser that reads strictly from left to right within the limits.
///
/// # Errors
/// The status of the only answer there is; the connection cannot be kept after it.
pub(crate) fn parse<'i>(input: &'i [u8], scanned: &mut usize, limits: &Limits) -> Result<Option<Request<'i>>, Status> {
    let already = std::mem::replace(scanned, input.len());
    let news = &input[already.min(input.len())..];
    if already > 0 && input.len() <= limits.request_line && memchr::memchr(b'\n', news).is_none() {
        return Ok(None);
    }

    let searched = &input[..input.len().min(limits.request_line + 2)];
    let Some(line_feed) = memchr::memchr(b'\n', searched) else {
        // One byte past the limit may be the CR of a line that just fits.
        let fits = searched.len() <= limits.request_line
            || searched.len() == limits.request_line + 1 && searched.ends_with(b"\r");
        return if fits { Ok(None) } else { Err(Status::UriTooLong) };
    };
    let line = searched[..line_feed].strip_suffix(b"\r").unwrap_or(&searched[..line_feed]);
    if line.len() > limits.request_line {
        return Err(Status::UriTooLong);
    }
    let line = RequestLine::parse(line)?;

    let section = &input[line_feed + 1..];
    let within = section.len().min(limits.header_bytes);
    let news = &input[already.clamp(line_feed, input.len())..];
    if already > 0 && section.len() <= limits.header_bytes && memchr::memchr(b'\n', news).is_none() {
        return Ok(None);
    }
    let mut few = [httparse::EMPTY_HEADER; USUAL_FIELDS];
    let parsed = match httparse::parse_headers(&section[..within], &mut few) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = [httparse::EMPTY_HEADER; Limits::FIELDS];
            summarise(&line, httparse::parse_headers(&section[..within], &mut many))?
        }
        other => summarise(&line, other)?,
    };
    match parsed {
        Some((fields, section_length)) => {
            let length = line_feed + 1 + section_length;
            let keep_alive = !fields.close && (line.minor > 0 || fields.keep_alive);
            let Fields { body, conditions, .. } = fields;
            let RequestLine { method, target, line, .. } = line;
            Ok(Some(Request { method, target, line, keep_alive, body, conditions, length }))
        }
        None if section.len() > limits.header_bytes => Err(Status::RequestHeaderFieldsTooLarge),
        None => Ok(None),
    }
}

struct RequestLine<'i> {
    method: Method,
    target: &'i [u8],
    /// The minor version of HTTP/1: what is above 1 is treated as 1 (RFC 9110, section 2.5).
    minor: u8,
    line: &'i [u8],
}

impl<'i> RequestLine<'i> {
    /// `method SP request-target SP HTTP-version` (RFC 9112, section 3), with exactly one space in each place.
    fn parse(line: &'i [u8]) -> Result<Self, Status> {
        let bad = Status::BadRequest;
        let method_end = memchr::memchr(b' ', line).ok_or(bad)?;
        let target_end = memchr::memrchr(b' ', line).filter(|&at| at > method_end).ok_or(bad)?;
        let (method, target) = (&line[..method_end], &line[method_end + 1..target_end]);
        if method.is_empty() || !method.iter().all(|&byte| is_token_byte(byte)) {
            return Err(bad);
        }
        if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
            return Err(bad);
        }
        let minor = match &line[target_end + 1..] {
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                if *major != b'1' {
                    return Err(Status::VersionNotSupported);
                }
                (minor - b'0').min(1)
            }
            _ => return Err(bad),
        };
        Ok(Self { method: Method::parse(method), target, minor, line })
    }
}

impl Method {
    fn parse(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" | b"PUT" | b"DELETE" | b"PATCH" | b"OPTIONS" | b"TRACE" | b"CONNECT" => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// `tchar` (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What the header section said.
struct Fields {
    close: bool,
    keep_alive: bool,
    body: Body,
    conditions: Option<Box<Conditions>>,
}

type ParsedFields<'a, 'i> = httparse::Result<(usize, &'a [httparse::Header<'i>])>;

/// Reads the fields that matter, if the section is complete; also says how long it is.
fn summarise(line: &RequestLine, parsed: ParsedFields) -> Result<Option<(Fields, usize)>, Status> {
    let (section_length, headers) = match parsed {
        Ok(httparse::Status::Complete(complete)) => complete,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::RequestHeaderFieldsTooLarge),
        Err(_) => return Err(Status::BadRequest),
    };
    let mut fields = Fields { close: false, keep_alive: false, body: Body::Dropped(0), conditions: None };
    let (mut hosts, mut expects) = (0, false);
    let mut content_length: Option<u64> = None;
    let mut coding: Option<Coding> = None;
    for header in headers {
        // Most fields of most requests are none of ours; their lengths tell.
        match header.name.len() {
            4 if header.name.eq_ignore_ascii_case("host") => {
                hosts += 1;
                if !is_authority(trim(header.value)) {
                    return Err(Status::BadRequest);
                }
            }
            6 if header.name.eq_ignore_ascii_case("expect") => expects = true,
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for option in header.value.split(|&byte| byte == b',').map(trim) {
                    fields.close |= option.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let length = digits(trim(header.value)).ok_or(Status::BadRequest)?;
                if content_length.replace(length).is_some_and(|earlier| earlier != length) {
                    return Err(Status::BadRequest);
                }
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                coding.get_or_insert_default().read(header.value);
            }
            5 | 8 | 13 | 17 | 19 => Conditions::read(&mut fields.conditions, header.name, header.value),
            _ => {}
        }
    }
    if hosts > 1 || hosts == 0 && line.minor > 0 {
        return Err(Status::BadRequest);
    }
    if let Some(coding) = coding {
        // Both at once, or a coding in a version that has none, is how requests are smuggled (RFC 9112, 6.1, 6.3).
        if content_length.is_some() || line.minor == 0 || !coding.ends_chunked || coding.chunked_twice {
            return Err(Status::BadRequest);
        }
        if coding.unknown {
            return Err(Status::NotImplemented);
        }
        fields.body = Body::Unread;
    } else if let Some(length) = content_length {
        // A client that expects 100 (Continue) and reads a final status may or may not send its body after all.
        let worth_reading = length == 0 || length <= Limits::DROPPED_BODY && !expects;
        fields.body = if worth_reading { Body::Dropped(length) } else { Body::Unread };
    }
    Ok(Some((fields, section_length)))
}

/// The transfer codings of a request, in order (RFC 9112, section 6.1).
#[derive(Default)]
struct Coding {
    chunked: bool,
    chunked_twice: bool,
    ends_chunked: bool,
    unknown: bool,
}

impl Coding {
    fn read(&mut self, value: &[u8]) {
        for name in value.split(|&byte| byte == b',').map(trim).filter(|name| !name.is_empty()) {
            let chunked = name.eq_ignore_ascii_case(b"chunked");
            self.chunked_twice |= self.chunked && chunked;
            self.chunked |= chunked;
            self.unknown |= !chunked;
            self.ends_chunked = chunked;
        }
    }
}

/// Without the optional white space of RFC 9110, section 5.6.3.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// A number of digits alone, if it fits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(input: &[u8]) -> Result<Option<Request<'_>>, Status> {
        parse(input, &mut 0, &Limits::default())
    }

    fn status(input: &str) -> Option<Status> {
        whole(input.as_bytes()).err()
    }

    fn good(input: &str) -> Request<'_> {
        whole(input.as_bytes()).expect(input).expect(input)
    }

    #[test]
    fn an_everyday_request() {
        let request = good("GET /a?b HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\n\r\nrest");
        assert_eq!(request.target, b"/a?b");
        assert_eq!(request.line, b"GET /a?b HTTP/1.1");
        assert_eq!((request.method, request.body), (Method::Get, Body::Dropped(0)));
        assert!(request.keep_alive);
        assert_eq!(request.length, 45);
    }

    #[test]
    fn keep_alive_by_version_and_by_field() {
        for (head, kept) in [
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: CLOSE\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: te ,\tclose\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", true),
            ("GET / HTTP/1.7\nHost: x\n\n", true),
        ] {
            assert_eq!(good(head).keep_alive, kept, "{head}");
        }
    }

    #[test]
    fn methods() {
        for (token, method) in [
            ("GET", Method::Get),
            ("HEAD", Method::Head),
            ("POST", Method::Other),
            ("CONNECT", Method::Other),
            ("get", Method::Unknown),
            ("BREW", Method::Unknown),
        ] {
            assert_eq!(good(&format!("{token} / HTTP/1.1\r\nHost: x\r\n\r\n")).method, method);
        }
    }

    #[test]
    fn request_lines_are_judged_as_soon_as_they_are_complete() {
        for line in [
            "GET /",
            "GET / ",
            "GET  / HTTP/1.1",
            " GET / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET / HTTP/1",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "GET / HTTP/a.1",
            "G(T / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /\u{1} HTTP/1.1",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(status(&format!("{line}\r\n")), Some(Status::BadRequest), "{line:?}");
            assert_eq!(status(&format!("{line}\n")), Some(Status::BadRequest), "{line:?}");
        }
        for line in ["GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/3.7"] {
            assert_eq!(status(&format!("{line}\r\n")), Some(Status::VersionNotSupported), "{line}");
        }
    }

    #[test]
    fn fields_that_are_refused() {
        for (fields, expected) in [
            ("", Status::BadRequest),
            ("Host: a\r\nHost: a\r\n", Status::BadRequest),
            ("Host: a b\r\n", Status::BadRequest),
            ("Host: x\r\nno colon\r\n", Status::BadRequest),
            ("Host: x\r\nName : v\r\n", Status::BadRequest),
            ("Host: x\r\nA: b\r\n folded\r\n", Status::BadRequest),
            ("Host: x\r\nA: b\0c\r\n", Status::BadRequest),
            ("Host: x\r\nA: b\rc\r\n", Status::BadRequest),
            ("Host: x\r\nA(: b\r\n", Status::BadRequest),
            ("Host: x\r\n: b\r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: +5\r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: 5, 5\r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: \r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: 99999999999999999999\r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n", Status::BadRequest),
            ("Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", Status::BadRequest),
            ("Host: x\r\nTransfer-Encoding: identity\r\n", Status::BadRequest),
            ("Host: x\r\nTransfer-Encoding: chunked, gzip\r\n", Status::BadRequest),
            ("Host: x\r\nTransfer-Encoding: chunked, chunked\r\n", Status::BadRequest),
            ("Host: x\r\nTransfer-Encoding: chunked, gzip, chunked\r\n", Status::BadRequest),
            ("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", Status::NotImplemented),
            ("Host: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Status::NotImplemented),
        ] {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\n{fields}\r\n")), Some(expected), "{fields:?}");
        }
        assert_eq!(status("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Some(Status::BadRequest));
    }

    #[test]
    fn fields_that_are_fine() {
        for fields in ["Host:\r\n", "Host:\t x:80 \t\r\nA:\r\n", "host: x\r\nX: \u{e9}\r\n", "Host: x\nA: b\tc\n"] {
            good(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        }
    }

    #[test]
    fn bodies() {
        for (fields, body) in [
            ("Content-Length: 0\r\n", Body::Dropped(0)),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Body::Dropped(5)),
            ("Content-Length: 65536\r\n", Body::Dropped(65536)),
            ("Content-Length: 65537\r\n", Body::Unread),
            ("Content-Length: 5\r\nExpect: 100-continue\r\n", Body::Unread),
            ("Transfer-Encoding: chunked\r\n", Body::Unread),
        ] {
            assert_eq!(good(&format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).body, body, "{fields}");
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let limits = Limits { request_line: 20, header_bytes: 30 };
        let parse = |text: &str| parse(text.as_bytes(), &mut 0, &limits).map(|request| request.is_some());
        assert_eq!(parse("GET /2345678 HTTP/1.0\r\n\r\n"), Err(Status::UriTooLong));
        assert_eq!(parse("GET /234567 HTTP/1.0\r\n\r\n"), Ok(true));
        assert_eq!(parse("GET /234567 HTTP/1.0\r"), Ok(false));
        assert_eq!(parse("GET /234567 HTTP/1.01"), Err(Status::UriTooLong));
        assert_eq!(parse("GET / HTTP/1.0\r\nA: 34567890123456789012345\r\n\r\n"), Ok(true));
        assert_eq!(
            parse("GET / HTTP/1.0\r\nA: 345678901234567890123456\r\n\r\n"),
            Err(Status::RequestHeaderFieldsTooLarge)
        );
        let fields = |count: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(whole(fields(100).as_bytes()).is_ok());
        assert_eq!(status(&fields(101)), Some(Status::RequestHeaderFieldsTooLarge));
    }

    /// Heads that are nearly right, of which every part may be wrong.
    fn heads() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            4 => "(GET|HEAD|POST|get) /[a-z]{0,12} HTTP/[12]\\.[0-9]",
            1 => "[ -~\\x00\\r]{0,30}",
        ];
        let field = prop_oneof![
            4 => "(Host|A|Content-Length|Connection): [a-z0-9]{0,9}",
            1 => "[ -~\\x00\\r]{0,40}",
        ];
        let end = prop_oneof![Just("\r\n"), Just("\n")];
        (line, proptest::collection::vec(field, 0..6), end)
            .prop_map(|(line, fields, end)| [vec![line], fields, vec![String::new()]].concat().join(end) + end)
    }

    proptest! {
        #[test]
        fn bytes_that_trickle_in_say_the_same_in_the_end(head in heads()) {
            let limits = Limits { request_line: 24, header_bytes: 64 };
            let input = head.as_bytes();
            let at_once = parse(input, &mut 0, &limits);
            let mut scanned = 0;
            let trickled = (1..=input.len()).map(|end| parse(&input[..end], &mut scanned, &limits))
                .find(|result| !matches!(result, Ok(None)))
                .unwrap_or(Ok(None));
            prop_assert_eq!(at_once, trickled);
        }
    }
}
