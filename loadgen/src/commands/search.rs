//! `loadgen --search`: the highest rate that keeps an objective.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::validity::{Complaint, complaints};
use loadgen::{
    Doubt, Load, Objective, Offered, Outcome, Plan, ProbeResult, Progress, Purpose, Search, Step, Verdict, seed,
};

use super::{Failure, offer_load, report};
use crate::cli::RunArguments;

/// How near the rate found lies to the highest one, as a share of it.
const RESOLUTION: f64 = 0.02;
/// How often a rate has to keep the objective again before it is believed.
const CONFIRMATIONS: u32 = 2;
/// How long a closed loop shows where to begin, at most, in milliseconds.
const CAPACITY_MS: u64 = 2_000;
/// How long load is offered before each measurement, if nothing else is said, in milliseconds.
const WARM_UP_MS: u64 = 500;
/// A rate is offered if not more than this share of its requests was never sent.
const UNSENT: f64 = 0.01;

pub(super) fn search(
    arguments: &RunArguments,
    objective: &Objective,
    descriptors: u64,
    stop: &AtomicBool,
) -> Result<ExitCode, Failure> {
    let mut plan = offer_load::prepare(arguments, descriptors)?;
    if plan.warmup_ms == 0 {
        plan.warmup_ms = WARM_UP_MS.min(plan.duration_ms);
    }
    let output = &arguments.output;
    let say = report::say(&[output.json.as_deref()])?;

    let capacity = closed_loop(&plan, stop)?;
    if capacity.connections.opened == 0 && capacity.errors.connect() > 0 {
        return Err(offer_load::unreachable(&capacity));
    }
    say(&format!(
        "Searching for the highest rate with {objective} @ {}\n  {} threads and {} connections; a closed loop reaches {:.0} \
         requests per second\n",
        plan.url,
        plan.threads,
        plan.connections,
        capacity.responses_per_second()
    ));
    let mut search = Search::new(capacity.responses_per_second().max(1.0), RESOLUTION, CONFIRMATIONS);
    let first_seed = plan.seed;
    let mut probes = 0;
    // Of the rate that is being believed in.
    let mut kept: Option<Outcome> = None;
    let verdict = loop {
        let (rate, purpose) = match search.next() {
            Step::Probe { rate, purpose } => (rate, purpose),
            Step::Done(verdict) => break Some(verdict),
        };
        plan.load = Load::Open(Offered { arrivals: arguments.arrivals(), ..Offered::steady(rate) });
        // Probes with the same arrivals would confirm nothing that the first has not shown.
        plan.seed = seed::stream(first_seed, &[probes]);
        probes += 1;
        let outcome = loadgen::run(&plan, &mut |_: &Progress| (), stop)?;
        if stop.load(Ordering::Relaxed) {
            break None;
        }
        let (result, why) = judge(&outcome, objective);
        say(&format!("  {}\n", probe_line(rate, purpose, result, &outcome, objective, &why)));
        if result == ProbeResult::Kept {
            kept = Some(outcome);
        }
        search.report(result);
    };
    let Some(verdict) = verdict else {
        say("Stopped before the search came to its end: no rate is known to keep the objective.\n");
        return Ok(ExitCode::from(1));
    };
    say(&format!("{}\n", sentence(&verdict, objective)));
    // The last probe that was kept is the last confirmation of the rate that was found.
    if let (Verdict::Found { .. } | Verdict::AtLeast { .. }, Some(outcome)) = (&verdict, &kept) {
        report::tell(outcome, output, say);
        report::write_files(outcome, output)?;
        return Ok(report::exit_code(outcome, output));
    }
    Ok(ExitCode::from(1))
}

/// What the server can do in a closed loop, for somewhere to begin.
fn closed_loop(plan: &Plan, stop: &AtomicBool) -> Result<Outcome, Failure> {
    let mut plan = plan.clone();
    plan.load = Load::Closed;
    plan.duration_ms = plan.duration_ms.min(CAPACITY_MS);
    Ok(loadgen::run(&plan, &mut |_: &Progress| (), stop)?)
}

/// Whether the objective was kept, and if not by its latencies, why.
fn judge(outcome: &Outcome, objective: &Objective) -> (ProbeResult, String) {
    let complaints = complaints(outcome);
    let is_noise = |complaint: &&Complaint| matches!(complaint, Complaint::TooNoisy { .. } | Complaint::Crowded { .. });
    if let Some(noise) = complaints.iter().find(is_noise) {
        return (ProbeResult::Disturbed, noise.to_string());
    }
    if let Some(late) = complaints.iter().find(|complaint| matches!(complaint, Complaint::Late { .. })) {
        return (ProbeResult::NotOffered, late.to_string());
    }
    let due = outcome.requests + outcome.unsent.count();
    if outcome.unsent.count() as f64 > UNSENT * due as f64 {
        return (ProbeResult::Missed, format!("{} of {due} requests found no connection", outcome.unsent.count()));
    }
    let failed = outcome.errors.total() + outcome.unexpected.responses;
    if failed > 0 {
        return (ProbeResult::Missed, format!("{failed} requests failed or were answered wrongly"));
    }
    // Requests that are unanswered will take longer than this.
    let mut at_least = outcome.latency_with_timeouts();
    at_least.add(&outcome.in_flight);
    at_least.add(&outcome.unsent);
    let is_met = objective.is_met(&outcome.latency_with_timeouts()) && objective.is_met(&at_least);
    (if is_met { ProbeResult::Kept } else { ProbeResult::Missed }, String::new())
}

fn probe_line(
    rate: f64,
    purpose: Purpose,
    result: ProbeResult,
    outcome: &Outcome,
    objective: &Objective,
    why: &str,
) -> String {
    let purpose = match purpose {
        Purpose::Bracket => "bracketing",
        Purpose::Narrow => "narrowing",
        Purpose::Confirm => "confirming",
    };
    let result = match result {
        ProbeResult::Kept => "kept",
        ProbeResult::Missed => "missed",
        ProbeResult::NotOffered => "not offered",
        ProbeResult::Disturbed => "disturbed",
    };
    let figures: Vec<String> = objective
        .figures(&outcome.latency_with_timeouts())
        .iter()
        .map(|(limit, measured)| {
            let measured = measured.map_or("-".to_owned(), |ns| format!("{:.2}ms", ns as f64 / 1e6));
            format!("{} {measured}", limit.figure)
        })
        .collect();
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{rate:>10.0} req/s  {purpose:<10}  {result:<11}  {}{why}", figures.join(", ")).trim_end().to_owned()
}

fn sentence(verdict: &Verdict, objective: &Objective) -> String {
    match verdict {
        Verdict::Found { rate, missed_at: Some(missed), confirmations } => format!(
            "{rate:.0} requests per second keep {objective}, seen {} times; {missed:.0} do not.",
            confirmations + 1
        ),
        Verdict::Found { rate, missed_at: None, confirmations } => {
            format!(
                "{rate:.0} requests per second keep {objective}, seen {} times; more were not tried.",
                confirmations + 1
            )
        }
        Verdict::AtLeast { rate, why } => format!(
            "At least {rate:.0} requests per second keep {objective}; the generator could not offer {:.0}: give it more \
             threads and CPUs.",
            why.not_offered
        ),
        Verdict::None { lowest_tried } => {
            format!("No rate keeps {objective}: even {lowest_tried:.0} requests per second do not.")
        }
        Verdict::Undecided { why, kept_at, missed_at } => {
            let why = match why {
                Doubt::Disturbed => "the machine was too noisy; try again in a quieter hour or on a machine of its own",
                Doubt::ProbesSpent => "the figures vary too much; let -d be longer",
                Doubt::NothingOffered => "the generator could not even offer one request per second",
            };
            let known = |rate: &Option<f64>| rate.map_or("none".to_owned(), |rate| format!("{rate:.0}"));
            format!("Undecided: {why}. (Kept at {}, missed at {}.)", known(kept_at), known(missed_at))
        }
    }
}
