//! Two runs that were made at different times, or elsewhere: what may be said of the same servers in both.
//!
//! The machine was another one in each, even if it has the same name: other virtual machines beside it, other temperatures. What that did is
//! seen in the servers that did not change, which are the reference servers: no verdict goes below the most that one of them
//! moved by. So this is less certain than a comparison in pairs of turns, and says so.

use crate::environment::{Environment, InterruptAccounting};
use crate::figures::Figures;
use crate::merit::Merit;
use crate::record::{Measurement, Run};
use crate::statistics::{Unpaired, holm};
use crate::validity::{Standing, Validity};
use crate::{summary, words};

use super::decision::{FALSE_ALARMS, Verdict};

/// Why two runs are not compared, unless somebody insists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They were made on different machines.
    #[error(
        "the runs were made on different machines ({what}: {base} and {head}): make both on one, or insist with --anyway"
    )]
    Machines {
        /// What differs.
        what: &'static str,
        /// The base's.
        base: String,
        /// The head's.
        head: String,
    },
    /// A measurement of the same name did other work.
    #[error(
        "{name} did other work in each run (its workload has the digests {base} and {head}: other times, connections, CPUs or files): make both with the same suite, or insist with --anyway"
    )]
    Workloads {
        /// The measurement.
        name: String,
        /// The base's digest.
        base: String,
        /// The head's digest.
        head: String,
    },
    /// They have nothing in common.
    #[error("the runs have no measurement in common: compare runs of the same suite")]
    NothingInCommon,
}

/// The same server in both runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which, and under which load.
    pub name: String,
    /// By what it is compared.
    pub merit: Merit,
    /// Whether it is a reference, by which the machine is judged and not the server.
    pub is_reference: bool,
    /// Head over base; none where there are too few quiet rounds, or where one is not valid.
    pub ratio: Option<Unpaired>,
    /// How likely that is chance, corrected for all rows, beyond what the machine did.
    pub corrected_p_value: f64,
    /// What may be said.
    pub verdict: Verdict,
}

/// Two runs, compared.
#[derive(Clone, Debug)]
pub struct Between {
    /// A row for each measurement that both have.
    pub rows: Vec<Row>,
    /// The most that a reference moved by, as a share; none without one in both runs.
    pub drift: Option<f64>,
    /// What a reader should know.
    pub remarks: Vec<String>,
}

/// Compares the servers that both runs have. With `anyway`, other machines and other workloads are told and no reason to
/// refuse, and a missing reference none to leave everything open.
///
/// # Errors
/// [`Refused`], with the reason.
pub fn between(base: &Run, head: &Run, anyway: bool) -> Result<Between, Refused> {
    let mut remarks = Vec::new();
    if let Some(refused) = other_machine(&base.environment, &head.environment) {
        if !anyway {
            return Err(refused);
        }
        remarks.push(words::sentence(&refused.to_string()));
    }
    let mut rows = Vec::new();
    for of_head in head.measurements.iter().filter(|one| !one.is_twin) {
        let namesakes = || base.measurements.iter().filter(|one| !one.is_twin && name(one) == name(of_head));
        let is_same_work = |one: &&Measurement| one.workload_hash == of_head.workload_hash;
        let Some(of_base) = namesakes().find(is_same_work).or_else(|| namesakes().next()) else {
            remarks.push(format!("{} is in the head alone.", name(of_head)));
            continue;
        };
        if of_base.workload_hash != of_head.workload_hash {
            let refused = Refused::Workloads {
                name: name(of_head),
                base: of_base.workload_hash.clone(),
                head: of_head.workload_hash.clone(),
            };
            if !anyway {
                return Err(refused);
            }
            remarks.push(words::sentence(&refused.to_string()));
        }
        rows.push(row(of_base, of_head));
    }
    if rows.is_empty() {
        return Err(Refused::NothingInCommon);
    }
    let rustc = |run: &Run| run.environment.rustc.clone();
    if let (Some(before), Some(after)) = (rustc(base), rustc(head))
        && before != after
    {
        remarks.push(format!("The servers were built by different compilers, {before} and {after}."));
    }
    let accounting = |run: &Run| run.environment.interrupt_accounting;
    if !InterruptAccounting::is_like(accounting(base), accounting(head)) {
        remarks.push(
            "The kernels count interrupts differently, one to the processes and one apart, so CPU time per request is not \
             compared."
                .to_owned(),
        );
    }
    let references = rows.iter().filter(|row| row.is_reference).filter_map(|row| row.ratio);
    let drift = references.map(|ratio| ratio.log.abs()).reduce(f64::max);
    remarks.push(match drift {
        Some(drift) => format!(
            "The machine was another one in each run: a server that did not change moved by {}, and no verdict goes below that.",
            words::percent(drift.exp_m1())
        ),
        None if anyway => {
            "No reference server is in both runs, so nobody knows what the machine did between them: a verdict may be the machine's."
                .to_owned()
        }
        None => {
            "No reference server (nginx, lighttpd, limit) is in both runs, so nobody knows what the machine did between them, \
             and nothing is decided: enter one in both, or insist with --anyway."
                .to_owned()
        }
    });
    let floor = drift.or(anyway.then_some(0.0));
    decide(&mut rows, floor);
    Ok(Between { rows, drift: drift.map(f64::exp_m1), remarks })
}

fn decide(rows: &mut [Row], floor: Option<f64>) {
    let Some(floor) = floor else { return };
    let p_value = |row: &Row| row.ratio.map_or(1.0, |ratio| ratio.p_value_beyond(floor));
    let tested: Vec<usize> = (0..rows.len()).filter(|place| !rows[*place].is_reference).collect();
    let corrected = holm(&tested.iter().map(|place| p_value(&rows[*place])).collect::<Vec<_>>());
    for (place, corrected) in tested.into_iter().zip(corrected) {
        let row = &mut rows[place];
        row.corrected_p_value = corrected;
        if let Some(ratio) = row.ratio.filter(|_| corrected < FALSE_ALARMS) {
            row.verdict = if row.merit.is_better(ratio.ratio()) { Verdict::Faster } else { Verdict::Slower };
        }
    }
}

fn row(base: &Measurement, head: &Measurement) -> Row {
    let merit = Merit::of(head);
    let figures = |measurement: &Measurement| -> Option<Vec<f64>> {
        let figures = Figures::of(measurement);
        let standing = Validity::of(measurement, &figures).standing();
        let is_usable = matches!(standing, Standing::Ranked | Standing::TooNoisy);
        is_usable.then(|| figures.rounds.iter().filter_map(|round| merit.of_round(round)).collect())
    };
    let both = figures(head).zip(figures(base));
    Row {
        name: name(head),
        merit,
        is_reference: !head.server.is_ours(),
        ratio: both.and_then(|(head, base)| Unpaired::of(&head, &base)),
        corrected_p_value: 1.0,
        verdict: Verdict::Undecided,
    }
}

/// What makes a measurement the same one in two runs.
fn name(measurement: &Measurement) -> String {
    let load = summary::load(&measurement.workload);
    let load = if load.is_empty() { String::new() } else { format!(", {load}") };
    let shared = if measurement.placement.is_shared() { ", client on the server's CPUs" } else { "" };
    format!("{}: {}{load}{shared}", measurement.part, measurement.name())
}

fn other_machine(base: &Environment, head: &Environment) -> Option<Refused> {
    let facts = |environment: &Environment| {
        [
            ("processor", environment.cpu_model.clone()),
            ("CPUs", environment.cpus.to_string()),
            ("the server's CPUs", words::cpus(&environment.server_cpus)),
            ("the client's CPUs", words::cpus(&environment.client_cpus)),
            ("kernel", environment.kernel.clone()),
        ]
    };
    let mut both = facts(base).into_iter().zip(facts(head));
    both.find(|(base, head)| base.1 != head.1).map(|((what, base), (_, head))| Refused::Machines { what, base, head })
}

impl Row {
    /// The row in words: `6.2 % slower (95 % interval 4.1 to 8.0 %)`.
    #[must_use]
    pub fn change(&self) -> String {
        let Some(ratio) = self.ratio else { return "not enough valid and quiet rounds in both".to_owned() };
        let (low, high) = ratio.interval(0.05);
        let what = if self.merit == Merit::Capacity { "as much" } else { "as long" };
        format!(
            "{} × {what} (95 % interval {} to {})",
            words::ratio(ratio.ratio()),
            words::ratio(low),
            words::ratio(high)
        )
    }

    /// The verdict in a word or two.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self.verdict {
            _ if self.is_reference => "reference",
            Verdict::Undecided => "not told apart",
            verdict => verdict.label(),
        }
    }
}

impl Between {
    /// The whole for a terminal; it ends with a line feed.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let lines =
            self.rows.iter().map(|row| format!("{:<width$}  {:<14}  {}\n", row.name, row.label(), row.change()));
        let remarks = self.remarks.iter().map(|remark| format!("{remark}\n"));
        lines.chain(["\n".to_owned()]).chain(remarks).collect()
    }
}
