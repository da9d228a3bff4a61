//! What is compared with itself is refused with a sentence: a commit, and a stored run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::repository::git;

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn commit_compared_with_itself_is_refused() {
    let repository = tempfile::tempdir().unwrap();
    let folder = repository.path();
    fs::create_dir(folder.join("bench")).unwrap();
    fs::write(folder.join("bench/servers.toml"), "").unwrap();
    fs::write(folder.join("bench/compare.toml"), "").unwrap();
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", "first"]);
    git(folder, &["tag", "release"]);
    for sides in [&["compare", "HEAD"][..], &["compare", "release", "HEAD", "--quick"], &["counters", "release"]] {
        let output = bench(folder, sides);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{sides:?}: {text}");
        assert!(text.contains(&format!("{} and HEAD are the same commit, ", sides[1])), "{sides:?}: {text}");
        // Nothing was built for that.
        assert!(!folder.join("target").exists());
    }
    // Another commit with equal files is another matter: its programs may still differ.
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "second"]);
    let text = String::from_utf8_lossy(&bench(folder, &["compare", "release"]).stderr).into_owned();
    assert!(!text.contains("the same commit"), "{text}");
}

#[test]
fn run_compared_with_itself_is_refused() {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/tests/fixtures/small-run");
    let here = tempfile::tempdir().unwrap();
    // A copy of it is the same run, too.
    let copy = here.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&stored).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    for other in [&stored, &copy] {
        let output = bench(here.path(), &["compare-runs", stored.to_str().unwrap(), other.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("are the same run, "), "{text}");
    }
}
