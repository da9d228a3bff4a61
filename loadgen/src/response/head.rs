//! The head of a response: its status, how its body is framed, and whether it has the expected type.

use Unreadable::{Malformed, TooLarge};

/// No head may be longer than this, in bytes.
pub const LIMIT: usize = 64 * 1024;

/// What the reader needs to know of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Whether the server will read another request from this connection.
    pub(super) persistent: bool,
    /// Whether the Content-Type is the expected one, where one is expected.
    pub(super) has_expected_type: bool,
}

/// How the end of a body is found (RFC 9112, section 6.3), before the method of the request is considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// These bytes are not the head of an HTTP/1 response.
    Malformed,
    /// It is longer than [`LIMIT`], as far as it has come.
    TooLarge,
}

/// Reads heads and remembers the last one.
///
/// Servers tend to repeat themselves. When the input begins with exactly the bytes of the head that was read last, up to and
/// including its blank line, it means the same, and comparing is many times cheaper than parsing. A head that
/// differs in a single byte is parsed.
#[derive(Debug, Default)]
pub struct HeadReader {
    last: Vec<u8>,
    meaning: Option<Head>,
    content_type: Option<String>,
}

impl HeadReader {
    /// A reader that also says of each head whether it has this Content-Type. Letter case and parameters do not matter; a
    /// head without the field has another type. `None` expects nothing.
    #[must_use]
    pub fn expecting(content_type: Option<String>) -> Self {
        Self { content_type, ..Self::default() }
    }

    /// The head at the beginning of `input` and its length; `None` when its blank line is not there yet.
    /// The search for the blank line starts at `from`, so that input which comes in pieces is not searched again.
    #[inline]
    pub(super) fn read(&mut self, input: &[u8], from: usize) -> Result<Option<(Head, usize)>, Unreadable> {
        if let Some(meaning) = self.meaning
            && input.starts_with(&self.last)
        {
            return Ok(Some((meaning, self.last.len())));
        }
        self.parse(input, from)
    }

    fn parse(&mut self, input: &[u8], from: usize) -> Result<Option<(Head, usize)>, Unreadable> {
        // A head that comes in pieces is parsed once, when its end is there.
        let complete = from == 0 || end_of_head(input, from).is_some();
        let parsed = if complete { parse(input, self.content_type.as_deref())? } else { None };
        let Some((meaning, length)) = parsed else {
            return may_become_a_head(input).map(|()| None);
        };
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
fn may_become_a_head(input: &[u8]) -> Result<(), Unreadable> {
    const START: &[u8] = b"HTTP/1.";
    let compared = input.len().min(START.len());
    if input[..compared] != START[..compared] {
        return Err(Malformed);
    }
    if input.len() < LIMIT { Ok(()) } else { Err(TooLarge) }
}

/// Parses the head at the beginning of `input`; `None` when its blank line is not there yet. Names have to be names;
/// of values only those that decide about the body and the connection are looked at.
fn parse(input: &[u8], content_type: Option<&str>) -> Result<Option<(Head, usize)>, Unreadable> {
    let Some((status_line, mut used)) = next_line(input, 0) else {
        return Ok(None);
    };
    let (minor_version, status) = parse_status_line(status_line)?;
    let mut fields = Fields { expected_type: content_type, ..Fields::default() };
    loop {
        let Some((line, end)) = next_line(input, used) else {
            return Ok(None);
        };
        used = end;
        if line.is_empty() {
            break;
        }
        fields.take(line)?;
    }
    if used > LIMIT {
        return Err(TooLarge);
    }
    let framing = match fields.length {
        // A transfer coding overrides a length; HTTP/1.0 knows none, there its message ends with the connection.
        _ if fields.chunked && minor_version > 0 => Framing::Chunked,
        _ if fields.coded => Framing::UntilClose,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let persistent = !fields.close && (minor_version > 0 || fields.keep_alive);
    let has_expected_type = content_type.is_none() || (fields.has_type && !fields.has_other_type);
    Ok(Some((Head { status, framing, persistent, has_expected_type }, used)))
}

/// The line that begins at `start`, without its end, and where the next one begins.
#[inline]
fn next_line(input: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let length = memchr::memchr(b'\n', &input[start..])?;
    let line = &input[start..start + length];
    Some((line.strip_suffix(b"\r").unwrap_or(line), start + length + 1))
}

/// The minor version and the status code of `HTTP/1.1 200 OK`. The reason, with the space before it, may be missing.
fn parse_status_line(line: &[u8]) -> Result<(u8, u16), Unreadable> {
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', code @ ..] = line else {
        return Err(Malformed);
    };
    let (digits, reason) = code.split_at_checked(3).ok_or(Malformed)?;
    if !minor.is_ascii_digit() || !digits.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ', ..]) {
        return Err(Malformed);
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if status < 100 {
        return Err(Malformed);
    }
    Ok((minor - b'0', status))
}

/// What the header fields say about the body and the connection.
#[derive(Debug, Default)]
struct Fields<'a> {
    expected_type: Option<&'a str>,
    has_type: bool,
    has_other_type: bool,
    length: Option<u64>,
    /// There is a transfer coding.
    coded: bool,
    /// The last transfer coding is `chunked`.
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        let colon = line.iter().position(|&byte| !IS_TOKEN[usize::from(byte)]).ok_or(Malformed)?;
        if colon == 0 || line[colon] != b':' {
            return Err(Malformed);
        }
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // The length of a name tells most of the others apart.
        match colon {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let stated = parse_length(value)?;
                if self.length.is_some_and(|earlier| earlier != stated) {
                    return Err(Malformed);
                }
                self.length = Some(stated);
            }
            12 if self.expected_type.is_some() && name.eq_ignore_ascii_case(b"content-type") => {
                self.has_type = true;
                self.has_other_type |= !self.expected_type.is_some_and(|expected| is_type(value, expected));
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.coded = true;
                // Only the last coding of the last field decides how the body ends.
                self.chunked = last_element(value).eq_ignore_ascii_case(b"chunked");
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The bytes that names consist of (RFC 9110, section 5.6.2).
const IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
};

/// Whether the value of a Content-Type names this type, its parameters left aside.
fn is_type(value: &[u8], expected: &str) -> bool {
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
}

/// A length is digits alone; several equal ones in a list are one (RFC 9112, section 6.3).
fn parse_length(value: &[u8]) -> Result<u64, Unreadable> {
    let mut stated = None;
    for element in value.split(|&byte| byte == b',') {
        let digits = element.trim_ascii();
        let add = |length: u64, digit: &u8| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            length.checked_mul(10)?.checked_add(digit)
        };
        if digits.is_empty() {
            return Err(Malformed);
        }
        let length = digits.iter().try_fold(0, add).ok_or(Malformed)?;
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

    fn read(text: &str) -> Result<Option<(Head, usize)>, Unreadable> {
        HeadReader::default().read(text.as_bytes(), 0)
    }

    fn head(text: &str) -> Head {
        let (head, length) = read(text).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    #[test]
    fn names_and_values_in_any_case_and_order() {
        let expected = Head { status: 200, framing: Framing::Length(612), persistent: true, has_expected_type: true };
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
    fn a_type_is_told_from_others_whatever_its_case_and_parameters() {
        let has_type = |fields: &str| {
            let mut reader = HeadReader::expecting(Some("text/html".into()));
            let text = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1\r\n\r\n");
            let (head, _) = reader.read(text.as_bytes(), 0).unwrap().unwrap();
            assert_eq!(reader.read(text.as_bytes(), 0).unwrap().unwrap().0, head, "and it is remembered");
            head.has_expected_type
        };
        for right in ["text/html", "Text/HTML", " text/html ; charset=utf-8", "text/html;charset=utf-8"] {
            assert!(has_type(&format!("content-TYPE: {right}\r\n")), "{right:?}");
        }
        for wrong in ["", "text/htm", "text/html5", "text/plain; a=text/html", "text/html, text/plain", ";text/html"] {
            assert!(!has_type(&format!("Content-Type: {wrong}\r\n")), "{wrong:?}");
        }
        assert!(!has_type(""), "there is none");
        assert!(!has_type("Content-Type: text/html\r\nContent-Type: text/plain\r\n"));
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
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.x 200 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
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
        assert_eq!(read(&format!("HTTP/1.1 200 {}", "x".repeat(LIMIT))), Err(TooLarge));
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
