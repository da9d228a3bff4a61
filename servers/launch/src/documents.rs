use crate::{
    complain,
    open_files::{OpenFile, OpenFiles},
};
use protocol::{Connection, Content, Document, Fields, Moment, Outbox, Refusal, Target};
use site::{Entry, Metadata, Site};
use std::sync::Arc;

/// What was found in the document root, with the fields that the protocol rendered for it.
#[derive(Debug)]
pub enum Found {
    /// A file that is in memory.
    Hot(Arc<Entry<Fields>>),
    /// A file that is too long for that.
    Cold {
        /// The fields of its response.
        rendered: Fields,
        /// The file, positioned at its start.
        file: OpenFile,
    },
    /// A directory that was asked for by the name of a file.
    Directory,
}

/// The document root, as the protocol asks for it.
#[derive(Debug)]
pub struct Documents {
    site: Site<Fields>,
    files: OpenFiles,
}

impl Documents {
    /// A document root of which at most `most_files` files are open to be sent at once.
    pub(crate) fn new(site: Site<Fields>, most_files: usize) -> Self {
        Self { site, files: OpenFiles::new(most_files) }
    }

    /// What the cache knows of a target; never blocks.
    #[must_use]
    pub fn lookup(&self, target: &Target, at: &Moment) -> Option<Found> {
        self.site.lookup(target.path(), target.is_directory(), at.monotonic()).map(Found::Hot)
    }

    /// What the cache knows, or else the disk as far as it need not be waited for; nothing if it would have to be.
    /// Its work is bounded: at most it copies a file that is short enough for the cache from the kernel's memory.
    #[must_use]
    pub fn find_at_once(&self, target: &Target, at: &Moment) -> Option<Result<Found, site::Error>> {
        self.lookup(target, at).map(Ok).or_else(|| {
            let (name, directory, now) = (target.path(), target.is_directory(), at.monotonic());
            let found = self.site.open_at_once(name, directory, now, |file| render(file, at))?;
            Some(found.and_then(|found| self.count(found)))
        })
    }

    /// What the disk knows of a target; may block.
    ///
    /// # Errors
    /// Why there is nothing to serve.
    pub fn open(&self, target: &Target, at: &Moment) -> Result<Found, site::Error> {
        let (name, directory, now) = (target.path(), target.is_directory(), at.monotonic());
        let found = self.site.open(name, directory, now, |file| render(file, at))?;
        self.count(found)
    }

    /// Counts a file that is to be sent, and refuses it if too many are open.
    fn count(&self, found: site::Found<Fields>) -> Result<Found, site::Error> {
        Ok(match found {
            site::Found::Hot(entry) => Found::Hot(entry),
            site::Found::Cold { rendered, file } => Found::Cold { rendered, file: self.files.add(file)? },
            site::Found::Directory => Found::Directory,
        })
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
pub fn answer(
    connection: &mut Connection,
    found: Result<Found, site::Error>,
    outbox: &mut Outbox<OpenFile>,
    at: &Moment,
) {
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
