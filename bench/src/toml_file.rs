//! Suites and servers come from TOML files; whatever is wrong with one is told with its file and line.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;

/// Why a file of settings was not understood.
#[derive(Debug, thiserror::Error)]
pub enum TomlFileError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in the file is not as it must be.
    #[error("{}, line {line}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong and what is possible.
        problem: String,
    },
}

/// A file of settings that was read, kept so that problems can be told with their line.
#[derive(Debug)]
pub struct TomlFile {
    path: PathBuf,
    text: String,
}

impl TomlFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// [`TomlFileError::Unreadable`].
    pub fn read(path: &Path) -> Result<Self, TomlFileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TomlFileError::Unreadable { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), text })
    }

    /// Understands the text as a value.
    ///
    /// # Errors
    /// [`TomlFileError::Wrong`], for a key that does not exist too.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, TomlFileError> {
        toml::from_str(&self.text)
            .map_err(|error| self.problem(error.span().unwrap_or_default(), error.message().replace('\n', ", ")))
    }

    /// A problem with a part of the file.
    #[must_use]
    pub fn problem(&self, at: Range<usize>, problem: impl Into<String>) -> TomlFileError {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        TomlFileError::Wrong { path: self.path.clone(), line, problem: problem.into() }
    }

    /// A problem with a value of the file.
    #[must_use]
    pub fn problem_with<T>(&self, value: &Spanned<T>, problem: impl Into<String>) -> TomlFileError {
        self.problem(value.span(), problem)
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
