//! One of the plan's connections: a place that is filled by one TCP connection after the other.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};

use super::tally::Failure;
use crate::Method;
use crate::response::ResponseReader;

/// The longest pause before a place that gets nowhere is tried again.
const LONGEST_PAUSE_NS: u64 = 100_000_000;
/// The first such pause.
const SHORTEST_PAUSE_NS: u64 = 1_000_000;

/// One of the plan's connections.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) socket: Option<OwnedFd>,
    pub(super) reader: ResponseReader,
    /// When connecting began or, once connected, when the current request was begun.
    pub(super) since: u64,
    /// How much of the current request is written.
    pub(super) written: usize,
    /// Complete responses.
    pub(super) served: u64,
    /// Whether the server has ended its side of the TCP connection; what it sent before may still be unread.
    pub(super) hung_up: bool,
    /// TCP connections in a row that have brought no complete response, the current one included.
    fruitless: u32,
}

/// What a place is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, until it is tried again.
    Pausing,
    /// Waiting for the connection to be established.
    Connecting,
    /// Writing a request or waiting for its response.
    Exchanging,
}

impl Place {
    pub(super) fn new(method: Method) -> Self {
        Self {
            phase: Phase::Pausing,
            socket: None,
            reader: ResponseReader::new(method),
            since: 0,
            written: 0,
            served: 0,
            hung_up: false,
            fruitless: 0,
        }
    }

    /// Whether a request is under way.
    pub(super) fn is_in_flight(&self) -> bool {
        self.phase == Phase::Exchanging && self.written > 0
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, address: &SocketAddr, now: u64) -> Result<(), Failure> {
        self.fruitless = self.fruitless.saturating_add(1);
        let socket = start_connecting(address).map_err(connect_failure)?;
        self.hung_up = false;
        self.socket = Some(socket);
        self.phase = Phase::Connecting;
        self.since = now;
        self.written = 0;
        Ok(())
    }

    /// Gives the TCP connection up.
    pub(super) fn close(&mut self) {
        self.socket = None;
        self.reader.reset();
        self.phase = Phase::Pausing;
    }

    /// Notes that this TCP connection was good for something.
    #[inline]
    pub(super) fn bear_fruit(&mut self) {
        self.served += 1;
        self.fruitless = 0;
    }

    /// How long to pause before connecting again after a failure: not at all when the TCP connection had served,
    /// else twice as long each time. A server that refuses everything is not hammered.
    pub(super) fn pause_ns(&self) -> u64 {
        match self.fruitless {
            0 => 0,
            times => (SHORTEST_PAUSE_NS << (times - 1).min(16)).min(LONGEST_PAUSE_NS),
        }
    }
}

fn start_connecting(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // A request longer than a segment would wait for the acknowledgement of its first part.
    sockopt::set_tcp_nodelay(&socket, true)?;
    match connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// What an error while connecting is counted as.
pub(super) fn connect_failure(error: Errno) -> Failure {
    match error {
        Errno::CONNREFUSED => Failure::Refused,
        Errno::TIMEDOUT => Failure::ConnectTimedOut,
        _ => Failure::ConnectOther,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_start_over_after_a_response() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut place = Place::new(Method::Get);
        let mut pause = || {
            // Whether this fails at once or later makes no difference here.
            let _ = place.connect(&nowhere, 0);
            place.pause_ns() / SHORTEST_PAUSE_NS
        };
        let pauses: Vec<u64> = (0..9).map(|_| pause()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
        (0..100).for_each(|_| assert_eq!(pause(), 100));
        place.bear_fruit();
        assert_eq!(place.pause_ns(), 0);
    }
}
