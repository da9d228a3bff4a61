//! The arithmetic of few repeats. It knows nothing of servers.
//!
//! - [`paired_ratio`]: how many times as much, with its interval, its p-value, and what would have been seen;
//! - [`median`].

mod bootstrap;
mod median;
mod moments;
mod ratio;
#[cfg(test)]
mod simulation;
mod student;

pub use median::median;
pub use ratio::{BOOTSTRAP_FROM, Ratio, paired_ratio};

/// How often an interval may miss the truth, and a pair of equals be called different.
const SIGNIFICANCE: f64 = 0.05;
