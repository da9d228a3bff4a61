//! The first benchmark's question: do more workers make a Python server slower because of its interpreter's lock?
//!
//! The experiment: threads of one interpreter, which share its lock, against processes, which share nothing; beside them
//! an interpreter without the lock, where one is installed, and a pool of threads without any interpreter.

use crate::contrast::{Change, contrast_by};
use crate::decision;
use crate::merit::Merit;
use crate::ranking::{Row, Table, compare, compare_by};
use crate::record::{Run, Varies};
use crate::statistics::Ratio;
use crate::summary::evidence;
use crate::validity::Standing;
use crate::words;

/// The columns of the first benchmark's table.
pub const HISTORY_COLUMNS: [&str; 6] = ["scenario", "req/s", "avg latency", "max", "timeouts", "non-2xx"];

/// What it measured: `wrk -c 100 -d 30 -t 1` against a pool of Python threads.
pub const HISTORY: [[&str; 6]; 5] = [
    ["1 worker, log on the console", "1793.97", "5.70 ms", "1.66 s", "7", "53859 of 53859"],
    ["1 worker, quiet", "2503.74", "4.73 ms", "1.65 s", "5", "75167 of 75167"],
    ["4 workers, quiet", "2208.11", "8.96 ms", "1.66 s", "20", "66301 of 66301"],
    ["10 workers, quiet", "2164.28", "13.26 ms", "1.66 s", "21", "64985 of 64985"],
    ["50 workers, quiet", "2105.68", "28.53 ms", "1.68 s", "2", "63210 of 63210"],
];

/// Why none of its rows would be ranked here.
pub const HISTORY_CAVEAT: &str = "History, and no measurement of this run. Every answer was an error page; client and server shared their CPUs; the \
     averages leave out the requests that timed out; each row is one run. None of them would be ranked here.";

const THREADS: &str = "python-threads";
const PROCESSES: &str = "python-processes";
const FREE_THREADED: &str = "python-free-threaded";

/// What the experiment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What may be concluded, in a sentence or two.
    pub conclusion: String,
    /// What it rests on, a sentence for each server and number of CPUs.
    pub evidence: Vec<String>,
    /// What cannot be concluded.
    pub limits: Vec<String>,
}

/// What can be said of threads beside another server, from the ratio of what more workers do to both.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Beside {
    /// Threads lose more: the ratio of the two ratios is below 1, and so is its interval.
    Lose(Ratio),
    /// Threads lose less.
    Gain(Ratio),
    /// No significant difference.
    Alike(Ratio),
    /// There are too few rounds that count for all four rows.
    Unknown,
    /// The other one was not measured.
    Absent,
}

impl Finding {
    /// What the tables of the run's experiment with interpreters say.
    #[must_use]
    pub fn of(run: &Run, tables: &[Table<'_>]) -> Self {
        let tables: Vec<&Table<'_>> = tables.iter().filter(|table| table.part.varies == Varies::Interpreter).collect();
        let mut evidence = Vec::new();
        let mut conclusions = Vec::new();
        for table in &tables {
            for server in table.servers() {
                evidence.extend(sentence(table, server));
            }
            conclusions.push(format!("On {}: {}", cpus(table), conclude(table)));
        }
        Self { conclusion: conclusions.join(" "), evidence, limits: limits(run, &tables) }
    }
}

/// What one table says: whether more workers cost threads more than they cost processes, which share nothing, and more than
/// they cost threads without the lock.
fn conclude(table: &Table<'_>) -> String {
    let Some((threads, processes)) = changes(table, THREADS, PROCESSES) else {
        return "undecided, because threads and processes of Python have no two numbers of workers in common with which it \
                is known what both carry."
            .to_owned();
    };
    let (many, few) = (workers(threads.0), workers(threads.1));
    let lock_free = match changes(table, THREADS, FREE_THREADED) {
        Some((threads, free)) => Beside::of(threads, free),
        None => Beside::Absent,
    };
    let ratios = [threads, processes].map(|change| {
        // The table may be ranked by cost for another server's sake; these rows were not limited.
        compare_by(Merit::Capacity, change.0, change.1).map_or_else(
            || "an unknown part".to_owned(),
            |ratio| format!("{} ({})", words::ratio(ratio.ratio), evidence(ratio)),
        )
    });
    format!(
        "with {many} workers instead of {few}, threads of one interpreter carry {} times as much and processes {} times. {}",
        ratios[0],
        ratios[1],
        words_for(Beside::of(threads, processes), lock_free, many),
    )
}

/// What the ratio of the two ratios means, with so many workers.
fn words_for(processes: Beside, lock_free: Beside, many: u32) -> String {
    let shown = |ratio: Ratio| format!("{} ({})", words::ratio(ratio.ratio), evidence(ratio));
    let cost = |ratio: f64| words::percent((1.0 - ratio).max(0.0));
    let lock = match lock_free {
        Beside::Absent | Beside::Unknown => {
            "It stays open how much of that is the lock and how much is something else that threads share: an interpreter \
             without the lock would tell."
                .to_owned()
        }
        Beside::Lose(ratio) => format!(
            "Against threads without the lock the ratio is {}: that much is the lock, or what else sets the two interpreters \
             apart.",
            shown(ratio)
        ),
        Beside::Alike(ratio) => format!(
            "Against threads without the lock the ratio is {}, no significant difference: it is not shown to be the lock.",
            shown(ratio)
        ),
        Beside::Gain(ratio) => format!(
            "Against threads without the lock the ratio is {}: these lose even more, so it is not the lock alone.",
            shown(ratio)
        ),
    };
    match processes {
        Beside::Lose(ratio) => {
            let range =
                ratio.interval.map(|(low, high)| format!(" ({} to {})", cost(high), cost(low))).unwrap_or_default();
            format!(
                "The ratio of these two ratios is {}: what the threads of one interpreter share costs {}{range} of the throughput, \
                 beyond what any {many} workers cost here. {lock}",
                shown(ratio),
                cost(ratio.ratio),
            )
        }
        Beside::Gain(ratio) => format!(
            "The ratio of these two ratios is {}: {many} workers cost threads of one interpreter less than they cost processes, \
             so nothing is seen here that a shared lock has to explain.",
            shown(ratio),
        ),
        Beside::Alike(ratio) => {
            let most = ratio.interval.map_or_else(String::new, |(low, _)| {
                format!(", and no more than {} of the throughput by that interval", cost(low))
            });
            format!(
                "The ratio of these two ratios is {}, no significant difference: it is not shown that what the threads of one \
                 interpreter share costs anything beyond what any {many} workers cost here{most}.",
                shown(ratio),
            )
        }
        Beside::Unknown | Beside::Absent => {
            "Undecided: too few rounds count for all four rows to say how these two ratios compare.".to_owned()
        }
    }
}

impl Beside {
    fn of(threads: Change<'_, '_>, other: Change<'_, '_>) -> Self {
        match contrast_by(Merit::Capacity, threads, other) {
            Some(ratio) if ratio.interval.is_none() => Self::Unknown,
            Some(ratio) if ratio.is_distinct() && ratio.ratio < 1.0 => Self::Lose(ratio),
            Some(ratio) if ratio.is_distinct() => Self::Gain(ratio),
            Some(ratio) => Self::Alike(ratio),
            None => Self::Unknown,
        }
    }
}

/// The rows of two servers, ranked and no lower bounds, with the most workers that both have, each against that with the fewest.
fn changes<'a, 'run>(table: &'a Table<'run>, one: &str, other: &str) -> Option<(Change<'a, 'run>, Change<'a, 'run>)> {
    let row = |server: &str, count: u32| {
        ranked(table, server).find(|row| row.measurement.configuration.workers == Some(count))
    };
    let counts = ranked(table, one).filter_map(|row| row.measurement.configuration.workers);
    let shared: Vec<u32> = counts.filter(|count| row(other, *count).is_some()).collect();
    let (few, many) = (*shared.iter().min()?, *shared.iter().max()?);
    let change = |server: &str| Some((row(server, many)?, row(server, few)?));
    Some((change(one)?, change(other)?)).filter(|_| few < many)
}

fn ranked<'a, 'run>(table: &'a Table<'run>, server: &str) -> impl Iterator<Item = &'a Row<'run>> {
    let is_known = |row: &Row<'_>| row.rank.is_some() && row.standing() == Standing::Ranked;
    table.rows.iter().filter(move |row| row.measurement.server.name == server && is_known(row))
}

fn workers(row: &Row<'_>) -> u32 {
    row.measurement.configuration.workers.unwrap_or(1)
}

/// What the most workers of a server do against its fewest, and what a request costs it with either.
fn sentence(table: &Table<'_>, server: &str) -> Option<String> {
    let rows = || ranked(table, server);
    let (fewest, most) = (rows().min_by_key(|row| workers(row))?, rows().max_by_key(|row| workers(row))?);
    if workers(fewest) == workers(most) {
        return None;
    }
    let ratio = compare(most, fewest)?;
    let cost = |row: &Row<'_>| {
        let cost = row.figures.server_cpu_microseconds();
        cost.map_or_else(|| "unknown".to_owned(), |microseconds| format!("{} µs", words::figure(microseconds)))
    };
    Some(format!(
        "{server} on {}: {} workers {} {} ({}). Server CPU time per request: {} and {}.",
        cpus(table),
        workers(most),
        most.merit.compares(true, ratio),
        workers(fewest),
        evidence(ratio),
        cost(most),
        cost(fewest),
    ))
}

/// The CPUs of a table's servers, in words.
fn cpus(table: &Table<'_>) -> String {
    let placement = table.rows.first().map(|row| &row.measurement.placement);
    let count = placement.map_or(0, |placement| placement.server_cpus.len());
    let shared = if is_shared(table) { ", shared with the client" } else { "" };
    format!("{}{shared}", words::plural(count as u64, "CPU"))
}

fn is_shared(table: &Table<'_>) -> bool {
    table.rows.iter().any(|row| row.measurement.placement.is_shared())
}

fn limits(run: &Run, tables: &[&Table<'_>]) -> Vec<String> {
    let mut limits = Vec::new();
    let has_one = |row: &Row<'_>| row.measurement.placement.server_cpus.len() == 1;
    if tables.iter().any(|table| table.rows.iter().any(has_one)) {
        limits.push(
            "On one CPU no two threads run at the same time, lock or not: what is seen there is the price of handing it around."
                .to_owned(),
        );
    }
    if tables.iter().any(|table| is_shared(table)) {
        limits.push(
            "Where the server has all CPUs, the client takes its share of them: more parallel work for the server is less for \
             the client, so neither shows what it could do alone."
                .to_owned(),
        );
    }
    if let Some(missing) = run.missing.iter().find(|missing| missing.name == FREE_THREADED) {
        limits.push(format!("No interpreter without the lock was measured: {} is not installed.", missing.program));
    }
    let unranked =
        tables.iter().flat_map(|table| table.rows.iter().filter(|row| row.rank.is_none()).map(|row| (*table, row)));
    for (table, row) in unranked {
        limits.push(format!("{} is not ranked ({}).", row.measurement.name(), decision::load(table)));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(ratio: f64, low: f64, high: f64) -> Ratio {
        Ratio { ratio, interval: Some((low, high)), p_value: None, standard_error: None, rounds: 5 }
    }

    #[test]
    fn nothing_is_concluded_beyond_the_ratio_of_the_two_ratios() {
        let less = Beside::Lose(ratio(0.58, 0.48, 0.7));
        let found = words_for(less, Beside::Absent, 50);
        assert!(
            found.starts_with(
                "The ratio of these two ratios is 0.58 (95 % interval 0.48 to 0.70, 5 rounds): what the threads of one \
                 interpreter share costs 42 % (30 % to 52 %) of the throughput, beyond what any 50 workers cost here."
            ),
            "{found}"
        );
        assert!(found.contains("It stays open how much of that is the lock"));
        assert!(words_for(less, less, 50).contains("that much is the lock"));
        let alike = Beside::Alike(ratio(0.95, 0.8, 1.1));
        assert!(words_for(less, alike, 50).contains("not shown to be the lock"));
        assert!(words_for(less, Beside::Gain(ratio(1.2, 1.1, 1.3)), 50).contains("not the lock alone"));
        let found = words_for(alike, less, 50);
        assert!(found.contains("no significant difference") && found.contains("no more than 20 %"), "{found}");
        assert!(!found.contains("that much is the lock"));
        assert!(words_for(Beside::Gain(ratio(1.2, 1.1, 1.3)), less, 50).contains("nothing is seen here"));
        assert!(words_for(Beside::Unknown, less, 50).starts_with("Undecided"));
    }
}
