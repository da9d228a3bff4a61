//! Where the latency of each server turns up as the offered load grows, in words: its knee, and where it breaks.

use crate::ranking::{Row, Table, compare};
use crate::record::{Arrival, Measurement};
use crate::statistics::Ratio;
use crate::summary::evidence;
use crate::validity::Standing;
use crate::words;

/// A step of the load by which the latency grows at least so many times, beyond doubt, is a knee; below that, it climbs.
const KNEE: f64 = 3.0;

/// A server under one offered load.
struct Stop<'table, 'run> {
    /// The load in words: `75 %`.
    load: String,
    /// Its row.
    row: &'table Row<'run>,
    /// How it fared.
    fared: Fared,
}

/// How a server fared under a load.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fared {
    /// It kept up in every round that counts; the latency that 99 % of the answers did not exceed, in nanoseconds.
    Kept(u64),
    /// It kept up in so many of the rounds that count, of so many.
    Partly(usize, usize),
    /// It kept up in none, though in each of them it was offered less than the same process had carried directly before.
    Broke,
}

/// A sentence for each configuration that was offered several shares of its capacity, from all tables of one part.
#[must_use]
pub fn sentences(tables: &[&Table<'_>]) -> Vec<String> {
    let rows = || tables.iter().flat_map(|table| &table.rows).filter(|row| !row.measurement.is_twin);
    let mut names: Vec<String> = Vec::new();
    for row in rows().filter(|row| share(row.measurement).is_some()) {
        let name = row.measurement.name();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of_name = |name: &String| {
        let mut of_name: Vec<(f64, &Row<'_>)> = rows()
            .filter(|row| row.measurement.name() == *name)
            .filter_map(|row| Some((share(row.measurement)?, row)))
            .collect();
        of_name.sort_by(|first, second| first.0.total_cmp(&second.0));
        sentence(name, &of_name.into_iter().filter_map(|(share, row)| stop(share, row)).collect::<Vec<_>>())
    };
    names.iter().filter_map(of_name).collect()
}

/// The share of its own capacity that a server is offered.
fn share(measurement: &Measurement) -> Option<f64> {
    match measurement.workload.arrival {
        Arrival::OpenShare { share } => Some(share),
        Arrival::Closed | Arrival::Open { .. } => None,
    }
}

/// Nothing where noise, or a failure that has nothing to do with the load, leaves nothing to be said.
fn stop<'table, 'run>(share: f64, row: &'table Row<'run>) -> Option<Stop<'table, 'run>> {
    let fared = match (row.standing(), row.validity.kept()) {
        (Standing::Ranked, _) => Fared::Kept(row.p99()?),
        (Standing::Invalid, Some(_)) if is_established(row) => Fared::Broke,
        (Standing::Invalid, Some((kept, of))) => Fared::Partly(kept, of),
        _ => return None,
    };
    Some(Stop { load: words::percent(share), row, fared })
}

/// Whether a server did not keep up in any round that counts, each time at a rate below what the same process carried directly
/// before. Without that, the rate may have been a share of a capacity that it does not have.
fn is_established(row: &Row<'_>) -> bool {
    let counted = row.figures.rounds.iter().filter(|round| round.counts());
    let mut established = counted.map(|counted| {
        let rounds = &row.measurement.rounds;
        let round = rounds.iter().find(|round| round.outcome.is_some() && round.index == counted.index);
        let rates = round.and_then(|round| round.offered_rate.zip(round.capacity));
        counted.is_overloaded && rates.is_some_and(|(offered, capacity)| offered <= capacity)
    });
    established.all(|is_so| is_so)
}

fn sentence(name: &str, stops: &[Stop<'_, '_>]) -> Option<String> {
    if stops.len() < 2 {
        return None;
    }
    let kept: Vec<(&Stop<'_, '_>, u64)> = stops
        .iter()
        .filter_map(|stop| match stop.fared {
            Fared::Kept(nanoseconds) => Some((stop, nanoseconds)),
            Fared::Partly(..) | Fared::Broke => None,
        })
        .collect();
    let mut parts = Vec::new();
    if !kept.is_empty() {
        let figure = |(place, (stop, nanoseconds)): (usize, &(&Stop<'_, '_>, u64))| {
            let of = if place == 0 { " of its capacity" } else { "" };
            format!("{} at {}{of}", words::duration(*nanoseconds), stop.load)
        };
        let figures: Vec<String> = kept.iter().enumerate().map(figure).collect();
        parts.push(format!("the p99 is {}", words::list(&figures)));
    }
    // What is said of a load and all above it has to be known of each of them.
    let broken = stops.iter().rposition(|stop| stop.fared != Fared::Broke).map_or(0, |last| last + 1);
    for stop in &stops[..broken] {
        match stop.fared {
            Fared::Kept(_) => {}
            Fared::Partly(kept, of) => {
                parts.push(format!("at {} it kept up in {kept} of {}", stop.load, words::plural(of as u64, "round")));
            }
            Fared::Broke => parts.push(format!("at {} it kept up in no round", stop.load)),
        }
    }
    parts.extend(stops.get(broken).map(|stop| format!("from {} on it did not keep up", stop.load)));
    if kept.len() == stops.len() {
        parts.push(knee(&kept)?);
    }
    Some(format!("{name}: {}.", parts.join("; ")))
}

/// Where the latency of a server that kept up with every load grows most.
fn knee(kept: &[(&Stop<'_, '_>, u64)]) -> Option<String> {
    // Round by round, like all that is compared: one bad moment makes no knee.
    let growth = |pair: &[(&Stop<'_, '_>, u64)]| compare(pair[1].0.row, pair[0].0.row).filter(Ratio::is_distinct);
    let steepest = kept
        .windows(2)
        .filter_map(|pair| Some((growth(pair)?, pair)))
        .max_by(|first, second| first.0.ratio.total_cmp(&second.0.ratio))
        .filter(|(growth, _)| growth.ratio >= KNEE);
    Some(match steepest {
        Some((growth, pair)) => format!(
            "the knee lies between {} and {}, where the p99 grows {} times ({})",
            pair[0].0.load,
            pair[1].0.load,
            words::ratio(growth.ratio),
            evidence(growth),
        ),
        None => format!("no knee could be told from noise up to {}", kept.last()?.0.load),
    })
}
