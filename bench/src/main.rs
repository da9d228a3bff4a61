//! The `bench` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use loadgen::console;
use otus_bench::cli::CommandLine;
use otus_bench::commands;

fn main() -> ExitCode {
    let code = commands::run(CommandLine::parse()).unwrap_or_else(|error| {
        console::tell(format_args!("bench: {error}\n"));
        ExitCode::from(error.exit_code())
    });
    console::exit_code("bench", code)
}
