//! The commands of the bench, each from its command line to its files and exit code. They are one program, because most of
//! them wait for a load to end, and can do that beside each other.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

mod compare;
mod counters;
mod history;
mod own_servers;
#[path = "../place/mod.rs"]
mod place;
mod repository;
mod runs;
mod same_commit;
