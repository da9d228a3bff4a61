//! One of the plan's connections: a place that is filled by one TCP connection after the other.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::{self, Errno};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};

use super::body_check::BodyCheck;
use super::tally::Failure;
use crate::Method;
use crate::response::ResponseReader;

/// The longest pause before a place that gets nowhere is tried again, for up to so many places ...
const LONGEST_PAUSE_NS: u64 = 100_000_000;
const PLACES_FOR_THAT: u64 = 100;
/// ... and for however many there are. Together they try a thousand times a second, or a little more.
const LONGEST_OF_ALL_NS: u64 = 2_000_000_000;
/// The first such pause.
const SHORTEST_PAUSE_NS: u64 = 1_000_000;

/// One of the plan's connections.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) socket: Option<OwnedFd>,
    pub(super) reader: ResponseReader,
    /// The requests that wait for their response, the oldest first; never more than the plan's pipeline.
    pub(super) under_way: VecDeque<Request>,
    /// The body of the response that is being read, if it is looked at.
    pub(super) check: Option<BodyCheck>,
    /// What the socket did not take of the requests that are under way. Empty in the normal case.
    pub(super) unwritten: Vec<u8>,
    /// When connecting began, when a pause ends, or since when the connection could have taken one more request.
    pub(super) since: u64,
    /// Requests that were begun on this TCP connection.
    pub(super) begun: u64,
    /// Complete responses.
    pub(super) served: u64,
    /// Whether the server has ended its side of the TCP connection; what it sent before may still be unread.
    pub(super) hung_up: bool,
    /// The path of the next request, if it is chosen already.
    pub(super) chosen: Option<usize>,
    /// In an open loop, when the request was due for which this connection is being opened.
    pub(super) awaited: Option<u64>,
    /// Whether the place stands in the queue of those that wait for a request of the open loop.
    pub(super) queued: bool,
    /// A slow reader reads no earlier than at this time.
    pub(super) read_from: u64,
    /// The last such time for which there is or was a timer.
    pub(super) awoken_at: u64,
    /// TCP connections in a row that have brought no complete response, the current one included.
    fruitless: u32,
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// When it was due: in a closed loop, when it was sent.
    pub(super) due: u64,
    pub(super) sent: u64,
    /// The place of its path in the plan's list.
    pub(super) path: usize,
    /// Whether the bytes of the response are to be compared.
    pub(super) is_checked: bool,
}

/// What a place is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, until a request of the open loop needs a connection.
    Vacant,
    /// Nothing, until it is tried again.
    Pausing,
    /// Waiting for the connection to be established.
    Connecting,
    /// Connected.
    Open,
}

impl Place {
    pub(super) fn new(method: Method, pipeline: usize) -> Self {
        Self {
            phase: Phase::Vacant,
            socket: None,
            reader: ResponseReader::new(method),
            under_way: VecDeque::with_capacity(pipeline.min(64)),
            check: None,
            unwritten: Vec::new(),
            since: 0,
            begun: 0,
            served: 0,
            hung_up: false,
            chosen: None,
            awaited: None,
            queued: false,
            read_from: 0,
            awoken_at: 0,
            fruitless: 0,
        }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, address: &SocketAddr, slow: bool, now: u64) -> Result<(), Failure> {
        self.fruitless = self.fruitless.saturating_add(1);
        // Whatever fails now, fails in connecting.
        self.phase = Phase::Connecting;
        let socket = start_connecting(address, slow).map_err(connect_failure)?;
        self.hung_up = false;
        self.socket = Some(socket);
        self.since = now;
        self.begun = 0;
        self.read_from = 0;
        Ok(())
    }

    /// Gives the TCP connection up, and with it whatever was under way.
    pub(super) fn close(&mut self) -> Option<OwnedFd> {
        self.reader.reset();
        self.under_way.clear();
        self.unwritten.clear();
        self.check = None;
        self.phase = Phase::Vacant;
        self.socket.take()
    }

    /// Notes that this TCP connection was good for something.
    #[inline]
    pub(super) fn bear_fruit(&mut self) {
        self.served += 1;
        self.fruitless = 0;
    }

    /// How long to pause before connecting again after a failure: not at all when the TCP connection had served,
    /// else twice as long each time. A server that refuses everything is not hammered, however many `places` there are.
    pub(super) fn pause_ns(&self, places: usize) -> u64 {
        let longest = (LONGEST_PAUSE_NS / PLACES_FOR_THAT).saturating_mul(places as u64);
        match self.fruitless {
            0 => 0,
            times => (SHORTEST_PAUSE_NS << (times - 1).min(16)).min(longest.clamp(LONGEST_PAUSE_NS, LONGEST_OF_ALL_NS)),
        }
    }
}

/// A socket that is about to be connected. A slow reader's takes in little before the server has to wait.
pub(super) fn start_connecting(address: &SocketAddr, slow: bool) -> io::Result<OwnedFd> {
    /// The kernel doubles it and takes its own account out of it.
    const SMALL_BUFFER: usize = 4096;
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // A request longer than a segment would wait for the acknowledgement of its first part.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if slow {
        sockopt::set_socket_recv_buffer_size(&socket, SMALL_BUFFER)?;
    }
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
        let mut place = Place::new(Method::Get, 1);
        let mut pause = || {
            // Whether this fails at once or later makes no difference here.
            let _ = place.connect(&nowhere, false, 0);
            place.pause_ns(100) / SHORTEST_PAUSE_NS
        };
        let pauses: Vec<u64> = (0..9).map(|_| pause()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
        (0..100).for_each(|_| assert_eq!(pause(), 100));
        assert_eq!((place.pause_ns(1_000), place.pause_ns(100_000)), (1_000_000_000, LONGEST_OF_ALL_NS));
        place.bear_fruit();
        assert_eq!(place.pause_ns(100), 0);
    }
}
