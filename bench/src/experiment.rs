//! An experiment: suites that are run together, each for its question, in the same rounds.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::duration::Span;
use crate::suite::{self, Form, Suite, UnknownSuite};
use crate::toml_file::{TomlFile, TomlFileError};

/// What is run together.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The name of its file without the ending; of a suite that is run alone, the suite's.
    pub name: String,
    /// What it wants to know, in one sentence.
    pub question: String,
    /// Passes over all measurements.
    pub rounds: NonZeroU32,
    /// How long it may take at most, repeats of noisy turns included; as long as its rounds and the suite's patience take
    /// if there is none.
    pub budget: Option<Duration>,
    /// The suites, in the order in which a report answers their questions.
    pub parts: Vec<Part>,
}

/// A suite in an experiment.
#[derive(Clone, Debug)]
pub struct Part {
    /// The suite.
    pub suite: Suite,
    /// In which form.
    pub form: Form,
}

/// Why there is no experiment.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A file was not understood.
    #[error(transparent)]
    TomlFile(#[from] TomlFileError),
    /// It names a suite that is not there.
    #[error(transparent)]
    UnknownSuite(#[from] UnknownSuite),
}

/// An experiment as its file says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    question: String,
    rounds: NonZeroU32,
    budget: Span,
    quick: Quick,
    parts: Vec<Entry>,
}

/// The experiment in miniature.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quick {
    rounds: NonZeroU32,
    budget: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    suite: String,
    #[serde(default)]
    form: Form,
}

impl Experiment {
    /// Reads an experiment, whose suites lie in the folder `suites`; `quick` takes its miniature.
    ///
    /// # Errors
    /// [`ExperimentError`] with the file and the line of what is wrong, or with the suite that is not there.
    pub fn read(path: &Path, suites: &Path, quick: bool) -> Result<Self, ExperimentError> {
        let contents: Contents = TomlFile::read(path)?.parse()?;
        let parts = contents.parts.into_iter().map(|entry| {
            let suite = Suite::read(&suite::find(&entry.suite, suites)?)?;
            Ok(Part { suite, form: if quick { Form::Quick } else { entry.form } })
        });
        let parts: Result<Vec<Part>, ExperimentError> = parts.collect();
        let (rounds, budget) =
            if quick { (contents.quick.rounds, contents.quick.budget) } else { (contents.rounds, contents.budget) };
        Ok(Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            question: contents.question,
            rounds,
            budget: Some(budget.0),
            parts: parts?,
        })
    }

    /// A suite that is run alone.
    #[must_use]
    pub fn of_suite(suite: Suite, quick: bool) -> Self {
        let form = if quick { Form::Quick } else { Form::Whole };
        Self {
            name: suite.name.clone(),
            question: suite.question.clone(),
            rounds: suite.schedule(form).rounds,
            budget: None,
            parts: vec![Part { suite, form }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_that_ship_are_understood() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in suite::all(&bench.join("experiments")) {
            for quick in [false, true] {
                let experiment = Experiment::read(&path, &bench.join("suites"), quick).unwrap();
                assert!(experiment.question.ends_with('?') && experiment.parts.len() > 3, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_suite_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both.toml");
        let text = "question = \"Which?\"\nrounds = 3\nbudget = \"5m\"\nquick = { rounds = 1, budget = \"1m\" }\n\n[[parts]]\nsuite = \"absent\"\n";
        std::fs::write(&path, text).unwrap();
        let error = Experiment::read(&path, folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("\"absent\""), "{error}");
        std::fs::write(&path, text.replace("suite =", "suit =")).unwrap();
        let error = Experiment::read(&path, folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("both.toml, line 7: ") && error.contains("suit"), "{error}");
    }
}
