//! What it costs to read a response: with a head that was seen before, with one that differs every time, and in pieces.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadgen::Method;
use loadgen::response::{HeadReader, ResponseReader, Step};

fn response(etag: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: OTUServer\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\
         Content-Type: text/html\r\nContent-Length: 612\r\nETag: \"{etag:08x}\"\r\n\
         Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; 612]].concat()
}

fn read(reader: &mut ResponseReader, heads: &mut HeadReader, pieces: &[&[u8]]) {
    for (number, piece) in pieces.iter().enumerate() {
        let step = reader.receive(heads, piece, &mut ());
        assert_eq!(matches!(step, Step::Complete { .. }), number + 1 == pieces.len());
    }
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    let mut reader = ResponseReader::new(Method::Get);
    let mut heads = HeadReader::default();
    group.throughput(Throughput::Elements(1));

    let same = response(1);
    group.bench_function("head seen before", |bencher| {
        bencher.iter(|| read(&mut reader, &mut heads, &[&same]));
    });

    let many: Vec<Vec<u8>> = (0..64).map(response).collect();
    let mut next = many.iter().cycle();
    group.bench_function("head never the same", |bencher| {
        bencher.iter(|| read(&mut reader, &mut heads, &[next.next().unwrap_or(&same)]));
    });

    let pieces: Vec<&[u8]> = same.chunks(100).collect();
    group.bench_function("in pieces of 100 bytes", |bencher| {
        bencher.iter(|| read(&mut reader, &mut heads, &pieces));
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
