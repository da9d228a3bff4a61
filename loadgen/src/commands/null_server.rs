//! `loadgen null-server`.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use loadgen::null_server::NullServer;

use super::{Failure, print};
use crate::cli::NullServerArguments;

pub(super) fn serve(arguments: &NullServerArguments, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let &NullServerArguments { port, workers } = arguments;
    let server = NullServer::bind(port, workers).map_err(|source| Failure::Listen { port, source })?;
    let address = server.address().map_err(Failure::Serve)?;
    let plural = if workers == 1 { "worker" } else { "workers" };
    print(&format!("listening on http://{address} (null-server, {workers} {plural})\n"));
    server.serve(stop).map_err(Failure::Serve)?;
    Ok(ExitCode::SUCCESS)
}
