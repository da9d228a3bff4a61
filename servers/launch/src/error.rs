use std::{io, net::SocketAddr};

/// Why a server did not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The document root cannot be opened.
    #[error("{0}")]
    Root(#[from] site::Error),
    /// Somebody else listens there.
    #[error("cannot listen on {0}: the port is taken; choose another, or 0 for a free one")]
    Taken(SocketAddr),
    /// The address cannot be had for another reason.
    #[error("cannot listen on {address}: {source}; choose another with --address and PORT")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Something that the server cannot do without was refused by the system.
    #[error("cannot {action}: {source}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names what was to be done.
    pub fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// 2 for what its user can change on the command line, 1 for everything else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Root(_) => 2,
            Self::Taken(_) | Self::Listen { .. } | Self::System { .. } => 1,
        }
    }
}
