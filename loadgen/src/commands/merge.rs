//! `loadgen merge`: the sum of what several generators found out.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use loadgen::{FORMAT, Outcome, stored_numbers, text};
use serde::Deserialize;

use super::{Failure, report};
use crate::cli::MergeArguments;

/// From this share of the time on that all generators ran, nothing is said of it.
const TOGETHER: f64 = 0.98;

pub(super) fn merge(arguments: &MergeArguments) -> Result<ExitCode, Failure> {
    let output = &arguments.output;
    let say = report::say(&[output.json.as_deref()])?;
    let outcomes = arguments.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    for (place, outcome) in outcomes.iter().enumerate() {
        if outcome.responses > 0 && outcomes[..place].contains(outcome) {
            return Err(Failure::SameResult { path: arguments.files[place].clone() });
        }
    }
    let merged = loadgen::merge(&outcomes)?;
    say(&text::headline(&merged.plan));
    report::tell(&merged, output, say);
    report::write_files(&merged, output)?;
    let together = loadgen::overlap(&outcomes);
    let is_together = together >= TOGETHER;
    if !is_together {
        say(&format!(
            "  NOT VALID       The generators ran together for {:.0}% of the time only: begin them at the same time with \
             --start-at.\n",
            together * 100.0
        ));
    }
    let equal_seeds = loadgen::equal_seeds(&outcomes);
    if let Some((first, second)) = equal_seeds {
        say(&format!(
            "  NOT VALID       {} and {} have the same seed, {}: their requests came at the same moments and not \
             independently; give each generator another --seed, or none.\n",
            arguments.files[first].display(),
            arguments.files[second].display(),
            outcomes[first].plan.seed,
        ));
    }
    if output.strict && (!is_together || equal_seeds.is_some()) {
        return Ok(ExitCode::from(1));
    }
    Ok(report::exit_code(&merged, output))
}

/// Reads a result. One of another version is told apart from what is none.
fn read(path: &Path) -> Result<Outcome, Failure> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let text = fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_owned(), source })?;
    let wrong = |source| Failure::Result { path: path.to_owned(), source };
    let Version { format } = serde_json::from_str(&text).map_err(wrong)?;
    if format != u64::from(FORMAT) {
        return Err(Failure::Format { path: path.to_owned(), found: format, known: FORMAT });
    }
    let record = serde_json::from_str(&text).map_err(wrong)?;
    stored_numbers::check(&record).map_err(|source| Failure::Number { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(wrong)
}
