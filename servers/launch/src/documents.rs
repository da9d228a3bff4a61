use crate::complain;
use protocol::{Connection, Content, Document, Fields, Moment, Outbox, Refusal, Target};
use site::{Metadata, Site};
use std::fs::File;

/// What was found in the document root, with the fields that the protocol rendered for it.
pub type Found = site::Found<Fields>;

/// The document root, as the protocol asks for it.
#[derive(Debug)]
pub struct Documents {
    site: Site<Fields>,
}

impl Documents {
    pub(crate) fn new(site: Site<Fields>) -> Self {
        Self { site }
    }

    /// What the cache knows of a target; never blocks.
    #[must_use]
    pub fn lookup(&self, target: &Target, at: &Moment) -> Option<Found> {
        self.site.lookup(target.path(), target.is_directory(), at.monotonic())
    }

    /// What the cache knows, or else the disk as far as it need not be waited for; nothing if it would have to be.
    /// Its work is bounded: at most it copies a file that is short enough for the cache from the kernel's memory.
    #[must_use]
    pub fn find_at_once(&self, target: &Target, at: &Moment) -> Option<Result<Found, site::Error>> {
        self.lookup(target, at).map(Ok).or_else(|| {
            self.site.open_at_once(target.path(), target.is_directory(), at.monotonic(), |file| render(file, at))
        })
    }

    /// What the disk knows of a target; may block.
    ///
    /// # Errors
    /// Why there is nothing to serve.
    pub fn open(&self, target: &Target, at: &Moment) -> Result<Found, site::Error> {
        self.site.open(target.path(), target.is_directory(), at.monotonic(), |file| render(file, at))
    }

    /// What the cache knows, or else the disk; may block.
    ///
    /// # Errors
    /// Why there is nothing to serve.
    pub fn find(&self, target: &Target, at: &Moment) -> Result<Found, site::Error> {
        self.lookup(target, at).map_or_else(|| self.open(target, at), Ok)
    }
}

fn render(file: &Metadata, at: &Moment) -> Fields {
    Fields::new(file.name, file.length, file.modified, file.version, at.wall())
}

/// Answers a connection's lookup with what was found.
pub fn answer(connection: &mut Connection, found: Result<Found, site::Error>, outbox: &mut Outbox<File>, at: &Moment) {
    #[cfg(feature = "burn")]
    crate::burn::slow_down();
    match found {
        Ok(Found::Hot(entry)) => {
            let document = Document { fields: &entry.rendered, content: Content::Memory(&entry.content) };
            connection.answer(Ok(protocol::Found::Document(document)), outbox, at);
        }
        Ok(Found::Cold { rendered, file }) => {
            let document = Document { fields: &rendered, content: Content::File(file) };
            connection.answer(Ok(protocol::Found::Document(document)), outbox, at);
        }
        Ok(Found::Directory) => connection.answer(Ok(protocol::Found::Directory), outbox, at),
        Err(error) => connection.answer(Err(refusal(&error)), outbox, at),
    }
}

fn refusal(error: &site::Error) -> Refusal {
    match error {
        site::Error::NotFound => Refusal::NotFound,
        site::Error::Forbidden => Refusal::Forbidden,
        site::Error::Exhausted(_) => Refusal::Unavailable,
        site::Error::Failed(_) | site::Error::Root { .. } => {
            complain(error);
            Refusal::Failed
        }
    }
}
