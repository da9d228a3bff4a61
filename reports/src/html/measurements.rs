//! The tables of measurements: a short one under each question, and one of everything at the end.

use maud::{Markup, html};

use crate::columns::{COLUMNS, Column, brief};
use crate::ranking::{Decision, Row, Table};
use crate::validity::Standing;
use crate::{decision, summary};

/// The measurements under one load, in the columns that answer its question.
pub(super) fn of_load(place: usize, table: &Table<'_>) -> Markup {
    let remarks: Vec<&Row<'_>> =
        table.rows.iter().filter(|row| !row.validity.reasons.is_empty() || !row.validity.notes.is_empty()).collect();
    html! {
        section id=(decision::anchor(place)) {
            h3 { "The measurements: " (decision::load(table)) }
            p.faint { (summary::workload(table.workload)) "." }
            div.box {
                table.evidence {
                    thead { tr { @for column in brief() { (heading(column)) } } }
                    tbody {
                        @for (place, row) in table.rows.iter().enumerate() {
                            @let is_first = place == 0
                                || table.rows[place - 1].measurement.server.name != row.measurement.server.name;
                            tr.first[is_first].best[is_best(table, row)].unranked[!row.is_rankable()] {
                                @for (place, column) in brief().enumerate() {
                                    @if place == 0 {
                                        th scope="row" {
                                            ((column.cell)(row)) @if is_first { span.model { (model(row)) } }
                                        }
                                    } @else { (cell(column, row)) }
                                }
                            }
                        }
                    }
                }
            }
            @if !remarks.is_empty() {
                details open[remarks.len() <= 6] {
                    summary { "Remarks on rows" }
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
}

/// All measurements of all loads in all columns; with a script, it can be sorted and filtered.
pub(super) fn all(tables: &[Table<'_>]) -> Markup {
    let [name, figures @ ..] = &COLUMNS;
    html! {
        section id="all-measurements" {
            h2 { "All measurements" }
            p.filter hidden data-filters="measurements" {
                label { "Show rows with " input type="search" placeholder="epoll wrk"; } " " output { }
            }
            div.box.tall {
                table.measurements.sortable id="measurements" {
                    thead {
                        tr {
                            (heading(name))
                            th scope="col" title="the suite, and what sets this load apart from its others" { "load" }
                            @for column in figures { (heading(column)) }
                        }
                    }
                    tbody {
                        @for (place, table) in tables.iter().enumerate() {
                            @for row in &table.rows {
                                tr.best[is_best(table, row)].unranked[!row.is_rankable()] {
                                    th scope="row" { ((name.cell)(row)) }
                                    td.load { a href={ "#" (decision::anchor(place)) } { (decision::load(table)) } }
                                    @for column in figures { (cell(column, row)) }
                                }
                            }
                        }
                    }
                }
            }
            p.faint {
                "Ranks and groups are those within each load; sorting and filtering change nothing about them. The same is in "
                code { "measurements.csv" } " beside this page, in plain numbers for programs."
            }
            details {
                summary { "What the columns mean" }
                p {
                    "Closed loops are ranked by requests per available CPU-second in quiet windows (req / CPU-s), or, where the \
                     load generator was the limit of a row, by the server's CPU time per request (server µs/req); open loops at a \
                     common rate by p99. A row's figure is the geometric mean of its rounds that count, and the ratio of two rows \
                     that of the ratios within each round in which both count, where both met the same minute. Its 95 % interval \
                     comes from how much these ratios differ (Student's t below ten rounds, a bootstrap of rounds from ten on). An \
                     interval that holds 1 shows no significant difference. A row that is not valid is shown with its reason and \
                     not ranked. Percentiles of closed loops come from the merged histogram of the rounds that count."
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
}

/// Whether a row is first, with a significant difference to every other server.
fn is_best(table: &Table<'_>, row: &Row<'_>) -> bool {
    row.is_first() && table.decision() == Decision::One
}

fn heading(column: &Column) -> Markup {
    html! { th.number[column.is_number] scope="col" title=(column.meaning) { (column.title) } }
}

fn cell(column: &Column, row: &Row<'_>) -> Markup {
    let cell = (column.cell)(row);
    let standing = row.standing();
    let is_excluded = matches!(standing, Standing::Invalid | Standing::TooNoisy);
    html! {
        @if column.title == "validity" {
            td { span.standing.ranked[standing == Standing::Ranked].excluded[is_excluded] { (cell) } }
        } @else {
            td.number[column.is_number] { (cell) }
        }
    }
}

fn model(row: &Row<'_>) -> String {
    let server = &row.measurement.server;
    if server.is_ours() { server.model.clone() } else { format!("reference: {}", server.model) }
}
