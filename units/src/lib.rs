//! Lengths of time and sizes as people write them: one grammar for every program and file of the project.
#![forbid(unsafe_code)]

mod bytes;
mod duration;

pub use bytes::{BytesError, bytes};
pub use duration::{DurationError, duration, duration_or_seconds};
