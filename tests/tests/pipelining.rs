//! Many requests on one connection without waiting for the answers, however they are cut.

use std::thread;
use std::time::Duration;

use harness::{Client, Model, PATIENCE, Root, Server, Unanswered, request};

harness::under_every_model!(
    answers_in_order,
    does_not_care_where_the_bytes_are_cut,
    takes_one_byte_at_a_time,
    answers_more_than_the_client_reads_at_once,
);

const FILES: [&str; 3] = ["/one", "/two", "/three"];

fn root() -> Root {
    FILES.iter().fold(Root::with_index("index"), |root, name| root.file(&name[1..], name.repeat(10)))
}

fn answers_in_order(model: Model) {
    let root = root();
    let server = Server::of(model).root(&root).start();
    let mut client = server.connect();
    let bytes: Vec<u8> = FILES.iter().flat_map(|name| request("GET", name, &[])).collect();
    client.send(bytes.repeat(20));
    for _ in 0..20 {
        for name in FILES {
            assert_eq!(client.response().expect(200).text(), name.repeat(10));
        }
    }
}

/// A stream with a bit of everything, and the answers to it in one piece.
fn mixed(server: &Server) -> (Vec<u8>, Vec<String>) {
    let mut stream = request("GET", "/one?query", &["X: y", "Accept: */*"]);
    stream.extend(b"\r\nGET /two HTTP/1.1\nHost: a\n\n");
    stream.extend(request("GET", "/", &["Content-Length: 4"]));
    stream.extend(b"body");
    stream.extend(request("GET", "/%61bsent", &[]));
    stream.extend(request("DELETE", "/three", &["Connection: close"]));
    let answers = answers(server.connect().send(&stream));
    assert_eq!(answers.len(), 5);
    (stream, answers)
}

fn answers(client: &mut Client) -> Vec<String> {
    let mut answers = Vec::new();
    loop {
        match client.receive(PATIENCE) {
            Ok(response) => answers.push(String::from_utf8_lossy(&response.without_date()).into_owned()),
            Err(Unanswered::Closed(0)) => return answers,
            Err(why) => panic!("after {} answers: {why}", answers.len()),
        }
    }
}

fn does_not_care_where_the_bytes_are_cut(model: Model) {
    let root = root();
    let server = Server::of(model).workers(2).root(&root).start();
    let (stream, expected) = mixed(&server);
    if model == Model::ThreadPool {
        // A worker has one connection at a time: side by side, the others would wait for it, and be told so.
        for cut in 1..stream.len() {
            let mut client = server.connect();
            client.send(&stream[..cut]);
            thread::sleep(Duration::from_millis(1));
            assert_eq!(answers(client.send(&stream[cut..])), expected, "cut at {cut}");
        }
        return;
    }
    // All cuts side by side: first every first part, then every second one.
    let mut clients: Vec<(usize, Client)> = (1..stream.len()).map(|cut| (cut, server.connect())).collect();
    for (cut, client) in &mut clients {
        client.send(&stream[..*cut]);
    }
    for (cut, client) in &mut clients {
        assert_eq!(answers(client.send(&stream[*cut..])), expected, "cut at {cut}");
    }
}

fn takes_one_byte_at_a_time(model: Model) {
    let root = root();
    let server = Server::of(model).root(&root).start();
    let (stream, expected) = mixed(&server);
    let mut client = server.connect();
    for byte in &stream {
        client.send([*byte]);
        thread::sleep(Duration::from_micros(200));
    }
    assert_eq!(answers(&mut client), expected);
}

fn answers_more_than_the_client_reads_at_once(model: Model) {
    let root = root().file("large", vec![b'x'; 300_000]);
    let server = Server::of(model).workers(1).root(&root).start();
    let mut client = Client::with_small_window(server.address());
    let pair = [request("GET", "/large", &[]), request("GET", "/one", &[])].concat();
    client.send(pair.repeat(10));
    // The server meets a full socket; whoever comes meanwhile waits for a worker at most.
    thread::sleep(Duration::from_millis(50));
    for _ in 0..10 {
        let large = client.response().expect(200).body;
        assert!(large.len() == 300_000 && large.iter().all(|byte| *byte == b'x'));
        assert_eq!(client.response().expect(200).text(), "/one".repeat(10));
    }
}
