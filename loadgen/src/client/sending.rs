//! Who sends a request, and when.

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::place::{Phase, Request};
use super::tally::Failure;
use super::worker::{State, Worker};

impl<'a> Worker<'a> {
    /// When the request is or was due that is to be the first on this place's connection; `None` if there is none yet.
    pub(super) fn due_of(&self, index: usize, now: u64) -> Option<u64> {
        match self.state {
            // What the warm-up had asked for may be more than the plan has requests left.
            State::Loading if self.pace.is_some() => self.places[index].awaited.filter(|_| self.remaining > 0),
            State::Loading => (self.remaining > 0).then_some(now),
            State::Opening | State::Over => None,
        }
    }

    /// Goes on with a place that has nothing to read or write: in a closed loop with the next request, in an open one with
    /// waiting for one. A connection that has served its time is replaced.
    #[inline]
    pub(super) fn go_on(&mut self, index: usize, now: u64) {
        if self.state != State::Loading {
            return;
        }
        let place = &self.places[index];
        let is_used_up = self.setup.plan.requests_per_connection.is_some_and(|most| place.begun >= most);
        if place.phase == Phase::Vacant {
            self.renew(index, now);
        } else if is_used_up {
            if place.under_way.is_empty() {
                self.leave(index, now);
            }
        } else if !place.hung_up || place.under_way.is_empty() {
            // A server that has ended its side answers nothing that it is asked behind what is under way.
            self.fill_up(index, now);
        }
    }

    /// Gives a connection as many requests as it can have at once, or says that it waits for them.
    #[inline]
    pub(super) fn fill_up(&mut self, index: usize, now: u64) {
        let plan = self.setup.plan;
        let place = &self.places[index];
        let mut room = plan.pipeline.saturating_sub(place.under_way.len()) as u64;
        if let Some(most) = plan.requests_per_connection {
            room = room.min(most.saturating_sub(place.begun));
        }
        if self.pace.is_some() {
            if room > 0 {
                self.is_ready(index, now);
            }
            return;
        }
        match room.min(self.remaining) {
            0 => {}
            1 => {
                let request = self.begin_request(index, now, now);
                self.write(index, request, now);
            }
            several => {
                let mut outgoing = std::mem::take(&mut self.outgoing);
                outgoing.clear();
                (0..several).for_each(|_| outgoing.extend_from_slice(self.begin_request(index, now, now)));
                self.write(index, &outgoing, now);
                self.outgoing = outgoing;
            }
        }
    }

    /// Notes that a request is under way from now on, and says what to write.
    #[inline]
    pub(super) fn begin_request(&mut self, index: usize, due: u64, now: u64) -> &'a [u8] {
        let is_checked = self.is_in_sample();
        let place = &mut self.places[index];
        let path = place.chosen.take().unwrap_or_else(|| self.chooser.next());
        if place.awaited.take().is_some() {
            self.awaiting -= 1;
        }
        place.begun += 1;
        place.under_way.push_back(Request { due, sent: now, path, is_checked });
        self.tally.requests += 1;
        self.under_way += 1;
        self.remaining -= 1;
        if is_checked && place.under_way.len() == 1 {
            self.begin_check(index);
        }
        let is_last = self.setup.plan.requests_per_connection == Some(self.places[index].begun);
        self.setup.requests.bytes(path, is_last)
    }

    /// Writes requests behind those that are not written yet.
    #[inline]
    pub(super) fn write(&mut self, index: usize, bytes: &[u8], now: u64) {
        let place = &mut self.places[index];
        let Some(socket) = &place.socket else {
            return;
        };
        if !place.unwritten.is_empty() {
            place.unwritten.extend_from_slice(bytes);
            return;
        }
        let sent = loop {
            match send(socket, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => break sent,
            }
        };
        match sent {
            Ok(sent) if sent == bytes.len() => {}
            Ok(sent) => place.unwritten.extend_from_slice(&bytes[sent..]),
            Err(Errno::AGAIN) => place.unwritten.extend_from_slice(bytes),
            Err(_) => self.fail(index, Failure::Write, now),
        }
    }

    /// Writes what is left, now that the socket takes more.
    pub(super) fn write_rest(&mut self, index: usize) {
        let rest = std::mem::take(&mut self.places[index].unwritten);
        self.write(index, &rest, self.setup.now());
    }

    // The open loop.

    /// A place could take a request of the open loop, and gets one that is due already.
    #[inline]
    pub(super) fn is_ready(&mut self, index: usize, now: u64) {
        let Some(pace) = &mut self.pace else {
            return;
        };
        let place = &mut self.places[index];
        if !place.queued {
            place.queued = true;
            place.since = now;
            pace.ready.push_back(index);
        }
        self.dispatch(now);
    }

    /// When a request of the open loop is to be sent and a place is there for it.
    pub(super) fn next_dispatch(&self) -> u64 {
        match &self.pace {
            Some(pace) if !pace.ready.is_empty() && self.remaining > self.awaiting => pace.due(),
            _ => u64::MAX,
        }
    }

    /// Sends the requests of the open loop that are due, as long as there are places for them.
    pub(super) fn dispatch(&mut self, now: u64) {
        if self.state != State::Loading {
            return;
        }
        while self.next_dispatch() <= now {
            let Some(pace) = &mut self.pace else {
                return;
            };
            let Some(index) = pace.ready.pop_front() else {
                return;
            };
            let place = &mut self.places[index];
            place.queued = false;
            // The clock of this turn is late by the requests that were sent in it before.
            let now = self.setup.now();
            match place.phase {
                Phase::Open => {
                    let due = pace.take();
                    self.tally.lag.record(now.saturating_sub(due.max(place.since)));
                    let request = self.begin_request(index, due, now);
                    self.write(index, request, now);
                    self.queue_again(index);
                }
                Phase::Vacant => {
                    let due = pace.take();
                    self.tally.lag.record(now.saturating_sub(due.max(place.since)));
                    place.awaited = Some(due);
                    self.awaiting += 1;
                    self.open(index, now);
                }
                // It will say so when it is ready again.
                Phase::Pausing | Phase::Connecting => {}
            }
        }
    }

    /// No connection will be there in time for these requests any more.
    pub(super) fn give_back_the_awaited(&mut self) {
        let Some(pace) = &mut self.pace else {
            return;
        };
        self.places.iter_mut().filter_map(|place| place.awaited.take()).for_each(|due| pace.give_back(due));
        self.awaiting = 0;
    }

    /// A connection that has room for one more request has had it all the time.
    pub(super) fn queue_again(&mut self, index: usize) {
        let plan = self.setup.plan;
        let place = &mut self.places[index];
        let has_room =
            place.under_way.len() < plan.pipeline && plan.requests_per_connection.is_none_or(|most| place.begun < most);
        if place.phase == Phase::Open
            && has_room
            && !place.queued
            && let Some(pace) = &mut self.pace
        {
            place.queued = true;
            pace.ready.push_back(index);
        }
    }
}
