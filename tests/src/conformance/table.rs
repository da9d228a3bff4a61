//! What came out: a table, counts, and a page.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::{Group, Verdict};

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was tried.
    Tried(Verdict),
    /// The server could not be set up for it, and why not.
    LeftOut(String),
}

/// How a server fares under all rules.
#[derive(Debug)]
pub struct Tally {
    /// What the server is called here.
    pub name: String,
    /// What it calls itself.
    pub software: Option<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    group: &'static str,
    section: &'static str,
    rule: String,
    outcome: Outcome,
}

impl Tally {
    pub(super) fn new(name: String) -> Self {
        Self { name, software: None, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, group: &Group, outcomes: impl Iterator<Item = Outcome>) {
        let row = |(case, outcome): (&super::Case, Outcome)| Row {
            group: group.name,
            section: case.section,
            rule: case.rule.clone(),
            outcome,
        };
        self.rows.extend(group.cases.iter().zip(outcomes).map(row));
    }

    /// How many rules there are.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rows.len()
    }

    /// How many of them were kept.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome == Outcome::Tried(Ok(()))).count()
    }

    /// How many were broken.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    fn failures(&self) -> impl Iterator<Item = (&Row, &str)> {
        self.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::Tried(Err(why)) => Some((row, why.as_str())),
            _ => None,
        })
    }

    fn left_out(&self) -> usize {
        self.rows.len() - self.passed() - self.failed()
    }

    /// The table, a line for each rule, and the counts under it; only the rules that were broken if so `brief`.
    #[must_use]
    pub fn table(&self, brief: bool) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let (mark, why) = match &row.outcome {
                Outcome::Tried(Ok(())) => ("passed", String::new()),
                Outcome::Tried(Err(why)) => ("FAILED", format!("\n{:25}{why}", "")),
                Outcome::LeftOut(why) => ("left out", format!(" ({why})")),
            };
            if !brief || mark == "FAILED" {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{:14} {mark:8}  {}{why}", row.section, row.rule);
            }
        }
        let _ = writeln!(text, "{self}");
        text
    }

    /// What is told of the server on a page in Markdown: its counts, by group, and the rules that it breaks.
    #[must_use]
    pub fn page(&self) -> String {
        let mut groups: Vec<(&str, BTreeMap<&str, usize>)> = Vec::new();
        for row in &self.rows {
            if groups.last().is_none_or(|(name, _)| *name != row.group) {
                groups.push((row.group, BTreeMap::new()));
            }
            let key = match &row.outcome {
                Outcome::Tried(Ok(())) => "passed",
                Outcome::Tried(Err(_)) => "failed",
                Outcome::LeftOut(_) => "left out",
            };
            if let Some((_, counts)) = groups.last_mut() {
                *counts.entry(key).or_default() += 1;
            }
        }
        let software = self.software.as_deref().unwrap_or("it does not say what it is");
        let mut text = format!("## {} ({software})\n\n{self}.\n", self.name);
        text.push_str("\n| about | passed | failed | left out |\n|---|--:|--:|--:|\n");
        for (name, counts) in &groups {
            let count = |key| counts.get(key).copied().unwrap_or(0);
            let _ = writeln!(text, "| {name} | {} | {} | {} |", count("passed"), count("failed"), count("left out"));
        }
        if self.failed() > 0 {
            text.push_str("\n| section | rule | what came instead |\n|---|---|---|\n");
        }
        for (row, why) in self.failures() {
            // What was sent is for whoever runs the suite; here it would only be long.
            let why = why.rsplit_once(" (sent ").map_or(why, |(why, _)| why);
            let _ = writeln!(text, "| {} | {} | {} |", row.section, cell(&row.rule), cell(why));
        }
        text
    }
}

/// Text that neither ends a cell of a table nor is read as markup.
fn cell(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut cell: String = text.chars().take(LONGEST).collect();
    if cell.len() < text.len() {
        cell.push('…');
    }
    cell.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('|', "&#124;")
        .replace('*', "\\*")
        .replace('`', "\\`")
        .replace('\n', " ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rules, passed, failed) = (self.rules(), self.passed(), self.failed());
        write!(f, "{}: {rules} rules, {passed} passed, {failed} failed, {} left out", self.name, self.left_out())
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Tally};
    use crate::conformance::{Group, get, is, rule, under};

    #[test]
    fn counts_tells_and_escapes() {
        let rules = ["a", "b", "c|d"].map(|name| rule(name, get("/"), is(200))).into();
        let group = Group { name: "some", settings: &[], slow: false, cases: under("house", "about", rules) };
        let mut tally = Tally::new("it".to_owned());
        let failed = Err("404 instead of 200 (sent \"GET\")".to_owned());
        let outcomes = [Outcome::Tried(Ok(())), Outcome::LeftOut("no".to_owned()), Outcome::Tried(failed)];
        tally.add(&group, outcomes.into_iter());
        assert_eq!(tally.to_string(), "it: 3 rules, 1 passed, 1 failed, 1 left out");
        assert_eq!(tally.table(false).lines().count(), 5);
        assert_eq!(tally.table(true).lines().count(), 3);
        let page = tally.page();
        assert!(page.contains("| some | 1 | 1 | 1 |\n"), "{page}");
        assert!(page.contains("| house | about: c&#124;d | 404 instead of 200 |\n"), "{page}");
    }
}
