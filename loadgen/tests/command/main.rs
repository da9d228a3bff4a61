//! The command as it is used: its text, its files, its signals and its exit codes.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod calibrate;
mod files;
mod merge;
mod output;
mod program;
mod run;
mod search;
