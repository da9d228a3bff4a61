//! What came out: a table, counts, and a page.

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
    section: &'static str,
    rule: String,
    outcome: Outcome,
}

impl Tally {
    pub(super) fn new(name: String) -> Self {
        Self { name, software: None, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, group: &Group, outcomes: impl Iterator<Item = Outcome>) {
        let row =
            |(case, outcome): (&super::Case, Outcome)| Row { section: case.section, rule: case.rule.clone(), outcome };
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

    /// What is told of the server on a page in Markdown: its counts, by section, and what it does otherwise.
    #[must_use]
    pub fn page(&self) -> String {
        const NAMED: usize = 5;
        let mut sections: Vec<(&str, &str, Vec<&Row>)> = Vec::new();
        for row in self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Tried(_))) {
            let about = row.rule.split_once(": ").map_or("", |(about, _)| about);
            match sections.iter_mut().find(|(section, subject, _)| (*section, *subject) == (row.section, about)) {
                Some((_, _, rows)) => rows.push(row),
                None => sections.push((row.section, about, vec![row])),
            }
        }
        let house = |row: &&Row| row.section == "house";
        let tried: Vec<&Row> = sections.iter().flat_map(|(_, _, rows)| rows).copied().collect();
        let kept = |rows: &[&Row]| rows.iter().filter(|row| row.outcome == Outcome::Tried(Ok(()))).count();
        let (choices, demands): (Vec<&Row>, Vec<&Row>) = tried.iter().copied().partition(house);
        let mut text = format!(
            "## {} ({})\n\nKeeps {} of {} rules from the RFCs, and makes {} of {} choices as we do; {} rules were left out.\n",
            self.name,
            self.software.as_deref().unwrap_or("which does not say what it is"),
            kept(&demands),
            demands.len(),
            kept(&choices),
            choices.len(),
            self.left_out(),
        );
        sections.retain(|(_, _, rows)| kept(rows) < rows.len());
        // A stable sort: the sections of the RFCs stay in the order of the rules, the choices come last.
        sections.sort_by_key(|(section, _, _)| *section == "house");
        if !sections.is_empty() {
            text.push_str("\n| section | about | kept | not kept |\n|---|---|--:|---|\n");
        }
        for (section, about, rows) in &sections {
            let names = rows.iter().filter(|row| row.outcome != Outcome::Tried(Ok(())));
            let mut names: Vec<String> = names.map(|row| cell(&row.rule[about.len() + 2..])).collect();
            let more = names.len().saturating_sub(NAMED);
            names.truncate(NAMED);
            let mut names = names.join("; ");
            if more > 0 {
                // Writing to a string does not fail.
                let _ = write!(names, "; {more} more");
            }
            let _ = writeln!(text, "| {section} | {} | {} of {} | {names} |", cell(about), kept(rows), rows.len());
        }
        text
    }
}

/// Text that neither ends a cell of a table nor is read as markup.
fn cell(text: &str) -> String {
    const LONGEST: usize = 80;
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
        assert!(
            page.contains("Keeps 0 of 0 rules from the RFCs, and makes 1 of 2 choices as we do; 1 rules"),
            "{page}"
        );
        assert!(page.contains("| house | about | 1 of 2 | c&#124;d |\n"), "{page}");
    }
}
