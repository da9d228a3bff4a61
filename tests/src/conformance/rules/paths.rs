//! From a target to a name: escapes, dots, and where a directory lives.

use crate::conformance::{Case, get, is, is_one_of, rule, under};

pub(super) fn rules() -> Vec<Case> {
    let served = |target: &str, content: &str| rule(format!("{target} is {content}"), get(target), is(200).text(content));
    let same = |target: &str| rule(format!("{target} is file.txt"), get(target), is(200).file("file.txt"));
    let bad = |target: &str| rule(format!("{target} is bad"), get(target), is(400));
    let absent = |target: &str| rule(format!("{target} is absent"), get(target), is(404));
    [
        under("3986 §2.1", "escapes", vec![
            served("/with%20space.txt", "space"),
            served("/%41.txt", "letter"),
            served("/%41%2e%74%78%74", "letter"),
            served("/%41%2E%74%78%74", "letter"),
            served("/gr%C3%BCn.txt", "umlaut"),
            served("/gr%c3%bcn.txt", "umlaut"),
            served("/100%25.txt", "percent"),
            served("/a%3Fb%23c.txt", "marks"),
            served("/line%0Afeed", "line feed"),
            served("/quote%22%27", "quotes"),
            served("/%3Ctag%3E", "tag"),
            served("/back%5Cslash", "backslash"),
        ]),
        under("3986 §2.1", "bad escapes", vec![
            bad("/%"), bad("/%2"), bad("/%zz"), bad("/%-1"), bad("/%0"), bad("/%%41"), bad("/%u0041"), bad("/file.txt%"), bad("/file.txt%2"), bad("/%+1"),
        ]),
        under("house", "bad escapes", vec![
            bad("/%00"), bad("/file.txt%00"), bad("/file.txt%00.html"), bad("/docs/%00/"),
            rule("in the query are nobody's business", get("/file.txt?a=%zz&b=%00"), is(200).file("file.txt")),
        ]),
        under("3986 §2.4", "decoded once", vec![served("/%2541.txt", "escaped escape"), absent("/%25%34%31.txt%20")]),
        under("3986 §3.3", "names", vec![
            served("/a+b.txt", "plus"),
            served("/a%2Bb.txt", "plus"),
            served("/semi;colon", "semicolon"),
            served("/a&b=c", "ampersand"),
            served("/~tilde", "tilde"),
            served("/a:b", "colon"),
            served("/trailing.", "trailing dot"),
            served("/two..dots", "two dots"),
            served("/back\\slash", "backslash"),
            served("/deep/space%20d/x%20y.txt", "deep"),
            absent("/a\\d.txt"),
            absent("/a%20b.txt"),
            absent("/FILE.TXT"),
            absent("/file.txt%20"),
            absent("/file.txt."),
            absent("/trailing"),
            rule("a name longer than names can be is absent", get(format!("/{}", "x".repeat(300))), is(404)),
            rule("a path longer than paths can be is absent", get(format!("/{}file.txt", "x/".repeat(2500))), is(404)),
            rule("bytes above ASCII need no escape", get("/grün.txt"), is_one_of(&[200, 400])),
        ]),
        under("3986 §3.4", "queries", vec![
            same("/file.txt?"), same("/file.txt?a=b"), same("/file.txt?/../.."), same("/file.txt?a?b"), same("/file.txt?%2e%2e/"), same("/file.txt?http://localhost/"),
            rule("of a directory change nothing", get("/?a=b"), is(200).file("index.html")),
            absent("/absent?/file.txt"),
        ]),
        under("3986 §5.2.4", "dot segments", vec![
            same("/./file.txt"), same("/a/../file.txt"), same("/a/b/../../file.txt"), same("/a/./b/.././../file.txt"), same("/%2e/file.txt"), same("/a/%2e%2E/file.txt"), same("/a/.%2e/file.txt"), same("/nowhere/../file.txt"),
            rule("at the end mean the directory", get("/docs/."), is(200).text("docs")),
            rule("that lead up to a directory mean it", get("/docs/space%20d/.."), is(200).text("docs")),
            rule("that lead up to the root mean its index", get("/docs/.."), is(200).file("index.html")),
            rule("that lead up from a file mean its directory", get("/docs/page.txt/.."), is(200).text("docs")),
            absent("/file.txt/."), absent("/.../file.txt"), absent("/docs/page.txt/../page.txt/"),
        ]),
        under("house", "empty segments", vec![same("//file.txt"), served("/a//d.txt", "d"), served("/a/b///c.txt", "c")]),
        under("house", "an escaped slash", vec![
            absent("/a%2Fd.txt"), absent("/a%2fb%2fc.txt"), absent("/%2Ffile.txt"), absent("/docs%2F"),
            rule("is no dot segment's end", get("/docs/..%2ffile.txt"), is(404)),
        ]),
        under("house", "directories", vec![
            served("/docs/", "docs"), served("/docs/space%20d/", "spaced"), served("/index-is-a-link/", "docs"), served("/example.org/", "not a host"), served("/docs/?x/..", "docs"),
            absent("/empty/"), absent("/a/"), absent("/absent"), absent("/absent/"), absent("/docs/absent"), absent("/file.txt/"), absent("/index.html/"), absent("/file.txt/x"), absent("/index.html/x"), absent("/index-is-a-directory/"),
        ]),
        outside("the root"),
    ]
    .concat()
}

/// None of these leads out of the root, whether or not names may start with a dot.
pub(super) fn outside(subject: &str) -> Vec<Case> {
    let targets = [
        "/../secret", "/%252e%252e/secret", "/..", "/../", "/a/../../secret", "/%2e%2e/secret", "/%2E%2E/secret", "/.%2e/secret", "/%2e./secret", "/%2e%2e%2fsecret", "/..%2fsecret", "/..%5csecret", "/..\\secret",
        "/a/..%2f..%2fsecret", "/../root-too/secret", "/../root/file.txt", "//../secret", "/a//../../secret", "/../../../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd", "/%2fetc/passwd", "http://localhost/../secret", "/..;/secret", "/a/b/../../../secret", "/..%c0%afsecret", "/..%00/secret", "/./../secret", "/docs/up/../../secret",
    ];
    let inside = || is_one_of(&[400, 403, 404]).without("SECRET").without("root:");
    under("9110 §17.3", subject, targets.map(|target| rule(format!("{target} stays inside"), get(target), inside())).into())
}

pub(super) fn redirects() -> Vec<Case> {
    let moved = |target: &str, location: &str| rule(format!("{target} lives at {location}"), get(target), is(301).field("Location", location).page());
    let nowhere = |target: &str| rule(format!("{target} sends nobody anywhere"), get(target), is(404).lacks("Location").lacks("Set-Cookie"));
    [
        under("house", "redirects", vec![
            moved("/docs", "/docs/"),
            moved("/empty", "/empty/"),
            moved("/docs?a=b&c=%20d", "/docs/?a=b&c=%20d"),
            moved("/docs?", "/docs/?"),
            moved("/docs/space%20d", "/docs/space%20d/"),
            moved("/a/../docs", "/docs/"),
            moved("/%64ocs", "/docs/"),
            moved("/folder", "/folder/"),
            moved("http://localhost/docs", "/docs/"),
            rule("of a HEAD have no body", crate::conformance::head("/docs"), is(301).field("Location", "/docs/")),
        ]),
        under("house", "redirects to no other host", vec![
            moved("//example.org", "/example.org/"),
            moved("///example.org", "/example.org/"),
            moved("/.//example.org", "/example.org/"),
            moved("/%2e//example.org?q", "/example.org/?q"),
            moved("/docs/..//example.org", "/example.org/"),
            moved("http://localhost//example.org", "/example.org/"),
            nowhere("/%5cexample.org"),
            nowhere("/%2Fexample.org"),
        ]),
        under("9110 §5.5", "redirects", vec![
            nowhere("/docs%0d%0aSet-Cookie:%20a"),
            nowhere("/%0d%0aSet-Cookie:%20a/docs"),
            rule("hand a query back in one line", get("/docs?a%0d%0aSet-Cookie:b"), is(301).field("Location", "/docs/?a%0d%0aSet-Cookie:b").lacks("Set-Cookie")),
        ]),
    ]
    .concat()
}
