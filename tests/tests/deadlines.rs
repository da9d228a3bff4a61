//! Clients that take their time, and what each of them is granted.
//!
//! Lower bounds are exact, because nothing may fire early; upper bounds leave a busy machine several times the limit.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Model, Root, Server, Unanswered, request, wait_until};

harness::under_every_model!(
    answers_half_a_request_with_408,
    is_not_put_off_by_a_byte_now_and_then,
    closes_silently_when_nothing_is_asked,
    closes_an_idle_connection_silently,
    gives_up_on_a_client_that_takes_nothing,
    goes_on_sending_to_a_client_that_takes_a_little,
    counts_each_request_anew,
);

const LIMIT: Duration = Duration::from_millis(600);
const LIMIT_FLAG: &str = "600ms";
const LATE: Duration = Duration::from_secs(6);

fn answers_half_a_request_with_408(model: Model) {
    let server = Server::of(model).flags(["--header-timeout", LIMIT_FLAG]).start();
    for half in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let begun = Instant::now();
        let mut client = server.connect();
        let response = client.send(half).receive(LATE).unwrap_or_else(|why| panic!("{half:?}: {why}"));
        assert_eq!((response.status, response.keeps_alive()), (408, false), "{half:?}");
        assert!(begun.elapsed() >= LIMIT, "{half:?} after {:?}", begun.elapsed());
        client.closed();
    }
    // On a kept connection the time runs from the first byte of the request.
    let mut client = server.connect();
    client.get("/").expect(200);
    thread::sleep(LIMIT / 2);
    let begun = Instant::now();
    let response = client.send("GET / HT").receive(LATE).expect("an answer in time");
    assert_eq!(response.status, 408);
    assert!(begun.elapsed() >= LIMIT, "after {:?}", begun.elapsed());
}

fn is_not_put_off_by_a_byte_now_and_then(model: Model) {
    let server = Server::of(model).flags(["--header-timeout", LIMIT_FLAG]).start();
    let begun = Instant::now();
    let mut client = server.connect();
    let mut bytes = request("GET", "/", &["X: a long value that takes its time on its way"]).into_iter();
    let response = loop {
        client.offer(bytes.next().map(|byte| vec![byte]).expect("an answer before the last byte"));
        match client.receive(Duration::from_millis(100)) {
            Ok(response) => break response,
            Err(Unanswered::TimedOut(0)) => assert!(begun.elapsed() < LATE, "still waiting"),
            Err(why) => panic!("{why}"),
        }
    };
    assert_eq!(response.status, 408);
    assert!(begun.elapsed() >= LIMIT, "after {:?}", begun.elapsed());
}

fn closes_silently_when_nothing_is_asked(model: Model) {
    let server = Server::of(model).flags(["--header-timeout", LIMIT_FLAG]).start();
    let begun = Instant::now();
    let mut client = server.connect();
    client.closed();
    let waited = begun.elapsed();
    assert!(waited >= LIMIT && waited < LATE, "closed after {waited:?}");
}

fn closes_an_idle_connection_silently(model: Model) {
    let server = Server::of(model).flags(["--idle-timeout", LIMIT_FLAG]).start();
    let mut client = server.connect();
    for _ in 0..3 {
        client.get("/").expect(200);
        thread::sleep(LIMIT / 3);
    }
    let begun = Instant::now();
    client.get("/").expect(200);
    client.closed();
    let waited = begun.elapsed();
    assert!(waited >= LIMIT && waited < LATE, "closed after {waited:?}");
}

fn gives_up_on_a_client_that_takes_nothing(model: Model) {
    let root = Root::with_index("index").file("large.bin", vec![b'x'; 32 << 20]);
    let server = Server::of(model).workers(1).root(&root).flags(["--send-timeout", LIMIT_FLAG]).start();
    server.get("/").expect(200);
    wait_until("the first connection is gone", || server.process().descriptors() < 40);
    thread::sleep(Duration::from_millis(100));
    let descriptors = server.process().descriptors();
    let begun = Instant::now();
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", "/large.bin", &[])).sip(100);
    wait_until("the server takes it up", || server.process().descriptors() > descriptors || begun.elapsed() > LIMIT);
    wait_until("the server gives up", || server.process().descriptors() <= descriptors);
    let waited = begun.elapsed();
    assert!(waited >= LIMIT && waited < LATE, "gave up after {waited:?}");
    assert!(client.receive(LATE).is_err(), "the response is not whole");
    assert_eq!(server.get("/").expect(200).text(), "index");
}

/// Without progress means what it says: a slow client is no stalled one.
fn goes_on_sending_to_a_client_that_takes_a_little(model: Model) {
    let length = 24 << 20;
    let root = Root::new().file("large.bin", vec![b'x'; length]);
    let server = Server::of(model).root(&root).flags(["--send-timeout", "1500ms"]).start();
    let mut client = server.connect();
    client.send(request("GET", "/large.bin", &["Connection: close"]));
    let begun = Instant::now();
    let mut taken = 0;
    while begun.elapsed() < Duration::from_millis(3500) {
        // Enough at a time that the window opens again and the server feels it.
        for _ in 0..16 {
            taken += client.sip(64 << 10);
        }
        thread::sleep(Duration::from_millis(200));
    }
    match client.until_end(LATE) {
        Unanswered::Closed(rest) => assert!(taken + rest > length, "{taken} and then {rest} bytes came"),
        why => panic!("{why}"),
    }
}

/// An absolute deadline per request is not one per connection.
fn counts_each_request_anew(model: Model) {
    let server = Server::of(model).flags(["--header-timeout", LIMIT_FLAG]).start();
    let mut client = server.connect();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT * 3 {
        let bytes = request("GET", "/", &[]);
        client.send(&bytes[..10]);
        thread::sleep(LIMIT / 6);
        client.send(&bytes[10..]).response().expect(200);
    }
}
