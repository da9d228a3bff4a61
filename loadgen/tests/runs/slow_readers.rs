//! A client that reads slowly on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use loadgen::validity::{Caveat, caveats};
use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::server::{Server, ok, run};

#[test]
fn no_more_is_read_than_was_asked_for() {
    const RATE: u64 = 100_000;
    let (sent, time_ns) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (bytes, clock) = (Arc::clone(&sent), Arc::clone(&time_ns));
    let server = Server::talking(move |connection, _| {
        // Little lies on the server's side, and little on the client's, whose buffer is small for this purpose.
        set_socket_send_buffer_size(&connection.stream, 4096).unwrap();
        connection.next_request();
        let asked = Instant::now();
        let mut goes_on = connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        while goes_on {
            goes_on = connection.write(&[b'x'; 1000]);
            if goes_on {
                bytes.fetch_add(1000, Ordering::SeqCst);
                clock.store(asked.elapsed().as_nanos().try_into().unwrap(), Ordering::SeqCst);
            }
        }
    });
    let mut plan = server.plan();
    (plan.connections, plan.threads, plan.slow_read) = (1, 1, Some(RATE));
    (plan.duration_ms, plan.timeout_ms) = (600, 20_000);
    let outcome = run(&plan);
    // Both sides' buffers hold some kilobytes, and one piece is read at once.
    let allowed = RATE * time_ns.load(Ordering::SeqCst) / 1_000_000_000 + RATE / 20 + 64_000;
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent <= allowed, "{sent} of {allowed}");
    let read = outcome.bytes_read;
    assert!(read > 0 && read <= RATE * outcome.elapsed_ns / 1_000_000_000 + RATE / 20, "{read}");
    assert_eq!((outcome.in_flight.count(), outcome.errors.total()), (1, 0));
    let is_told = |caveat: &_| *caveat == Caveat::SlowRead { bytes_per_second: RATE };
    assert!(caveats(&outcome).iter().any(is_told));
}

#[test]
fn a_slow_reader_gets_every_byte() {
    let body = "0123456789".repeat(500);
    let response = ok(&body);
    let server = Server::answering(move |_| Some(response.clone()));
    let mut plan = server.plan();
    (plan.slow_read, plan.requests) = (Some(100_000), Some(8));
    (plan.duration_ms, plan.timeout_ms) = (60_000, 30_000);
    plan.expect.length = Some(loadgen::ExpectedLength::Exactly(5_000));
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total(), outcome.unexpected.responses), (8, 0, 0));
    assert_eq!(outcome.bytes_read, 8 * ok(&body).len() as u64);
}
