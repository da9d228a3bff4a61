//! Servers in this process that do what a test wants, and runs whose figures are checked against each other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::{Outcome, Plan, Progress};

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Runs `handle` in a thread of its own for each connection, with the connection's number.
    pub(crate) fn start(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

/// Runs the plan, sees to it that it ended in time, and that the figures agree with each other.
pub(crate) fn run(plan: &Plan) -> Outcome {
    let started = Instant::now();
    let outcome = loadgen::run(plan, &mut |_: &Progress| (), &AtomicBool::new(false)).unwrap();
    let longest = plan.warmup() + plan.duration() + Duration::from_secs(5);
    assert!(started.elapsed() < longest, "it took {:?}", started.elapsed());
    check_figures(&outcome);
    outcome
}

pub(crate) fn check_figures(outcome: &Outcome) {
    assert!(outcome.is_accounted(), "{outcome:#?}");
    assert_eq!(outcome.responses, outcome.latency.count());
    assert_eq!(outcome.responses, outcome.statuses.values().sum::<u64>());
    assert_eq!(outcome.responses, outcome.connections.responses.iter().sum::<u64>());
    assert_eq!(outcome.responses, outcome.threads.iter().map(|thread| thread.responses).sum::<u64>());
    assert_eq!(outcome.responses, outcome.windows.iter().map(|window| window.responses).sum::<u64>());
    assert_eq!(outcome.errors.total(), outcome.windows.iter().map(|window| window.errors).sum::<u64>());
    assert_eq!(outcome.bytes_read, outcome.windows.iter().map(|window| window.bytes_read).sum::<u64>());
    assert_eq!(outcome.elapsed_ns, outcome.windows.iter().map(|window| window.length_ns).sum::<u64>());
    assert_eq!(outcome.errors.timed_out, outcome.timed_out.count());
    assert_eq!(outcome.connections.responses.len(), outcome.plan.connections);
    assert_eq!(outcome.threads.len(), outcome.plan.threads);
    let text = serde_json::to_string(outcome).unwrap();
    assert_eq!(&serde_json::from_str::<Outcome>(&text).unwrap(), outcome, "it comes back from JSON the same");
}
