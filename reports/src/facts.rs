//! Where and when a run was made, as names and values in words.

use crate::environment::Environment;
use crate::record::{MissingServer, Run};
use crate::summary;
use crate::words;

/// What is said of a placement in which server and client have one hardware thread each of the same core.
const SPLIT_CORE: &str = "; they share a core, whose hardware threads slow each other down, so figures depend on both: use a \
                          machine with two cores or more";

/// What is known of the run itself.
#[must_use]
pub fn of_run(run: &Run) -> Vec<(&'static str, String)> {
    let mut facts = vec![("run", run.id.clone()), ("started", run.started_at.for_reader())];
    if let Some(finished) = run.finished_at {
        let took = finished.since(run.started_at).as_secs();
        facts.push(("took", format!("{} min {} s", took / 60, took % 60)));
    }
    facts.push(("rounds", summary::progress(run)));
    let missing = |one: &MissingServer| format!("{} ({} is not installed)", one.name, one.program);
    if !run.missing.is_empty() {
        facts.push(("passed over", run.missing.iter().map(missing).collect::<Vec<_>>().join(", ")));
    }
    facts.push(("seed", run.seed.to_string()));
    facts
}

/// The machine and its CPUs in a line.
#[must_use]
pub fn machine(run: &Run) -> String {
    let environment = &run.environment;
    let of = |cpus: &[usize]| words::plural(cpus.len() as u64, "CPU");
    format!(
        "{}{}, server on {}, client on {}{}{}",
        environment.cpu_model,
        if environment.hypervisor { " (virtual machine)" } else { "" },
        of(&environment.server_cpus),
        of(&environment.client_cpus),
        if environment.cpus_are_shared() { " (shared)" } else { "" },
        if environment.split_core == Some(true) { SPLIT_CORE } else { "" },
    )
}

/// What is known of machine, limits and build.
#[must_use]
pub fn of_environment(environment: &Environment) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("processor", environment.cpu_model.clone()),
        ("CPUs", cpus(environment)),
        ("memory", words::bytes(environment.memory_bytes)),
        ("virtual machine", if environment.hypervisor { "yes" } else { "no sign of one" }.to_owned()),
        ("governor", environment.governor.clone().unwrap_or_else(|| "not told".to_owned())),
        ("kernel", environment.kernel.clone()),
        ("descriptors", format!("{} for each process", words::count(environment.limits.descriptors))),
        ("backlog", format!("{} waiting for accept on a listener", words::count(environment.limits.backlog))),
    ];
    if let Some(accounting) = environment.interrupt_accounting {
        facts.push(("time of interrupts", accounting.text().to_owned()));
    }
    if let Some((first, last)) = environment.limits.ephemeral_ports {
        facts.push(("clients' ports", format!("{first} to {last}")));
    }
    if let Some(rustc) = &environment.rustc {
        facts.push(("compiler", rustc.clone()));
    }
    if let Some(commit) = &environment.commit {
        let changed = if commit.dirty { ", with changes that are not committed" } else { "" };
        facts.push(("commit", format!("{}{changed}", commit.hash)));
    }
    facts.push(("version of the bench", environment.tool_version.clone()));
    if let Some(ceiling) = &environment.generator_ceiling {
        facts.push((
            "ceiling of the load generator",
            format!(
                "{} requests per second against the null server in a second before the run, {} per second of its CPU time",
                words::figure(ceiling.requests_per_second),
                words::figure(ceiling.requests_per_cpu_second),
            ),
        ));
    }
    facts
}

fn cpus(environment: &Environment) -> String {
    format!(
        "{} in all; server on {}, client on {}{}{}",
        environment.cpus,
        words::cpus(&environment.server_cpus),
        words::cpus(&environment.client_cpus),
        if environment.cpus_are_shared() { ", shared" } else { "" },
        if environment.split_core == Some(true) { SPLIT_CORE } else { "" },
    )
}
