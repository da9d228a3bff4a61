//! Everything that is made from a run's record, written beside it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::chart::{self, ChartError};
use crate::ranking::tables;
use crate::record::Run;
use crate::store::{StoreError, write_whole};
use crate::{csv, html, markdown, words};

/// Where the parts of a report were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathsWritten {
    /// The page for people.
    pub html: PathBuf,
    /// The same for a repository.
    pub markdown: PathBuf,
    /// All measurements, for a spreadsheet.
    pub csv: PathBuf,
    /// The charts, a file each.
    pub charts: Vec<PathBuf>,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// Ratios to a server that did not take part.
    #[error("no server of this run is called {name}: name one of {known}")]
    NoServer {
        /// The name.
        name: String,
        /// Those that did.
        known: String,
    },
}

/// Writes `report.html`, `report.md`, `measurements.csv` and `charts/*.svg` into a folder, each file whole or not at all, so that a
/// provisional report can be read while the run goes on.
///
/// # Errors
/// [`Error::Store`] if a file cannot be written, [`Error::Chart`] if a chart cannot be drawn.
pub fn write_all(run: &Run, folder: &Path) -> Result<PathsWritten, Error> {
    write_relative_to(run, folder, None)
}

/// The same with ratios to the best row of one server instead of the best of all.
///
/// # Errors
/// As for [`write_all`], and [`Error::NoServer`] if the run has no server of this name.
pub fn write_relative_to(run: &Run, folder: &Path, server: Option<&str>) -> Result<PathsWritten, Error> {
    if let Some(name) = server.filter(|name| run.measurements.iter().all(|one| one.server.name != **name)) {
        let mut known: Vec<String> = Vec::new();
        for one in &run.measurements {
            if !known.contains(&one.server.name) {
                known.push(one.server.name.clone());
            }
        }
        return Err(Error::NoServer { name: name.to_owned(), known: words::list(&known) });
    }
    let tables = tables(run);
    let charts = chart::draw(run, &tables, server)?;
    let paths = PathsWritten {
        html: folder.join("report.html"),
        markdown: folder.join("report.md"),
        csv: folder.join("measurements.csv"),
        charts: charts.iter().map(|chart| folder.join("charts").join(format!("{}.svg", chart.name))).collect(),
    };
    let charts_folder = folder.join("charts");
    fs::create_dir_all(&charts_folder).map_err(|source| StoreError::File {
        action: "make",
        path: charts_folder,
        source,
    })?;
    for (chart, path) in charts.iter().zip(&paths.charts) {
        write_whole(path, chart.standalone().as_bytes())?;
    }
    remove_others(&folder.join("charts"), &paths.charts);
    write_whole(&paths.markdown, markdown::render(run, &tables, &charts).as_bytes())?;
    write_whole(&paths.csv, csv::of_tables(&tables).as_bytes())?;
    write_whole(&paths.html, html::render(run, &tables, &charts).as_bytes())?;
    Ok(paths)
}

/// Removes charts that an earlier report of the run had and this one has not.
fn remove_others(folder: &Path, charts: &[PathBuf]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|ending| ending == "svg") && !charts.contains(&path) {
            // One that stays does no harm: nothing refers to it.
            let _ = fs::remove_file(path);
        }
    }
}
