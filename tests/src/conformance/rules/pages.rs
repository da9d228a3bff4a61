//! What an error looks like.

use crate::conformance::{Ask, Case, ask, get, head, is, is_one_of, raw, rule, under};

pub(super) fn rules() -> Vec<Case> {
    let errors: Vec<(u16, &str, Ask)> = vec![
        (301, "a redirect", get("/docs")),
        (400, "a bad target", get("/%zz")),
        (400, "a bad field", get("/").with("X : y")),
        (400, "what is no request", raw("nonsense\r\n\r\n")),
        (404, "what is absent", get("/absent")),
        (405, "a method that is not allowed", ask("POST", "/")),
        (412, "a precondition that fails", get("/file.txt").with("If-Match: \"other\"")),
        (414, "a long target", get(format!("/{}", "x".repeat(9000)))),
        (416, "a range that cannot be", get("/file.txt").with("Range: bytes=99-")),
        (431, "a long field", get("/").with(format!("X: {}", "x".repeat(40_000)))),
        (501, "a method that is not known", ask("BREW", "/")),
        (501, "a coding that is not known", get("/").with("Transfer-Encoding: sausage, chunked")),
        (505, "a version that is not spoken", get("/").version("HTTP/2.0")),
    ];
    let pages = errors.iter().map(|(status, what, request)| rule(format!("for {what}"), request.clone(), is(*status).page())).collect();
    let fields = errors.iter().map(|(status, what, request)| rule(format!("for {what} has all fields"), request.clone(), is(*status).has("Server").has("Connection"))).collect();
    let bare = errors.iter().map(|(status, what, request)| rule(format!("for {what} has no fields of a file"), request.clone(), is(*status).lacks("ETag").lacks("Last-Modified").lacks("Accept-Ranges"))).collect();
    let heads = [("/absent", 404), ("/%zz", 400), ("/docs", 301), ("/file.txt/", 404)];
    let heads = heads.map(|(target, status)| rule(format!("for {target} has no body for HEAD"), head(target), is(status).has("Content-Length").like_get()));
    let escaped = ["/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E", "/absent?<script>", "/absent<script>&\"'"]
        .map(|target| rule(format!("for {target} hands no script back"), get(target), is(404).page().without("<script>")));
    [
        under("house", "a page", pages),
        under("house", "the answer", fields),
        under("house", "an error", bare),
        under("9110 §9.3.2", "a page", heads.into()),
        under("9110 §17.4", "a page", escaped.into()),
        under("9110 §9.3.2", "a page", vec![
            rule("for a failed precondition has no body for HEAD", head("/file.txt").with("If-Match: \"other\""), is(412).has("Content-Length")),
            rule("for a bad field has no body for HEAD", head("/").with("X : y"), is(400).closed()),
            rule("for a long field has no body for HEAD", head("/").with(format!("X: {}", "x".repeat(40_000))), is_one_of(&[400, 431]).closed()),
        ]),
        under("9110 §17.4", "a page", vec![
            rule("for a redirect hands no script back", get("/docs?<script>"), is(301).page().without("<script>").field("Location", "/docs/?%3Cscript%3E")),
            rule("for a method hands no script back", raw("<script> / HTTP/1.1\r\nHost: a\r\n\r\n"), is(400).without("<script>")),
            rule("for a field hands no script back", get("/").with("<script>: x"), is(400).without("<script>")),
        ]),
    ]
    .concat()
}
