//! Which server for which load: a table of all loads of a run and all servers, each cell a word and the place of its
//! evidence.

use crate::ranking::{LIMIT, Merit, Row, Table};
use crate::record::{Run, Varies};
use crate::summary;
use crate::validity::Standing;
use crate::words;

/// One load of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The load in a few words.
    pub load: String,
    /// The anchor of its measurements on a page.
    pub anchor: String,
    /// A cell for each server of [`servers`].
    pub cells: Vec<Cell>,
}

/// What may be said of a server under a load.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// It is the best of those that are ranked.
    Best,
    /// It cannot be told apart from the best.
    LikeBest,
    /// It is ranked: how its figure compares with the best one's, in words.
    Behind(String),
    /// It may be better than is seen, because the load generator was the limit.
    AtLeast,
    /// It does not bear this load: the first reason.
    Breaks(String),
    /// Noise leaves nothing to be said.
    TooNoisy,
    /// It did not take part.
    NotMeasured,
}

/// The servers of the table: those of the project in the order in which they occur, then the others.
#[must_use]
pub fn servers(run: &Run) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for ours in [true, false] {
        for server in run.measurements.iter().map(|one| &one.server).filter(|server| server.is_ours() == ours) {
            // The limit is no choice that anybody has.
            if server.name != LIMIT && !names.contains(&server.name.as_str()) {
                names.push(&server.name);
            }
        }
    }
    names
}

/// A line for each load of the run.
#[must_use]
pub fn lines(run: &Run, tables: &[Table<'_>]) -> Vec<Line> {
    let servers = servers(run);
    let line = |(place, table): (usize, &Table<'_>)| Line {
        load: load(table),
        anchor: anchor(place),
        cells: servers.iter().map(|server| cell(table, server)).collect(),
    };
    tables.iter().enumerate().map(line).collect()
}

/// The anchor of the table at this place.
#[must_use]
pub fn anchor(place: usize) -> String {
    format!("load-{}", place + 1)
}

/// A load in a few words: its suite, and what sets it apart.
#[must_use]
pub fn load(table: &Table<'_>) -> String {
    let apart = apart(table);
    if apart.is_empty() { table.part.suite.clone() } else { format!("{}: {apart}", table.part.suite) }
}

/// What sets a load apart from the plain one of its suite; empty for that.
#[must_use]
pub fn apart(table: &Table<'_>) -> String {
    let mut apart = vec![summary::load(table.workload)];
    if table.rows.iter().any(|row| row.measurement.placement.is_shared()) {
        apart.push("client on the server's CPUs".to_owned());
    }
    match table.part.varies {
        Varies::Connections => apart.push(words::plural(table.workload.connections.into(), "connection")),
        Varies::Files if table.workload.mix.is_none() => apart.push(table.workload.path.clone()),
        _ => {}
    }
    apart.retain(|text| !text.is_empty());
    apart.join(", ")
}

impl Cell {
    /// The cell in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Best => "best".to_owned(),
            Self::LikeBest => "not told apart".to_owned(),
            Self::Behind(text) => text.clone(),
            Self::AtLeast => "at least".to_owned(),
            Self::Breaks(_) => "breaks".to_owned(),
            Self::TooNoisy => "too noisy".to_owned(),
            Self::NotMeasured => "–".to_owned(),
        }
    }
}

/// The best that can be said of a server: its best ranked row, else one that is a lower bound, else why there is none.
fn cell(table: &Table<'_>, server: &str) -> Cell {
    let rows = || table.rows.iter().filter(|row| row.measurement.server.name == server && !row.measurement.is_twin);
    if let Some(best) = rows().filter(|row| row.rank.is_some()).min_by_key(|row| row.rank) {
        return match (best.rank, best.group) {
            (Some(1), _) => Cell::Best,
            (_, Some(1)) => Cell::LikeBest,
            _ => Cell::Behind(behind(table.merit(), best)),
        };
    }
    let with = |standing: Standing| rows().find(|row| row.standing() == standing);
    if with(Standing::AtLeast).is_some() {
        return Cell::AtLeast;
    }
    if with(Standing::TooNoisy).is_some() {
        return Cell::TooNoisy;
    }
    match with(Standing::Invalid).and_then(|row| row.validity.reasons.first()) {
        Some(reason) => Cell::Breaks(reason.to_string()),
        None => Cell::NotMeasured,
    }
}

fn behind(merit: Merit, row: &Row<'_>) -> String {
    let Some(ratio) = row.to_best else { return "ranked".to_owned() };
    // One round, or an interval that holds 1, tells nobody apart.
    match (merit, ratio.interval) {
        (_, None) => format!("{} ×, no interval", words::ratio(ratio.ratio)),
        (Merit::Capacity, _) => format!("{} × as much", words::ratio(ratio.ratio)),
        (Merit::Latency, _) => format!("{} × as long", words::ratio(ratio.ratio)),
    }
}
