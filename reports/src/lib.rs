//! The stored record of a run and everything that is said about it.
//!
//! `bench` fills a [`Run`]; a [`Store`] keeps it in one folder; [`write_all`] makes the report beside it. Nothing
//! derived is stored: every figure is computed from the raw rounds each time it is asked for, so that a better formula
//! improves old runs, too.
//!
//! In the order in which they build on each other:
//!
//! - the record: [`record`], [`failure`], [`sample`], [`system_calls`], [`environment`], [`timestamp`], and the folder it
//!   lives in, [`store`];
//! - what it comes to: [`steal`] finds the quiet windows, [`round_exclusion`] says which rounds do not count, [`figures`]
//!   adds up those that do and [`totals`] all of them, [`statistics`] compares rounds, [`scalability`] fits what more workers bring;
//! - what may be said: [`validity`] judges a measurement, gives each [`reason`] and adds a [`note`], [`cpu_rules`] look at where
//!   server and client ran, [`ranking`] puts the valid ones in
//!   order, by their [`merit`], and [`repeats`] what is measured again;
//! - how it is said: [`headline`] and [`summary`] in sentences, [`decision`] in a table of all loads, [`scaling`] of more workers, [`knee`] of more load, [`costs`]
//!   of a request, [`contrast`] of two comparisons, [`sensitivity`] of what would have been seen, [`exclusions`] from the ranking, [`certainty`] of it all, [`facts`] about machine and build, [`columns`]
//!   of the tables and [`fields`] for programs, [`mod@chart`] in pictures, with figures set in [`words`];
//! - two commits side by side, with a verdict: [`comparison`];
//! - where it goes: [`html`], [`markdown`], [`text`], and [`mod@report`] for the folder;
//! - how it goes on: [`history`] keeps a line of every run, and finds the steps between them.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = reports::Store::open("target/bench/latest".as_ref())?;
//! let run = store.load()?;
//! let written = reports::write_all(&run, store.folder())?;
//! print!("{}", reports::text::render(&run));
//! println!("{}", written.html.display());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod certainty;
pub mod chart;
pub mod columns;
pub mod comparison;
pub mod connection_error;
pub mod contrast;
pub mod costs;
pub mod cpu_rules;
pub mod csv;
pub mod decision;
pub mod environment;
pub mod exclusions;
pub mod facts;
pub mod failure;
pub mod fields;
pub mod figures;
pub mod freshness;
pub mod headline;
pub mod history;
pub mod html;
pub mod interpreter;
pub mod knee;
pub mod markdown;
pub mod merit;
pub mod note;
pub mod ranking;
pub mod reason;
pub mod record;
pub mod repeats;
pub mod report;
pub mod round_exclusion;
pub mod sample;
pub mod scalability;
pub mod scaling;
pub mod sensitivity;
pub mod statistics;
pub mod steal;
pub mod store;
pub mod summary;
pub mod system_calls;
pub mod text;
pub mod timestamp;
pub mod totals;
pub mod validity;
pub mod words;

pub use comparison::Comparison;
pub use environment::Environment;
pub use failure::{Failure, Phase};
pub use freshness::Freshness;
pub use record::{Measurement, Round, Run};
pub use report::{Error, PathsWritten, write_all, write_relative_to};
pub use sample::ServerSample;
pub use store::Store;
pub use system_calls::{Counting, NotCounted, SystemCalls};
pub use timestamp::Timestamp;
pub use validity::Validity;
