//! What more workers bring each server, by the law of [`scalability`](crate::scalability): in words.

use crate::ranking::{Row, Table};
use crate::record::Varies;
use crate::scalability::{Point, Scalability, ScalabilityError};
use crate::validity::Standing;
use crate::words;

/// Fewer different numbers of workers are no question about scaling.
const ENOUGH_COUNTS: usize = 3;

/// A sentence for each server whose workers were varied, or one that says why nothing can be fitted to any.
#[must_use]
pub fn sentences(table: &Table<'_>) -> Vec<String> {
    if table.part.varies != Varies::Workers {
        return Vec::new();
    }
    let mut sentences: Vec<String> = Vec::new();
    for server in table.servers() {
        let rows: Vec<&Row<'_>> = table.rows.iter().filter(|row| counts(row, server)).collect();
        let mut workers: Vec<u32> = rows.iter().filter_map(|row| row.measurement.configuration.workers).collect();
        workers.sort_unstable();
        workers.dedup();
        let Some(row) = rows.first().filter(|_| workers.len() >= ENOUGH_COUNTS) else { continue };
        let cpus = row.measurement.placement.server_cpus.len();
        let limited = rows.iter().find(|row| row.standing() == Standing::AtLeast);
        let sentence = match (Scalability::fit(&points(&rows), cpus), limited) {
            // It holds for all servers alike.
            (Err(error @ ScalabilityError::TooFewCpus { .. }), _) => format!("Scaling: {error}."),
            // A law of the rows that are not limited would be one of what the generator left over.
            (_, Some(limited)) => format!(
                "{server}: no scaling is fitted, because {} ran into the limit of the load generator.",
                limited.measurement.name(),
            ),
            (Ok(law), None) => fitted(server, &law),
            (Err(error), None) => format!("{server}: {error}."),
        };
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// Whether a row tells what a number of workers carries, or at least.
fn counts(row: &Row<'_>, server: &str) -> bool {
    let measurement = row.measurement;
    measurement.server.name == server
        && !measurement.is_twin
        && !measurement.configuration.access_log
        && matches!(row.standing(), Standing::Ranked | Standing::AtLeast)
}

fn points(rows: &[&Row<'_>]) -> Vec<Point> {
    let of_row = |row: &&Row<'_>| -> Vec<Point> {
        let workers = row.measurement.configuration.workers.unwrap_or(0) as usize;
        let cpus = row.measurement.placement.server_cpus.len() as f64;
        let capacities = row.figures.rounds.iter().filter_map(|round| round.capacity());
        // Capacity is for each CPU; all of them together is what the workers did.
        capacities.map(|capacity| Point { workers, throughput: capacity * cpus }).collect()
    };
    rows.iter().flat_map(of_row).collect()
}

fn fitted(server: &str, law: &Scalability) -> String {
    let peak = match law.peak() {
        None => "by the law, more workers always bring more".to_owned(),
        Some(peak) if peak <= law.most_workers as f64 => {
            format!("it does most with about {} workers", words::figure(peak))
        }
        Some(peak) => format!("it would do most with about {} workers, which is a guess", words::figure(peak)),
    };
    let explained = law
        .determination
        .map(|share| format!(", which explains {} of the variance", words::percent(share.max(0.0))))
        .unwrap_or_default();
    format!(
        "{server}: one worker does {} requests per second, {} of the work waits for its turn, and each pair of workers costs \
         {} to keep in agreement; {peak} (Universal Scalability Law{explained}).",
        words::figure(law.one_worker),
        words::percent(law.contention),
        words::percent(law.coherency),
    )
}
