//! Request lines: methods, versions, hosts, forms of targets.

use crate::conformance::{Case, ask, get, head, is, is_one_of, raw, rule, under};

const INDEX: &str = "index.html";
const FILE: &str = "file.txt";
const ALLOWED: &[&str] = &["GET", "HEAD"];

pub(super) fn methods() -> Vec<Case> {
    let refused = ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"].map(|method| {
        rule(format!("{method} is known and not allowed"), ask(method, "/file.txt"), is(405).lists("Allow", ALLOWED))
    });
    let unknown = ["get", "Get", "GETT", "G", "BREW", "M-SEARCH", "PROPFIND", "!#$%&'*+-.^_`|~0"]
        .map(|method| rule(format!("{method} is not known"), ask(method, "/file.txt"), is(501)));
    let heads = ["/", "/file.txt", "/empty.txt", "/medium.bin", "/huge.bin", "/absent", "/docs", "/out"]
        .map(|target| rule(format!("HEAD of {target} has the fields of GET"), head(target), is_one_of(&[200, 301, 404]).like_get()));
    [
        under("9110 §9.3.1", "methods", vec![
            rule("GET is answered", get("/file.txt"), is(200).file(FILE)),
            rule("GET of the root is its index", get("/"), is(200).file(INDEX)),
        ]),
        under("9110 §9.3.2", "methods", heads.into()),
        under("9110 §9.3.2", "methods", vec![
            rule("HEAD over HTTP/1.0 without Host", raw("HEAD / HTTP/1.0\r\n\r\n"), is(200).field("Content-Length", "37").closed()),
            rule("HEAD of what is bad has no body either", head("/%zz"), is(400)),
        ]),
        under("9110 §15.5.6", "methods", refused.into()),
        under("house", "methods", vec![
            rule("OPTIONS is known and not allowed", ask("OPTIONS", "/file.txt"), is(405).lists("Allow", ALLOWED)),
            rule("OPTIONS * is known and not allowed", ask("OPTIONS", "*"), is(405).lists("Allow", ALLOWED)),
            rule("CONNECT with an authority is known and not allowed", ask("CONNECT", "localhost:80"), is(405).lists("Allow", ALLOWED)),
            rule("not allowed keeps the connection", ask("DELETE", "/file.txt"), is(405).kept()),
            rule("not known keeps the connection", ask("BREW", "/file.txt"), is(501).kept()),
            rule("TRACE does not tell what it was sent", ask("TRACE", "/").with("Cookie: secret"), is(405).without("secret")),
            rule("not allowed, whatever the target is", ask("PUT", "/absent"), is(405)),
        ]),
        under("9110 §15.6.2", "methods", unknown.into()),
        under("9110 §9.1", "methods", vec![
            rule("a method is a token", raw("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), is(400).closed()),
            rule("a method is not empty", raw(" / HTTP/1.1\r\nHost: a\r\n\r\n"), is(400).closed()),
        ]),
    ]
    .concat()
}

pub(super) fn versions() -> Vec<Case> {
    let minors = ["HTTP/1.2", "HTTP/1.9"]
        .map(|version| rule(format!("{version} is answered as HTTP/1.1"), get("/file.txt").version(version), is(200).file(FILE).kept()));
    let majors = ["HTTP/2.0", "HTTP/3.0", "HTTP/9.1"]
        .map(|version| rule(format!("{version} is not supported"), get("/file.txt").version(version), is(505).closed()));
    let malformed = ["HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/11.1", "HTTP/11", "HTTP/1.1x", "HTTP/1,1", "http/1.1", "HTTQ/1.1", "HTTP 1.1", "1.1", ""]
        .map(|version| rule(format!("{version:?} is no version"), get("/file.txt").version(version), is(400).closed()));
    [
        under("9112 §9.3", "versions", vec![
            rule("HTTP/1.0 closes", raw("GET /file.txt HTTP/1.0\r\n\r\n"), is(200).file(FILE).closed()),
            rule("HTTP/1.1 keeps", get("/file.txt"), is(200).file(FILE).kept()),
        ]),
        under("9110 §6.2", "versions", vec![
            rule("HTTP/1.0 is answered in HTTP/1.1", get("/file.txt").version("HTTP/1.0"), is(200).version("HTTP/1.1")),
            rule("HTTP/1.1 is answered in HTTP/1.1", get("/file.txt"), is(200).version("HTTP/1.1")),
            rule("HTTP/2.0 is refused in HTTP/1.1", get("/file.txt").version("HTTP/2.0"), is(505).version("HTTP/1.1")),
        ]),
        under("9110 §2.5", "versions", minors.into()),
        under("9110 §15.6.6", "versions", majors.into()),
        under("house", "versions", vec![rule("HTTP/0.9 is not supported", get("/").version("HTTP/0.9"), is(505).closed())]),
        under("9112 §2.3", "versions", malformed.into()),
        under("9112 §3", "versions", vec![
            rule("a request line without a version", raw("GET /file.txt\r\n\r\n"), is(400).closed()),
            rule("a request line with a method alone", raw("GET\r\n\r\n"), is(400).closed()),
            rule("a request line without a target", raw("GET HTTP/1.1\r\nHost: a\r\n\r\n"), is(400).closed()),
        ]),
    ]
    .concat()
}

pub(super) fn hosts_and_targets() -> Vec<Case> {
    let good = ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080", "[fe80::1%25eth0]:80", "a-b.example", "a_b", "a%20b", "localhost:"]
        .map(|host| rule(format!("{host} is one"), get("/file.txt").host(host), is(200).file(FILE).kept()));
    let bad = ["a b", "a/b", "a?b", "a#b", "user@a", "a:port", "a:1:2", "[::1", "[]", "a\\b", "<a>", "a\"", "a%zz"]
        .map(|host| rule(format!("{host} is none"), get("/file.txt").host(host), is(400).closed()));
    let absolute = ["http://localhost/file.txt", "http://elsewhere.example/file.txt", "HTTP://LOCALHOST:80/file.txt", "http://[::1]:80/file.txt?a"]
        .map(|target| rule(format!("{target} is served"), get(target), is(200).file(FILE).kept()));
    let no_target = ["file.txt", "*", "http:///file.txt", "http://", "http://a b/file.txt", "/file.txt#fragment"];
    let no_target = no_target.map(|target| rule(format!("GET {target} is no request"), get(target), is(400).closed()));
    [
        under("9112 §3.2", "Host", vec![
            rule("is missing", get("/").no_host(), is(400).closed()),
            rule("is there twice", get("/").with("Host: localhost"), is(400).closed()),
            rule("is there twice, differing", get("/").with("host: elsewhere"), is(400).closed()),
            rule("is not needed in HTTP/1.0", get("/").no_host().version("HTTP/1.0"), is(200).file(INDEX)),
            rule("is checked in HTTP/1.0 as well", get("/").with("Host: b").version("HTTP/1.0"), is(400)),
        ]),
        under("9110 §7.2", "Host", good.into()),
        under("9112 §3.2", "Host", bad.into()),
        under("9112 §3.2.2", "targets", absolute.into()),
        under("9112 §3.2.2", "targets", vec![
            rule("absolute form without a path is the root", get("http://localhost"), is(200).file(INDEX)),
            rule("absolute form with a query and no path", get("http://localhost?a=b"), is(200).file(INDEX)),
            rule("absolute form needs a Host all the same", get("http://localhost/").no_host(), is(400)),
        ]),
        under("house", "targets", vec![
            rule("absolute form of another scheme is no request", get("https://localhost/file.txt"), is(400).closed()),
        ]),
        under("9112 §3.2", "targets", no_target.into()),
        under("9110 §4.2.4", "targets", vec![
            rule("a user in the authority is refused", get("http://user@localhost/file.txt"), is(400)),
        ]),
    ]
    .concat()
}
