//! Whole checkouts of commits, for servers that are run as they lie: whatever builds them, and those that nothing builds.
//!
//! Each commit is checked out and built in one and the same place, so that equal code gives equal programs and nothing
//! tells them apart by the length of a path. Then it is put away, and it returns to that place when it has a turn, so that
//! paths that the build wrote down still hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::commits::{self, BuildError, refused, shortened};

/// The checkouts of some commits, built.
#[derive(Debug)]
pub struct Trees {
    /// Where all of them are built and have their turns.
    place: PathBuf,
    /// Where those wait that have no turn.
    kept: PathBuf,
    /// The commit in the place.
    there: Option<String>,
}

impl Trees {
    /// Trees below `kept`, none of which is in its place.
    ///
    /// # Errors
    /// [`BuildError::File`] if what a killed process left in the place cannot be removed.
    pub fn new(kept: &Path) -> Result<Self, BuildError> {
        let place = kept.join("tree");
        // Nobody knows which commit it is of, nor whether it was built to the end.
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(&place)(error)),
            _ => Ok(Self { place, kept: kept.to_path_buf(), there: None }),
        }
    }

    /// The folder in which a commit lies when it has its turn.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    fn away(&self, commit: &str) -> PathBuf {
        self.kept.join(commit).join("tree")
    }

    /// Checks a commit out and runs these commands in it, or finds that done before.
    ///
    /// # Errors
    /// [`BuildError`], a sentence each.
    pub fn build(&mut self, repository: &Path, commit: &str, commands: &[Vec<String>]) -> Result<(), BuildError> {
        let (away, built_by) = (self.away(commit), self.kept.join(commit).join("tree-commands"));
        let lines: String = commands.iter().map(|words| format!("{}\n", words.join(" "))).collect();
        if away.is_dir() && fs::read_to_string(&built_by).is_ok_and(|before| before == lines) {
            return Ok(());
        }
        self.put_away().map_err(refused(&self.place))?;
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

    /// Puts a commit that was built into the place, where it stays until another one has its turn.
    ///
    /// # Errors
    /// What the system says of the renaming.
    pub fn put(&mut self, commit: &str) -> io::Result<()> {
        if self.there.as_deref() == Some(commit) {
            return Ok(());
        }
        self.put_away()?;
        fs::rename(self.away(commit), &self.place)?;
        self.there = Some(commit.to_owned());
        Ok(())
    }

    /// Whether a commit that was built has a file at this path, which begins in its folder.
    #[must_use]
    pub fn has(&self, commit: &str, path: &str) -> bool {
        Path::new(path).is_relative() && self.file(commit, path).is_file()
    }

    /// A file of a commit that was built, wherever the commit is at the moment.
    #[must_use]
    pub fn file(&self, commit: &str, path: &str) -> PathBuf {
        if self.there.as_deref() == Some(commit) { self.place.join(path) } else { self.away(commit).join(path) }
    }

    fn put_away(&mut self) -> io::Result<()> {
        match self.there.take() {
            Some(commit) => fs::rename(&self.place, self.away(&commit)),
            None => Ok(()),
        }
    }
}

impl Drop for Trees {
    fn drop(&mut self) {
        // What cannot be put away is checked out and built anew the next time.
        let _ = self.put_away();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn trees_are_built_and_have_their_turns_in_one_place() {
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
        let mut trees = Trees::new(&kept).unwrap();
        let copy = [words("cp source program")];
        for hash in &hashes {
            trees.build(&repository, hash, &copy).unwrap();
        }
        for (hash, text) in hashes.iter().zip(["one", "two"]).cycle().take(5) {
            trees.put(hash).unwrap();
            assert_eq!(fs::read_to_string(trees.place().join("program")).unwrap(), text);
            assert!(hashes.iter().all(|hash| trees.has(hash, "program") && !trees.has(hash, "absent")));
        }
        // What was built is found again, also by another process, and other commands build anew.
        drop(trees);
        let mut trees = Trees::new(&kept).unwrap();
        let marker = trees.file(&hashes[0], "marker");
        fs::write(&marker, "").unwrap();
        trees.build(&repository, &hashes[0], &copy).unwrap();
        assert!(marker.exists());
        let error = trees.build(&repository, &hashes[0], &[words("false")]).unwrap_err().to_string();
        assert!(error.contains(shortened(&hashes[0])) && error.contains("does not build"), "{error}");
    }
}
