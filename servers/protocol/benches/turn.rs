//! What the protocol costs: parsing a head, and a whole turn from the request's bytes to the response's.
#![allow(missing_docs, reason = "criterion's macros write functions without documentation")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use protocol::{Connection, Content, Document, Fields, Found, Moment, Outbox, Settings, Target, Want};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Instant, SystemTime},
};

/// What wrk sends.
const BARE: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
/// What a browser sends.
const BROWSER: &[u8] = b"GET /images/with%20space.png?v=3 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
    Referer: http://127.0.0.1:8080/\r\nSec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Site: same-origin\r\nPriority: u=5, i\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\r\n";

/// Answers everything in `input`; returns how many bytes that came to.
fn turn(
    connection: &mut Connection,
    input: &[u8],
    outbox: &mut Outbox<()>,
    fields: &Fields,
    body: &Arc<[u8]>,
    at: &Moment,
) -> usize {
    let (mut unread, mut sent) = (input, 0);
    loop {
        match connection.advance(&mut unread, outbox, at) {
            Want::Lookup => {
                let document = Document { fields, content: Content::Memory(body) };
                connection.answer(Ok(Found::Document(document)), outbox, at);
            }
            Want::Write => {
                let bytes = outbox.slices().iter().map(|slice| slice.len()).sum();
                outbox.written(bytes);
                connection.progressed(bytes as u64, at);
                sent += bytes;
            }
            _ => return sent,
        }
    }
}

fn turns(criterion: &mut Criterion) {
    let at = Moment::new(Instant::now(), SystemTime::now());
    let body: Arc<[u8]> = Arc::from([b'x'; 612]);
    let fields = Fields::new(b"index.html", 612, SystemTime::UNIX_EPOCH, "0", at.wall());
    let settings = Arc::new(Settings::default());
    let mut group = criterion.benchmark_group("turn");
    for (name, request, count) in [("bare", BARE, 1), ("browser", BROWSER, 1), ("bare, 16 pipelined", BARE, 16)] {
        let input = request.repeat(count);
        let mut connection = Connection::new(Arc::clone(&settings), &at);
        let mut outbox = Outbox::default();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &input, |bencher, input| {
            bencher.iter(|| turn(&mut connection, black_box(input), &mut outbox, &fields, &body, &at));
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    let at = Moment::new(Instant::now(), SystemTime::now());
    let settings = Arc::new(Settings::default());
    let mut group = criterion.benchmark_group("head to lookup");
    for (name, request) in [("bare", BARE), ("browser", BROWSER)] {
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), request, |bencher, request| {
            let mut outbox = Outbox::<()>::default();
            bencher.iter(|| {
                let mut connection = Connection::new(Arc::clone(&settings), &at);
                connection.advance(&mut black_box(request), &mut outbox, &at)
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("target");
    for target in ["/", "/images/photo.png", "/a%20b/../c%2e/./d?query"] {
        group.bench_with_input(BenchmarkId::from_parameter(target), target, |bencher, target| {
            bencher.iter(|| Target::parse(black_box(target.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, parsing, turns);
criterion_main!(benches);
