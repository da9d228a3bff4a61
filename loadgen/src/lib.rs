//! A load generator for HTTP/1.1 that says when not to believe it.
//!
//! It offers a closed loop: a number of connections, each of which sends its next request as soon as the response to the last
//! one is complete. That shows what a server can carry. The latency under a closed loop is mostly
//! `connections / throughput` and not what a user would feel.
//!
//! A [`Plan`] says what a run does, [`run()`] does it, and an [`Outcome`] says what came of it, the requests that were never
//! answered and the connections that were never served included. Both can be stored as JSON. [`text`] prints an
//! outcome as wrk would, and then what wrk leaves out; [`hdr`] and [`timeseries`] write what other tools draw. Where one
//! machine cannot offer enough, [`merge()`] makes one outcome of those of several generators. [`validity`] says why an
//! outcome must not be believed.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! # let server = loadgen::null_server::NullServer::bind(0, 1)?;
//! # let url = format!("http://{}", server.address()?);
//! # let served = AtomicBool::new(false);
//! # std::thread::scope(|scope| {
//! # scope.spawn(|| server.serve(&served));
//! # let outcome = (|| {
//! let mut plan = loadgen::Plan::new("http://127.0.0.1:8080/");
//! # plan.url = url;
//! plan.connections = 100;
//! plan.threads = 1;
//! plan.duration_ms = 100;
//! plan.expect.status = Some(200);
//! let outcome = loadgen::run(&plan, &mut |progress: &loadgen::Progress| println!("{progress:?}"), &AtomicBool::new(false))?;
//! assert!(outcome.is_accounted());
//! println!("{:.0} req/s", outcome.responses_per_second());
//! for complaint in loadgen::validity::complaints(&outcome) {
//!     println!("do not believe it: {complaint}");
//! }
//! # Ok::<_, loadgen::Error>(outcome)
//! # })();
//! # served.store(true, std::sync::atomic::Ordering::Relaxed);
//! # assert!(outcome.is_ok_and(|outcome| outcome.responses > 0));
//! # });
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # Inside
//!
//! [`response`] is the client's side of HTTP as a pure state machine without sockets or clocks. `client` drives it over epoll,
//! one thread with its own connections and counters beside the other. [`null_server`] is what to measure the
//! generator's own ceiling with.
#![forbid(unsafe_code)]

mod bodies;
mod ceiling;
mod client;
pub mod console;
mod descriptors;
mod error;
mod expect;
mod gather;
pub mod hdr;
pub mod header_field;
mod histogram;
mod load;
mod machine;
mod merge;
pub mod null_server;
mod objective;
mod observer;
mod outcome;
mod paths;
mod plan;
mod request;
pub mod response;
mod run;
mod schedule;
mod search;
pub mod seed;
pub mod stored_numbers;
pub mod text;
pub mod timeseries;
mod url;
pub mod validity;
mod words;

pub use ceiling::{Ceiling, Shape};
pub use descriptors::raise_descriptor_limit;
pub use error::Error;
pub use expect::{Expect, ExpectedBody, ExpectedLength};
pub use histogram::{Histogram, SHOWN_BEYOND, TOO_FEW};
pub use load::{Arrivals, Load, Offered};
pub use merge::{MergeError, equal_seeds, merge, overlap};
pub use objective::{Figure, Limit, Objective, ObjectiveError};
pub use observer::{Observer, Phase, Progress, WindowReport};
pub use outcome::{
    Connections, Difference, Errors, FORMAT, IdleConnections, Outcome, ThreadRecord, Unexpected, Window,
};
pub use paths::{Order, Paths, PathsError};
pub use plan::{Method, Plan};
pub use run::run;
pub use search::{Doubt, GeneratorLimit, ProbeResult, Purpose, Search, Step, Verdict};
