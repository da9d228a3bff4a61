//! # Thread per connection
//!
//! Every accepted connection gets an operating-system thread, which reads, looks up, writes and waits in blocking
//! system calls, and ends with the connection. The scheduler of the kernel is the only scheduler there is. The
//! literature calls it *multi-threaded* (MT: Pai, Druschel and Zwaenepoel, "Flash", USENIX 1999) or *thread per
//! connection*; von Behren, Condit and Brewer defend it in "Why events are a bad idea" (HotOS 2003).
//!
//! Who uses it: MySQL and MariaDB by default, Java servers before NIO (and again with virtual threads), most first
//! servers in any language, because the code reads in the order in which things happen.
//!
//! An idle connection costs a thread: its kernel stack and bookkeeping, the touched pages of its own stack, and one
//! read buffer. It costs no CPU.
//!
//! Where it breaks: at tens of thousands of connections memory and the limits on threads come first (then accepting
//! goes on, but the connection that got no thread is closed); with more *ready* threads than CPUs, each request pays
//! for switches and cold caches. It has no number of workers, so `--workers` is refused.
//!
//! Hostile clients: one that is slow, silent or does not read occupies its own thread until a timeout and nobody else's,
//! so the others are served as if it were not there, until threads or memory run out; `--max-connections` bounds both.
#![forbid(unsafe_code)]

use launch::{BlockingSocket, Clock, Error, Inbox, Model, Presence, Received, Sent, Server, Workers, answer, complain};
use protocol::{Connection, Outbox, Want};
use std::{
    io,
    net::{IpAddr, TcpStream},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

fn main() -> ExitCode {
    let about = "A static file server with a thread for every connection";
    launch::main(Model { name: "thread-per-connection", about, workers: Workers::None }, run)
}

// Accepting: one thread does nothing else.

fn run(server: Arc<Server>) -> Result<(), Error> {
    let listener = server.listen()?;
    server.ready(listener.local_addr().map_err(Error::system("tell the listener's address"))?);

    while let Some((stream, client, presence)) = launch::accept(&server, &listener) {
        /// Serving one connection needs little; this much address space is reserved for each.
        const STACK: usize = 256 * 1024;
        /// When the system has no more threads, some connections have to end first.
        const PAUSE: Duration = Duration::from_millis(20);

        let shared = Arc::clone(&server);
        let thread = thread::Builder::new().name("connection".to_owned()).stack_size(STACK);
        if let Err(error) = thread.spawn(move || serve(&shared, stream, client, &presence)) {
            complain(format_args!("cannot start a thread for a connection, which is closed: {error}"));
            thread::sleep(PAUSE);
        }
    }

    // Stopping: the threads that have something in flight finish it; the others are woken, and leave.
    drop(listener);
    server.connections.finish();
    Ok(())
}

// Serving one connection.

fn serve(server: &Server, stream: Arc<TcpStream>, client: IpAddr, presence: &Presence) {
    let mut connection = Connection::new(Arc::clone(&server.settings), Clock::new().moment());
    // An error means that the client is gone: there is nobody left to tell.
    let _ = converse(server, stream, client, presence, &mut connection);
    server.log.record(client, connection.abandoned());
}

fn converse(
    server: &Server,
    stream: Arc<TcpStream>,
    client: IpAddr,
    presence: &Presence,
    connection: &mut Connection,
) -> io::Result<()> {
    let mut socket = BlockingSocket::new(stream, server.settings.send_timeout);
    let mut inbox = Inbox::new(&server.settings.limits);
    let mut outbox = Outbox::default();
    let mut clock = Clock::new();
    loop {
        if server.stop.is_stopping() {
            connection.last_response();
        }
        let want = inbox.feed(|input| connection.advance(input, &mut outbox, clock.moment()));
        match want {
            // The disk is waited for like everything else: by this thread, which delays no other.
            Want::Lookup => {
                let found = server.documents.find(connection.target(), clock.moment());
                answer(connection, found, &mut outbox, clock.moment());
            }
            Want::Read => {
                presence.set_quiet(connection.is_quiet());
                let received = socket.receive(&mut inbox, connection.deadline(), clock.moment().monotonic());
                presence.set_quiet(false);
                clock.read();
                if received? == Received::End {
                    connection.end_of_input();
                }
            }
            Want::Write => {
                match socket.send(&mut outbox)? {
                    // What was sent may have been sent before the call had to wait.
                    Sent::Bytes(bytes) => connection.progressed(bytes, clock.moment()),
                    Sent::FileEnded => connection.file_failed(),
                }
                clock.read();
                server.log.record(client, std::iter::from_fn(|| connection.finished()));
            }
            // Waiting: the thread sleeps.
            Want::Wait(until) => {
                thread::sleep(until.saturating_duration_since(clock.read().monotonic()));
                clock.read();
            }
            Want::HalfClose => socket.half_close(),
            Want::Close => return Ok(()),
        }
    }
}
