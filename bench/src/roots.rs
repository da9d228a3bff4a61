//! The document roots of a run: folders of suites, the one that was asked for instead, and the files that are made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::documents;
use crate::plan::Plan;
use crate::suite::{MADE, Root};

/// Every document root of a run, from the file system's root on.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    known: Vec<(Root, PathBuf)>,
}

/// A document root that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A folder that is not there or may not be read.
    #[error("the document root {} cannot be used: {source}; name another with --root", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files that the bench makes could not be written.
    #[error("cannot make the files to be measured with in {}: {source}; name another folder with --out", path.display())]
    NotMade {
        /// The folder of all runs.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Roots {
    /// Finds the roots of all measurements: folders from the project's on, or the `given` one in place of each; files that
    /// the bench makes lie below `runs`.
    ///
    /// # Errors
    /// [`RootError`] for the first one that cannot be used.
    pub fn find(plan: &Plan, project: &Path, given: Option<&Path>, runs: &Path) -> Result<Self, RootError> {
        let mut roots = Self::default();
        for root in plan.measurements.iter().map(|one| &one.workload.root) {
            if roots.known.iter().any(|(known, _)| known == root) {
                continue;
            }
            let path = match (root, given) {
                (Root::Made, _) => {
                    documents::make(runs).map_err(|source| RootError::NotMade { path: runs.to_path_buf(), source })?
                }
                (Root::Folder(_), Some(given)) => usable(given)?,
                (Root::Folder(folder), None) => usable(&project.join(folder))?,
            };
            roots.known.push((root.clone(), path));
        }
        Ok(roots)
    }

    /// Where a root lies.
    #[must_use]
    pub fn of(&self, root: &Root) -> &Path {
        let found = self.known.iter().find(|(known, _)| known == root);
        // Every root of the plan was found or there would be no value of this type.
        found.map_or(Path::new(MADE), |(_, path)| path)
    }
}

fn usable(path: &Path) -> Result<PathBuf, RootError> {
    let root = fs::canonicalize(path).and_then(|root| fs::read_dir(&root).map(|_| root));
    root.map_err(|source| RootError::Folder { path: path.to_path_buf(), source })
}
