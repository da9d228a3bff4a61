//! The fields of a measurement for programs: plain numbers with their units in the headings, where [`columns`](crate::columns)
//! are for readers.

use crate::decision;
use crate::ranking::{Row, Table};
use crate::statistics::Ratio;

/// A field of a measurement.
pub struct Field {
    /// Its heading, with the unit: `p99 in µs`.
    pub heading: &'static str,
    /// What stands in it; empty where it is not known.
    pub of: fn(&Table<'_>, &Row<'_>) -> String,
}

/// The fields of a measurement, from left to right.
pub static FIELDS: [Field; 30] = [
    Field { heading: "load", of: |table, _| decision::load(table) },
    Field { heading: "server", of: |_, row| row.measurement.server.name.clone() },
    Field { heading: "flags", of: |_, row| row.measurement.configuration.flags.join(" ") },
    Field { heading: "workers", of: |_, row| number(row.measurement.configuration.workers.map(f64::from)) },
    Field { heading: "access log", of: |_, row| yes_or_no(row.measurement.configuration.access_log) },
    Field { heading: "A/A control", of: |_, row| yes_or_no(row.measurement.is_twin) },
    Field { heading: "standing", of: |_, row| row.label() },
    Field { heading: "rank", of: |_, row| number(row.rank.map(|rank| rank as f64)) },
    Field { heading: "group", of: |_, row| number(row.group.map(|group| group as f64)) },
    Field { heading: "rounds", of: |_, row| number(Some(row.figures.rounds.len() as f64)) },
    Field { heading: "rounds that count", of: |_, row| number(Some(row.figures.counted_rounds() as f64)) },
    Field { heading: "requests per second", of: |_, row| number(row.figures.requests_per_second()) },
    Field {
        heading: "lowest round in requests per second",
        of: |_, row| number(row.figures.spread().map(|all| all.0)),
    },
    Field {
        heading: "median round in requests per second",
        of: |_, row| number(row.figures.spread().map(|all| all.1)),
    },
    Field {
        heading: "highest round in requests per second",
        of: |_, row| number(row.figures.spread().map(|all| all.2)),
    },
    Field { heading: "ratio to the best row", of: |_, row| number(row.to_best.map(|ratio| ratio.ratio)) },
    Field { heading: "95 % from", of: |_, row| number(row.to_best.and_then(low)) },
    Field { heading: "95 % to", of: |_, row| number(row.to_best.and_then(high)) },
    Field { heading: "requests per available CPU-second", of: |_, row| number(row.figures.capacity()) },
    Field { heading: "server CPU in µs per request", of: |_, row| number(row.server_cpu_microseconds()) },
    Field { heading: "client CPU in µs per request", of: |_, row| number(row.figures.generator_cpu_microseconds()) },
    Field { heading: "server CPU used over available", of: |_, row| number(row.figures.server_utilisation) },
    Field { heading: "client CPU used over available", of: |_, row| number(row.figures.generator_utilisation) },
    Field { heading: "p50 in µs", of: |_, row| microseconds(row.latency().shown_percentile(50.0)) },
    Field { heading: "p99 in µs", of: |_, row| microseconds(row.p99()) },
    Field { heading: "longest latency in µs", of: |_, row| microseconds(row.latency().maximum()) },
    Field { heading: "requests per connection", of: |_, row| number(row.figures.requests_per_connection()) },
    Field { heading: "switches per request", of: |_, row| number(row.figures.switches_per_request()) },
    Field {
        heading: "most memory in bytes",
        of: |_, row| number(row.figures.peak_resident_bytes.map(|bytes| bytes as f64)),
    },
    Field { heading: "most threads", of: |_, row| number(row.figures.peak_threads.map(f64::from)) },
];

/// A plain number with as many digits as say something, or nothing: `122049.25`, `0.0124`.
#[must_use]
pub fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return String::new() };
    // Six significant digits, and all of a whole number.
    let decimals = if value == 0.0 { 0 } else { (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn microseconds(nanoseconds: Option<u64>) -> String {
    number(nanoseconds.map(|nanoseconds| nanoseconds as f64 / 1e3))
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn low(ratio: Ratio) -> Option<f64> {
    ratio.interval.map(|(low, _)| low)
}

fn high(ratio: Ratio) -> Option<f64> {
    ratio.interval.map(|(_, high)| high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_and_what_is_unknown_is_empty() {
        let texts =
            [122_049.0, 0.012_4, 734.125, 1.0, 0.0, -2.5, 133_060.26, 4_194_304.0].map(|value| number(Some(value)));
        assert_eq!(texts, ["122049", "0.0124", "734.125", "1", "0", "-2.5", "133060", "4194304"]);
        assert_eq!([number(None), number(Some(f64::NAN))], ["", ""]);
    }
}
