//! What a response says about a file: its type, its length, its validators.

use crate::conformance::{Case, get, head, is, rule, under};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub(super) fn rules() -> Vec<Case> {
    let kind = |target: &str, kind: &str| rule(format!("{target} is {kind}"), get(target), is(200).field("Content-Type", kind));
    let tags = ["/file.txt", "/empty.txt", "/medium.bin", "/large.bin", "/near", "/", "/docs/", "/ancient.txt", "/future.txt"]
        .map(|target| rule(format!("{target} has a strong one"), get(target), is(200).strong_tag()));
    let dates = ["/", "/medium.bin", "/large.bin", "/future.txt", "/ancient.txt"]
        .map(|target| rule(format!("of {target} is not later than Date"), get(target), is(200).not_modified_later_than_sent()));
    let lengths = ["/file.txt", "/empty.txt", "/medium.bin", "/large.bin"]
        .map(|target| rule(format!("of {target} is true, twice"), get(target), is(200)).then(get(target), is(200)));
    [
        under("9110 §8.3", "Content-Type", vec![
            kind("/", "text/html"), kind("/file.txt", "text/plain"), kind("/type.css", "text/css"), kind("/type.jpg", "image/jpeg"), kind("/type.jpeg", "image/jpeg"),
            kind("/type.png", "image/png"), kind("/type.gif", "image/gif"), kind("/type.svg", "image/svg+xml"), kind("/type.webp", "image/webp"), kind("/type.ico", "image/x-icon"),
            kind("/type.json", "application/json"), kind("/type.swf", "application/x-shockwave-flash"),
        ]),
        under("house", "Content-Type", vec![
            kind("/type.js", "text/javascript"), kind("/TYPE.HTML", "text/html"), kind("/type.tar.gz", "application/gzip"), kind("/several.dots.in.its.name.css", "text/css"),
            kind("/no%20extension", "application/octet-stream"), kind("/unheard.of-extension", "application/octet-stream"), kind("/png", "application/octet-stream"),
            kind("/folder.html/file", "application/octet-stream"), kind("/docs/", "text/html"),
        ]),
        under("9110 §8.6", "Content-Length", lengths.into()),
        under("9110 §8.6", "Content-Length", vec![
            rule("of a small file", get("/file.txt"), is(200).file("file.txt").field("Content-Length", "36")),
            rule("of an empty file", get("/empty.txt"), is(200).file("empty.txt").field("Content-Length", "0")),
            rule("of a file past four GiB", head("/huge.bin"), is(200).field("Content-Length", "4294968296")),
            rule("of a file that one write does not take", get("/large.bin"), is(200).file("large.bin")),
        ]),
        under("9110 §8.8.3", "ETag", tags.into()),
        under("9110 §8.8.1", "ETag", vec![
            rule("differs between files of a size and a second", get("/file.txt").with("If-None-Match: {etag:/twin.txt}"), is(200).file("file.txt")),
            rule("is the same for HEAD", head("/file.txt").with("If-None-Match: {etag}"), is(304)),
        ]),
        under("9110 §8.8.2", "Last-Modified", vec![
            rule("of a file", get("/file.txt"), is(200).field("Last-Modified", MODIFIED)),
            rule("of an empty file", get("/empty.txt"), is(200).field("Last-Modified", MODIFIED)),
            rule("for HEAD", head("/file.txt"), is(200).field("Last-Modified", MODIFIED)),
        ]),
        under("9110 §8.8.2.1", "Last-Modified", dates.into()),
        under("house", "Last-Modified", vec![
            rule("of a file from next week is not invented", get("/future.txt"), is(200).lacks("Last-Modified")),
            rule("of a file from before 1970 is not invented", get("/ancient.txt"), is(200).lacks("Last-Modified")),
        ]),
        under("9110 §14.3", "Accept-Ranges", vec![
            rule("of a file", get("/file.txt"), is(200).field("Accept-Ranges", "bytes")),
            rule("of a large file", head("/huge.bin"), is(200).field("Accept-Ranges", "bytes")),
            rule("of an index", get("/"), is(200).field("Accept-Ranges", "bytes")),
        ]),
        under("house", "fields", vec![
            rule("of a file", get("/file.txt"), is(200).has("Server").has("Connection")),
            rule("of no other connection", get("/file.txt"), is(200).lacks("Transfer-Encoding").lacks("Content-Encoding").lacks("Set-Cookie").lacks("Location")),
            rule("of a file in no coding, whatever is accepted", get("/file.txt").with("Accept-Encoding: gzip, br"), is(200).file("file.txt")),
            rule("of a file, whatever type is accepted", get("/file.txt").with("Accept: image/png"), is(200).file("file.txt")),
        ]),
    ]
    .concat()
}
