//! Which server for which load: a table of all loads of a run and all servers, each cell a word and the place of its
//! evidence.

use loadgen::TOO_FEW;

use crate::merit::Merit;
use crate::ranking::{Decision, LIMIT, Row, Table, compare};
use crate::record::{Run, Varies};
use crate::statistics::Ratio;
use crate::summary;
use crate::validity::Standing;
use crate::words;

/// One load of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The load in a few words.
    pub load: String,
    /// What holds for the whole row: that nobody is the best, or by what it is ranked; empty where the cells say it all.
    pub remark: &'static str,
    /// The anchor of its measurements on a page.
    pub anchor: String,
    /// A cell for each server of [`servers`].
    pub cells: Vec<Cell>,
}

/// What may be said of a server under a load.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// It is first, with a significant difference to every other server.
    Best(Merit),
    /// It belongs to the first group, which has several servers: there is no significant difference to the first of them.
    BestGroup(Merit),
    /// It is ranked: how its figure compares with the first one's, in words.
    Behind(String),
    /// Its figure, which is compared with nobody's.
    Shown(String),
    /// It may carry more than is seen, because the load generator was the limit.
    AtLeast,
    /// It kept up with the offered load in so many rounds, of so many.
    Kept(usize, usize),
    /// It does not bear this load: the first reason.
    Breaks(String),
    /// Noise leaves nothing to be said.
    TooNoisy,
    /// It did not take part.
    NotMeasured,
}

/// What the words of the table mean.
pub const LEGEND: &str = "Best: first, with a significant difference to every other server. Best group: first or without a \
    significant difference to the first, while others are behind. \"No significant difference\" beside a load holds for all its \
    servers, and their figures stand in the cells. The rest is the ratio to the first: of requests per available CPU-second (/ CPU-s), \
    of the server's CPU time per request where the load generator was the limit, or of the p99 in an open loop. Servers are compared \
    with the same setting of the access log, each in its best configuration. Kept in k of n: the rounds in which a server kept up with \
    the load. Breaks: not valid under this load; the reason stands at its measurements.";

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
        remark: remark(table),
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

impl Line {
    /// The load with its remark, in plain text.
    #[must_use]
    pub fn title(&self) -> String {
        if self.remark.is_empty() { self.load.clone() } else { format!("{} ({})", self.load, self.remark) }
    }
}

impl Cell {
    /// The cell in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Best(Merit::Cost) => "least CPU".to_owned(),
            Self::Best(_) => "best".to_owned(),
            Self::BestGroup(Merit::Cost) => "least CPU group".to_owned(),
            Self::BestGroup(_) => "best group".to_owned(),
            Self::Behind(text) | Self::Shown(text) => text.clone(),
            Self::AtLeast => "at least".to_owned(),
            Self::Kept(kept, of) => format!("kept in {kept} of {of}"),
            Self::Breaks(_) => "breaks".to_owned(),
            Self::TooNoisy => "too noisy".to_owned(),
            Self::NotMeasured => "–".to_owned(),
        }
    }

    /// Whether it is first or belongs to the first group.
    #[must_use]
    pub fn is_first(&self) -> bool {
        matches!(self, Self::Best(_) | Self::BestGroup(_))
    }
}

/// What holds for the whole row.
fn remark(table: &Table<'_>) -> &'static str {
    if !table.is_ranked() {
        return "each at its own rate, not compared";
    }
    match (table.decision(), table.merit()) {
        (Decision::Undecided, Merit::Cost) => "server CPU time per request; no significant difference",
        (Decision::TooFewRounds, Merit::Cost) => "server CPU time per request; too few rounds",
        (_, Merit::Cost) => "server CPU time per request",
        (Decision::Undecided, _) => "no significant difference",
        (Decision::TooFewRounds, _) => "too few rounds",
        _ => "",
    }
}

/// The best that can be said of a server: its best row among those that are compared, else one that is a lower bound, else why
/// there is none.
fn cell(table: &Table<'_>, server: &str) -> Cell {
    let rows = || table.rows.iter().filter(|row| row.measurement.server.name == server && !row.measurement.is_twin);
    let merit = table.merit();
    let shown = |row: &Row<'_>| merit.of_row(&row.figures).map(|value| Cell::Shown(merit.cell(value)));
    let best = table.best_of_each_server();
    if let Some(row) = best.iter().find(|row| row.measurement.server.name == server) {
        let cell = match (table.decision(), row.group) {
            (Decision::Alone | Decision::Undecided | Decision::TooFewRounds, _) => shown(row),
            (Decision::One, Some(1)) => Some(Cell::Best(merit)),
            (Decision::Several, Some(1)) => Some(Cell::BestGroup(merit)),
            _ => compare(row, best[0]).map(|ratio| Cell::Behind(behind(merit, ratio))),
        };
        return cell.unwrap_or(Cell::NotMeasured);
    }
    // What is not compared: another setting of the log, or a share of the own capacity.
    let alone = rows().filter(|row| row.rank.is_some() || (!table.is_ranked() && row.standing() == Standing::Ranked));
    if let Some(cell) = alone.min_by_key(|row| row.rank).and_then(shown) {
        return cell;
    }
    let with = |standing: Standing| rows().find(|row| row.standing() == standing);
    if with(Standing::AtLeast).is_some() {
        return Cell::AtLeast;
    }
    if with(Standing::TooNoisy).is_some() {
        return Cell::TooNoisy;
    }
    if let Some((kept, of)) = rows().find_map(|row| row.validity.kept()) {
        return Cell::Kept(kept, of);
    }
    let has_too_few =
        |row: &Row<'_>| row.standing() == Standing::Ranked && row.p99().is_none() && !row.latency().is_empty();
    if merit == Merit::Latency && rows().any(has_too_few) {
        return Cell::Shown(TOO_FEW.to_owned());
    }
    match with(Standing::Invalid).and_then(|row| row.validity.reasons.first()) {
        Some(reason) => Cell::Breaks(reason.to_string()),
        None => Cell::NotMeasured,
    }
}

fn behind(merit: Merit, ratio: Ratio) -> String {
    let what = match merit {
        Merit::Capacity => "",
        Merit::Latency => " p99",
        Merit::Cost => " CPU",
    };
    // Of servers that share too few rounds nothing is known but this.
    let doubt = if ratio.interval.is_none() { ", no interval" } else { "" };
    format!("{}×{what}{doubt}", words::ratio_apart(ratio.ratio))
}
