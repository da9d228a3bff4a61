//! The report for a terminal: what a person wants to know at the end of a run.

use std::fmt::Write as _;

use crate::columns::COLUMNS;
use crate::ranking::{Row, Table, tables};
use crate::record::Run;
use crate::summary;
use crate::validity::Standing;

/// The columns that fit a terminal.
const SHOWN: [&str; 9] =
    ["rank", "rounds", "req/s", "req / CPU-s", "to best", "server µs/req", "p99", "req / connection", "validity"];

/// The first paragraph, a table of all measurements and the reasons of those that are not ranked. It ends with a line feed.
#[must_use]
pub fn render(run: &Run) -> String {
    let mut out = String::new();
    if !run.is_finished() {
        let _ = writeln!(out, "Provisional: {}.\n", summary::progress(run));
    }
    let tables = tables(run);
    if tables.is_empty() {
        out.push_str("The suite holds no measurement.\n");
    }
    for (place, table) in tables.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}\n", summary::first_paragraph(run, table));
        measurements(&mut out, table);
        reasons(&mut out, table);
    }
    out
}

fn measurements(out: &mut String, table: &Table<'_>) {
    let shown: Vec<_> = COLUMNS.iter().filter(|column| SHOWN.contains(&column.title)).collect();
    let mut lines = vec![vec!["measurement".to_owned()]];
    lines[0].extend(shown.iter().map(|column| column.title.to_owned()));
    // The ranked come first, in their order; the rest follows in the suite's.
    let unranked = table.rows.iter().filter(|row| row.rank.is_none());
    for row in table.ranked().into_iter().chain(unranked) {
        let mut line = vec![row.measurement.name()];
        line.extend(shown.iter().map(|column| (column.cell)(row)));
        lines.push(line);
    }
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=shown.len()).map(width).collect();
    for line in &lines {
        let mut text = String::new();
        for (place, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let is_number = place.checked_sub(1).is_some_and(|place| shown[place].is_number);
            let _ = if is_number { write!(text, "{cell:>width$}  ") } else { write!(text, "{cell:<width$}  ") };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
}

/// What is wrong, with the rows it is wrong with: a reason that all rows share is told once.
fn reasons(out: &mut String, table: &Table<'_>) {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    let excluded = |row: &&Row<'_>| row.standing() != Standing::Ranked;
    for row in table.rows.iter().filter(excluded) {
        let reasons = row.validity.reasons.iter().map(ToString::to_string);
        for text in reasons {
            match told.iter_mut().find(|(known, _)| *known == text) {
                Some((_, rows)) => rows.push(row.measurement.name()),
                None => told.push((text, vec![row.measurement.name()])),
            }
        }
    }
    for (text, rows) in told {
        let _ = if rows.len() > 1 && rows.len() == table.rows.len() {
            writeln!(out, "\nall rows: {text}")
        } else {
            writeln!(out, "\n{}: {text}", rows.join("; "))
        };
    }
}
