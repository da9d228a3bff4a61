//! The report as Markdown, for a repository or a pull request.

use std::fmt::Write as _;

use crate::chart::Chart;
use crate::columns::{self, Column};
use crate::environment::Environment;
use crate::exclusions::exclusions;
use crate::merit::Merit;
use crate::ranking::{Row, Table};
use crate::record::{Run, Varies};
use crate::{certainty, contrast, costs, decision, facts, interpreter, knee, scaling, summary};

/// Cells of a bar at its full length.
const BAR: f64 = 12.0;

/// Writes the report. It stands alone, because a comment on a pull request shows no picture from beside it: bars are made
/// of letters, and the charts are named where they lie.
#[must_use]
pub fn render(run: &Run, tables: &[Table<'_>], charts: &[Chart]) -> String {
    let mut out = String::new();
    heading(&mut out, 1, &format!("{}: {}", run.suite, run.question));
    paragraph(&mut out, &escaped(&format!("{}, {}.", run.started_at.for_reader(), facts::machine(run))));
    if !run.is_finished() {
        paragraph(&mut out, &format!("**Provisional: {}.**", escaped(&summary::progress(run))));
    }
    match tables.first() {
        None => paragraph(&mut out, "The suite holds no measurement."),
        Some(table) => {
            paragraph(&mut out, &escaped(&summary::first_paragraph(run, table)));
            heading(&mut out, 2, "What this does not show");
            list(&mut out, &summary::limits(run, table));
        }
    }
    if tables.len() > 1 {
        heading(&mut out, 2, "Which server for which load");
        decisions(&mut out, run, tables);
    }
    for part in &run.parts {
        heading(&mut out, 2, &part.question);
        for (place, table) in tables.iter().enumerate().filter(|(_, table)| table.part.suite == part.suite) {
            load(&mut out, run, place, table);
        }
        let of_part: Vec<&Table<'_>> = tables.iter().filter(|table| table.part.suite == part.suite).collect();
        list(&mut out, &knee::sentences(&of_part));
        if part.varies == Varies::Interpreter {
            interpreters(&mut out, run, tables);
        }
    }
    costs(&mut out, tables);
    not_ranked(&mut out, tables);
    let sure = certainty::sentences(run, tables);
    if !sure.is_empty() {
        heading(&mut out, 2, "How sure this is");
        list(&mut out, &sure);
    }
    if !charts.is_empty() {
        heading(&mut out, 2, "Charts");
        paragraph(&mut out, "They are shown where this file lies beside its folder `charts`.");
    }
    for chart in charts {
        paragraph(&mut out, &format!("![{}](charts/{}.svg)", escaped(&chart.title), chart.name));
    }
    environment(&mut out, run, &run.environment);
    heading(&mut out, 2, "How to read the tables");
    for column in columns::brief() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "- **{}**: {}.", escaped(column.title), escaped(column.meaning));
    }
    out.push('\n');
    heading(&mut out, 2, "How to repeat it");
    paragraph(&mut out, &format!("`{}`", run.command.join(" ").replace(['`', '\n'], "'")));
    out
}

/// One load: who carried most, the measurements with bars, and remarks.
fn load(out: &mut String, run: &Run, place: usize, table: &Table<'_>) {
    // The first one's stands at the top.
    if place > 0 {
        paragraph(
            out,
            &format!("**{}.** {}", escaped(&decision::load(table)), escaped(&summary::first_paragraph(run, table))),
        );
    }
    measurements(out, table);
    let within = summary::within_servers(table).into_iter().chain(contrast::sentences(table));
    let within: Vec<String> = within.chain(scaling::sentences(table)).collect();
    list(out, &within);
    list(out, &table.rows.iter().flat_map(notes).collect::<Vec<_>>());
}

fn decisions(out: &mut String, run: &Run, tables: &[Table<'_>]) {
    let servers: Vec<String> = decision::servers(run).into_iter().map(escaped).collect();
    let _ = writeln!(out, "| load | {} |", servers.join(" | "));
    let _ = writeln!(out, "| :-- |{}", " :-- |".repeat(servers.len()));
    for line in decision::lines(run, tables) {
        let cells: Vec<String> = line.cells.iter().map(|cell| escaped(&cell.text())).collect();
        let _ = writeln!(out, "| {} | {} |", escaped(&line.title()), cells.join(" | "));
    }
    out.push('\n');
    paragraph(out, &escaped(decision::LEGEND));
}

/// What the experiment with interpreters says.
fn interpreters(out: &mut String, run: &Run, tables: &[Table<'_>]) {
    heading(out, 3, "Is it the interpreter's lock?");
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
    if items.is_empty() {
        return;
    }
    for item in items {
        let _ = writeln!(out, "- {}", escaped(item));
    }
    out.push('\n');
}

/// The short table, and a bar for what the rows are ranked by.
fn measurements(out: &mut String, table: &Table<'_>) {
    let columns: Vec<&Column> = columns::brief().collect();
    // The bars show what is ranked.
    let (title, value): (&str, fn(&Row<'_>) -> Option<f64>) = match table.merit() {
        Merit::Capacity => ("req / CPU-s as bars", |row| row.figures.capacity()),
        Merit::Latency => ("p99 as bars", |row| row.p99().map(|nanoseconds| nanoseconds as f64)),
        Merit::Cost => ("server µs/req as bars", |row| row.server_cpu_microseconds()),
    };
    let highest = table.rows.iter().filter_map(value).fold(0.0, f64::max);
    let titles: Vec<String> = columns.iter().map(|column| escaped(column.title)).collect();
    let rules: Vec<&str> = columns.iter().map(|column| if column.is_number { "--:" } else { ":--" }).collect();
    let _ = writeln!(out, "| {} | {title} |", titles.join(" | "));
    let _ = writeln!(out, "| {} | :-- |", rules.join(" | "));
    for row in &table.rows {
        let cells: Vec<String> = columns.iter().map(|column| escaped(&(column.cell)(row))).collect();
        let share = value(row).filter(|_| highest > 0.0).map_or(0.0, |value| value / highest);
        let _ = writeln!(out, "| {} | {} |", cells.join(" | "), bar(share, row.is_rankable()));
    }
    out.push('\n');
}

/// A bar of whole and partial blocks; of light ones where a row is not ranked.
fn bar(share: f64, is_ranked: bool) -> String {
    let eighths = (share.clamp(0.0, 1.0) * BAR * 8.0).round() as usize;
    if !is_ranked {
        return "░".repeat(eighths.div_ceil(8));
    }
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(eighths / 8), parts[eighths % 8])
}

/// What a request and an idle connection cost.
fn costs(out: &mut String, tables: &[Table<'_>]) {
    let (requests, connections) = (costs::per_request(tables), costs::per_connection(tables));
    if !requests.is_empty() {
        heading(out, 2, "What a request costs");
        plain_table(out, &costs::REQUEST_COLUMNS, requests.iter().map(<[String; 8]>::as_slice));
        list(out, &costs::not_counted(tables));
    }
    if !connections.is_empty() {
        heading(out, 3, "What an idle connection costs the server");
        plain_table(out, &costs::CONNECTION_COLUMNS, connections.iter().map(<[String; 5]>::as_slice));
    }
}

/// What was not ranked, why, and what to do about it.
fn not_ranked(out: &mut String, tables: &[Table<'_>]) {
    let exclusions = exclusions(tables);
    if exclusions.is_empty() {
        return;
    }
    heading(out, 2, "What was not ranked, and the remedy");
    for exclusion in exclusions {
        let rows: Vec<String> = exclusion.rows.iter().map(|row| escaped(&row.name)).collect();
        let _ = writeln!(out, "- **{}** ({}): {}", exclusion.rule, rows.join("; "), escaped(&exclusion.sentence));
    }
    out.push('\n');
}

fn plain_table<'a>(out: &mut String, titles: &[&str], rows: impl Iterator<Item = &'a [String]>) {
    let _ = writeln!(out, "| {} |", titles.join(" | "));
    let _ = writeln!(out, "|{}", " :-- |".repeat(titles.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// A row's notes, each with the row's name before it. Why it is not ranked is told for all loads together; here is what speaks
/// against it beside.
fn notes(row: &Row<'_>) -> Vec<String> {
    let further = row.validity.reasons.iter().skip(1).map(ToString::to_string);
    let notes = row.validity.notes.iter().map(ToString::to_string);
    further.chain(notes).map(|text| format!("{}: {text}", row.measurement.name())).collect()
}

fn environment(out: &mut String, run: &Run, environment: &Environment) {
    heading(out, 2, "Where and when");
    for (name, value) in facts::of_run(run).into_iter().chain(facts::of_environment(environment)) {
        let _ = writeln!(out, "- **{name}**: {}", escaped(&value));
    }
    out.push('\n');
}

/// Text in which nothing is taken for markup, and which stays on its line.
pub(crate) fn escaped(text: &str) -> String {
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
