//! Bodies of requests: where they end, and that none is taken for a request.
//!
//! Every body here has a request in it for something that would be noticed, so that a server that reads it as one is
//! caught by what every rule checks in the end: that nothing but the expected responses comes.

use crate::conformance::{Ask, Case, ask, get, is, is_one_of, raw, rule, under};

const FILE: &str = "file.txt";
const INNER: &str = "GET /smuggled.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A request with these fields, and a body that looks like another request.
fn with(method: &str, fields: &[&str]) -> Ask {
    fields.iter().fold(ask(method, "/file.txt"), |request, field| request.with(field)).body(INNER)
}

fn chunked(field: &str) -> Ask {
    get("/file.txt").with(field).body(format!("{:x}\r\n{INNER}\r\n0\r\n\r\n", INNER.len()))
}

pub(super) fn rules() -> Vec<Case> {
    let length = format!("Content-Length: {}", INNER.len());
    let length = length.as_str();
    let longer = format!("Content-Length: {}", INNER.len() + 1);
    let refused = |name: &str, fields: &[&str]| rule(name, with("GET", fields), is(400).closed());
    let no_length = ["+5", "-5", "5x", "0x5", "5.0", "5e1", "\"5\"", "five", "5 5", "5;5", "٥"]
        .map(|value| refused(&format!("{value} is none"), &[&format!("Content-Length: {value}")]));
    let huge = ["99999999999999999999", "18446744073709551616", "340282366920938463463374607431768211456"]
        .map(|value| rule(format!("{value} is more than there can be"), with("GET", &[&format!("Content-Length: {value}")]), is_one_of(&[400, 413]).closed()));
    let dropped = ["GET", "HEAD"].map(|method| {
        rule(format!("that of a {method} is dropped"), with(method, &[length]), is(200)).then(get("/file.txt"), is(200).file(FILE))
    });
    let of_others = ["POST", "PUT", "DELETE", "OPTIONS", "BREW"]
        .map(|method| rule(format!("that of a {method} is no request"), with(method, &[length]), is_one_of(&[405, 501])));
    let chunked_others = ["POST", "BREW"].map(|method| {
        rule(format!("that of a {method}, chunked, is no request"), with(method, &["Transfer-Encoding: chunked"]), is_one_of(&[400, 405, 501]))
    });
    let not_chunked: [(&str, &[&str]); 7] = [
        ("that does not end in chunked", &["Transfer-Encoding: gzip"]),
        ("with chunked before the end", &["Transfer-Encoding: chunked, gzip"]),
        ("with chunked in the line before", &["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"]),
        ("identity, which is no more", &["Transfer-Encoding: identity"]),
        ("with nothing in it", &["Transfer-Encoding:"]),
        ("a coding that looks like chunked", &["Transfer-Encoding: xchunked"]),
        ("chunked in quotes", &["Transfer-Encoding: \"chunked\""]),
    ];
    [
        under("9112 §6", "bodies", dropped.into()),
        under("9112 §6", "bodies", of_others.into()),
        under("9112 §6", "bodies", chunked_others.into()),
        under("9112 §6", "bodies", vec![
            rule("in the same write as what follows", with("GET", &[length]), is(200).file(FILE)).then(get("/"), is(200).file("index.html")).in_one_write(),
            rule("of no bytes", get("/file.txt").with("Content-Length: 0"), is(200).file(FILE).kept()),
            rule("of a bad request is no request", ask("GET", "/%zz").with(length).body(INNER), is(400)),
            rule("of what is absent is dropped", ask("GET", "/absent").with(length).body(INNER), is(404)).then(get("/file.txt"), is(200).file(FILE)),
            rule("in HTTP/1.0 is dropped", with("GET", &[length, "Connection: keep-alive"]).version("HTTP/1.0"), is(200).file(FILE)),
            rule("that ends too soon", with("GET", &[&longer]).half_closed(), is_one_of(&[200, 400])),
            rule("that is never sent", get("/file.txt").with(length).half_closed(), is_one_of(&[200, 400])),
        ]),
        under("house", "bodies", vec![
            rule("small ones keep the connection", with("GET", &[length]), is(200).file(FILE).kept()),
            rule("of 64 KiB keeps the connection", get("/file.txt").with("Content-Length: 65536").body(vec![b'x'; 65536]), is(200).file(FILE).kept()),
            rule("larger ones are not waited for", get("/file.txt").with("Content-Length: 65537"), is(200).file(FILE).closed()),
            rule("huge ones are not waited for", get("/file.txt").with("Content-Length: 18446744073709551615"), is(200).file(FILE).closed()),
            rule("chunked ones close the connection", chunked("Transfer-Encoding: chunked"), is(200).file(FILE).closed()),
        ]),
        under("9110 §8.6", "Content-Length", no_length.into()),
        under("9110 §8.6", "Content-Length", huge.into()),
        under("9110 §8.6", "Content-Length", vec![
            refused("nothing is none", &["Content-Length:"]),
            refused("blanks are none", &["Content-Length: \t "]),
            rule("zeros before the digits are digits", with("GET", &[&format!("Content-Length: 000{}", INNER.len())]), is(200).file(FILE)),
            rule("tabs and spaces around it are fine", with("GET", &[&format!("Content-Length:\t {} \t", INNER.len())]), is(200).file(FILE)),
        ]),
        under("9112 §6.3", "Content-Length", vec![
            refused("two that differ", &[length, "Content-Length: 0"]),
            refused("two that differ, the other way round", &["Content-Length: 0", length]),
            refused("a list that differs", &["Content-Length: 5, 6"]),
            refused("two of which one is none", &[length, "Content-Length: x"]),
        ]),
        under("9112 §6.1", "Transfer-Encoding", vec![
            refused("together with a Content-Length", &["Transfer-Encoding: chunked", length]),
            refused("together with a Content-Length before it", &[length, "Transfer-Encoding: chunked"]),
            refused("together with a Content-Length of 0", &["Content-Length: 0", "Transfer-Encoding: chunked"]),
            refused("in any case, together with a Content-Length", &[length, "tRANSFER-eNCODING: cHUNKED"]),
            rule("in HTTP/1.0", chunked("Transfer-Encoding: chunked").version("HTTP/1.0"), is(400).closed()),
            rule("an unknown coding before chunked", chunked("Transfer-Encoding: sausage, chunked"), is(501).closed()),
            rule("a coding that we do not undo", chunked("Transfer-Encoding: gzip, chunked"), is(501).closed()),
            rule("a coding in a line of its own", chunked("Transfer-Encoding: gzip").with("Transfer-Encoding: chunked"), is_one_of(&[400, 501]).closed()),
            rule("chunked is no request, however it is written", chunked("Transfer-Encoding:\tCHUNKED\t"), is(200).file(FILE)),
        ]),
        under("9112 §6.3", "Transfer-Encoding", not_chunked.iter().map(|(name, fields)| rule(*name, with("GET", fields), is_one_of(&[400, 501]).closed())).collect()),
        under("house", "Transfer-Encoding", not_chunked.iter().map(|(name, fields)| refused(&format!("{name}: 400"), fields)).collect()),
        under("house", "Transfer-Encoding", vec![
            refused("chunked twice", &["Transfer-Encoding: chunked, chunked"]),
            refused("chunked twice in two lines", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        ]),
        under("9112 §5.1", "Transfer-Encoding", vec![
            refused("a space before its colon", &["Transfer-Encoding : chunked", length]),
            refused("hidden in a folded line", &["X: y\r\n Transfer-Encoding: chunked", length]),
        ]),
        under("house", "Expect", vec![
            rule("100-continue gets a final response", get("/file.txt").with("Expect: 100-continue").with(length), is(200).file(FILE).closed()),
            rule("100-continue of a POST", ask("POST", "/file.txt").with("Expect: 100-continue").with(length), is(405).closed()),
        ]),
        under("9110 §10.1.1", "Expect", vec![
            rule("100-continue without a body", get("/file.txt").with("Expect: 100-continue"), is(200).file(FILE)),
            rule("100-continue in HTTP/1.0", get("/file.txt").with("Expect: 100-continue").version("HTTP/1.0"), is(200).file(FILE)),
            rule("100-continue with the body on its heels", with("GET", &["Expect: 100-continue", length]), is(200).file(FILE)),
        ]),
        under("9112 §9.6", "closing", vec![
            rule("a large body on its way does not cut the answer off", ask("POST", "/file.txt").with("Content-Length: 900000").body(vec![b'x'; 900_000]), is_one_of(&[405, 413])),
            rule("nor does what follows a bad request", raw(format!("G(T / HTTP/1.1\r\n\r\n{}", "x".repeat(500_000))), is(400).closed()),
            rule("nor does what follows a field that is too long", raw(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(900_000))), is_one_of(&[400, 431]).closed()),
        ]),
    ]
    .concat()
}
