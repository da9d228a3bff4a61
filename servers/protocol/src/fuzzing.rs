//! What the fuzz targets see of the inside: the parser of heads by itself.

use crate::{
    Limits, Status,
    request::{self, Body, Method, Request},
};

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
