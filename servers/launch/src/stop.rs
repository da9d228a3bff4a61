use crate::{Error, complaint};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Whether the server is to end, and whom to wake when it is.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

type Waker = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Stop").field("stopping", &self.is_stopping()).finish_non_exhaustive()
    }
}

impl Stop {
    /// Whether the server is ending: no new connections, a last response on those that are open.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }

    /// Calls `wake` when the server is to end; at once if it is ending already.
    pub fn on_stop(&self, wake: impl FnOnce() + Send + 'static) {
        let mut wakers = self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopping() {
            wake();
        } else {
            wakers.push(Box::new(wake));
        }
    }

    fn begin(&self) {
        let mut wakers = self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.stopping.store(true, Ordering::SeqCst);
        for wake in wakers.drain(..) {
            wake();
        }
    }

    /// From here on SIGTERM and SIGINT end the server: the first one begins it, and `at_the_end` runs when the grace
    /// is over before the server has ended by itself; a second one ends the process now.
    pub(crate) fn watch_signals(
        &self,
        grace: Duration,
        at_the_end: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(Error::system("watch for signals"))?;
        let stop = self.clone();
        let mut at_the_end = Some(at_the_end);
        spawn("signals", move || {
            for signal in signals.forever() {
                let Some(at_the_end) = at_the_end.take() else {
                    // As a shell reports a process that a signal has killed.
                    std::process::exit(128 + signal);
                };
                stop.begin();
                let bounded = spawn("grace", move || {
                    std::thread::sleep(grace);
                    at_the_end();
                });
                if let Err(error) = bounded {
                    complaint::tell(&format!("{error}; the server ends now"));
                    std::process::exit(0);
                }
            }
        })
    }
}

/// A thread with a name, or a sentence about why there is none.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map(drop).map_err(Error::system("start a thread"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn all_are_woken_also_those_who_come_late() {
        let (stop, woken) = (Stop::default(), Arc::new(AtomicUsize::new(0)));
        let count = |woken: &Arc<AtomicUsize>| {
            let woken = Arc::clone(woken);
            move || {
                woken.fetch_add(1, Ordering::SeqCst);
            }
        };
        stop.on_stop(count(&woken));
        assert!(!stop.is_stopping());
        stop.begin();
        assert!(stop.is_stopping());
        stop.on_stop(count(&woken));
        assert_eq!(woken.load(Ordering::SeqCst), 2);
    }
}
