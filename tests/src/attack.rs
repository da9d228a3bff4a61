//! Attacks on a server, as values: what each connection does, and how many there are.

use std::net::SocketAddr;
use std::time::Duration;

use crate::attackers::Attackers;
use crate::client::request;

/// A crowd of connections that all behave in the same way.
#[derive(Debug, Clone)]
pub struct Attack {
    /// What it is called.
    pub name: &'static str,
    /// How many connections it holds open at once.
    pub connections: usize,
    /// What each of them does.
    pub manner: Manner,
}

/// What one hostile connection does, from its connect to its end.
#[derive(Debug, Clone)]
pub struct Manner {
    /// What it sends at once.
    pub opening: Vec<u8>,
    /// What it goes on sending after that, bit by bit and for ever.
    pub drip: Option<Drip>,
    /// Whether it ends its sending side behind the opening.
    pub half_close: bool,
    /// What it does with what comes.
    pub reading: Reading,
    /// After what time another one takes its place when it has ended; none does if nothing is said.
    pub again: Option<Duration>,
}

/// Bytes without an end.
#[derive(Debug, Clone)]
pub struct Drip {
    /// They repeat.
    pub bytes: Vec<u8>,
    /// How many are sent at a time.
    pub at_once: usize,
    /// How often.
    pub every: Duration,
}

/// What becomes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It is read to the end of the connection.
    Everything,
    /// It is not read at all, and the window of the socket is small.
    Nothing,
    /// After so many bytes the connection is reset.
    ResetAfter(usize),
}

const AT_ONCE: Option<Duration> = Some(Duration::from_millis(10));
/// A rest between two connections where each costs the server next to nothing: the attack is to be a nuisance, and not
/// a measurement of how fast the attacker is.
const REST: Option<Duration> = Some(Duration::from_millis(100));

impl Attack {
    /// Half a request, and then a byte of another header line each second: slow enough to last, never silent for long
    /// (the tool that made it known is of 2009).
    pub fn slowloris(connections: usize) -> Self {
        let drip = Drip { bytes: b"X-a: b\r\n".to_vec(), at_once: 1, every: Duration::from_secs(1) };
        let opening = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
        Self::new("slowloris", connections, Manner { opening, drip: Some(drip), again: AT_ONCE, ..Manner::default() })
    }

    /// Connections that never say a word.
    pub fn silence(connections: usize) -> Self {
        Self::new("silent connections", connections, Manner { again: AT_ONCE, ..Manner::default() })
    }

    /// Clients that ask for `target`, which had better be large, and read none of it.
    pub fn never_reading(connections: usize, target: &str) -> Self {
        let opening = request("GET", target, &[]);
        let manner = Manner { opening, reading: Reading::Nothing, again: AT_ONCE, ..Manner::default() };
        Self::new("never reading", connections, manner)
    }

    /// Clients that were answered once and keep their connection for later. Who is sent away stays away.
    pub fn idle(connections: usize) -> Self {
        let opening = request("GET", "/", &[]);
        Self::new("idle keep-alive", connections, Manner { opening, ..Manner::default() })
    }

    /// Bytes that are no HTTP: the hello of TLS, and noise.
    pub fn garbage(connections: usize) -> Self {
        let mut opening = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..256 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            opening.extend_from_slice(&state.to_le_bytes());
        }
        Self::new("garbage", connections, Manner { opening, again: REST, ..Manner::default() })
    }

    /// Clients that ask for `target` and reset the connection in the middle of the response.
    pub fn aborts(connections: usize, target: &str) -> Self {
        let opening = request("GET", target, &[]);
        let reading = Reading::ResetAfter(20_000);
        Self::new("aborts", connections, Manner { opening, reading, again: REST, ..Manner::default() })
    }

    /// Clients that end their side behind the request for `target`, and read the whole response.
    pub fn half_closes(connections: usize, target: &str) -> Self {
        let opening = request("GET", target, &["Connection: close"]);
        Self::new("half-closes", connections, Manner { opening, half_close: true, again: REST, ..Manner::default() })
    }

    /// So many requests at once on each connection, answered or not.
    pub fn pipelines(connections: usize, requests: usize) -> Self {
        let opening = request("GET", "/", &[]).repeat(requests);
        Self::new("pipelines", connections, Manner { opening, half_close: true, again: REST, ..Manner::default() })
    }

    /// Header lines without the blank line that would end them, on and on whatever is answered.
    pub fn endless_headers(connections: usize) -> Self {
        let opening = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
        Self::endless("endless headers", connections, opening, b"X-again: and again\r\n")
    }

    /// A request line without its end.
    pub fn endless_request_lines(connections: usize) -> Self {
        Self::endless("endless request lines", connections, b"GET /".to_vec(), b"and/on/")
    }

    /// More clients than there is room for, each with a request that deserves an answer. Who is sent away comes again.
    pub fn flood(connections: usize) -> Self {
        let opening = request("GET", "/", &[]);
        Self::new("flood", connections, Manner { opening, again: REST, ..Manner::default() })
    }

    /// Begins the attack on the server at `address`.
    pub fn start(&self, address: SocketAddr) -> Attackers {
        Attackers::start(self.clone(), address)
    }

    fn endless(name: &'static str, connections: usize, opening: Vec<u8>, bytes: &[u8]) -> Self {
        let drip = Drip { bytes: bytes.to_vec(), at_once: 4096, every: Duration::from_millis(100) };
        Self::new(name, connections, Manner { opening, drip: Some(drip), again: REST, ..Manner::default() })
    }

    fn new(name: &'static str, connections: usize, manner: Manner) -> Self {
        Self { name, connections, manner }
    }
}

impl Default for Manner {
    /// Sends nothing, reads everything, and is not replaced when it ends.
    fn default() -> Self {
        Self { opening: Vec::new(), drip: None, half_close: false, reading: Reading::Everything, again: None }
    }
}
