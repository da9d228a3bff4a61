//! How large a request may be: what just fits, and what is a byte too long.

use crate::conformance::{Ask, Case, Setting, get, is, is_one_of, raw, rule, under};

const FILE: &str = "file.txt";

/// The limits that a server has unless told otherwise.
const REQUEST_LINE: usize = 8 * 1024;
const HEADER_BYTES: usize = 32 * 1024;
const FIELDS: usize = 100;

pub(super) const SMALL: &[Setting] = &[Setting::RequestLine(100), Setting::HeaderBytes(200)];

/// A request whose line has so many bytes without its line end.
fn with_line(length: usize) -> Ask {
    let rest = "GET /file.txt? HTTP/1.1".len();
    get(format!("/file.txt?{}", "q".repeat(length - rest)))
}

/// A request whose header section has so many bytes, with the blank line at its end.
fn with_section(length: usize) -> Ask {
    let rest = "Host: localhost\r\nX: \r\n\r\n".len();
    get("/file.txt").with(format!("X: {}", "v".repeat(length - rest)))
}

/// A request with so many fields, its `Host` among them.
fn with_fields(count: usize) -> Ask {
    (1..count).fold(get("/file.txt"), |request, _| request.with("A: b"))
}

pub(super) fn as_they_are() -> Vec<Case> {
    [
        under("9112 §3", "limits", vec![
            rule("a request line of 8000 bytes is served", with_line(8000), is(200).file(FILE).kept()),
        ]),
        under("house", "limits", vec![
            rule("a request line of 8 KiB is served", with_line(REQUEST_LINE), is(200).file(FILE).kept()),
            rule("a header section of 32 KiB is served", with_section(HEADER_BYTES), is(200).file(FILE).kept()),
            rule("a field of 30 KiB is served", with_section(30 * 1024), is(200).file(FILE).kept()),
            rule("100 fields are served", with_fields(FIELDS), is(200).file(FILE).kept()),
            rule("a request line of 8 KiB and a byte is not", with_line(REQUEST_LINE + 1), is(414).closed()),
            rule("a header section of 32 KiB and a byte is not", with_section(HEADER_BYTES + 1), is(431).closed()),
            rule("101 fields are not", with_fields(FIELDS + 1), is(431).closed()),
            rule("fields without an end are told by 431", raw(format!("GET / HTTP/1.1\r\n{}", "Y: z\r\n".repeat(20_000))), is(431).closed()),
            rule("a field without an end is told by 431", raw(format!("GET / HTTP/1.1\r\nY: {}", "z".repeat(100_000))), is(431).closed()),
            rule("5000 fields are not", with_fields(5000), is(431).closed()),
            rule("17 fields are served", with_fields(17), is(200).file(FILE).kept()),
        ]),
        under("9110 §15.5.15", "limits", vec![
            rule("a request line of 60 KiB", with_line(60 * 1024), is(414).closed()),
            rule("a request line without an end", raw("X".repeat(100_000)), is(414).closed()),
        ]),
        under("9110 §5.4", "limits", vec![
            rule("a header section of 200 KiB", with_section(200 * 1024), is_one_of(&[400, 413, 431]).closed()),
            rule("fields without an end", raw(format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(20_000))), is_one_of(&[400, 413, 431]).closed()),
            rule("a field without an end", raw(format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(100_000))), is_one_of(&[400, 413, 431]).closed()),
        ]),
    ]
    .concat()
}

pub(super) fn set_small() -> Vec<Case> {
    under("house", "limits set small", vec![
        rule("a request line that just fits", with_line(100), is(200).file(FILE).kept()),
        rule("a request line a byte too long", with_line(101), is(414).closed()),
        rule("a request line that just fits, with LF alone", with_line(100).bare_line_feeds(), is(200).file(FILE).kept()),
        rule("a header section that just fits", with_section(200), is(200).file(FILE).kept()),
        rule("a header section a byte too long", with_section(201), is(431).closed()),
        rule("a request line without an end", raw("X".repeat(10_000)), is(414).closed()),
        rule("fields without an end", raw(format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(500))), is(431).closed()),
    ])
}
