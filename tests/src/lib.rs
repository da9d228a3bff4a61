//! What the black-box tests stand on: real server processes, raw TCP clients, and deadlines on everything.
//!
//! A test is a function of a [`Model`]; [`under_every_model!`] makes one test of it per model, so that a failure
//! reads `epoll::keeps_alive`:
//!
//! ```ignore
//! harness::under_every_model!(keeps_alive);
//!
//! fn keeps_alive(model: Model) {
//!     let server = Server::of(model).start();
//!     let mut client = server.connect();
//!     client.get("/");
//!     client.get("/");
//! }
//! ```
//!
//! The harness panics where a test would have to: it says what it waited for, for how long, and what it got instead.
//! Nothing here sleeps for a fixed time to let something happen; it waits for the thing, up to [`PATIENCE`].
//!
//! The programs under test are built once per test run by [`binary`], in the profile of the tests. Programs that
//! are not ours (wrk, ab, h2load, curl, Chromium) are looked up by [`tool`]; a missing one skips its test and
//! says so, or fails it when `OTUS_REQUIRE_TOOLS` is set. `OTUS_AB_REQUESTS=50000` gives ab its full count.
//! `OTUS_WRITE_DOCS=1` writes what a page of `docs/` shows of a trace into that page, instead of comparing it.
#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "to panic is how everything here fails, as the crate's docs say")]

mod attack;
mod attackers;
mod binaries;
mod client;
mod command;
pub mod conformance;
mod descriptors;
mod good_client;
mod model;
mod process;
mod response;
mod root;
mod server;
mod strace;
mod tool;
mod wait;
mod wrk_text;

pub use attack::{Attack, Manner, Reading};
pub use attackers::{Attackers, Toll};
pub use binaries::{binary, workspace, www};
pub use client::{Client, request};
pub use command::{Finished, copy_to_start, finish};
pub use descriptors::{Room, room_for_connections, scaled};
pub use good_client::{GoodClient, Latencies, Visits};
pub use model::Model;
pub use process::Process;
pub use response::{Malformed, Response, Unanswered};
pub use root::Root;
pub use server::{Log, Server, Start};
pub use strace::under_strace;
pub use tool::{tool, tool_among};
pub use wait::{PATIENCE, eventually, wait_until};
pub use wrk_text::{Distribution, Row, SocketErrors, WrkText};
