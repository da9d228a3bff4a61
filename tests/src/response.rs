//! A response as it came over the wire, held to what every response owes its client.

use std::fmt;

/// One whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body, empty for an answer to HEAD.
    pub body: Vec<u8>,
    head: String,
    headers: Vec<(String, String)>,
}

/// Why no response was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The time was up; so many bytes had come.
    TimedOut(usize),
    /// The connection ended in order after so many bytes of a response.
    Closed(usize),
    /// The connection was reset after so many bytes of a response.
    Reset(usize),
    /// What came is no response that a server of ours may send.
    Malformed(Malformed),
}

/// What is wrong with a response, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(bytes) => write!(f, "the time was up after {bytes} bytes of a response"),
            Self::Closed(bytes) => write!(f, "the connection was closed after {bytes} bytes of a response"),
            Self::Reset(bytes) => write!(f, "the connection was reset after {bytes} bytes of a response"),
            Self::Malformed(Malformed(why)) => write!(f, "a malformed response: {why}"),
        }
    }
}

impl Response {
    /// Reads the head of a response, with its blank line. On every response there is exactly one of each of `Server`, `Date` and
    /// `Connection`, the date is one, the connection is said to be closed or kept, and every body has a length.
    ///
    /// # Errors
    /// With what is wrong, when it is none of that.
    pub fn parse_head(head: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed(format!("{why}: {:?}", String::from_utf8_lossy(head)));
        let response = Self::read_head(head)?;
        if response.version() != "HTTP/1.1" {
            return Err(wrong("no status line of HTTP/1.1"));
        }
        for (line, (name, value)) in response.head.split("\r\n").skip(1).zip(&response.headers) {
            if line != format!("{name}: {value}") {
                return Err(wrong("an untidy header line"));
            }
        }
        for name in ["Server", "Date", "Connection"] {
            if response.all(name).count() != 1 {
                return Err(wrong(&format!("not exactly one {name}")));
            }
        }
        if !is_imf_fixdate(response.header("Date")) {
            return Err(wrong("the date is none"));
        }
        if !["close", "keep-alive"].contains(&response.header("Connection")) {
            return Err(wrong("neither closed nor kept"));
        }
        if response.all("Content-Length").count() != usize::from(response.status != 304) {
            return Err(wrong("not exactly one Content-Length"));
        }
        if response.length().is_none() && response.status != 304 {
            return Err(wrong("the length is no number"));
        }
        Ok(response)
    }

    /// Reads the head of anybody's response, with its blank line: all that the grammar of RFC 9112 asks for and no more.
    ///
    /// # Errors
    /// With what is wrong, when it is none.
    pub fn read_head(head: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed(format!("{why}: {:?}", String::from_utf8_lossy(head)));
        let text = std::str::from_utf8(head).map_err(|_| wrong("the head is not UTF-8"))?;
        let text = text.strip_suffix("\r\n\r\n").ok_or_else(|| wrong("no blank line"))?;
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let (version, status) = status_line.split_once(' ').ok_or_else(|| wrong("no status line"))?;
        if !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
            return Err(wrong("no status line of HTTP/1"));
        }
        let (status, reason) = status.split_once(' ').ok_or_else(|| wrong("no reason phrase"))?;
        if status.len() != 3 {
            return Err(wrong("no status code"));
        }
        let status = status.parse().map_err(|_| wrong("no status code"))?;
        if reason.is_empty() {
            return Err(wrong("an empty reason phrase"));
        }
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("a header line without a colon"))?;
            let value = value.trim_matches([' ', '\t']);
            if name.is_empty() || name.contains([' ', '\t']) || value.chars().any(|letter| letter.is_control()) {
                return Err(wrong("an untidy header line"));
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { status, body: Vec::new(), head: text.to_owned(), headers })
    }

    /// The value of the header `name`, if it is there.
    ///
    /// # Errors
    /// When it is there more than once.
    pub fn field(&self, name: &str) -> Result<Option<&str>, String> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(format!("more than one {name}")) } else { Ok(value) }
    }

    /// All header lines, as names and values, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The version of HTTP in the status line.
    pub fn version(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Whether the connection goes on: over HTTP/1.1 it does unless the response says otherwise, over HTTP/1.0 only if it says
    /// so (RFC 9112, section 9.3).
    pub fn leaves_open(&self) -> bool {
        let says = |option: &str| {
            let mut options = self.all("Connection").flat_map(|value| value.split(','));
            options.any(|said| said.trim().eq_ignore_ascii_case(option))
        };
        !says("close") && (self.version() == "HTTP/1.1" || says("keep-alive"))
    }

    /// The value of the header `name`, which has to be there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<&str> = self.all(name).collect();
        let [value] = values[..] else { panic!("not exactly one {name} in {:?}", self.head) };
        value
    }

    /// Whether there is a header `name`.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The `Content-Length` in bytes.
    pub fn length(&self) -> Option<u64> {
        self.all("Content-Length").next()?.parse().ok()
    }

    /// Whether the server promises to keep the connection.
    pub fn keeps_alive(&self) -> bool {
        self.header("Connection") == "keep-alive"
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("the body of {:?} is not UTF-8", self.head))
    }

    /// Panics unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {:?}", self.head, String::from_utf8_lossy(&self.body));
        self
    }

    /// The head and the body, with the value of `Date` taken out: what two servers have to agree on.
    pub fn without_date(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in self.head.split("\r\n") {
            let line = if line.starts_with("Date: ") { "Date: " } else { line };
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of date that RFC 9110 5.6.7 lets a server send.
fn is_imf_fixdate(date: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let pattern = "@@@, 00 @@@ 0000 00:00:00 GMT";
    date.len() == pattern.len()
        && pattern.bytes().zip(date.bytes()).all(|(expected, byte)| match expected {
            b'0' => byte.is_ascii_digit(),
            b'@' => byte.is_ascii_alphabetic(),
            _ => byte == expected,
        })
        && DAYS.contains(&&date[..3])
        && MONTHS.contains(&&date[8..11])
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Response};

    const GOOD: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                        Connection: keep-alive\r\nContent-Length: 2\r\n\r\n";

    #[test]
    fn takes_what_a_server_owes() {
        let response = Response::parse_head(GOOD.as_bytes()).unwrap();
        assert_eq!((response.status, response.length(), response.keeps_alive()), (200, Some(2), true));
        assert_eq!(response.header("server"), "x");
    }

    #[test]
    fn refuses_what_a_server_owes_and_does_not_send() {
        for (good, bad, why) in [
            ("Server: x\r\n", "", "Server"),
            ("Server: x\r\n", "Server: x\r\nServer: x\r\n", "Server"),
            ("06 Nov", "6 Nov", "date"),
            ("Sun,", "Sin,", "date"),
            ("GMT", "CET", "date"),
            ("Connection: keep-alive\r\n", "", "Connection"),
            ("keep-alive", "maybe", "neither"),
            ("Content-Length: 2\r\n", "", "Content-Length"),
            ("Length: 2", "Length: two", "number"),
            ("HTTP/1.1", "HTTP/1.0", "HTTP/1.1"),
            (" OK", "", "reason"),
            ("Server: x", "Server:  x", "untidy"),
        ] {
            let Err(Malformed(told)) = Response::parse_head(GOOD.replace(good, bad).as_bytes()) else {
                panic!("{bad:?} for {good:?} was taken");
            };
            assert!(told.contains(why), "{told:?} does not say {why:?}");
        }
    }

    #[test]
    fn leaves_out_the_date_and_nothing_else() {
        let response = Response::parse_head(GOOD.as_bytes()).unwrap();
        assert_eq!(response.without_date(), GOOD.replace("Sun, 06 Nov 1994 08:49:37 GMT", "").into_bytes());
    }
}
