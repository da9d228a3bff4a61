//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{self, Chart};
use crate::columns::COLUMNS;
use crate::ranking::{Row, Table};
use crate::record::Run;
use crate::validity::Standing;
use crate::{facts, summary};

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
                    @for table in tables { (findings(run, table, tables.len() > 1)) }
                    @if !charts.is_empty() {
                        section { h2 { "Charts" } @for chart in charts { (figure(chart)) } }
                    }
                    @for table in tables { (measurements(table, tables.len() > 1)) }
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

/// What is known now, and what is not.
fn findings(run: &Run, table: &Table<'_>, one_of_many: bool) -> Markup {
    let within = summary::within_servers(table);
    html! {
        section {
            @if one_of_many { h2 { (summary::workload(table.workload)) } }
            p.lead { (summary::first_paragraph(run, table)) }
            @if !one_of_many { p.faint { (summary::workload(table.workload)) "." } }
            h2 { "What this does not show" }
            ul { @for limit in summary::limits(run, table) { li { (limit) } } }
            @if !within.is_empty() {
                h2 { "Within each server" }
                ul { @for sentence in within { li { (sentence) } } }
            }
        }
    }
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure id=(chart.name) {
            h3 { (chart.title) }
            figcaption { (chart.caption) }
            div.box { (PreEscaped(chart.inline())) }
        }
    }
}

fn measurements(table: &Table<'_>, one_of_many: bool) -> Markup {
    let remarks: Vec<&Row<'_>> =
        table.rows.iter().filter(|row| !row.validity.reasons.is_empty() || !row.validity.notes.is_empty()).collect();
    html! {
        section {
            h2 { "All measurements" }
            @if one_of_many { p.faint { (summary::workload(table.workload)) } }
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
                h3 { "Remarks on rows" }
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
