//! What becomes of a result: text, files, and the exit code.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use loadgen::console::{self, StandardOutput};
use loadgen::validity::complaints;
use loadgen::{Outcome, hdr, text};

use super::Failure;
use crate::cli::OutputArguments;

/// Where the text goes.
pub(super) type Say = fn(&str);

/// Where the text goes when something else may want standard output, which only one of them can have.
pub(super) fn say(others: &[Option<&Path>]) -> Result<Say, Failure> {
    let on_stdout = others.iter().flatten().filter(|path| is_stdout(path)).count();
    match on_stdout {
        0 => Ok(|text| console::say(text)),
        1 => Ok(|text| console::tell(text)),
        _ => Err(Failure::CrowdedOutput),
    }
}

pub(super) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes the files that are wanted.
pub(super) fn write_files(outcome: &Outcome, output: &OutputArguments) -> Result<(), Failure> {
    if let Some(path) = &output.json {
        write_json(outcome, path)?;
    }
    if let Some(name) = &output.hdr {
        let path = with_ending(name, ".hgrm");
        let distribution = hdr::percentile_distribution(&outcome.latency_with_timeouts());
        fs::write(&path, distribution).map_err(|source| Failure::Write { path, source })?;
    }
    Ok(())
}

/// The name with an ending, whatever dots it has already.
pub(super) fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(ending);
    name.into()
}

fn write_json(outcome: &Outcome, path: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::Write { path: path.to_owned(), source };
    let mut json = serde_json::to_vec(outcome).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    if is_stdout(path) {
        // What became of it is asked at the end.
        let _ = StandardOutput.write_all(&json);
        return Ok(());
    }
    fs::write(path, json).map_err(failed)
}

/// Says what came of it, but for the headline.
pub(super) fn tell(outcome: &Outcome, output: &OutputArguments, say: Say) {
    say(&text::summary(outcome, output.latency));
    say(&text::beyond(outcome));
}

/// What the result amounts to.
pub(super) fn exit_code(outcome: &Outcome, output: &OutputArguments) -> ExitCode {
    let is_believed = !output.strict || complaints(outcome).is_empty();
    ExitCode::from(u8::from(outcome.as_expected() == 0 || !is_believed))
}
