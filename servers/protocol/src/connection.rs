mod answering;

use crate::{
    Exchange, Limits, Moment, Outbox, Settings, Status, Target, TargetError,
    clock::{Clock, Phase},
    conditions::Conditions,
    exchange::Sending,
    request::{self, Body, Method, Request},
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// What a connection wants of its driver before it can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// More input.
    Read,
    /// The outbox sent, at least in part.
    Write,
    /// [`target`](Connection::target) looked up, and [`answer`](Connection::answer) called with what was found.
    Lookup,
    /// Nothing, until this instant has come.
    Wait(Instant),
    /// The writing side of the socket shut down; then go on.
    HalfClose,
    /// The socket closed. There is nothing more to do.
    Close,
}

/// One client's connection, from its accept to its close.
///
/// See the [crate's documentation](crate) for how it is driven.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    state: State,
    clock: Clock,
    /// The unread tail of the input while nobody lends a buffer.
    kept: Vec<u8>,
    /// How much of an incomplete head was looked at already.
    scanned: usize,
    /// Bytes of empty lines since the last request.
    skipped: usize,
    /// Bytes of a request's body still to be dropped before the next request.
    body_left: u64,
    end_of_input: bool,
    last_response: bool,
    /// Bytes that were handed to the outbox and to the kernel since the accept.
    queued: u64,
    sent: u64,
    /// Responses on their way, for the access log only.
    sending: VecDeque<Sending>,
}

#[derive(Debug)]
enum State {
    /// Between requests, or within a head.
    Head,
    /// A request was read; its response waits for `--delay`.
    Delayed(Pending, Instant),
    /// A request was read; its target is to be looked up.
    Lookup(Pending),
    /// The last response is in the outbox. The close is to linger, so long at most, if the request may still be
    /// arriving, or if so much is on its way that another request, arriving at a closed socket, would cut it off with a
    /// reset.
    Last {
        linger: Option<Duration>,
    },
    /// Our side is shut down; what still arrives is dropped, up to a bound, so that the client reads our answer
    /// rather than a reset (RFC 9112, section 9.6).
    Lingering {
        left: u64,
        latest: Instant,
    },
    Closed,
}

/// A request that was read and not answered yet.
#[derive(Debug)]
struct Pending {
    method: Method,
    keep_alive: bool,
    target: Result<Target, TargetError>,
    conditions: Option<Box<Conditions>>,
    line: Box<[u8]>,
}

impl Connection {
    /// A connection that was accepted at this moment.
    #[must_use]
    pub fn new(settings: Arc<Settings>, at: &Moment) -> Self {
        Self {
            state: State::Head,
            clock: Clock::new(&settings, at),
            settings,
            kept: Vec::new(),
            scanned: 0,
            skipped: 0,
            body_left: 0,
            end_of_input: false,
            last_response: false,
            queued: 0,
            sent: 0,
            sending: VecDeque::new(),
        }
    }

    /// Goes on as far as possible: parses `input`, answers into `out`. What it used is cut off the front of `input`;
    /// the rest is to be there again, with more behind it, at the next call.
    ///
    /// To be called again after whatever it wanted was done, and when [`deadline`](Self::deadline) has passed.
    pub fn advance<F>(&mut self, input: &mut &[u8], out: &mut Outbox<F>, at: &Moment) -> Want {
        loop {
            match &mut self.state {
                State::Head => {
                    if let Some(want) = self.next_request(input, out, at) {
                        return want;
                    }
                }
                State::Delayed(_, until) => {
                    let until = *until;
                    if !out.is_empty() {
                        return self.want_write(at);
                    }
                    if at.monotonic() < until {
                        self.clock.enter(Phase::Work, &self.settings, at);
                        return Want::Wait(until);
                    }
                    if let State::Delayed(pending, _) = std::mem::replace(&mut self.state, State::Closed) {
                        self.serve(pending, out, at);
                    }
                }
                State::Lookup(_) => {
                    self.clock.enter(Phase::Work, &self.settings, at);
                    return Want::Lookup;
                }
                State::Last { linger } => {
                    let linger = linger.or((!input.is_empty()).then_some(Limits::LINGER_TIME));
                    if !out.is_empty() {
                        return self.want_write(at);
                    }
                    let Some(longest) = linger.filter(|_| !self.end_of_input) else {
                        self.state = State::Closed;
                        continue;
                    };
                    let latest = at.monotonic() + longest;
                    self.state = State::Lingering { left: Limits::LINGER_BYTES, latest };
                    self.clock.linger(longest.min(Limits::LINGER_TIME), at);
                    return Want::HalfClose;
                }
                State::Lingering { left, latest } => {
                    let expired = self.clock.has_expired(at);
                    if !input.is_empty() {
                        *left = left.saturating_sub(input.len() as u64);
                        *input = &[];
                        // Who still sends may not have read yet that this is the end.
                        let until_latest = latest.saturating_duration_since(at.monotonic());
                        self.clock.linger(until_latest.min(Limits::LINGER_TIME), at);
                    }
                    if *left == 0 || self.end_of_input || expired {
                        self.state = State::Closed;
                        continue;
                    }
                    return Want::Read;
                }
                State::Closed => return Want::Close,
            }
        }
    }

    /// Between requests: drops what is left of a body, reads the next head and starts to answer it. Returns what is
    /// wanted if that is not yet possible.
    fn next_request<F>(&mut self, input: &mut &[u8], out: &mut Outbox<F>, at: &Moment) -> Option<Want> {
        if out.is_full() {
            return Some(self.want_write(at));
        }
        let dropped = usize::try_from(self.body_left).map_or(input.len(), |left| left.min(input.len()));
        *input = &input[dropped..];
        self.body_left -= dropped as u64;
        if self.body_left > 0 {
            return self.want_read(Phase::Header, out, at);
        }

        // Empty lines before a request are skipped (RFC 9112, section 2.2), but no more of them than a request line is long.
        while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = input {
            self.skipped += input.len() - rest.len();
            *input = rest;
            self.scanned = 0;
        }
        if self.skipped > self.settings.limits.request_line {
            // The answer must not depend on how much of what comes behind them is here already.
            *input = &[];
            return self.refuse(Status::BadRequest, input, out, at);
        }
        // A lone CR is the first half of such a line: no part of a request, and no reason for a new deadline.
        if matches!(input, [] | [b'\r']) {
            // A first request that is on its way is still waited for.
            if self.last_response && self.queued > 0 && out.is_empty() {
                self.state = State::Closed;
                return Some(Want::Close);
            }
            let phase = if self.queued == 0 { Phase::Header } else { Phase::Idle };
            return self.want_read(phase, out, at);
        }

        match request::parse(input, &mut self.scanned, &self.settings.limits) {
            Ok(Some(request)) => {
                let length = request.length;
                self.accept_request(request, out, at);
                *input = &input[length..];
                None
            }
            Ok(None) if self.end_of_input => self.refuse(Status::BadRequest, input, out, at),
            // What was answered before goes out first: then the outbox is empty when a deadline is looked at.
            Ok(None) if out.is_empty() && self.clock.phase() == Phase::Header && self.clock.has_expired(at) => {
                self.refuse(Status::RequestTimeout, input, out, at)
            }
            Ok(None) => self.want_read(Phase::Header, out, at),
            Err(status) => self.refuse(status, input, out, at),
        }
    }

    /// Wants input, once all that was answered is on its way, unless no more comes or it has come too late.
    fn want_read<F>(&mut self, phase: Phase, out: &Outbox<F>, at: &Moment) -> Option<Want> {
        if !out.is_empty() {
            return Some(self.want_write(at));
        }
        if self.end_of_input || self.clock.phase() == phase && self.clock.has_expired(at) {
            self.state = State::Closed;
            return Some(Want::Close);
        }
        self.clock.enter(phase, &self.settings, at);
        Some(Want::Read)
    }

    fn want_write(&mut self, at: &Moment) -> Want {
        if self.clock.phase() == Phase::Send && self.clock.has_expired(at) {
            self.state = State::Closed;
            return Want::Close;
        }
        self.clock.enter(Phase::Send, &self.settings, at);
        Want::Write
    }

    /// A whole head was read.
    fn accept_request<F>(&mut self, request: Request, out: &mut Outbox<F>, at: &Moment) {
        (self.scanned, self.skipped) = (0, 0);
        self.clock.enter(Phase::Work, &self.settings, at);
        let keep_alive = match request.body {
            Body::Dropped(length) => {
                self.body_left = length;
                request.keep_alive
            }
            Body::Unread => {
                self.body_left = u64::MAX;
                false
            }
        };
        let line = if self.settings.log { request.line.into() } else { Box::default() };
        let target = Target::parse(request.target);
        let Request { method, conditions, .. } = request;
        let pending = Pending { method, keep_alive, target, conditions, line };
        if self.settings.delay.is_zero() {
            self.serve(pending, out, at);
        } else {
            self.state = State::Delayed(pending, at.monotonic() + self.settings.delay);
        }
    }

    /// Answers what is no request at all, or none that can be gone on from.
    fn refuse<F>(&mut self, status: Status, input: &mut &[u8], out: &mut Outbox<F>, at: &Moment) -> Option<Want> {
        let line_end = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        let line = input[..line_end.min(self.settings.limits.request_line)].into();
        let method = if input.starts_with(b"HEAD ") { Method::Head } else { Method::Unknown };
        self.scanned = 0;
        self.body_left = u64::MAX;
        let target = Err(TargetError::Malformed);
        let pending = Pending { method, keep_alive: false, target, conditions: None, line };
        *input = &[];
        self.respond_with_page(pending, status, None, out, at);
        None
    }

    /// Keeps the unread tail of the input while the buffer goes to somebody else.
    pub fn keep(&mut self, rest: &[u8]) {
        self.kept.extend_from_slice(rest);
    }

    /// Gives back what was [kept](Self::keep): it belongs in front of the next input.
    #[must_use]
    pub fn take_kept(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Tells that no more input comes. What was asked for before is still answered.
    pub fn end_of_input(&mut self) {
        self.end_of_input = true;
    }

    /// Tells that the first `bytes` of the outbox are on their way.
    pub fn progressed(&mut self, bytes: u64, at: &Moment) {
        self.sent += bytes;
        if bytes > 0 && self.clock.phase() == Phase::Send {
            self.clock.restart(&self.settings, at);
        }
    }

    /// Tells that the file being sent ended before its time. The client was promised more than there is, and learns
    /// it from a connection that closes early.
    pub fn file_failed(&mut self) {
        self.state = State::Closed;
    }

    /// From here on no connection is kept: the next response says so and is the last. A connection that idles after a
    /// response closes; one that has not had its first request yet still waits for it.
    pub fn last_response(&mut self) {
        self.last_response = true;
    }

    /// Whether the connection idles after a response: no part of a next request has come, or there was none to come and
    /// only the client's close is waited for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_over() || matches!(self.state, State::Head) && self.clock.phase() == Phase::Idle
    }

    /// Whether nothing is in flight: the connection [idles](Self::is_idle), or no part of a first request has come.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_over()
            || matches!(self.state, State::Head) && self.queued == self.sent && self.scanned == 0 && self.body_left == 0
    }

    /// Whether the last response was sent whole, to a client that has sent nothing behind its request.
    fn is_over(&self) -> bool {
        matches!(self.state, State::Lingering { left: Limits::LINGER_BYTES, .. }) && self.body_left == 0
    }

    /// When [`advance`](Self::advance) is to be called again even if nothing happens. A driver may be late by the
    /// coarseness of its timer.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    /// The oldest exchange whose response was sent whole, if a log is kept.
    pub fn finished(&mut self) -> Option<Exchange> {
        if self.sending.front().is_some_and(|sending| sending.end <= self.sent) {
            return self.sending.pop_front().map(|sending| sending.exchange);
        }
        None
    }

    /// The exchanges whose responses were begun and will not be finished, with the bytes that were sent of them: for
    /// the log, when the connection ends.
    pub fn abandoned(&mut self) -> impl Iterator<Item = Exchange> {
        let sent = self.sent;
        self.sending.drain(..).map(move |Sending { mut exchange, body_start, end }| {
            exchange.body_bytes = sent.clamp(body_start, end) - body_start;
            exchange
        })
    }
}
