//! The head of a response: its status and how its body is framed.

/// No head may be longer than this; what goes on without a blank line is no HTTP response.
pub const LIMIT: usize = 64 * 1024;

/// More header fields than any server sends. The space for them is not initialised and costs nothing.
const FIELDS: usize = 256;

/// What the reader needs to know of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Whether the server will read another request from this connection.
    pub(super) persistent: bool,
}

/// How the end of a body is found (RFC 9112, section 6.3), before the method of the request is considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// These bytes are not the head of an HTTP/1 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads heads and remembers the last one.
///
/// Servers tend to repeat themselves. When the input begins with exactly the bytes of the head that was read last, up to and
/// including its blank line, it means the same, and comparing is many times cheaper than parsing. A head that
/// differs in a single byte is parsed.
#[derive(Debug, Default)]
pub struct HeadReader {
    last: Vec<u8>,
    meaning: Option<Head>,
}

impl HeadReader {
    /// The head at the beginning of `input` and its length; `None` when its blank line is not there yet.
    /// The search for the blank line starts at `from`, so that input which comes in pieces is not searched again.
    #[inline]
    pub(super) fn read(&mut self, input: &[u8], from: usize) -> Result<Option<(Head, usize)>, Malformed> {
        if let Some(meaning) = self.meaning
            && input.starts_with(&self.last)
        {
            return Ok(Some((meaning, self.last.len())));
        }
        self.parse(input, from)
    }

    fn parse(&mut self, input: &[u8], from: usize) -> Result<Option<(Head, usize)>, Malformed> {
        let Some(length) = end_of_head(input, from) else {
            return if may_become_a_head(input) { Ok(None) } else { Err(Malformed) };
        };
        let meaning = parse(&input[..length])?;
        self.last.clear();
        self.last.extend_from_slice(&input[..length]);
        self.meaning = Some(meaning);
        Ok(Some((meaning, length)))
    }
}

/// The position behind the first blank line; lines end with LF, mostly with a CR before it.
fn end_of_head(input: &[u8], from: usize) -> Option<usize> {
    // The end of the line before the blank one may lie up to two bytes before the bytes that are new.
    let start = from.saturating_sub(2);
    memchr::memchr_iter(b'\n', &input[start..]).find_map(|position| match &input[start + position + 1..] {
        [b'\n', ..] => Some(start + position + 2),
        [b'\r', b'\n', ..] => Some(start + position + 3),
        _ => None,
    })
}

/// Whether more bytes can still make a head of this: a greeting in another protocol is not waited for.
fn may_become_a_head(input: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let compared = input.len().min(START.len());
    input[..compared] == START[..compared] && input.len() < LIMIT
}

/// Parses a whole head.
fn parse(bytes: &[u8]) -> Result<Head, Malformed> {
    // httparse would skip blank lines before the status line; no server may send them.
    if !bytes.starts_with(b"HTTP/1.") || bytes.len() > LIMIT {
        return Err(Malformed);
    }
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        _ => return Err(Malformed),
    }
    let (Some(version), Some(status)) = (response.version, response.code) else {
        return Err(Malformed);
    };
    if !(100..=999).contains(&status) {
        return Err(Malformed);
    }
    let mut length = None;
    let mut coded = false;
    let mut chunked = false;
    let (mut close, mut keep_alive) = (false, false);
    for field in response.headers.iter() {
        // The length of a name tells most of the others apart.
        match field.name.len() {
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                let stated = parse_length(field.value)?;
                if length.is_some_and(|earlier| earlier != stated) {
                    return Err(Malformed);
                }
                length = Some(stated);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                coded = true;
                // Only the last coding of the last field decides how the body ends.
                chunked = last_element(field.value).eq_ignore_ascii_case(b"chunked");
            }
            10 if field.name.eq_ignore_ascii_case("connection") => {
                for option in field.value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            _ => {}
        }
    }
    let framing = match length {
        // A transfer coding overrides a length; HTTP/1.0 knows none, there its message ends with the connection.
        _ if coded && chunked && version == 1 => Framing::Chunked,
        _ if coded => Framing::UntilClose,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let persistent = !close && (version == 1 || keep_alive);
    Ok(Head { status, framing, persistent })
}

/// A length is digits alone; several equal ones in a list are one (RFC 9112, section 6.3).
fn parse_length(value: &[u8]) -> Result<u64, Malformed> {
    let mut stated = None;
    for element in value.split(|&byte| byte == b',') {
        let digits = element.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Malformed);
        }
        let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
        let length = text.parse().map_err(|_| Malformed)?;
        if stated.is_some_and(|earlier: u64| earlier != length) {
            return Err(Malformed);
        }
        stated = Some(length);
    }
    stated.ok_or(Malformed)
}

fn last_element(value: &[u8]) -> &[u8] {
    value.rsplit(|&byte| byte == b',').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Head, usize)>, Malformed> {
        HeadReader::default().read(text.as_bytes(), 0)
    }

    fn head(text: &str) -> Head {
        let (head, length) = read(text).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn names_and_values_in_any_case_and_order() {
        let expected = Head { status: 200, framing: Framing::Length(612), persistent: true };
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 612\r\nServer: a\r\n\r\n"), expected);
        assert_eq!(head("HTTP/1.1 200 OK\r\nx: y\r\ncONTENT-lENGTH:612 \r\nConnection: Keep-Alive\r\n\r\n"), expected);
        assert_eq!(head("HTTP/1.1 200\nContent-Length: 612\n\n"), expected);
    }

    #[test]
    fn persistence_of_both_versions() {
        let persistent = |text| head(text).persistent;
        assert!(persistent("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!persistent("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"));
        assert!(!persistent("HTTP/1.0 200 OK\r\n\r\n"));
        assert!(persistent("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!persistent("HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n\r\n"));
    }

    #[test]
    fn a_coding_decides_before_a_length() {
        let framing = |fields: &str| head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).framing;
        assert_eq!(framing(""), Framing::UntilClose);
        assert_eq!(framing("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), Framing::Chunked);
        assert_eq!(framing("Transfer-Encoding: gzip, Chunked\r\n"), Framing::Chunked);
        assert_eq!(framing("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n"), Framing::UntilClose);
        assert_eq!(framing("Content-Length: 3\r\nContent-Length: 3\r\n"), Framing::Length(3));
        assert_eq!(framing("Content-Length: 3, 3\r\n"), Framing::Length(3));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "HTTP/2 200 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            "SSH-2.0-OpenSSH",
            "<html>",
        ] {
            assert_eq!(read(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_beginning_is_waited_for_but_not_for_ever() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("HTT"), Ok(None));
        assert_eq!(read("HTTP/1.1 200 OK\r\nServer: x\r\n"), Ok(None));
        assert_eq!(read(&format!("HTTP/1.1 200 {}", "x".repeat(LIMIT))), Err(Malformed));
    }

    #[test]
    fn a_remembered_head_is_used_only_for_the_same_bytes() {
        let mut reader = HeadReader::default();
        let mut length_of = |text: &str| match reader.read(text.as_bytes(), 0) {
            Ok(Some((Head { framing: Framing::Length(length), .. }, _))) => Some(length),
            _ => None,
        };
        let first = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
        assert_eq!(length_of(first), Some(10));
        assert_eq!(length_of(&format!("{first}0123456789")), Some(10));
        assert_eq!(length_of("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"), Some(11));
        assert_eq!(length_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"), Some(1));
        assert_eq!(length_of(&first[..first.len() - 1]), None);
    }
}
