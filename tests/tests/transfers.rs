//! Large responses, and clients that take them slowly, partly or not at all.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Model, PATIENCE, Root, Server, Unanswered, request, wait_until};

harness::under_every_model!(
    sends_64_mebibytes_byte_for_byte,
    sends_a_large_file_to_several_at_once,
    waits_for_a_slow_reader_and_serves_the_others,
    sends_the_whole_response_after_a_half_close,
    shrugs_off_resets,
    shrugs_off_clients_that_vanish_with_requests_unanswered,
    closes_when_a_file_shrinks_under_it,
    sends_empty_files,
);

const LARGE: usize = 64 << 20;

/// Bytes without a period that a buffer size could share, so that a piece at the wrong place shows.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[track_caller]
fn assert_same(got: &[u8], expected: &[u8]) {
    if got != expected {
        let at = got.iter().zip(expected).position(|(a, b)| a != b);
        panic!("{} bytes instead of {}, first difference at {at:?}", got.len(), expected.len());
    }
}

fn sends_64_mebibytes_byte_for_byte(model: Model) {
    let expected = content(LARGE);
    let root = Root::with_index("index").file("large.bin", &expected);
    let server = Server::of(model).workers(1).root(&root).start();
    let mut client = server.connect();
    // Twice over the same connection, with something small between.
    for _ in 0..2 {
        assert_same(&client.get("/large.bin").expect(200).body, &expected);
        assert_eq!(client.get("/").expect(200).text(), "index");
    }
    let mut client = server.connect();
    client.send(request("HEAD", "/large.bin", &[]));
    assert_eq!(client.response_to_head().expect(200).length(), Some(LARGE as u64));
}

fn sends_a_large_file_to_several_at_once(model: Model) {
    let expected = content(5_000_001);
    let root = Root::new().file("large.bin", &expected);
    let server = Server::of(model).workers(2).root(&root).start();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_same(&server.get("/large.bin").expect(200).body, &expected));
        }
    });
}

fn waits_for_a_slow_reader_and_serves_the_others(model: Model) {
    let expected = content(2_000_000);
    let root = Root::with_index("index").file("large.bin", &expected);
    let server = Server::of(model).workers(if model == Model::ThreadPool { 2 } else { 1 }).root(&root).start();
    let mut slow = Client::with_small_window(server.address());
    slow.send(request("GET", "/large.bin", &[]));
    for _ in 0..20 {
        slow.sip(1000);
        let begun = Instant::now();
        assert_eq!(server.get("/").expect(200).text(), "index");
        assert!(begun.elapsed() < PATIENCE / 4, "the others waited {:?}", begun.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    // It gives up, and costs nothing any more.
    slow.reset();
    let mut patient = Client::with_small_window(server.address());
    patient.send(request("GET", "/large.bin", &[]));
    thread::sleep(Duration::from_millis(100));
    assert_same(&patient.response().expect(200).body, &expected);
}

fn sends_the_whole_response_after_a_half_close(model: Model) {
    let expected = content(LARGE / 4);
    let root = Root::with_index("index").file("large.bin", &expected);
    let server = Server::of(model).root(&root).start();
    for target in ["/", "/large.bin"] {
        let expected = if target == "/" { b"index" } else { &expected[..] };
        let mut client = server.connect();
        client.send(request("GET", target, &[])).half_close();
        assert_same(&client.response().expect(200).body, expected);
        client.closed();
    }
    let mut client = server.connect();
    client.send([request("GET", "/large.bin", &[]), request("GET", "/", &[])].concat()).half_close();
    assert_same(&client.response().expect(200).body, &expected);
    assert_eq!(client.response().expect(200).text(), "index");
    client.closed();
}

fn shrugs_off_resets(model: Model) {
    let root = Root::with_index("index").file("large.bin", content(LARGE / 4));
    let mut server = Server::of(model).workers(1).root(&root).start();
    server.get("/").expect(200);
    let mut measure = server.connect();
    measure.get("/").expect(200);
    drop(measure);
    wait_until("the connections are gone", || server.process().descriptors() < 40);
    thread::sleep(Duration::from_millis(100));
    let descriptors = server.process().descriptors();
    for _ in 0..10 {
        let mut client = server.connect();
        client.send(request("GET", "/large.bin", &[])).sip(10_000);
        client.reset();
        let mut client = server.connect();
        client.send("GET / HT");
        client.reset();
        server.connect().reset();
    }
    assert_eq!(server.get("/").expect(200).text(), "index");
    wait_until("the descriptors are given back", || server.process().descriptors() <= descriptors);
    assert!(server.runs());
}

fn shrugs_off_clients_that_vanish_with_requests_unanswered(model: Model) {
    let server = Server::of(model).workers(1).flags(["--delay", "20ms"]).start();
    for _ in 0..10 {
        server.connect().send(request("GET", "/", &[]).repeat(3));
        let mut client = server.connect();
        client.send(request("GET", "/", &[]).repeat(3));
        client.reset();
    }
    server.get("/").expect(200);
}

/// The client was promised more than there is. It must find out by the end of the connection, not by bytes made up.
fn closes_when_a_file_shrinks_under_it(model: Model) {
    let expected = content(LARGE / 2);
    let root = Root::with_index("index").file("large.bin", &expected);
    let server = Server::of(model).root(&root).start();
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", "/large.bin", &[])).sip(1000);
    root.write("large.bin", &expected[..1_000_000]);
    match client.until_end(PATIENCE) {
        Unanswered::Closed(bytes) | Unanswered::Reset(bytes) => assert!(bytes < expected.len(), "{bytes} bytes came"),
        why => panic!("{why}"),
    }
    assert_eq!(server.get("/").expect(200).text(), "index");
}

fn sends_empty_files(model: Model) {
    let root = Root::new().file("empty.css", "");
    let server = Server::of(model).root(&root).start();
    let mut client = server.connect();
    for _ in 0..2 {
        let response = client.get("/empty.css").expect(200);
        assert_eq!((response.length(), response.header("Content-Type")), (Some(0), "text/css"));
    }
}
