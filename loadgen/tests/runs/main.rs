//! Runs of the generator against servers that behave in every way that servers do. Whatever they do, the run ends in
//! time and every request is accounted for.
//!
//! What a run found out is compared with what its server counted, with the server's clock or with arithmetic. A busy
//! machine makes all of them later and none of them wrong.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bodies;
mod child;
mod connection;
mod faulty_servers;
mod figures;
mod idle_connections;
mod limits;
mod lying_servers;
mod open_loop;
mod outages;
mod paths;
mod pipelines;
mod server;
mod slow_readers;
mod stalls;
mod verdict;
