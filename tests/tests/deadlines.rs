//! Clients that take their time, and what each of them is granted.
//!
//! Lower bounds are exact, because nothing may fire early; upper bounds only end a test that hangs. A client that is to be in
//! time looks whether it was: where the machine let it wait, it tries again with longer limits.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Model, Root, Server, Unanswered, request, wait_until};

harness::under_every_model!(
    closes_an_idle_connection_silently,
    gives_up_on_a_client_that_takes_nothing,
    goes_on_sending_to_a_client_that_takes_a_little,
    counts_each_request_anew,
);

const LIMIT: Duration = Duration::from_millis(600);
const LIMIT_FLAG: &str = "600ms";
const LATE: Duration = Duration::from_secs(15);

/// Plays a scene with longer and longer limits, until the client is in time for all that it has to do; the scene says whether
/// it was.
#[track_caller]
fn in_time(scene: impl Fn(Duration, &str) -> bool) {
    let play = |factor: u32| {
        let limit = LIMIT * factor;
        scene(limit, &format!("{}ms", limit.as_millis()))
    };
    assert!([1, 1, 4, 16].into_iter().any(play), "the client was never in time");
}

/// Sleeps, and says whether it woke up while at least half of the limit was left.
fn sleeps_within(limit: Duration, time: Duration) -> bool {
    let begun = Instant::now();
    thread::sleep(time);
    begun.elapsed() < limit / 2
}

fn closes_an_idle_connection_silently(model: Model) {
    in_time(|limit, flag| {
        let server = Server::of(model).flags(["--idle-timeout", flag]).start();
        let mut client = server.connect();
        for _ in 0..3 {
            client.get("/").expect(200);
            if !sleeps_within(limit, limit / 3) {
                return false;
            }
        }
        let begun = Instant::now();
        client.get("/").expect(200);
        client.closed();
        let waited = begun.elapsed();
        assert!(waited >= limit && waited < limit + LATE, "closed after {waited:?}");
        true
    });
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
    in_time(|limit, flag| {
        let server = Server::of(model).root(&root).flags(["--send-timeout", flag]).start();
        let mut client = server.connect();
        client.send(request("GET", "/large.bin", &["Connection: close"]));
        let begun = Instant::now();
        let mut taken = 0;
        while begun.elapsed() < 2 * limit {
            let rest = Instant::now();
            // Enough at a time that the window opens again and the server feels it.
            for _ in 0..16 {
                taken += client.sip(64 << 10);
            }
            thread::sleep(limit / 6);
            if rest.elapsed() >= limit / 2 {
                return false;
            }
        }
        match client.until_end(LATE) {
            Unanswered::Closed(rest) => assert!(taken + rest > length, "{taken} and then {rest} bytes came"),
            why => panic!("{why}"),
        }
        true
    });
}

/// An absolute deadline per request is not one per connection.
fn counts_each_request_anew(model: Model) {
    in_time(|limit, flag| {
        let server = Server::of(model).flags(["--header-timeout", flag]).start();
        let mut client = server.connect();
        let begun = Instant::now();
        while begun.elapsed() < limit * 3 {
            let bytes = request("GET", "/", &[]);
            client.send(&bytes[..10]);
            if !sleeps_within(limit, limit / 6) {
                return false;
            }
            client.send(&bytes[10..]).response().expect(200);
        }
        true
    });
}
