//! What the fuzz targets see of the inside: both ways of opening a name, each by itself.

use crate::{Error, Site, beneath::Beneath};
use rustix::fs::OFlags;
use std::{os::fd::OwnedFd, path::Path, sync::atomic::Ordering};

/// A directory and the two ways of opening a name beneath it.
#[derive(Debug)]
pub struct Ways {
    beneath: Beneath,
}

impl Ways {
    /// Opens the directory.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(root: &Path) -> Result<Self, Error> {
        Ok(Self { beneath: Beneath::new(root)? })
    }

    /// Opens `name`, which is not empty, with `openat2`.
    ///
    /// # Errors
    /// [`Error`] says why not.
    pub fn by_kernel(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Error> {
        Ok(self.beneath.resolve(name, flags)?)
    }

    /// Opens `name`, which is not empty, from descriptor to descriptor.
    ///
    /// # Errors
    /// [`Error`] says why not.
    pub fn by_walking(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Error> {
        Ok(self.beneath.walk(name, flags)?)
    }
}

/// Lets a site walk from descriptor to descriptor, as where the kernel refuses `openat2`.
pub fn walk_only<R>(site: &Site<R>) {
    site.root.walks.store(true, Ordering::Relaxed);
}
