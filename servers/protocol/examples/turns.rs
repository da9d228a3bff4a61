//! So many turns of one kept connection, from a request's bytes to the response's, without a socket: for whoever counts what
//! a turn costs in instructions (`cargo suite counters`). `turns 1000`
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "valgrind runs it and nobody else")]

use protocol::{Connection, Content, Document, Fields, Found, Moment, Outbox, Settings, Want};
use std::{
    env,
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// What wrk sends.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

fn main() -> ExitCode {
    let Some(turns) = env::args().nth(1).and_then(|number| number.parse::<u64>().ok()) else {
        eprintln!("usage: turns NUMBER");
        return ExitCode::from(2);
    };
    // The same second each time: a date that has to be written anew costs more than one that has not.
    let at = Moment::new(Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_368_205));
    let body: Arc<[u8]> = Arc::from([b'x'; 612]);
    let fields = Fields::new(b"index.html", 612, SystemTime::UNIX_EPOCH, "0", at.wall());
    let mut connection = Connection::new(Arc::new(Settings::default()), &at);
    let mut outbox = Outbox::<()>::default();
    let mut sent = 0;
    for _ in 0..turns {
        let mut unread = black_box(REQUEST);
        loop {
            match connection.advance(&mut unread, &mut outbox, &at) {
                Want::Lookup => {
                    let document = Document { fields: &fields, content: Content::Memory(&body) };
                    connection.answer(Ok(Found::Document(document)), &mut outbox, &at);
                }
                Want::Write => {
                    let bytes = outbox.slices().iter().map(|slice| slice.len()).sum();
                    outbox.written(bytes);
                    connection.progressed(bytes as u64, &at);
                    sent += bytes as u64;
                }
                _ => break,
            }
        }
    }
    println!("{turns} turns, {sent} bytes");
    ExitCode::SUCCESS
}
