/// One request and its response, as an access log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When it was answered, as an IMF-fixdate.
    pub date: [u8; 29],
    /// The request line as it came, without its line end; empty if none came. Any bytes may be in it.
    pub request_line: Box<[u8]>,
    /// The three digits of the response.
    pub status: u16,
    /// Bytes of the body that were handed to the kernel, the head not counted.
    pub body_bytes: u64,
}

/// An exchange whose response is on its way: where in the stream of sent bytes it ends.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) exchange: Exchange,
    /// Offset at which the body starts, in bytes sent on the connection since its accept.
    pub(crate) body_start: u64,
    /// Offset behind the last byte.
    pub(crate) end: u64,
}
