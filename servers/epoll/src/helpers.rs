use mio::Waker;
use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Threads that wait, so that no event loop has to: they take errands from all loops, in the order in which they came,
/// and bring the outcome of each back to the loop that sent it.
///
/// The queue has no bound of its own. A client has one errand out at most, and stays in its loop's table until that is
/// back, even if it has hung up meanwhile; so there are never more errands than there may be connections.
#[derive(Debug)]
pub(crate) struct Helpers<E, O> {
    queue: Arc<Queue<E, O>>,
}

#[derive(Debug)]
struct Queue<E, O> {
    errands: Mutex<VecDeque<Errand<E, O>>>,
    came: Condvar,
}

#[derive(Debug)]
struct Errand<E, O> {
    task: E,
    key: usize,
    from: Arc<Tray<O>>,
}

/// What was brought back to a loop and not noticed yet.
#[derive(Debug)]
struct Tray<O> {
    outcomes: Mutex<Vec<(usize, O)>>,
    waker: Arc<Waker>,
}

/// One event loop's counter at the helpers.
#[derive(Debug)]
pub(crate) struct Counter<E, O> {
    queue: Arc<Queue<E, O>>,
    tray: Arc<Tray<O>>,
}

impl<E: Send + 'static, O: Send + 'static> Helpers<E, O> {
    /// Starts so many threads, each of which does `work`. It must not panic, or else an errand is never brought back.
    pub(crate) fn start(count: usize, work: impl Fn(E) -> O + Send + Sync + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue { errands: Mutex::default(), came: Condvar::new() });
        let work = Arc::new(work);
        for number in 0..count {
            let (queue, work) = (Arc::clone(&queue), Arc::clone(&work));
            let serve = move || {
                loop {
                    let Errand { task, key, from } = queue.take();
                    from.put(key, work(task));
                }
            };
            thread::Builder::new().name(format!("helper-{number}")).spawn(serve)?;
        }
        Ok(Self { queue })
    }

    /// Where a loop hands in its errands. `waker` wakes it when there is something to take back.
    pub(crate) fn counter(&self, waker: Arc<Waker>) -> Counter<E, O> {
        Counter { queue: Arc::clone(&self.queue), tray: Arc::new(Tray { outcomes: Mutex::default(), waker }) }
    }
}

impl<E, O> Counter<E, O> {
    /// Sends an errand out for the client with this key.
    pub(crate) fn send(&self, key: usize, task: E) {
        lock(&self.queue.errands).push_back(Errand { task, key, from: Arc::clone(&self.tray) });
        self.queue.came.notify_one();
    }

    /// All that was brought back since the last call, with the keys of the clients.
    pub(crate) fn returned(&self) -> Vec<(usize, O)> {
        mem::take(&mut *lock(&self.tray.outcomes))
    }
}

impl<E, O> Queue<E, O> {
    /// Waits for an errand.
    fn take(&self) -> Errand<E, O> {
        let mut errands = lock(&self.errands);
        loop {
            if let Some(errand) = errands.pop_front() {
                return errand;
            }
            errands = self.came.wait(errands).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<O> Tray<O> {
    fn put(&self, key: usize, outcome: O) {
        let mut outcomes = lock(&self.outcomes);
        outcomes.push((key, outcome));
        // A loop that was woken takes all that it finds.
        if outcomes.len() == 1 {
            drop(outcomes);
            // It fails only if the loop is gone, and with it its clients.
            let _ = self.waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};
    use std::{sync::mpsc, time::Duration};

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

    #[test]
    fn every_errand_comes_back_to_the_loop_that_sent_it() {
        const ERRANDS: usize = 10_000;
        let helpers = Helpers::start(4, |task: usize| task * 2).unwrap();
        thread::scope(|scope| {
            for number in 0..3 {
                let helpers = &helpers;
                scope.spawn(move || {
                    let mut poll = Poll::new().unwrap();
                    let counter = helpers.counter(Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()));
                    for key in 0..ERRANDS {
                        counter.send(key, key * 3 + number);
                    }
                    let (mut events, mut back) = (Events::with_capacity(8), Vec::new());
                    while back.len() < ERRANDS {
                        poll.poll(&mut events, PATIENCE).unwrap();
                        assert!(!events.is_empty(), "{} of {ERRANDS} came back", back.len());
                        back.extend(counter.returned());
                    }
                    back.sort_unstable();
                    assert!(back.into_iter().eq((0..ERRANDS).map(|key| (key, (key * 3 + number) * 2))));
                });
            }
        });
    }

    #[test]
    fn one_that_waits_does_not_delay_the_others() {
        let helpers =
            Helpers::start(2, |gate: Option<mpsc::Receiver<()>>| gate.is_some_and(|gate| gate.recv().is_ok()));
        let mut poll = Poll::new().unwrap();
        let counter = helpers.unwrap().counter(Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()));
        let mut events = Events::with_capacity(8);
        let (open, gate) = mpsc::channel();
        counter.send(1, Some(gate));
        for key in 2..5 {
            counter.send(key, None);
            poll.poll(&mut events, PATIENCE).unwrap();
            assert_eq!(counter.returned(), [(key, false)]);
        }
        open.send(()).unwrap();
        poll.poll(&mut events, PATIENCE).unwrap();
        assert_eq!(counter.returned(), [(1, true)]);
    }
}
