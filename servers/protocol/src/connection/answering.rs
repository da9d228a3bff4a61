//! From a request that was read to its response in the outbox.

use super::{Connection, Pending, State};
use crate::{
    Content, Document, Found, Limits, Moment, Outbox, Refusal, Status, Target, TargetError,
    conditions::Selection,
    exchange::{Exchange, Sending},
    request::Method,
    response,
};
use std::ops::Range;

impl Connection {
    /// Answers a request as far as that is possible without the file system.
    pub(super) fn serve<F>(&mut self, pending: Pending, out: &mut Outbox<F>, at: &Moment) {
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
        let allow = (status == Status::MethodNotAllowed).then_some(("Allow", b"GET, HEAD".as_slice()));
        self.respond_with_page(pending, status, allow, out, at);
    }

    /// What is to be looked up, while [`Want::Lookup`](crate::Want::Lookup) is wanted; else the root.
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
            Ok(Found::Directory) => {
                let location = pending.target.as_ref().map(Target::as_directory).unwrap_or_default();
                self.respond_with_page(pending, Status::MovedPermanently, Some(("Location", &location)), out, at);
            }
            Err(refusal) => {
                /// In seconds. What the server lacks comes back when other connections end.
                const RETRY_AFTER: &[u8] = b"1";
                let field = (refusal == Refusal::Unavailable).then_some(("Retry-After", RETRY_AFTER));
                self.respond_with_page(pending, refusal.status(), field, out, at);
            }
        }
    }

    fn respond_with_document<F>(&mut self, pending: Pending, document: Document<F>, out: &mut Outbox<F>, at: &Moment) {
        /// Up to here a copy into the outbox costs less than a slice of its own.
        const COPIED: usize = 16 * 1024;

        let Document { fields, content } = document;
        let conditions = pending.conditions.as_deref();
        let selection = conditions.map_or(Selection::Whole, |conditions| conditions.select(pending.method, fields, at));
        let (status, lines, last_lines, body) = match selection {
            Selection::Whole => (Status::Ok, fields.whole(), String::new(), 0..fields.length()),
            Selection::Part(part) => {
                let last_lines = response::part(&part, fields.length());
                (Status::PartialContent, fields.description(), last_lines, part)
            }
            Selection::NotModified => (Status::NotModified, fields.validators(), "\r\n".to_owned(), 0..0),
            Selection::PreconditionFailed => {
                return self.respond_with_page(pending, Status::PreconditionFailed, None, out, at);
            }
            Selection::Unsatisfiable => {
                let extent = format!("bytes */{}", fields.length());
                let field = Some(("Content-Range", extent.as_bytes()));
                return self.respond_with_page(pending, Status::RangeNotSatisfiable, field, out, at);
            }
        };

        let keep_alive = self.keeps(pending.keep_alive);
        let body = if pending.method == Method::Head { 0..0 } else { body };
        let in_memory = match &content {
            Content::Memory(bytes) => within(&body, bytes.len()),
            Content::File(_) => 0..0,
        };
        let mut head = 0;
        out.copy(|into| {
            let before = into.len();
            response::start(into, status, keep_alive, fields.date(at));
            into.extend_from_slice(lines);
            into.extend_from_slice(last_lines.as_bytes());
            head = into.len() - before;
            if let Content::Memory(bytes) = content
                && in_memory.len() <= COPIED
            {
                into.extend_from_slice(&bytes[in_memory.clone()]);
            }
        });
        let length = body.end - body.start;
        match content {
            Content::Memory(bytes) if in_memory.len() > COPIED => out.share(bytes, in_memory),
            Content::Memory(_) => {}
            Content::File(file) => out.file(file, body),
        }
        self.responded(pending.line, status, keep_alive, head as u64, length, at);
    }

    /// A small page that says what the status means, with one more field, of a name and a value.
    pub(super) fn respond_with_page<F>(
        &mut self,
        pending: Pending,
        status: Status,
        field: Option<(&str, &[u8])>,
        out: &mut Outbox<F>,
        at: &Moment,
    ) {
        // A server that lacks descriptors gets one back by ending the connection.
        let ends = matches!(status, Status::BadRequest | Status::ServiceUnavailable);
        let keep_alive = self.keeps(pending.keep_alive) && !ends;
        let head_only = pending.method == Method::Head;
        let (mut total, mut body) = (0, 0);
        out.copy(|into| {
            let before = into.len();
            body = response::page(into, status, keep_alive, head_only, field, at);
            total = into.len() - before;
        });
        self.responded(pending.line, status, keep_alive, (total - body) as u64, body as u64, at);
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
}

/// A range of a document as one of its `length` bytes in memory.
fn within(range: &Range<u64>, length: usize) -> Range<usize> {
    let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).map_or(length, |at| at.min(length)));
    start..end
}
