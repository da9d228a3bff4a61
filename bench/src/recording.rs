//! The stored record of a run before its first round: what is measured, under which load, and the digests by which two
//! runs know whether they may be compared.

use std::fs;
use std::path::{Path, PathBuf};

use reports::Run;
use reports::record::{Arrival, Configuration, LogSink, Measurement, Placement, Server, ServerKind, Workload};
use sha2::{Digest as _, Sha256};

use crate::check::Expected;
use crate::cpus::Division;
use crate::plan::{self, Plan};
use crate::turn::values;

/// The status of the right answer.
const EXPECTED_STATUS: u16 = 200;

/// A measurement's record with what is needed to take its turns.
#[derive(Debug)]
pub struct Prepared {
    /// The record, without rounds.
    pub record: Measurement,
    /// What the server must answer.
    pub expected: Expected,
}

/// Prepares one measurement of a plan.
#[must_use]
pub fn prepare(
    plan: &Plan,
    measurement: &plan::Measurement,
    program: Option<&Path>,
    root: &Path,
    division: &Division,
) -> Prepared {
    let server = &measurement.server;
    let asked = &plan.suite.workload;
    let path = server.path.as_ref().unwrap_or(&asked.path).clone();
    let file = server.expect.clone().unwrap_or_else(|| file_of(&path, root));
    let body = fs::read(&file).map_err(|error| format!("{} cannot be read to compare: {error}", file.display()));
    let content_type = if server.expect.is_some() { None } else { asked.content_type.clone() };

    let workload = Workload {
        connections: asked.connections.get(),
        threads: asked.threads.get(),
        duration_seconds: plan.schedule.duration.0.as_secs_f64(),
        warm_up_seconds: plan.schedule.warm_up.0.as_secs_f64(),
        timeout_seconds: asked.timeout.0.as_secs_f64(),
        arrival: Arrival::Closed,
        keep_alive: asked.keep_alive,
        pipeline: 1,
        idle_connections: 0,
        delay_seconds: None,
        company: None,
        path,
        mix: None,
        cold_files: false,
        headers: asked.headers.clone(),
        expected_status: EXPECTED_STATUS,
        expected_length: body.as_ref().ok().map(|body| body.len() as u64),
    };
    let configuration = Configuration {
        workers: measurement.workers.map(std::num::NonZeroU32::get),
        flags: measurement.flags.clone(),
        command: server.command.fill(&values(measurement, program, root, division)),
        access_log: measurement.access_log,
        log_sink: LogSink::File,
    };
    let configuration_hash = digest(&[
        server.name.as_bytes(),
        // As it is written, not as it is filled in: the place of the project on the disk changes nothing.
        server.command.to_string().as_bytes(),
        server.template.as_deref().unwrap_or_default().as_bytes(),
        format!("{:?} {:?} {}", configuration.workers, configuration.flags, configuration.access_log).as_bytes(),
    ]);
    let described = serde_json::to_vec(&workload).unwrap_or_default();
    let workload_hash = digest(&[&described, body.as_deref().unwrap_or_default()]);
    Prepared {
        record: Measurement {
            part: plan.suite.name.clone(),
            server: Server {
                name: server.name.clone(),
                model: server.model.clone(),
                kind: if server.is_ours() { ServerKind::Ours } else { ServerKind::Reference },
            },
            configuration,
            workload,
            placement: Placement { server_cpus: division.server.to_vec(), client_cpus: division.client.to_vec() },
            is_twin: false,
            system_calls: None,
            configuration_hash,
            workload_hash,
            rounds: Vec::new(),
        },
        expected: Expected { status: EXPECTED_STATUS, content_type, body },
    }
}

/// What keeps a run that was begun from being continued as `fresh` has it, if anything does.
#[must_use]
pub fn difference(begun: &Run, fresh: &Run) -> Option<&'static str> {
    let hashes = |run: &Run| -> Vec<(String, String)> {
        let hashes = |one: &Measurement| (one.configuration_hash.clone(), one.workload_hash.clone());
        run.measurements.iter().map(hashes).collect()
    };
    let (then, now) = (&begun.environment, &fresh.environment);
    let checks = [
        ("the suite, the servers or the served file", hashes(begun) == hashes(fresh)),
        ("the number of rounds", begun.rounds_planned == fresh.rounds_planned),
        ("the order", begun.seed == fresh.seed),
        ("the source", then.commit == now.commit),
        ("the compiler", then.rustc == now.rustc),
        ("the kernel", then.kernel == now.kernel),
        ("the machine", then.cpu_model == now.cpu_model && then.memory_bytes == now.memory_bytes),
        ("the CPUs", then.client_cpus == now.client_cpus && then.server_cpus == now.server_cpus),
        ("a limit of the system", then.limits == now.limits),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

/// The file that a path asks for: below the root, without the query, and a folder's index.
fn file_of(path: &str, root: &Path) -> PathBuf {
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let file = root.join(path);
    if path.is_empty() || path.ends_with('/') { file.join("index.html") } else { file }
}

/// The first half of the SHA-256 of all parts with their lengths, in hexadecimal: enough to tell configurations apart.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_below_the_root() {
        let root = Path::new("/srv/www");
        assert_eq!(file_of("/", root), root.join("index.html"));
        assert_eq!(file_of("/a/b.png?x=1", root), root.join("a/b.png"));
        assert_eq!(file_of("/a/", root), root.join("a/index.html"));
    }

    #[test]
    fn digests_depend_on_every_part_and_its_bounds() {
        assert_eq!(digest(&[b"a", b"b"]).len(), 32);
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab", b""]));
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"b", b"a"]));
    }
}
