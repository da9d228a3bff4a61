//! The project's folder: where suites, servers and the document root lie.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

/// The folders and files that the bench looks for.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// The nearest folder from the current one upwards that has a `bench/servers.toml`; else the current one.
    ///
    /// # Errors
    /// When the current folder is not there any more.
    pub fn find() -> io::Result<Self> {
        let current = env::current_dir()?;
        let above = current.ancestors().find(|folder| folder.join("bench/servers.toml").is_file());
        Ok(Self { folder: above.unwrap_or(&current).to_path_buf() })
    }

    /// The folder itself; relative paths in suites and servers begin here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The servers that ship.
    #[must_use]
    pub fn servers(&self) -> PathBuf {
        self.folder.join("bench/servers.toml")
    }

    /// The folder of the suites that ship.
    #[must_use]
    pub fn suites(&self) -> PathBuf {
        self.folder.join("bench/suites")
    }

    /// The folder of the experiments that ship.
    #[must_use]
    pub fn experiments(&self) -> PathBuf {
        self.folder.join("bench/experiments")
    }

    /// What a comparison of commits does.
    #[must_use]
    pub fn comparison(&self) -> PathBuf {
        self.folder.join("bench/compare.toml")
    }

    /// Where programs of other commits are built and kept.
    #[must_use]
    pub fn commits(&self) -> PathBuf {
        self.folder.join("target/commits")
    }

    /// Where comparisons of commits are stored unless another place is asked for.
    #[must_use]
    pub fn comparisons(&self) -> PathBuf {
        self.folder.join("target/comparisons")
    }

    /// Where runs are stored unless another place is asked for.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.folder.join("target/bench")
    }
}
