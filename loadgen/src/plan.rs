//! What a run is to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that decides what a run does. Two runs with equal plans do the same.
///
/// Durations are stored as whole milliseconds, so that the file a plan is kept in needs no notation of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The URL that every request asks for: `http://host[:port][/path][?query]`, without a path `/` is asked for.
    pub url: String,
    /// The method of every request.
    #[serde(default)]
    pub method: Method,
    /// Connections held open at the same time, over all threads; at least 1.
    pub connections: usize,
    /// Client threads, between 1 and `connections`. Connections are dealt out evenly, the first threads take the
    /// remainder.
    pub threads: usize,
    /// How long is measured, in milliseconds; at least 1.
    pub duration_ms: u64,
    /// How long load is offered before measuring starts, in milliseconds. Nothing of it enters the [`Outcome`].
    ///
    /// [`Outcome`]: crate::Outcome
    #[serde(default)]
    pub warmup_ms: u64,
    /// A request without a complete response after so many milliseconds is counted as timed out and its connection
    /// is abandoned and opened anew; at least 1. A connection that takes as long to be established is given up too.
    pub timeout_ms: u64,
    /// Whether connections are used for more than one request.
    #[serde(default)]
    pub keep_alive: KeepAlive,
    /// Further header fields, name and value, sent with every request in this order. `Host` replaces the one taken
    /// from the URL.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// What every response has to be.
    #[serde(default)]
    pub expect: Expect,
    /// The CPUs the client threads run on: thread `i` is pinned to the `i`th of them, starting over when there are
    /// fewer CPUs than threads. `None` leaves the placement to the kernel.
    #[serde(default)]
    pub cpus: Option<Vec<usize>>,
    /// The length of one [`Window`](crate::Window) in milliseconds; at least 1.
    pub interval_ms: u64,
}

impl Plan {
    /// A plan with the defaults of wrk's command line: 10 connections, 2 threads, 10 s, a time limit of 2 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: Method::default(),
            connections: 10,
            threads: 2,
            duration_ms: 10_000,
            warmup_ms: 0,
            timeout_ms: 2_000,
            keep_alive: KeepAlive::default(),
            headers: Vec::new(),
            expect: Expect::default(),
            cpus: None,
            interval_ms: 200,
        }
    }

    /// How long is measured.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    /// How long load is offered before measuring starts.
    #[must_use]
    pub fn warmup(&self) -> Duration {
        Duration::from_millis(self.warmup_ms)
    }

    /// How long a request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The length of one window of the outcome.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
}

/// The method of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The response carries its body.
    #[default]
    Get,
    /// The response ends with its head, whatever length that announces.
    Head,
}

/// Whether connections are used for more than one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepAlive {
    /// Every connection is kept for as long as the server keeps it.
    #[default]
    Persistent,
    /// Every request says `Connection: close` and travels on a connection of its own.
    PerRequest,
}

/// What every response has to be. A response that is something else is counted as a response *and* as unexpected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The status code.
    #[serde(default)]
    pub status: Option<u16>,
    /// The length of the body as received, transfer codings removed.
    #[serde(default)]
    pub length: Option<ExpectedLength>,
}

/// The body length that every response has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedLength {
    /// So many bytes.
    Exactly(u64),
    /// As many as the first response that the same thread received with the same status code. It notices a server
    /// that changes its mind, not one that is wrong from the beginning.
    LikeFirst,
}
