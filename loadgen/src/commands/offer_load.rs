//! `loadgen URL`: one run.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use loadgen::{Outcome, Paths, Plan, console};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::display::{Display, WindowFiles};
use super::{Failure, ceilings, report};
use crate::cli::RunArguments;

pub(super) fn offer_load(arguments: &RunArguments, descriptors: u64, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let plan = prepare(arguments, descriptors)?;
    let output = &arguments.output;
    let say = report::say(&[output.json.as_deref(), arguments.timeseries.as_deref()])?;
    let files = WindowFiles::create(arguments.timeseries.as_deref(), output.hdr.as_deref())?;
    let mut display = Display::new(&plan, say, files, stop);
    let mut outcome = loadgen::run(&plan, &mut display, stop)?;
    display.clear();
    outcome.ceiling = ceilings::find(&plan);
    if outcome.connections.opened == 0 && outcome.errors.connect() > 0 {
        report::write_files(&outcome, output)?;
        return Err(unreachable(&outcome));
    }
    display.begin();
    report::tell(&outcome, output, say);
    report::write_files(&outcome, output)?;
    display.finish()?;
    Ok(report::exit_code(&outcome, output))
}

/// The plan of a run, and what the process has to do for it.
pub(super) fn prepare(arguments: &RunArguments, descriptors: u64) -> Result<Plan, Failure> {
    let plan = arguments.plan(read_paths(arguments)?);
    // Standard input, output and error, an epoll per thread, and a little for the moment between two connections.
    let connections = plan.connections.saturating_add(plan.idle_connections);
    let needed = connections.saturating_add(plan.threads.saturating_mul(2)).saturating_add(16) as u64;
    if needed > descriptors {
        console::tell(format!(
            "loadgen: {connections} connections need {needed} descriptors and the limit is {descriptors}; raise it with \
             ulimit -n\n"
        ));
    }
    if let Some(cpus) = &plan.cpus {
        stay_on(cpus);
    }
    Ok(plan)
}

fn read_paths(arguments: &RunArguments) -> Result<Option<Paths>, Failure> {
    let Some(path) = arguments.paths() else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
    Paths::parse(&text).map(Some).map_err(|source| Failure::Paths { path: path.clone(), source })
}

/// Keeps this thread, which watches the others, off the CPUs that are the server's. Where that is refused, the run says why.
fn stay_on(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu));
    let _ = sched_setaffinity(None, &set);
}

/// Why nothing could be asked.
pub(super) fn unreachable(outcome: &Outcome) -> Failure {
    let errors = &outcome.errors;
    let reason = match (errors.refused, errors.connect_timed_out) {
        (1.., _) => "Connection refused; is the server running?",
        (0, 1..) => "Connection timed out; is this the right address?",
        (0, 0) => "for want of descriptors or local ports, or because the network is unreachable",
    };
    Failure::Unreachable { address: outcome.address.clone(), reason }
}
