//! The server's end of a connection.

use std::io::{Read, Write};
use std::net::TcpStream;

/// The server's end of a connection, on which requests may come one behind the other.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// What has come of requests that nobody has taken yet.
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // What a test writes in pieces is to arrive in pieces. If that is refused, it arrives in others.
        let _ = stream.set_nodelay(true);
        Self { stream, unread: Vec::new() }
    }

    /// Waits for the head of the next request; `None` when there is none.
    pub(crate) fn next_request(&mut self) -> Option<String> {
        loop {
            if let Some(request) = self.take_request() {
                return Some(request);
            }
            let mut buffer = [0; 4096];
            let read = self.stream.read(&mut buffer).ok().filter(|&read| read > 0)?;
            self.unread.extend_from_slice(&buffer[..read]);
        }
    }

    /// The head of the next request if it has been read already.
    pub(crate) fn take_request(&mut self) -> Option<String> {
        let end = self.unread.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        Some(String::from_utf8(self.unread.drain(..end).collect()).unwrap())
    }

    /// Whether the client took these bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads and forgets whatever comes, until the client goes away.
    pub(crate) fn wait_for_the_end(&mut self) {
        while self.next_request().is_some() {}
    }
}

/// The path that a request asks for.
pub(crate) fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}
