//! A look at connections behind the last response that was asked of them.
//!
//! Where each connection is used for a few requests only, the client leaves before it could see that the server sends more
//! than was asked for. So it keeps one of these connections at a time and waits for its end.

use std::os::fd::OwnedFd;

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::response::is_end_of_waiting;

/// What the events of the witness are known by.
const WITNESS: u64 = u64::MAX;

/// The connection that is watched, if there is one.
#[derive(Debug, Default)]
pub(super) struct Witness {
    socket: Option<OwnedFd>,
    /// When it is let go of, whatever happens.
    until: u64,
}

impl Witness {
    /// Watches a connection that is done, unless another one is watched.
    pub(super) fn watch(&mut self, epoll: &OwnedFd, socket: Option<OwnedFd>, until: u64) {
        use epoll::EventFlags as Flags;
        if self.socket.is_none()
            && let Some(socket) = socket
            && epoll::modify(epoll, &socket, epoll::EventData::new_u64(WITNESS), Flags::IN | Flags::RDHUP).is_ok()
        {
            (self.socket, self.until) = (Some(socket), until);
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.socket.is_none()
    }

    /// Whether an event is about the witness.
    pub(super) fn concerns(event: &epoll::Event) -> bool {
        event.data.u64() == WITNESS
    }

    /// Looks at what has come; true if it is more than was asked for.
    pub(super) fn look(&mut self) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let mut bytes = [0; 64];
        let received = recv(socket, &mut bytes, RecvFlags::empty()).map(|(_, received)| received);
        if received != Err(Errno::AGAIN) {
            self.socket = None;
        }
        received.is_ok_and(|received| received > 0 && !is_end_of_waiting(&bytes[..received]))
    }

    /// Lets go of a connection that was watched for long enough.
    pub(super) fn expire(&mut self, now: u64) {
        if now >= self.until {
            self.socket = None;
        }
    }
}
