//! The reports, made from runs that are built in code and read again by their structure.
#![expect(clippy::unwrap_used, reason = "what is not there ends a test, in its helpers too")]

mod calibration;
mod chart;
mod claims;
mod comparison;
mod costs;
mod cpu_rules;
mod excluded;
mod fixture;
mod knee;
mod limited;
mod noise;
mod open_loops;
mod ranking;
mod recompute;
mod repeats;
mod report;
mod runs;
mod schema;
mod store;
mod validity;
