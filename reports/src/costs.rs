//! What a request costs, and what a connection costs that only waits: two tables over all loads of a run.

use crate::columns::{UNKNOWN, server_cpu};
use crate::ranking::{Row, Table};
use crate::record::{Arrival, Workload};
use crate::system_calls::{Counting, NotCounted};
use crate::validity::Standing;
use crate::words;

/// Of a call that is made less often than once in so many requests, chance or a clock is the cause.
const RARE: f64 = 0.005;

/// The headings of [`per_request`].
pub const REQUEST_COLUMNS: [&str; 8] = [
    "server",
    "connections",
    "server µs",
    "of it in the kernel",
    "client µs",
    "switches",
    "system calls",
    "bytes received",
];

/// The headings of [`per_connection`].
pub const CONNECTION_COLUMNS: [&str; 5] = ["server", "idle connections", "memory", "threads", "descriptors"];

/// What a request costs: a line for each configuration of a server and kind of connection, in the cells of
/// [`REQUEST_COLUMNS`]. Of those that differ in the number of workers alone it is the one whose system calls were counted,
/// or else the first.
#[must_use]
pub fn per_request(tables: &[Table<'_>]) -> Vec<[String; 8]> {
    let mut chosen: Vec<&Row<'_>> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows).filter(|row| is_plain(row)) {
        match chosen.iter_mut().find(|other| is_alike(other, row)) {
            Some(other) if quality(row) > quality(other) => *other = row,
            Some(_) => {}
            None => chosen.push(row),
        }
    }
    chosen.into_iter().map(request_line).collect()
}

/// How well a row shows what a request costs: its rounds count, and its system calls were counted.
fn quality(row: &Row<'_>) -> (bool, bool) {
    (!is_noisy(row), row.measurement.system_calls.is_some())
}

/// Why the system calls of some servers were not counted, each reason once with those that it holds for.
#[must_use]
pub fn not_counted(tables: &[Table<'_>]) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        let Some(Counting::NotCounted(reason)) = &row.measurement.system_calls else { continue };
        let (name, sentence) = (row.measurement.name(), reason.to_string());
        match reasons.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => reasons.push((sentence, vec![name])),
        }
    }
    let everywhere = |sentence: &str| *sentence == NotCounted::NoStrace.to_string();
    let text = |(sentence, names): (String, Vec<String>)| {
        if everywhere(&sentence) { sentence } else { format!("{}: {sentence}", words::list(&names)) }
    };
    reasons.into_iter().map(text).collect()
}

/// What each idle connection costs: for each server that was measured with few of them and with many, how much more it had
/// of everything, over how many more they were. In the cells of [`CONNECTION_COLUMNS`].
#[must_use]
pub fn per_connection(tables: &[Table<'_>]) -> Vec<[String; 5]> {
    let rows: Vec<&Row<'_>> = tables.iter().flat_map(|table| &table.rows).filter(|row| is_of_idle(row)).collect();
    let mut lines = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let like = |other: &&&Row<'_>| is_same_but_idle(other, row);
        if rows[..place].iter().any(|other| is_same_but_idle(other, row)) {
            continue;
        }
        let idle = |row: &&&Row<'_>| row.measurement.workload.idle_connections;
        let (fewest, most) = (rows.iter().filter(like).min_by_key(idle), rows.iter().filter(like).max_by_key(idle));
        lines.extend(fewest.zip(most).and_then(|(fewest, most)| connection_line(fewest, most)));
    }
    lines
}

fn request_line(row: &Row<'_>) -> [String; 8] {
    let (figures, workload) = (&row.figures, &row.measurement.workload);
    let figure = |figure: Option<f64>| figure.map_or_else(unknown, words::figure);
    let kernel = figures.server_cpu_microseconds().zip(figures.server_user_microseconds());
    let kernel = kernel.filter(|(all, _)| *all > 0.0).map(|(all, user)| words::percent(1.0 - user / all));
    let mut connections = match (workload.keep_alive, figures.requests_per_connection()) {
        (false, _) => "one request each",
        (true, Some(requests)) if requests < 2.0 => "closed by the server",
        (true, _) => "kept",
    }
    .to_owned();
    if workload.pipeline > 1 {
        connections.push_str(&format!(", {} requests at a time", workload.pipeline));
    }
    [
        marked(row),
        connections,
        server_cpu(row),
        kernel.unwrap_or_else(unknown),
        figure(figures.generator_cpu_microseconds()),
        figure(figures.switches_per_request()),
        calls(row),
        figures.bytes_per_response().map_or_else(unknown, words::figure),
    ]
}

/// The calls by name, the most frequent first: `2.31: 1 recvfrom, 1 sendto, 0.31 epoll_wait`.
fn calls(row: &Row<'_>) -> String {
    let Some(calls) = row.measurement.system_calls.as_ref().and_then(Counting::calls) else {
        return unknown();
    };
    let mut named: Vec<(String, f64)> = calls.by_name().into_iter().filter(|(_, count)| *count >= RARE).collect();
    named.sort_by(|first, second| second.1.total_cmp(&first.1).then_with(|| first.0.cmp(&second.0)));
    let named: Vec<String> = named.iter().map(|(name, count)| format!("{} {name}", short(*count))).collect();
    format!("{}: {}", short(calls.per_request()), if named.is_empty() { "none".to_owned() } else { named.join(", ") })
}

/// At most two decimals, and none that are 0.
fn short(count: f64) -> String {
    let text = format!("{count:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where a request waits for nothing but the server's CPU, and is the only thing that the server does.
fn is_plain(row: &Row<'_>) -> bool {
    let workload = &row.measurement.workload;
    let is_alone = workload.idle_connections == 0 && workload.company.is_none() && workload.mix.is_none();
    let is_measured = !row.figures.rounds.is_empty() && row.standing() != Standing::Invalid;
    is_alone
        && is_measured
        && workload.delay_seconds.is_none()
        && workload.arrival == Arrival::Closed
        && !row.measurement.is_twin
}

/// Whether a request costs both the same calls.
fn is_alike(one: &Row<'_>, other: &Row<'_>) -> bool {
    let of = |workload: &Workload| (workload.path.clone(), workload.keep_alive, workload.pipeline);
    let (one, other) = (one.measurement, other.measurement);
    one.server.name == other.server.name
        && one.configuration.flags == other.configuration.flags
        && one.configuration.access_log == other.configuration.access_log
        && of(&one.workload) == of(&other.workload)
}

fn is_of_idle(row: &Row<'_>) -> bool {
    !row.figures.rounds.is_empty() && row.standing() != Standing::Invalid && !row.measurement.is_twin
}

/// Whether nothing but the number of idle connections sets the two apart.
fn is_same_but_idle(one: &Row<'_>, other: &Row<'_>) -> bool {
    let (one, other) = (one.measurement, other.measurement);
    let workload = Workload { idle_connections: other.workload.idle_connections, ..one.workload.clone() };
    one.part == other.part && one.configuration_hash == other.configuration_hash && workload == other.workload
}

fn connection_line(fewest: &Row<'_>, most: &Row<'_>) -> Option<[String; 5]> {
    let idle = |row: &Row<'_>| row.measurement.workload.idle_connections;
    let more = f64::from(idle(most).checked_sub(idle(fewest)).filter(|more| *more > 0)?);
    let each = |few: Option<f64>, many: Option<f64>| few.zip(many).map(|(few, many)| (many - few) / more);
    let memory = |row: &Row<'_>| row.figures.peak_resident_bytes.map(|bytes| bytes as f64);
    let threads = |row: &Row<'_>| row.figures.peak_threads.map(f64::from);
    let descriptors = |row: &Row<'_>| row.figures.peak_descriptors.map(f64::from);
    let count = |each: Option<f64>| each.map_or_else(unknown, |each| short(each.max(0.0)));
    let memory = each(memory(fewest), memory(most)).map(|bytes| words::bytes(bytes.max(0.0).round() as u64));
    Some([
        if is_noisy(fewest) { marked(fewest) } else { marked(most) },
        words::count(idle(most).into()),
        memory.unwrap_or_else(unknown),
        count(each(threads(fewest), threads(most))),
        count(each(descriptors(fewest), descriptors(most))),
    ])
}

/// The row's name, marked where its figures come from rounds that do not count.
fn marked(row: &Row<'_>) -> String {
    format!("{}{}", row.measurement.name(), if is_noisy(row) { " (too noisy)" } else { "" })
}

fn is_noisy(row: &Row<'_>) -> bool {
    row.figures.counted_rounds() == 0
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}
