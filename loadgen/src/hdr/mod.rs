//! Latencies in the two forms that the tools around `HdrHistogram` read.
//!
//! [`percentile_distribution`] is the text that its plotters draw (`.hgrm`), [`LogWriter`] writes its interval log
//! (`.hlog`). Both give durations for people in milliseconds; the histograms inside the log hold nanoseconds. In
//! both, durations beyond one hour count as one hour, as everywhere in a [`Histogram`](crate::Histogram).

mod distribution;
mod log;

pub use distribution::percentile_distribution;
pub use log::LogWriter;

/// How many of the unit that durations are kept in make one of the unit that they are written in.
const NANOSECONDS_PER_MILLISECOND: f64 = 1e6;
