//! Why there is nothing to print.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use loadgen::PathsError;
use loadgen::stored_numbers::ImpossibleNumber;

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Run(#[from] loadgen::Error),
    #[error("unable to connect to {address} {reason}")]
    Unreachable { address: String, reason: &'static str },
    #[error("cannot write to {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {path}: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no list of paths: {source}", path = path.display())]
    Paths { path: PathBuf, source: PathsError },
    #[error("{path} is no result that --json has written: {source}", path = path.display())]
    Result { path: PathBuf, source: serde_json::Error },
    #[error(
        "{path} has the format {found} and this program reads {known}: let the same version of it measure and merge",
        path = path.display()
    )]
    Format { path: PathBuf, found: u64, known: u32 },
    #[error("{path} is no result of a run: {source}", path = path.display())]
    Number { path: PathBuf, source: ImpossibleNumber },
    #[error("these results cannot be added up: {0}")]
    Merge(#[from] loadgen::MergeError),
    #[error("{path} holds the same result as a file before it: name each only once", path = path.display())]
    SameResult { path: PathBuf },
    #[error("only one thing can be written to standard output: give the others a file")]
    CrowdedOutput,
    #[error("cannot listen on 127.0.0.1:{port}: {source}; choose another port, or 0 for a free one")]
    Listen { port: u16, source: io::Error },
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[error("cannot react to signals: {0}")]
    Signals(io::Error),
}

impl Failure {
    /// 2 where other arguments would help, 1 else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        use loadgen::Error;
        match self {
            Self::Run(Error::Url(_) | Error::Plan(_) | Error::Body { .. })
            | Self::Read { .. }
            | Self::Paths { .. }
            | Self::Result { .. }
            | Self::Format { .. }
            | Self::Number { .. }
            | Self::Merge(_)
            | Self::SameResult { .. }
            | Self::CrowdedOutput => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }
}
