//! Whole programs beside our servers: the bench, the load generator, the Python server, and what people point at a web server.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

mod bench;
mod loadgen;
mod python;
mod tools;
