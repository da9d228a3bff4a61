//! # Thread pool
//!
//! A fixed number of workers, each a thread that blocks; connections queue until one is free, which then serves a
//! connection from its accept to its close. The literature calls it a *bounded thread pool* or *worker pool* (Schmidt,
//! "Evaluating architectures for multithreaded object request brokers", CACM 1998; Welsh's SEDA, SOSP 2001, explains
//! why one bounds it).
//!
//! Who uses it: Apache's worker MPM, gunicorn's sync and gthread workers, Puma, Tomcat's old connector, Python's
//! `ThreadPoolExecutor` servers.
//!
//! An idle connection costs a worker, so it must not be kept while others wait. A pool that pins a worker to a
//! keep-alive connection serves as many clients as it has workers and starves the rest for ever. Hence
//! `--keep-alive fair`, the default: when others wait, or have just been waiting, a response says `Connection: close`
//! and the worker moves on; a worker that idles on a kept connection is called away from it by a newcomer. `--keep-alive pinned` shows the trap.
//! The price of fairness is a new connection for nearly each request as soon as there are more clients than workers.
//!
//! Where it breaks: with `--delay` ten workers answer at most 1,000 requests of 10 ms a second, however idle the CPU is.
//!
//! Hostile clients: one that is slow, silent or does not read holds a worker until a timeout ends it
//! (`--header-timeout`, `--send-timeout`), and one that reads slowly but steadily holds it for good. Everybody else
//! waits in the queue for those who came before, divided by the workers, times the timeout. Idle clients hold nobody up.
//!
//! The pool is rayon's, which is an odd home for blocking work: it was made for computations that divide themselves,
//! expects its workers to be busy rather than asleep, aborts on a panic that nobody handles, and does not tell how
//! long its queue is. It is here because people do use it so. Its queue is first in, first out for work from outside,
//! which is all that this server gives it; the length is counted beside it, in [`queue`].
#![forbid(unsafe_code)]

mod queue;

use launch::{
    BlockingSocket, Clock, Error, Inbox, KeepAlive, Model, OpenFile, Presence, Received, Sent, Server, Workers, answer,
    complain,
};
use protocol::{Connection, Outbox, Want};
use queue::{Queue, Woken};
use std::{
    cell::RefCell,
    io,
    net::{IpAddr, TcpStream},
    process::ExitCode,
    sync::Arc,
    thread,
};

fn main() -> ExitCode {
    let about = "A static file server with a pool of blocking workers";
    launch::main(Model { name: "thread-pool", about, workers: Workers::OneConnectionEach }, run)
}

// Accepting: one thread accepts and queues.

fn run(server: Arc<Server>) -> Result<(), Error> {
    let queue = Arc::new(Queue::new(server.options.worker_count()).map_err(Error::system("make an event descriptor"))?);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(server.options.worker_count())
        .thread_name(|number| format!("worker-{number}"))
        .panic_handler(|_| complain("a worker panicked; its connection is closed and it goes on"))
        .build()
        .map_err(|error| Error::system("start the workers")(io::Error::other(error)))?;
    let listener = server.listen()?;
    server.ready(listener.local_addr().map_err(Error::system("tell the listener's address"))?);

    while let Some((stream, client, presence)) = launch::accept(&server, &listener) {
        let (server, queue) = (Arc::clone(&server), Arc::clone(&queue));
        // While it is queued, somebody expects an answer.
        presence.set_quiet(false);
        queue.push();
        pool.spawn(move || {
            let _served = queue.pop();
            serve(&server, &queue, stream, client, &presence);
        });
    }

    // Stopping: what is queued or in flight is finished; who idles is woken, and leaves.
    drop(listener);
    server.connections.finish();
    Ok(())
}

// Serving one connection.

/// What a worker lends to the connection it serves.
struct Desk {
    inbox: Inbox,
    outbox: Outbox<OpenFile>,
}

thread_local!(static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) });

fn serve(server: &Server, queue: &Queue, stream: Arc<TcpStream>, client: IpAddr, presence: &Presence) {
    // The desk is empty again if a connection ended early, or with a panic.
    let mut desk =
        DESK.take().unwrap_or_else(|| Desk { inbox: Inbox::new(&server.settings.limits), outbox: Outbox::default() });
    let mut connection = Connection::new(Arc::clone(&server.settings), Clock::new().moment());
    // An error means that the client is gone: there is nobody left to tell.
    let outcome = converse(server, queue, stream, client, presence, &mut connection, &mut desk);
    server.log.record(client, connection.abandoned());
    if outcome.is_ok() && desk.outbox.is_empty() {
        desk.inbox.return_from(&mut connection);
        DESK.set(Some(desk));
    }
}

fn converse(
    server: &Server,
    queue: &Queue,
    stream: Arc<TcpStream>,
    client: IpAddr,
    presence: &Presence,
    connection: &mut Connection,
    desk: &mut Desk,
) -> io::Result<()> {
    let fair = server.options.keep_alive == KeepAlive::Fair;
    let mut socket = BlockingSocket::new(stream, server.settings.send_timeout);
    let Desk { inbox, outbox } = desk;
    let mut clock = Clock::new();
    loop {
        if server.stop.is_stopping() {
            connection.last_response();
        }
        let want = inbox.feed(|input| connection.advance(input, outbox, clock.moment()));
        match want {
            // The disk is waited for by this worker, while the others work.
            Want::Lookup => {
                let found = server.documents.find(connection.target(), clock.moment());
                answer(connection, found, outbox, clock.moment());
            }
            Want::Read => {
                let (now, deadline) = (clock.moment().monotonic(), connection.deadline());
                presence.set_quiet(connection.is_quiet());
                if fair && connection.is_idle() {
                    match queue.idle(&socket, deadline)? {
                        Woken::Input => {}
                        Woken::CalledWithInput => connection.last_response(),
                        Woken::Called => return Ok(()),
                        Woken::TimedOut => {
                            clock.read();
                            continue;
                        }
                    }
                }
                let received = socket.receive(inbox, deadline, now);
                presence.set_quiet(false);
                clock.read();
                if received? == Received::End {
                    connection.end_of_input();
                } else if fair && queue.is_crowded(clock.moment().monotonic()) {
                    connection.last_response();
                }
            }
            Want::Write => {
                match socket.send(outbox)? {
                    // What was sent may have been sent before the call had to wait.
                    Sent::Bytes(bytes) => connection.progressed(bytes, clock.moment()),
                    Sent::FileEnded => connection.file_failed(),
                }
                clock.read();
                server.log.record(client, std::iter::from_fn(|| connection.finished()));
            }
            // Waiting: the worker sleeps, and is missed.
            Want::Wait(until) => {
                thread::sleep(until.saturating_duration_since(clock.read().monotonic()));
                clock.read();
            }
            Want::HalfClose => socket.half_close(),
            Want::Close => return Ok(()),
        }
    }
}
