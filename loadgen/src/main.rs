//! The `loadgen` command. See the library of the same name for what it does.
#![forbid(unsafe_code)]

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // A wrong usage ends in there, with exit code 2.
    let arguments = cli::Arguments::parse();
    match commands::execute(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            commands::print_to_stderr(&format!("loadgen: {failure}\n"));
            failure.exit_code()
        }
    }
}
