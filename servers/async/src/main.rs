//! # Tasks on an asynchronous runtime
//!
//! Every connection is a task: code that reads in the order in which things happen, as with a thread, compiled into a
//! state machine that an event loop resumes. A few worker threads run all tasks, and take ready ones from each other
//! when they have none. The literature calls it *user-level* or *M:N threads*, *coroutines* or *async/await*
//! (Adya et al., "Cooperative task management without manual stack management", USENIX 2002; von Behren et al.,
//! "Capriccio", SOSP 2003). The runtime is tokio's multi-threaded one.
//!
//! Who uses it: hyper and all that is built on it, Go's and Java's runtimes with their goroutines and virtual threads,
//! ASP.NET with Kestrel.
//!
//! An idle connection costs its task, one and a half kilobytes with a timer in it, and its registration with the
//! runtime's epoll. Buffers belong to the worker thread and are lent to the task while it runs without awaiting.
//!
//! Where it breaks: whatever blocks a worker blocks the tasks that wait for it. So a task asks the kernel only for what
//! it has in memory of a file (`RESOLVE_CACHED` to open it, `RWF_NOWAIT` to read it or to look whether the next part of
//! a large one is there), and awaits the runtime's threads for blocking work for what is not: two switches, which cold
//! files pay and warm ones do not. The usual way sends each file there; the kernel's promise not to wait is nearly as
//! good (the epoll model says what is left). A task that never has to wait for its client yields after its
//! [`Share`]. One thread at a time waits for events on behalf of all, and a task may be resumed on another CPU than
//! before: that balances the load, and costs wake-ups and cold caches.
//!
//! Hostile clients: one that is slow, silent or does not read costs its task and what of its answer waits, until a
//! timeout. Its task is resumed when it does something, so that nobody else notices but by the CPU that this takes.
#![forbid(unsafe_code)]

mod deadline;

use deadline::Deadline;
use launch::{
    Clock, DISK_THREADS, Error, Found, Inbox, Model, OpenFile, Presence, Sent, Server, Share, Workers, answer,
    concerns_one_connection, must_be_read_in, read_in, send,
};
use protocol::{Connection, Outbox, Want};
use rustix::net::{RecvFlags, Shutdown, shutdown};
use std::{
    cell::RefCell,
    future::poll_fn,
    io, mem,
    net::IpAddr,
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, Interest, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime,
    sync::Notify,
    task::{spawn_blocking, yield_now},
    time::{sleep, sleep_until},
};

fn main() -> ExitCode {
    let about = "A static file server with a task for every connection";
    // One epoll serves them all.
    let workers = Workers::ManyConnectionsEach { descriptors: 0 };
    launch::main(Model { name: "async", about, workers }, run)
}

fn run(server: Arc<Server>) -> Result<(), Error> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(server.options.worker_count())
        .max_blocking_threads(DISK_THREADS)
        .enable_all()
        .build()
        .map_err(Error::system("start the runtime"))?;
    let listener = server.listen()?;
    let address = listener.local_addr().map_err(Error::system("tell the listener's address"))?;
    listener.set_nonblocking(true).map_err(Error::system("make the listener non-blocking"))?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener).map_err(Error::system("watch the listener"))?
    };
    server.ready(address);

    // The accepting task runs on the workers like any other; this thread only waits for its end.
    let accepting = runtime.spawn(accept(Arc::clone(&server), listener));
    let ended = runtime.block_on(accepting);

    // Stopping: tasks that have something in flight finish it; the others are woken, and leave.
    server.connections.finish();
    runtime.shutdown_background();
    ended.map_err(|error| Error::system("go on accepting")(error.into()))
}

// Accepting: a task that starts the others.

async fn accept(server: Arc<Server>, listener: TcpListener) {
    /// When there is no room for a connection, or the system has nothing left, accepting pauses; the backlog holds.
    const PAUSE: Duration = Duration::from_millis(20);

    let stop = Arc::new(Notify::new());
    let woken = Arc::clone(&stop);
    server.stop.on_stop(move || woken.notify_one());
    loop {
        let Some(presence) = server.connections.admit() else {
            if server.stop.is_stopping() {
                return;
            }
            sleep(PAUSE).await;
            continue;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.notified() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                tokio::spawn(serve(Arc::clone(&server), stream, address.ip(), presence));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }

    // Those that wait to be accepted were promised something already. The runtime may not have heard of them yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Some(presence) = server.connections.admit() {
        match listener.accept() {
            Ok((stream, address)) => {
                if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    tokio::spawn(serve(Arc::clone(&server), stream, address.ip(), presence));
                }
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

// Serving one connection.

struct Client {
    server: Arc<Server>,
    stream: TcpStream,
    address: IpAddr,
    connection: Connection,
    /// What the client was too slow to take.
    unsent: Option<Outbox<OpenFile>>,
}

/// What a worker thread lends to the task that it runs, which gives it back before it awaits anything.
struct Desk {
    inbox: Inbox,
    outbox: Outbox<OpenFile>,
    clock: Clock,
}

thread_local!(static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) });

/// What a task has to await before it can go on.
enum Await {
    Readable,
    Writable,
    Lookup,
    /// The next part of the file at the front of what is unsent.
    ReadIn,
    Until(Instant),
    /// A turn for each other task that can go on: this one has had its share.
    Others,
    Nothing,
}

/// What the disk was waited for.
enum Outcome {
    Found(Result<Found, site::Error>),
    ReadIn,
}

async fn serve(server: Arc<Server>, stream: TcpStream, address: IpAddr, presence: Presence) {
    let connection = Connection::new(Arc::clone(&server.settings), Clock::new().moment());
    let mut client = Client { server, stream, address, connection, unsent: None };
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    presence.wake_by(|| waker.wake());
    // An error means that the client is gone: there is nobody left to tell.
    let _ = client.converse(&presence).await;
    client.server.log.record(address, client.connection.abandoned());
}

impl Client {
    async fn converse(&mut self, presence: &Presence) -> io::Result<()> {
        let mut deadline = Deadline::new();
        let mut outcome = None;
        loop {
            match self.turn(outcome.take())? {
                Await::Readable => {
                    presence.set_quiet(self.connection.is_quiet());
                    let at = self.connection.deadline();
                    let received = deadline.bound(at, |context| self.poll_receive(context)).await;
                    presence.set_quiet(false);
                    if received.transpose()? == Some(0) {
                        self.connection.end_of_input();
                    }
                }
                Await::Writable => {
                    let at = self.connection.deadline();
                    deadline.bound(at, |context| self.stream.poll_write_ready(context)).await.transpose()?;
                }
                Await::Lookup => outcome = Some(Outcome::Found(self.open().await)),
                Await::ReadIn => {
                    self.read_in().await?;
                    outcome = Some(Outcome::ReadIn);
                }
                // Waiting: the task sleeps; its worker does not.
                Await::Until(until) => sleep_until(until.into()).await,
                Await::Others => yield_now().await,
                Await::Nothing => return Ok(()),
            }
        }
    }

    /// Does for the client what can be done without awaiting, with what the disk was waited for.
    fn turn(&mut self, outcome: Option<Outcome>) -> io::Result<Await> {
        with_desk(&Arc::clone(&self.server), |Desk { inbox, outbox, clock }| {
            let (connection, at) = (&mut self.connection, clock.read());
            if self.server.stop.is_stopping() {
                connection.last_response();
            }
            if let Some(unsent) = self.unsent.take() {
                *outbox = unsent;
            }
            inbox.lend_to(connection);
            let mut was_read_in = false;
            match outcome {
                Some(Outcome::Found(found)) => answer(connection, found, outbox, at),
                Some(Outcome::ReadIn) => was_read_in = true,
                None => {}
            }
            let mut share = Share::new();
            let outcome = loop {
                // What was read in is sent before the connection looks at its deadline: the client did not let us wait.
                let want =
                    if was_read_in { Want::Write } else { inbox.feed(|input| connection.advance(input, outbox, at)) };
                match want {
                    Want::Lookup => match self.server.documents.find_at_once(connection.target(), at) {
                        Some(found) => answer(connection, found, outbox, at),
                        None => break Ok(Await::Lookup),
                    },
                    Want::Write if !mem::take(&mut was_read_in) && must_be_read_in(outbox) => break Ok(Await::ReadIn),
                    Want::Write => match self.stream.try_io(Interest::WRITABLE, || send(&self.stream, outbox)) {
                        Ok(Sent::Bytes(bytes)) => {
                            share.sent(bytes);
                            connection.progressed(bytes, at);
                            self.server.log.record(self.address, std::iter::from_fn(|| connection.finished()));
                        }
                        Ok(Sent::FileEnded) => connection.file_failed(),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(Await::Writable),
                        Err(error) => break Err(error),
                    },
                    Want::Read => break Ok(Await::Readable),
                    Want::Wait(until) => break Ok(Await::Until(until)),
                    Want::HalfClose => {
                        let _ = shutdown(&self.stream, Shutdown::Write);
                    }
                    Want::Close => break Ok(Await::Nothing),
                }
                if share.is_used_up_by_a_call() {
                    break Ok(Await::Others);
                }
            };
            inbox.return_from(connection);
            if !outbox.is_empty() {
                // What was answered before a lookup need not wait for the disk with it.
                if matches!(outcome, Ok(Await::Lookup))
                    && let Ok(Sent::Bytes(bytes)) =
                        self.stream.try_io(Interest::WRITABLE, || send(&self.stream, outbox))
                {
                    connection.progressed(bytes, at);
                    self.server.log.record(self.address, std::iter::from_fn(|| connection.finished()));
                }
                self.unsent = Some(mem::take(outbox));
            }
            outcome
        })
    }

    /// Receives into the desk of the thread that polls, which goes on with a turn before it awaits anything.
    fn poll_receive(&mut self, context: &mut std::task::Context) -> Poll<io::Result<usize>> {
        let Self { server, stream, connection, .. } = self;
        with_desk(server, |Desk { inbox, .. }| {
            inbox.lend_to(connection);
            let mut room = ReadBuf::new(inbox.room());
            let mut polled = Pin::new(&mut *stream).poll_read(context, &mut room);
            let mut received = room.filled().len();
            inbox.filled(received);
            // When the server stops, what has come is answered, also if the runtime has not heard of it; nothing else
            // is waited for.
            if polled.is_pending() && server.stop.is_stopping() && connection.is_quiet() {
                received = inbox.receive(&*stream, RecvFlags::empty()).unwrap_or(0);
                polled = Poll::Ready(Ok(()));
            }
            if polled.is_pending() || received == 0 {
                inbox.return_from(connection);
            }
            ready!(polled)?;
            Poll::Ready(Ok(received))
        })
    }

    /// Looks up on a thread for blocking work what is not in memory.
    async fn open(&self) -> Result<Found, site::Error> {
        let (server, target) = (Arc::clone(&self.server), self.connection.target().clone());
        let opened = spawn_blocking(move || server.documents.open(&target, Clock::new().moment()));
        opened.await.unwrap_or_else(|error| Err(site::Error::Failed(error.into())))
    }

    /// Has the next part of a file read in on a thread for blocking work, which borrows what is unsent meanwhile.
    async fn read_in(&mut self) -> io::Result<()> {
        let Some(unsent) = self.unsent.take() else { return Ok(()) };
        let reading = spawn_blocking(move || {
            read_in(&unsent);
            unsent
        });
        self.unsent = Some(reading.await?);
        Ok(())
    }
}

fn with_desk<T>(server: &Server, work: impl FnOnce(&mut Desk) -> T) -> T {
    // If the work panics, whatever lies on the desk goes with it, and to no other client.
    let mut desk = DESK.take().unwrap_or_else(|| Desk {
        inbox: Inbox::new(&server.settings.limits),
        outbox: Outbox::default(),
        clock: Clock::new(),
    });
    let result = work(&mut desk);
    DESK.set(Some(desk));
    result
}
