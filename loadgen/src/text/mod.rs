//! An outcome as text: first exactly as wrk prints it, then what wrk leaves out.

mod beyond;
mod generator;
mod lines;
mod live;
mod statistics;
mod units;
mod wrk;

pub use beyond::beyond;
pub use live::live_line;
pub use wrk::{headline, summary};
