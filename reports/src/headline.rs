//! The first paragraph of a load: which server is first, by which ratio, and how much of the table that leaves out.
//!
//! It compares configurations that differ in the server and its workers only, and it calls nobody the first whom the groups do
//! not set apart from all others.

use std::mem::discriminant;

use crate::merit::Merit;
use crate::ranking::{Decision, Row, Table, compare, compare_by};
use crate::reason::Reason;
use crate::record::Run;
use crate::statistics::Ratio;
use crate::summary::{evidence, evidence_and_doubt};
use crate::validity::Standing;
use crate::words;

/// The first paragraph.
#[must_use]
pub fn first_paragraph(run: &Run, table: &Table<'_>) -> String {
    let best = table.best_of_each_server();
    let mut sentences = Vec::new();
    if !table.is_ranked() {
        sentences.push(shares(table).unwrap_or_else(|| nothing_ranked(table)));
    } else if best.is_empty() {
        sentences.push(nothing_ranked(table));
    } else {
        sentences.extend(limited(table));
        sentences.extend(first(run, table, &best));
        sentences.extend(carried_less(table, &best));
    }
    sentences.extend(kept(table));
    let contestants = || table.rows.iter().filter(|row| row.is_contestant());
    let unranked = contestants().filter(|row| row.rank.is_none() && row.standing() != Standing::Pending).count();
    if unranked > 0 && !best.is_empty() {
        sentences.push(format!(
            "{} of {} {} not ranked; the reasons stand below.",
            unranked,
            words::plural(contestants().count() as u64, "measurement"),
            if unranked == 1 { "is" } else { "are" },
        ));
    }
    sentences.join(" ")
}

/// Which servers are first, as far as that is known, and how the others compare.
fn first(run: &Run, table: &Table<'_>, best: &[&Row<'_>]) -> Vec<String> {
    // Names of servers keep their small letters, at the start of a sentence, too.
    let so_far = |text: String| if run.is_finished() { text } else { format!("So far, {text}") };
    let there = if run.is_finished() { "There" } else { "there" };
    let merit = table.merit();
    let decision = table.decision();
    let is_first = |row: &Row<'_>| row.group == Some(1);
    match decision {
        Decision::Undecided => {
            let (decided, left): (Vec<&Row<'_>>, Vec<&Row<'_>>) = best.iter().partition(|row| row.group.is_some());
            let text = format!(
                "{there} is no significant difference in {} between {}{}{}.",
                merit.name(),
                named(&decided),
                ratios(&decided),
                correction(&decided),
            );
            std::iter::once(so_far(text)).chain(behind(best[0], &left)).collect()
        }
        Decision::Several => {
            let (together, others): (Vec<&Row<'_>>, Vec<&Row<'_>>) = best.iter().partition(|row| is_first(row));
            let text = format!(
                "{} have {}, with no significant difference to the first of them after correction for all pairs{}.",
                named(&together),
                merit.superlative(),
                ratios(&together),
            );
            std::iter::once(so_far(text)).chain(behind(best[0], &others)).collect()
        }
        Decision::One => {
            let text = format!("{} has {}: {}.", best[0].measurement.phrase(), merit.superlative(), figure(best[0]));
            std::iter::once(so_far(text)).chain(behind(best[0], &best[1..])).collect()
        }
        Decision::TooFewRounds => {
            let text = format!(
                "{there} are too few rounds to decide between the servers. In these, {} comes to {}.",
                best[0].measurement.phrase(),
                figure(best[0]),
            );
            std::iter::once(so_far(text)).chain(behind(best[0], &best[1..])).collect()
        }
        Decision::Alone => {
            let rows = table.ranked().len();
            let of = if rows > 1 { format!(" of {rows} ranked configurations") } else { String::new() };
            vec![so_far(format!(
                "{} has {}{of}: {}.",
                best[0].measurement.phrase(),
                merit.superlative(),
                figure(best[0])
            ))]
        }
    }
}

/// What the others have, against the first one.
fn behind(first: &Row<'_>, others: &[&Row<'_>]) -> Option<String> {
    let compared: Vec<String> = others
        .iter()
        .filter_map(|other| {
            // As many times as much, or as long, as the reader would say it: above 1 for whoever is behind.
            let ratio = match first.merit {
                Merit::Capacity => compare(first, other)?,
                Merit::Latency | Merit::Cost => compare(other, first)?,
            };
            let evidence = evidence_of(ratio, first, other);
            let name = other.measurement.phrase();
            Some(match first.merit {
                Merit::Capacity => format!("{}× the requests of {name} ({evidence})", words::ratio_apart(ratio.ratio)),
                Merit::Latency | Merit::Cost => {
                    format!("{}× for {name} ({}; {evidence})", words::ratio_apart(ratio.ratio), figure(other))
                }
            })
        })
        .collect();
    let name = first.measurement.phrase();
    (!compared.is_empty()).then(|| match first.merit {
        Merit::Capacity => format!("Per available CPU-second, {name} answers {}.", words::list(&compared)),
        Merit::Latency | Merit::Cost => {
            format!("Against {name}, the {} is {}.", first.merit.name(), words::list(&compared))
        }
    })
}

/// The figure of a row, as a reader wants it.
fn figure(row: &Row<'_>) -> String {
    let Some(value) = row.merit.of_row(&row.figures) else { return "unknown".to_owned() };
    let rate = || words::figure(row.figures.requests_per_second().unwrap_or_default());
    match row.merit {
        Merit::Capacity => format!("{} requests per second, {} per available CPU-second", rate(), words::figure(value)),
        Merit::Latency => words::duration(value.max(0.0) as u64),
        Merit::Cost => format!("{} µs", words::figure(value)),
    }
}

/// Rows with their figures: `epoll with 1 worker (1.06 ms) and async with 1 worker (2.09 ms)`.
fn named(rows: &[&Row<'_>]) -> String {
    let one = |row: &&Row<'_>| {
        let value = row.merit.of_row(&row.figures).map_or_else(|| "unknown".to_owned(), |value| row.merit.cell(value));
        format!("{} ({value})", row.measurement.phrase())
    };
    words::list(&rows.iter().map(one).collect::<Vec<_>>())
}

/// The ratios to the first of some rows: `: against epoll, 1.02× (95 % interval 0.98 to 1.06, 5 rounds)`.
fn ratios(rows: &[&Row<'_>]) -> String {
    let Some((first, others)) = rows.split_first() else { return String::new() };
    let ratio = |other: &&Row<'_>| {
        let ratio = compare(other, first)?;
        let name = if others.len() > 1 { format!("{} ", other.measurement.server.name) } else { String::new() };
        Some(format!("{name}{}× ({})", words::ratio(ratio.ratio), evidence_of(ratio, first, other)))
    };
    let ratios: Vec<String> = others.iter().filter_map(ratio).collect();
    if ratios.is_empty() {
        return String::new();
    }
    format!(": against {}, {}", first.measurement.server.name, words::list(&ratios))
}

/// Why an interval without 1 is no significant difference, where there is one.
fn correction(rows: &[&Row<'_>]) -> &'static str {
    let Some((first, others)) = rows.split_first() else { return "" };
    let is_distinct = |other: &&Row<'_>| compare(other, first).is_some_and(|ratio| ratio.is_distinct());
    if others.iter().any(is_distinct) { "; after correction for all pairs none of these is significant" } else { "" }
}

/// The evidence of a ratio. Where the two rows do not share all of their rounds, it says so: then the ratio is not that of their
/// figures.
fn evidence_of(ratio: Ratio, first: &Row<'_>, other: &Row<'_>) -> String {
    let is_grouped = first.group.is_some() && other.group.is_some();
    let text = if is_grouped { evidence(ratio) } else { evidence_and_doubt(ratio) };
    let most = first.figures.counted_rounds().max(other.figures.counted_rounds());
    if ratio.rounds > 0 && ratio.rounds < most { format!("{text}, those in which both count") } else { text }
}

/// That, and why, the rows are ranked by their cost.
fn limited(table: &Table<'_>) -> Option<String> {
    let contestants = || table.rows.iter().filter(|row| row.is_contestant());
    let limited = contestants().filter(|row| row.standing() == Standing::AtLeast).count();
    (table.merit() == Merit::Cost).then(|| {
        format!(
            "The load generator was the limit in {limited} of {}, whose requests per second are lower bounds: all rows are ranked \
             by the server's CPU time per request.",
            words::plural(contestants().count() as u64, "row"),
        )
    })
}

/// A warning where the row with the least cost carries less than another one: it waits for something that is no CPU.
fn carried_less(table: &Table<'_>, best: &[&Row<'_>]) -> Option<String> {
    let (first, others) = best.split_first().filter(|_| table.merit() == Merit::Cost)?;
    if first.standing() == Standing::AtLeast {
        return None;
    }
    let more = |other: &&&Row<'_>| {
        compare_by(Merit::Capacity, other, first).is_some_and(|ratio| ratio.is_distinct() && ratio.ratio > 1.0)
    };
    let other = others.iter().find(more)?;
    let rate = |row: &Row<'_>| words::figure(row.figures.requests_per_second().unwrap_or_default());
    let at_least = if other.standing() == Standing::AtLeast { "at least " } else { "" };
    Some(format!(
        "But {} carries {} requests per second and {} {at_least}{}: the first waits for something else than its CPU, and is not \
         the better one for that.",
        first.measurement.phrase(),
        rate(first),
        other.measurement.phrase(),
        rate(other),
    ))
}

/// The latency of each server at a share of its own capacity.
fn shares(table: &Table<'_>) -> Option<String> {
    let of_row = |row: &Row<'_>| {
        let rate = words::figure(row.figures.requests_per_second()?);
        Some(format!("{} for {} at {rate} requests per second", words::duration(row.p99()?), row.measurement.phrase()))
    };
    let valid = table.rows.iter().filter(|row| row.is_contestant() && row.standing() == Standing::Ranked);
    let of_rows: Vec<String> = valid.filter_map(of_row).collect();
    (!of_rows.is_empty()).then(|| {
        format!(
            "The p99 is {}. Each was offered a share of its own capacity, which is another load for each, so they are not ranked: \
             compare servers at common rates.",
            words::list(&of_rows),
        )
    })
}

/// Who did not keep up with an open loop in every round.
fn kept(table: &Table<'_>) -> Option<String> {
    let of_row = |row: &Row<'_>| {
        let (kept, of) = row.validity.kept()?;
        Some(format!(
            "{} kept up with this load in {kept} of {}",
            row.measurement.phrase(),
            words::plural(of as u64, "round")
        ))
    };
    let of_rows: Vec<String> = table.rows.iter().filter(|row| row.is_contestant()).filter_map(of_row).collect();
    match of_rows.len() {
        0 => None,
        1 => Some(format!(
            "{}{}.",
            of_rows[0],
            if table.is_ranked() { ", and is not ranked by its latency" } else { "" }
        )),
        _ => Some(format!(
            "{}{}.",
            words::list(&of_rows),
            if table.is_ranked() { ", and they are not ranked by their latency" } else { "" }
        )),
    }
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
