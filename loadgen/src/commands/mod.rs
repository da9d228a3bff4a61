//! What the command does with its arguments.

mod calibrate;
mod ceilings;
mod display;
mod failure;
mod merge;
mod null_server;
mod offer_load;
mod report;
mod search;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

pub(crate) use failure::Failure;

use crate::cli::{Arguments, Command};

/// Does what was asked for.
pub(crate) fn execute(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let descriptors = loadgen::raise_descriptor_limit();
    let stop = stop_on_signals().map_err(Failure::Signals)?;
    let run = &arguments.run;
    match &arguments.command {
        Some(Command::NullServer(arguments)) => null_server::serve(arguments, &stop),
        Some(Command::Merge(arguments)) => merge::merge(arguments),
        None if run.is_calibration() => calibrate::calibrate(run, descriptors, &stop),
        None => match run.objective() {
            Some(objective) => search::search(run, objective, descriptors, &stop),
            None => offer_load::offer_load(run, descriptors, &stop),
        },
    }
}

/// The first SIGINT or SIGTERM asks for an orderly end, the second one ends the process at once.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
