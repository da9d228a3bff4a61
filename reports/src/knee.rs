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
    /// The latency that 99 % of the answers did not exceed, in nanoseconds, where the server kept up; none where it did not.
    p99: Option<f64>,
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
    let load = words::percent(share);
    match row.standing() {
        Standing::Ranked => Some(Stop { load, row, p99: Some(row.latency().percentile(99.0)? as f64) }),
        Standing::Invalid if row.validity.is_beyond_capacity() => Some(Stop { load, row, p99: None }),
        _ => None,
    }
}

fn sentence(name: &str, stops: &[Stop<'_, '_>]) -> Option<String> {
    let kept: Vec<(&Stop<'_, '_>, f64)> =
        stops.iter().map_while(|stop| stop.p99.map(|nanoseconds| (stop, nanoseconds))).collect();
    let broken = stops.get(kept.len());
    if kept.len() < 2 {
        let broken = broken.filter(|_| stops.len() > 1)?;
        return Some(format!("{name} did not keep up from {} of its capacity on.", broken.load));
    }
    let figures: Vec<String> = kept
        .iter()
        .enumerate()
        .map(|(place, (stop, nanoseconds))| {
            let of = if place == 0 { " of its capacity" } else { "" };
            format!("{} at {}{of}", words::duration(*nanoseconds as u64), stop.load)
        })
        .collect();
    // Round by round, like all that is compared: one bad moment makes no knee.
    let growth = |pair: &[(&Stop<'_, '_>, f64)]| compare(pair[1].0.row, pair[0].0.row).filter(Ratio::is_distinct);
    let steepest = kept
        .windows(2)
        .filter_map(|pair| Some((growth(pair)?, pair)))
        .max_by(|first, second| first.0.ratio.total_cmp(&second.0.ratio))
        .filter(|(growth, _)| growth.ratio >= KNEE);
    let turn = match (broken, steepest) {
        (Some(broken), _) => format!("from {} on it did not keep up", broken.load),
        (None, Some((growth, pair))) => format!(
            "the knee lies between {} and {}, where the latency grows {} times ({})",
            pair[0].0.load,
            pair[1].0.load,
            words::ratio(growth.ratio),
            evidence(growth),
        ),
        (None, None) => format!("no knee could be told from noise up to {}", kept.last()?.0.load),
    };
    Some(format!("{name}: 99 % of the answers took at most {}; {turn}.", words::list(&figures)))
}
