//! The programs of the servers that take part, built before the first start.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use crate::command::{REPOSITORY, Values};
use crate::commits;
use crate::servers::Server;

/// The outcome of building: the program of each package, and the servers that could not be built, each with the reason.
#[derive(Debug, Default)]
pub struct Programs {
    /// By the folder of the workspace and the package.
    by_package: BTreeMap<(PathBuf, String), PathBuf>,
    broken: BTreeMap<String, String>,
}

/// A line of what `cargo build --message-format=json` tells.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    executable: Option<PathBuf>,
}

impl Programs {
    /// Builds whatever these servers need, each in its folder: packages of one workspace in one go by cargo in the release
    /// profile, other servers by their own commands. A server that cannot be built keeps no other from being measured. When
    /// `interrupted` becomes true, nothing more is begun.
    #[must_use]
    pub fn build<'a>(servers: impl Iterator<Item = &'a Server>, interrupted: &AtomicBool) -> Self {
        let mut programs = Self::default();
        let mut by_folder: BTreeMap<&Path, Vec<&Server>> = BTreeMap::new();
        for server in servers {
            if server.package.is_some() {
                let packaged = by_folder.entry(&server.folder).or_default();
                if !packaged.iter().any(|other| other.package == server.package) {
                    packaged.push(server);
                }
            }
            let here = Values::from([(REPOSITORY, vec![server.folder.to_string_lossy().into_owned()])]);
            if let Some(build) = &server.build
                && let Err(reason) = run_build(&build.fill(&here), &server.folder)
            {
                programs.broken.insert(server.name.clone(), reason);
            }
        }
        for (folder, packaged) in by_folder {
            programs.build_packages(&packaged, folder, interrupted);
        }
        programs
    }

    fn build_packages(&mut self, servers: &[&Server], folder: &Path, interrupted: &AtomicBool) {
        let packages: Vec<&str> = servers.iter().filter_map(|server| server.package.as_deref()).collect();
        match cargo_build(&packages, folder) {
            Ok(built) => {
                let built = built.into_iter().map(|(package, program)| ((folder.to_path_buf(), package), program));
                self.by_package.extend(built);
            }
            // The signal that interrupted us reached cargo, too: that was not a server's fault.
            Err(_) if interrupted.load(Ordering::Relaxed) => {}
            // One of them does not build: those that do shall still take part.
            Err(_) if servers.len() > 1 => {
                for server in servers {
                    self.build_packages(&[server], folder, interrupted);
                }
            }
            Err(reason) => {
                for server in servers {
                    self.broken.insert(server.name.clone(), reason.clone());
                }
            }
        }
    }

    /// The program of a server that is ours.
    ///
    /// # Errors
    /// Why it could not be built.
    pub fn of(&self, server: &Server) -> Result<Option<&Path>, String> {
        if let Some(reason) = self.broken.get(&server.name) {
            return Err(reason.clone());
        }
        match &server.package {
            None => Ok(None),
            Some(package) => match self.by_package.get(&(server.folder.clone(), package.clone())) {
                Some(program) => Ok(Some(program)),
                None => Err(format!("the package {package} has no program")),
            },
        }
    }
}

/// Builds packages of the workspace and asks cargo where their programs are, wherever the target folder may be.
fn cargo_build(packages: &[&str], project: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    cargo_build_with(packages, project, None, None, &[])
}

/// The same with a feature, a target folder, and flags for the compiler of the last crate, of which there has to be one package.
pub(crate) fn cargo_build_with(
    packages: &[&str],
    project: &Path,
    feature: Option<&str>,
    target: Option<&Path>,
    flags: &[String],
) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut command = commits::cargo(project);
    let verb = if flags.is_empty() { "build" } else { "rustc" };
    command.args([verb, "--release", "--message-format=json-render-diagnostics"]);
    for package in packages {
        command.args(["--package", package]);
    }
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    if let Some(target) = target {
        command.arg("--target-dir").arg(target);
    }
    if !flags.is_empty() {
        command.arg("--").args(flags);
    }
    let output = command
        .current_dir(project)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build {}: its messages are above", packages.join(", ")));
    }
    Ok(programs_in(&String::from_utf8_lossy(&output.stdout), packages))
}

/// The programs that cargo says it built of these packages.
pub(crate) fn programs_in(messages: &str, packages: &[&str]) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| {
            let id = message.package_id?;
            let package = packages.iter().find(|&&package| is_of(&id, package))?;
            Some(((*package).to_owned(), message.executable?))
        })
        .collect()
}

/// Whether a package id, such as `path+file:///x/servers/epoll#otus-epoll@0.1.0` or `path+file:///x/otus-epoll#0.1.0`,
/// is this package's.
fn is_of(id: &str, package: &str) -> bool {
    let Some((place, fragment)) = id.rsplit_once('#') else { return false };
    match fragment.split_once('@') {
        Some((name, _)) => name == package,
        None => place.rsplit('/').next() == Some(package),
    }
}

fn run_build(words: &[String], project: &Path) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let status = Command::new(program)
        .args(arguments)
        .current_dir(project)
        // As in a comparison: the repository says which compiler it wants, not the one that built this program.
        .env_remove("RUSTUP_TOOLCHAIN")
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the build command \"{}\" failed ({status})", words.join(" "))),
        Err(error) => Err(format!("cannot run the build command {program}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_what_cargo_tells() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"path+file:///x/servers/epoll#otus-epoll@0.1.0","executable":"/t/release/epoll"}
{"reason":"compiler-artifact","package_id":"path+file:///x/servers/launch#otus-launch@0.1.0","executable":null}
{"reason":"compiler-artifact","package_id":"path+file:///x/otus-async#0.1.0","executable":"/t/release/async"}
{"reason":"compiler-artifact","package_id":"registry+https://example.invalid/index#other@1.0.0","executable":"/t/release/other"}
{"reason":"build-finished","success":true}
not json
"#;
        let programs = programs_in(messages, &["otus-epoll", "otus-async", "otus-launch"]);
        assert_eq!(programs.len(), 2);
        assert_eq!(programs["otus-epoll"], Path::new("/t/release/epoll"));
        assert_eq!(programs["otus-async"], Path::new("/t/release/async"));
    }

    #[test]
    fn a_build_that_fails_says_how() {
        let words = |text: &[&str]| text.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(run_build(&words(&["true"]), Path::new(".")), Ok(()));
        let reason = run_build(&words(&["sh", "-c", "exit 4"]), Path::new(".")).unwrap_err();
        assert!(reason.contains("exit status: 4") && reason.contains("sh -c"), "{reason}");
        assert!(run_build(&words(&["no-such-builder"]), Path::new(".")).unwrap_err().contains("no-such-builder"));
    }
}
