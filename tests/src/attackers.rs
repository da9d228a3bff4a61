//! One thread that drives all connections of an attack.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, SockRef, Socket, Type};

use crate::attack::{Attack, Manner, Reading};
use crate::wait::eventually;

const STOP: Token = Token(usize::MAX);
/// Connects on their way at once. More would overflow a listener's backlog, and then the kernel tries again only after
/// a second.
const CONNECTING: usize = 256;
const PIECE: usize = 64 * 1024;
const NEVER: Duration = Duration::from_secs(3600);

/// An attack that is going on. It ends when this is dropped.
#[derive(Debug)]
pub struct Attackers {
    attack: Attack,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    open: AtomicU64,
    answered: AtomicU64,
    toll: Mutex<Toll>,
}

/// What came of an attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Toll {
    /// Connections that came about.
    pub opened: u64,
    /// Connections that the server ended in order.
    pub closed: u64,
    /// Connections that the server reset, or did not let come about.
    pub reset: u64,
    /// Bytes that came on all of them.
    pub bytes: u64,
    /// The fewest bytes that came on a connection which the server ended in order.
    pub fewest: Option<u64>,
    /// The most bytes that came on a connection which the server ended in order.
    pub most: Option<u64>,
}

impl Attackers {
    pub(crate) fn start(attack: Attack, address: SocketAddr) -> Self {
        let poll = Poll::new().expect("an epoll descriptor");
        let waker = Arc::new(Waker::new(poll.registry(), STOP).expect("an event descriptor"));
        let shared = Arc::new(Shared::default());
        let mut crowd = Crowd {
            manner: attack.manner.clone(),
            address,
            shared: Arc::clone(&shared),
            poll,
            places: (0..attack.connections).map(|_| None).collect(),
            connecting: 0,
            begun: 0,
            waiting: (0..attack.connections).map(|place| (Instant::now(), place)).collect(),
            dripping: VecDeque::new(),
            unread: Vec::new(),
            piece: vec![0; PIECE],
        };
        let thread = thread::Builder::new().name("attack".to_owned()).spawn(move || crowd.run()).expect("a thread");
        Self { attack, shared, waker, thread: Some(thread) }
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        usize::try_from(self.shared.open.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// How many connections have had an answer, or a part of one.
    pub fn answered(&self) -> usize {
        usize::try_from(self.shared.answered.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// What came of it so far.
    pub fn toll(&self) -> Toll {
        *self.shared.toll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until as many connections came about as there are to be at once, or `limit` has passed; says whether they
    /// did.
    pub fn in_place_within(&self, limit: Duration) -> bool {
        eventually(limit, || self.toll().opened >= self.attack.connections as u64)
    }

    /// Ends the attack, all of its connections by a reset, and tells what came of it.
    pub fn stop(mut self) -> Toll {
        self.end();
        self.toll()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the attackers panicked");
        }
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.end();
    }
}

/// All connections of an attack, each in a place of its own, which the next one takes when it has ended.
struct Crowd {
    manner: Manner,
    address: SocketAddr,
    shared: Arc<Shared>,
    poll: Poll,
    places: Vec<Option<Attacker>>,
    connecting: usize,
    begun: u64,
    /// Places that are to be taken, and when. All wait for the same time, so the first in the queue is the next.
    waiting: VecDeque<(Instant, usize)>,
    /// Attackers whose next drop is due, by place and number, and when; in order for the same reason.
    dripping: VecDeque<(Instant, usize, u64)>,
    /// Places where there was more to read than one turn takes.
    unread: Vec<usize>,
    piece: Vec<u8>,
}

struct Attacker {
    stream: TcpStream,
    /// Which of all that had its place this is.
    number: u64,
    connected: bool,
    dripping: bool,
    /// Bytes of the opening that were sent.
    sent: usize,
    /// Bytes of the drip that were sent.
    dripped: usize,
    received: u64,
}

/// How a connection came to its end.
enum End {
    Closed,
    Reset,
    /// It was the attacker's own will.
    Left,
}

impl Crowd {
    fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.open_due();
            self.drip_due();
            let next = self.waiting.front().filter(|_| self.connecting < CONNECTING).map(|(at, _)| *at);
            let next = next.into_iter().chain(self.dripping.front().map(|(at, ..)| *at)).min();
            let timeout = next.map_or(NEVER, |next| next.saturating_duration_since(Instant::now()));
            let timeout = if self.unread.is_empty() { timeout } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => panic!("cannot wait for events: {error}"),
                _ => {}
            }
            for place in std::mem::take(&mut self.unread) {
                self.attend(place, false);
            }
            for event in &events {
                if event.token() != STOP {
                    let over = event.is_error() || event.is_read_closed();
                    self.attend(event.token().0, over);
                }
            }
        }
        for attacker in self.places.iter().flatten() {
            reset(&attacker.stream);
        }
    }

    fn open_due(&mut self) {
        let now = Instant::now();
        while self.connecting < CONNECTING
            && let Some(&(at, place)) = self.waiting.front()
            && at <= now
        {
            self.waiting.pop_front();
            match self.connect(place) {
                Ok(stream) => {
                    self.connecting += 1;
                    self.begun += 1;
                    self.places[place] = Some(Attacker::new(stream, self.begun));
                }
                Err(_) => self.leave(place, &End::Reset),
            }
        }
    }

    fn connect(&self, place: usize) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM.nonblocking().cloexec(), None)?;
        if self.manner.reading == Reading::Nothing {
            socket.set_recv_buffer_size(4096)?;
        }
        match socket.connect(&self.address.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn drip_due(&mut self) {
        let Some(every) = self.manner.drip.as_ref().map(|drip| drip.every) else { return };
        let now = Instant::now();
        while let Some(&(at, place, number)) = self.dripping.front()
            && at <= now
        {
            self.dripping.pop_front();
            let Some(attacker) = self.places[place].as_mut().filter(|attacker| attacker.number == number) else {
                continue;
            };
            if let Err(end) = attacker.drip(&self.manner) {
                self.leave(place, &end);
            } else {
                self.dripping.push_back((now + every, place, number));
            }
        }
    }

    fn attend(&mut self, place: usize, over: bool) {
        let Some(attacker) = &mut self.places[place] else { return };
        if !attacker.connected {
            if attacker.stream.peer_addr().is_err() {
                if over {
                    self.leave(place, &End::Reset);
                }
                return;
            }
            attacker.connected = true;
            self.connecting -= 1;
            self.shared.open.fetch_add(1, Ordering::Relaxed);
            self.shared.toll.lock().unwrap_or_else(PoisonError::into_inner).opened += 1;
        }
        let received = attacker.received;
        let outcome = attacker.go_on(&self.manner, over, &mut self.piece);
        if received == 0 && attacker.received > 0 {
            self.shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        match outcome {
            Ok(more) => {
                if more {
                    self.unread.push(place);
                }
                if let Some(drip) = &self.manner.drip
                    && !attacker.dripping
                    && attacker.sent == self.manner.opening.len()
                {
                    attacker.dripping = true;
                    self.dripping.push_back((Instant::now() + drip.every, place, attacker.number));
                }
            }
            Err(end) => self.leave(place, &end),
        }
    }

    fn leave(&mut self, place: usize, end: &End) {
        let mut toll = self.shared.toll.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attacker) = self.places[place].take() {
            if attacker.connected {
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
            } else {
                self.connecting -= 1;
            }
            toll.bytes += attacker.received;
            if matches!(end, End::Closed) {
                toll.fewest = Some(toll.fewest.map_or(attacker.received, |fewest| fewest.min(attacker.received)));
                toll.most = toll.most.max(Some(attacker.received));
            }
        }
        match end {
            End::Closed => toll.closed += 1,
            End::Reset => toll.reset += 1,
            End::Left => {}
        }
        if let Some(rest) = self.manner.again {
            self.waiting.push_back((Instant::now() + rest, place));
        }
    }
}

impl Attacker {
    fn new(stream: TcpStream, number: u64) -> Self {
        Self { stream, number, connected: false, dripping: false, sent: 0, dripped: 0, received: 0 }
    }

    /// Does what can be done without waiting, or its share of that; says whether there is more.
    fn go_on(&mut self, manner: &Manner, over: bool, piece: &mut [u8]) -> Result<bool, End> {
        /// Pieces to read before it is another one's turn.
        const SHARE: usize = 4;

        while self.sent < manner.opening.len() {
            match self.stream.write(&manner.opening[self.sent..]) {
                Ok(sent) => {
                    self.sent += sent;
                    if self.sent == manner.opening.len() && manner.half_close {
                        let _ = self.stream.shutdown(Shutdown::Write);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Refused, or answered and closed already: reading tells.
                Err(_) => break,
            }
        }
        if manner.reading == Reading::Nothing {
            return if over { Err(End::Reset) } else { Ok(false) };
        }
        for _ in 0..SHARE {
            match self.stream.read(piece) {
                Ok(0) => return Err(End::Closed),
                Ok(received) => self.received += received as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Reset),
            }
            if let Reading::ResetAfter(bytes) = manner.reading
                && self.received >= bytes as u64
            {
                reset(&self.stream);
                return Err(End::Left);
            }
        }
        Ok(true)
    }

    /// Sends the next drop, or what the socket takes of it.
    fn drip(&mut self, manner: &Manner) -> Result<(), End> {
        let Some(drip) = &manner.drip else { return Ok(()) };
        let mut left = drip.at_once;
        while left > 0 {
            let start = self.dripped % drip.bytes.len();
            let end = drip.bytes.len().min(start + left);
            match self.stream.write(&drip.bytes[start..end]) {
                Ok(sent) => {
                    self.dripped += sent;
                    left -= sent;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(End::Reset),
            }
        }
        Ok(())
    }
}

/// Makes the close of this socket a reset, which leaves nothing behind, not even a port that waits.
fn reset(stream: &TcpStream) {
    // If it fails, the close is an ordinary one.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
