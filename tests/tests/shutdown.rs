//! Stopping: what is in flight is finished, what idles is not waited for.

use std::time::{Duration, Instant};

use harness::{Client, Model, Root, Server, Unanswered, request, under_strace};
use rustix::process::Signal;

harness::under_every_model!(
    ends_at_once_when_nothing_happens,
    closes_idle_connections,
    waits_for_nobody_who_has_all,
    finishes_a_response_in_flight,
    finishes_a_delayed_response,
    waits_no_longer_than_its_grace,
    ends_now_at_a_second_signal,
    ends_while_it_is_busy,
    answers_those_in_the_backlog,
    answers_what_is_being_received,
);

const LARGE: usize = 16 << 20;
/// Only ends a test that hangs: what is not to be waited for would take a minute.
const SOON: Duration = Duration::from_secs(20);

fn large() -> Root {
    Root::with_index("index").file("large.bin", vec![b'x'; LARGE])
}

fn ends_at_once_when_nothing_happens(model: Model) {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::of(model).start();
        server.get("/").expect(200);
        server.signal(signal);
        assert_eq!(server.ends_within(SOON).code(), Some(0), "after {signal:?}");
        assert_eq!(server.errors(), "");
    }
}

fn closes_idle_connections(model: Model) {
    let mut server = Server::of(model).flags(["--grace", "60s"]).start();
    let mut kept = server.connect();
    kept.get("/").expect(200);
    server.terminate();
    kept.closed();
    assert_eq!(server.ends_within(SOON).code(), Some(0));
}

/// A last response of some length is sent whole to a client that then stays: the close that lingers for it is none of
/// what has to be finished.
fn waits_for_nobody_who_has_all(model: Model) {
    let root = Root::new().file("some.bin", vec![b'x'; 300_000]);
    let mut server = Server::of(model).root(&root).flags(["--grace", "60s"]).start();
    let mut client = server.connect();
    client.send(request("GET", "/some.bin", &["Connection: close"])).response().expect(200);
    server.terminate();
    assert_eq!(server.ends_within(SOON).code(), Some(0));
}

fn finishes_a_response_in_flight(model: Model) {
    let root = large();
    let mut server = Server::of(model).root(&root).start();
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", "/large.bin", &[]));
    let head = client.sip(16);
    server.terminate();
    // It takes no newcomers any more, but the one that is there gets everything.
    let refused = harness::eventually(SOON, || std::net::TcpStream::connect(server.address()).is_err());
    assert!(refused, "still accepting");
    assert!(server.runs(), "it did not wait");
    match client.until_end(SOON * 2) {
        Unanswered::Closed(rest) => assert!(head + rest > LARGE, "{head} and {rest} bytes"),
        why => panic!("{why}"),
    }
    assert_eq!(server.ends_within(SOON).code(), Some(0));
}

fn finishes_a_delayed_response(model: Model) {
    let is_in_time = |factor: u32| {
        let delay = factor * Duration::from_millis(500);
        let mut server = Server::of(model).flags(["--delay", &format!("{}ms", delay.as_millis())]).start();
        let mut client = server.connect();
        let begun = Instant::now();
        client.send(request("GET", "/", &[]));
        // Until the request is read there is nothing in flight.
        let has_arrived = client.has_arrived(delay * 2 / 5);
        if has_arrived {
            // A busy machine may wake this client when the wait is over.
            assert!(begun.elapsed() >= delay, "answered after {:?}", begun.elapsed());
            return false;
        }
        server.terminate();
        client.response().expect(200);
        client.closed();
        assert_eq!(server.ends_within(SOON).code(), Some(0));
        true
    };
    assert!([1, 1, 4, 16].into_iter().any(is_in_time), "the client was never in time");
}

fn waits_no_longer_than_its_grace(model: Model) {
    let root = large();
    let mut server = Server::of(model).root(&root).flags(["--grace", "700ms"]).start();
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", "/large.bin", &[])).sip(16);
    let begun = Instant::now();
    server.terminate();
    assert_eq!(server.ends_within(SOON).code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(650), "it waited only {:?}", begun.elapsed());
}

fn ends_now_at_a_second_signal(model: Model) {
    let root = large();
    let mut server = Server::of(model).root(&root).flags(["--grace", "60s"]).start();
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", "/large.bin", &[])).sip(16);
    server.terminate();
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.runs(), "the first signal lets the response finish");
    server.signal(Signal::INT);
    server.ends_within(SOON);
}

fn ends_while_it_is_busy(model: Model) {
    let mut server = Server::of(model).start();
    let address = server.address();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            std::thread::spawn(move || {
                while let Ok(stream) = std::net::TcpStream::connect(address) {
                    drop(stream);
                    let Ok(stream) = std::net::TcpStream::connect(address) else { return };
                    let _ = std::io::Write::write_all(&mut &stream, &request("GET", "/", &[]));
                    let _ = std::io::Read::read(&mut &stream, &mut [0; 2000]);
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    server.terminate();
    assert_eq!(server.ends_within(SOON).code(), Some(0));
    for client in clients {
        client.join().expect("a client stops when it is refused");
    }
}

/// Who was connected before the signal was promised an answer, whether or not the server came to accept it.
fn answers_those_in_the_backlog(model: Model) {
    let mut server = Server::of(model).workers(1).start();
    server.get("/").expect(200);
    server.signal(Signal::STOP);
    let mut clients: Vec<Client> = (0..30).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", "/", &[]));
    }
    server.terminate();
    server.signal(Signal::CONT);
    for client in &mut clients {
        client.response().expect(200);
        client.closed();
    }
    assert_eq!(server.ends_within(SOON).code(), Some(0));
}

/// A busy machine may let a thread wait after it has taken a request from the socket and before it can tell anybody.
/// strace makes that wait long enough for a signal.
fn answers_what_is_being_received(model: Model) {
    const WAIT: Duration = Duration::from_millis(200);
    /// The thread that takes the signals receives them, too, but fewer.
    const QUICK: u32 = 8;
    let inject = format!("--inject=recvfrom:delay_exit={}:when={QUICK}+", WAIT.as_micros());
    let Some(strace) = under_strace(["--trace=recvfrom", &inject, "--output=/dev/null"]) else { return };
    // With one worker, all else would wait, too.
    let mut server = Server::of(model).workers(2).wrapper(strace).start();
    let mut client = server.connect();
    let mut waits = false;
    while !waits {
        client.send(request("GET", "/", &[]));
        waits = !client.has_arrived(WAIT / 4);
        if !waits {
            client.response().expect(200);
        }
    }
    server.terminate();
    client.response().expect(200);
    client.closed();
    assert_eq!(server.ends_within(SOON).code(), Some(0));
}
