//! Parts of documents, and none of them: the answers to conditional requests and to ranges, byte by byte.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod driver;

use driver::{ON_DISK_LENGTH, Root, all_at_once, byte_on_disk};
use protocol::Settings;

/// The head and the body of the only answer, on a connection that is kept.
fn ask(method: &str, path: &str, lines: &str) -> (String, Vec<u8>) {
    let sent =
        all_at_once(&Settings::default(), format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes());
    let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
    (String::from_utf8(sent[..end].to_vec()).unwrap(), sent[end..].to_vec())
}

const START: &str = "Server: OTUServer\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nConnection: keep-alive\r\n";
const VALIDATORS: &str = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"d-0\"\r\n";

#[test]
fn a_part_is_described_and_sent() {
    let (head, body) = ask("GET", "/small.html", "Range: bytes=3-7\r\n");
    let expected = format!(
        "HTTP/1.1 206 Partial Content\r\n{START}{VALIDATORS}Accept-Ranges: bytes\r\nContent-Type: text/html\r\n\
         Content-Range: bytes 3-7/13\r\nContent-Length: 5\r\n\r\n"
    );
    assert_eq!((head, body), (expected, b"small".to_vec()));
}

#[test]
fn a_part_is_the_same_wherever_the_document_is() {
    let large = Root::new().large;
    for (first, last) in [(0, 0), (0, 39_999), (1, 16_384), (1, 16_385), (20_000, 39_999), (39_999, 39_999)] {
        let range = format!("Range: bytes={first}-{last}\r\n");
        let (head, body) = ask("GET", "/large.bin", &range);
        assert!(head.contains(&format!("\r\nContent-Range: bytes {first}-{last}/40000\r\n")), "{head}");
        assert!(body == large[first..=last], "{range}");
        let (head, body) = ask("GET", "/disk.bin", &range);
        assert!(head.contains(&format!("\r\nContent-Range: bytes {first}-{last}/{ON_DISK_LENGTH}\r\n")), "{head}");
        assert!(body == (first as u64..=last as u64).map(byte_on_disk).collect::<Vec<_>>(), "{range}");
    }
}

#[test]
fn what_the_client_has_is_not_sent() {
    for method in ["GET", "HEAD"] {
        let (head, body) = ask(method, "/small.html", "If-None-Match: W/\"d-0\"\r\nRange: bytes=0-1\r\n");
        assert_eq!(head, format!("HTTP/1.1 304 Not Modified\r\n{START}{VALIDATORS}\r\n"));
        assert!(body.is_empty());
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let (head, body) = ask("GET", "/small.html", "Range: bytes=13-\r\n");
    assert!(head.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Range: bytes */13\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    let (head, body) = ask("GET", "/small.html", "If-Match: \"e-0\"\r\n");
    assert!(head.starts_with("HTTP/1.1 412 Precondition Failed\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(ask("HEAD", "/small.html", "If-Match: \"e-0\"\r\n").1.is_empty());
}

#[test]
fn conditions_are_for_documents() {
    let lines = "If-Match: \"x\"\r\nIf-None-Match: *\r\nRange: bytes=0-1\r\n";
    for (method, path, status) in
        [("GET", "/none", "404"), ("GET", "/secret", "403"), ("GET", "/dir", "301"), ("PUT", "/small.html", "405")]
    {
        assert!(ask(method, path, lines).0.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}");
    }
}

#[test]
fn a_head_has_no_range() {
    let (head, _) = ask("HEAD", "/small.html", "Range: bytes=3-7\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Length: 13\r\n"), "{head}");
}
