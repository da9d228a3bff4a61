use crate::{Inbox, OpenFile, Sent, send};
use protocol::Outbox;
use rustix::net::RecvFlags;
use socket2::SockRef;
use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::{Duration, Instant},
};

/// A socket whose thread waits in the system call itself, though not past a deadline.
///
/// The deadline is kept by the socket's own timeouts (`SO_RCVTIMEO` and `SO_SNDTIMEO`, socket(7)). In receiving, a
/// timeout that is already set and ends before the deadline will do: then the caller just looks and waits again. So
/// setting one costs a system call when the deadlines come closer, and none for a client that is quick. In sending, a
/// call that has sent something waits on for room for the rest, so several short waits have to show whether there
/// still is progress.
#[derive(Debug)]
pub struct BlockingSocket {
    stream: Arc<TcpStream>,
    receive_timeout: Duration,
    send_wait: Duration,
    send_wait_is_set: bool,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Something, now in the inbox.
    Bytes,
    /// The client will send no more.
    End,
    /// Nothing in time: a deadline may have passed.
    TimedOut,
}

/// How much later than its deadline a timeout may end.
const SLACK: Duration = Duration::from_millis(10);

impl BlockingSocket {
    /// Takes over a blocking socket. A client may make no progress for `send_timeout`.
    #[must_use]
    pub fn new(stream: Arc<TcpStream>, send_timeout: Duration) -> Self {
        /// A stalled client is noticed late by a part of the timeout.
        const PARTS: u32 = 8;
        let send_wait = (send_timeout / PARTS).max(Duration::from_millis(1));
        Self { stream, receive_timeout: Duration::MAX, send_wait, send_wait_is_set: false }
    }

    /// Waits for input until the deadline.
    ///
    /// # Errors
    /// Those of recv(2): the connection is gone.
    pub fn receive(&mut self, inbox: &mut Inbox, deadline: Option<Instant>, now: Instant) -> io::Result<Received> {
        if let Some(timeout) = needed_timeout(self.receive_timeout, deadline, now) {
            SockRef::from(&*self.stream).set_read_timeout(Some(timeout))?;
            self.receive_timeout = timeout;
        }
        match inbox.receive(&self.stream, RecvFlags::empty()) {
            Ok(0) => Ok(Received::End),
            Ok(_) => Ok(Received::Bytes),
            Err(error) if is_timeout(&error) => {
                // The next wait is likely to be a long one again.
                self.receive_timeout = Duration::MAX;
                Ok(Received::TimedOut)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends from the outbox, waiting for the client a part of its time; no bytes if it took none in that. Whatever
    /// was sent may have been sent at the start of the call.
    ///
    /// # Errors
    /// Those of send(2) and sendfile(2): the connection is gone.
    pub fn send(&mut self, outbox: &mut Outbox<OpenFile>) -> io::Result<Sent> {
        if !self.send_wait_is_set {
            SockRef::from(&*self.stream).set_write_timeout(Some(self.send_wait))?;
            self.send_wait_is_set = true;
        }
        match send(&self.stream, outbox) {
            Err(error) if is_timeout(&error) => Ok(Sent::Bytes(0)),
            other => other,
        }
    }

    /// Ends our side of the connection.
    pub fn half_close(&self) {
        // If it is gone already, the next call says so.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

impl AsFd for BlockingSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The timeout to set, unless the one that is set ends in time and yet not needlessly early.
fn needed_timeout(set: Duration, deadline: Option<Instant>, now: Instant) -> Option<Duration> {
    let left = deadline?.saturating_duration_since(now).max(Duration::from_millis(1));
    (set > left + SLACK).then_some(left)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_set_only_when_deadlines_come_closer() {
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        let seconds = Duration::from_secs;
        assert_eq!(needed_timeout(Duration::MAX, after(10), now), Some(seconds(10)));
        assert_eq!(needed_timeout(seconds(10), after(60), now), None);
        assert_eq!(needed_timeout(seconds(60), after(10), now), Some(seconds(10)));
        assert_eq!(needed_timeout(seconds(10), after(10), now), None);
        assert_eq!(needed_timeout(seconds(10), None, now), None);
        assert_eq!(needed_timeout(seconds(10), Some(now - seconds(1)), now), Some(Duration::from_millis(1)));
    }

    #[test]
    fn waiting_ends_with_the_deadline() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut socket = BlockingSocket::new(Arc::new(listener.accept().unwrap().0), Duration::from_secs(1));
        let mut inbox = Inbox::new(&protocol::Limits::default());
        let start = Instant::now();
        let deadline = start + Duration::from_millis(50);
        assert_eq!(socket.receive(&mut inbox, Some(deadline), start).unwrap(), Received::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(50));
    }
}
