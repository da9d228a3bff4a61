//! What the fuzz targets see of the inside: the parser of heads, dates and conditions, each by itself.

use crate::{
    Fields, Limits, Moment, Status,
    conditions::{Conditions, Selection},
    http_date,
    request::{self, Body, Method, Request},
};
use std::ops::Range;

/// The second that an HTTP-date names, counted from 1970.
#[must_use]
pub fn date(value: &[u8], at: &Moment) -> Option<i64> {
    http_date::parse(value, at.date())
}

/// What becomes of a GET or HEAD for a document with these field lines, and which of its bytes are meant.
#[must_use]
pub fn select(lines: &[(&str, &[u8])], is_get: bool, fields: &Fields, at: &Moment) -> (Status, Range<u64>) {
    let mut conditions = None;
    for (name, value) in lines {
        Conditions::read(&mut conditions, name, value);
    }
    let method = if is_get { Method::Get } else { Method::Head };
    match conditions.map_or(Selection::Whole, |conditions| conditions.select(method, fields, at)) {
        Selection::Whole => (Status::Ok, 0..fields.length()),
        Selection::Part(part) => (Status::PartialContent, part),
        Selection::NotModified => (Status::NotModified, 0..0),
        Selection::PreconditionFailed => (Status::PreconditionFailed, 0..0),
        Selection::Unsatisfiable => (Status::RangeNotSatisfiable, 0..0),
    }
}

/// The head of a request that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'i>(Request<'i>);

/// Looks for a request's head at the start of `input`, which does not start with an empty line. `scanned` is 0 at
/// first, and handed back unchanged with more input.
///
/// # Errors
/// The status of the only answer there is.
pub fn parse<'i>(input: &'i [u8], scanned: &mut usize, limits: &Limits) -> Result<Option<Head<'i>>, Status> {
    Ok(request::parse(input, scanned, limits)?.map(Head))
}

impl<'i> Head<'i> {
    /// Whether the method is GET or HEAD.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.0.method, Method::Get | Method::Head)
    }

    /// The request target as it came.
    #[must_use]
    pub fn target(&self) -> &'i [u8] {
        self.0.target
    }

    /// The request line without its line end.
    #[must_use]
    pub fn line(&self) -> &'i [u8] {
        self.0.line
    }

    /// Whether the client wants the connection kept.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.0.keep_alive
    }

    /// Bytes of the body, if it is to be read and dropped.
    #[must_use]
    pub fn dropped_body(&self) -> Option<u64> {
        match self.0.body {
            Body::Dropped(length) => Some(length),
            Body::Unread => None,
        }
    }

    /// Bytes of the whole head.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.length
    }
}
