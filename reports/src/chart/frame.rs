//! What a picture says of its origin, because it is pasted where the report is not.

use crate::ranking::Table;
use crate::record::{Arrival, Run};
use crate::summary;
use crate::words;

/// Machine, run and caveats, a paragraph each.
pub(super) fn notes(run: &Run, table: &Table<'_>) -> Vec<String> {
    let environment = &run.environment;
    // Measurements of one table may have been given different CPUs.
    let mut placements: Vec<String> = Vec::new();
    for row in &table.rows {
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
    let arrival = match table.workload.arrival {
        Arrival::Closed => "closed loop: latency is mostly connections / throughput",
        Arrival::Open { .. } | Arrival::OpenShare { .. } => "open loop",
    };
    let provisional =
        if run.is_finished() { String::new() } else { format!("; provisional: {}", summary::progress(run)) };
    let origin = format!(
        "Run {}, {}; {} x {}; {}; {arrival}{provisional}",
        run.id,
        run.started_at.for_reader(),
        words::plural(run.rounds_planned.into(), "round"),
        words::seconds(table.workload.duration_seconds),
        words::plural(table.workload.connections.into(), "connection"),
    );
    vec![machine, origin]
}
