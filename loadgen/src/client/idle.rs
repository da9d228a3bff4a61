//! Connections on which nothing is ever sent.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::net::sockopt;

use super::place::start_connecting;
use crate::IdleConnections;

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
    Open(#[expect(dead_code, reason = "it is held, nothing else")] OwnedFd),
    Gone,
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
            epoll::add(epoll, &socket, data, Flags::OUT | Flags::RDHUP | Flags::ET)?;
            Ok(socket)
        });
        self.sockets.push(socket.map_or(Socket::Gone, Socket::Connecting));
    }

    /// Takes an event if it is about one of these.
    pub(super) fn take(&mut self, event: &epoll::Event) -> bool {
        let Some(index) = event.data.u64().checked_sub(FIRST) else {
            return false;
        };
        let Some(socket) = usize::try_from(index).ok().and_then(|index| self.sockets.get_mut(index)) else {
            return false;
        };
        let flags = event.flags;
        let ended = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        if let Socket::Connecting(connecting) = socket
            && matches!(sockopt::socket_error(&*connecting), Ok(Ok(())))
            && flags.contains(epoll::EventFlags::OUT)
            && let Socket::Connecting(open) = std::mem::replace(socket, Socket::Gone)
        {
            self.counts.opened += 1;
            *socket = Socket::Open(open);
        }
        if ended {
            self.counts.ended_by_server += u64::from(matches!(socket, Socket::Open(_)));
            *socket = Socket::Gone;
        }
        true
    }

    pub(super) fn counts(&self) -> IdleConnections {
        self.counts
    }
}
