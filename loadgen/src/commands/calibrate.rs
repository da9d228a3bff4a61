//! `loadgen --calibrate`: what the generator can do at best.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loadgen::null_server::NullServer;
use loadgen::validity::{Caveat, Complaint, caveats, complaints};
use loadgen::{Ceiling, Outcome, Plan, Progress, Shape};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Failure, ceilings, offer_load, report};
use crate::cli::RunArguments;

/// How long load is offered before measuring, if nothing else is said, in milliseconds.
const WARM_UP_MS: u64 = 300;

pub(super) fn calibrate(arguments: &RunArguments, descriptors: u64, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let mut plan = offer_load::prepare(arguments, descriptors)?;
    let output = &arguments.output;
    let say = report::say(&[output.json.as_deref()])?;
    let servers_cpus = others(&allowed, &plan);
    let workers = servers_cpus.as_ref().map_or(1, |cpus| cpus.count() as usize);
    let server = NullServer::bind(0, workers).map_err(|source| Failure::Listen { port: 0, source })?;
    let address = server.address().map_err(Failure::Serve)?;
    plan.url = format!("http://{address}/");
    plan.paths = loadgen::Paths::default();
    // What the null server sends has a body, whatever it is asked.
    plan.method = loadgen::Method::Get;
    plan.expect = loadgen::Expect { status: Some(200), ..loadgen::Expect::default() };
    if plan.warmup_ms == 0 {
        plan.warmup_ms = WARM_UP_MS;
    }
    let served = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let serving = scope.spawn(|| {
            if let Some(cpus) = &servers_cpus {
                // Where that is refused, the ceiling is one of a crowded machine, as the runs will be.
                let _ = sched_setaffinity(None, cpus);
            }
            server.serve(&served)
        });
        let outcome = loadgen::run(&plan, &mut |_: &Progress| (), stop);
        served.store(true, Ordering::Relaxed);
        let served = serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.map_err(Failure::from).and_then(|outcome| served.map(|()| outcome).map_err(Failure::Serve))
    })?;
    report::write_files(&outcome, output)?;
    Ok(tell(&outcome, say))
}

/// The CPUs that the client leaves to the server; `None` if its threads are not bound or there are no others.
fn others(allowed: &CpuSet, plan: &Plan) -> Option<CpuSet> {
    let mut others = *allowed;
    plan.cpus.as_ref()?.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| others.unset(cpu));
    (others.count() > 0).then_some(others)
}

fn tell(outcome: &Outcome, say: report::Say) -> ExitCode {
    let Some(cpu_ns_per_response) = outcome.cpu_ns_per_response() else {
        say("Not one response came from the null server: there is no ceiling to tell.\n");
        return ExitCode::from(1);
    };
    let plan = &outcome.plan;
    let ceiling =
        Ceiling { responses_per_second: outcome.responses_per_second(), cpu_ns_per_response, shape: Shape::of(plan) };
    let plural = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    say(&format!(
        "The generator's ceiling on this machine, against a server that does nothing:\n  {:.0} requests per second with {} \
         and {}\n  {:.2} us of CPU time per request; the busiest thread was busy {:.0}% of its time\n",
        ceiling.responses_per_second,
        plural(plan.threads, "thread"),
        plural(plan.connections, "connection"),
        cpu_ns_per_response / 1000.0,
        outcome.busiest_thread() * 100.0,
    ));
    let spoilt: Vec<Complaint> = complaints(outcome);
    for complaint in &spoilt {
        say(&format!("  NOT VALID: {complaint}\n"));
    }
    let set_aside = caveats(outcome).into_iter().filter(|caveat| {
        !matches!(caveat, Caveat::GeneratorLimit { .. } | Caveat::ClosedLoop | Caveat::CeilingUnknown { .. })
    });
    set_aside.for_each(|caveat| say(&format!("  NOTE: {caveat}\n")));
    let is_limit = outcome.generator_was_the_limit();
    if !is_limit {
        say(
            "  The generator had time left, so this is not the most that it can do: the null server was the limit. Leave it a \
             CPU of its own, with --cpus for the others, and let nothing else run.\n",
        );
    }
    if !spoilt.is_empty() || !is_limit {
        say("  It is not kept.\n");
        return ExitCode::from(1);
    }
    match ceilings::keep(&ceiling) {
        Ok(file) => say(&format!("  Kept in {} for later runs of this shape\n", file.display())),
        Err(error) => say(&format!("  It cannot be kept for later runs: {error}\n")),
    }
    ExitCode::SUCCESS
}
