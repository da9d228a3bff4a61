//! The columns of the table of all measurements: one definition for every form of the report.

use loadgen::TOO_FEW;

use crate::ranking::Row;
use crate::record::LogSink;
use crate::statistics::Ratio;
use crate::validity::Standing;
use crate::words;

/// What stands in a cell about which nothing is known.
pub const UNKNOWN: &str = "–";

/// What stands in a cell whose figure is less than ten times what its clock can tell.
pub const TOO_SHORT: &str = "too short to tell";

/// A column of the table.
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// What it means, for the reader.
    pub meaning: &'static str,
    /// Whether it holds numbers, which are set to the right.
    pub is_number: bool,
    /// Whether it also stands in the short tables that answer one question each.
    pub is_brief: bool,
    /// What stands in a row of it.
    pub cell: fn(&Row<'_>) -> String,
}

/// The columns, from left to right; the first one names the row.
pub static COLUMNS: [Column; 21] = [
    Column {
        title: "server",
        meaning: "the program under test, with the flags that set it apart",
        is_number: false,
        is_brief: true,
        cell: server,
    },
    Column {
        title: "workers",
        meaning: "how many workers it was given; a thread for each connection knows no such number",
        is_number: true,
        is_brief: true,
        cell: |row| row.measurement.configuration.workers.map_or_else(unknown, |workers| words::count(workers.into())),
    },
    Column {
        title: "log",
        meaning: "whether it wrote an access log, and where to",
        is_number: false,
        is_brief: true,
        cell: log,
    },
    Column {
        title: "rank",
        meaning: "the place among the measurements that may be ranked: by req / CPU-s in a closed loop; by server µs/req where the \
                  load generator was the limit of one of them; by p99 in an open loop",
        is_number: true,
        is_brief: true,
        cell: |row| row.rank.map_or_else(unknown, |rank| rank.to_string()),
    },
    Column {
        title: "group",
        meaning: "1 for the first server and all without a significant difference to it, each in its best configuration, \
                  corrected for all pairs (Holm); then the first of the rest and its like",
        is_number: true,
        is_brief: true,
        cell: |row| row.group.map_or_else(unknown, |group| group.to_string()),
    },
    Column {
        title: "validity",
        meaning: "whether the row may be ranked; the reasons stand below the table",
        is_number: false,
        is_brief: true,
        cell: |row| row.label(),
    },
    Column {
        title: "rounds",
        meaning: "the rounds that count; of how many, where some are excluded because of steal, other processes, a quota or a late \
                  load generator. Every figure of the row comes from those that count; where none does, from all, and the row is \
                  not ranked",
        is_number: true,
        is_brief: true,
        cell: rounds,
    },
    Column {
        title: "req/s",
        meaning: "complete responses over measured time, of the rounds that count; \"≥\" where the load generator was the limit",
        is_number: true,
        is_brief: true,
        cell: requests_per_second,
    },
    Column {
        title: "min – median – max",
        meaning: "the requests per second of the rounds",
        is_number: true,
        is_brief: false,
        cell: |row| row.figures.spread().map_or_else(unknown, spread),
    },
    Column {
        title: "to best",
        meaning: "its figure, by which rows are ranked, over that of the row with rank 1: the geometric mean of the ratios of the \
                  rounds in which both count, with the 95 % interval where there is one",
        is_number: true,
        is_brief: true,
        cell: |row| row.to_best.map_or_else(unknown, |ratio| to_best(row, ratio)),
    },
    Column {
        title: "req / CPU-s",
        meaning: "responses per second of CPU time that was available to the server (wall time times its CPUs, less what was \
                  stolen), in quiet windows only; the geometric mean of the rounds. Closed loops are ranked by it",
        is_number: true,
        is_brief: true,
        cell: |row| figure(row.figures.capacity()),
    },
    Column {
        title: "server µs/req",
        meaning: "CPU time of the server's processes per response, user and system. Where the load generator was the limit of a \
                  row, rows are ranked by it, and it is the geometric mean of the rounds",
        is_number: true,
        is_brief: true,
        cell: server_cpu,
    },
    Column {
        title: "client µs/req",
        meaning: "CPU time of the load generator per response",
        is_number: true,
        is_brief: false,
        cell: |row| figure(row.figures.generator_cpu_microseconds()),
    },
    Column {
        title: "busy: server, client",
        meaning: "CPU time used over CPU time available, of the server and of the generator's busiest thread",
        is_number: true,
        is_brief: false,
        cell: busy,
    },
    Column {
        title: "p50",
        meaning: "the latency that half of the responses did not exceed; of the rounds that count",
        is_number: true,
        is_brief: false,
        cell: |row| percentile(row, row.latency().shown_percentile(50.0)),
    },
    Column {
        title: "p99",
        meaning: "the latency that 99 % of the responses did not exceed. Open loops are ranked by it, and it is the geometric mean \
                  of the rounds; in a closed loop it is that of all responses together",
        is_number: true,
        is_brief: true,
        cell: |row| percentile(row, row.p99()),
    },
    Column {
        title: "max",
        meaning: "the longest latency of any response of the rounds that count",
        is_number: true,
        is_brief: false,
        cell: |row| duration(row.latency().maximum()),
    },
    Column {
        title: "req / connection",
        meaning: "responses per TCP connection: a server that closes connections so that others get their turn has few",
        is_number: true,
        is_brief: false,
        cell: |row| figure(row.figures.requests_per_connection()),
    },
    Column {
        title: "switches / req",
        meaning: "times that a thread of the server gave up or lost its CPU, per response",
        is_number: true,
        is_brief: false,
        cell: |row| figure(row.figures.switches_per_request()),
    },
    Column {
        title: "memory",
        meaning: "the most resident memory of the server's processes",
        is_number: true,
        is_brief: false,
        cell: |row| row.figures.peak_resident_bytes.map_or_else(unknown, words::bytes),
    },
    Column {
        title: "threads",
        meaning: "the most threads of the server's processes",
        is_number: true,
        is_brief: false,
        cell: |row| row.figures.peak_threads.map_or_else(unknown, |threads| words::count(threads.into())),
    },
];

/// The columns of the short tables.
pub fn brief() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.is_brief)
}

/// The server's CPU time per request, in microseconds.
pub(crate) fn server_cpu(row: &Row<'_>) -> String {
    match row.server_cpu_microseconds() {
        None if row.figures.server_cpu_is_too_short() => TOO_SHORT.to_owned(),
        microseconds => figure(microseconds),
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(unknown, words::figure)
}

fn duration(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(unknown, words::duration)
}

/// A percentile, or why there is none.
fn percentile(row: &Row<'_>, nanoseconds: Option<u64>) -> String {
    match nanoseconds {
        None if !row.figures.latency.is_empty() => TOO_FEW.to_owned(),
        nanoseconds => duration(nanoseconds),
    }
}

fn server(row: &Row<'_>) -> String {
    let flags = row.measurement.configuration.flags.join(" ");
    let twin = if row.measurement.is_twin { " (A/A control)" } else { "" };
    format!("{}{twin} {flags}", row.measurement.server.name).trim_end().to_owned()
}

fn log(row: &Row<'_>) -> String {
    let configuration = &row.measurement.configuration;
    let sink = match configuration.log_sink {
        _ if !configuration.access_log => return "off".to_owned(),
        LogSink::File => "a file",
        LogSink::Pipe => "a pipe",
        LogSink::Null => "/dev/null",
        LogSink::Terminal => "a terminal",
    };
    format!("to {sink}")
}

fn requests_per_second(row: &Row<'_>) -> String {
    let rate = figure(row.figures.requests_per_second());
    if row.standing() == Standing::AtLeast { format!("≥ {rate}") } else { rate }
}

fn rounds(row: &Row<'_>) -> String {
    match (row.figures.rounds.len(), row.figures.counted_rounds()) {
        (0, _) => unknown(),
        (all, counted) if counted == all => words::count(all as u64),
        (all, counted) => format!("{counted} of {all}"),
    }
}

fn spread((least, median, most): (f64, f64, f64)) -> String {
    format!("{} – {} – {}", words::figure(least), words::figure(median), words::figure(most))
}

fn to_best(row: &Row<'_>, ratio: Ratio) -> String {
    match ratio.interval {
        _ if row.is_first() => "1".to_owned(),
        Some((low, high)) => {
            format!("{} ({} to {})", words::ratio(ratio.ratio), words::ratio(low), words::ratio(high))
        }
        None => words::ratio(ratio.ratio),
    }
}

fn busy(row: &Row<'_>) -> String {
    let percent = |share: Option<f64>| share.map_or_else(unknown, words::percent);
    format!("{}, {}", percent(row.figures.server_utilisation), percent(row.figures.generator_utilisation))
}
