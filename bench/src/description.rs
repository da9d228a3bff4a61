//! A plan in words, for the reader who decides whether to wait for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use reports::words;

use crate::cpus::Division;
use crate::duration::{Span, in_words};
use crate::measurement::Measurement;
use crate::plan::Plan;

/// What will run, on which CPUs and how long.
#[must_use]
pub fn describe(plan: &Plan, division: &Division) -> String {
    let mut text = format!("{}: {}\n", plan.name, plan.question);
    let shared = if division.shared() { ": shared, each takes time from the other" } else { "" };
    // Writing to a string does not fail.
    let _ = writeln!(text, "server on CPU {}, client on CPU {}{shared}", division.server, division.client);
    for (name, program) in &plan.missing {
        let _ = writeln!(text, "{name} is passed over: {program} is not installed");
    }
    for sentence in &plan.left_out {
        let _ = writeln!(text, "{sentence}");
    }
    for question in &plan.questions {
        if plan.questions.len() > 1 {
            let _ = writeln!(text, "{}: {}", question.suite, question.question);
        }
        text.push_str(&part(plan, &question.suite));
    }
    let measurements = words::plural(plan.measurements.len() as u64, "measurement");
    let rounds = words::plural(u64::from(plan.rounds.get()), "round");
    let _ = writeln!(
        text,
        "{measurements}, {rounds} in random order (seed {}): about {} in all",
        plan.seed,
        in_words(plan.total_time()),
    );
    let counted = plan.counted().len() as u64;
    if counted > 0 {
        let counted = words::plural(counted, "configuration");
        let _ =
            writeln!(text, "of that about {} to count the system calls of {counted}", in_words(plan.counting_time()));
    }
    let patience = plan.patience();
    if !patience.is_zero() {
        let _ =
            writeln!(text, "and up to {} more for additional rounds, where rounds are excluded", in_words(patience));
    }
    text
}

/// The order of the measurements in each round, counted from 1.
#[must_use]
pub fn describe_orders(plan: &Plan) -> String {
    let mut text = String::new();
    for round in 0..plan.rounds.get() {
        let _ = writeln!(text, "round {}:", round + 1);
        for (position, index) in plan.order(round).into_iter().enumerate() {
            let Measurement { part, server, workload, .. } = &plan.measurements[index];
            let configuration = plan.measurements[index].configuration();
            let _ = writeln!(text, "  {:>3}  {part}: {}: {configuration}; {workload}", position + 1, server.name);
        }
    }
    text
}

/// One suite: its workloads, and under each a line for every server with all its configurations.
fn part(plan: &Plan, suite: &str) -> String {
    let mut text = String::new();
    let of_suite = || plan.measurements.iter().filter(|one| one.part == suite);
    let mut workloads: Vec<String> = Vec::new();
    let workload_of =
        |one: &Measurement| format!("{}, {} after {} of warm-up", one.workload, Span(one.duration), Span(one.warm_up));
    for workload in of_suite().map(workload_of) {
        if !workloads.contains(&workload) {
            workloads.push(workload);
        }
    }
    for workload in workloads {
        let _ = writeln!(text, "  {workload}");
        let mut servers: Vec<&str> = Vec::new();
        let mut configurations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for one in of_suite().filter(|one| workload_of(one) == workload) {
            let name = one.server.name.as_str();
            if !servers.contains(&name) {
                servers.push(name);
            }
            configurations.entry(name).or_default().push(one.configuration());
        }
        for name in servers {
            let _ = writeln!(text, "    {name}: {}", configurations[name].join(" | "));
        }
    }
    text
}
