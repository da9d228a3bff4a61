//! The client's side of HTTP/1.1 as a pure state machine: bytes in, complete responses out.
//!
//! There is no socket and no clock in it. Its driver
//!
//! 1. writes one or more requests, in whatever way, and then passes each piece that arrives to
//!    [`ResponseReader::receive`]. When that returns [`Step::Complete`], what is left of the piece is passed again, if
//!    another request waits for its response; if none does, the server sent more than was asked for;
//! 2. reports the end of the connection to [`ResponseReader::end`];
//! 3. may leave out as many bytes of a body as [`ResponseReader::skippable`] says, and tells so by
//!    [`ResponseReader::skip`].
//!
//! After a response the reader is ready for the next one; after a failure, [`ResponseReader::reset`] makes it so. Whoever
//! wants to see the bodies passes a [`Body`] that looks at them.

mod chunked;
mod head;

use chunked::{Chunked, Progress};
use head::{Framing, Head};
pub use head::{HeadReader, LIMIT as HEAD_LIMIT};

use crate::Method;

/// Reads the responses of one connection, one at a time.
#[derive(Debug)]
pub struct ResponseReader {
    method: Method,
    state: State,
    status: u16,
    persistent: bool,
    has_expected_type: bool,
    /// Bytes of the body so far, transfer codings removed.
    length: u64,
    /// The beginning of a head that has not arrived whole. Empty in the normal case, where a head comes in one piece.
    kept: Vec<u8>,
    /// Whether a byte of this response has come.
    begun: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Length { remaining: u64 },
    Chunked(Chunked),
    UntilClose,
}

/// A complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, from 200 to 999.
    pub status: u16,
    /// Bytes of the body, transfer codings removed.
    pub length: u64,
    /// Whether the server will read another request from this connection.
    pub persistent: bool,
    /// Whether the Content-Type is the one that the [`HeadReader`] expects; true where it expects none.
    pub has_expected_type: bool,
}

/// Whether these bytes, which came on a connection where nothing was asked, begin a response by which the server tells that it
/// waited for long enough and closes the connection: 408, as some servers send it (RFC 9110, section 15.5.9).
#[must_use]
pub fn is_end_of_waiting(bytes: &[u8]) -> bool {
    matches!(bytes, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', b'4', b'0', b'8', ..])
}

/// What a piece of input led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All of the piece belongs to the response, which goes on.
    Incomplete,
    /// The response is complete.
    Complete {
        /// What it was.
        response: Response,
        /// So many bytes of the piece belong to it.
        used: usize,
    },
    /// This is no HTTP/1 response.
    Malformed,
    /// The head of the response is longer than [`HEAD_LIMIT`].
    TooLarge,
}

/// Sees the bodies that a [`ResponseReader`] reads, transfer codings removed.
pub trait Body {
    /// A body begins, maybe an empty one; the response has this status.
    fn begin(&mut self, status: u16);
    /// These are its next bytes.
    fn bytes(&mut self, bytes: &[u8]);
}

/// Nobody looks at the body.
impl Body for () {
    #[inline]
    fn begin(&mut self, _: u16) {}
    #[inline]
    fn bytes(&mut self, _: &[u8]) {}
}

/// What the end of the connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It marks the end of the response, which is complete.
    Complete(Response),
    /// Nothing of the response had come.
    Nothing,
    /// The response ends in the middle.
    Truncated,
}

impl ResponseReader {
    /// A reader for the responses to requests with this method.
    #[must_use]
    pub fn new(method: Method) -> Self {
        Self {
            method,
            state: State::Head,
            status: 0,
            persistent: false,
            has_expected_type: true,
            length: 0,
            kept: Vec::new(),
            begun: false,
        }
    }

    /// Takes a piece of input, which must not be empty, and shows what it holds of the body. `heads` is shared by all
    /// readers of a thread.
    #[inline]
    pub fn receive(&mut self, heads: &mut HeadReader, input: &[u8], body: &mut impl Body) -> Step {
        // The usual case: nothing has come yet, and the whole response comes at once, with its length in the head.
        if !self.begun
            && let Ok(Some((head, start))) = heads.read(input, 0)
            && let Framing::Length(length) = head.framing
            && head.status >= 200
            && (input.len() - start) as u64 >= length
            && self.has_body(head.status)
        {
            let used = start + length as usize;
            body.begin(head.status);
            body.bytes(&input[start..used]);
            let Head { status, persistent, has_expected_type, .. } = head;
            let response = Response { status, length, persistent, has_expected_type };
            return Step::Complete { response, used };
        }
        self.receive_piece(heads, input, body)
    }

    /// Says that so many bytes of the body, at most [`skippable`](Self::skippable), have come and were not looked at.
    pub fn skip(&mut self, bytes: u64) {
        if let State::Length { remaining } = &mut self.state {
            let skipped = bytes.min(*remaining);
            *remaining -= skipped;
            self.length += skipped;
        }
    }

    /// How many of the next bytes are certain to be part of the body and not its last: nobody has to look at them.
    #[inline]
    #[must_use]
    pub fn skippable(&self) -> u64 {
        match self.state {
            State::Length { remaining } => remaining.saturating_sub(1),
            _ => 0,
        }
    }

    /// The connection has ended.
    pub fn end(&mut self) -> End {
        let end = match self.state {
            _ if !self.begun => End::Nothing,
            State::UntilClose => End::Complete(self.response()),
            _ => End::Truncated,
        };
        self.reset();
        end
    }

    /// Forgets what has come: the next byte belongs to a new response.
    pub fn reset(&mut self) {
        self.state = State::Head;
        self.length = 0;
        self.kept.clear();
        self.begun = false;
    }

    fn receive_piece(&mut self, heads: &mut HeadReader, input: &[u8], body: &mut impl Body) -> Step {
        self.begun = true;
        if !matches!(self.state, State::Head) {
            return self.receive_body(input, body);
        }
        // Taken out of `self` for as long as it is read from, and put back for its capacity.
        let mut kept = std::mem::take(&mut self.kept);
        let before = kept.len();
        let whole = if kept.is_empty() {
            input
        } else {
            kept.extend_from_slice(input);
            &kept
        };
        let (used, body_follows) = match self.receive_heads(heads, whole, before) {
            Ok(read) => read,
            Err(head::Unreadable::Malformed) => return Step::Malformed,
            Err(head::Unreadable::TooLarge) => return Step::TooLarge,
        };
        let step = if body_follows {
            body.begin(self.status);
            self.receive_body(&whole[used..], body)
        } else {
            Step::Incomplete
        };
        if body_follows {
            kept.clear();
        } else if kept.is_empty() {
            kept.extend_from_slice(&input[used..]);
        } else {
            kept.drain(..used);
        }
        self.kept = kept;
        match step {
            // A body that follows begins in this piece, or a piece before would have been the last of the heads.
            Step::Complete { response, used: of_body } => Step::Complete { response, used: used + of_body - before },
            step => step,
        }
    }

    /// Reads the head of the response and the interim ones before it. Returns how many bytes they take and
    /// whether they were all; if not, what is left is the beginning of another one.
    fn receive_heads(
        &mut self,
        heads: &mut HeadReader,
        input: &[u8],
        searched: usize,
    ) -> Result<(usize, bool), head::Unreadable> {
        let mut used = 0;
        loop {
            let Some((head, length)) = heads.read(&input[used..], searched.saturating_sub(used))? else {
                return Ok((used, false));
            };
            used += length;
            match head.status {
                // Nobody asked for another protocol.
                101 => return Err(head::Unreadable::Malformed),
                100..=199 => {}
                _ => {
                    self.begin_body(head);
                    return Ok((used, true));
                }
            }
        }
    }

    fn begin_body(&mut self, head: Head) {
        self.status = head.status;
        self.persistent = head.persistent;
        self.has_expected_type = head.has_expected_type;
        self.state = match head.framing {
            _ if !self.has_body(head.status) => State::Length { remaining: 0 },
            Framing::Length(length) => State::Length { remaining: length },
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => {
                self.persistent = false;
                State::UntilClose
            }
        };
    }

    fn receive_body(&mut self, input: &[u8], body: &mut impl Body) -> Step {
        let end = match &mut self.state {
            State::Head => None,
            State::Length { remaining } => {
                let taken = (*remaining).min(input.len() as u64);
                *remaining -= taken;
                self.length += taken;
                body.bytes(&input[..taken as usize]);
                (*remaining == 0).then_some(taken as usize)
            }
            State::Chunked(chunked) => match chunked.receive(input, &mut self.length, body) {
                Progress::More => None,
                Progress::End(used) => Some(used),
                Progress::Malformed => return Step::Malformed,
            },
            State::UntilClose => {
                self.length += input.len() as u64;
                body.bytes(input);
                None
            }
        };
        match end {
            None => Step::Incomplete,
            Some(used) => {
                let response = self.response();
                self.reset();
                Step::Complete { response, used }
            }
        }
    }

    fn response(&self) -> Response {
        let Self { status, length, persistent, has_expected_type, .. } = *self;
        Response { status, length, persistent, has_expected_type }
    }

    #[inline]
    fn has_body(&self, status: u16) -> bool {
        self.method != Method::Head && status != 204 && status != 304
    }
}

#[cfg(test)]
mod tests;
