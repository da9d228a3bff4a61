//! Programs of other people, where they are installed.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// The program `name` from the `PATH`. Without it, the test is skipped: `skipped: no wrk` goes to standard error and the
/// answer is `None`. Where `OTUS_REQUIRE_TOOLS` is set, a missing program is a failure.
#[track_caller]
pub fn tool(name: &str) -> Option<Command> {
    tool_among(&[name])
}

/// The first of `names` that is installed, as [`tool`] finds it; for programs that distributions call differently.
#[track_caller]
pub fn tool_among(names: &[&str]) -> Option<Command> {
    if let Some(path) = names.iter().find_map(|name| find(name)) {
        return Some(Command::new(path));
    }
    let name = names[0];
    assert!(env::var_os("OTUS_REQUIRE_TOOLS").is_none_or(|value| value.is_empty()), "no {name}, which is required");
    // Not by eprintln!, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: no {name}");
    None
}

/// Where the program `name` is: on the `PATH`, or where servers are put, which not everybody has on it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}
