//! Whole checkouts of commits, for servers that are run as they lie: whatever builds them, and those that nothing builds.
//!
//! Each commit is checked out and built in one and the same place, so that equal code gives equal programs. Then it is put
//! away under its hash, where its servers are run: both at the same time, with paths of one length.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::commits::{self, BuildError, refused, shortened};

/// The checkouts of some commits, built.
#[derive(Debug)]
pub struct Trees {
    /// Where all of them are built.
    place: PathBuf,
    /// Where they lie afterwards.
    kept: PathBuf,
}

impl Trees {
    /// Trees below `kept`.
    ///
    /// # Errors
    /// [`BuildError::File`] if what a killed process left in the place cannot be removed.
    pub fn new(kept: &Path) -> Result<Self, BuildError> {
        let place = kept.join("tree");
        // Nobody knows which commit it is of, nor whether it was built to the end.
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&place)(error)),
            _ => Ok(Self { place, kept: kept.to_path_buf() }),
        }
    }

    /// The folder in which each commit is built.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The folder in which a commit that was built lies.
    #[must_use]
    pub fn of(&self, commit: &str) -> PathBuf {
        self.kept.join(commit).join("tree")
    }

    /// Checks a commit out and runs these commands in it, or finds that done before.
    ///
    /// # Errors
    /// [`BuildError`], a sentence each.
    pub fn build(&self, repository: &Path, commit: &str, commands: &[Vec<String>]) -> Result<(), BuildError> {
        let (away, built_by) = (self.of(commit), self.kept.join(commit).join("tree-commands"));
        let lines: String = commands.iter().map(|words| format!("{}\n", words.join(" "))).collect();
        if away.is_dir() && fs::read_to_string(&built_by).is_ok_and(|before| before == lines) {
            return Ok(());
        }
        for old in [&away, &self.place] {
            if old.exists() {
                fs::remove_dir_all(old).map_err(refused(old))?;
            }
        }
        commits::check_out(repository, &self.place, commit)?;
        for words in commands {
            let Some((program, arguments)) = words.split_first() else { continue };
            // What it says goes where errors go: standard output is the report's.
            let status = Command::new(program)
                .args(arguments)
                .current_dir(&self.place)
                // The checkout says which compiler it wants, not the one that built this program.
                .env_remove("RUSTUP_TOOLCHAIN")
                .stdin(Stdio::null())
                .stdout(io::stderr())
                .status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(BuildError::NotBuilt { commit: shortened(commit).to_owned() });
            }
        }
        let folder = self.kept.join(commit);
        fs::create_dir_all(&folder).map_err(refused(&folder))?;
        fs::rename(&self.place, &away).map_err(refused(&away))?;
        fs::write(&built_by, lines).map_err(refused(&built_by))
    }

    /// Whether a commit that was built has a file at this path, which begins in its folder.
    #[must_use]
    pub fn has(&self, commit: &str, path: &str) -> bool {
        Path::new(path).is_relative() && self.file(commit, path).is_file()
    }

    /// A file of a commit that was built.
    #[must_use]
    pub fn file(&self, commit: &str, path: &str) -> PathBuf {
        self.of(commit).join(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn trees_are_built_in_one_place_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, kept) = (folder.path().join("repository"), folder.path().join("kept"));
        fs::create_dir_all(&repository).unwrap();
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        let git = |arguments: &[&str]| commits::git(&repository, arguments, "do it").unwrap();
        git(&["init", "--quiet"]);
        let mut hashes = Vec::new();
        for text in ["one", "two"] {
            fs::write(repository.join("source"), text).unwrap();
            git(&["add", "--all"]);
            git(&[&who[..], &["commit", "--quiet", "-m", text]].concat());
            hashes.push(git(&["rev-parse", "HEAD"]));
        }
        let trees = Trees::new(&kept).unwrap();
        let copy = [words("cp source program")];
        for hash in &hashes {
            trees.build(&repository, hash, &copy).unwrap();
        }
        for (hash, text) in hashes.iter().zip(["one", "two"]) {
            assert_eq!(fs::read_to_string(trees.file(hash, "program")).unwrap(), text);
            assert!(trees.has(hash, "program") && !trees.has(hash, "absent") && !trees.has(hash, "/bin/sh"));
        }
        // What was built is found again, also by another process, and other commands build anew.
        let trees = Trees::new(&kept).unwrap();
        let marker = trees.file(&hashes[0], "marker");
        fs::write(&marker, "").unwrap();
        trees.build(&repository, &hashes[0], &copy).unwrap();
        assert!(marker.exists());
        let error = trees.build(&repository, &hashes[0], &[words("false")]).unwrap_err().to_string();
        assert!(error.contains(shortened(&hashes[0])) && error.contains("does not build"), "{error}");
    }
}
