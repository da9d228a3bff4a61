use crate::complain;
use protocol::Exchange;
use std::{
    cell::RefCell,
    io::{self, Write},
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The access log: one line a response in the Common Log Format, behind a first line that says that we serve.
///
/// Workers append whole lines to a buffer in memory; one thread writes the buffer out. So lines never interleave, and
/// a reader that is slow, stuck or gone costs lines, never requests: what does not fit into the buffer is dropped and
/// counted, and the number is told on standard error. So is what cannot be written: a disk that is full loses lines
/// until there is room again.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    shared: Option<Arc<Shared>>,
    quiet: bool,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    lines: Vec<u8>,
    dropped: u64,
    /// Whether the first line is there. Nothing is written before.
    begun: bool,
    ending: bool,
    ended: bool,
}

/// What may wait to be written.
const MOST_PENDING: usize = 8 * 1024 * 1024;
/// How long lines gather before they are written: a wake-up and a call for many of them.
const GATHER: Duration = Duration::from_millis(5);

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog {
    /// A log that nobody can read.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// A log that is written to `sink` by a thread of its own; if it is `quiet`, there is no line but the first.
    ///
    /// # Errors
    /// If that thread cannot be started.
    pub fn new(sink: impl Write + Send + 'static, quiet: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write_out(&writer, sink))?;
        Ok(Self { shared: Some(shared), quiet })
    }

    /// Begins with a first line, in front of those that were logged already. Nobody may be reading, which is no reason
    /// not to serve: so this line, too, is waited for by the writer alone.
    pub fn begin(&self, first_line: &str) {
        let Some(shared) = &self.shared else { return };
        let mut pending = shared.pending();
        pending.lines.splice(0..0, first_line.bytes().chain([b'\n']));
        pending.begun = true;
        pending.ending = self.quiet;
        drop(pending);
        shared.changed.notify_all();
    }

    /// Logs exchanges with a client. The iterator is not touched by a quiet log.
    pub fn record(&self, client: IpAddr, exchanges: impl IntoIterator<Item = Exchange>) {
        thread_local!(static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        let Some(shared) = self.shared.as_ref().filter(|_| !self.quiet) else { return };
        LINES.with_borrow_mut(|lines| {
            lines.clear();
            let mut count = 0;
            for exchange in exchanges {
                format(client, &exchange, lines);
                count += 1;
            }
            if count == 0 {
                return;
            }
            let mut pending = shared.pending();
            if pending.lines.len() + lines.len() > MOST_PENDING {
                pending.dropped += count;
                return;
            }
            let was_empty = pending.lines.is_empty();
            pending.lines.extend_from_slice(lines);
            drop(pending);
            if was_empty {
                shared.changed.notify_all();
            }
        });
    }

    /// Writes out what is pending, unless its reader takes longer than a second.
    pub(crate) fn finish(&self) {
        const LONGEST: Duration = Duration::from_secs(1);
        let Some(shared) = &self.shared else { return };
        let deadline = Instant::now() + LONGEST;
        let mut pending = shared.pending();
        pending.ending = true;
        shared.changed.notify_all();
        while !pending.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            pending = shared.changed.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The writer's thread.
fn write_out(shared: &Shared, sink: impl Write) {
    let mut outlet = Outlet { sink, torn: false, lost: 0 };
    let mut lines = Vec::new();
    loop {
        let mut pending = shared.pending();
        while !pending.ending && (pending.lines.is_empty() || !pending.begun) {
            pending = shared.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        if !pending.ending {
            drop(pending);
            std::thread::sleep(GATHER);
            pending = shared.pending();
        }
        std::mem::swap(&mut lines, &mut pending.lines);
        let dropped = std::mem::take(&mut pending.dropped);
        let ending = pending.ending && lines.is_empty();
        if ending {
            pending.ended = true;
            shared.changed.notify_all();
            return;
        }
        drop(pending);
        outlet.write(&lines);
        if dropped > 0 && outlet.lost == 0 {
            complain(format_args!("{dropped} lines of the access log were dropped: standard output is too slow"));
        }
        lines.clear();
    }
}

/// Where lines go out, whole, or not at all while that fails.
struct Outlet<W> {
    sink: W,
    /// Whether what was written last is a part of a line.
    torn: bool,
    /// Lines that were lost since writing began to fail; 0 while it works.
    lost: usize,
}

impl<W: Write> Outlet<W> {
    fn write(&mut self, mut lines: &[u8]) {
        match self.push(&mut lines) {
            Ok(()) if self.lost == 0 => {}
            Ok(()) => {
                complain(format_args!("standard output is written again; {} lines were lost", self.lost));
                self.lost = 0;
            }
            Err(error) => {
                if self.lost == 0 {
                    complain(format_args!("cannot write to standard output, lines are lost: {error}"));
                }
                self.lost += lines.iter().filter(|&&byte| byte == b'\n').count();
            }
        }
    }

    /// Writes all lines, behind the end of a torn one; what could not be written is left in `lines`.
    fn push(&mut self, lines: &mut &[u8]) -> io::Result<()> {
        let mut end_of_torn_line: &[u8] = if self.torn { b"\n" } else { b"" };
        while !end_of_torn_line.is_empty() || !lines.is_empty() {
            let next = if end_of_torn_line.is_empty() { &mut *lines } else { &mut end_of_torn_line };
            match self.sink.write(next) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = next[written - 1] != b'\n';
                    *next = &next[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody who shares it has made it non-blocking: its reader is slow, not gone.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(GATHER),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// `host - - [date] "request line" status bytes`, as the first web server wrote it.
fn format(client: IpAddr, exchange: &Exchange, into: &mut Vec<u8>) {
    // `Sun, 06 Nov 1994 08:49:37 GMT` becomes `06/Nov/1994:08:49:37 +0000`.
    let date = &exchange.date;
    // Writing to a vector does not fail.
    let _ = write!(into, "{} - - [", client.to_canonical());
    for (part, behind) in [(&date[5..7], b'/'), (&date[8..11], b'/'), (&date[12..16], b':'), (&date[17..25], b' ')] {
        into.extend_from_slice(part);
        into.push(behind);
    }
    into.extend_from_slice(b"+0000] \"");
    if exchange.request_line.is_empty() {
        into.push(b'-');
    }
    for &byte in &*exchange.request_line {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => into.push(byte),
            other => {
                let _ = write!(into, "\\x{other:02x}");
            }
        }
    }
    let _ = writeln!(into, "\" {} {}", exchange.status, exchange.body_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn exchange(line: &[u8]) -> Exchange {
        Exchange { date: *b"Sun, 06 Nov 1994 08:49:37 GMT", request_line: line.into(), status: 200, body_bytes: 612 }
    }

    #[derive(Clone, Default)]
    struct Sink {
        written: Arc<Mutex<Vec<u8>>>,
        stuck: bool,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.stuck {
                loop {
                    std::thread::park();
                }
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_in_the_common_log_format() {
        let mut lines = Vec::new();
        format(CLIENT, &exchange(b"GET /a\"b\\c HTTP/1.1"), &mut lines);
        format(CLIENT, &exchange(b"\x16\x03\x01\nX\xff"), &mut lines);
        format(CLIENT, &exchange(b""), &mut lines);
        let expected = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\\"b\\\\c HTTP/1.1\" 200 612\n\
                        127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"\\x16\\x03\\x01\\x0aX\\xff\" 200 612\n\
                        127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"-\" 200 612\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }

    #[test]
    fn lines_of_many_threads_arrive_whole() {
        let sink = Sink::default();
        let log = AccessLog::new(sink.clone(), false).unwrap();
        log.begin("ready");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| log.record(CLIENT, [exchange(b"GET / HTTP/1.1")])));
            }
        });
        log.finish();
        let written = String::from_utf8(sink.written.lock().unwrap().clone()).unwrap();
        let written = written.strip_prefix("ready\n").unwrap();
        assert_eq!(written.lines().count(), 4000);
        assert!(written.lines().all(|line| line.starts_with("127.0.0.1 - - [") && line.ends_with("\" 200 612")));
    }

    #[test]
    fn the_first_line_is_the_first_whoever_was_quicker() {
        for (quiet, expected) in [(false, 2), (true, 1)] {
            let sink = Sink::default();
            let log = AccessLog::new(sink.clone(), quiet).unwrap();
            log.record(CLIENT, [exchange(b"GET / HTTP/1.1")]);
            std::thread::sleep(GATHER * 4);
            assert_eq!(sink.written.lock().unwrap().len(), 0);
            log.begin("ready");
            log.finish();
            let written = String::from_utf8(sink.written.lock().unwrap().clone()).unwrap();
            assert!(written.starts_with("ready\n") && written.lines().count() == expected, "{written}");
        }
    }

    /// A disk with room for so many bytes, of which it takes ten at a time.
    struct Disk {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room).min(10);
            self.room -= length;
            self.written.extend_from_slice(&bytes[..length]);
            if length == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(length) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_lines_until_there_is_room() {
        let mut disk = Disk { room: 25, written: Vec::new() };
        let mut outlet = Outlet { sink: &mut disk, torn: false, lost: 0 };
        outlet.write(b"the first\nthe second\nthe third\nthe fourth\n");
        assert_eq!(outlet.lost, 2, "the third, of which a part was written, and the fourth");
        outlet.write(b"the fifth\n");
        assert_eq!(outlet.lost, 3);
        outlet.sink.room = 1000;
        outlet.write(b"the sixth\n");
        assert_eq!((outlet.lost, outlet.torn), (0, false));
        assert_eq!(String::from_utf8_lossy(&disk.written), "the first\nthe second\nthe \nthe sixth\n");
    }

    #[test]
    fn a_reader_that_is_stuck_stops_nobody() {
        let log = AccessLog::new(Sink { stuck: true, ..Sink::default() }, false).unwrap();
        log.begin("ready");
        let start = Instant::now();
        for _ in 0..200_000 {
            log.record(CLIENT, [exchange(b"GET / HTTP/1.1")]);
        }
        let shared = log.shared.as_ref().unwrap();
        assert!(shared.pending().dropped > 0 && shared.pending().lines.len() <= MOST_PENDING);
        log.finish();
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
