//! Runs of the generator against servers that behave in every way that servers do. Whatever they do, the run ends in time and
//! every request is accounted for.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod faulty_servers;
mod server;
