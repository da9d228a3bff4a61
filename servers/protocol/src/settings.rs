use std::time::Duration;

/// What a server grants its clients: the same for all of its connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much a request may be.
    pub limits: Limits,
    /// From the accept (on a kept connection: from its first byte) to the end of a request's head.
    pub header_timeout: Duration,
    /// From the end of a response to the first byte of the next request.
    pub idle_timeout: Duration,
    /// Without any progress while a response is sent.
    pub send_timeout: Duration,
    /// How long each response is held back, as if a back end had been asked. Zero: not at all.
    pub delay: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
    /// Whether [`Connection::finished`](crate::Connection::finished) reports responses for an access log.
    pub log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            keep_alive: true,
            log: false,
        }
    }
}

/// Bounds of one request. Past them it is refused and its connection closed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the request line without its line end; past them 414.
    pub request_line: usize,
    /// Bytes of the header section with all its line ends; past them 431.
    pub header_bytes: usize,
}

impl Limits {
    /// Fields of a header section; past them 431.
    pub const FIELDS: usize = 100;
    /// Bytes of a request body that is read and dropped to keep the connection; past them the connection is closed.
    pub const DROPPED_BODY: u64 = 64 * 1024;
    /// Bytes that a lingering close drains at most (RFC 9112, section 9.6).
    pub const LINGER_BYTES: u64 = 1024 * 1024;
    /// How long a lingering close lasts at most.
    pub const LINGER_TIME: Duration = Duration::from_secs(2);

    /// The most bytes of input that a connection needs to see at once: an input buffer has to be larger than this.
    #[must_use]
    pub fn largest_head(&self) -> usize {
        self.request_line + self.header_bytes + 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_line: 8 * 1024, header_bytes: 32 * 1024 }
    }
}
