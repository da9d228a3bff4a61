//! Comparisons of comparisons: whether what changes one server changes another one more.
//!
//! That one ratio is below 1 beyond doubt and another one is not says nothing about the difference of the two. What does is
//! their own ratio, taken within each round, with an interval of its own.

use crate::merit::Merit;
use crate::ranking::{Row, Table};
use crate::record::Varies;
use crate::statistics::{Ratio, SIGNIFICANCE, holm, paired_ratio};
use crate::summary::evidence;
use crate::words;

/// A row, and the row of the same server that it is compared with.
pub type Change<'table, 'run> = (&'table Row<'run>, &'table Row<'run>);

/// How many times as large the first change is as the second one: the ratio of the two ratios, by the rounds that count for
/// all four rows. None without such a round.
#[must_use]
pub fn contrast(first: Change<'_, '_>, second: Change<'_, '_>) -> Option<Ratio> {
    contrast_by(first.0.merit, first, second)
}

/// The same by another figure than the one by which the rows are ranked.
#[must_use]
pub fn contrast_by(merit: Merit, first: Change<'_, '_>, second: Change<'_, '_>) -> Option<Ratio> {
    let rows = [first.0, first.1, second.0, second.1];
    let figures = |index: u32| -> Option<[f64; 4]> {
        let of_row = |row: &Row<'_>| {
            let round = row.figures.rounds.iter().find(|round| round.index == index)?;
            merit.of_round(round)
        };
        let [first, before, second, earlier] = rows.map(of_row);
        Some([first?, before?, second?, earlier?])
    };
    let in_round = |index: u32| {
        let [first, before, second, earlier] = figures(index)?;
        Some((first / before, second / earlier))
    };
    let pairs: Vec<(f64, f64)> = first.0.figures.rounds.iter().filter_map(|round| in_round(round.index)).collect();
    paired_ratio(&pairs)
}

/// Whether more workers, and whether the access log, change one server of a table more than another: a sentence for each that
/// two servers or more were measured with.
#[must_use]
pub fn sentences(table: &Table<'_>) -> Vec<String> {
    // What workers do to interpreters is a question of its own.
    if table.part.varies == Varies::Interpreter {
        return Vec::new();
    }
    [compared("more workers", &workers(table)), compared("the access log", &logging(table))]
        .into_iter()
        .flatten()
        .collect()
}

/// Each server with its most workers against its fewest, where others have the same numbers; quiet rows without flags that
/// differ.
fn workers<'table, 'run>(table: &'table Table<'run>) -> Vec<Change<'table, 'run>> {
    let ends = |server: &str| -> Option<Change<'table, 'run>> {
        let count = |row: &&Row<'_>| row.measurement.configuration.workers;
        let rows =
            || ranked(table, server).filter(|row| !row.measurement.configuration.access_log && count(row).is_some());
        let (fewest, most) = (rows().min_by_key(count)?, rows().max_by_key(count)?);
        let is_alike = most.measurement.configuration.flags == fewest.measurement.configuration.flags;
        (is_alike && count(&most) > count(&fewest)).then_some((most, fewest))
    };
    let all: Vec<Change<'_, '_>> = table.servers().into_iter().filter_map(ends).collect();
    let counts = |change: &Change<'_, '_>| [change.0, change.1].map(|row| row.measurement.configuration.workers);
    // The numbers that most servers share; of equals those of the first.
    let shared = |change: &&Change<'_, '_>| all.iter().filter(|other| counts(other) == counts(change)).count();
    let most = all.iter().map(|change| shared(&change)).max().unwrap_or(0);
    let Some(chosen) = all.iter().find(|change| shared(change) == most).map(counts) else {
        return Vec::new();
    };
    all.iter().copied().filter(|change| counts(change) == chosen).collect()
}

/// Each server with its access log on against off, with its fewest workers of which there are both.
fn logging<'table, 'run>(table: &'table Table<'run>) -> Vec<Change<'table, 'run>> {
    let change = |server: &str| -> Option<Change<'table, 'run>> {
        let with_log = ranked(table, server).filter(|row| row.measurement.configuration.access_log);
        let pairs = with_log.filter_map(|row| {
            let of = |row: &Row<'_>| {
                let configuration = &row.measurement.configuration;
                (configuration.workers, configuration.flags.clone())
            };
            let off = |other: &&Row<'_>| !other.measurement.configuration.access_log && of(other) == of(row);
            Some((row, ranked(table, server).find(off)?))
        });
        pairs.min_by_key(|(row, _)| row.measurement.configuration.workers)
    };
    table.servers().into_iter().filter_map(change).collect()
}

fn ranked<'table, 'run>(table: &'table Table<'run>, server: &str) -> impl Iterator<Item = &'table Row<'run>> {
    table.rows.iter().filter(move |row| row.measurement.server.name == server && row.rank.is_some())
}

/// All pairs of these changes, corrected for their number.
fn compared(what: &str, changes: &[Change<'_, '_>]) -> Option<String> {
    let mut pairs: Vec<(Change<'_, '_>, Change<'_, '_>, Ratio, f64)> = Vec::new();
    for (place, second) in changes.iter().enumerate() {
        for first in &changes[..place] {
            if let Some((ratio, p_value)) = contrast(*first, *second).and_then(|ratio| Some((ratio, ratio.p_value?))) {
                pairs.push((*first, *second, ratio, p_value));
            }
        }
    }
    let corrected = holm(&pairs.iter().map(|(.., p_value)| *p_value).collect::<Vec<_>>());
    let name = |change: &Change<'_, '_>| change.0.measurement.server.name.clone();
    let distinct: Vec<String> = pairs
        .iter()
        .zip(&corrected)
        .filter(|(_, p_value)| **p_value < SIGNIFICANCE)
        .map(|((first, second, ratio, _), _)| {
            format!("{} against {} {}× ({})", name(first), name(second), words::ratio(ratio.ratio), evidence(*ratio))
        })
        .collect();
    let count = match pairs.len() {
        0 => return None,
        1 => "one pair of servers".to_owned(),
        count => format!("{count} pairs of servers"),
    };
    let opening = format!(
        "Whether {what} changes one server more than another is the ratio of their two ratios, round by round, corrected for \
         {count}"
    );
    let opening = if what == "more workers" { opening.replace("changes", "change") } else { opening };
    Some(match distinct.len() {
        0 => format!("{opening}: no significant difference."),
        few if few == pairs.len() => format!("{opening}: {}.", words::list(&distinct)),
        _ => format!("{opening}: {}; between the others no significant difference.", words::list(&distinct)),
    })
}
