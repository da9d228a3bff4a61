//! What a run is to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::expect::Expect;
use crate::load::{Arrivals, Load, Offered};
use crate::paths::{Order, Paths};

/// Everything that decides what a run does. Two runs with equal plans do the same.
///
/// Durations are stored as whole milliseconds, so that the file a plan is kept in needs no notation of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where the requests go: `http://host[:port][/path][?query]`. They ask for its path, or for `/` without one, unless
    /// there are `paths`.
    pub url: String,
    /// The paths that are asked for instead of the URL's.
    #[serde(default)]
    pub paths: Paths,
    /// The method of every request.
    #[serde(default)]
    pub method: Method,
    /// Connections held open at the same time, over all threads; at least 1.
    pub connections: usize,
    /// Client threads, between 1 and `connections`. Connections are dealt out evenly, the first threads take the
    /// remainder.
    pub threads: usize,
    /// When requests are sent.
    #[serde(default)]
    pub load: Load,
    /// How long is measured, in milliseconds; at least 1.
    pub duration_ms: u64,
    /// The run ends before its duration is over when so many requests are answered or have failed; at least one for each
    /// thread.
    #[serde(default)]
    pub requests: Option<u64>,
    /// How long load is offered before measuring starts, in milliseconds. Nothing of it enters the [`Outcome`].
    ///
    /// [`Outcome`]: crate::Outcome
    #[serde(default)]
    pub warmup_ms: u64,
    /// A request without a complete response so many milliseconds after it was sent is counted as timed out and its
    /// connection is abandoned and opened anew; at least 1. A connection that takes as long to be established is given up
    /// too.
    pub timeout_ms: u64,
    /// How many requests may be under way on one connection at the same time; at least 1.
    #[serde(default = "one")]
    pub pipeline: usize,
    /// How many requests each TCP connection is used for, at least 1: the last of them says `Connection: close`.
    /// `None` keeps every connection for as long as the server keeps it.
    #[serde(default)]
    pub requests_per_connection: Option<u64>,
    /// Further connections, over all threads, that are opened first and on which nothing is ever sent.
    #[serde(default)]
    pub idle_connections: usize,
    /// How fast the client reads on each connection, in bytes per second; at least 1. `None` reads what comes.
    #[serde(default)]
    pub slow_read: Option<u64>,
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
    /// The load begins no earlier than at this time, in milliseconds since 1970-01-01 UTC, so that several generators can
    /// begin together; the connections are opened up to two seconds before.
    #[serde(default)]
    pub start_at_ms: Option<u64>,
    /// Random seed for arrivals, paths and samples, which are the same for the same seed and number of threads. Runs whose
    /// figures are to be independent of each other need different seeds: [`seed::draw`](crate::seed::draw) takes one from
    /// the system, [`seed::stream`](crate::seed::stream) derives one from another.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> usize {
    1
}

impl Plan {
    /// A plan with the defaults of wrk's command line: a closed loop of 10 connections on 2 threads for 10 s, with a
    /// time limit of 2 s. Its seed is 0, so that the same call does the same; who runs several plans sets theirs.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            paths: Paths::default(),
            method: Method::default(),
            connections: 10,
            threads: 2,
            load: Load::default(),
            duration_ms: 10_000,
            requests: None,
            warmup_ms: 0,
            timeout_ms: 2_000,
            pipeline: 1,
            requests_per_connection: None,
            idle_connections: 0,
            slow_read: None,
            headers: Vec::new(),
            expect: Expect::default(),
            cpus: None,
            interval_ms: 200,
            start_at_ms: None,
            seed: 0,
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

    /// Whether the seed decides when something is asked for, or what: two runs with the same one then are one sample.
    #[must_use]
    pub fn depends_on_seed(&self) -> bool {
        let by_chance = |offered: &Offered| offered.arrivals == Arrivals::Poisson || self.start_at_ms.is_some();
        let chooses = self.paths.list.len() > 1 && self.paths.order != Order::InTurn;
        chooses || self.load.offered().is_some_and(by_chance)
    }

    /// How many requests may be under way at the same time, over all connections.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.connections.saturating_mul(self.pipeline)
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
