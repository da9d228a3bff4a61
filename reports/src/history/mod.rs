//! How figures move from run to run, over months: a file with a line of JSON for each run, and the steps in it.
//!
//! - [`line`](mod@line) is what is kept of a run, [`measure`] which of its figures are followed;
//! - [`file`](mod@file) reads and appends;
//! - [`series`](mod@series) puts the figures that belong together in their order and looks for steps;
//! - [`finding`] says what was found, [`export`] hands the newest run to others. The chart is drawn by
//!   [`chart::history`](mod@crate::chart::history).
//!
//! Unlike a [`Run`](crate::Run), a line holds derived figures and no raw ones: it has to stay small. What a better
//! formula would make of a run that is gone cannot be known.

pub mod export;
pub mod file;
pub mod finding;
#[cfg(test)]
mod fixture;
pub mod line;
pub mod measure;
pub mod series;

pub use file::{History, HistoryError};
pub use line::{Entry, Figure, Line, Machine};
pub use measure::Measure;
pub use series::{Series, series};
