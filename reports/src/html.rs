//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{self, Chart};
use crate::columns::COLUMNS;
use crate::decision::{self, Cell};
use crate::ranking::{Row, Table};
use crate::record::{Part, Run, Varies};
use crate::validity::Standing;
use crate::{csv, facts, interpreter, summary};

/// The page's own rules of style.
const STYLE: &str = include_str!("page.css");

/// Writes the page.
#[must_use]
pub fn render(run: &Run, tables: &[Table<'_>], charts: &[Chart]) -> String {
    let title = format!("{}: {}", run.suite, run.question);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(chart::style())) }
            }
            body {
                header {
                    p.suite { "Suite " (run.suite) ", " (run.started_at.for_reader()) }
                    h1 { (run.question) }
                    @if !run.is_finished() {
                        p.provisional { strong { "Provisional: " } (summary::progress(run)) ". The figures may still change." }
                    }
                }
                main {
                    @if tables.is_empty() { p.lead { "The suite holds no measurement." } }
                    @if let Some(table) = tables.first() { p.lead { (summary::first_paragraph(run, table)) } }
                    @if tables.len() > 1 { (decisions(run, tables)) }
                    @for (number, part) in run.parts.iter().enumerate() { (question(run, number, part, tables, charts)) }
                    (commands(tables))
                    (environment(run))
                    (reading())
                    section {
                        h2 { "How to repeat it" }
                        div.box { pre { code { (run.command.join(" ")) } } }
                        p.faint {
                            "The seed fixes the order in which the measurements take turns. Everything measured, every \
                             histogram and every window, lies raw in results.json beside this page."
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// All loads and all servers.
fn decisions(run: &Run, tables: &[Table<'_>]) -> Markup {
    let servers = decision::servers(run);
    html! {
        section {
            h2 { "Which server for which load" }
            div.box {
                table.decisions {
                    thead {
                        tr { th scope="col" { "load" } @for server in &servers { th scope="col" { (server) } } }
                    }
                    tbody {
                        @for line in decision::lines(run, tables) {
                            tr {
                                th scope="row" { a href={ "#" (line.anchor) } { (line.load) } }
                                @for cell in &line.cells {
                                    @let tells = if let Cell::Breaks(reason) = cell { reason.as_str() } else { "" };
                                    td title=(tells) { a href={ "#" (line.anchor) } { (cell.text()) } }
                                }
                            }
                        }
                    }
                }
            }
            p.faint {
                "Not told apart: from the best, by this run; it may be as good. The rest is the ratio to the best: of what is \
                 carried, or in an open loop of the latency that 99 % of the answers did not exceed. Breaks: not valid under \
                 this load; the reason stands at its measurements."
            }
        }
    }
}

/// One question: what is known now and what is not, its charts, its measurements.
fn question(run: &Run, number: usize, part: &Part, tables: &[Table<'_>], charts: &[Chart]) -> Markup {
    let of_part = || tables.iter().enumerate().filter(|(_, table)| table.part.suite == part.suite);
    let within: Vec<String> = of_part().flat_map(|(_, table)| summary::within_servers(table)).collect();
    html! {
        section id={ "question-" (number + 1) } {
            @if run.parts.len() > 1 { h2 { (part.question) } }
            @for (place, table) in of_part() {
                // What stands at the top of the page is not said again.
                @if place > 0 { p { strong { (decision::load(table)) ". " } (summary::first_paragraph(run, table)) } }
            }
            @if let Some((_, table)) = of_part().next() {
                h3 { "What this does not show" }
                ul { @for limit in summary::limits(run, table) { li { (limit) } } }
            }
            @if !within.is_empty() {
                h3 { "Within each server" }
                ul { @for sentence in within { li { (sentence) } } }
            }
            @if part.varies == Varies::Interpreter { (interpreters(run, tables)) }
            @for chart in charts.iter().filter(|chart| chart.part == part.suite) { (figure(chart)) }
            @for (place, table) in of_part() { (measurements(place, table)) }
        }
    }
}

/// The first benchmark, and what the experiment says of its question.
fn interpreters(run: &Run, tables: &[Table<'_>]) -> Markup {
    let finding = interpreter::Finding::of(run, tables);
    html! {
        h3 { "Is it the interpreter's lock?" }
        p { (finding.conclusion) }
        ul { @for sentence in finding.evidence.iter().chain(&finding.limits) { li { (sentence) } } }
        h3 { "The first benchmark, for comparison" }
        div.box {
            table.history {
                thead { tr { @for title in interpreter::HISTORY_COLUMNS { th scope="col" { (title) } } } }
                tbody { @for row in interpreter::HISTORY { tr { @for cell in row { td { (cell) } } } } }
            }
        }
        p.faint { (interpreter::HISTORY_CAVEAT) }
    }
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure id=(chart.name) {
            h3 { (chart.title) }
            figcaption { (chart.caption) }
            div.box { (PreEscaped(chart.inline())) }
            details {
                summary { "The data of this chart" }
                p { a download={ (chart.name) ".csv" } href=(csv::link(&chart.data)) { "Download as CSV" } }
                div.box {
                    table.data {
                        thead { tr { @for column in &chart.data.columns { th scope="col" { (column) } } } }
                        tbody { @for row in &chart.data.rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        }
    }
}

fn measurements(place: usize, table: &Table<'_>) -> Markup {
    let remarks: Vec<&Row<'_>> =
        table.rows.iter().filter(|row| !row.validity.reasons.is_empty() || !row.validity.notes.is_empty()).collect();
    html! {
        section id=(decision::anchor(place)) {
            h3 { "All measurements" }
            p.faint { (summary::workload(table.workload)) "." }
            div.box {
                table.measurements {
                    thead {
                        tr {
                            @for column in &COLUMNS {
                                th.number[column.is_number] scope="col" title=(column.meaning) { (column.title) }
                            }
                        }
                    }
                    tbody {
                        @for (place, row) in table.rows.iter().enumerate() { (measurement(table, place, row)) }
                    }
                }
            }
            @if !remarks.is_empty() {
                h4 { "Remarks on rows" }
                ul.remarks {
                    @for row in remarks {
                        li {
                            strong { (row.measurement.name()) } ": "
                            @for reason in &row.validity.reasons { span.excluded { (reason) } " " }
                            @for note in &row.validity.notes { (note) " " }
                        }
                    }
                }
            }
        }
    }
}

fn measurement(table: &Table<'_>, place: usize, row: &Row<'_>) -> Markup {
    let server = &row.measurement.server;
    let is_first = place == 0 || table.rows[place - 1].measurement.server.name != server.name;
    let model = if server.is_ours() { server.model.clone() } else { format!("reference: {}", server.model) };
    let standing = row.standing();
    let [name, figures @ ..] = &COLUMNS;
    html! {
        tr.first[is_first].best[row.rank == Some(1)].unranked[standing != Standing::Ranked] {
            th scope="row" { ((name.cell)(row)) @if is_first { span.model { (model) } } }
            @for column in figures {
                @let cell = (column.cell)(row);
                @if column.title == "validity" {
                    td { span.standing.ranked[standing == Standing::Ranked].excluded[is_excluded(standing)] { (cell) } }
                } @else {
                    td.number[column.is_number] { (cell) }
                }
            }
        }
    }
}

fn is_excluded(standing: Standing) -> bool {
    matches!(standing, Standing::Invalid | Standing::TooNoisy)
}

/// How each server was started.
fn commands(tables: &[Table<'_>]) -> Markup {
    html! {
        @if !tables.is_empty() {
            section {
                h2 { "How the servers were started" }
                div.box {
                    table.commands {
                        tbody {
                            @for row in tables.iter().flat_map(|table| &table.rows) {
                                tr {
                                    th scope="row" { (row.measurement.name()) }
                                    td { code { (row.measurement.configuration.command.join(" ")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn environment(run: &Run) -> Markup {
    html! {
        section {
            h2 { "Where and when" }
            dl {
                @for (name, value) in facts::of_run(run).into_iter().chain(facts::of_environment(&run.environment)) {
                    dt { (name) }
                    dd { (value) }
                }
            }
        }
    }
}

fn reading() -> Markup {
    html! {
        section {
            h2 { "How to read the table" }
            p {
                "Rows are ranked by capacity, in quiet windows, and compared round by round: the ratio of two rows is \
                 taken within each round, where both met the same minute, and its 95 % interval comes from how much \
                 these ratios differ (Student's t below ten rounds, a bootstrap of rounds from ten on). An interval that \
                 holds 1 means that the two cannot be told apart. A row that is not valid is shown with its reason and \
                 not ranked. Histograms of rounds are merged; no percentile is an average."
            }
            dl {
                @for column in &COLUMNS {
                    dt { (column.title) }
                    dd { (column.meaning) "." }
                }
            }
        }
    }
}
