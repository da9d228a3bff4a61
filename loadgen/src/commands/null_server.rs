//! `loadgen null-server`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use loadgen::console;
use loadgen::null_server::NullServer;

use super::Failure;
use crate::cli::NullServerArguments;

pub(super) fn serve(arguments: &NullServerArguments, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let &NullServerArguments { port, workers, .. } = arguments;
    let body = match &arguments.body {
        Some(path) => Some(read_file(path).map_err(|source| Failure::Read { path: path.clone(), source })?),
        None => None,
    };
    let mut server = NullServer::bind(port, workers).map_err(|source| Failure::Listen { port, source })?;
    if let Some(body) = body {
        server = server.with_body(&arguments.content_type, &body);
    }
    let address = server.address().map_err(Failure::Serve)?;
    let plural = if workers == 1 { "worker" } else { "workers" };
    console::say(format!("listening on http://{address} (null-server, {workers} {plural})\n"));
    server.serve(stop).map_err(Failure::Serve)?;
    Ok(ExitCode::SUCCESS)
}

/// The bytes of a regular file: a device may have no end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() { fs::read(path) } else { Err(io::Error::other("it is not a regular file")) }
}
