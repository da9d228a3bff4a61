//! The `loadgen` command. See the library of the same name for what it does.
#![forbid(unsafe_code)]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;
use loadgen::console;

fn main() -> ExitCode {
    // A wrong usage ends in there, with exit code 2.
    let arguments = cli::Arguments::parse();
    let code = commands::execute(&arguments).unwrap_or_else(|failure| {
        console::tell(format!("loadgen: {failure}\n"));
        failure.exit_code()
    });
    console::exit_code("loadgen", code)
}
