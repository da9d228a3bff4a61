//! A run in words: what changes within a model, and what all this does not show. The first paragraph is that of
//! [`headline`](crate::headline).

use crate::merit::Merit;
use crate::note::Note;
use crate::ranking::{Row, Table, compare};
use crate::record::{Arrival, Company, Round, Run, Workload};
use crate::sensitivity;
use crate::statistics::Ratio;
use crate::words;

pub use crate::headline::first_paragraph;

/// What the run does not show, one sentence each.
#[must_use]
pub fn limits(run: &Run, table: &Table<'_>) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(row) = table.rows.iter().find(|row| row.measurement.placement.is_shared()) {
        let placement = &row.measurement.placement;
        limits.push(format!(
            "Client and server shared CPUs (client {}, server {}): each took time from the other, so the figures are \
             those of the pair.",
            words::cpus(&placement.client_cpus),
            words::cpus(&placement.server_cpus),
        ));
    }
    if table.rows.iter().all(|row| row.measurement.placement.server_cpus.len() == 1)
        && table.rows.iter().any(|row| row.measurement.configuration.workers > Some(1))
    {
        limits.push("With one server CPU, more workers show the price of oversubscription, not scaling.".to_owned());
    }
    if table.merit() == Merit::Cost {
        limits.push(
            "The load generator was the limit in some rows, so what those servers carry at most is not known: rows are ranked by the \
             server's CPU time per request, which does not show the time that a server waits without using a CPU."
                .to_owned(),
        );
    }
    match table.workload.arrival {
        Arrival::Closed => limits.push(
            "The loop is closed: each connection waits for its answer before it asks again. That shows capacity; the \
             latency is mostly connections / throughput, not what a user would feel at a given load."
                .to_owned(),
        ),
        Arrival::Open { rate } => limits.push(format!(
            "The load was offered at {} requests per second: what lies beyond that is not seen.",
            words::figure(rate),
        )),
        Arrival::OpenShare { share } => limits.push(format!(
            "Each server was offered {} of what it carried itself, so each had another load: the latencies show where one server's \
             own queue grows, and cannot be compared across servers.",
            words::percent(share),
        )),
    }
    limits.push(format!(
        "Client and server ran on one machine and talked over its loopback: no network card, no loss, no distance. \
         The one file asked for{} comes from memory, never from a disk.",
        table.workload.expected_length.map(|length| format!(" ({})", words::bytes(length))).unwrap_or_default(),
    ));
    limits.extend(noise(run, table));
    limits.extend(twins(table));
    limits
}

/// What more workers and the access log do to each server, a sentence for each, from rows that are ranked.
#[must_use]
pub fn within_servers(table: &Table<'_>) -> Vec<String> {
    let ranked = table.ranked();
    let mut sentences = Vec::new();
    for server in table.servers() {
        let mut rows: Vec<&Row<'_>> =
            ranked.iter().copied().filter(|row| row.measurement.server.name == server).collect();
        rows.sort_by_key(|row| row.measurement.configuration.workers);
        let effects: Vec<String> = effect_of_workers(&rows).into_iter().chain(effects_of_logging(&rows)).collect();
        if !effects.is_empty() {
            sentences.push(format!("{server}: {}.", effects.join("; ")));
        }
    }
    sentences
}

/// The most workers against the fewest, of one server's rows by workers.
fn effect_of_workers(rows: &[&Row<'_>]) -> Option<String> {
    let quiet: Vec<&Row<'_>> = rows.iter().copied().filter(|row| !row.measurement.configuration.access_log).collect();
    let (fewest, most) = (quiet.first()?, quiet.last()?);
    let (few, many) = (&fewest.measurement.configuration, &most.measurement.configuration);
    if few.flags != many.flags || few.workers == many.workers {
        return None;
    }
    let ratio = compare(most, fewest)?;
    Some(format!(
        "{} {} {} ({})",
        workers(most),
        most.merit.compares(true, ratio),
        workers(fewest),
        evidence_and_doubt(ratio)
    ))
}

/// Each row with its access log on against its twin without.
fn effects_of_logging(rows: &[&Row<'_>]) -> Vec<String> {
    let twins = |first: &Row<'_>, second: &Row<'_>| {
        let (first, second) = (&first.measurement.configuration, &second.measurement.configuration);
        first.workers == second.workers && first.flags == second.flags && !second.access_log
    };
    rows.iter()
        .filter(|row| row.measurement.configuration.access_log)
        .filter_map(|with_log| {
            let without = rows.iter().find(|row| twins(with_log, row))?;
            let ratio = compare(with_log, without)?;
            let workers = workers(with_log);
            let who = if workers.is_empty() { "with ".to_owned() } else { format!("with {workers} and ") };
            Some(format!(
                "{who}the access log on, it {} the same without ({})",
                with_log.merit.compares(false, ratio),
                evidence_and_doubt(ratio)
            ))
        })
        .collect()
}

/// The workload in words.
#[must_use]
pub fn workload(workload: &Workload) -> String {
    let arrival = match workload.arrival {
        Arrival::Closed => "closed loop".to_owned(),
        Arrival::Open { rate } => format!("open loop, {} requests per second offered", words::figure(rate)),
        Arrival::OpenShare { share } => format!("open loop at {} of what each server carries", words::percent(share)),
    };
    let length = workload.expected_length.map(|length| format!(" ({})", words::bytes(length))).unwrap_or_default();
    let beside = beside(workload);
    let beside = if beside.is_empty() { String::new() } else { format!(", {}", beside.join(", ")) };
    format!(
        "GET {}{length} over {}, {}{beside}, {arrival}, {} of the client, rounds of {} after {} of warm-up",
        workload.path,
        words::plural(workload.connections.into(), "connection"),
        if workload.keep_alive { "kept alive" } else { "one request each" },
        words::plural(workload.threads.into(), "thread"),
        words::seconds(workload.duration_seconds),
        words::seconds(workload.warm_up_seconds),
    )
}

/// What sets a workload apart from the plain one, which asks for one file over kept connections in a closed loop; empty
/// for that.
#[must_use]
pub fn load(workload: &Workload) -> String {
    let mut parts = Vec::new();
    match workload.arrival {
        Arrival::Closed => {}
        Arrival::Open { rate } => parts.push(format!("{} requests per second offered", words::figure(rate))),
        Arrival::OpenShare { share } => parts.push(format!("{} of its capacity offered", words::percent(share))),
    }
    parts.extend(beside(workload));
    parts.join(", ")
}

/// What stands beside the requests of a workload, or changes them; nothing for the plain one.
fn beside(workload: &Workload) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(workload.delay_seconds.map(|delay| format!("every answer waits {}", words::seconds(delay))));
    if workload.idle_connections > 0 {
        parts.push(format!("{} beside", words::plural(workload.idle_connections.into(), "idle connection")));
    }
    match workload.company {
        Some(Company::SlowReaders { connections, .. }) => {
            parts.push(format!("beside {}", words::plural(connections.into(), "slow reader")));
        }
        Some(Company::SlowHeads { connections }) => {
            parts.push(format!("beside {}", words::plural(connections.into(), "slow head")));
        }
        None => {}
    }
    if workload.pipeline > 1 {
        parts.push(format!("{} requests at a time on a connection", workload.pipeline));
    }
    if let Some(mix) = workload.mix {
        parts.push(format!("{} by Zipf's law", words::plural(mix.files.into(), "file")));
    }
    parts
}

/// How far the run is: `1 of 3 rounds done, 20 of 51 turns`.
#[must_use]
pub fn progress(run: &Run) -> String {
    let planned = u64::from(run.rounds_planned);
    let rounds = format!("{} of {} done", run.rounds_done(), words::plural(planned, "round"));
    if run.is_finished() {
        return rounds;
    }
    // Those that were taken again for their noise are none of the plan.
    let is_planned = |round: &&Round| round.index < run.rounds_planned;
    let turns: usize = run.measurements.iter().map(|one| one.rounds.iter().filter(is_planned).count()).sum();
    let all = planned * run.measurements.len() as u64;
    format!("{rounds}, {} of {}", words::count(turns as u64), words::plural(all, "turn"))
}

/// What noise and few rounds leave in the dark.
fn noise(run: &Run, table: &Table<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    let measured: Vec<&Row<'_>> = table.rows.iter().filter(|row| !row.figures.rounds.is_empty()).collect();
    let windows: u64 = measured.iter().map(|row| row.figures.quiet.windows).sum();
    let set_aside: u64 = measured.iter().map(|row| row.figures.quiet.set_aside).sum();
    if set_aside > 0 {
        sentences.push(format!(
            "Other virtual machines took CPU time of this one: {} of {} were excluded for that.",
            words::count(set_aside),
            words::plural(windows, "window"),
        ));
    } else if run.environment.hypervisor && windows > 0 {
        sentences.push("The machine is a virtual one; nothing was stolen from it that its kernel knows of.".to_owned());
    }
    let idle = |row: &&&Row<'_>| row.validity.notes.iter().any(|note| matches!(note, Note::NeitherBusy { .. }));
    let idle = measured.iter().filter(idle).count();
    if idle > 0 {
        sentences.push(format!(
            "In {idle} of {} neither the server nor the load generator was at its limit: if nothing there was meant \
             to wait, other programs ran on their CPUs, and the figures are those of a busy machine.",
            words::plural(measured.len() as u64, "row"),
        ));
    }
    if let Some(sensitivity) = sensitivity::of(table) {
        sentences.push(sensitivity.sentence());
    } else if measured.iter().any(|row| row.figures.rounds.len() == 1) {
        sentences.push("One round has no interval: nobody knows by how much another one would differ.".to_owned());
    }
    sentences
}

/// What the A/A control of a table shows: how far two trials of one server differ.
#[must_use]
pub fn twins(table: &Table<'_>) -> Option<String> {
    let twin = table.rows.iter().find(|row| row.measurement.is_twin)?;
    let ratio = compare(twin, table.rows.iter().find(|row| is_first_entry_of(row, twin))?)?;
    let name = &twin.measurement.server.name;
    Some(format!(
        "A/A control: {name} was measured twice in each round, which shows how far two equal servers differ: the second {} the \
         first ({}). Differences of that size between others mean nothing.",
        twin.merit.compares(false, ratio),
        evidence(ratio),
    ))
}

/// Whether a row of the same table is what an A/A control repeats.
#[must_use]
pub fn is_first_entry_of(row: &Row<'_>, twin: &Row<'_>) -> bool {
    !row.measurement.is_twin && row.measurement.configuration_hash == twin.measurement.configuration_hash
}

fn workers(row: &Row<'_>) -> String {
    row.measurement.configuration.workers.map(|workers| words::plural(workers.into(), "worker")).unwrap_or_default()
}

/// The [`evidence`], and whether it shows any difference at all.
pub(crate) fn evidence_and_doubt(ratio: Ratio) -> String {
    let doubt = if ratio.interval.is_some() && !ratio.is_distinct() { ": no significant difference" } else { "" };
    format!("{}{doubt}", evidence(ratio))
}

/// `95 % interval 1.12 to 1.24, 3 rounds`, or why there is none.
#[must_use]
pub fn evidence(ratio: Ratio) -> String {
    match (ratio.interval, ratio.rounds) {
        (Some((low, high)), rounds) => {
            format!("95 % interval {} to {}, {rounds} rounds", words::ratio(low), words::ratio(high))
        }
        (None, 0) => "from figures of different rounds, so without an interval".to_owned(),
        (None, _) => "from one round, so without an interval".to_owned(),
    }
}
