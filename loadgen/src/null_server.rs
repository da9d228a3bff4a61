//! A server that does nothing: the ceiling of loopback TCP and of the generator.
//!
//! It sends one fixed response for every head of a request and looks at nothing but the blank lines that end those
//! heads. It is a true server for any client that sends requests without bodies, pipelined or cut in any way; its
//! connections stay open until the client closes them, whatever the request says.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

/// The length of the body of every response, in bytes.
pub const BODY_LENGTH: usize = 612;

/// How long a worker may not notice that it is to stop, in nanoseconds.
const PATIENCE_NS: i64 = 20_000_000;
/// How many connections one `epoll_wait` may report, and how many are accepted before the others are served.
const BATCH: usize = 512;
/// How much is read at once.
const PIECE: usize = 64 * 1024;
/// How many whole responses go out by one `send`.
const RESPONSES: usize = 64;
/// How many bytes of responses are kept at most, unless one alone is longer.
const MANY_BYTES: usize = 1 << 20;
/// What an event of the listening socket is known by.
const LISTENER: u64 = u64::MAX;

/// The null server, bound to its address.
#[derive(Debug)]
pub struct NullServer {
    listener: TcpListener,
    workers: usize,
    response: Vec<u8>,
}

impl NullServer {
    /// Takes a port of 127.0.0.1, or any free one if it is 0, for at least one worker.
    ///
    /// # Errors
    ///
    /// When the port is taken or may not be used.
    pub fn bind(port: u16, workers: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        // The standard library asks for a backlog of 128, which a few hundred connections at once overrun.
        rustix::net::listen(&listener, 4096)?;
        Ok(Self { listener, workers: workers.max(1), response: response("text/plain", &[b'.'; BODY_LENGTH]) })
    }

    /// The same with another body in its one response, which must not be empty for a server to be compared with others that
    /// serve a file of these bytes; `content_type` is a header value as it stands.
    #[must_use]
    pub fn with_body(self, content_type: &str, body: &[u8]) -> Self {
        Self { response: response(content_type, body), ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` becomes true, on as many threads as it has workers.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or a poll descriptor.
    pub fn serve(&self, stop: &AtomicBool) -> io::Result<()> {
        // A long response is not kept many times: it fills a `send` by itself.
        let times = (MANY_BYTES / self.response.len()).clamp(1, RESPONSES);
        let responses = Responses { bytes: self.response.repeat(times), length: self.response.len() };
        thread::scope(|scope| {
            let mut others = Vec::new();
            for index in 1..self.workers {
                let worker = Worker::new(&self.listener, &responses)?;
                let thread = thread::Builder::new().name(format!("null-server-{index}"));
                others.push(thread.spawn_scoped(scope, move || worker.run(stop))?);
            }
            let result = Worker::new(&self.listener, &responses).and_then(|worker| worker.run(stop));
            for other in others {
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            result
        })
    }
}

/// The one response.
fn response(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: null-server\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\nConnection: keep-alive\r\n\r\n",
        body.len(),
    );
    [head.as_bytes(), body].concat()
}

/// The one response, many times.
struct Responses {
    bytes: Vec<u8>,
    /// The length of one of them.
    length: usize,
}

/// A client's connection.
struct Connection {
    socket: OwnedFd,
    heads: HeadCounter,
    /// Bytes of responses that are due and not sent.
    owed: usize,
}

/// One thread with its epoll; all of them accept from the same listening socket.
struct Worker<'a> {
    listener: &'a TcpListener,
    responses: &'a Responses,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    buffer: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(listener: &'a TcpListener, responses: &'a Responses) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let interest = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
        epoll::add(&epoll, listener, epoll::EventData::new_u64(LISTENER), interest)?;
        Ok(Self { listener, responses, epoll, connections: Vec::new(), vacant: Vec::new(), buffer: vec![0; PIECE] })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Vec::with_capacity(BATCH);
        let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE_NS };
        while !stop.load(Ordering::Relaxed) {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    index => self.serve(index as usize, event.flags),
                }
            }
        }
        Ok(())
    }

    /// Accepts what waits. An error concerns one connection or passes; the listener is reported again if it does not.
    fn accept(&mut self) {
        for _ in 0..BATCH {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match accept_with(self.listener, flags) {
                Ok(socket) => self.admit(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // Out of descriptors, most likely: they come back when clients leave.
                    thread::sleep(std::time::Duration::from_millis(1));
                    return;
                }
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd) {
        use epoll::EventFlags as Flags;
        // Pipelined responses may go out in several parts. Without this option it works too, only slower.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let index = self.vacant.pop().unwrap_or(self.connections.len());
        let interest = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        if epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(index as u64), interest).is_err() {
            self.vacant.push(index);
            if index == self.connections.len() {
                self.connections.push(None);
            }
            return;
        }
        let connection = Connection { socket, heads: HeadCounter::default(), owed: 0 };
        match self.connections.get_mut(index) {
            Some(place) => *place = Some(connection),
            None => self.connections.push(Some(connection)),
        }
    }

    fn serve(&mut self, index: usize, flags: epoll::EventFlags) {
        let Some(Some(connection)) = self.connections.get_mut(index) else {
            return;
        };
        let ended = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        let open = connection.answer(&mut self.buffer, self.responses, ended);
        if !open {
            self.connections[index] = None;
            self.vacant.push(index);
        }
    }
}

impl Connection {
    /// Reads requests and writes as many responses, until one of both has to wait. False when the connection is done.
    fn answer(&mut self, buffer: &mut [u8], responses: &Responses, ended: bool) -> bool {
        let (responses, response) = (&responses.bytes, responses.length);
        let mut emptied = false;
        loop {
            // Nothing is read while something is owed, or a client that never reads could run up a debt without bounds.
            while self.owed > 0 {
                let from = (response - self.owed % response) % response;
                let rest = &responses[from..responses.len().min(from + self.owed)];
                match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                    Ok(sent) => self.owed -= sent,
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return true,
                    Err(_) => return false,
                }
            }
            if emptied && !ended {
                return true;
            }
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return false,
                Ok((_, received)) => {
                    self.owed = self.heads.count(&buffer[..received]) * response;
                    emptied = received < buffer.len();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }
}

/// Counts the blank lines (CR LF CR LF) in a stream, however it is cut.
#[derive(Clone, Copy, Debug, Default)]
struct HeadCounter {
    /// How many bytes of a blank line the stream ends with.
    matched: u8,
}

impl HeadCounter {
    /// How many blank lines end in this piece.
    fn count(&mut self, piece: &[u8]) -> usize {
        let mut count = 0;
        let mut position = 0;
        while self.matched > 0 && position < piece.len() {
            count += usize::from(self.step(piece[position]));
            position += 1;
        }
        let mut searched = position;
        for found in memchr::memmem::find_iter(&piece[position..], b"\r\n\r\n") {
            count += 1;
            searched = position + found + 4;
        }
        // The beginning of a blank line takes three bytes at most.
        for &byte in &piece[searched.max(piece.len().saturating_sub(3))..] {
            self.step(byte);
        }
        count
    }

    /// Takes one byte; true when it ends a blank line.
    fn step(&mut self, byte: u8) -> bool {
        self.matched = match (self.matched, byte) {
            (1, b'\n') => 2,
            (2, b'\r') => 3,
            (3, b'\n') => {
                self.matched = 0;
                return true;
            }
            (_, b'\r') => 1,
            _ => 0,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn one_response() -> Vec<u8> {
        response("text/plain", &[b'.'; BODY_LENGTH])
    }

    fn naive(text: &[u8]) -> usize {
        let (mut count, mut position) = (0, 0);
        while position + 4 <= text.len() {
            if &text[position..position + 4] == b"\r\n\r\n" {
                count += 1;
                position += 4;
            } else {
                position += 1;
            }
        }
        count
    }

    proptest! {
        #[test]
        fn blank_lines_are_counted_however_they_are_cut(
            text in "[a\r\n]{0,60}",
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut counter = HeadCounter::default();
            let counted: usize = cuts.windows(2).map(|pair| counter.count(&text[pair[0]..pair[1]])).sum();
            prop_assert_eq!(counted, naive(text));
        }
    }

    /// Runs the server for as long as `client` takes.
    fn with_server(workers: usize, client: impl FnOnce(SocketAddr)) {
        let server = NullServer::bind(0, workers).unwrap();
        let address = server.address().unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve(&stop));
            client(address);
            stop.store(true, Ordering::Relaxed);
            serving.join().unwrap().unwrap();
        });
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    #[test]
    fn the_one_response_has_the_body_that_it_is_given() {
        for body in [&b"<p>here</p>"[..], &vec![b'x'; 3 << 20]] {
            let server = NullServer::bind(0, 1).unwrap().with_body("text/html", body);
            let address = server.address().unwrap();
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                let serving = scope.spawn(|| server.serve(&stop));
                let mut stream = connect(address);
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                let expected = response("text/html", body);
                assert!(expected.starts_with(b"HTTP/1.1 200 OK\r\n") && expected.ends_with(body));
                let mut two = vec![0; 2 * expected.len()];
                stream.read_exact(&mut two).unwrap();
                assert!(two == expected.repeat(2));
                drop(stream);
                stop.store(true, Ordering::Relaxed);
                serving.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn pipelined_and_cut_requests_get_one_response_each() {
        with_server(2, |address| {
            let mut stream = connect(address);
            let requests =
                b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r";
            stream.write_all(requests).unwrap();
            let mut two = vec![0; 2 * one_response().len()];
            stream.read_exact(&mut two).unwrap();
            assert_eq!(two, one_response().repeat(2));
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            assert!(stream.read(&mut [0]).is_err(), "a response to a request that is not whole");
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(b"\n").unwrap();
            let mut one = vec![0; one_response().len()];
            stream.read_exact(&mut one).unwrap();
            assert_eq!(one, one_response());
        });
    }

    #[test]
    fn a_client_that_reads_late_gets_everything() {
        with_server(1, |address| {
            let mut stream = connect(address);
            let count = 20_000;
            let mut writer = stream.try_clone().unwrap();
            let writing = thread::spawn(move || writer.write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(count)));
            thread::sleep(Duration::from_millis(100));
            let mut read = vec![0; one_response().len()];
            for number in 0..count {
                stream.read_exact(&mut read).unwrap();
                assert!(read == one_response(), "response {number} is out of place");
            }
            writing.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_client_that_half_closes_is_still_answered() {
        with_server(1, |address| {
            let mut stream = connect(address);
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut read = Vec::new();
            stream.read_to_end(&mut read).unwrap();
            assert_eq!(read, one_response());
        });
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = NullServer::bind(0, 1).unwrap();
        let port = first.address().unwrap().port();
        assert_eq!(NullServer::bind(port, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
