//! The client's threads: non-blocking sockets and epoll, one event loop per thread.
//!
//! A thread owns its connections, its counters and its epoll; while it runs it shares nothing that is written but one
//! cache line of figures for the observer, every few milliseconds. A request costs one `recv` and one `send`: in a closed
//! loop the next request goes out as soon as the response before it is complete, the sockets are registered edge-triggered
//! once, and one `epoll_wait` serves as many connections as are ready.
//!
//! A [`Worker`] is one thread: `opening` establishes its connections, `sending` decides who sends when, `receiving`
//! reads and counts.

pub(crate) mod body_check;
mod idle;
mod opening;
mod pace;
mod place;
mod receiving;
mod sending;
mod tally;
mod timeline;
mod timers;
mod witness;
mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub(crate) use tally::Tally;
pub(crate) use timeline::WindowOfThread;
pub(crate) use worker::{Share, Worker, WorkerRecord};

use crate::Plan;
use crate::request::Requests;

/// What all threads of a run have in common. Times are nanoseconds since `origin`.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
    /// The bodies that the paths should have, one for each, or none.
    pub(crate) bodies: Vec<Arc<[u8]>>,
    /// How many bytes of bodies may still be learnt.
    pub(crate) room: Arc<AtomicUsize>,
    /// Whether somebody wants to see the latencies of each window.
    pub(crate) by_window: bool,
    pub(crate) timeout_ns: u64,
    pub(crate) interval_ns: u64,
    pub(crate) warmup_ns: u64,
    pub(crate) duration_ns: u64,
    /// For how long before a request is due a thread stays awake, because waking up takes its time.
    pub(crate) vigil_ns: u64,
    pub(crate) origin: Instant,
    /// The load does not begin before this time.
    pub(crate) not_before: u64,
    /// How many threads have opened their connections.
    pub(crate) opened: AtomicUsize,
    /// When the load begins, once all threads have opened their connections.
    pub(crate) start: OnceLock<u64>,
    /// The caller wants what there is.
    pub(crate) stop: &'a AtomicBool,
    /// Another thread could not start, or there is no point in going on.
    pub(crate) abandon: &'a AtomicBool,
}

impl Setup<'_> {
    /// Nanoseconds since the origin.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.abandon.load(Ordering::Relaxed)
    }

    /// When measuring begins, if that is known yet.
    pub(crate) fn measure_from(&self) -> Option<u64> {
        self.start.get().map(|start| start + self.warmup_ns)
    }
}

/// What a thread tells the observer, on a cache line (or two, which are fetched together) of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Published {
    pub(crate) responses: AtomicU64,
    pub(crate) errors: AtomicU64,
    /// Requests that are answered or have failed.
    pub(crate) finished: AtomicU64,
    pub(crate) opened: AtomicU64,
    /// Until when nothing is to be done, where the thread only waits for the next request of the open loop.
    pub(crate) idle_until: AtomicU64,
}

impl Published {
    fn publish(&self, tally: &Tally, idle_until: u64) {
        self.idle_until.store(idle_until, Ordering::Relaxed);
        self.responses.store(tally.responses, Ordering::Relaxed);
        self.errors.store(tally.errors.total(), Ordering::Relaxed);
        self.finished.store(tally.responses + tally.errors.of_requests(), Ordering::Relaxed);
        self.opened.store(tally.opened, Ordering::Relaxed);
    }
}
