use crate::{
    Chunk, Content, Document, Exchange, Found, Limits, Moment, Outbox, Refusal, Settings, Status, Target, TargetError,
    exchange::Sending,
    request::{self, Body, Method, Request},
    response,
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
    /// The last response is in the outbox. The close is to linger if the request may still be arriving, or if so much
    /// is on its way that another request, arriving at a closed socket, would cut it off with a reset.
    Last {
        linger: Option<Duration>,
    },
    /// Our side is shut down; what still arrives is dropped, up to a bound, so that the client reads our answer
    /// rather than a reset (RFC 9112, section 9.6).
    Lingering {
        left: u64,
    },
    Closed,
}

/// A request that was read and not answered yet.
#[derive(Debug)]
struct Pending {
    method: Method,
    keep_alive: bool,
    target: Result<Target, TargetError>,
    line: Box<[u8]>,
}

/// Which deadline runs, and when it ends.
#[derive(Debug)]
struct Clock {
    phase: Phase,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Idle,
    Send,
    Linger,
    /// No deadline of the client's runs while the server is at work.
    Work,
}

impl Connection {
    /// A connection that was accepted at this moment.
    #[must_use]
    pub fn new(settings: Arc<Settings>, at: &Moment) -> Self {
        let deadline = Some(at.monotonic() + settings.header_timeout);
        Self {
            settings,
            state: State::Head,
            clock: Clock { phase: Phase::Header, deadline },
            kept: Vec::new(),
            scanned: 0,
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
                        self.enter(Phase::Work, at);
                        return Want::Wait(until);
                    }
                    if let State::Delayed(pending, _) = std::mem::replace(&mut self.state, State::Closed) {
                        self.serve(pending, out, at);
                    }
                }
                State::Lookup(_) => {
                    self.enter(Phase::Work, at);
                    return Want::Lookup;
                }
                State::Last { linger } => {
                    let linger = linger.or((!input.is_empty()).then_some(Limits::LINGER_TIME));
                    if !out.is_empty() {
                        return self.want_write(at);
                    }
                    let Some(linger) = linger.filter(|_| !self.end_of_input) else {
                        self.state = State::Closed;
                        continue;
                    };
                    self.state = State::Lingering { left: Limits::LINGER_BYTES };
                    self.clock = Clock { phase: Phase::Linger, deadline: Some(at.monotonic() + linger) };
                    return Want::HalfClose;
                }
                State::Lingering { left } => {
                    *left = left.saturating_sub(input.len() as u64);
                    let enough = *left == 0;
                    *input = &[];
                    if enough || self.end_of_input || self.expired(at) {
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

        // Empty lines before a request are skipped (RFC 9112, section 2.2).
        while let [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] = input {
            *input = rest;
            self.scanned = 0;
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
                self.accept_request(&request, out, at);
                *input = &input[length..];
                None
            }
            Ok(None) if self.end_of_input => self.refuse(Status::BadRequest, input, out, at),
            // What was answered before goes out first: then the outbox is empty when a deadline is looked at.
            Ok(None) if out.is_empty() && self.clock.phase == Phase::Header && self.expired(at) => {
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
        if self.end_of_input || self.clock.phase == phase && self.expired(at) {
            self.state = State::Closed;
            return Some(Want::Close);
        }
        self.enter(phase, at);
        Some(Want::Read)
    }

    fn want_write(&mut self, at: &Moment) -> Want {
        if self.clock.phase == Phase::Send && self.expired(at) {
            self.state = State::Closed;
            return Want::Close;
        }
        self.enter(Phase::Send, at);
        Want::Write
    }

    /// A whole head was read.
    fn accept_request<F>(&mut self, request: &Request, out: &mut Outbox<F>, at: &Moment) {
        self.scanned = 0;
        self.enter(Phase::Work, at);
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
        let pending = Pending { method: request.method, keep_alive, target, line };
        if self.settings.delay.is_zero() {
            self.serve(pending, out, at);
        } else {
            self.state = State::Delayed(pending, at.monotonic() + self.settings.delay);
        }
    }

    /// Answers a request as far as that is possible without the file system.
    fn serve<F>(&mut self, pending: Pending, out: &mut Outbox<F>, at: &Moment) {
        let status = match (pending.method, &pending.target) {
            (Method::Unknown, _) => Status::NotImplemented,
            (Method::Other, _) => Status::MethodNotAllowed,
            (Method::Get | Method::Head, Err(TargetError::Malformed)) => Status::BadRequest,
            (Method::Get | Method::Head, Err(TargetError::NoSuchName)) => Status::NotFound,
            (Method::Get | Method::Head, Ok(_)) => {
                self.state = State::Lookup(pending);
                return;
            }
        };
        self.respond_with_page(pending, status, out, at);
    }

    /// What is to be looked up, while [`Want::Lookup`] is wanted; else the root.
    #[must_use]
    pub fn target(&self) -> &Target {
        const ROOT: &Target = &Target::root();
        match &self.state {
            State::Lookup(Pending { target: Ok(target), .. }) => target,
            _ => ROOT,
        }
    }

    /// Tells what was found for [`target`](Self::target). Does nothing if no lookup is wanted.
    pub fn answer<F>(&mut self, found: Result<Found<'_, F>, Refusal>, out: &mut Outbox<F>, at: &Moment) {
        let pending = match std::mem::replace(&mut self.state, State::Closed) {
            State::Lookup(pending) => pending,
            other => {
                self.state = other;
                return;
            }
        };
        match found {
            Ok(Found::Document(document)) => self.respond_with_document(pending, document, out, at),
            Ok(Found::Directory) => self.respond_with_page(pending, Status::MovedPermanently, out, at),
            Err(refusal) => self.respond_with_page(pending, refusal.status(), out, at),
        }
    }

    fn respond_with_document<F>(&mut self, pending: Pending, document: Document<F>, out: &mut Outbox<F>, at: &Moment) {
        /// Up to here a copy into the outbox costs less than a slice of its own.
        const COPIED: u64 = 16 * 1024;

        let keep_alive = self.keeps(pending.keep_alive);
        let Document { fields, content } = document;
        let length = if pending.method == Method::Head { 0 } else { fields.length() };
        let copied = match content {
            Content::Memory(bytes) if length <= COPIED => &bytes[..length.min(bytes.len() as u64) as usize],
            _ => &[],
        };
        let mut head = 0;
        out.copy(|into| {
            let before = into.len();
            response::start(into, Status::Ok, keep_alive, at);
            into.extend_from_slice(fields.text());
            head = into.len() - before;
            into.extend_from_slice(copied);
        });
        if length > 0 && copied.is_empty() {
            match content {
                Content::Memory(bytes) => out.share(bytes, 0..bytes.len()),
                Content::File(file) => out.file(file, 0..length),
            }
        }
        self.responded(pending.line, Status::Ok, keep_alive, head as u64, length, at);
    }

    fn respond_with_page<F>(&mut self, pending: Pending, status: Status, out: &mut Outbox<F>, at: &Moment) {
        let keep_alive = self.keeps(pending.keep_alive) && status != Status::BadRequest;
        let location = match (&pending.target, status) {
            (Ok(target), Status::MovedPermanently) => Some(target.as_directory()),
            _ => None,
        };
        let head_only = pending.method == Method::Head;
        let (mut total, mut body) = (0, 0);
        out.copy(|into| {
            let before = into.len();
            body = response::page(into, status, keep_alive, head_only, location.as_deref(), at);
            total = into.len() - before;
        });
        self.responded(pending.line, status, keep_alive, (total - body) as u64, body as u64, at);
    }

    /// Answers what is no request at all, or none that can be gone on from.
    fn refuse<F>(&mut self, status: Status, input: &mut &[u8], out: &mut Outbox<F>, at: &Moment) -> Option<Want> {
        let line_end = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        let line = input[..line_end.min(self.settings.limits.request_line)].into();
        let method = if input.starts_with(b"HEAD ") { Method::Head } else { Method::Unknown };
        self.scanned = 0;
        self.body_left = u64::MAX;
        let pending = Pending { method, keep_alive: false, target: Err(TargetError::Malformed), line };
        *input = &[];
        self.respond_with_page(pending, status, out, at);
        None
    }

    /// Whether the connection is kept after the response that is about to be written.
    fn keeps(&self, client: bool) -> bool {
        client && self.settings.keep_alive && !self.last_response
    }

    /// A response is in the outbox.
    fn responded(&mut self, line: Box<[u8]>, status: Status, keep_alive: bool, head: u64, body: u64, at: &Moment) {
        let body_start = self.queued + head;
        self.queued = body_start + body;
        if self.settings.log {
            let exchange = Exchange { date: *at.date(), request_line: line, status: status.code(), body_bytes: body };
            self.sending.push_back(Sending { exchange, body_start, end: self.queued });
        }
        /// What fits into the first flight of segments is with the client before a reset could overtake it.
        const FLIGHT: u64 = 8 * 1024;
        let linger = if body > FLIGHT {
            Some(self.settings.send_timeout)
        } else {
            (self.body_left > 0).then_some(Limits::LINGER_TIME)
        };
        self.state = if keep_alive { State::Head } else { State::Last { linger } };
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
        if bytes > 0 && self.clock.phase == Phase::Send {
            self.clock.deadline = Some(at.monotonic() + self.settings.send_timeout);
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

    /// Whether the connection idles after a response: no part of a next request has come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Head) && self.clock.phase == Phase::Idle
    }

    /// Whether nothing is in flight: the connection [idles](Self::is_idle), or no part of a first request has come.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.state, State::Head) && self.queued == self.sent && self.scanned == 0 && self.body_left == 0
    }

    /// When [`advance`](Self::advance) is to be called again even if nothing happens. A driver may be late by the
    /// coarseness of its timer.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.clock.deadline
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

    /// Starts the deadline of a phase, unless it is running already.
    fn enter(&mut self, phase: Phase, at: &Moment) {
        if self.clock.phase == phase {
            return;
        }
        self.clock.phase = phase;
        let timeout = match phase {
            Phase::Header => Some(self.settings.header_timeout),
            Phase::Idle => Some(self.settings.idle_timeout),
            Phase::Send => Some(self.settings.send_timeout),
            // It has its own duration, set when it begins.
            Phase::Linger => None,
            Phase::Work => None,
        };
        self.clock.deadline = timeout.map(|timeout| at.monotonic() + timeout);
    }

    fn expired(&self, at: &Moment) -> bool {
        self.clock.deadline.is_some_and(|deadline| deadline <= at.monotonic())
    }
}

/// Bytes of a chunk, for drivers that own what they send.
impl<F> Chunk<F> {
    /// How many bytes are to be sent.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Copied(_, range) | Self::Shared(_, range) => range.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}
