//! Connections: kept, closed, pipelined.

use crate::conformance::{Case, ask, get, head, is, is_one_of, raw, rule, silence, under};

const FILE: &str = "file.txt";
const INDEX: &str = "index.html";

pub(super) fn rules() -> Vec<Case> {
    let page = || is(200).file(FILE);
    let closing = ["Connection: close", "connection: Close", "Connection: CLOSE", "Connection:close", "Connection: x, close", "Connection: x,close,y", "Connection: keep-alive, close", "Connection: ,\tclose ,"]
        .map(|field| rule(format!("{field:?} closes"), get("/file.txt").with(field), page().closed()));
    let keeping = ["Connection: keep-alive", "Connection: closed", "Connection: \"close\"", "Connection: x", "Connection:", "Connection: Upgrade", "Proxy-Connection: close"]
        .map(|field| rule(format!("{field:?} does not close"), get("/file.txt").with(field), page().kept()));
    let old = || get("/file.txt").version("HTTP/1.0").no_host();
    let thirty = (0..29).fold(rule("thirty requests, one after the other", get("/file.txt"), page()), |case, _| case.then(get("/file.txt"), page()));
    let thousand = (0..999).fold(rule("a thousand requests in one write", get("/file.txt"), page()), |case, _| case.then(get("/file.txt"), page()));
    [
        under("9112 §9.3", "connections", closing.into()),
        under("9112 §9.3", "connections", keeping.into()),
        under("9112 §9.3", "connections", vec![
            rule("two lines of which one closes", get("/file.txt").with("Connection: keep-alive").with("Connection: close"), page().closed()),
            rule("HTTP/1.0 with keep-alive is kept", old().with("Connection: Keep-Alive"), page().kept().field("Connection", "keep-alive")),
            rule("HTTP/1.0 with keep-alive and close is closed", old().with("Connection: keep-alive, close"), page().closed()),
            rule("HTTP/1.0 with something else is closed", old().with("Connection: x"), page().closed()),
            rule("HTTP/1.0 kept and then not", old().with("Connection: keep-alive"), page().kept()).then(old(), page().closed()),
            thirty,
        ]),
        under("9110 §7.8", "connections", vec![
            rule("an upgrade that is not spoken is passed over", get("/file.txt").with("Connection: Upgrade, HTTP2-Settings").with("Upgrade: h2c").with("HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"), page().kept()),
            rule("a WebSocket is not spoken either", get("/file.txt").with("Connection: Upgrade").with("Upgrade: websocket").with("Sec-WebSocket-Version: 13").with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), page().kept()),
        ]),
        under("house", "connections", vec![
            rule("what is absent keeps the connection", get("/absent"), is(404).kept()),
            rule("a redirect keeps the connection", get("/docs"), is(301).kept()),
            rule("every response says that it is kept", get("/file.txt"), is(200).field("Connection", "keep-alive")),
            rule("every response says that it is not", get("/file.txt").with("Connection: close"), is(200).field("Connection", "close")),
        ]),
        under("9112 §9.3.2", "pipelining", vec![
            rule("two requests in one write", get("/file.txt"), page()).then(get("/"), is(200).file(INDEX)).in_one_write(),
            rule("GET, HEAD, what is absent, GET", get("/file.txt"), page())
                .then(head("/medium.bin"), is(200).field("Content-Length", "70000"))
                .then(get("/absent"), is(404))
                .then(get("/"), is(200).file(INDEX))
                .in_one_write(),
            rule("large between small", get("/file.txt"), page())
                .then(get("/large.bin"), is(200).file("large.bin"))
                .then(get("/file.txt"), page())
                .then(get("/medium.bin"), is(200).file("medium.bin"))
                .in_one_write(),
            rule("methods that are refused between others", ask("DELETE", "/"), is(405))
                .then(get("/file.txt"), page())
                .then(ask("BREW", "/"), is_one_of(&[405, 501]))
                .then(get("/file.txt"), page())
                .in_one_write(),
            thousand.in_one_write(),
        ]),
        under("9112 §9.6", "pipelining", vec![
            rule("nothing is answered after a close", get("/file.txt").with("Connection: close"), page().closed()).then(get("/"), silence()).in_one_write(),
            rule("nothing is answered after HTTP/1.0", old(), page().closed()).then(get("/"), silence()).in_one_write(),
            rule("nothing is answered after a mistake", get("/file.txt"), page().kept())
                .then(raw("nonsense\r\n\r\n"), is(400).closed())
                .then(get("/"), silence())
                .in_one_write(),
            rule("a large response before the close is whole", get("/large.bin").with("Connection: close"), is(200).file("large.bin").closed())
                .then(get("/"), silence())
                .in_one_write(),
        ]),
        under("house", "half-closed", vec![
            rule("a client that sends no more gets its response", get("/file.txt").half_closed(), page()),
            rule("a client that sends no more gets a large one", get("/large.bin").half_closed(), is(200).file("large.bin")),
            rule("half a request is a bad one", raw("GET / HTTP/1.1\r\nHo").half_closed(), is(400).closed()),
            rule("an empty line and the end is none", raw("\r\n").half_closed(), silence()),
            rule("a lone LF and the end is none", raw("\n").half_closed(), silence()),
            rule("nothing at all and the end is none", raw("").half_closed(), silence()),
            rule("the end after a response", get("/file.txt"), page().kept()).then(raw("").half_closed(), silence()),
        ]),
    ]
    .concat()
}

pub(super) fn never_kept() -> Vec<Case> {
    under("house", "one request a connection", vec![
        rule("a response closes", get("/file.txt"), is(200).file(FILE).closed().field("Connection", "close")),
        rule("whatever the client says", get("/file.txt").with("Connection: keep-alive"), is(200).file(FILE).closed()),
        rule("an error closes", get("/absent"), is(404).closed()),
        rule("nothing is answered after it", get("/file.txt"), is(200).file(FILE).closed()).then(get("/"), silence()).in_one_write(),
    ])
}
