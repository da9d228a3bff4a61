//! Only the model differs: the same streams of bytes go to every server, and the same bytes have to come back.

use harness::{Model, Root, Server, request};

const LONG: usize = 70_000;

fn root() -> Root {
    Root::with_index("<!DOCTYPE html><title>index</title>\n")
        .file("style.css", "p { color: red }\n")
        .file("with space.and.dots.txt", "spaces and dots")
        .file("deep/index.html", "deep")
        .file("empty", "")
        .file(".hidden", "hidden")
        .file("long.bin", (0..LONG).map(|at| (at % 251) as u8).collect::<Vec<u8>>())
        .file("longer.bin", (0..LONG * 40).map(|at| (at % 241) as u8).collect::<Vec<u8>>())
        .link("link", "style.css")
        .link("out", "/etc/passwd")
        .fifo("fifo")
        .directory("no index")
}

/// What a client may say over a whole connection, with a name for the failure.
fn streams() -> Vec<(String, Vec<u8>)> {
    let mut streams: Vec<(String, Vec<u8>)> = Vec::new();
    for target in [
        "/",
        "/index.html",
        "/style.css?v=1",
        "/with%20space.and.dots.txt",
        "/deep",
        "/deep?x=y",
        "/deep/",
        "//deep",
        "/empty",
        "/.hidden",
        "/long.bin",
        "/longer.bin",
        "/link",
        "/out",
        "/fifo",
        "/no%20index",
        "/no%20index/",
        "/absent<script>&\"",
        "/index.html/",
        "/../x",
        "/%2e%2e/x",
        "/a%2Fb",
        "/%",
        "/%00",
        "*",
        "x",
        "http://localhost/style.css",
        "https://localhost/",
        "/#fragment",
    ] {
        for method in ["GET", "HEAD"] {
            streams.push((format!("{method} {target}"), request(method, target, &[])));
        }
    }
    for method in ["POST", "OPTIONS", "TRACE", "get", "BREW", "G(T"] {
        streams.push((
            method.to_owned(),
            request(method, "/", &["Content-Length: 2"]).into_iter().chain(*b"hi").collect(),
        ));
    }
    for version in ["HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.", "HTP/1.1", ""] {
        for headers in ["", "Host: a\r\n", "Host: a\r\nConnection: keep-alive\r\n", "Host: a\r\nConnection: close\r\n"]
        {
            let line = format!("GET / {version}\r\n{headers}\r\n");
            streams.push((format!("{version} with {headers:?}, twice"), line.repeat(2).into_bytes()));
        }
    }
    for header in [
        "Host: b",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: x",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Expect: 100-continue\r\nContent-Length: 0",
        "If-None-Match: *",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        "Range: bytes=0-1",
        "Folded: a\r\n b",
        "Space : a",
        "nothing",
        "X: \0",
        "X: a\rb",
        "Connection: upgrade\r\nUpgrade: h2c",
    ] {
        let stream = [request("GET", "/style.css", &[header]), request("GET", "/deep/", &[])].concat();
        streams.push((format!("with {header:?}, then another"), stream));
    }
    let everything: Vec<u8> = streams.iter().take(50).flat_map(|(_, stream)| stream.clone()).collect();
    streams.push(("fifty in one".to_owned(), everything));
    streams.push(("a thousand in one".to_owned(), request("GET", "/style.css", &[]).repeat(1000)));
    streams.push(("nothing".to_owned(), Vec::new()));
    streams.push(("an empty line".to_owned(), b"\r\n".to_vec()));
    streams.push(("a lone newline".to_owned(), b"\n".to_vec()));
    streams.push(("half a request".to_owned(), b"GET / HTTP/1.1\r\nHo".to_vec()));
    streams.push(("a request and a half".to_owned(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET ".to_vec()));
    streams.push(("a TLS greeting".to_owned(), b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec()));
    streams.push(("HTTP/2 prior knowledge".to_owned(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()));
    streams.push(("a long target".to_owned(), request("GET", &format!("/{}", "x".repeat(9000)), &[])));
    streams.push(("a long name".to_owned(), request("GET", &format!("/{}", "x".repeat(300)), &[])));
    streams.push(("a long field".to_owned(), request("GET", "/", &[&format!("X: {}", "x".repeat(40_000))])));
    streams.push(("many fields".to_owned(), request("GET", "/", &["X: y"; 120])));
    streams.push(("a hundred fields".to_owned(), request("GET", "/", &["X: y"; 99])));
    streams
}

/// All that a server says to a stream until it closes, the dates blotted out.
fn answers(server: &Server, stream: &[u8]) -> String {
    let mut client = server.connect();
    client.offer(stream).half_close();
    let bytes = client.rest();
    let mut text = String::with_capacity(bytes.len());
    // Bytes as characters of the same number, so that every one of them counts in the comparison.
    text.extend(bytes.iter().map(|byte| char::from(*byte)));
    blot(&text)
}

fn blot(text: &str) -> String {
    let mut blotted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\r\nDate: ") {
        let (before, date) = rest.split_at(at + 8);
        blotted.push_str(before);
        rest = date.split_at(date.find("\r\n").unwrap_or(date.len())).1;
    }
    blotted.push_str(rest);
    blotted
}

#[test]
fn every_model_answers_the_same_bytes() {
    let root = root();
    let [first, others @ ..] = Model::ALL.map(|model| (model, Server::of(model).root(&root).start()));
    for (name, stream) in streams() {
        let expected = answers(&first.1, &stream);
        let silent = ["nothing", "an empty line", "a lone newline"].contains(&name.as_str());
        assert_eq!(expected.is_empty(), silent, "{name} is answered with {expected:?}");
        for (model, server) in &others {
            let got = answers(server, &stream);
            let (first, model) = (first.0.name(), model.name());
            if got != expected {
                let at = got.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
                let near = |text: &str| text.chars().skip(at.saturating_sub(60)).take(200).collect::<String>();
                panic!(
                    "{name}: {model} and {first} differ at byte {at} ({} and {} bytes):\n{:?}\n{:?}",
                    got.len(),
                    expected.len(),
                    near(&got),
                    near(&expected)
                );
            }
        }
    }
}
