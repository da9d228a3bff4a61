//! The command that keeps figures from run to run: it appends a run to a history, says where the steps are, draws them,
//! and hands the newest run to other services.

use std::path::PathBuf;
use std::process::ExitCode;

use loadgen::console;
use reports::chart;
use reports::history::{History, HistoryError, Line, export, finding, series};
use reports::store::write_whole;

use crate::cli::{Export, HistoryOptions, StoredRun};
use crate::commands::{CommandError, open};
use crate::project::Project;

/// Why a history could not be kept: one sentence for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum HistoryCommandError {
    /// The file could not be read or added to.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A run that may still change.
    #[error("the run {0} is not finished: resume it before it is added")]
    NotFinished(String),
    /// A history without a run.
    #[error("{} holds no run yet: add one with --add RUN", .0.display())]
    Empty(PathBuf),
    /// The drawing library refused.
    #[error(transparent)]
    Chart(#[from] chart::ChartError),
    /// The chart would take the place of the history.
    #[error("{} is the history and cannot be its chart, too: name another place with --chart", .0.display())]
    SameFile(PathBuf),
    /// The figures could not be written as JSON.
    #[error("the newest run cannot be written as JSON: {0}; report this with the history")]
    NotExported(serde_json::Error),
}

impl HistoryCommandError {
    /// 2 for what the person who typed the command can put right, 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::History(HistoryError::File { .. }) | Self::Chart(_) | Self::NotExported(_) => 1,
            _ => 2,
        }
    }
}

/// Does what was asked for with a history.
///
/// # Errors
/// [`CommandError`], a sentence each.
pub fn run(project: &Project, options: &HistoryOptions) -> Result<ExitCode, CommandError> {
    let drawing = options.chart.clone().unwrap_or_else(|| options.file.with_extension("svg"));
    if drawing == options.file {
        return Err(HistoryCommandError::SameFile(drawing).into());
    }
    let history = match &options.add {
        Some(run) => {
            let stored = StoredRun { run: run.clone(), out: options.out.clone() };
            let run = open(project, &stored)?.load()?;
            if !run.is_finished() {
                return Err(HistoryCommandError::NotFinished(run.id).into());
            }
            let history = History::append(&options.file, Line::of(&run)).map_err(HistoryCommandError::from)?;
            if options.export.is_none() {
                console::say(format_args!("{} is added to {}.\n", run.id, options.file.display()));
            }
            history
        }
        None => History::read(&options.file).map_err(HistoryCommandError::from)?,
    };
    let newest = history.newest().ok_or_else(|| HistoryCommandError::Empty(options.file.clone()))?;
    if let Some(form) = options.export {
        console::say(exported(newest, form).map_err(HistoryCommandError::NotExported)?);
        return Ok(ExitCode::SUCCESS);
    }
    let all = series(&history);
    console::say(finding::text(&history, &all));
    let svg = chart::history::draw(&history, &all).map_err(HistoryCommandError::from)?;
    write_whole(&drawing, svg.as_bytes())?;
    console::say(format_args!("{}\n", drawing.display()));
    Ok(ExitCode::SUCCESS)
}

fn exported(newest: &Line, form: Export) -> serde_json::Result<String> {
    match form {
        Export::Bencher => export::bencher(newest),
        Export::GithubActionBenchmarkBigger => export::github_action_benchmark(newest, true),
        Export::GithubActionBenchmarkSmaller => export::github_action_benchmark(newest, false),
    }
}
