//! Servers in this process that do what a test wants, and runs whose figures are checked against each other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loadgen::{Outcome, Plan, Progress};

use crate::connection::Connection;
use crate::figures::check_figures;

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Runs `handle` in a thread of its own for each connection, with the connection's number.
    pub(crate) fn start(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), handle)
    }

    /// The same with a listener of the test's.
    pub(crate) fn start_on(listener: TcpListener, handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (count, handle) = (Arc::clone(&accepted), Arc::new(handle));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (number, handle) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&handle));
                thread::spawn(move || handle(stream, number));
            }
        });
        Self { address, accepted }
    }

    /// Runs `talk` in a thread of its own for each connection, with the connection's number.
    pub(crate) fn talking(talk: impl Fn(&mut Connection, usize) + Send + Sync + 'static) -> Self {
        Self::start(move |stream, number| talk(&mut Connection::new(stream), number))
    }

    /// Answers each request of a connection with what `respond` makes of its number, until that is nothing.
    pub(crate) fn answering(respond: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start(move |mut stream, _| {
            let mut number = 0;
            while read_request(&mut stream).is_some() {
                let Some(response) = respond(number) else {
                    return;
                };
                if stream.write_all(&response).is_err() {
                    return;
                }
                number += 1;
            }
        })
    }

    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::new(format!("http://{}/some/path", self.address));
        (plan.connections, plan.threads) = (4, 2);
        (plan.duration_ms, plan.timeout_ms, plan.interval_ms) = (300, 2_000, 50);
        plan
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// The next request's head; `None` when there is none.
pub(crate) fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer).ok().filter(|&read| read > 0)?;
        head.extend_from_slice(&buffer[..read]);
    }
    Some(head)
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Raises a flag when it goes, be it by a panic: who waits for it in another thread is not to wait for ever.
pub(crate) struct Raise<'a>(pub(crate) &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Runs the plan, sees to it that it ended in time, and that the figures agree with each other.
pub(crate) fn run(plan: &Plan) -> Outcome {
    run_while(plan, |_| true)
}

/// The same until there are so many responses, however long a busy machine takes for them.
pub(crate) fn run_for(responses: u64, mut plan: Plan) -> Outcome {
    plan.duration_ms = 60_000;
    let outcome = run_while(&plan, |progress| progress.responses < responses);
    assert!(outcome.responses >= responses, "{outcome:#?}");
    outcome
}

/// The same, but the run is stopped as soon as `goes_on`, which is told of its progress, says no.
pub(crate) fn run_while(plan: &Plan, mut goes_on: impl FnMut(&Progress) -> bool) -> Outcome {
    let (started, stop) = (Instant::now(), AtomicBool::new(false));
    let mut watch = |progress: &Progress| {
        if !goes_on(progress) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = loadgen::run(plan, &mut watch, &stop).unwrap();
    let longest = plan.warmup() + plan.duration() + Duration::from_secs(5);
    assert!(started.elapsed() < longest, "it took {:?}", started.elapsed());
    check_figures(&outcome);
    outcome
}
