//! What a name may lead to: links, pipes, devices, hidden names.

use crate::conformance::{Case, get, is, rule, under};

pub(super) fn rules() -> Vec<Case> {
    let same = |target: &str| rule(format!("{target} is followed"), get(target), is(200).file("file.txt"));
    let absent = |target: &str| rule(format!("{target} is absent"), get(target), is(404).without("SECRET").without("root:").kept());
    [
        under("house", "links", vec![
            same("/near"), same("/chain"), same("/docs/up"), same("/folder/up"), same("/a/../near"),
            rule("/folder/ is followed", get("/folder/"), is(200).text("docs")),
            rule("/folder/page.txt is followed", get("/folder/page.txt"), is(200).text("page")),
            rule("/visible leads to a hidden folder, and its own name is not hidden", get("/visible/config"), is(200).text("git")),
            rule("/visible.txt leads to a hidden file, and its own name is not hidden", get("/visible.txt"), is(200).text("dot")),
            rule("/near has the validators of what it leads to", get("/near").with("If-None-Match: {etag:/file.txt}"), is(304)),
        ]),
        under("house", "links", [
            "/out", "/out-and-in", "/absolute", "/system", "/system/", "/system/passwd", "/null", "/dangling", "/round", "/parent", "/parent/", "/parent/secret", "/process/etc/passwd", "/near/",
        ].map(absent).into()),
        under("house", "what is no file", ["/fifo", "/fifo/", "/to-fifo", "/socket", "/device", "/index-is-a-fifo/"].map(absent).into()),
        under("house", "hidden names", [
            "/.hidden", "/%2ehidden", "/.git/config", "/.git/", "/.git", "/a/.b/c", "/a/%2Eb/c", "/..two", "/.absent",
        ].map(absent).into()),
    ]
    .concat()
}

pub(super) fn hidden_names() -> Vec<Case> {
    let served = |target: &str, content: &str| rule(format!("{target} is {content}"), get(target), is(200).text(content));
    let served = under("house", "hidden names, when they are served", vec![
        served("/.hidden", "dot"), served("/%2ehidden", "dot"), served("/.git/config", "git"), served("/a/.b/c", "deep dot"), served("/..two", "two leading dots"),
        rule("/.git lives at /.git/", get("/.git"), is(301).field("Location", "/.git/")),
        rule("/.absent is absent", get("/.absent"), is(404)),
    ]);
    [served, super::paths::outside("the root, when hidden names are served")].concat()
}
