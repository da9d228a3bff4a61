//! The `bench` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use otus_bench::cli::CommandLine;
use otus_bench::commands;

fn main() -> ExitCode {
    match commands::run(CommandLine::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
