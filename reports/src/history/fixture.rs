//! Histories for the tests of this module.

use crate::environment::Commit;
use crate::record::ServerKind;
use crate::timestamp::Timestamp;
use crate::validity::Standing;

use super::file::History;
use super::line::{Entry, FORMAT, Figure, Line, Machine};

/// A run a day with one measurement, whose capacity this is.
pub(super) fn history(runs: u32, capacity: impl Fn(u32) -> f64) -> History {
    History { lines: (0..runs).map(|run| line(run, capacity(run))).collect() }
}

/// The so-manieth run, from 0.
pub(super) fn line(run: u32, capacity: f64) -> Line {
    Line {
        format: FORMAT,
        id: format!("run-{run}"),
        suite: "wrk".to_owned(),
        // The first of January 2026 is 1,767,268,800 seconds after 1970, at noon.
        started_at: Timestamp::from_unix_milliseconds((1_767_268_800 + 86_400 * u64::from(run)) * 1_000),
        commit: Some(Commit { hash: format!("c{run}"), dirty: run == 18 }),
        rustc: None,
        tool_version: "0.1.0".to_owned(),
        kernel: "Linux 6.8".to_owned(),
        interrupt_accounting: None,
        machine: Machine {
            cpu_model: "Example".to_owned(),
            cpus: 2,
            server_cpus: vec![0],
            client_cpus: vec![1],
            memory_bytes: 4 << 30,
            hypervisor: false,
        },
        measurements: vec![Entry {
            part: "wrk".to_owned(),
            server: "epoll".to_owned(),
            kind: ServerKind::Ours,
            name: "epoll, 1 worker".to_owned(),
            workers: Some(1),
            flags: Vec::new(),
            access_log: false,
            is_twin: false,
            workload: "wrk".to_owned(),
            workload_hash: "w".to_owned(),
            configuration_hash: "c".to_owned(),
            standing: Standing::Ranked,
            capacity: Some(Figure { value: capacity, standard_error: Some(0.01), rounds: 5 }),
            requests_per_second: Some(capacity),
            server_cpu_microseconds: None,
            p99_nanoseconds: None,
            system_calls: None,
        }],
    }
}

/// A value that differs by about 1 % from run to run, the same way each time.
pub(super) fn noisy(run: u32, value: f64) -> f64 {
    let mut random = fastrand::Rng::with_seed(u64::from(run));
    value * (1.0 + 0.017 * (random.f64() + random.f64() - 1.0) / 0.7)
}
