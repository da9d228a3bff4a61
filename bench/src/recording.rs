//! The stored record of a run before its first round: what is measured, under which load, and the digests by which two
//! runs know whether they may be compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use loadgen::ExpectedBody;
use reports::Run;
use reports::record::{
    self, Arrival, Company, Configuration, LogSink, Measurement, Mix, Placement, ServerKind, Workload,
};
use sha2::{Digest as _, Sha256};

use crate::check::{self, Expected, Request};
use crate::company;
use crate::cpus::Division;
use crate::documents;
use crate::measurement;
use crate::running::Address;
use crate::servers::Server;
use crate::suite::{self, Offer, Root};
use crate::turn::{Turn, values};

/// How long a server that runs already may take for its first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The status of the right answer.
const EXPECTED_STATUS: u16 = 200;

/// A measurement's record with what is needed to take its turns.
#[derive(Debug)]
pub struct Prepared {
    /// The record, without rounds.
    pub record: Measurement,
    /// What the server must answer.
    pub expected: Expected,
    /// Where the client finds the bytes that its answers are compared with.
    pub expected_bytes: ExpectedBody,
    /// The document root.
    pub root: PathBuf,
    /// The path below the root of the document that is asked for, where the root may be replaced by a copy and the server
    /// would serve that.
    pub document: Option<PathBuf>,
    /// The CPUs of server and client.
    pub division: Division,
}

impl Prepared {
    /// Lets the server serve a copy of its document root.
    pub fn serve_copy(&mut self, copy: &Path) {
        let Some(document) = &self.document else { return };
        self.root = copy.to_path_buf();
        let is_mix = self.record.workload.mix.is_some();
        self.expected_bytes = ExpectedBody::File(if is_mix { self.root.clone() } else { self.root.join(document) });
    }

    /// A trial of the measurement that this was prepared for, with the seed 0.
    #[must_use]
    pub fn turn<'a>(
        &'a self,
        measurement: &'a measurement::Measurement,
        program: Option<&'a Path>,
        folder: &'a Path,
        scratch: &'a Path,
        interrupted: &'a AtomicBool,
    ) -> Turn<'a> {
        Turn {
            measurement,
            program,
            generator: None,
            meeting: None,
            record: &self.record,
            workload: &self.record.workload,
            expected: &self.expected,
            expected_bytes: &self.expected_bytes,
            root: &self.root,
            division: &self.division,
            document: None,
            seed: 0,
            folder,
            scratch,
            interrupted,
        }
    }
}

/// Prepares one measurement of a plan.
#[must_use]
pub fn prepare(
    measurement: &measurement::Measurement,
    program: Option<&Path>,
    root: &Path,
    division: &Division,
) -> Prepared {
    let server = &measurement.server;
    let asked = &measurement.workload;
    let path = match asked.mix {
        Some(_) => documents::path_in_mix(0),
        None => own_path(server, asked).unwrap_or(&asked.path).clone(),
    };
    let file = server.expect.clone().filter(|_| asked.root != Root::Made).unwrap_or_else(|| file_of(&path, root));
    let body = match &server.running {
        Some(address) => first_answer(address, asked),
        None => fs::read(&file).map_err(|error| format!("{} cannot be read to compare: {error}", file.display())),
    };
    let is_ours_to_know = server.expect.is_none() && server.running.is_none();
    let content_type = asked.content_type.clone().filter(|_| is_ours_to_know);
    let may_change = is_ours_to_know && !server.preloads && server.mentions("root");
    let document = file.strip_prefix(root).ok().filter(|_| may_change).map(Path::to_path_buf);

    let mut workload = workload(asked, path);
    workload.duration_seconds = measurement.duration.as_secs_f64();
    workload.warm_up_seconds = measurement.warm_up.as_secs_f64();
    workload.expected_length = body.as_ref().ok().filter(|_| asked.mix.is_none()).map(|body| body.len() as u64);
    let configuration = Configuration {
        workers: measurement.workers.map(std::num::NonZeroU32::get),
        flags: measurement.flags.clone(),
        command: server.command.fill(&values(measurement, program, root, division)),
        access_log: measurement.access_log,
        log_sink: LogSink::File,
    };
    let written = server.command.to_string();
    let options = format!("{:?} {:?} {}", configuration.workers, configuration.flags, configuration.access_log);
    let build = server.build.as_ref().map(ToString::to_string);
    let mut parts = vec![
        server.name.as_bytes(),
        // As it is written, not as it is filled in: the place of the project on the disk changes nothing.
        written.as_bytes(),
        server.template.as_deref().unwrap_or_default().as_bytes(),
        server.required().unwrap_or_default().as_bytes(),
        options.as_bytes(),
    ];
    // Servers without one keep the digest that they had in runs before this was part of it.
    parts.extend(build.as_ref().map(String::as_bytes));
    let configuration_hash = digest(&parts);
    let placement = Placement { server_cpus: division.server.to_vec(), client_cpus: division.client.to_vec() };
    let described = serde_json::to_vec(&workload).unwrap_or_default();
    let spread = serde_json::to_vec(&placement).unwrap_or_default();
    let workload_hash = digest(&[&described, &spread, body.as_deref().unwrap_or_default()]);
    Prepared {
        record: Measurement {
            part: measurement.part.clone(),
            server: record::Server {
                name: server.name.clone(),
                model: server.model.clone(),
                kind: if server.is_ours() { ServerKind::Ours } else { ServerKind::Reference },
                preloads: server.preloads,
            },
            configuration,
            workload,
            placement,
            is_twin: measurement.is_twin,
            configuration_hash,
            workload_hash,
            rounds: Vec::new(),
            system_calls: None,
            freshness: None,
        },
        expected: Expected { status: EXPECTED_STATUS, content_type, body },
        expected_bytes: match (&server.running, asked.mix) {
            (Some(_), _) => ExpectedBody::LikeFirst,
            (None, Some(_)) => ExpectedBody::File(root.to_path_buf()),
            (None, None) => ExpectedBody::File(file),
        },
        root: root.to_path_buf(),
        document,
        division: division.clone(),
    }
}

/// The path that a server is asked for in place of the suite's. Files that the bench makes are the same for all.
fn own_path<'a>(server: &'a Server, asked: &suite::Workload) -> Option<&'a String> {
    server.path.as_ref().filter(|_| asked.root != Root::Made || server.running.is_some())
}

/// What a server that runs already answers: there is no file to compare it with, so every answer has to be like the
/// first.
fn first_answer(address: &Address, asked: &suite::Workload) -> Result<Vec<u8>, String> {
    let Address { port, path } = address;
    let request = Request { port: *port, path, headers: &asked.headers, keep_alive: asked.keep_alive };
    check::look(request, EXPECTED_STATUS, ANSWER_LIMIT).map_err(|problem| format!("{address}: {problem}"))
}

/// The workload as it is stored; its times and the length of the answers are left to the caller.
fn workload(asked: &suite::Workload, path: String) -> Workload {
    Workload {
        connections: asked.connections.get(),
        threads: asked.threads.get(),
        duration_seconds: 0.0,
        warm_up_seconds: 0.0,
        timeout_seconds: asked.timeout.0.as_secs_f64(),
        arrival: match asked.offered {
            None => Arrival::Closed,
            Some(Offer::Rate(rate)) => Arrival::Open { rate },
            Some(Offer::Share(share)) => Arrival::OpenShare { share },
        },
        keep_alive: asked.keep_alive,
        pipeline: asked.pipeline.get(),
        idle_connections: asked.idle,
        delay_seconds: asked.delay.map(|delay| delay.0.as_secs_f64()),
        company: match (asked.slow_readers, asked.slow_heads) {
            (0, 0) => None,
            (0, connections) => Some(Company::SlowHeads { connections }),
            (connections, _) => Some(Company::SlowReaders { connections, bytes_per_second: company::BYTES_PER_SECOND }),
        },
        path,
        mix: asked.mix.map(|mix| Mix {
            files: mix.files.get(),
            exponent: mix.exponent,
            mean_length: documents::mean_length_of_mix(mix.files.get(), mix.exponent),
        }),
        cold_files: asked.cold && asked.mix.is_some(),
        headers: asked.headers.clone(),
        expected_status: EXPECTED_STATUS,
        expected_length: None,
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
        ("the questions", begun.parts == fresh.parts),
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
