//! Why a run could not even start.

use std::io;
use std::path::PathBuf;

/// Why a run could not even start. Whatever happens once there is an address to connect to is part of the
/// [`Outcome`](crate::Outcome) instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one that can be asked for.
    #[error("invalid URL: {0}")]
    Url(String),
    /// The host has no address.
    #[error("no address for {host}: {source}")]
    Resolve {
        /// The host and port of the URL.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// A figure of the plan is out of its bounds.
    #[error("{0}")]
    Plan(String),
    /// A file that holds an expected body cannot be read.
    #[error("cannot read {path}, which is to be compared with responses: {source}", path = path.display())]
    Body {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused something that the client's threads need.
    #[error("cannot {what}: {source}")]
    System {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}
