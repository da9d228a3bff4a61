//! Puts together what the threads of a run found out.

use crate::client::{Setup, WorkerRecord};
use crate::run::{StealSample, cpu_of};
use crate::{Connections, IdleConnections, Outcome, ThreadRecord, Window};

/// The outcome of a run that began to measure at this time, in milliseconds since 1970.
pub(crate) fn gather(
    setup: &Setup<'_>,
    started_at_ms: u64,
    records: Vec<WorkerRecord>,
    steal: &[StealSample],
) -> Outcome {
    let measured_from = records.iter().map(|record| record.measured_from).min().unwrap_or_default();
    let planned_from = setup.measure_from().unwrap_or(measured_from);
    let measured_from = measured_from.min(planned_from);
    let measured_to = records.iter().map(|record| record.measured_to).max().unwrap_or_default();
    let elapsed_ns = measured_to.saturating_sub(measured_from);
    let finished: u64 = records.iter().map(|record| record.tally.responses + record.tally.errors.of_requests()).sum();
    let is_used_up = setup.plan.requests.is_some_and(|requests| finished >= requests);
    let mut outcome = Outcome {
        started_at_ms,
        elapsed_ns,
        stopped_early: measured_to < planned_from + setup.duration_ns && !is_used_up,
        windows: windows(&records, setup.interval_ns, elapsed_ns, steal),
        ..Outcome::new(setup.plan.clone(), setup.address.to_string())
    };
    let (mut opened, mut closed_by_server, mut served) = (0, 0, Vec::new());
    let mut idle = IdleConnections::default();
    for (index, record) in records.into_iter().enumerate() {
        let tally = record.tally;
        for (status, count) in tally.statuses() {
            *outcome.statuses.entry(status).or_default() += count;
        }
        outcome.requests += tally.requests;
        outcome.responses += tally.responses;
        outcome.bytes_read += tally.bytes_read;
        outcome.unexpected.add(&tally.unexpected);
        outcome.errors.add(&tally.errors);
        outcome.latency.add(&tally.latency);
        outcome.timed_out.add(&tally.timed_out);
        outcome.service.add(&tally.service);
        outcome.lag.add(&tally.lag);
        outcome.connect.add(&tally.connect);
        outcome.first_response.add(&tally.first_response);
        outcome.in_flight.add(&record.in_flight);
        outcome.unsent.add(&record.unsent);
        idle.add(&record.idle);
        opened += tally.opened;
        closed_by_server += tally.closed_by_server;
        outcome.threads.push(ThreadRecord {
            connections: record.served.len(),
            responses: tally.responses,
            wall_ns: record.measured_to - record.measured_from,
            cpu_ns: record.cpu.total_ns,
            cpu_user_ns: record.cpu.user_ns,
            cpu_system_ns: record.cpu.system_ns,
            waited_ns: record.cpu.waited_ns,
            cpu: cpu_of(setup.plan, index),
            rates: record.rates,
        });
        served.extend(record.served);
    }
    outcome.idle_connections = (setup.plan.idle_connections > 0).then_some(idle);
    outcome.connections = Connections::new(opened, closed_by_server, served);
    outcome
}

/// Adds the threads' windows up, one by one, and the steal that fell into each.
fn windows(records: &[WorkerRecord], interval_ns: u64, elapsed_ns: u64, steal: &[StealSample]) -> Vec<Window> {
    let count = records.iter().map(|record| record.windows.len()).max().unwrap_or_default();
    let mut windows: Vec<Window> = (0..count as u64)
        .map(|index| Window { offset_ns: index * interval_ns, length_ns: interval_ns, ..Window::default() })
        .collect();
    if let Some(last) = windows.last_mut() {
        last.length_ns = elapsed_ns.saturating_sub(last.offset_ns);
    }
    for record in records {
        for (window, part) in windows.iter_mut().zip(&record.windows) {
            window.responses += part.responses;
            window.errors += part.errors;
            window.bytes_read += part.bytes_read;
            window.cpu_ns += part.cpu_ns;
        }
    }
    spread_steal(&mut windows, steal);
    windows
}

/// Gives each window the steal between the samples around it. Where the watching thread came too late for an edge, the
/// windows between two samples share it evenly.
fn spread_steal(windows: &mut [Window], samples: &[StealSample]) {
    for pair in samples.windows(2) {
        let (Some(before), Some(after)) = (&pair[0].steal_ns, &pair[1].steal_ns) else {
            continue;
        };
        let end = (pair[1].edge as usize).min(windows.len());
        let Some(between) = windows.get_mut(pair[0].edge as usize..end) else {
            continue;
        };
        let shares = between.len().max(1) as u64;
        for window in between {
            let stolen = after.iter().filter_map(|(cpu, after)| {
                let stolen = after.saturating_sub(*before.get(cpu)?) / shares;
                (stolen > 0).then_some((*cpu, stolen))
            });
            window.steal_ns = Some(stolen.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sample(edge: u64, ms: u64) -> StealSample {
        StealSample { edge, steal_ns: Some([(0, 1_000), (1, ms * 1_000_000)].into()) }
    }

    fn steal_of_cpu_1(samples: &[StealSample], windows: usize) -> Vec<Option<u64>> {
        let mut windows = vec![Window::default(); windows];
        spread_steal(&mut windows, samples);
        assert!(windows.iter().all(|w| w.steal_ns.as_ref().is_none_or(|steal| !steal.contains_key(&0))));
        let milliseconds = |steal: &BTreeMap<usize, u64>| steal.get(&1).copied().unwrap_or(0) / 1_000_000;
        windows.iter().map(|window| window.steal_ns.as_ref().map(milliseconds)).collect()
    }

    #[test]
    fn steal_falls_into_the_window_between_two_samples() {
        let samples = [sample(0, 100), sample(1, 100), sample(2, 130), sample(3, 140)];
        assert_eq!(steal_of_cpu_1(&samples, 3), [Some(0), Some(30), Some(10)]);
    }

    #[test]
    fn windows_without_a_sample_between_them_share() {
        let samples = [sample(0, 100), sample(2, 140), sample(4, 150)];
        assert_eq!(steal_of_cpu_1(&samples, 3), [Some(20), Some(20), Some(10)]);
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_invented() {
        let untold = |edge| StealSample { edge, steal_ns: None };
        assert_eq!(steal_of_cpu_1(&[untold(0), untold(1)], 2), [None, None]);
        assert_eq!(steal_of_cpu_1(&[], 1), [None]);
    }
}
