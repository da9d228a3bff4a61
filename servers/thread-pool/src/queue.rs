use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The connections that wait for a worker, counted beside rayon's queue, which does not tell its length; and the
/// workers that idle on a kept connection, which can be called away from it.
///
/// A worker that idles polls its socket together with an event descriptor (eventfd(2)). A connection that is queued
/// while somebody idles makes that descriptor readable. One idler *claims* the newcomer and leaves its connection;
/// the others go on waiting.
#[derive(Debug)]
pub(crate) struct Queue {
    workers: usize,
    counts: Mutex<Counts>,
    call: OwnedFd,
}

#[derive(Debug, Default)]
struct Counts {
    /// Connections that no worker has begun to serve.
    waiting: usize,
    /// How many of those an idler is already on its way to.
    claimed: usize,
    /// Workers that poll on a kept connection.
    idling: usize,
    /// Connections that wait or are being served.
    open: usize,
    /// When there last were more of them than workers.
    crowded: Option<Instant>,
}

/// Why an idler's wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Its connection has something to read.
    Input,
    /// It has claimed a newcomer: it is to leave its connection.
    Called,
    /// It was called by a newcomer, but its connection has something to read: it is to answer that, and leave then.
    CalledWithInput,
    /// The time is over.
    TimedOut,
}

impl Queue {
    pub(crate) fn new(workers: usize) -> io::Result<Self> {
        let call = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { workers, counts: Mutex::default(), call })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was queued.
    pub(crate) fn push(&self) {
        let mut counts = self.counts();
        counts.waiting += 1;
        counts.open += 1;
        if counts.open > self.workers {
            counts.crowded = Some(Instant::now());
        }
        if counts.idling > counts.claimed && self.is_wanted(&counts) {
            self.raise();
        }
    }

    /// A worker begins to serve a queued connection, and ends it when it drops what it gets here.
    pub(crate) fn pop(&self) -> Served<'_> {
        let mut counts = self.counts();
        counts.waiting = counts.waiting.saturating_sub(1);
        counts.claimed = counts.claimed.saturating_sub(1);
        Served { queue: self }
    }

    /// Whether somebody waits to whom nobody is on his way, and for whom there is no free worker.
    fn is_wanted(&self, counts: &Counts) -> bool {
        counts.waiting > counts.claimed && counts.open > self.workers
    }

    /// Whether a worker had better not keep its connection: somebody waits, or did so within the last second.
    ///
    /// Clients that were sent away come back a moment later. Who looks at the queue in between finds it empty, keeps
    /// a connection, and is called away from it while the next request is under way.
    pub(crate) fn is_crowded(&self, now: Instant) -> bool {
        const MEMORY: Duration = Duration::from_secs(1);
        let counts = self.counts();
        self.is_wanted(&counts) || counts.crowded.is_some_and(|crowded| now.saturating_duration_since(crowded) < MEMORY)
    }

    /// Idles until the socket has input, a newcomer is claimed, or the time is over. Input goes before newcomers: a
    /// request that has come is not to be answered with a close.
    pub(crate) fn idle(&self, socket: impl AsFd, deadline: Option<Instant>) -> io::Result<Woken> {
        {
            let mut counts = self.counts();
            counts.idling += 1;
            if self.is_wanted(&counts) {
                self.raise();
            }
        }
        let woken = self.wait(&socket, deadline);
        self.counts().idling -= 1;
        woken
    }

    fn wait(&self, socket: &impl AsFd, deadline: Option<Instant>) -> io::Result<Woken> {
        let start = Instant::now();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut watched = [PollFd::new(socket, PollFlags::IN), PollFd::new(&self.call, PollFlags::IN)];
            match poll(&mut watched, timeout.as_ref()) {
                Ok(0) | Err(Errno::INTR) => return Ok(Woken::TimedOut),
                Ok(_) if !watched[0].revents().is_empty() => return Ok(Woken::Input),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            self.lower();
            if self.claim() {
                return self.leave(socket, start);
            }
        }
    }

    /// Closing a connection whose client is about to ask again costs the client an error, and the newcomer gains
    /// little. So a client that was answered just now is given a moment.
    fn leave(&self, socket: &impl AsFd, start: Instant) -> io::Result<Woken> {
        const MOMENT: Duration = Duration::from_millis(10);
        let left = MOMENT.saturating_sub(start.elapsed());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => Ok(Woken::Called),
            Ok(_) => {
                // An answer may take long. Whoever is free before that takes the newcomer.
                let mut counts = self.counts();
                counts.claimed = counts.claimed.saturating_sub(1);
                if self.is_wanted(&counts) {
                    self.raise();
                }
                Ok(Woken::CalledWithInput)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Claims a newcomer, if there is one left to claim.
    fn claim(&self) -> bool {
        let mut counts = self.counts();
        let unclaimed = self.is_wanted(&counts);
        if unclaimed {
            counts.claimed += 1;
            if self.is_wanted(&counts) {
                // The call that woke this idler is spent, and there is work for another.
                self.raise();
            }
        }
        unclaimed
    }

    fn raise(&self) {
        // It can only fail by being raised to the brim already.
        let _ = rustix::io::write(&self.call, &1_u64.to_ne_bytes());
    }

    fn lower(&self) {
        // Another idler may have been quicker.
        let _ = rustix::io::read(&self.call, &mut [0; 8]);
    }
}

/// A connection that has left the queue and is being served.
#[derive(Debug)]
pub(crate) struct Served<'a> {
    queue: &'a Queue,
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.queue.counts().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
        sync::atomic::{AtomicUsize, Ordering},
    };

    fn within(milliseconds: u64) -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(milliseconds))
    }

    /// A queue whose workers all serve a connection.
    fn busy(workers: usize) -> Queue {
        let queue = Queue::new(workers).unwrap();
        for _ in 0..workers {
            queue.push();
            std::mem::forget(queue.pop());
        }
        queue
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn an_idler_wakes_for_input_and_for_the_time() {
        let (queue, (mut client, socket)) = (Queue::new(1).unwrap(), pair());
        assert_eq!(queue.idle(&socket, within(10)).unwrap(), Woken::TimedOut);
        client.write_all(b"x").unwrap();
        assert_eq!(queue.idle(&socket, within(20_000)).unwrap(), Woken::Input);
        drop(client);
        assert_eq!(queue.idle(&socket, within(20_000)).unwrap(), Woken::Input);
    }

    #[test]
    fn a_request_that_is_on_its_way_is_answered_before_leaving() {
        let (queue, (mut client, socket)) = (busy(1), pair());
        queue.push();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(1));
                client.write_all(b"x").unwrap();
            });
            let woken = queue.idle(&socket, within(20_000)).unwrap();
            assert!(matches!(woken, Woken::CalledWithInput | Woken::Called), "{woken:?}");
            assert!(woken == Woken::Called || queue.claim(), "the newcomer is somebody else's to take");
        });
        drop(queue.pop());
        queue.push();
        assert_eq!(queue.idle(&socket, within(20_000)).unwrap(), Woken::Input, "what has come goes first");
    }

    #[test]
    fn who_waits_already_is_claimed_at_once() {
        let (queue, (_client, socket)) = (busy(1), pair());
        queue.push();
        assert_eq!(queue.idle(&socket, within(20_000)).unwrap(), Woken::Called);
        assert!(!queue.claim(), "one is on its way");
        drop(queue.pop());
        assert_eq!(queue.idle(&socket, within(10)).unwrap(), Woken::TimedOut);
    }

    #[test]
    fn nobody_is_called_away_while_workers_are_free() {
        let (queue, (_client, socket)) = (Queue::new(3).unwrap(), pair());
        for _ in 0..2 {
            queue.push();
            std::mem::forget(queue.pop());
        }
        queue.push();
        assert_eq!(queue.idle(&socket, within(20)).unwrap(), Woken::TimedOut);
        assert!(!queue.is_crowded(Instant::now()));
    }

    #[test]
    fn each_newcomer_calls_one_idler_away() {
        let queue = busy(5);
        let called = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    let (_client, socket) = pair();
                    // Nothing but a newcomer ends this wait.
                    let woken = queue.idle(&socket, within(60_000)).unwrap();
                    if woken == Woken::Called {
                        drop(queue.pop());
                        called.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            let wait_for = |what: &dyn Fn() -> bool| {
                let start = Instant::now();
                while !what() {
                    assert!(start.elapsed() < Duration::from_secs(30), "idlers do not learn of newcomers");
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            wait_for(&|| queue.counts().idling == 5);
            for newcomers in [2, 3] {
                let before = called.load(Ordering::SeqCst);
                (0..newcomers).for_each(|_| queue.push());
                wait_for(&|| called.load(Ordering::SeqCst) >= before + newcomers);
                // Time for one more, who should not.
                std::thread::sleep(Duration::from_millis(20));
                assert_eq!(called.load(Ordering::SeqCst), before + newcomers);
            }
        });
        assert!(!queue.claim());
    }

    #[test]
    fn a_crowd_is_remembered_for_a_second() {
        let queue = Queue::new(2).unwrap();
        let (start, after) = (Instant::now(), |seconds| Instant::now() + Duration::from_secs(seconds));
        queue.push();
        let first = queue.pop();
        queue.push();
        let second = queue.pop();
        assert!(!queue.is_crowded(start), "two connections are no crowd for two workers");
        queue.push();
        assert!(queue.is_crowded(after(5)), "one waits");
        let third = queue.pop();
        assert!(queue.is_crowded(start) && !queue.is_crowded(after(2)));
        drop((first, second, third));
        assert_eq!(queue.counts().open, 0);
        assert!(queue.is_crowded(start) && !queue.is_crowded(after(2)));
    }
}
