//! Programs of other commits, built side by side: each commit is checked out into one and the same folder and built into
//! one and the same target folder, so that equal code gives equal programs and dependencies are built once. What was built
//! is kept under the commit's name.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Programs of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The commit's full hash.
    pub commit: String,
    /// The programs by their packages.
    pub programs: BTreeMap<String, PathBuf>,
    /// Packages that the commit does not have.
    pub missing: Vec<String>,
    /// The compiler that built them, as `rustc --version` has it, if it tells.
    pub compiler: Option<String>,
}

/// What `cargo metadata` tells, as far as it is asked for.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// Why there is no build.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name that is none of a commit.
    #[error("{revision} is no commit of the repository at {}: name a branch, a tag or a hash", folder.display())]
    NoCommit {
        /// What was named.
        revision: String,
        /// Where.
        folder: PathBuf,
    },
    /// The folder of the repository is missing.
    #[error("there is no folder {}: name the repository's with --repo", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is in no repository.
    #[error("{} is in no git repository: go into one, or name one with --repo", folder.display())]
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// git does not trust the repository's owner.
    #[error(
        "git does not read the repository at {}, because it belongs to another user: if you trust it, `git config --global \
         --add safe.directory {}`",
        folder.display(),
        folder.display()
    )]
    OtherOwner {
        /// The folder.
        folder: PathBuf,
    },
    /// The repository has only its newest commits.
    #[error(
        "{revision} is no commit of the repository at {}, which is a shallow clone: `git fetch --unshallow`, or in a workflow \
         `fetch-depth: 0`, brings the others",
        folder.display()
    )]
    Shallow {
        /// What was named.
        revision: String,
        /// Where.
        folder: PathBuf,
    },
    /// git refused something.
    #[error("git could not {what}: {said}")]
    Git {
        /// What it was to do.
        what: String,
        /// The last line of what it said.
        said: String,
    },
    /// The commit does not build.
    #[error(
        "the commit {commit} does not build (the messages are above): compare another one, or other servers with --only"
    )]
    NotBuilt {
        /// Its hash, shortened.
        commit: String,
    },
    /// Another command is at work in the same folder.
    #[error("another comparison is at work in {}: wait until it has ended", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot keep what was built at {}: {source}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The hash of a commit.
///
/// # Errors
/// [`BuildError::NoCommit`] if nothing has that name, or what is wrong with the repository.
pub fn find(project: &Path, revision: &str) -> Result<String, BuildError> {
    let named = format!("{revision}^{{commit}}");
    git(project, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named], "find the commit")
        .map_err(|_| why_not_found(project, revision))
}

fn why_not_found(folder: &Path, revision: &str) -> BuildError {
    let (revision, folder) = (revision.to_owned(), folder.to_path_buf());
    if !folder.is_dir() {
        return BuildError::NoFolder { folder };
    }
    match git(&folder, &["rev-parse", "--is-shallow-repository"], "read the repository") {
        Ok(is_shallow) if is_shallow == "true" => BuildError::Shallow { revision, folder },
        Ok(_) => BuildError::NoCommit { revision, folder },
        // The second where the search for one ended at the mount point of another file system.
        Err(BuildError::Git { said, .. })
            if ["not a git repository", "filesystem boundary"].iter().any(|why| said.contains(why)) =>
        {
            BuildError::NoRepository { folder }
        }
        // The last line is git's advice.
        Err(BuildError::Git { said, .. }) if said.contains("safe.directory") => BuildError::OtherOwner { folder },
        Err(error) => error,
    }
}

/// The first letters of a hash, which are enough for a reader.
#[must_use]
pub fn shortened(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

/// Whether files that git knows differ from the last commit.
#[must_use]
pub fn is_dirty(project: &Path) -> bool {
    git(project, &["status", "--porcelain", "--untracked-files=no"], "see what changed")
        .is_ok_and(|text| !text.is_empty())
}

/// Takes a folder of builds for this process alone, until what is returned is dropped.
///
/// # Errors
/// [`BuildError::InUse`] while another process has it.
pub fn lock(kept: &Path) -> Result<fs::File, BuildError> {
    let path = kept.join("lock");
    let file = fs::create_dir_all(kept).and_then(|()| fs::File::create(&path));
    let file = file.map_err(|source| BuildError::File { path, source })?;
    file.try_lock().map_err(|_| BuildError::InUse { folder: kept.to_path_buf() })?;
    Ok(file)
}

/// What an operation on this path comes to when the system refuses it.
pub(crate) fn refused(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_path_buf();
    move |source| BuildError::File { path, source }
}

/// Makes `place` a work tree of the repository with this commit in it.
pub(crate) fn check_out(repository: &Path, place: &Path, commit: &str) -> Result<(), BuildError> {
    let what = format!("check {} out", shortened(commit));
    if place.join(".git").exists() {
        git(place, &["checkout", "--quiet", "--detach", "--force", commit], &what)?;
    } else {
        // A folder that was removed by hand is still known as a work tree.
        git(repository, &["worktree", "prune"], "forget work trees that are gone")?;
        let at = place.to_string_lossy().into_owned();
        git(repository, &["worktree", "add", "--quiet", "--detach", &at, commit], &what)?;
    }
    Ok(())
}

/// Builds the programs of these packages as `commit` has them, in the release profile, or finds them built before by the
/// same compiler.
///
/// # Errors
/// [`BuildError`], a sentence each.
pub fn build(project: &Path, kept: &Path, commit: &str, packages: &[&str]) -> Result<Build, BuildError> {
    let file = refused;
    let source = kept.join("source");
    fs::create_dir_all(kept).map_err(file(kept))?;
    check_out(project, &source, commit)?;
    let known = packages_of(&source);
    let (there, missing): (Vec<&str>, Vec<&str>) =
        packages.iter().partition(|package| known.iter().any(|known| known == *package));
    let programs_folder = kept.join(commit);
    let place = |package: &str| programs_folder.join(package);
    let compiler = compiler(&source);
    let built_by = programs_folder.join("compiler");
    let is_built_so = fs::read_to_string(&built_by).ok() == compiler;
    if !there.is_empty() && (!is_built_so || there.iter().any(|package| !place(package).is_file())) {
        let built = cargo_build(&source, &kept.join("target"), &there)
            .ok_or_else(|| BuildError::NotBuilt { commit: shortened(commit).to_owned() })?;
        fs::create_dir_all(&programs_folder).map_err(file(&programs_folder))?;
        for (package, program) in built {
            let place = place(&package);
            fs::copy(&program, &place).map_err(file(&place))?;
        }
        fs::write(&built_by, compiler.as_deref().unwrap_or_default()).map_err(file(&built_by))?;
    }
    Ok(Build {
        commit: commit.to_owned(),
        programs: there.into_iter().map(|package| (package.to_owned(), place(package))).collect(),
        missing: missing.into_iter().map(str::to_owned).collect(),
        compiler,
    })
}

/// Builds an example of a package as `commit` has it, in the release profile, or finds it built before by the same compiler;
/// nothing where the commit does not have it. [`build`] has checked the commit out.
///
/// # Errors
/// [`BuildError`], a sentence each.
pub fn build_example(
    project: &Path,
    kept: &Path,
    commit: &str,
    package: &str,
    example: &str,
) -> Result<Option<PathBuf>, BuildError> {
    let source = kept.join("source");
    check_out(project, &source, commit)?;
    let folder = kept.join(commit);
    let (place, built_by) =
        (folder.join(format!("{package}-{example}")), folder.join(format!("{package}-{example}-compiler")));
    let compiler = compiler(&source);
    if place.is_file() && fs::read_to_string(&built_by).ok() == compiler {
        return Ok(Some(place));
    }
    let mut command = cargo(&source);
    command.args(["build", "--release", "--message-format=json-render-diagnostics", "--target-dir"]);
    command.arg(kept.join("target")).args(["--package", package, "--example", example]);
    let output = command.current_dir(&source).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    // A commit that is too old to have it is no failure; whether it builds at all, its servers have shown.
    let built = output.ok().filter(|output| output.status.success());
    let programs =
        built.map(|output| crate::programs::programs_in(&String::from_utf8_lossy(&output.stdout), &[package]));
    let Some(program) = programs.and_then(|mut programs| programs.remove(package)) else { return Ok(None) };
    fs::create_dir_all(&folder).map_err(refused(&folder))?;
    fs::copy(&program, &place).map_err(refused(&place))?;
    fs::write(&built_by, compiler.unwrap_or_default()).map_err(refused(&built_by))?;
    Ok(Some(place))
}

/// The names of the packages of a checkout's workspace; none where cargo cannot read it.
fn packages_of(source: &Path) -> Vec<String> {
    let output = cargo(source)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(source)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let workspace = output.ok().and_then(|output| serde_json::from_slice::<Workspace>(&output.stdout).ok());
    workspace.map(|workspace| workspace.packages.into_iter().map(|package| package.name).collect()).unwrap_or_default()
}

/// The program of each package; nothing if they do not build.
fn cargo_build(source: &Path, target: &Path, packages: &[&str]) -> Option<BTreeMap<String, PathBuf>> {
    let mut command = cargo(source);
    command.args(["build", "--release", "--message-format=json-render-diagnostics", "--target-dir"]).arg(target);
    for package in packages {
        command.args(["--package", package]);
    }
    let output = command.current_dir(source).stdin(Stdio::null()).stderr(Stdio::inherit()).output().ok()?;
    let built = crate::programs::programs_in(&String::from_utf8_lossy(&output.stdout), packages);
    (output.status.success() && built.len() == packages.len()).then_some(built)
}

/// The compiler of a checkout.
fn compiler(source: &Path) -> Option<String> {
    said_by(tool(source, "RUSTC", "rustc").args(["--version"]).current_dir(source))
}

/// Cargo for this checkout.
pub(crate) fn cargo(source: &Path) -> Command {
    tool(source, "CARGO", "cargo")
}

/// A tool of Rust's: the one that runs this program, unless the checkout asks for a toolchain of its own.
fn tool(source: &Path, variable: &str, name: &str) -> Command {
    let has_own = ["rust-toolchain.toml", "rust-toolchain"].iter().any(|file| source.join(file).is_file());
    if has_own {
        let mut command = Command::new(name);
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO");
        return command;
    }
    Command::new(env::var_os(variable).unwrap_or_else(|| name.into()))
}

/// What a command says on standard output, if it can be run and succeeds.
pub(crate) fn said_by(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What git says on standard output.
pub(crate) fn git(folder: &Path, arguments: &[&str], what: &str) -> Result<String, BuildError> {
    let failed = |said: String| BuildError::Git { what: what.to_owned(), said };
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        // Some of what it says is understood.
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("it cannot be run ({error}): install it")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().lines().last().unwrap_or("it did not say why").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with a small program in two commits, the second of which does not build.
    fn repository(folder: &Path) -> (String, String) {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let commit = |message: &str| {
            git(folder, &["add", "--all"], "add").unwrap();
            let who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
            git(folder, &[&who[..], &["commit", "--quiet", "-m", message]].concat(), "commit").unwrap();
            find(folder, "HEAD").unwrap()
        };
        git(folder, &["init", "--quiet"], "begin").unwrap();
        write("Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
        write(".gitignore", "/kept\n/target\nCargo.lock\n");
        write("src/main.rs", "fn main() {}\n");
        let first = commit("one");
        write("src/main.rs", "fn main() { nothing }\n");
        (first, commit("two"))
    }

    #[test]
    fn a_commit_is_built_and_kept_and_what_cannot_be_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = repository(folder.path());
        let kept = folder.path().join("kept");
        let build = |commit: &str| build(folder.path(), &kept, commit, &["small", "absent"]);
        let built = build(&first).unwrap();
        assert!(built.programs["small"].is_file() && built.missing == ["absent"], "{built:?}");
        let before = fs::metadata(&built.programs["small"]).unwrap().modified().unwrap();
        let again = build(&first).unwrap();
        assert_eq!(fs::metadata(&again.programs["small"]).unwrap().modified().unwrap(), before, "built anew");
        let error = build(&second).unwrap_err().to_string();
        assert!(error.contains(shortened(&second)) && error.contains("does not build"), "{error}");
        let error = find(folder.path(), "no-such-branch").unwrap_err().to_string();
        assert!(error.starts_with("no-such-branch is no commit of the repository at "), "{error}");
        assert!(!is_dirty(folder.path()));
        let missing = folder.path().join("missing");
        assert!(matches!(find(&missing, "HEAD"), Err(BuildError::NoFolder { .. })));
        let outside = tempfile::tempdir().unwrap();
        assert!(matches!(find(outside.path(), "HEAD"), Err(BuildError::NoRepository { .. })));
        let clone = outside.path().join("clone");
        let url = format!("file://{}", folder.path().display());
        git(outside.path(), &["clone", "--quiet", "--depth", "1", &url, "clone"], "clone").unwrap();
        assert_eq!(find(&clone, "HEAD").unwrap(), second);
        let error = find(&clone, &first).unwrap_err().to_string();
        assert!(error.contains("fetch-depth: 0"), "{error}");
        fs::write(folder.path().join("src/main.rs"), "").unwrap();
        assert!(is_dirty(folder.path()));
    }
}
