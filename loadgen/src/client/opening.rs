//! Opening connections: all of them before the load begins, and later anew where one has ended.

use std::sync::atomic::Ordering;

use rustix::event::epoll;
use rustix::io;
use rustix::net::{SendFlags, send, sockopt};

use super::place::{Phase, connect_failure};
use super::tally::Failure;
use super::worker::{BATCH, State, Worker};

/// How many connections are begun before the server gets time to accept them: its backlog is bounded, and what overflows
/// it is tried again only after a second.
const AT_ONCE: usize = 64;
/// That time, in nanoseconds.
const PAUSE_NS: u64 = 500_000;
/// How long the load waits for connections that cannot be established, in nanoseconds. It begins without them then.
const PATIENCE_NS: u64 = 3_000_000_000;
/// How many places are looked at before it is the sockets' turn again: opening thousands of connections takes long enough
/// for responses to lie waiting.
const LOOKS: usize = 64;

impl Worker<'_> {
    /// Opens all connections and waits until they stand, and those of the other threads too. A server under load may take
    /// newcomers in one by one, and would not get to the last of them for seconds.
    pub(super) fn open_all(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        let mut next = 0;
        let patience = self.setup.now() + PATIENCE_NS.min(self.setup.timeout_ns);
        while !self.setup.is_stopped() {
            for _ in 0..AT_ONCE {
                if !self.idle.is_begun() {
                    self.idle.open(&self.epoll, &self.setup.address);
                } else if next < self.places.len() {
                    self.connect(next, self.setup.now());
                    next += 1;
                }
            }
            let is_begun = self.idle.is_begun() && next == self.places.len();
            let is_connecting =
                || self.idle.is_connecting() || self.places.iter().any(|place| place.phase == Phase::Connecting);
            let now = self.setup.now();
            if is_begun && (now >= patience || !is_connecting()) {
                break;
            }
            self.turn(&mut events, now + PAUSE_NS)?;
            self.give_up_the_late(now);
        }
        self.wait_for_the_others(&mut events)
    }

    fn wait_for_the_others(&mut self, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        let setup = self.setup;
        setup.opened.fetch_add(1, Ordering::AcqRel);
        while setup.opened.load(Ordering::Acquire) < setup.plan.threads && !setup.is_stopped() {
            self.turn(events, setup.now() + PAUSE_NS)?;
        }
        let start = *setup.start.get_or_init(|| setup.now().max(setup.not_before));
        while setup.now() < start && !setup.is_stopped() {
            self.turn(events, start.min(setup.now() + 10 * PAUSE_NS))?;
        }
        Ok(())
    }

    /// Looks at the places whose time has come: a pause is over, or a slow reader may read.
    pub(super) fn look_at_places(&mut self, now: u64) {
        for _ in 0..LOOKS {
            let Some(index) = self.timers.take_due(now) else {
                return;
            };
            let place = &mut self.places[index];
            match place.phase {
                Phase::Pausing if place.since <= now => {
                    place.phase = Phase::Vacant;
                    self.renew(index, self.setup.now());
                }
                Phase::Open => self.read(index),
                Phase::Pausing | Phase::Vacant | Phase::Connecting => {}
            }
        }
    }

    /// Makes a place good for another TCP connection: at once, or in an open loop when a request needs one.
    pub(super) fn renew(&mut self, index: usize, now: u64) {
        match self.state {
            State::Over => {}
            // Nobody would ask anything on it.
            State::Loading if self.remaining == 0 => {}
            State::Loading if self.pace.is_some() => self.is_ready(index, now),
            State::Opening | State::Loading => self.open(index, now),
        }
    }

    /// Fills a place with a new TCP connection. On a fast network it is established by the time `connect` returns, so
    /// the request is tried at once.
    pub(super) fn open(&mut self, index: usize, now: u64) {
        self.connect(index, now);
        if self.places[index].phase == Phase::Connecting
            && let Some(due) = self.due_of(index, now)
        {
            self.send_first(index, due, self.setup.now());
        }
    }

    /// Begins to connect and asks for the events of the connection.
    fn connect(&mut self, index: usize, now: u64) {
        use epoll::EventFlags as Flags;
        let place = &mut self.places[index];
        if let Err(failure) = place.connect(&self.setup.address, self.setup.plan.slow_read.is_some(), now) {
            return self.fail(index, failure, now);
        }
        let Some(socket) = &place.socket else {
            return;
        };
        let interest = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        if epoll::add(&self.epoll, socket, epoll::EventData::new_u64(index as u64), interest).is_err() {
            self.fail(index, Failure::ConnectOther, now);
        }
    }

    /// An event says that connecting has come to an end.
    pub(super) fn conclude_connecting(&mut self, index: usize) {
        let now = self.setup.now();
        if let Some(due) = self.due_of(index, now) {
            return self.send_first(index, due, now);
        }
        let Some(socket) = &self.places[index].socket else {
            return;
        };
        match sockopt::socket_error(socket) {
            Ok(Ok(())) => {
                self.is_established(index, now);
                if self.state == State::Loading {
                    self.go_on(index, now);
                }
            }
            Ok(Err(error)) | Err(error) => self.fail(index, connect_failure(error), now),
        }
    }

    fn is_established(&mut self, index: usize, now: u64) {
        let place = &mut self.places[index];
        place.phase = Phase::Open;
        self.tally.opened += 1;
        self.tally.connect.record(now.saturating_sub(place.since));
        place.since = now;
    }

    /// Sends the first request on a connection. Whether that is possible tells whether the connection is established.
    fn send_first(&mut self, index: usize, due: u64, now: u64) {
        let place = &mut self.places[index];
        let path = *place.chosen.get_or_insert_with(|| self.chooser.next());
        let request = self.setup.requests.bytes(path, self.setup.plan.requests_per_connection == Some(1));
        let Some(socket) = &place.socket else {
            return;
        };
        let sent = loop {
            match send(socket, request, SendFlags::NOSIGNAL) {
                Err(io::Errno::INTR) => {}
                sent => break sent,
            }
        };
        match sent {
            Ok(sent) => {
                self.is_established(index, now);
                self.begin_request(index, due, now);
                self.places[index].unwritten.extend_from_slice(&request[sent..]);
                if self.pace.is_some() {
                    // Whoever dispatches goes on by itself; a call from here would nest with every place that is vacant.
                    self.queue_again(index);
                } else {
                    self.fill_up(index, now);
                }
            }
            Err(io::Errno::AGAIN) => {}
            Err(error) => self.fail(index, connect_failure(error), now),
        }
    }
}
