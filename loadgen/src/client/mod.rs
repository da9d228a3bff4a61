//! The client's threads: a closed loop over non-blocking sockets and epoll, one event loop per thread.
//!
//! A thread owns its connections, its counters and its epoll; while it runs it shares nothing that is written but one
//! cache line of figures for the observer, every few milliseconds. A request costs one `recv` and one `send`: the next
//! request goes out as soon as the response before it is complete, the sockets are registered edge-triggered
//! once, and one `epoll_wait` serves as many connections as are ready.

mod place;
mod tally;
mod timeline;
mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

pub(crate) use tally::Tally;
pub(crate) use worker::{Worker, WorkerRecord};

use crate::{Expect, KeepAlive, Method};

/// What all threads of a run have in common. Times are nanoseconds since `origin`.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    pub(crate) method: Method,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) expect: Expect,
    pub(crate) timeout_ns: u64,
    pub(crate) interval_ns: u64,
    pub(crate) origin: Instant,
    pub(crate) measure_from: u64,
    pub(crate) end: u64,
    /// The caller wants what there is.
    pub(crate) stop: &'a AtomicBool,
    /// Another thread could not start.
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
}

/// What a thread tells the observer, on a cache line (or two, which are fetched together) of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Published {
    pub(crate) responses: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) opened: AtomicU64,
}

impl Published {
    fn publish(&self, tally: &Tally) {
        self.responses.store(tally.responses, Ordering::Relaxed);
        self.errors.store(tally.errors.total(), Ordering::Relaxed);
        self.opened.store(tally.opened, Ordering::Relaxed);
    }
}
