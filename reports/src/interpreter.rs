//! The first benchmark's question: do more workers make a Python server slower because of its interpreter's lock?
//!
//! The experiment: threads of one interpreter, which share its lock, against processes, which share nothing; beside them
//! an interpreter without the lock, where one is installed, and a pool of threads without any interpreter.

use crate::decision;
use crate::merit::Merit;
use crate::ranking::{Row, Table, compare};
use crate::record::{Run, Varies};
use crate::statistics::Ratio;
use crate::summary::evidence;
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

/// Whoever carries at least this much with many workers, of what it carries with few, is no slower for our purpose.
const NEARLY: f64 = 0.9;

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

/// What more workers do to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Slower,
    Faster,
    /// It is at most a little slower: the interval reaches no lower than [`NEARLY`].
    None,
    /// It was not measured, not validly, or too unsurely to say any of these.
    Unknown,
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
            let [threads, processes, free] = [THREADS, PROCESSES, FREE_THREADED].map(|server| effect(table, server));
            conclusions.push(format!("On {}: {}", cpus(table), conclude(threads, processes, free)));
        }
        Self { conclusion: conclusions.join(" "), evidence, limits: limits(run, &tables) }
    }
}

fn conclude(threads: Effect, processes: Effect, free_threaded: Effect) -> &'static str {
    match (threads, processes, free_threaded) {
        (Effect::Unknown, ..) | (_, Effect::Unknown, _) => {
            "undecided, because what more workers do to threads or to processes of Python is not known surely enough."
        }
        (Effect::Slower, Effect::Slower, _) => {
            "more workers make processes slower, too, and they share no lock: the lock is not the reason, or not the only one."
        }
        (Effect::Slower, _, Effect::Slower) => {
            "more threads are slower and more processes are not, but threads without the lock are slower as well: it is \
             something that threads of one interpreter share, and not the lock alone."
        }
        (Effect::Slower, _, Effect::None | Effect::Faster) => {
            "more threads are slower; more processes are not, nor are more threads without the lock: it is the lock."
        }
        (Effect::Slower, _, Effect::Unknown) => {
            "more threads are slower and more processes are not: it is something that the threads of one interpreter share. \
             The lock is the first candidate; an interpreter without it would tell."
        }
        _ => "threads do not get slower with more workers here, so there is nothing that a lock has to explain.",
    }
}

/// The valid rows of a server with the fewest and the most workers.
fn ends<'a, 'run>(table: &'a Table<'run>, server: &str) -> Option<(&'a Row<'run>, &'a Row<'run>)> {
    let rows = || table.rows.iter().filter(|row| row.measurement.server.name == server && row.rank.is_some());
    let workers = |row: &&Row<'_>| row.measurement.configuration.workers;
    let (fewest, most) = (rows().min_by_key(workers)?, rows().max_by_key(workers)?);
    (workers(&fewest) < workers(&most)).then_some((fewest, most))
}

/// What the most workers carry over the fewest; none where the load generator was the limit, because then nobody knows.
fn ratio(table: &Table<'_>, server: &str) -> Option<Ratio> {
    let (fewest, most) = ends(table, server).filter(|_| table.merit() == Merit::Capacity)?;
    compare(most, fewest)
}

fn effect(table: &Table<'_>, server: &str) -> Effect {
    match ratio(table, server) {
        Some(ratio) if ratio.is_distinct() && ratio.ratio < 1.0 => Effect::Slower,
        Some(ratio) if ratio.is_distinct() => Effect::Faster,
        // That no difference was seen means something only where one would have been.
        Some(ratio) if ratio.interval.is_some_and(|(low, _)| low >= NEARLY) => Effect::None,
        _ => Effect::Unknown,
    }
}

fn sentence(table: &Table<'_>, server: &str) -> Option<String> {
    let (fewest, most) = ends(table, server)?;
    let ratio = compare(most, fewest)?;
    let workers = |row: &Row<'_>| row.measurement.configuration.workers.unwrap_or(1);
    Some(format!(
        "{server} on {}: {} workers {} {} ({}).",
        cpus(table),
        workers(most),
        most.merit.compares(true, ratio),
        workers(fewest),
        evidence(ratio),
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

    #[test]
    fn nothing_is_concluded_beyond_what_was_seen() {
        use Effect::{Faster, None, Slower, Unknown};
        assert!(conclude(Slower, None, None).ends_with("it is the lock."));
        assert!(conclude(Slower, Faster, Faster).ends_with("it is the lock."));
        assert!(conclude(Slower, None, Unknown).contains("first candidate"));
        assert!(conclude(Slower, None, Slower).contains("not the lock alone"));
        assert!(conclude(Slower, Slower, None).contains("not the reason"));
        assert!(conclude(Slower, Unknown, None).starts_with("undecided"));
        assert!(conclude(Unknown, None, None).starts_with("undecided"));
        for threads in [None, Faster] {
            assert!(conclude(threads, Slower, Slower).contains("nothing that a lock has to explain"));
        }
    }
}
