use launch::{Clock, Found, OpenFile, Server, contain, read_in};
use protocol::{Outbox, Target};
use std::io;

/// What has to wait for the disk.
pub(crate) enum Errand {
    Find(Target),
    /// The next part of the file at the front of what is unsent.
    ReadIn(Outbox<OpenFile>),
}

/// What an errand came to.
pub(crate) enum Outcome {
    Found(Result<Found, site::Error>),
    ReadIn(Outbox<OpenFile>),
}

impl Errand {
    /// Does it, on a thread that may wait.
    pub(crate) fn run(self, server: &Server) -> Outcome {
        const WHOSE: &str = "a lookup or the reading of a file";
        match self {
            Self::Find(target) => {
                let found = contain(WHOSE, || server.documents.open(&target, Clock::new().moment()));
                Outcome::Found(found.unwrap_or_else(|| Err(site::Error::Failed(io::Error::other("it panicked")))))
            }
            // It takes what is unsent along: the client needs it for nothing until it is back.
            Self::ReadIn(unsent) => {
                contain(WHOSE, || read_in(&unsent));
                Outcome::ReadIn(unsent)
            }
        }
    }
}
