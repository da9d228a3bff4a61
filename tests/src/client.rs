//! A client that sends whatever bytes a test likes and waits for nothing without a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::response::{Malformed, Response, Unanswered};
use crate::wait::PATIENCE;

const PIECE: usize = 64 * 1024;
const LONGEST_HEAD: usize = 64 * 1024;
/// What a response that is read whole may be long, so that a mistake in a range does not fill the memory.
const LONGEST_BODY: usize = 64 << 20;

/// The bytes of a request over HTTP/1.1 with a `Host` and these further header lines (each without its line end).
pub fn request(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// One TCP connection to a server, with what arrived on it and was not yet asked for.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Client {
    /// Connects; panics when the server does not take the connection.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Connects to a server that may be gone.
    ///
    /// # Errors
    /// When it does not take the connection.
    pub fn try_connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        stream.map(Self::over).map_err(|error| format!("cannot connect to {address}: {error}"))
    }

    /// Connects, if the server takes the connection within `limit`.
    ///
    /// # Errors
    /// When it does not.
    pub fn connect_within(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        TcpStream::connect_timeout(&address, limit).map(Self::over)
    }

    /// Connects with a receive buffer of a few KiB, so that a server cannot leave a large response with the kernel.
    #[track_caller]
    pub fn with_small_window(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a smaller buffer");
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an open socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("an open socket");
        Self { stream, arrived: Vec::new() }
    }

    /// Sends bytes; panics when the server does not take them.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap_or_else(|error| panic!("the server takes no bytes: {error}"));
        self
    }

    /// Sends bytes that the server may refuse to take, because it answered and closed already.
    pub fn offer(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Asks for `target` and waits for the answer.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.send(request("GET", target, &[])).response()
    }

    /// The next response; panics when none comes within [`PATIENCE`].
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.receive(PATIENCE).unwrap_or_else(|why| panic!("{why}; arrived and not read: {}", self.preview()))
    }

    /// The next response, which answers a HEAD and so has no body whatever its length says.
    #[track_caller]
    pub fn response_to_head(&mut self) -> Response {
        self.receive_head(Instant::now() + PATIENCE)
            .unwrap_or_else(|why| panic!("{why}; arrived and not read: {}", self.preview()))
    }

    /// The next response, if it is there within `limit`.
    ///
    /// # Errors
    /// When it is not, or is not what a server of ours may send.
    pub fn receive(&mut self, limit: Duration) -> Result<Response, Unanswered> {
        let end = Instant::now() + limit;
        let mut response = self.receive_head(end)?;
        let length = response.length().unwrap_or(0);
        let length =
            usize::try_from(length).map_err(|_| Unanswered::Malformed(Malformed(format!("{length} bytes"))))?;
        while self.arrived.len() < length {
            self.read_some(end)?;
        }
        let rest = self.arrived.split_off(length);
        response.body = std::mem::replace(&mut self.arrived, rest);
        Ok(response)
    }

    /// The next final response of any server: interim ones are passed over (RFC 9110, section 15.2), and a body without a
    /// length ends with the connection (RFC 9112, section 6.3).
    ///
    /// # Errors
    /// When it is not there within `limit`, is none, or is longer than anybody wants to read.
    pub fn receive_final(&mut self, to_head: bool, limit: Duration) -> Result<Response, Unanswered> {
        let end = Instant::now() + limit;
        let mut response = loop {
            let head = self.receive_head_bytes(end)?;
            let response = Response::read_head(&head).map_err(Unanswered::Malformed)?;
            if response.status >= 200 {
                break response;
            }
        };
        if to_head || [204, 304].contains(&response.status) {
            return Ok(response);
        }
        if response.has("Transfer-Encoding") {
            return Err(Unanswered::Malformed(Malformed(
                "a body in transfer codings, which are not read here".to_owned(),
            )));
        }
        let length = response.length().map_or(Ok(usize::MAX), usize::try_from).unwrap_or(usize::MAX);
        if response.has("Content-Length") && length > LONGEST_BODY {
            return Err(Unanswered::Malformed(Malformed(format!("a body of {length} bytes ({})", response.status))));
        }
        while self.arrived.len() < length {
            match self.read_some(end) {
                Err(Unanswered::Closed(_)) if !response.has("Content-Length") => break,
                other => other?,
            }
        }
        let rest = self.arrived.split_off(length.min(self.arrived.len()));
        response.body = std::mem::replace(&mut self.arrived, rest);
        Ok(response)
    }

    /// Whether anything arrives, or the connection ends, within `limit`.
    pub fn has_arrived(&mut self, limit: Duration) -> bool {
        !self.arrived.is_empty() || !matches!(self.read_some(Instant::now() + limit), Err(Unanswered::TimedOut(_)))
    }

    /// Sends `bytes` while it receives `count` responses, as many and as long as neither side could take all at once;
    /// panics when one is missing.
    #[track_caller]
    pub fn exchange(&mut self, bytes: &[u8], count: usize) -> Vec<Response> {
        let mut sending = self.stream.try_clone().expect("an open socket");
        thread::scope(|scope| {
            // Whether the server takes all of it shows in the answers.
            scope.spawn(move || sending.write_all(bytes));
            (0..count).map(|_| self.response()).collect()
        })
    }

    /// Everything until the server closes; panics when it does not within [`PATIENCE`], or resets.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        match self.until_end(PATIENCE) {
            Unanswered::Closed(_) => self.take(),
            why => panic!("no orderly end: {why}; arrived: {}", self.preview()),
        }
    }

    /// What arrived and was not asked for, taken away.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.arrived)
    }

    /// Panics unless the server closes within [`PATIENCE`], without another byte.
    #[track_caller]
    pub fn closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "before the end came {:?}", String::from_utf8_lossy(&rest));
    }

    /// How the connection ends, whatever comes before, and how many bytes came.
    pub fn until_end(&mut self, limit: Duration) -> Unanswered {
        let end = Instant::now() + limit;
        loop {
            if let Err(why) = self.read_some(end) {
                return why;
            }
        }
    }

    /// Everything until the connection ends, and how it does.
    pub fn collect(&mut self, limit: Duration) -> (Vec<u8>, Unanswered) {
        let end = self.until_end(limit);
        (std::mem::take(&mut self.arrived), end)
    }

    /// Waits until something has arrived, and leaves it there; panics when nothing comes within [`PATIENCE`].
    #[track_caller]
    pub fn waits_for_bytes(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        self.stream.peek(&mut [0]).unwrap_or_else(|error| panic!("nothing to read: {error}"));
    }

    /// Panics when within `time` anything arrives or the connection ends.
    #[track_caller]
    pub fn hears_nothing_for(&mut self, time: Duration) {
        assert!(self.arrived.is_empty(), "already arrived: {}", self.preview());
        match self.read_some(Instant::now() + time) {
            Err(Unanswered::TimedOut(0)) => {}
            other => panic!("expected silence, got {other:?} and {}", self.preview()),
        }
    }

    /// Reads once, at most `size` bytes, and says how many came; they are dropped.
    #[track_caller]
    pub fn sip(&mut self, size: usize) -> usize {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        let mut piece = vec![0; size];
        self.stream.read(&mut piece).unwrap_or_else(|error| panic!("nothing to read: {error}"))
    }

    /// Says that no more will be sent; the answers can still come.
    #[track_caller]
    pub fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).expect("the server has not reset the connection");
        self
    }

    /// Says the same to a server that may have reset the connection.
    pub fn offer_end(&mut self) -> &mut Self {
        let _ = self.stream.shutdown(Shutdown::Write);
        self
    }

    /// Ends the connection with a reset, as a killed client does.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("an open socket");
    }

    fn receive_head(&mut self, end: Instant) -> Result<Response, Unanswered> {
        let head = self.receive_head_bytes(end)?;
        Response::parse_head(&head).map_err(Unanswered::Malformed)
    }

    fn receive_head_bytes(&mut self, end: Instant) -> Result<Vec<u8>, Unanswered> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.arrived[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.arrived.split_off(searched + at + 4);
                return Ok(std::mem::replace(&mut self.arrived, rest));
            }
            if self.arrived.len() > LONGEST_HEAD {
                return Err(Unanswered::Malformed(Malformed(format!("no end of the head in {LONGEST_HEAD} bytes"))));
            }
            searched = self.arrived.len().saturating_sub(3);
            self.read_some(end)?;
        }
    }

    fn read_some(&mut self, end: Instant) -> Result<(), Unanswered> {
        let had = self.arrived.len();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Unanswered::TimedOut(had));
            }
            self.stream.set_read_timeout(Some(left)).expect("a timeout above zero");
            self.arrived.resize(had + PIECE, 0);
            let read = self.stream.read(&mut self.arrived[had..]);
            self.arrived.truncate(had + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(Unanswered::Closed(had)),
                Ok(_) => return Ok(()),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                    _ => return Err(Unanswered::Reset(had)),
                },
            }
        }
    }

    /// What arrived and was not asked for.
    pub fn preview(&self) -> String {
        let shown = &self.arrived[..self.arrived.len().min(300)];
        format!("{} bytes {:?}", self.arrived.len(), String::from_utf8_lossy(shown))
    }
}
