//! The report as Markdown, for a repository or a pull request.

use std::fmt::Write as _;

use crate::chart::Chart;
use crate::columns::COLUMNS;
use crate::environment::Environment;
use crate::ranking::{Row, Table};
use crate::record::{Run, Varies};
use crate::{decision, facts, interpreter, summary};

/// Writes the report; the charts are shown from the folder `charts` beside it.
#[must_use]
pub fn render(run: &Run, tables: &[Table<'_>], charts: &[Chart]) -> String {
    let mut out = String::new();
    heading(&mut out, 1, &format!("{}: {}", run.suite, run.question));
    if !run.is_finished() {
        paragraph(&mut out, &format!("**Provisional: {}.**", escaped(&summary::progress(run))));
    }
    if tables.is_empty() {
        paragraph(&mut out, "The suite holds no measurement.");
    }
    if tables.len() > 1 {
        heading(&mut out, 2, "Which server for which load");
        decisions(&mut out, run, tables);
    }
    for table in tables {
        if tables.len() > 1 {
            heading(&mut out, 2, &decision::load(table));
            paragraph(&mut out, &escaped(&table.part.question));
        }
        paragraph(&mut out, &escaped(&summary::first_paragraph(run, table)));
        heading(&mut out, 2, "What this does not show");
        list(&mut out, &summary::limits(run, table));
        heading(&mut out, 2, "All measurements");
        measurements(&mut out, table);
        reasons(&mut out, table);
        let within = summary::within_servers(table);
        if !within.is_empty() {
            heading(&mut out, 2, "Within each server");
            list(&mut out, &within);
        }
    }
    interpreters(&mut out, run, tables);
    if !charts.is_empty() {
        heading(&mut out, 2, "Charts");
    }
    for chart in charts {
        paragraph(&mut out, &format!("![{}](charts/{}.svg)", escaped(&chart.title), chart.name));
    }
    environment(&mut out, run, &run.environment);
    heading(&mut out, 2, "How to read the table");
    for column in &COLUMNS {
        // Writing to a string does not fail.
        let _ = writeln!(out, "- **{}**: {}.", escaped(column.title), escaped(column.meaning));
    }
    out.push('\n');
    heading(&mut out, 2, "How to repeat it");
    paragraph(&mut out, &format!("`{}`", run.command.join(" ").replace(['`', '\n'], "'")));
    out
}

fn decisions(out: &mut String, run: &Run, tables: &[Table<'_>]) {
    let servers: Vec<String> = decision::servers(run).into_iter().map(escaped).collect();
    let _ = writeln!(out, "| load | {} |", servers.join(" | "));
    let _ = writeln!(out, "| :-- |{}", " :-- |".repeat(servers.len()));
    for line in decision::lines(run, tables) {
        let cells: Vec<String> = line.cells.iter().map(|cell| escaped(&cell.text())).collect();
        let _ = writeln!(out, "| {} | {} |", escaped(&line.load), cells.join(" | "));
    }
    out.push('\n');
}

/// What the experiment with interpreters says.
fn interpreters(out: &mut String, run: &Run, tables: &[Table<'_>]) {
    if !run.parts.iter().any(|part| part.varies == Varies::Interpreter) {
        return;
    }
    heading(out, 2, "Is it the interpreter's lock?");
    let finding = interpreter::Finding::of(run, tables);
    paragraph(out, &escaped(&finding.conclusion));
    list(out, &[finding.evidence, finding.limits].concat());
}

fn heading(out: &mut String, level: usize, text: &str) {
    let _ = write!(out, "{} {}\n\n", "#".repeat(level), escaped(text));
}

fn paragraph(out: &mut String, text: &str) {
    let _ = write!(out, "{text}\n\n");
}

fn list(out: &mut String, items: &[String]) {
    for item in items {
        let _ = writeln!(out, "- {}", escaped(item));
    }
    out.push('\n');
}

fn measurements(out: &mut String, table: &Table<'_>) {
    let titles: Vec<String> = COLUMNS.iter().map(|column| escaped(column.title)).collect();
    let rules: Vec<&str> = COLUMNS.iter().map(|column| if column.is_number { "--:" } else { ":--" }).collect();
    let _ = writeln!(out, "| {} |", titles.join(" | "));
    let _ = writeln!(out, "| {} |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = COLUMNS.iter().map(|column| escaped(&(column.cell)(row))).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

fn reasons(out: &mut String, table: &Table<'_>) {
    let lines: Vec<String> = table.rows.iter().flat_map(remarks).collect();
    if !lines.is_empty() {
        heading(out, 2, "Remarks on rows");
        list(out, &lines);
    }
}

/// A row's reasons and notes, each with the row's name before it.
fn remarks(row: &Row<'_>) -> Vec<String> {
    let reasons = row.validity.reasons.iter().map(ToString::to_string);
    let notes = row.validity.notes.iter().map(ToString::to_string);
    reasons.chain(notes).map(|text| format!("{}: {text}", row.measurement.name())).collect()
}

fn environment(out: &mut String, run: &Run, environment: &Environment) {
    heading(out, 2, "Where and when");
    for (name, value) in facts::of_run(run).into_iter().chain(facts::of_environment(environment)) {
        let _ = writeln!(out, "- **{name}**: {}", escaped(&value));
    }
    out.push('\n');
}

/// Text in which nothing is taken for markup, and which stays on its line.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(letter);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}
