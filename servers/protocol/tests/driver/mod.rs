//! A driver without a socket, which cuts input and output as a test likes.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use protocol::{Chunk, Connection, Content, Document, Fields, Found, Moment, Outbox, Refusal, Settings, Want};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// A document root in memory: a small file, a large one that is shared, a file on "disk", a directory.
pub(crate) struct Root {
    pub(crate) at: Moment,
    pub(crate) small: Arc<[u8]>,
    pub(crate) large: Arc<[u8]>,
}

/// The handle of the file on disk: its bytes can be computed from their offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnDisk;
pub(crate) const ON_DISK_LENGTH: u64 = 70_000;

pub(crate) fn byte_on_disk(offset: u64) -> u8 {
    (offset % 251) as u8
}

impl Root {
    pub(crate) fn new() -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let large: Vec<u8> = (0..40_000_u32).map(|number| (number % 241) as u8).collect();
        Self { at: Moment::new(Instant::now(), wall), small: Arc::from(*b"<p>small</p>\n"), large: Arc::from(large) }
    }

    pub(crate) fn later(&self, by: Duration) -> Moment {
        Moment::new(self.at.monotonic() + by, self.at.wall() + by)
    }

    pub(crate) fn serve(&self, connection: &mut Connection, out: &mut Outbox<OnDisk>, at: &Moment) {
        let path = connection.target().path().to_vec();
        let fields = |length: u64| Fields::new(&path, length, SystemTime::UNIX_EPOCH, "0", at.wall());
        let document = |fields, content| Ok(Found::Document(Document { fields, content }));
        match path.as_slice() {
            b"small.html" => {
                let fields = fields(self.small.len() as u64);
                connection.answer(document(&fields, Content::Memory(&self.small)), out, at);
            }
            b"large.bin" => {
                let fields = fields(self.large.len() as u64);
                connection.answer(document(&fields, Content::Memory(&self.large)), out, at);
            }
            b"disk.bin" => {
                let fields = fields(ON_DISK_LENGTH);
                connection.answer(document(&fields, Content::File(OnDisk)), out, at);
            }
            b"dir" => connection.answer(Ok(Found::Directory), out, at),
            b"busy" => connection.answer(Err(Refusal::Unavailable), out, at),
            b"secret" => connection.answer(Err(Refusal::Forbidden), out, at),
            _ => connection.answer(Err(Refusal::NotFound), out, at),
        }
    }
}

/// How a driver sends what is in the outbox.
#[derive(Debug, Clone)]
pub(crate) enum Writing {
    /// In one go, as far as one call reaches.
    Whole,
    /// At most so many bytes a call, in turn.
    Short(Vec<usize>),
    /// Chunk by chunk, each owned until it is done.
    Owned,
}

/// Sends `input` in the given pieces, reads until the connection closes, returns what it sent.
pub(crate) fn talk(settings: &Settings, input: &[u8], cuts: &[usize], writing: &Writing) -> Vec<u8> {
    let root = Root::new();
    let mut now = root.at.clone();
    let mut connection = Connection::new(Arc::new(settings.clone()), &now);
    let mut outbox = Outbox::<OnDisk>::default();
    let (mut sent, mut offset, mut step, mut turns) = (Vec::new(), 0, 0, 0);
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        turns += 1;
        assert!(turns < 1_000_000, "a connection that never ends");
        let mut unread = buffer.as_slice();
        let want = connection.advance(&mut unread, &mut outbox, &now);
        let rest = unread.to_vec();
        buffer.clear();
        match want {
            Want::Lookup => root.serve(&mut connection, &mut outbox, &now),
            Want::Write => {
                let before = sent.len();
                step += 1;
                match writing {
                    Writing::Whole => write(&mut outbox, usize::MAX, &mut sent),
                    Writing::Short(lengths) => write(&mut outbox, lengths[step % lengths.len()], &mut sent),
                    Writing::Owned => {
                        let chunk = outbox.take().expect("something to write");
                        let length = chunk.length();
                        match chunk {
                            Chunk::Copied(bytes, range) => sent.extend_from_slice(&bytes[range]),
                            Chunk::Shared(bytes, range) => sent.extend_from_slice(&bytes[range]),
                            Chunk::File(OnDisk, range) => sent.extend(range.map(byte_on_disk)),
                        }
                        assert_eq!((sent.len() - before) as u64, length);
                    }
                }
                connection.progressed((sent.len() - before) as u64, &now);
            }
            Want::Read if offset == input.len() => connection.end_of_input(),
            Want::Read => {
                // Between turns the buffer belongs to somebody else.
                connection.keep(&rest);
                buffer = connection.take_kept();
                let end = cuts.iter().copied().find(|&cut| cut > offset).unwrap_or(input.len()).min(input.len());
                buffer.extend_from_slice(&input[offset..end]);
                offset = end;
                continue;
            }
            Want::Wait(until) => now = Moment::new(until, now.wall() + (until - now.monotonic())),
            Want::HalfClose => {}
            Want::Close => return sent,
        }
        buffer = rest;
    }
}

pub(crate) fn write(outbox: &mut Outbox<OnDisk>, most: usize, sent: &mut Vec<u8>) {
    let before = sent.len();
    if let Some((OnDisk, range)) = outbox.front_file() {
        sent.extend(range.take(most).map(byte_on_disk));
    } else {
        for slice in outbox.slices().iter() {
            sent.extend_from_slice(slice);
        }
        sent.truncate(before.saturating_add(most));
    }
    outbox.written(sent.len() - before);
}

pub(crate) fn all_at_once(settings: &Settings, input: &[u8]) -> Vec<u8> {
    talk(settings, input, &[], &Writing::Whole)
}

/// The status codes of a stream of responses to GET, whose bodies are told by their lengths.
pub(crate) fn statuses(mut stream: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    while !stream.is_empty() {
        let head = stream.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
        let text = std::str::from_utf8(&stream[..head]).unwrap();
        codes.push(text[9..12].parse().unwrap());
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        stream = &stream[head + length.parse::<usize>().unwrap()..];
    }
    codes
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}
