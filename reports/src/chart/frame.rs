//! What a picture says of its origin, because it is pasted where the report is not.

use crate::ranking::Table;
use crate::record::{Arrival, Run};
use crate::summary;
use crate::words;

/// Machine, run and caveats, a paragraph each.
pub(super) fn notes(run: &Run, tables: &[&Table<'_>]) -> Vec<String> {
    let environment = &run.environment;
    // Measurements of one part may have been given different CPUs.
    let mut placements: Vec<String> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        let placement = &row.measurement.placement;
        let text = format!(
            "server on {}, client on {}{}",
            words::plural(placement.server_cpus.len() as u64, "CPU"),
            words::plural(placement.client_cpus.len() as u64, "CPU"),
            if placement.is_shared() { " (shared CPUs)" } else { "" },
        );
        if !placements.contains(&text) {
            placements.push(text);
        }
    }
    let machine = format!(
        "{}{}; {}; {}; loopback",
        environment.cpu_model,
        if environment.hypervisor { " (virtual machine)" } else { "" },
        placements.join(" or "),
        environment.kernel,
    );
    let arrivals = tables.iter().map(|table| match table.workload.arrival {
        Arrival::Closed => "closed loop: latency is mostly connections / throughput".to_owned(),
        Arrival::Open { .. } | Arrival::OpenShare { .. } => "open loop".to_owned(),
    });
    let lengths = tables.iter().map(|table| words::seconds(table.workload.duration_seconds));
    let mut connections: Vec<u32> = tables.iter().map(|table| table.workload.connections).collect();
    connections.sort_unstable();
    let connections = match (connections.first(), connections.last()) {
        (Some(fewest), Some(most)) if fewest != most => {
            format!("{} to {}", words::count((*fewest).into()), words::plural((*most).into(), "connection"))
        }
        (fewest, _) => words::plural(fewest.copied().unwrap_or(0).into(), "connection"),
    };
    let provisional =
        if run.is_finished() { String::new() } else { format!("; provisional: {}", summary::progress(run)) };
    let origin = format!(
        "Run {}, {}; {} x {}; {connections}; {}{provisional}",
        run.id,
        run.started_at.for_reader(),
        words::plural(run.rounds_planned.into(), "round"),
        distinct(lengths),
        distinct(arrivals),
    );
    vec![machine, origin]
}

/// Each of the texts once, in their order.
fn distinct(texts: impl Iterator<Item = String>) -> String {
    let mut once: Vec<String> = Vec::new();
    for text in texts {
        if !once.contains(&text) {
            once.push(text);
        }
    }
    once.join(" or ")
}
