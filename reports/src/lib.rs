//! The stored record of a run and everything that is said about it.
//!
//! `bench` fills a [`Run`]; a [`Store`] keeps it in one folder; the rest of this library only reads it. Nothing derived
//! is stored: every figure in a report is computed from the raw rounds each time it is asked for, so that a better
//! formula improves old runs, too.
//!
//! The order in which to read it:
//!
//! - the record: [`record`], [`sample`], [`environment`], [`timestamp`], and the folder it lives in: [`store`];
#![forbid(unsafe_code)]

pub mod environment;
pub mod record;
pub mod sample;
pub mod statistics;
pub mod store;
pub mod timestamp;

pub use environment::Environment;
pub use record::{Measurement, Round, Run};
pub use sample::ServerSample;
pub use store::Store;
pub use timestamp::Timestamp;
