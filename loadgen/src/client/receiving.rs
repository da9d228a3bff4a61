//! Reading responses and counting them.

use std::os::fd::AsFd;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::body_check::Verdict;
use super::idle::Concern;
use super::place::Phase;
use super::tally::{Answer, Failure};
use super::witness::Witness;
use super::worker::{LEAP, PIECE, State, Worker};
use crate::response::{End, Response, Step, is_end_of_waiting};

/// How often one connection is read before it is another one's turn.
const READS: usize = 16;
/// A slow reader takes what it may read in this share of a second.
const SLOW_READS_PER_SECOND: u64 = 20;

impl Worker<'_> {
    pub(super) fn handle(&mut self, event: epoll::Event) {
        use epoll::EventFlags as Flags;
        if Witness::concerns(&event) {
            self.tally.errors.surplus += u64::from(self.witness.look());
            return;
        }
        match self.idle.take(&event) {
            Concern::Others => {}
            Concern::Idle => return,
            Concern::Surplus => return self.tally.count_failure(Failure::Surplus, 1),
        }
        let flags = event.flags;
        let index = event.data.u64() as usize;
        let place = &mut self.places[index];
        place.hung_up |= flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR);
        if place.phase == Phase::Connecting {
            // What is there before anything was sent has not been asked for. A failure to connect is not looked at in this
            // way, which would make the socket forget it.
            let has_failed = flags.intersects(Flags::HUP | Flags::ERR);
            if flags.contains(Flags::IN) && !has_failed && place.socket.as_ref().is_some_and(has_more) {
                return self.fail(index, Failure::Surplus, self.setup.now());
            }
            self.conclude_connecting(index);
        } else if flags.contains(Flags::OUT) && !place.unwritten.is_empty() {
            self.write_rest(index);
        }
        if flags.contains(Flags::IN) || self.places[index].hung_up {
            self.read(index);
        }
    }

    /// Reads until nothing is left to read, or until it is another one's turn.
    #[inline]
    pub(super) fn read(&mut self, index: usize) {
        for _ in 0..READS {
            let place = &mut self.places[index];
            let (Phase::Open, Some(socket)) = (place.phase, &place.socket) else {
                return;
            };
            let (asked, flags) = match self.setup.plan.slow_read {
                Some(rate) => {
                    if self.setup.now() < place.read_from {
                        // Each event that comes meanwhile leads here; one timer is enough.
                        if place.awoken_at != place.read_from {
                            place.awoken_at = place.read_from;
                            self.timers.add(place.read_from, index);
                        }
                        return;
                    }
                    ((rate / SLOW_READS_PER_SECOND).clamp(1, PIECE as u64) as usize, RecvFlags::empty())
                }
                None => {
                    let skippable = if place.check.is_some() { 0 } else { place.reader.skippable() };
                    let skippable = usize::try_from(skippable).unwrap_or(usize::MAX);
                    if skippable >= PIECE {
                        (skippable.min(LEAP), RecvFlags::TRUNC)
                    } else {
                        (PIECE, RecvFlags::empty())
                    }
                }
            };
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
            if self.state != State::Over {
                self.tally.bytes_read += received as u64;
            }
            if let Some(rate) = self.setup.plan.slow_read {
                place.read_from = self.setup.now() + received as u64 * 1_000_000_000 / rate;
            }
            if flags.contains(RecvFlags::TRUNC) {
                place.reader.skip(received as u64);
            } else if !self.take_in(index, received, received == asked) {
                return;
            }
            // A short read has emptied the socket, and what comes later is a new event; but of an end that has been
            // announced already there will be no other.
            if received < asked && !self.places[index].hung_up {
                return;
            }
        }
        self.unfinished.push(index);
    }

    /// Takes the bytes in that lie in the buffer, and goes on if they complete a response. There may be more behind them
    /// in the socket if `is_full`. False if the connection is not the same afterwards.
    #[inline]
    fn take_in(&mut self, index: usize, received: usize, is_full: bool) -> bool {
        let mut position = 0;
        let mut now = 0;
        while position < received {
            let place = &mut self.places[index];
            let input = &self.buffer[position..received];
            if place.under_way.is_empty() {
                // A server that says why it closes an idle connection closes it, no more.
                let failure = if is_end_of_waiting(input) { Failure::ClosedEarly } else { Failure::Surplus };
                self.fail(index, failure, self.setup.now());
                return false;
            }
            let step = match &mut place.check {
                None => place.reader.receive(&mut self.heads, input, &mut ()),
                Some(check) => place.reader.receive(&mut self.heads, input, check),
            };
            match step {
                Step::Incomplete => {
                    // Those that are complete have made room for others, however long this one takes.
                    if now > 0 {
                        self.go_on(index, now);
                    }
                    return true;
                }
                Step::Malformed => {
                    self.fail(index, Failure::Malformed, self.setup.now());
                    return false;
                }
                Step::TooLarge => {
                    self.fail(index, Failure::HeadTooLarge, self.setup.now());
                    return false;
                }
                Step::Complete { response, used } => {
                    position += used;
                    // Responses that were read together came at the same time.
                    if now == 0 {
                        now = self.setup.now();
                    }
                    self.count(index, &response, now);
                    if !response.persistent {
                        self.tally.errors.surplus += u64::from(position < received);
                        self.is_sent_away(index, now);
                        return false;
                    }
                }
            }
        }
        let place = &self.places[index];
        if place.under_way.is_empty() {
            if is_full && place.socket.as_ref().is_some_and(has_more) {
                self.fail(index, Failure::Surplus, now);
                return false;
            }
            if place.hung_up {
                self.is_sent_away(index, now);
                return false;
            }
        }
        self.go_on(index, now);
        true
    }

    /// Counts a complete response.
    #[inline]
    fn count(&mut self, index: usize, response: &Response, now: u64) {
        let place = &mut self.places[index];
        let Some(request) = place.under_way.pop_front() else {
            return;
        };
        self.under_way -= 1;
        let check = place.check.take();
        let is_next_checked = place.under_way.front().is_some_and(|next| next.is_checked);
        if is_next_checked {
            self.begin_check(index);
        }
        if self.state == State::Over {
            return;
        }
        let expect = &self.setup.plan.expect;
        let body = match (check, &mut self.bodies) {
            (Some(check), Some(bodies)) => bodies.finish(check, expect),
            _ => Verdict::NotCompared,
        };
        if let Verdict::Differs(mismatch) = body
            && self.tally.unexpected.first_difference.is_none()
        {
            self.tally.unexpected.first_difference = Some(mismatch.in_body_of(self.setup.requests.path(request.path)));
        }
        let answer = Answer {
            response: *response,
            path: request.path,
            latency_ns: now.saturating_sub(request.due),
            service_ns: self.pace.is_some().then(|| now.saturating_sub(request.sent)),
            body,
        };
        self.tally.count_answer(&answer, expect);
        if self.places[index].served == 0 {
            self.tally.first_response.record(self.measured(now));
        }
        self.places[index].bear_fruit();
    }

    /// Begins to look at the body of the response that comes next.
    pub(super) fn begin_check(&mut self, index: usize) {
        let place = &mut self.places[index];
        if let (Some(request), Some(bodies)) = (place.under_way.front(), &mut self.bodies) {
            place.check = bodies.check(request.path);
        }
    }

    fn end_of_input(&mut self, index: usize) {
        let now = self.setup.now();
        match self.places[index].reader.end() {
            End::Complete(response) if !self.places[index].under_way.is_empty() => {
                self.count(index, &response, now);
                self.is_sent_away(index, now);
            }
            End::Complete(_) | End::Nothing => self.fail(index, Failure::ClosedEarly, now),
            End::Truncated => self.fail(index, Failure::Truncated, now),
        }
    }

    /// The server takes no more requests on this connection, and has said so in a response or by its end.
    fn is_sent_away(&mut self, index: usize, now: u64) {
        let place = &mut self.places[index];
        let was_asked_to = self.setup.plan.requests_per_connection.is_some_and(|most| place.begun >= most);
        let (has_hung_up, is_empty) = (place.hung_up, place.under_way.is_empty());
        self.tally.closed_by_server += u64::from(!was_asked_to && self.state != State::Over);
        if !is_empty {
            return self.fail(index, Failure::TurnedAway, now);
        }
        if !has_hung_up {
            return self.leave(index, now);
        }
        self.places[index].close();
        self.renew(index, now);
    }

    /// Leaves a connection on which nothing is under way.
    pub(super) fn leave(&mut self, index: usize, now: u64) {
        let socket = self.places[index].close();
        if self.witness.is_free() {
            self.witness.watch(&self.epoll, socket, now + self.setup.timeout_ns);
        }
        self.renew(index, now);
    }

    /// Counts a failure and gives the TCP connection up; the place is filled again, now or a little later.
    #[cold]
    pub(super) fn fail(&mut self, index: usize, failure: Failure, now: u64) {
        let places = self.places.len();
        let place = &mut self.places[index];
        let lost = place.under_way.len() as u64;
        self.under_way -= lost;
        let concerns_the_connection = place.phase == Phase::Connecting || failure == Failure::Surplus;
        if self.state == State::Over {
            // The requests are counted as being in flight.
            self.tally.errors.surplus += u64::from(failure == Failure::Surplus);
        } else if lost > 0 {
            let mut failed = if failure == Failure::TurnedAway { lost } else { 1 };
            if failure == Failure::TimedOut {
                let limit = self.setup.timeout_ns;
                failed = 0;
                for request in place.under_way.iter().take_while(|request| now.saturating_sub(request.sent) >= limit) {
                    self.tally.count_timeout(now.saturating_sub(request.due));
                    failed += 1;
                }
            }
            self.tally.count_failure(failure, failed);
            self.tally.count_failure(Failure::Abandoned, lost - failed);
        } else if concerns_the_connection {
            self.tally.count_failure(failure, 1);
        } else {
            // Nobody was waiting for anything.
            self.tally.closed_by_server += 1;
        }
        if let (Some(check), Some(bodies)) = (place.check.take(), &mut self.bodies) {
            bodies.abandon(check);
        }
        if let Some(due) = place.awaited.take() {
            self.awaiting -= 1;
            if let Some(pace) = &mut self.pace {
                pace.give_back(due);
            }
        }
        place.close();
        place.phase = Phase::Pausing;
        place.since = now + place.pause_ns(places);
        self.timers.add(place.since, index);
    }
}

/// Whether there is something to read already.
#[cold]
fn has_more(socket: impl AsFd) -> bool {
    let mut byte = [0];
    matches!(recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT), Ok((_, received)) if received > 0)
}
