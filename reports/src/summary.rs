//! A run in words: who carried most, by which ratio, what changes within a model, and what all this does not show.

use std::mem::discriminant;

use crate::note::Note;
use crate::ranking::{Merit, Row, Table, compare};
use crate::reason::Reason;
use crate::record::{Arrival, Company, Round, Run, Workload};
use crate::statistics::Ratio;
use crate::validity::Standing;
use crate::words;

/// The first paragraph: who carried most, by which ratio, and how much of the table that leaves out.
#[must_use]
pub fn first_paragraph(run: &Run, table: &Table<'_>) -> String {
    let ranked = table.ranked();
    let mut sentences = Vec::new();
    match ranked.first() {
        Some(best) if table.merit() == Merit::Latency => sentences.extend(soonest(run, table, best)),
        Some(best) => sentences.extend(winner(run, table, best)),
        None => sentences.push(nothing_ranked(table)),
    }
    if table.merit() == Merit::Capacity {
        sentences.extend(lower_bounds(table, ranked.first().copied()));
    }
    let unranked = table.rows.iter().filter(|row| is_excluded(row) && !row.measurement.is_twin).count();
    if unranked > 0 && !ranked.is_empty() {
        sentences.push(format!(
            "{} of {} {} not ranked; the reasons stand below.",
            unranked,
            words::plural(table.rows.len() as u64, "measurement"),
            if unranked == 1 { "is" } else { "are" },
        ));
    }
    sentences.join(" ")
}

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
            "The load was offered at {} of what each server carried in the same round: what lies beyond that is not seen.",
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
        "{} carry {} as much as {} ({})",
        workers(most),
        times(ratio),
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
                "{who}the access log on, it carries {} as much as off ({})",
                times(ratio),
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
    format!(
        "GET {}{length} over {}, {}, {arrival}, {} of the client, rounds of {} after {} of warm-up",
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
    parts.join(", ")
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

/// Who keeps users waiting least, under a load that is offered whatever the server does.
fn soonest(run: &Run, table: &Table<'_>, best: &Row<'_>) -> Vec<String> {
    let so_far = if run.is_finished() { "" } else { "So far, " };
    let p99 = |row: &Row<'_>| words::duration(row.figures.quiet_latency.percentile(99.0).unwrap_or_default());
    let mut sentences = vec![format!(
        "{so_far}{} answered soonest: 99 % of its answers took at most {}.",
        best.measurement.phrase(),
        p99(best),
    )];
    let others: Vec<String> = table
        .best_of_each_server()
        .into_iter()
        .skip(1)
        .filter_map(|other| {
            let ratio = compare(other, best)?;
            let took = format!("{} took {}", other.measurement.phrase(), p99(other));
            let doubt = if ratio.interval.is_some() && !ratio.is_distinct() { ": no difference seen" } else { "" };
            Some(format!("{took}, {} as long ({}{doubt})", times(ratio), evidence(ratio)))
        })
        .collect();
    if !others.is_empty() {
        sentences.push(format!("Beside it, {}.", words::list(&others)));
    }
    let broken: Vec<String> = table
        .rows
        .iter()
        .filter(|row| row.standing() == Standing::Invalid && row.validity.is_beyond_capacity())
        .map(|row| row.measurement.server.name.clone())
        .collect();
    if !broken.is_empty() {
        sentences.push(format!("At this load {} did not keep up.", words::list(&broken)));
    }
    sentences
}

fn winner(run: &Run, table: &Table<'_>, best: &Row<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    let so_far = if run.is_finished() { "" } else { "So far, " };
    let rate = best.figures.requests_per_second().unwrap_or_default();
    sentences.push(format!(
        "{so_far}{} carried most: {} requests per second.",
        best.measurement.phrase(),
        words::figure(rate),
    ));
    let others: Vec<(&Row<'_>, Ratio)> = table
        .best_of_each_server()
        .into_iter()
        .skip(1)
        .filter_map(|other| Some((other, compare(best, other)?)))
        .collect();
    if let Some((next, ratio)) = others.first() {
        let doubt = match ratio.interval {
            Some(_) if !ratio.is_distinct() => ": these two cannot be told apart",
            // Of many pairs some are apart by chance; the groups allow for that.
            Some(_) if next.group == Some(1) => {
                ": corrected for the number of comparisons, these two cannot be told apart"
            }
            _ => "",
        };
        sentences.push(format!(
            "For each second of CPU time that was there for the server, that is {} times as many as {}, the next \
             server at its best ({}){doubt}.",
            words::ratio(ratio.ratio),
            next.measurement.phrase(),
            evidence(*ratio),
        ));
    }
    if let [_, rest @ ..] = &others[..]
        && !rest.is_empty()
    {
        let rest: Vec<String> = rest
            .iter()
            .map(|(other, ratio)| {
                format!("{} times {} ({})", words::ratio(ratio.ratio), other.measurement.phrase(), evidence(*ratio))
            })
            .collect();
        sentences.push(format!("It is {}.", words::list(&rest)));
    }
    sentences
}

/// Why there is nothing to rank, with the reason that the most rows share.
fn nothing_ranked(table: &Table<'_>) -> String {
    let all = table.rows.len();
    if table.rows.iter().all(|row| row.standing() == Standing::Pending) {
        return "Nothing is measured yet.".to_owned();
    }
    // Of a kind are reasons that differ in their figures alone; the first of them stands for all.
    let mut kinds: Vec<(&Reason, usize)> = Vec::new();
    for reason in table.rows.iter().filter_map(|row| row.validity.reasons.first()) {
        match kinds.iter_mut().find(|(known, _)| discriminant(*known) == discriminant(reason)) {
            Some((_, count)) => *count += 1,
            None => kinds.push((reason, 1)),
        }
    }
    let judged = words::plural(all as u64, "measurement");
    let Some((reason, count)) = kinds.into_iter().max_by_key(|(_, count)| *count) else {
        return format!("None of {judged} can be ranked.");
    };
    let sentence = reason.to_string();
    let is_same = |row: &Row<'_>| row.validity.reasons.first().is_some_and(|other| other.to_string() == sentence);
    let same = table.rows.iter().filter(|row| is_same(row)).count();
    match (same == count, count == all) {
        (true, true) => format!("None of {judged} can be ranked, all for one reason. {reason}"),
        (true, false) => format!("None of {judged} can be ranked. In {count} of them: {reason}"),
        (false, true) => format!("None of {judged} can be ranked, all for reasons like this one. {reason}"),
        (false, false) => format!("None of {judged} can be ranked. In {count} of them, with other figures: {reason}"),
    }
}

/// A warning where a row that is not ranked may have carried more than the best one that is.
fn lower_bounds(table: &Table<'_>, best: Option<&Row<'_>>) -> Option<String> {
    let limited: Vec<&Row<'_>> = table.rows.iter().filter(|row| row.standing() == Standing::AtLeast).collect();
    let most = limited.iter().max_by(|first, second| {
        first
            .figures
            .requests_per_second()
            .unwrap_or_default()
            .total_cmp(&second.figures.requests_per_second().unwrap_or_default())
    })?;
    let rate = most.figures.requests_per_second()?;
    let above = best.is_none_or(|best| best.figures.requests_per_second().is_some_and(|of_best| rate >= of_best));
    above.then(|| {
        format!(
            "{} answered at least {} requests per second: there the load generator was the limit, so it may be the \
             better one; compare its CPU time per request.",
            most.measurement.phrase(),
            words::figure(rate),
        )
    })
}

/// What noise and few rounds leave in the dark.
fn noise(run: &Run, table: &Table<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    let measured: Vec<&Row<'_>> = table.rows.iter().filter(|row| !row.figures.rounds.is_empty()).collect();
    let windows: u64 = measured.iter().map(|row| row.figures.quiet.windows).sum();
    let set_aside: u64 = measured.iter().map(|row| row.figures.quiet.set_aside).sum();
    if set_aside > 0 {
        sentences.push(format!(
            "Other guests of the machine took its CPUs: {} of {} were set aside for that.",
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
    let mut widths: Vec<f64> = measured
        .iter()
        .filter(|row| row.rank != Some(1))
        .filter_map(|row| row.to_best?.interval)
        .map(|(low, high)| (high / low).sqrt() - 1.0)
        .filter(|width| width.is_finite())
        .collect();
    widths.sort_by(f64::total_cmp);
    if let Some(width) = widths.get(widths.len() / 2) {
        let seen = if *width < 1.0 {
            format!("a difference of less than about {}", words::percent(*width))
        } else {
            format!("a factor of less than about {}", words::ratio(1.0 + width))
        };
        sentences.push(format!(
            "With these rounds and this noise, {seen} from the best row would mostly not have been seen.",
        ));
    } else if measured.iter().any(|row| row.figures.rounds.len() == 1) {
        sentences.push("One round has no interval: nobody knows by how much another one would differ.".to_owned());
    }
    sentences
}

/// How far a server that was entered twice is apart from itself.
#[must_use]
pub fn twins(table: &Table<'_>) -> Option<String> {
    let twin = table.rows.iter().find(|row| row.measurement.is_twin)?;
    let ratio = compare(twin, table.rows.iter().find(|row| is_first_entry_of(row, twin))?)?;
    let name = &twin.measurement.server.name;
    Some(format!(
        "{name} was entered twice, to see how far one and the same server is apart from itself: the second entry carried \
         {} as much as the first ({}). Differences of that size between others mean nothing.",
        times(ratio),
        evidence(ratio),
    ))
}

/// Whether a row of the same table is the first entry of a server that was entered twice.
#[must_use]
pub fn is_first_entry_of(row: &Row<'_>, twin: &Row<'_>) -> bool {
    !row.measurement.is_twin && row.measurement.configuration_hash == twin.measurement.configuration_hash
}

fn is_excluded(row: &Row<'_>) -> bool {
    matches!(row.standing(), Standing::Invalid | Standing::TooNoisy | Standing::AtLeast)
}

fn workers(row: &Row<'_>) -> String {
    row.measurement.configuration.workers.map(|workers| words::plural(workers.into(), "worker")).unwrap_or_default()
}

/// `1.18 times`.
fn times(ratio: Ratio) -> String {
    format!("{} times", words::ratio(ratio.ratio))
}

/// The [`evidence`], and whether it shows any difference at all.
fn evidence_and_doubt(ratio: Ratio) -> String {
    let doubt = if ratio.interval.is_some() && !ratio.is_distinct() { ": no difference seen" } else { "" };
    format!("{}{doubt}", evidence(ratio))
}

/// `95 % interval 1.12 to 1.24, 3 rounds`, or why there is none.
#[must_use]
pub fn evidence(ratio: Ratio) -> String {
    match (ratio.interval, ratio.rounds) {
        (Some((low, high)), rounds) => {
            format!("95 % interval {} to {}, {rounds} rounds", words::ratio(low), words::ratio(high))
        }
        (None, 0) => "from the quiet windows of all rounds together, so without an interval".to_owned(),
        (None, _) => "from one round, so without an interval".to_owned(),
    }
}
