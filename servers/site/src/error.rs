use rustix::io::Errno;
use std::{io, path::PathBuf};

/// Why a name could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file, it is none that may be served, or its name leads out of the root.
    #[error("no such file beneath the document root")]
    NotFound,
    /// It may not be read.
    #[error("permission to read the file is denied")]
    Forbidden,
    /// The process or the machine is out of descriptors or memory for the moment.
    #[error("out of file descriptors or memory: {0}")]
    Exhausted(io::Error),
    /// The disk or the file system failed.
    #[error("cannot read the file: {0}")]
    Failed(io::Error),
    /// The document root itself cannot be opened.
    #[error("cannot open the document root {}: {source}; name a directory with --root", .path.display())]
    Root {
        /// The root as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            // XDEV is what openat2 says of a name that leads out, LOOP of too many links and of magic ones.
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::XDEV | Errno::LOOP | Errno::NXIO => {
                Self::NotFound
            }
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted(errno.into()),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::Failed(error),
        }
    }
}
