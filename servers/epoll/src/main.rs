//! # Event loops on epoll
//!
//! Each worker is one thread with an event loop of its own: it waits for all of its connections at once, and does for
//! each that is ready what can be done without waiting. Every loop has its own listener on the same port, so that the
//! kernel spreads the connections and no two workers touch the same one. The literature calls it *single-process
//! event-driven* (SPED: Flash, USENIX 1999), here once per worker: *N-copy*; or the *reactor* pattern (Schmidt, 1995).
//! epoll(7) is what made it scale with the ready connections rather than with all (Banga, Mogul and Druschel, 1999).
//!
//! Who uses it: nginx, HAProxy, Redis and memcached, Node.js, Seastar.
//!
//! An idle connection costs its entry in a table, some hundred bytes, and the kernel's socket. Buffers belong to the
//! worker and are lent to the connection that is being served.
//!
//! Where it breaks: whatever blocks, blocks all connections of the worker. Sockets can be told not to block; a disk
//! cannot. So the loop asks the kernel for nothing but what it has in memory: it opens with `RESOLVE_CACHED`, reads
//! with `RWF_NOWAIT`, and before it sends a part of a large file it looks whether that is in memory. What is not goes to
//! helper threads as an errand, and the client gets no turn until that is back; all others do. With such helpers the
//! literature calls it *asymmetric multi-process event-driven* (AMPED), which is what Flash is about; its helpers
//! tell the loop only when the pages have come, and so do ours. What is in memory, which is nearly everything, pays for
//! no thread. nginx opens and reads in the loop unless it is told `aio threads`; libuv, under Node.js, sends
//! each file to a thread, in memory or not.
//!
//! What is left: the kernel's promise not to wait is a good one, not a perfect one. It may have to read where a file's
//! blocks are before it can start to read ahead; a page may be forgotten between the look and the call that sends it;
//! closing a large file that was deleted meanwhile frees its blocks. And a worker's connections stay with it: if the
//! busy ones meet on one loop, the other loops do not help.
//!
//! Hostile clients: one that is slow, silent or does not read costs its entry and what of its answer waits, until a
//! timeout. It is looked at when it does something, so that nobody else notices but by the CPU that this takes.
//!
//! Readiness comes edge-triggered (mio has nothing else): it is told once, so each connection remembers whether it may
//! have unread input, until a read has come back short.
#![forbid(unsafe_code)]

mod errand;
mod helpers;
mod schedule;

use errand::{Errand, Outcome};
use helpers::{Counter, Helpers};
use launch::{
    Clock, DISK_THREADS, Error, Inbox, Model, Presence, Sent, Server, Share, answer, concerns_one_connection, contain,
    must_be_read_in, send,
};
use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
    unix::SourceFd,
};
use protocol::{Connection, Outbox, Want};
use rustix::net::{RecvFlags, Shutdown, shutdown};
use schedule::Schedule;
use slab::Slab;
use std::{
    fs::File,
    io::{self, ErrorKind},
    mem,
    net::IpAddr,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    let about = "A static file server on event loops";
    launch::main(Model { name: "epoll", about, has_workers: true }, run)
}

fn run(server: Arc<Server>) -> Result<(), Error> {
    let listeners = server.listen_shared(server.options.worker_count())?;
    let address = listeners[0].local_addr().map_err(Error::system("tell the listener's address"))?;
    let helped = Arc::clone(&server);
    let helpers = Helpers::start(DISK_THREADS, move |errand: Errand| errand.run(&helped));
    let helpers = helpers.map_err(Error::system("start a thread for the disk"))?;
    let mut workers = Vec::new();
    for listener in listeners {
        let worker =
            Worker::new(Arc::clone(&server), listener, &helpers).map_err(Error::system("make an event loop"))?;
        let thread = thread::Builder::new().name(format!("worker-{}", workers.len()));
        workers.push(thread.spawn(move || worker.run()).map_err(Error::system("start a worker"))?);
    }
    server.ready(address);

    // Stopping: each worker ends with its last connection.
    let mut outcome = Ok(());
    for worker in workers {
        let ended = worker.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        outcome = outcome.and(ended.map_err(Error::system("go on with an event loop")));
    }
    outcome
}

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const TIMER: Token = Token(usize::MAX - 2);
/// When there is no room for a connection, or the system has nothing left, accepting pauses; the backlog holds.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// One event loop and all that it owns.
struct Worker {
    server: Arc<Server>,
    poll: Poll,
    disk: Counter<Errand, Outcome>,
    listener: Option<TcpListener>,
    /// When to accept again although no event tells to.
    accept_again: Option<Instant>,
    clients: Slab<Client>,
    schedule: Schedule,
    /// Lent to the client that is being served.
    inbox: Inbox,
    outbox: Outbox<File>,
    clock: Clock,
}

struct Client {
    stream: TcpStream,
    address: IpAddr,
    connection: Connection,
    /// What the client was too slow to take.
    unsent: Option<Outbox<File>>,
    /// Whether the socket may have input that was not read: it is told of once only.
    readable: bool,
    /// Whether the client has ended its side: behind what is left to read there is an end that is not told of again.
    ended: bool,
    /// Whether it has an errand out: nothing happens to it until that is back.
    away: bool,
    _presence: Presence,
}

/// What a turn of a client came to.
enum Turn {
    Parked,
    /// It cannot go on before this is done.
    Away(Errand),
    /// It has had its share, and more to do.
    Again,
    Closed,
}

impl Worker {
    fn new(
        server: Arc<Server>,
        listener: std::net::TcpListener,
        helpers: &Helpers<Errand, Outcome>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let schedule = Schedule::new(&server.settings)?;
        poll.registry().register(&mut SourceFd(&schedule.timer()), TIMER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let stop = Arc::clone(&waker);
        server.stop.on_stop(move || {
            let _ = stop.wake();
        });
        Ok(Self {
            poll,
            disk: helpers.counter(waker),
            listener: Some(listener),
            accept_again: None,
            clients: Slab::new(),
            schedule,
            inbox: Inbox::new(&server.settings.limits),
            outbox: Outbox::default(),
            clock: Clock::new(),
            server,
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.listener.is_some() || !self.clients.is_empty() {
            // Deadlines matter only while there are clients.
            let sweep = (!self.clients.is_empty()).then(|| self.schedule.next_sweep());
            let wake_up = sweep.into_iter().chain(self.accept_again).min();
            self.schedule.set_timer()?;
            let timeout = wake_up.map(|wake_up| wake_up.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = self.clock.read().monotonic();
            let accept_was_due = self.accept_again.is_some_and(|at| at <= now);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {
                        if self.server.stop.is_stopping() && self.listener.is_some() {
                            self.stop();
                        }
                        for (key, outcome) in self.disk.returned() {
                            self.serve(key, Some(outcome));
                        }
                    }
                    // Who is due is seen below.
                    TIMER => {}
                    Token(key) => {
                        if let Some(client) = self.clients.get_mut(key) {
                            client.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                            client.ended |= event.is_read_closed();
                            self.serve(key, None);
                        }
                    }
                }
            }
            if accept_was_due {
                self.accept();
            }
            while let Some(key) = self.schedule.due(now) {
                self.serve(key, None);
            }
            if self.schedule.sweep_is_due(now) {
                self.sweep();
            }
        }
        Ok(())
    }

    // Accepting: all that came, as long as there is room.

    fn accept(&mut self) {
        /// Newcomers after which it is the turn of those who are here.
        const SHARE: u32 = 64;
        let now = self.clock.moment().monotonic();
        self.accept_again = None;
        let Some(listener) = self.listener.take() else { return };
        for _ in 0..SHARE {
            let Some(presence) = self.server.connections.admit() else {
                self.accept_again = Some(now + ACCEPT_PAUSE);
                break;
            };
            match listener.accept() {
                Ok((stream, address)) => {
                    self.accept_again = Some(now);
                    self.welcome(stream, address.ip(), presence);
                }
                Err(error) if concerns_one_connection(&error) => self.accept_again = Some(now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_again = None;
                    break;
                }
                Err(_) => {
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    break;
                }
            }
        }
        self.listener = Some(listener);
    }

    fn welcome(&mut self, mut stream: TcpStream, address: IpAddr, presence: Presence) {
        let slot = self.clients.vacant_entry();
        let key = slot.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(key), interest).is_err() {
            return;
        }
        let connection = Connection::new(Arc::clone(&self.server.settings), self.clock.moment());
        slot.insert(Client {
            stream,
            address,
            connection,
            unsent: None,
            readable: true,
            ended: false,
            away: false,
            _presence: presence,
        });
        self.serve(key, None);
    }

    // Serving one connection.

    /// Does for a client what can be done without waiting, with the outcome of its errand if it was waiting for one.
    fn serve(&mut self, key: usize, outcome: Option<Outcome>) {
        // Of a client that was closed, a time may still be scheduled. One that has an errand out gets no turn before
        // that is back, nor does it go, so that its key stays its own.
        match self.clients.get_mut(key) {
            Some(client) if !client.away || outcome.is_some() => client.away = false,
            _ => return,
        }
        let turn = contain("the turn of a client", || self.turn(key, outcome)).unwrap_or_else(|| {
            // What lies on the desk belongs to no other client.
            (self.inbox, self.outbox) = (Inbox::new(&self.server.settings.limits), Outbox::default());
            Turn::Closed
        });
        match turn {
            Turn::Parked => {}
            Turn::Away(errand) => {
                self.clients[key].away = true;
                self.disk.send(key, errand);
            }
            // Due once everybody else was looked at.
            Turn::Again => self.schedule.add(self.clock.moment().monotonic() + Duration::from_nanos(1), key),
            Turn::Closed => {
                let mut client = self.clients.remove(key);
                self.server.log.record(client.address, client.connection.abandoned());
            }
        }
    }

    fn turn(&mut self, key: usize, outcome: Option<Outcome>) -> Turn {
        let client = &mut self.clients[key];
        let (connection, at) = (&mut client.connection, self.clock.moment());
        let (inbox, outbox) = (&mut self.inbox, &mut self.outbox);
        if let Some(unsent) = client.unsent.take() {
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
                Want::Lookup => match self.server.documents.find_at_once(connection.target(), at) {
                    Some(found) => answer(connection, found, outbox, at),
                    None => break Turn::Away(Errand::Find(connection.target().clone())),
                },
                Want::Write if !mem::take(&mut was_read_in) && must_be_read_in(outbox) => {
                    break Turn::Away(Errand::ReadIn(mem::take(outbox)));
                }
                Want::Write => match send(&client.stream, outbox) {
                    Ok(Sent::Bytes(bytes)) => {
                        share.sent(bytes);
                        connection.progressed(bytes, at);
                        self.server.log.record(client.address, std::iter::from_fn(|| connection.finished()));
                    }
                    Ok(Sent::FileEnded) => connection.file_failed(),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break Turn::Parked,
                    Err(_) => break Turn::Closed,
                },
                Want::Read if !client.readable => break Turn::Parked,
                Want::Read => {
                    let room = inbox.room().len();
                    match inbox.receive(&client.stream, RecvFlags::empty()) {
                        Ok(0) => {
                            client.readable = false;
                            connection.end_of_input();
                        }
                        // A short read has emptied the socket (epoll(7), question 9): what comes next is told anew.
                        Ok(received) => client.readable = client.ended || received == room,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => client.readable = false,
                        Err(_) => break Turn::Closed,
                    }
                }
                // Waiting: the loop comes back to it in time.
                Want::Wait(until) => {
                    self.schedule.add(until, key);
                    break Turn::Parked;
                }
                Want::HalfClose => {
                    let _ = shutdown(&client.stream, Shutdown::Write);
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
                && let Ok(Sent::Bytes(bytes)) = send(&client.stream, outbox)
            {
                connection.progressed(bytes, at);
                self.server.log.record(client.address, std::iter::from_fn(|| connection.finished()));
            }
            let unsent = mem::take(outbox);
            client.unsent = (!matches!(turn, Turn::Closed)).then_some(unsent);
        }
        turn
    }

    /// Looks at the deadlines of all clients, now and then: no request pays for a timer.
    fn sweep(&mut self) {
        let now = self.clock.moment().monotonic();
        let late = |(key, client): (usize, &Client)| client.connection.deadline().filter(|&at| at <= now).map(|_| key);
        let late: Vec<usize> = self.clients.iter().filter_map(late).collect();
        for key in late {
            self.serve(key, None);
        }
    }

    // Stopping: no new connections, and a last response on the open ones.

    fn stop(&mut self) {
        // Those that wait to be accepted were promised something already.
        while {
            self.accept();
            self.accept_again.is_some_and(|at| at <= self.clock.moment().monotonic())
        } {}
        self.listener = None;
        self.accept_again = None;
        let keys: Vec<usize> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            // A request that has come and was not read yet is in flight, too.
            self.clients[key].readable = true;
            self.serve(key, None);
            match self.clients.get_mut(key) {
                Some(client) if client.connection.is_quiet() => drop(self.clients.remove(key)),
                Some(client) => client.connection.last_response(),
                None => {}
            }
        }
    }
}
