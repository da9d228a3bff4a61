//! A load generator for HTTP/1.1 that says when not to believe it.
#![forbid(unsafe_code)]

mod client;
mod descriptors;
mod error;
mod histogram;
mod machine;
pub mod null_server;
mod outcome;
mod plan;
mod request;
pub mod response;
mod run;
pub mod text;
mod url;

pub use descriptors::raise_descriptor_limit;
pub use error::Error;
pub use histogram::Histogram;
pub use outcome::{Connections, Errors, FORMAT, Outcome, ThreadRecord, Unexpected, Window};
pub use plan::{Expect, ExpectedLength, KeepAlive, Method, Plan};
pub use run::{Phase, Progress, run};
