//! Only the model differs: the same streams of bytes go to every server, and the same bytes have to come back.
//!
//! Some streams were written for this test, some recorded (the folder `streams`), some are generated. Each goes to every
//! model in one write, and once more cut into pieces. A generated stream comes of a seed, which a failure tells:
//! `OTUS_SEED=123 OTUS_STREAMS=1 cargo test --package otus-tests --test same_bytes` tries that one again. Without
//! `OTUS_SEED` every run generates others.

mod generator;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use generator::{Parts, cuts};
use harness::{Client, Model, PATIENCE, Root, Server, Unanswered, request, www};

const LONG: usize = 70_000;

fn root() -> Root {
    let root = Root::with_index("<!DOCTYPE html><title>index</title>\n")
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
        .directory("no index");
    // Always the same times, so that a seed generates the same in every run, but for the entity tags: these have one length.
    let then = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 5);
    let files = ["index.html", "style.css", "deep/index.html", "empty", "long.bin", "longer.bin"];
    let root = files.into_iter().fold(root, |root, name| root.modified(name, then));
    // In 2100.
    root.file("future.css", "a { color: blue }\n")
        .modified("future.css", SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800))
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

/// Every model over the same root.
struct Servers(Vec<(Model, Server)>);

impl Servers {
    /// With so many workers that nobody waits for one: whether a pool keeps a connection depends on that, and on nothing
    /// else that a client can see.
    fn over(start: impl Fn(Model) -> Server) -> Self {
        Self(Model::ALL.map(|model| (model, start(model))).into())
    }

    /// Sends a stream to all of them at once, in one piece and then in several, and holds all answers against each other.
    /// Returns the one that they all give.
    #[track_caller]
    fn compare(&self, name: &str, stream: &[u8], cuts: &[usize]) -> String {
        let answers: Vec<(Model, [String; 2])> = thread::scope(|scope| {
            let ask = |(model, server): &(Model, Server)| {
                (*model, [answers(server, stream, &[]), answers(server, stream, cuts)])
            };
            let threads: Vec<_> = self.0.iter().map(|one| scope.spawn(move || ask(one))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a client that does not panic")).collect()
        });
        let (first, [expected, _]) = &answers[0];
        for (model, [whole, pieces]) in &answers {
            for (got, how) in [(whole, "in one piece"), (pieces, "in pieces")] {
                assert!(got == expected, "{}", difference(name, stream, cuts, (*model, how, got), (*first, expected)));
            }
        }
        expected.clone()
    }
}

fn difference(name: &str, stream: &[u8], cuts: &[usize], other: (Model, &str, &str), first: (Model, &str)) -> String {
    let (model, how, got) = other;
    let (first, expected) = first;
    let at = got.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
    let near = |text: &str| text.chars().skip(at.saturating_sub(60)).take(200).collect::<String>();
    format!(
        "{name}: {} {how} and {} differ at byte {at} ({} and {} bytes):\n{:?}\n{:?}\nsent, cut at {cuts:?}: \"{}\"",
        model.name(),
        first.name(),
        got.chars().count(),
        expected.chars().count(),
        near(got),
        near(expected),
        stream[..stream.len().min(4000)].escape_ascii(),
    )
}

/// All that a server says to a stream until it closes, the dates blotted out.
fn answers(server: &Server, stream: &[u8], cuts: &[usize]) -> String {
    /// Long enough that a server that is awake sees the pieces one by one.
    const PAUSE: Duration = Duration::from_micros(300);
    let mut client = server.connect();
    let mut sent = 0;
    for cut in cuts {
        client.offer(&stream[sent..*cut]);
        sent = *cut;
        thread::sleep(PAUSE);
    }
    client.offer(&stream[sent..]).offer_end();
    let bytes = all(&mut client);
    let mut text = String::with_capacity(bytes.len());
    // Bytes as characters of the same number, so that every one of them counts in the comparison.
    text.extend(bytes.iter().map(|byte| char::from(*byte)));
    blot(&text, "\r\nDate: ")
}

/// Whoever goes on sending after the last response may be met with a reset; what came before it counts.
fn all(client: &mut Client) -> Vec<u8> {
    match client.until_end(PATIENCE) {
        Unanswered::Closed(_) | Unanswered::Reset(_) => client.take(),
        why => panic!("no end: {why}"),
    }
}

/// Takes the values of a field out, which are of the moment.
fn blot(text: &str, field: &str) -> String {
    let mut blotted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(field) {
        let (before, value) = rest.split_at(at + field.len());
        blotted.push_str(before);
        rest = &value[value.find("\r\n").unwrap_or(value.len())..];
    }
    blotted.push_str(rest);
    blotted
}

#[test]
fn what_was_written_is_answered_with_the_same_bytes() {
    let root = root();
    let servers = Servers::over(|model| Server::of(model).workers(8).root(&root).start());
    for (name, stream) in streams() {
        let answer = servers.compare(&name, &stream, &cuts(stream.len(), stream.len() as u64));
        let silent = ["nothing", "an empty line", "a lone newline"].contains(&name.as_str());
        assert_eq!(answer.is_empty(), silent, "{name} is answered with {answer:?}");
    }
}

#[test]
fn what_was_recorded_is_answered_with_the_same_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("streams");
    let files = fs::read_dir(&folder).expect("a folder that ships").map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "http")).collect();
    files.sort();
    assert!(files.len() > 60, "only {} streams in {}", files.len(), folder.display());
    let servers = Servers::over(|model| Server::of(model).workers(8).root_at(www()).start());
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let stream = fs::read(&path).expect("a file that ships");
        let answer = servers.compare(&name, &stream, &cuts(stream.len(), stream.len() as u64));
        if !name.starts_with("hostile-") {
            let asked =
                stream.windows(9).filter(|bytes| bytes.starts_with(b" HTTP/1.") && bytes[8].is_ascii_digit()).count();
            let answered = answer.matches("HTTP/1.1 ").count();
            assert!(answered == asked || answer.contains("\r\nConnection: close\r\n"), "{name}: {answered} of {asked}");
        }
    }
}

#[test]
fn what_is_generated_is_answered_with_the_same_bytes() {
    const STREAMS: u64 = 300;
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("OTUS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 53));
    let count = number("OTUS_STREAMS").unwrap_or(STREAMS);
    let root = root();
    let servers = Servers::over(|model| Server::of(model).workers(8).root(&root).start());
    let parts = Parts::new(targets(&servers.0[0].1));
    let mut lacking = BTreeSet::from(["200", "206", "301", "304", "400", "404", "405", "412", "416", "501"]);
    let mut play = |seed: u64| {
        let stream = parts.stream(seed);
        let answer = servers.compare(&format!("OTUS_SEED={seed} OTUS_STREAMS=1"), &stream, &cuts(stream.len(), seed));
        for response in answer.split("HTTP/1.1 ").skip(1) {
            lacking.remove(&response[..3]);
        }
        lacking.is_empty()
    };
    let mut gets_everywhere = false;
    for seed in first..first + count {
        gets_everywhere = play(seed);
    }
    // The generator is worth something only if it gets everywhere, to the rarest answers a little later.
    const LATER: u64 = 20 * STREAMS;
    let gets_everywhere = gets_everywhere || count < STREAMS || (first + count..first + LATER).any(play);
    assert!(gets_everywhere, "from {first} on nothing was answered with {lacking:?}");
}

/// What generated requests ask for, with the entity tags of what is there.
fn targets(server: &Server) -> Vec<(&'static str, Option<String>)> {
    let mut targets: Vec<(&str, Option<String>)> =
        ["/absent", "/deep", "/.hidden", "/out", "/no%20index/", "/%zz", "/../x", "*", "x"]
            .map(|target| (target, None))
            .into();
    for target in
        ["/", "/style.css", "/deep/", "/empty", "/long.bin", "/link", "/future.css", "//style.css", "http://localhost/"]
    {
        let tag = server.get(target).expect(200).header("ETag").to_owned();
        // More often than what is not there, for there is more to ask about them.
        targets.extend([(target, Some(tag.clone())), (target, Some(tag.clone())), (target, Some(tag))]);
    }
    targets
}
