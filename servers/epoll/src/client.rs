use crate::errand::{Errand, Outcome};
use launch::{Clock, Inbox, OpenFile, Presence, Sent, Server, Share, answer, must_be_read_in, send};
use mio::net::TcpStream;
use protocol::{Connection, Moment, Outbox, Settings, Want};
use rustix::net::{RecvFlags, Shutdown, shutdown};
use std::{io::ErrorKind, mem, net::IpAddr, sync::Arc, time::Instant};

/// What a worker lends to the client that it serves.
pub(crate) struct Desk {
    inbox: Inbox,
    outbox: Outbox<OpenFile>,
    pub(crate) clock: Clock,
}

impl Desk {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { inbox: Inbox::new(&settings.limits), outbox: Outbox::default(), clock: Clock::new() }
    }
}

/// A connection and what the loop remembers of it.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) address: IpAddr,
    pub(crate) connection: Connection,
    /// What the client was too slow to take.
    unsent: Option<Outbox<OpenFile>>,
    /// Whether the socket may have input that was not read: it is told of once only.
    pub(crate) readable: bool,
    /// Whether the client has ended its side: behind what is left to read there is an end that is not told of again.
    pub(crate) ended: bool,
    /// Whether it has an errand out: nothing happens to it until that is back.
    pub(crate) away: bool,
    _presence: Presence,
}

/// What a turn of a client came to.
pub(crate) enum Turn {
    /// Nothing can be done before an event tells of the socket.
    Parked,
    /// Nothing is to be done before this time.
    Until(Instant),
    /// It cannot go on before this is done.
    Away(Errand),
    /// It has had its share, and more to do.
    Again,
    Closed,
}

impl Client {
    pub(crate) fn new(server: &Server, stream: TcpStream, address: IpAddr, presence: Presence, at: &Moment) -> Self {
        let connection = Connection::new(Arc::clone(&server.settings), at);
        Self {
            stream,
            address,
            connection,
            unsent: None,
            readable: true,
            ended: false,
            away: false,
            _presence: presence,
        }
    }

    /// Does what can be done without waiting, with the outcome of the errand if there was one out.
    pub(crate) fn turn(&mut self, server: &Server, desk: &mut Desk, outcome: Option<Outcome>) -> Turn {
        let connection = &mut self.connection;
        let Desk { inbox, outbox, clock } = desk;
        let at = clock.moment();
        if let Some(unsent) = self.unsent.take() {
            *outbox = unsent;
        }
        inbox.lend_to(connection);
        let mut was_read_in = false;
        match outcome {
            Some(Outcome::Found(found)) => answer(connection, found, outbox, at),
            Some(Outcome::ReadIn(unsent)) => (*outbox, was_read_in) = (unsent, true),
            None => {}
        }
        let mut share = Share::new();
        let turn = loop {
            // What was read in is sent before the connection looks at its deadline: the client did not let us wait.
            let want =
                if was_read_in { Want::Write } else { inbox.feed(|input| connection.advance(input, outbox, at)) };
            match want {
                Want::Lookup => match server.documents.find_at_once(connection.target(), at) {
                    Some(found) => answer(connection, found, outbox, at),
                    None => break Turn::Away(Errand::Find(connection.target().clone())),
                },
                Want::Write if !mem::take(&mut was_read_in) && must_be_read_in(outbox) => {
                    break Turn::Away(Errand::ReadIn(mem::take(outbox)));
                }
                Want::Write => match send(&self.stream, outbox) {
                    Ok(Sent::Bytes(bytes)) => {
                        share.sent(bytes);
                        connection.progressed(bytes, at);
                        server.log.record(self.address, std::iter::from_fn(|| connection.finished()));
                    }
                    Ok(Sent::FileEnded) => connection.file_failed(),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break Turn::Parked,
                    Err(_) => break Turn::Closed,
                },
                Want::Read if !self.readable => break Turn::Parked,
                Want::Read => {
                    let room = inbox.room().len();
                    match inbox.receive(&self.stream, RecvFlags::empty()) {
                        Ok(0) => {
                            self.readable = false;
                            connection.end_of_input();
                        }
                        // A short read has emptied the socket (epoll(7), question 9): what comes next is told anew.
                        Ok(received) => self.readable = self.ended || received == room,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                        Err(_) => break Turn::Closed,
                    }
                }
                Want::Wait(until) => break Turn::Until(until),
                Want::HalfClose => {
                    let _ = shutdown(&self.stream, Shutdown::Write);
                }
                Want::Close => break Turn::Closed,
            }
            if share.is_used_up_by_a_call() {
                break Turn::Again;
            }
        };
        inbox.return_from(connection);
        if !outbox.is_empty() {
            // What was answered before a lookup need not wait for the disk with it.
            if matches!(turn, Turn::Away(_))
                && let Ok(Sent::Bytes(bytes)) = send(&self.stream, outbox)
            {
                connection.progressed(bytes, at);
                server.log.record(self.address, std::iter::from_fn(|| connection.finished()));
            }
            let unsent = mem::take(outbox);
            self.unsent = (!matches!(turn, Turn::Closed)).then_some(unsent);
        }
        turn
    }
}
