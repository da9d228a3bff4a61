//! What was not ranked, rule by rule, with the remedy.

use crate::decision;
use crate::note::Note;
use crate::ranking::{Row, Table};
use crate::validity::Standing;

/// The name under which rows stand whose generator was the limit.
const AT_LEAST: &str = "generator at its ceiling";

/// A rule and the rows that it keeps from being ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The rule's name, as `docs/validity.md` has it.
    pub rule: &'static str,
    /// The rows.
    pub rows: Vec<ExcludedRow>,
    /// What was seen in the first of them, and what to do about it.
    pub sentence: String,
}

/// A row that is not ranked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedRow {
    /// Its load and its name.
    pub name: String,
    /// The anchor of its measurements on a page.
    pub anchor: String,
}

/// Every rule that keeps rows of a run from being ranked, those of the most rows first. A row stands under its first
/// reason, which is the plainest.
#[must_use]
pub fn exclusions(tables: &[Table<'_>]) -> Vec<Exclusion> {
    let mut found: Vec<Exclusion> = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        for row in &table.rows {
            let Some((rule, sentence)) = why(row) else { continue };
            let name = format!("{}: {}", decision::load(table), row.measurement.name());
            let row = ExcludedRow { name, anchor: decision::anchor(place) };
            match found.iter_mut().find(|known| known.rule == rule) {
                Some(known) => known.rows.push(row),
                None => found.push(Exclusion { rule, rows: vec![row], sentence }),
            }
        }
    }
    // Stable: of rules with as many rows, the one met first stays first.
    found.sort_by_key(|exclusion| std::cmp::Reverse(exclusion.rows.len()));
    found
}

fn why(row: &Row<'_>) -> Option<(&'static str, String)> {
    if let Some(reason) = row.validity.reasons.first().filter(|_| row.validity.is_measured) {
        return Some((reason.name(), reason.to_string()));
    }
    if row.standing() != Standing::AtLeast || row.rank.is_some() || !row.is_contestant() {
        return None;
    }
    let at_ceiling = |note: &&Note| matches!(note, Note::GeneratorAtCeiling { .. });
    Some((AT_LEAST, row.validity.notes.iter().find(at_ceiling)?.to_string()))
}
