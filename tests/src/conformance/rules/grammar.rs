//! Lines and fields: what the grammar lets pass, and what it does not.

use crate::conformance::{Case, get, is, raw, rule, under};

const FILE: &str = "file.txt";

pub(super) fn rules() -> Vec<Case> {
    let good = |name: &str, line: &[u8]| rule(name, get("/file.txt").with(line), is(200).file(FILE).kept());
    let bad = |name: &str, line: &[u8]| rule(name, get("/file.txt").with(line), is(400).closed());
    let line = |name: &str, line: &str| rule(name, raw(format!("{line}\r\nHost: a\r\n\r\n")), is(400).closed());
    let odd_bytes = b"\"(),/;<=>?@[\\]{}".map(|byte| {
        let byte = char::from(byte);
        bad(&format!("a name with {byte} in it"), format!("X{byte}Y: z").as_bytes())
    });
    [
        under("house", "lines", vec![
            rule("a bare LF ends one", get("/file.txt").bare_line_feeds(), is(200).file(FILE).kept()),
            rule("LF and CRLF mixed", raw("GET /file.txt HTTP/1.1\nHost: a\r\nX: y\n\r\n"), is(200).file(FILE)),
        ]),
        under("9112 §2.2", "lines", vec![
            rule("an empty line before a request is passed over", raw("\r\nGET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n"), is(200).file(FILE)),
            rule("several of them, too", raw("\r\n\n\r\nGET /file.txt HTTP/1.1\r\nHost: a\r\n\r\n"), is(200).file(FILE)),
            rule("an empty line after a request is passed over", get("/file.txt").body("\r\n"), is(200).file(FILE).kept()),
            rule("white space before the first field", raw("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), is(400).closed()),
            rule("a bare CR within a value", raw("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"), is(400).closed()),
            rule("a bare CR for a line end", raw("GET / HTTP/1.1\rHost: a\r\r\n\r\n"), is(400).closed()),
            rule("a bare CR in the request line", raw("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"), is(400).closed()),
        ]),
        under("house", "request line", vec![
            line("two spaces before the target", "GET  / HTTP/1.1"),
            line("two spaces before the version", "GET /  HTTP/1.1"),
            line("a space behind the version", "GET / HTTP/1.1 "),
            line("a tab for a space", "GET\t/\tHTTP/1.1"),
        ]),
        under("9112 §3", "request line", vec![
            line("a space before the method", " GET / HTTP/1.1"),
            line("a space within the target", "GET /with space.txt HTTP/1.1"),
            line("a control byte in the target", "GET /\u{1} HTTP/1.1"),
            line("DEL in the target", "GET /\u{7f} HTTP/1.1"),
            line("NUL in the target", "GET /\0 HTTP/1.1"),
            line("a greeting of TLS", "\u{16}\u{3}\u{1}\0\u{5}"),
            line("nothing but NUL", "\0\0\0\0"),
            line("words", "hello"),
        ]),
        under("9112 §5", "fields", vec![
            good("no space behind the colon", b"X:y"),
            good("an empty value", b"X:"),
            good("spaces around a value", b"X:   y   "),
            good("tabs around a value", b"X:\ty\t"),
            good("tabs and spaces around a value", b"X: \t y \t "),
            good("a tab within a value", b"X: a\tb"),
            good("every byte that a name may have", b"!#$%&'*+-.^_`|~019azAZ: y"),
            good("a name that starts with a digit", b"1: y"),
            good("bytes above ASCII in a value", b"X: \xc3\xbc \xff"),
            good("a colon in a value", b"X: a:b::c"),
            good("quotes in a value", b"X: \"a, \\\" b"),
            rule("tabs around the Host", get("/file.txt").no_host().with("Host:\tlocalhost \t"), is(200).file(FILE)),
            rule("names in any case", get("/file.txt").no_host().with("hOsT: localhost"), is(200).file(FILE)),
        ]),
        under("9112 §5.1", "fields", vec![
            bad("a space before the colon", b"X : y"),
            bad("a tab before the colon", b"X\t: y"),
            bad("a line without a colon", b"nothing"),
            bad("no name before the colon", b": y"),
            bad("a space in a name", b"X Y: z"),
        ]),
        under("9112 §5.2", "fields", vec![
            bad("a folded line", b"X: a\r\n b"),
            bad("a line folded with a tab", b"X: a\r\n\tb"),
            bad("a fold with nothing in it", b"X: a\r\n \r\nY: b"),
        ]),
        under("house", "fields", vec![
            bad("BEL in a value", b"X: a\x07b"),
            bad("ESC in a value", b"X: a\x1bb"),
            bad("DEL in a value", b"X: a\x7fb"),
        ]),
        under("9110 §5.5", "fields", vec![
            bad("NUL in a value", b"X: a\0b"),
        ]),
        under("9110 §5.6.2", "fields", vec![
            bad("a name with bytes above ASCII", b"N\xc3\xa4me: x"),
            bad("a name with a byte that is no UTF-8", b"N\xffme: x"),
            bad("a name with NUL", b"X\0Y: z"),
            bad("a name with a control byte", b"X\x01Y: z"),
        ]),
        under("9110 §5.6.2", "fields", odd_bytes.into()),
    ]
    .concat()
}
