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
//! What a client gets in its turn is in `client.rs`; here is who gets a turn, and when.
//!
//! Readiness comes edge-triggered (mio has nothing else): it is told once, so each connection remembers whether it may
//! have unread input, until a read has come back short.
#![forbid(unsafe_code)]

mod client;
mod errand;
mod helpers;
mod schedule;

use client::{Client, Desk, Turn};
use errand::{Errand, Outcome};
use helpers::{Counter, Helpers};
use launch::{DISK_THREADS, Error, Model, Presence, Server, Workers, concerns_one_connection, contain};
use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
    unix::SourceFd,
};
use schedule::Schedule;
use slab::Slab;
use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    let about = "A static file server on event loops";
    // Its epoll, its listener, its waker and its timer.
    let workers = Workers::ManyConnectionsEach { descriptors: 4 };
    launch::main(Model { name: "epoll", about, workers }, run)
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
    desk: Desk,
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
            desk: Desk::new(&server.settings),
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
            let now = self.desk.clock.read().monotonic();
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
        let now = self.desk.clock.moment().monotonic();
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
        slot.insert(Client::new(&self.server, stream, address, presence, self.desk.clock.moment()));
        self.serve(key, None);
    }

    // Serving one connection.

    /// Does for a client what can be done without waiting, with the outcome of its errand if it was waiting for one.
    fn serve(&mut self, key: usize, outcome: Option<Outcome>) {
        // Of a client that was closed, a time may still be scheduled. One that has an errand out gets no turn before
        // that is back, nor does it go, so that its key stays its own.
        let Some(client) = self.clients.get_mut(key).filter(|client| !client.away || outcome.is_some()) else { return };
        client.away = false;
        let turn = contain("the turn of a client", || client.turn(&self.server, &mut self.desk, outcome));
        let turn = turn.unwrap_or_else(|| {
            // What lies on the desk belongs to no other client.
            self.desk = Desk::new(&self.server.settings);
            Turn::Closed
        });
        match turn {
            Turn::Parked => {}
            // Waiting: the loop comes back to it in time, or when its errand is done.
            Turn::Until(time) => self.schedule.add(time, key),
            Turn::Away(errand) => {
                client.away = true;
                self.disk.send(key, errand);
            }
            // Due once everybody else was looked at.
            Turn::Again => self.schedule.add(self.desk.clock.moment().monotonic() + Duration::from_nanos(1), key),
            Turn::Closed => {
                let mut client = self.clients.remove(key);
                self.server.log.record(client.address, client.connection.abandoned());
            }
        }
    }

    /// Looks at the deadlines of all clients, now and then: no request pays for a timer.
    fn sweep(&mut self) {
        let now = self.desk.clock.moment().monotonic();
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
            self.accept_again.is_some_and(|at| at <= self.desk.clock.moment().monotonic())
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
