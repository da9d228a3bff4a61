//! An outcome as text: first exactly as wrk prints it, then what wrk leaves out.

mod beyond;
mod statistics;
mod units;
mod wrk;

pub use beyond::{beyond, live_line};
pub use wrk::{headline, summary};
