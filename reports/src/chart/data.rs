//! The figures behind a chart.

use crate::fields;
use crate::ranking::{Row, Table};
use crate::words;

use super::capacity::interval_of_mean;

/// Everything that a chart draws, as a table: plain numbers, with units in the headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartData {
    /// The headings.
    pub columns: Vec<String>,
    /// The rows, each as long as the headings.
    pub rows: Vec<Vec<String>>,
}

impl ChartData {
    /// The figures as sentences, the first column as the name of each.
    pub(super) fn sentence(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let figures = self.columns.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty());
            let figures: Vec<String> = figures.map(|(column, cell)| format!("{column} {cell}")).collect();
            format!("{}: {}.", row.first().map_or("", String::as_str), words::list(&figures))
        });
        rows.collect::<Vec<String>>().join(" ")
    }
}

/// Requests per second, with their interval and their rounds.
pub(super) fn rates(table: &Table<'_>) -> ChartData {
    let columns = [
        "requests per second",
        "95 % from",
        "95 % to",
        "rounds in requests per second",
        "excluded rounds in requests per second",
    ];
    each(table, &columns, |row| {
        let rates: Vec<f64> = row.figures.used().map(|round| round.requests_per_second).collect();
        let interval = row.figures.requests_per_second().and_then(|rate| interval_of_mean(rate, &rates));
        vec![
            number(row.figures.requests_per_second()),
            number(interval.map(|(low, _)| low)),
            number(interval.map(|(_, high)| high)),
            numbers(rates.into_iter()),
            numbers(row.figures.left_out().map(|round| round.requests_per_second)),
        ]
    })
}

/// CPU time per request and the part of it in the program.
pub(super) fn costs(table: &Table<'_>) -> ChartData {
    let columns = ["server CPU µs per request", "in the program µs", "rounds in µs", "excluded rounds in µs"];
    each(table, &columns, |row| {
        vec![
            number(row.server_cpu_microseconds()),
            number(row.figures.server_user_microseconds()),
            numbers(row.figures.used().filter_map(|round| round.server_cpu_microseconds)),
            numbers(row.figures.left_out().filter_map(|round| round.server_cpu_microseconds)),
        ]
    })
}

/// The percentiles that are marked.
pub(super) fn latencies(table: &Table<'_>) -> ChartData {
    each(table, &["p50 µs", "p90 µs", "p99 µs", "maximum µs"], |row| {
        let at = |percent| row.latency().shown_percentile(percent).map(|value| value as f64 / 1e3);
        [50.0, 90.0, 99.0, 100.0].map(|percent| number(at(percent))).to_vec()
    })
}

fn each(table: &Table<'_>, columns: &[&str], cells: impl Fn(&Row<'_>) -> Vec<String>) -> ChartData {
    let names = ["measurement", "standing"].iter().chain(columns).map(|column| (*column).to_owned());
    let rows = table.rows.iter().map(|row| {
        let mut line = vec![row.measurement.name(), row.label()];
        line.extend(cells(row));
        line
    });
    ChartData { columns: names.collect(), rows: rows.collect() }
}

/// A plain number, or nothing.
pub(super) fn number(value: Option<f64>) -> String {
    fields::number(value)
}

fn numbers(values: impl Iterator<Item = f64>) -> String {
    values.map(|value| number(Some(value))).collect::<Vec<String>>().join(" ")
}
