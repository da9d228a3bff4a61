//! The project's folder: where suites, servers and the document root lie.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folders and files that the bench looks for.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// The nearest folder from the current one upwards that is such a project; else the one that this program was built
    /// from, if it is still there; else the current one.
    ///
    /// # Errors
    /// When the current folder is not there any more.
    pub fn find() -> io::Result<Self> {
        let current = env::current_dir()?;
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let found = current.ancestors().chain(built_from).find(|folder| is_project(folder));
        Ok(Self { folder: found.unwrap_or(&current).to_path_buf() })
    }

    /// The folder itself; relative paths in suites and servers begin here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root of the git repository in which a file or folder lies, from the file system's root on; none if it lies in none.
    /// For what lies in the project it is the project's folder, which may be a part of a repository, or of none.
    #[must_use]
    pub fn repository_of(&self, path: &Path) -> Option<PathBuf> {
        let (path, own) = (fs::canonicalize(path).ok()?, fs::canonicalize(&self.folder).ok());
        // A work tree and a submodule have a file in place of the folder.
        let is_root = |folder: &&Path| folder.join(".git").exists() || own.as_deref() == Some(*folder);
        path.ancestors().find(is_root).map(Path::to_path_buf)
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

/// Whether a folder is a project of the bench, and not one with a file of servers at the same place.
fn is_project(folder: &Path) -> bool {
    let bench = folder.join("bench");
    bench.join("servers.toml").is_file() && (bench.join("suites").is_dir() || bench.join("compare.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_folder_with_git_is_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("outer/inner/deep")).unwrap();
        let project = |name: &str| Project { folder: root.join(name) };
        let repository_of = |path: &Path| project("outer/other").repository_of(path);
        fs::create_dir(root.join("outer/.git")).unwrap();
        let file = root.join("outer/inner/deep/servers.toml");
        fs::write(&file, "").unwrap();
        assert_eq!(repository_of(&file).unwrap(), root.join("outer"));
        fs::write(root.join("outer/inner/.git"), "gitdir: elsewhere").unwrap();
        assert_eq!(repository_of(&file).unwrap(), root.join("outer/inner"));
        assert_eq!(repository_of(&root.join("absent")), None);
        // A project in a larger repository.
        assert_eq!(project("outer/inner/deep").repository_of(&file).unwrap(), root.join("outer/inner/deep"));
    }

    #[test]
    fn file_of_servers_alone_makes_no_project() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bench")).unwrap();
        fs::write(folder.path().join("bench/servers.toml"), "").unwrap();
        assert!(!is_project(folder.path()));
        fs::create_dir(folder.path().join("bench/suites")).unwrap();
        assert!(is_project(folder.path()));
    }
}
