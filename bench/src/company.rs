//! Bad company: clients beside those that are measured, who read slowly or never end what they ask for.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reports::record::Company;

use crate::cpus::Cpus;

/// How fast a slow reader reads, in bytes per second.
pub const BYTES_PER_SECOND: u32 = 16 * 1024;
/// Time between two bytes of a head that never ends.
const BETWEEN_BYTES: Duration = Duration::from_secs(1);
/// How often their thread looks after its connections.
const LOOK: Duration = Duration::from_millis(50);
/// How long a server may take to let all of them in; how many it did is its own affair.
const ARRIVAL: Duration = Duration::from_secs(3);
/// Longer than any measurement.
const ENDLESS: Duration = Duration::from_secs(24 * 60 * 60);
/// The begin of a head that has no end.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";

/// Clients that are at work until this is dropped.
#[derive(Debug)]
pub struct Guests {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Guests {
    /// Connects them to a server on this port, on the client's CPUs. Slow readers ask for the path `largest`.
    #[must_use]
    pub fn invite(company: Company, port: u16, largest: &str, cpus: &Cpus) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let inside = Arc::new(AtomicU32::new(0));
        let (flag, count, cpus, path) = (Arc::clone(&stop), Arc::clone(&inside), cpus.clone(), largest.to_owned());
        let wanted = match company {
            Company::SlowReaders { connections, .. } | Company::SlowHeads { connections } => connections,
        };
        let thread = thread::spawn(move || match company {
            Company::SlowReaders { connections, bytes_per_second } => {
                read_slowly(port, &path, connections, bytes_per_second, &cpus, &flag, &count);
            }
            Company::SlowHeads { connections } => send_slowly(port, connections, &cpus, &flag, &count),
        });
        let begin = Instant::now();
        while inside.load(Ordering::Relaxed) < wanted && begin.elapsed() < ARRIVAL && !thread.is_finished() {
            thread::sleep(LOOK);
        }
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread of guests that panicked has left the server alone, which is all that matters here.
            let _ = thread.join();
        }
    }
}

fn read_slowly(
    port: u16,
    path: &str,
    connections: u32,
    bytes_per_second: u32,
    cpus: &Cpus,
    stop: &AtomicBool,
    inside: &AtomicU32,
) {
    let mut plan = loadgen::Plan::new(format!("http://127.0.0.1:{port}{path}"));
    plan.connections = connections as usize;
    plan.threads = 1;
    plan.duration_ms = ENDLESS.as_millis() as u64;
    plan.timeout_ms = ENDLESS.as_millis() as u64;
    plan.slow_read = Some(u64::from(bytes_per_second));
    plan.cpus = Some(cpus.to_vec());
    // It has begun to read when it tells of its progress first; what it measures interests nobody.
    let mut begun = |_: &loadgen::Progress| inside.store(connections, Ordering::Relaxed);
    let _ = loadgen::run(&plan, &mut begun, stop);
}

/// One client whose request never ends.
struct SlowHead {
    stream: Option<TcpStream>,
    next_byte: Instant,
}

fn send_slowly(port: u16, connections: u32, cpus: &Cpus, stop: &AtomicBool, inside: &AtomicU32) {
    // Unbound, they would take time from the server, so rather none of them.
    if cpus.bind_this_thread().is_err() {
        return;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let now = Instant::now();
    let mut clients: Vec<SlowHead> = (0..connections).map(|_| SlowHead { stream: None, next_byte: now }).collect();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        for client in clients.iter_mut().filter(|client| client.next_byte <= now) {
            client.next_byte = now + BETWEEN_BYTES;
            if client.go_on(address).is_err() {
                // Told to go, it comes again with its next byte.
                client.stream = None;
            }
        }
        let held = clients.iter().filter(|client| client.stream.is_some()).count();
        inside.store(u32::try_from(held).unwrap_or(u32::MAX), Ordering::Relaxed);
        thread::sleep(LOOK);
    }
}

impl SlowHead {
    fn go_on(&mut self, address: SocketAddr) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            let mut stream = TcpStream::connect_timeout(&address, BETWEEN_BYTES)?;
            stream.set_nonblocking(true)?;
            stream.write_all(HEAD)?;
            self.stream = Some(stream);
            return Ok(());
        };
        let mut answer = [0; 512];
        match stream.read(&mut answer) {
            // An answer to half a request is a refusal.
            Ok(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        stream.write_all(b"a")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpListener;

    #[test]
    fn slow_heads_hold_their_connections_and_come_again() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let mut begun = Vec::new();
            for number in 0..4 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = vec![0; HEAD.len()];
                stream.read_exact(&mut head).unwrap();
                assert_eq!(head, HEAD);
                // The first one is turned away, so a fourth comes in its place.
                if number > 0 {
                    begun.push(stream);
                }
            }
            let mut byte = [0];
            begun[0].read_exact(&mut byte).unwrap();
            byte
        });
        let cpus = Cpus::available().unwrap();
        let guests = Guests::invite(Company::SlowHeads { connections: 3 }, port, "/", &cpus);
        assert_eq!(server.join().unwrap(), *b"a");
        drop(guests);
    }

    #[test]
    fn slow_readers_ask_for_the_largest_file_and_leave() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let company = Company::SlowReaders { connections: 1, bytes_per_second: BYTES_PER_SECOND };
        let guests = Guests::invite(company, port, "/large", &Cpus::available().unwrap());
        drop(guests);
        assert!(server.join().unwrap().starts_with("GET /large HTTP/1.1\r\n"));
    }
}
