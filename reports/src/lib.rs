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
pub mod failure;
pub mod figures;
pub mod ranking;
pub mod reason;
pub mod record;
pub mod sample;
pub mod statistics;
pub mod steal;
pub mod store;
pub mod timestamp;
pub mod validity;
pub mod words;

pub use environment::Environment;
pub use failure::{Failure, Phase};
pub use record::{Measurement, Round, Run};
pub use sample::ServerSample;
pub use store::Store;
pub use timestamp::Timestamp;
pub use validity::Validity;
