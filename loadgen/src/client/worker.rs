//! One client thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::{self, Errno};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::place::{Phase, Place, connect_failure};
use super::tally::{Failure, Tally, WindowPart};
use super::timeline::Timeline;
use super::{Published, Setup};
use crate::machine::CpuTime;
use crate::response::{End, HeadReader, Response, Step};
use crate::{Histogram, KeepAlive};

/// How much is read at once where the bytes are looked at.
const PIECE: usize = 64 * 1024;
/// How much of a body is passed over at once. The kernel drops it, these bytes are never touched.
const LEAP: usize = 1024 * 1024;
/// How often one connection is read before it is another one's turn.
const READS: usize = 16;
/// How many places are filled before the sockets are looked at.
const OPENINGS: usize = 64;
/// How many connections one `epoll_wait` may report.
const BATCH: usize = 512;
/// How often a thread looks at what depends on time alone, in nanoseconds.
const TICK_NS: u64 = 10_000_000;
/// How often late requests are looked for, at least and at most, in nanoseconds.
const TIMEOUT_CHECKS_NS: (u64, u64) = (1_000_000, 100_000_000);

/// One client thread and its connections.
pub(crate) struct Worker<'a> {
    setup: &'a Setup<'a>,
    published: &'a Published,
    epoll: rustix::fd::OwnedFd,
    places: Vec<Place>,
    heads: HeadReader,
    buffer: Vec<u8>,
    /// Places with more to read, of which no event will tell.
    unfinished: Vec<usize>,
    /// When which place is to be tried again, the earliest first.
    retries: BinaryHeap<Reverse<(u64, usize)>>,
    tally: Tally,
    /// Nothing before the warm-up is over.
    timeline: Option<Timeline>,
    next_tick: u64,
    next_timeout_check: u64,
}

/// What a thread found out.
pub(crate) struct WorkerRecord {
    pub(crate) tally: Tally,
    pub(crate) in_flight: Histogram,
    /// Complete responses of each of its connections.
    pub(crate) served: Vec<u64>,
    pub(crate) windows: Vec<WindowPart>,
    pub(crate) rates: Vec<u64>,
    /// When it began and ended to measure, on the setup's clock.
    pub(crate) measured_from: u64,
    pub(crate) measured_to: u64,
    pub(crate) cpu: CpuTime,
}

impl<'a> Worker<'a> {
    /// A thread that is to drive so many connections.
    pub(crate) fn new(setup: &'a Setup<'a>, published: &'a Published, connections: usize) -> io::Result<Self> {
        Ok(Self {
            setup,
            published,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            places: (0..connections).map(|_| Place::new(setup.method)).collect(),
            heads: HeadReader::default(),
            buffer: vec![0; LEAP],
            unfinished: Vec::new(),
            retries: BinaryHeap::new(),
            tally: Tally::new(setup.expect),
            timeline: None,
            next_tick: 0,
            next_timeout_check: 0,
        })
    }

    /// Offers load until the setup's end or until it is stopped.
    pub(crate) fn run(mut self) -> io::Result<WorkerRecord> {
        let mut now = self.setup.now();
        self.tick(now);
        // All connections stand before the first request is sent. A server under load may take newcomers in one by one,
        // and would not get to the last of them for seconds.
        for index in 0..self.places.len() {
            now = self.setup.now();
            self.connect(index, now);
            self.register(index, now);
        }
        let mut events = Vec::with_capacity(BATCH);
        loop {
            let timeout = timespec(self.next_wake(now).saturating_sub(now));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            now = self.setup.now();
            if now >= self.next_tick {
                if now >= self.setup.end || self.setup.is_stopped() {
                    return Ok(self.finish(now));
                }
                self.tick(now);
            }
            for event in events.drain(..) {
                self.handle(event);
            }
            for index in std::mem::take(&mut self.unfinished) {
                self.read(index);
            }
            self.fill_places(now);
        }
    }

    fn next_wake(&self, now: u64) -> u64 {
        if !self.unfinished.is_empty() {
            return now;
        }
        let retry = self.retries.peek().map_or(u64::MAX, |&Reverse((due, _))| due);
        self.next_tick.min(retry)
    }

    /// Fills the places whose pause is over, a few at a time: opening thousands of connections takes long enough for
    /// responses to lie waiting.
    fn fill_places(&mut self, now: u64) {
        for _ in 0..OPENINGS {
            match self.retries.peek() {
                Some(&Reverse((due, index))) if due <= now => {
                    self.retries.pop();
                    self.open(index, self.setup.now());
                }
                _ => return,
            }
        }
    }

    // What time brings.

    /// Does what depends on time alone.
    fn tick(&mut self, now: u64) {
        if self.timeline.is_none() && now >= self.setup.measure_from {
            self.timeline = Some(self.begin_measuring(now));
        }
        if now >= self.next_timeout_check {
            self.give_up_the_late(now);
            self.next_timeout_check =
                now + (self.setup.timeout_ns / 20).clamp(TIMEOUT_CHECKS_NS.0, TIMEOUT_CHECKS_NS.1);
        }
        let mut next_edge = self.setup.measure_from;
        if let Some(timeline) = &mut self.timeline {
            timeline.advance(now, &self.tally);
            next_edge = timeline.next_edge();
        }
        self.published.publish(&self.tally);
        self.next_tick = (now + TICK_NS).min(next_edge).min(self.next_timeout_check).min(self.setup.end);
    }

    /// Forgets the warm-up. Requests that are under way count from now on.
    fn begin_measuring(&mut self, now: u64) -> Timeline {
        self.tally = Tally::new(self.setup.expect);
        for place in &mut self.places {
            place.served = 0;
            self.tally.requests += u64::from(place.is_in_flight());
            self.tally.opened += u64::from(place.phase == Phase::Exchanging);
        }
        Timeline::new(now, self.setup.measure_from, self.setup.interval_ns, &self.tally)
    }

    /// Gives up what takes longer than the plan allows.
    fn give_up_the_late(&mut self, now: u64) {
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let age = now.saturating_sub(place.since);
            if age < self.setup.timeout_ns {
                continue;
            }
            match place.phase {
                Phase::Pausing => {}
                Phase::Connecting => self.fail(index, Failure::ConnectTimedOut, now),
                Phase::Exchanging => {
                    self.tally.timed_out.record(age);
                    self.fail(index, Failure::TimedOut, now);
                }
            }
        }
    }

    fn finish(mut self, now: u64) -> WorkerRecord {
        let mut timeline = match self.timeline.take() {
            Some(timeline) => timeline,
            None => self.begin_measuring(now),
        };
        let cpu = timeline.finish(&self.tally);
        self.published.publish(&self.tally);
        let mut in_flight = Histogram::new();
        for place in self.places.iter().filter(|place| place.is_in_flight()) {
            in_flight.record(now.saturating_sub(place.since));
        }
        WorkerRecord {
            tally: self.tally,
            in_flight,
            served: self.places.iter().map(|place| place.served).collect(),
            windows: timeline.windows,
            rates: timeline.rates,
            measured_from: timeline.begin,
            measured_to: now,
            cpu,
        }
    }

    // What the connections bring.

    /// Fills a place with a new TCP connection. On a fast network it is established by the time `connect` returns, so
    /// the request is tried at once.
    fn open(&mut self, index: usize, now: u64) {
        self.connect(index, now);
        self.write(index, now);
        self.register(index, now);
    }

    fn connect(&mut self, index: usize, now: u64) {
        if let Err(failure) = self.places[index].connect(&self.setup.address, now) {
            self.fail(index, failure, now);
        }
    }

    /// Asks for the events of a new TCP connection, if connecting has not failed already.
    fn register(&mut self, index: usize, now: u64) {
        let place = &self.places[index];
        let Some(socket) = &place.socket else {
            return;
        };
        let mut interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        if self.setup.keep_alive == KeepAlive::Persistent || place.written < self.setup.request.len() {
            interest |= epoll::EventFlags::OUT;
        }
        let data = epoll::EventData::new_u64(index as u64);
        if epoll::add(&self.epoll, socket, data, interest).is_err() {
            self.fail(index, Failure::ConnectOther, now);
        }
    }

    fn handle(&mut self, event: epoll::Event) {
        use epoll::EventFlags as Flags;
        let flags = event.flags;
        let index = event.data.u64() as usize;
        let place = &mut self.places[index];
        place.hung_up |= flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR);
        let unwritten = place.written < self.setup.request.len();
        if place.phase == Phase::Connecting || (unwritten && flags.contains(Flags::OUT)) {
            self.write(index, self.setup.now());
        }
        if self.places[index].hung_up || flags.contains(Flags::IN) {
            self.read(index);
        }
    }

    /// Writes what is left of the request. The first write on a new socket also tells whether it is connected.
    #[inline]
    fn write(&mut self, index: usize, now: u64) {
        let place = &mut self.places[index];
        let Some(socket) = &place.socket else {
            return;
        };
        let rest = &self.setup.request[place.written..];
        let sent = loop {
            match send(socket, rest, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => break sent,
            }
        };
        match sent {
            Ok(sent) => {
                if place.phase == Phase::Connecting {
                    place.phase = Phase::Exchanging;
                    place.since = now;
                    self.tally.opened += 1;
                }
                if place.written == 0 {
                    self.tally.requests += 1;
                }
                place.written += sent;
            }
            Err(Errno::AGAIN) => {}
            Err(error) if place.phase == Phase::Connecting => self.fail(index, connect_failure(error), now),
            Err(_) => self.fail(index, Failure::Write, now),
        }
    }

    /// Reads until the response is complete or nothing is left to read.
    #[inline]
    fn read(&mut self, index: usize) {
        for _ in 0..READS {
            let place = &mut self.places[index];
            let (Phase::Exchanging, Some(socket)) = (place.phase, &place.socket) else {
                return;
            };
            let skippable = usize::try_from(place.reader.skippable()).unwrap_or(usize::MAX);
            let (asked, flags) =
                if skippable >= PIECE { (skippable.min(LEAP), RecvFlags::TRUNC) } else { (PIECE, RecvFlags::empty()) };
            let received = match recv(socket, &mut self.buffer[..asked], flags) {
                Ok((_, received)) => received,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return,
                Err(Errno::CONNRESET) => return self.fail(index, Failure::Reset, self.setup.now()),
                Err(_) => return self.fail(index, Failure::ReadOther, self.setup.now()),
            };
            if received == 0 {
                return self.end_of_input(index);
            }
            self.tally.bytes_read += received as u64;
            if flags.contains(RecvFlags::TRUNC) {
                place.reader.skip(received as u64);
            } else {
                match place.reader.receive(&mut self.heads, &self.buffer[..received]) {
                    Step::Incomplete => {}
                    // What a full buffer has left behind would be taken for the next response.
                    Step::Complete(_) if received == asked && has_more(socket) => {
                        return self.fail(index, Failure::Malformed, self.setup.now());
                    }
                    Step::Complete(response) => return self.complete(index, &response),
                    Step::Malformed => return self.fail(index, Failure::Malformed, self.setup.now()),
                }
            }
            // A short read has emptied the socket, and what comes later is a new event; but of an end that has been
            // announced already there will be no other.
            if received < asked && !place.hung_up {
                return;
            }
        }
        self.unfinished.push(index);
    }

    fn end_of_input(&mut self, index: usize) {
        match self.places[index].reader.end() {
            End::Complete(response) => self.complete(index, &response),
            End::Nothing => self.fail(index, Failure::ClosedEarly, self.setup.now()),
            End::Truncated => self.fail(index, Failure::Truncated, self.setup.now()),
        }
    }

    /// Counts a response and goes on to the next request, on the same TCP connection if that is to be.
    #[inline]
    fn complete(&mut self, index: usize, response: &Response) {
        let now = self.setup.now();
        let place = &mut self.places[index];
        self.tally.count_response(response, now.saturating_sub(place.since));
        place.bear_fruit();
        let kept_by_server = response.persistent && !place.hung_up;
        let written = place.written == self.setup.request.len();
        if kept_by_server && written && self.setup.keep_alive == KeepAlive::Persistent {
            place.since = now;
            place.written = 0;
            self.write(index, now);
        } else {
            self.tally.closed_by_server += u64::from(!kept_by_server);
            place.close();
            self.open(index, now);
        }
    }

    /// Counts a failure and gives the TCP connection up; the place is filled again, now or a little later.
    #[cold]
    fn fail(&mut self, index: usize, failure: Failure, now: u64) {
        let place = &mut self.places[index];
        if place.phase == Phase::Exchanging && place.written == 0 {
            self.tally.requests += 1;
        }
        self.tally.count_failure(failure);
        place.close();
        let pause = place.pause_ns();
        self.retries.push(Reverse((now + pause, index)));
    }
}

/// Whether there is something to read already.
#[cold]
fn has_more(socket: impl AsFd) -> bool {
    let mut byte = [0];
    matches!(recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((_, received)) if received > 0)
}

fn timespec(nanoseconds: u64) -> Timespec {
    Timespec { tv_sec: (nanoseconds / 1_000_000_000) as _, tv_nsec: (nanoseconds % 1_000_000_000) as _ }
}
