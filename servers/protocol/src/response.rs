use crate::{Moment, Status};
use std::ops::Range;

/// What every head starts with, from its status line to its `Connection` field (RFC 9110, sections 6.6.1 and 10.2.4).
pub(crate) fn start(into: &mut Vec<u8>, status: Status, keep_alive: bool, date: &[u8]) {
    match status {
        // The line of nearly all responses is not put together each time.
        Status::Ok => into.extend_from_slice(b"HTTP/1.1 200 OK\r\nServer: OTUServer\r\nDate: "),
        other => {
            let line = format!("HTTP/1.1 {} {}\r\nServer: OTUServer\r\nDate: ", other.code(), other.reason());
            into.extend_from_slice(line.as_bytes());
        }
    }
    into.extend_from_slice(date);
    into.extend_from_slice(if keep_alive {
        b"\r\nConnection: keep-alive\r\n".as_slice()
    } else {
        b"\r\nConnection: close\r\n".as_slice()
    });
}

/// A whole response with a small page that says what its status means. `field` is one more field, of a name and a
/// value. Returns the bytes of its body that are sent.
pub(crate) fn page(
    into: &mut Vec<u8>,
    status: Status,
    keep_alive: bool,
    head_only: bool,
    field: Option<(&str, &[u8])>,
    at: &Moment,
) -> usize {
    start(into, status, keep_alive, at.date());
    if let Some((name, value)) = field {
        into.extend_from_slice(name.as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value);
        into.extend_from_slice(b"\r\n");
    }
    let (code, reason) = (status.code(), status.reason());
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<title>{code} {reason}</title>\n<h1>{code} {reason}</h1>\n</html>\n"
    );
    into.extend_from_slice(format!("Content-Type: text/html\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
    if head_only {
        return 0;
    }
    into.extend_from_slice(body.as_bytes());
    body.len()
}

/// The last field lines of a response with the bytes `part` of a document of `length` bytes, and the blank line behind
/// them (RFC 9110, section 14.4).
pub(crate) fn part(part: &Range<u64>, length: u64) -> String {
    let Range { start, end } = part;
    format!("Content-Range: bytes {start}-{}/{length}\r\nContent-Length: {}\r\n\r\n", end - 1, end - start)
}
