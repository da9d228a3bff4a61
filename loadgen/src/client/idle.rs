//! Connections on which nothing is ever sent.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::net::{RecvFlags, recv, sockopt};

use super::place::start_connecting;
use crate::IdleConnections;
use crate::response::is_end_of_waiting;

/// What the events of the first of them are known by; the others follow.
const FIRST: u64 = 1 << 32;

/// A thread's idle connections.
#[derive(Debug, Default)]
pub(super) struct Idle {
    sockets: Vec<Socket>,
    counts: IdleConnections,
}

#[derive(Debug)]
enum Socket {
    Connecting(OwnedFd),
    Open(OwnedFd),
    /// Open, and the server has sent something on it.
    Spoken(#[expect(dead_code, reason = "it is held, nothing else")] OwnedFd),
    Gone,
}

/// What an event was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// Something else.
    Others,
    /// One of the idle connections.
    Idle,
    /// One of the idle connections, on which the server has sent something for the first time.
    Surplus,
}

impl Idle {
    /// So many connections, of which none is opened yet.
    pub(super) fn new(planned: usize) -> Self {
        let counts = IdleConnections { planned: planned as u64, ..IdleConnections::default() };
        Self { sockets: Vec::new(), counts }
    }

    /// Whether all were begun to be opened.
    pub(super) fn is_begun(&self) -> bool {
        self.sockets.len() as u64 == self.counts.planned
    }

    /// Whether some are neither established nor have failed.
    pub(super) fn is_connecting(&self) -> bool {
        self.sockets.iter().any(|socket| matches!(socket, Socket::Connecting(_)))
    }

    /// Begins to open one more.
    pub(super) fn open(&mut self, epoll: &OwnedFd, address: &SocketAddr) {
        use epoll::EventFlags as Flags;
        let data = epoll::EventData::new_u64(FIRST + self.sockets.len() as u64);
        let socket = start_connecting(address, false).and_then(|socket| {
            epoll::add(epoll, &socket, data, Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET)?;
            Ok(socket)
        });
        self.sockets.push(socket.map_or(Socket::Gone, Socket::Connecting));
    }

    /// Takes an event if it is about one of these.
    pub(super) fn take(&mut self, event: &epoll::Event) -> Concern {
        use epoll::EventFlags as Flags;
        let index = event.data.u64().checked_sub(FIRST).and_then(|index| usize::try_from(index).ok());
        let Some(socket) = index.and_then(|index| self.sockets.get_mut(index)) else {
            return Concern::Others;
        };
        let flags = event.flags;
        if let Socket::Connecting(connecting) = socket
            && matches!(sockopt::socket_error(&*connecting), Ok(Ok(())))
            && flags.contains(Flags::OUT)
            && let Socket::Connecting(open) = std::mem::replace(socket, Socket::Gone)
        {
            self.counts.opened += 1;
            *socket = Socket::Open(open);
        }
        let mut concern = Concern::Idle;
        let mut bytes = [0; 64];
        if let Socket::Open(open) = socket
            && flags.contains(Flags::IN)
            && let Ok((_, received @ 1..)) = recv(&*open, &mut bytes, RecvFlags::empty())
            && let Socket::Open(open) = std::mem::replace(socket, Socket::Gone)
        {
            if is_end_of_waiting(&bytes[..received]) {
                self.counts.ended_by_server += 1;
            } else {
                concern = Concern::Surplus;
                *socket = Socket::Spoken(open);
            }
        }
        if flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR) {
            self.counts.ended_by_server += u64::from(matches!(socket, Socket::Open(_) | Socket::Spoken(_)));
            *socket = Socket::Gone;
        }
        concern
    }

    pub(super) fn counts(&self) -> IdleConnections {
        self.counts
    }
}
