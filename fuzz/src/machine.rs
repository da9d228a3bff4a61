//! A whole connection, driven without a socket, in calm and in rough weather.
//!
//! The first byte chooses the settings, the second one how long the schedule is; the schedule and the stream of the
//! client follow. In the stream, bytes from 0x80 up stand for words of HTTP.
//!
//! Properties:
//!
//! - It never panics and it ends: every turn that is granted goes on with something.
//! - Time standing still, the bytes sent and the access log do not depend on how the input was cut, how short the
//!   writes fell, who owned the chunks meanwhile, or how often it was woken for nothing.
//! - Whatever happens (time jumps, refusals, files that fail, the end of the input or of keep-alive at any moment),
//!   what was sent is a sequence of well-formed responses with the bodies of their documents, of which the last one may
//!   be cut off; nothing follows a `Connection: close`; and the log tells exactly these.
//! - Whoever is waited for has a deadline that lies ahead. Progress in reading what we send moves it, bytes that
//!   trickle in do not. After `last_response` there is one response at most.
//! - It keeps no more of the input than the largest head, and no more than one file open.

use crate::{
    responses::{self, DOCUMENTS},
    words::expand,
};
use protocol::{
    Chunk, Connection, Content, Document, Exchange, Fields, Found, Limits, Moment, Outbox, Refusal, Settings, Want,
};
use std::{
    rc::Rc,
    sync::{Arc, LazyLock},
    time::{Duration, Instant, SystemTime},
};

/// The language of requests, but for lines that end.
const WORDS: &str = "GET_ HEAD_ POST_ BREW_ / /empty /small.html /medium.txt /large.bin /disk.bin /dir /none /%2e /a%2Fb \
    ?q * http://x/ _HTTP/1.1 _HTTP/1.0 _HTTP/1.9 _HTTP/2.0 Host:x Host: Connection: close keep-alive \
    Content-Length: Transfer-Encoding: chunked gzip Expect:100-continue Range: bytes= 0-0 5- -5 9-10000 If-Range: \
    If-Match: If-None-Match: If-Modified-Since: If-Unmodified-Since: \"d-0\" W/\"d-0\" \"x\" * \
    Thu,_01_Jan_1970_00:00:00_GMT Thu,_01_Jan_2026_00:00:00_GMT Thursday,_01-Jan-70_00:00:00_GMT";

static VOCABULARY: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut words: Vec<Vec<u8>> = WORDS.split_whitespace().map(|word| word.replace('_', " ").into()).collect();
    words.extend(["\r\n", "\n", "\r\n\r\n", ": ", ", "].map(Vec::from));
    words.extend(["GET /small.html HTTP/1.1\r\nHost:x\r\n", " HTTP/1.1\r\nHost:x\r\n\r\n"].map(Vec::from));
    assert!(words.len() <= 128, "a byte for each word");
    words
});

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(responses::bytes);

thread_local! {
    /// The documents that are in memory, by their place in [`DOCUMENTS`].
    static IN_MEMORY: [Arc<[u8]>; DOCUMENTS.len()] = DOCUMENTS.map(|(_, length)| BYTES[..length].into());
    static START: Instant = Instant::now();
}

/// Checks all properties with the settings, the schedule and the stream in `data`.
pub fn check(data: &[u8]) {
    let [choice, length, rest @ ..] = data else { return };
    let (schedule, stream) = rest.split_at(usize::from(length % 64).min(rest.len()));
    let stream = expand(stream, &VOCABULARY);
    let settings = settings(*choice);

    let calm = Drive::new(&settings, &stream, Weather::Calm).run();
    calm.check();
    assert!(calm.abandoned.is_empty(), "nothing is cut off in calm weather");

    let cut = Drive::new(&settings, &stream, Weather::Cut(schedule)).run();
    assert!(cut.sent == calm.sent, "{}\n---\n{}", cut.sent.escape_ascii(), calm.sent.escape_ascii());
    cut.check();
    assert_eq!((cut.finished, cut.abandoned), (calm.finished, calm.abandoned));

    let rough = Drive::new(&settings, &stream, Weather::Rough(schedule)).run();
    rough.check();
}

fn settings(choice: u8) -> Settings {
    let small = Limits { request_line: 40, header_bytes: 120 };
    Settings {
        limits: if choice & 1 == 0 { Limits::default() } else { small },
        delay: Duration::from_millis(if choice & 2 == 0 { 0 } else { 400 }),
        keep_alive: choice & 4 == 0,
        log: true,
        ..Settings::default()
    }
}

/// What a driver meets with.
#[derive(Clone, Copy)]
enum Weather<'s> {
    /// All of the input at once, all of the output at once.
    Calm,
    /// Pieces of lengths that the schedule tells, again and again.
    Cut(&'s [u8]),
    /// Whatever the schedule tells; calm after that.
    Rough(&'s [u8]),
}

struct Drive<'s> {
    weather: Weather<'s>,
    step: usize,
    woken: bool,
    limits: Limits,
    delay: Duration,
    send_timeout: Duration,
    stream: &'s [u8],
    now: Moment,
    connection: Connection,
    outbox: Outbox<Rc<()>>,
    /// Counts who holds the file.
    file: Rc<()>,
    refusal: Option<Refusal>,
    /// Answers since the last one was announced.
    last_answers: Option<u32>,
    /// For how long input is waited for, and how often that changed since something was sent.
    reading: Option<Instant>,
    extensions: u32,
    /// Once our side is shut down: when the other one is closed at the latest.
    latest: Option<Instant>,
    outcome: Outcome,
}

#[derive(Default)]
struct Outcome {
    sent: Vec<u8>,
    finished: Vec<Exchange>,
    /// How much was sent when each was reported.
    finished_at: Vec<usize>,
    abandoned: Vec<Exchange>,
}

impl Outcome {
    /// What was sent is what the log tells, and the log told nothing too early.
    fn check(&self) {
        let ends = responses::check(&self.sent, &self.finished, &self.abandoned, &BYTES);
        assert!(ends.iter().zip(&self.finished_at).all(|(end, reported)| end <= reported));
    }
}

impl<'s> Drive<'s> {
    fn new(settings: &Settings, stream: &'s [u8], weather: Weather<'s>) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let now = Moment::new(START.with(|start| *start), wall);
        Self {
            weather,
            step: 0,
            woken: false,
            limits: settings.limits.clone(),
            delay: settings.delay,
            send_timeout: settings.send_timeout,
            stream,
            connection: Connection::new(Arc::new(settings.clone()), &now),
            now,
            outbox: Outbox::default(),
            file: Rc::new(()),
            refusal: None,
            last_answers: None,
            reading: None,
            extensions: 0,
            latest: None,
            outcome: Outcome::default(),
        }
    }

    fn run(mut self) -> Outcome {
        let (mut turns, client_bytes) = (0, self.stream.len());
        let mut input: Vec<u8> = Vec::new();
        loop {
            turns += 1;
            let granted = 400 + 6 * client_bytes + 3 * self.outcome.sent.len();
            assert!(turns < granted, "a connection that never ends");
            let mut unread = input.as_slice();
            let want = self.connection.advance(&mut unread, &mut self.outbox, &self.now);
            self.check_wish(want, unread);
            input = unread.to_vec();
            while let Some(exchange) = self.connection.finished() {
                self.outcome.finished.push(exchange);
                self.outcome.finished_at.push(self.outcome.sent.len());
            }
            if want == Want::Close {
                break;
            }
            if self.is_disturbed() {
                continue;
            }
            match want {
                Want::Lookup => self.answer(),
                Want::Write => self.write(),
                Want::Read => {
                    // Between turns the buffer belongs to somebody else.
                    self.connection.keep(&input);
                    input = self.connection.take_kept();
                    self.read(&mut input);
                }
                Want::Wait(until) => self.pass(until.duration_since(self.now.monotonic())),
                Want::HalfClose | Want::Close => {}
            }
        }
        let again = self.connection.advance(&mut &input[..], &mut self.outbox, &self.now);
        assert_eq!(again, Want::Close);
        self.outcome.abandoned.extend(self.connection.abandoned());
        self.outcome
    }

    fn check_wish(&mut self, want: Want, unread: &[u8]) {
        let deadline = self.connection.deadline();
        match want {
            Want::Read | Want::Write => {
                assert!(deadline.is_some_and(|deadline| deadline > self.now.monotonic()), "nobody waits for ever");
            }
            Want::Wait(until) => {
                assert!(deadline.is_none() && until > self.now.monotonic());
                assert!(until <= self.now.monotonic() + self.delay);
            }
            Want::Lookup => assert_eq!(deadline, None),
            Want::HalfClose => self.latest = Some(self.now.monotonic() + self.send_timeout),
            Want::Close => {}
        }
        if want == Want::Write {
            assert!(!self.outbox.is_empty(), "something to write");
        }
        if want == Want::Read {
            assert!(self.outbox.is_empty(), "answers go out before more is read");
            assert!(unread.len() <= self.limits.largest_head(), "{} bytes kept", unread.len());
            match self.latest {
                Some(latest) => assert!(deadline <= Some(latest), "who goes on and on is left in the end"),
                None => {
                    // The rest of a body, then an idle time, then a head: no byte extends one of these.
                    self.extensions += u32::from(self.reading != deadline);
                    assert!(self.extensions <= 3, "a client that trickles gains nothing");
                    self.reading = deadline;
                    assert!(self.last_answers.is_none() || !self.connection.is_idle(), "nobody idles who is to go");
                }
            }
        }
        assert!(Rc::strong_count(&self.file) <= 2, "one file open at most");
    }

    /// The next byte of the schedule, if there is one.
    fn tell(&mut self) -> Option<u8> {
        let told = match self.weather {
            Weather::Calm => None,
            Weather::Cut(schedule) => schedule.get(self.step % schedule.len().max(1)).copied(),
            Weather::Rough(schedule) => schedule.get(self.step).copied(),
        };
        self.step += 1;
        told
    }

    /// Lets something happen that the connection did not ask for. Whether it then has to be asked again.
    fn is_disturbed(&mut self) -> bool {
        if let Weather::Cut(schedule) = self.weather {
            // Woken for nothing, now and then, never twice on end.
            self.woken = !self.woken && !schedule.is_empty() && self.tell().is_some_and(|byte| byte % 8 == 7);
            return self.woken;
        }
        let Some(byte) = self.tell() else { return false };
        match byte % 16 {
            0 => {
                self.connection.last_response();
                self.last_answers.get_or_insert(0);
            }
            1 => {
                self.stream = &[];
                self.connection.end_of_input();
            }
            2 => self.pass(Duration::from_secs(1)),
            3 => {
                if let Some(deadline) = self.connection.deadline() {
                    self.pass(deadline.saturating_duration_since(self.now.monotonic()));
                }
            }
            4 => self.pass(Duration::from_secs(100)),
            5 if self.outbox.front_file().is_some() => self.connection.file_failed(),
            6 => {
                let refusals = [Refusal::NotFound, Refusal::Forbidden, Refusal::Unavailable, Refusal::Failed];
                self.refusal = Some(refusals[usize::from(byte / 16) % 4]);
            }
            // Nothing unusual.
            _ => return false,
        }
        true
    }

    fn pass(&mut self, time: Duration) {
        self.now.refresh(self.now.monotonic() + time, self.now.wall() + time);
    }

    fn read(&mut self, input: &mut Vec<u8>) {
        if self.stream.is_empty() {
            self.connection.end_of_input();
            return;
        }
        let length = self.tell().map_or(usize::MAX, |byte| usize::from(byte) % 40 + 1).min(self.stream.len());
        let (piece, later) = self.stream.split_at(length);
        input.extend_from_slice(piece);
        self.stream = later;
    }

    fn answer(&mut self) {
        if let Some(answers) = &mut self.last_answers {
            *answers += 1;
            assert!(*answers <= 1, "one more response at most");
        }
        let (connection, outbox, now) = (&mut self.connection, &mut self.outbox, &self.now);
        if let Some(refusal) = self.refusal.take() {
            return connection.answer(Err(refusal), outbox, now);
        }
        let path = connection.target().path().to_vec();
        let Some(which) = DOCUMENTS.iter().position(|(name, _)| name.as_bytes() == path) else {
            let found = if path == b"dir" { Ok(Found::Directory) } else { Err(Refusal::NotFound) };
            return connection.answer(found, outbox, now);
        };
        let (name, length) = DOCUMENTS[which];
        let fields = &Fields::new(name.as_bytes(), length as u64, SystemTime::UNIX_EPOCH, "0", now.wall());
        IN_MEMORY.with(|documents| {
            let content = match name {
                "disk.bin" => Content::File(Rc::clone(&self.file)),
                _ => Content::Memory(&documents[which]),
            };
            connection.answer(Ok(Found::Document(Document { fields, content })), outbox, now);
        });
    }

    fn write(&mut self) {
        let told = self.tell();
        let before = self.outcome.sent.len();
        if told.is_some_and(|byte| byte % 4 == 3) {
            let chunk = self.outbox.take().expect("something to write");
            let length = chunk.length();
            match chunk {
                Chunk::Copied(bytes, range) => self.outcome.sent.extend_from_slice(&bytes[range]),
                Chunk::Shared(bytes, range) => self.outcome.sent.extend_from_slice(&bytes[range]),
                Chunk::File(_, range) => self.outcome.sent.extend_from_slice(on_disk(range)),
            }
            assert_eq!((self.outcome.sent.len() - before) as u64, length);
        } else {
            let most = told.map_or(usize::MAX, |byte| usize::from(byte) * usize::from(byte) / 4 + 1);
            match self.outbox.front_file() {
                Some((_, range)) => self.outcome.sent.extend_from_slice(on_disk(range)),
                None => {
                    for slice in self.outbox.slices().iter() {
                        self.outcome.sent.extend_from_slice(slice);
                    }
                }
            }
            self.outcome.sent.truncate(before.saturating_add(most));
            self.outbox.written(self.outcome.sent.len() - before);
        }
        self.connection.progressed((self.outcome.sent.len() - before) as u64, &self.now);
        assert_eq!(self.connection.deadline(), Some(self.now.monotonic() + self.send_timeout), "progress buys time");
        self.extensions = 0;
    }
}

fn on_disk(range: std::ops::Range<u64>) -> &'static [u8] {
    &BYTES[range.start as usize..range.end as usize]
}
