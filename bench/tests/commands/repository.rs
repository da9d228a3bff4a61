//! What the tests share that make a git repository of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs git in a repository, under a name of its own and not that of the machine's user.
#[track_caller]
pub(crate) fn git(folder: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
    let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a file, with the folders that it is in.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}
