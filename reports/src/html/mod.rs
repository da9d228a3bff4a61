//! The report as one page that needs nothing else: no font, no picture and no script from elsewhere.

mod measurements;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{self, Chart};
use crate::decision::{self, Cell};
use crate::exclusions::exclusions;
use crate::ranking::Table;
use crate::record::{Part, Run, Varies};
use crate::{certainty, contrast, costs, csv, facts, interpreter, knee, scaling, summary, words};

/// The page's own rules of style.
const STYLE: &str = include_str!("page.css");

/// What sorts and filters its tables.
const SCRIPT: &str = include_str!("page.js");

/// Writes the page.
#[must_use]
pub fn render(run: &Run, tables: &[Table<'_>], charts: &[Chart]) -> String {
    let title = format!("{}: {}", run.suite, run.question);
    // The one that matters stands before all questions.
    let (first, others) = charts.split_at(charts.len().min(1));
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
                    p.suite { "Suite " (run.suite) ", " (run.started_at.for_reader()) " · " (facts::machine(run)) }
                    h1 { (run.question) }
                    @if !run.is_finished() {
                        p.provisional { strong { "Provisional: " } (summary::progress(run)) ". The figures may still change." }
                    }
                }
                main {
                    @if tables.is_empty() { p.lead { "The suite holds no measurement." } }
                    @if let Some(table) = tables.first() {
                        p.lead { (summary::first_paragraph(run, table)) }
                        h2 { "What this does not show" }
                        ul { @for limit in summary::limits(run, table) { li { (limit) } } }
                    }
                    @if tables.len() > 1 { (decisions(run, tables)) }
                    @for chart in first { (figure(chart)) }
                    @for (number, part) in run.parts.iter().enumerate() { (question(run, number, part, tables, others)) }
                    (requests(tables))
                    (not_ranked(tables))
                    @if !tables.is_empty() { (measurements::all(tables)) }
                    (how_sure(run, tables))
                    (reproduce(run, tables))
                }
                script { (PreEscaped(SCRIPT)) }
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
                                th scope="row" {
                                    a href={ "#" (line.anchor) } { (line.load) }
                                    @if !line.remark.is_empty() { " " span.faint { "(" (line.remark) ")" } }
                                }
                                @for cell in &line.cells {
                                    @let tells = if let Cell::Breaks(reason) = cell { reason.as_str() } else { "" };
                                    td.best[cell.is_first()] title=(tells) {
                                        a href={ "#" (line.anchor) } { (cell.text()) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.faint { (decision::LEGEND) }
        }
    }
}

/// One question: what is known now, its charts, its measurements.
fn question(run: &Run, number: usize, part: &Part, tables: &[Table<'_>], charts: &[Chart]) -> Markup {
    let of_part = || tables.iter().enumerate().filter(|(_, table)| table.part.suite == part.suite);
    let of_charts = || charts.iter().filter(|chart| chart.part == part.suite);
    let of_table = |table: &Table<'_>| -> Vec<String> {
        // Of several loads each says which it is.
        let apart = decision::apart(table);
        let prefix = if apart.is_empty() { String::new() } else { format!("{}: ", words::sentence(&apart)) };
        let sentences = summary::within_servers(table).into_iter().chain(contrast::sentences(table));
        let sentences = sentences.chain(scaling::sentences(table));
        sentences.map(|sentence| format!("{prefix}{sentence}")).collect()
    };
    let within: Vec<String> = of_part()
        .flat_map(|(_, table)| of_table(table))
        .chain(knee::sentences(&of_part().map(|(_, table)| table).collect::<Vec<_>>()))
        .collect();
    // What holds for the whole run stands at the top of the page.
    let said = tables.first().map(|table| summary::limits(run, table)).unwrap_or_default();
    let limits = of_part().next().map(|(_, table)| summary::limits(run, table)).unwrap_or_default();
    let limits: Vec<String> = limits.into_iter().filter(|limit| !said.contains(limit)).collect();
    html! {
        section id={ "question-" (number + 1) } {
            @if run.parts.len() > 1 { h2 { (part.question) } }
            @for (place, table) in of_part() {
                // What stands at the top of the page is not said again.
                @if place > 0 { p { strong { (decision::load(table)) ". " } (summary::first_paragraph(run, table)) } }
            }
            @if !limits.is_empty() {
                h3 { "What this does not show" }
                ul { @for limit in limits { li { (limit) } } }
            }
            @if !within.is_empty() {
                h3 { "Within each server" }
                ul { @for sentence in within { li { (sentence) } } }
            }
            @if part.varies == Varies::Interpreter { (interpreters(run, tables)) }
            @for chart in of_charts().filter(|chart| !chart.is_further) { (figure(chart)) }
            @if of_charts().any(|chart| chart.is_further) {
                details.further {
                    summary { "Further charts: latency percentiles, and every round over time" }
                    @for chart in of_charts().filter(|chart| chart.is_further) { (figure(chart)) }
                }
            }
            @for (place, table) in of_part() { (measurements::of_load(place, table)) }
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
        (plain_table("history", &interpreter::HISTORY_COLUMNS, interpreter::HISTORY.iter()))
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
                (plain_table("data", &chart.data.columns, chart.data.rows.iter()))
            }
        }
    }
}

/// What a request and an idle connection cost.
fn requests(tables: &[Table<'_>]) -> Markup {
    let (requests, connections) = (costs::per_request(tables), costs::per_connection(tables));
    html! {
        @if !requests.is_empty() {
            section id="costs" {
                h2 { "What a request costs" }
                (plain_table("costs", &costs::REQUEST_COLUMNS, requests.iter()))
                p.faint {
                    "CPU time, switches and bytes are those of the measured rounds, for each answer. System calls are \
                     counted in a pass of their own under strace, for 800 requests over 4 connections: reading, writing, \
                     accepting and closing are exact; of the calls that wait for several connections at once (epoll_wait, \
                     select) there are fewer under load, when more are ready at a time."
                }
                @for sentence in costs::not_counted(tables) { p { (sentence) } }
            }
        }
        @if !connections.is_empty() {
            section {
                h3 { "What an idle connection costs the server" }
                (plain_table("costs", &costs::CONNECTION_COLUMNS, connections.iter()))
                p.faint {
                    "The most resident memory, threads and descriptors with so many idle connections, less those without, for \
                     each of them. What the kernel keeps for a socket is not in it."
                }
            }
        }
    }
}

/// What was not ranked, why, and what to do about it.
fn not_ranked(tables: &[Table<'_>]) -> Markup {
    let exclusions = exclusions(tables);
    html! {
        @if !exclusions.is_empty() {
            section id="not-ranked" {
                h2 { "What was not ranked, and the remedy" }
                div.box {
                    table.exclusions {
                        thead { tr { th scope="col" { "rule" } th scope="col" { "rows" } th scope="col" { "what was seen first, and what to do" } } }
                        tbody {
                            @for exclusion in &exclusions {
                                tr {
                                    th scope="row" { (exclusion.rule) }
                                    td.wide {
                                        @for (place, row) in exclusion.rows.iter().enumerate() {
                                            @if place > 0 { "; " }
                                            a href={ "#" (row.anchor) } { (row.name) }
                                        }
                                    }
                                    td.wide { (exclusion.sentence) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Noise, rounds, the generator, and the words of the field.
fn how_sure(run: &Run, tables: &[Table<'_>]) -> Markup {
    let sentences = certainty::sentences(run, tables);
    html! {
        section {
            h2 { "How sure this is" }
            @if sentences.is_empty() { p { "Nothing is measured yet." } }
            ul { @for sentence in sentences { li { (sentence) } } }
            h3 { "Words" }
            dl { @for (word, meaning) in certainty::GLOSSARY { dt { (word) } dd { (meaning) "." } } }
        }
    }
}

/// How to repeat the run, and what to name when it is cited.
fn reproduce(run: &Run, tables: &[Table<'_>]) -> Markup {
    let rows = || tables.iter().flat_map(|table| &table.rows);
    html! {
        section {
            h2 { "How to repeat and cite it" }
            div.box { pre { code { (run.command.join(" ")) } } }
            p.faint {
                "The seed fixes the order of the measurements in each round, when the requests of an open loop are due, and which \
                 files of several are asked for. These differ from round to round; within a round, all servers under one load \
                 share them on purpose. Everything measured, every histogram and every window, lies raw in results.json beside \
                 this page."
            }
            h3 { "Where and when" }
            dl {
                @for (name, value) in facts::of_run(run).into_iter().chain(facts::of_environment(&run.environment)) {
                    dt { (name) }
                    dd { (value) }
                }
            }
            @if !tables.is_empty() {
                details {
                    summary { "How the servers were started, and the digests of configuration and workload" }
                    div.box {
                        table.commands {
                            tbody {
                                @for row in rows() {
                                    tr {
                                        th scope="row" { (row.measurement.name()) }
                                        td { code { (row.measurement.configuration.command.join(" ")) } }
                                        td { code { (row.measurement.configuration_hash) } }
                                        td { code { (row.measurement.workload_hash) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A table of texts, the first cell of each row its heading.
fn plain_table<'a, Title, Row, Text>(class: &str, titles: &[Title], rows: impl Iterator<Item = &'a Row>) -> Markup
where
    Title: AsRef<str>,
    Row: AsRef<[Text]> + 'a,
    Text: AsRef<str> + 'a,
{
    html! {
        div.box {
            table class=(class) {
                thead { tr { @for title in titles { th scope="col" { (title.as_ref()) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.as_ref().iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell.as_ref()) } } @else { td { (cell.as_ref()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
