use protocol::{Connection, Limits};
use rustix::net::{RecvFlags, recv};
use std::{io, os::fd::AsFd};

/// The buffer that a worker lends to each of its connections in turn: bytes that came and were not used yet.
#[derive(Debug)]
pub struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// A buffer that holds the largest head there may be, and as much again as is worth reading at once.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        const READ_AT_ONCE: usize = 16 * 1024;
        Self { buffer: vec![0; limits.largest_head() + READ_AT_ONCE].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Lets `use_up` cut what it uses off the front of the unread bytes.
    pub fn feed<T>(&mut self, use_up: impl FnOnce(&mut &[u8]) -> T) -> T {
        let mut input = &self.buffer[self.start..self.end];
        let result = use_up(&mut input);
        self.start = self.end - input.len();
        result
    }

    /// Room for more bytes, to be followed by [`filled`](Self::filled). Never empty: a connection uses up or refuses
    /// a head that has reached its limits.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    /// Tells that so many bytes of the [`room`](Self::room) are filled.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// Reads what the socket has; 0 is the end of input.
    ///
    /// # Errors
    /// Those of recv(2), `WouldBlock` among them.
    pub fn receive(&mut self, socket: impl AsFd, flags: RecvFlags) -> io::Result<usize> {
        let (received, _) = recv(socket, self.room(), flags)?;
        self.filled(received);
        Ok(received)
    }

    /// Takes over what the connection kept when it was parked. The buffer was returned empty before.
    pub fn lend_to(&mut self, connection: &mut Connection) {
        let kept = connection.take_kept();
        if !kept.is_empty() {
            let length = kept.len().min(self.buffer.len());
            self.buffer[..length].copy_from_slice(&kept[..length]);
            (self.start, self.end) = (0, length);
        }
    }

    /// Leaves what is unread with the connection, which is to be parked.
    pub fn return_from(&mut self, connection: &mut Connection) {
        if self.start < self.end {
            connection.keep(&self.buffer[self.start..self.end]);
        }
        (self.start, self.end) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Moment, Settings};
    use std::{
        sync::Arc,
        time::{Instant, SystemTime},
    };

    #[test]
    fn bytes_stay_in_order_and_survive_parking() {
        let limits = Limits { request_line: 20, header_bytes: 10 };
        let mut inbox = Inbox::new(&limits);
        let mut connection =
            Connection::new(Arc::new(Settings::default()), &Moment::new(Instant::now(), SystemTime::now()));
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for round in 0..5000_usize {
            let room = inbox.room();
            assert!(!room.is_empty());
            let count = (round * 7 % 97).min(room.len());
            for slot in &mut room[..count] {
                *slot = next_in;
                next_in = next_in.wrapping_add(1);
            }
            inbox.filled(count);
            inbox.feed(|input| {
                let used = input.len().saturating_sub(round % 13);
                for &byte in &input[..used] {
                    assert_eq!(byte, next_out);
                    next_out = next_out.wrapping_add(1);
                }
                *input = &input[used..];
            });
            if round % 3 == 0 {
                inbox.return_from(&mut connection);
                inbox.feed(|input| assert!(input.is_empty()));
                inbox.lend_to(&mut connection);
            }
        }
        assert!(next_out > 0);
    }
}
