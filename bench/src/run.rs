//! A whole run: every measurement in every round, stored after each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use reports::failure::Failure;
use reports::figures::Figures;
use reports::record::{FORMAT, Part, Round, Run, Varies};
use reports::store::StoreError;
use reports::validity::Standing;
use reports::{Environment, Store, Timestamp, Validity, words};

use crate::ceiling;
use crate::cpus::{CpusError, Division};
use crate::duration::in_words;
use crate::plan::Plan;
use crate::ports::{NoFreePort, Ports};
use crate::programs::Programs;
use crate::progress::Progress;
use crate::recording::{self, Prepared};
use crate::turn::{Taken, Turn};

/// Where a run takes place and where it is stored.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The folder that commands are run in.
    pub project: &'a Path,
    /// The document root, from the file system's root on.
    pub root: &'a Path,
    /// The folder of all runs.
    pub runs: &'a Path,
    /// The CPUs of server and client.
    pub division: &'a Division,
    /// The machine.
    pub environment: Environment,
    /// The command that repeats this run.
    pub command: Vec<String>,
}

/// Why a run could not go on. What a server does is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] reports::Error),
    /// No port was free.
    #[error(transparent)]
    Ports(#[from] NoFreePort),
    /// The bench could not be bound to the client's CPUs.
    #[error(transparent)]
    Cpus(#[from] CpusError),
    /// A run that was begun under other circumstances.
    #[error("the run {run} cannot be resumed, because {what} changed since it began; start a new one")]
    Changed {
        /// The run.
        run: String,
        /// What changed.
        what: &'static str,
    },
    /// A file for a server could not be written.
    #[error("cannot write files for a server below {}: {source}", folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A run that came to its end, or as far as the reader wanted.
#[derive(Debug)]
pub struct Finished {
    /// The record.
    pub run: Run,
    /// The run's folder.
    pub folder: PathBuf,
    /// The report in it.
    pub report: PathBuf,
    /// Whether the reader ended it before its time.
    pub was_interrupted: bool,
}

/// A run under way.
struct Bench<'a> {
    plan: &'a Plan,
    setting: &'a Setting<'a>,
    programs: &'a Programs,
    prepared: Vec<Prepared>,
    store: Store,
    ports: Ports,
    progress: Progress,
    interrupted: &'a AtomicBool,
}

/// Does what a plan says and stores what was measured after every turn. Of a run that was `begun` before, it takes the
/// turns that are missing.
///
/// # Errors
/// [`RunError`]; what was stored by then stays.
pub fn run(
    plan: &Plan,
    setting: &Setting<'_>,
    programs: &Programs,
    begun: Option<(Store, Run)>,
    interrupted: &AtomicBool,
) -> Result<Finished, RunError> {
    // From here on, whatever is not a server shares the client's CPUs.
    setting.division.client.bind_this_thread()?;
    let program = |measurement: &crate::plan::Measurement| programs.of(&measurement.server).ok().flatten();
    let prepared: Vec<Prepared> = plan
        .measurements
        .iter()
        .map(|one| recording::prepare(plan, one, program(one), setting.root, setting.division))
        .collect();
    let fresh = first_record(plan, setting, &prepared);
    // The port begins with the process, not with the seed: two runs with the same seed may go on at the same time.
    let mut ports = Ports::new(u64::from(std::process::id()).wrapping_mul(37));
    let (store, mut run) = match begun {
        Some((store, run)) => match recording::difference(&run, &fresh) {
            Some(what) => return Err(RunError::Changed { run: run.id, what }),
            None => (store, run),
        },
        None => {
            let store = Store::create(setting.runs, &plan.suite.name, fresh.started_at)?;
            let mut run = Run { id: store.id(), ..fresh };
            eprintln!("measuring what the load generator reaches against a server that does nothing");
            let port = ports.next_free()?;
            run.environment.generator_ceiling =
                ceiling::measure(&plan.suite.workload, port, setting.division, interrupted);
            (store, run)
        }
    };
    let all = plan.schedule.rounds.get().saturating_mul(u32::try_from(prepared.len()).unwrap_or(u32::MAX));
    let taken = run.measurements.iter().map(|one| one.rounds.len()).sum::<usize>();
    let progress = Progress::new(all, u32::try_from(taken).unwrap_or(u32::MAX), plan.total_time());
    let mut bench = Bench { plan, setting, programs, prepared, ports, progress, store, interrupted };
    let was_interrupted = !bench.all_rounds(&mut run)?;
    if !was_interrupted {
        run.finished_at = Some(Timestamp::now());
    }
    bench.progress.finish();
    bench.store.save(&run)?;
    let written = reports::write_all(&run, bench.store.folder())?;
    // The scratch folder has the last access log, which nobody will ask for.
    let _ = fs::remove_dir_all(bench.scratch());
    Ok(Finished { run, folder: bench.store.folder().to_path_buf(), report: written.html, was_interrupted })
}

/// The record of a run that has no round yet and no folder.
fn first_record(plan: &Plan, setting: &Setting<'_>, prepared: &[Prepared]) -> Run {
    Run {
        format: FORMAT,
        id: String::new(),
        suite: plan.suite.name.clone(),
        question: plan.suite.question.clone(),
        started_at: Timestamp::now(),
        finished_at: None,
        command: setting.command.clone(),
        seed: plan.seed,
        rounds_planned: plan.schedule.rounds.get(),
        budget_seconds: (plan.total_time() + plan.schedule.patience.0).as_secs_f64(),
        environment: setting.environment.clone(),
        parts: vec![Part {
            suite: plan.suite.name.clone(),
            question: plan.suite.question.clone(),
            varies: Varies::Workers,
            baseline: None,
        }],
        missing: Vec::new(),
        measurements: prepared.iter().map(|one| one.record.clone()).collect(),
    }
}

impl Bench<'_> {
    /// Goes through all rounds; false if the reader wanted no more.
    fn all_rounds(&mut self, run: &mut Run) -> Result<bool, RunError> {
        let rounds = self.plan.schedule.rounds.get();
        for round in 0..rounds {
            for (position, index) in self.plan.order(round).into_iter().enumerate() {
                let is_taken = run.measurements[index].rounds.iter().any(|taken| taken.index == round);
                if !is_taken && !self.take(run, round, position, index)? {
                    return Ok(false);
                }
            }
            reports::write_all(run, self.store.folder())?;
        }
        self.again_for_the_noisy(run)
    }

    /// Takes more turns for measurements that were too noisy to be ranked, while the suite's patience lasts; false if the
    /// reader wanted no more.
    ///
    /// Quiet and noisy minutes alternate. A turn is repeated for its noise and never for its result, so that nothing is
    /// picked; the noisy ones stay in the record, where reports set them aside and count them.
    fn again_for_the_noisy(&mut self, run: &mut Run) -> Result<bool, RunError> {
        let begin = Instant::now();
        let patience = self.plan.schedule.patience.0;
        let time_for_one_more = || begin.elapsed() + self.plan.time_per_measurement() <= patience;
        for round in self.plan.schedule.rounds.get().. {
            let noisy = too_noisy(run);
            if noisy.is_empty() || !time_for_one_more() {
                break;
            }
            let order = self.plan.order(round).into_iter().filter(|index| noisy.contains(index));
            for (position, index) in order.enumerate() {
                if !time_for_one_more() {
                    break;
                }
                self.progress.grows();
                if !self.take(run, round, position, index)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Takes one turn and stores it; false if it was interrupted. Such a turn was not measured like the others, so it
    /// is none.
    fn take(&mut self, run: &mut Run, round: u32, position: usize, index: usize) -> Result<bool, RunError> {
        self.progress.begins(round, self.plan.schedule.rounds.get(), &run.measurements[index].name());
        let started_at = Timestamp::now();
        let taken = self.turn(index)?;
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.progress.ended(&in_a_line(&taken));
        run.measurements[index].rounds.push(Round {
            index: round,
            position: u32::try_from(position).unwrap_or(u32::MAX),
            started_at,
            check: taken.check,
            outcome: taken.outcome,
            offered_rate: None,
            server: taken.sample,
            others: taken.others,
            failure: taken.failure,
        });
        self.store.save(run)?;
        Ok(true)
    }

    fn turn(&mut self, index: usize) -> Result<Taken, RunError> {
        let measurement = &self.plan.measurements[index];
        let program = match self.programs.of(&measurement.server) {
            Ok(program) => program,
            Err(error) => return Ok(Taken { failure: Some(Failure::NotStarted { error }), ..Taken::default() }),
        };
        let prepared = &self.prepared[index];
        let scratch = self.scratch();
        let turn = Turn {
            measurement,
            program,
            workload: &prepared.record.workload,
            expected: &prepared.expected,
            root: self.setting.root,
            division: self.setting.division,
            project: self.setting.project,
            scratch: &scratch,
            interrupted: self.interrupted,
        };
        let port = self.ports.next_free()?;
        let progress = &self.progress;
        turn.take(port, &mut |moving| progress.moves(moving.share, moving.rate))
            .map_err(|source| RunError::Scratch { folder: scratch.clone(), source })
    }

    fn scratch(&self) -> PathBuf {
        self.store.folder().join("scratch")
    }
}

/// The measurements, by their place in the run, that noise alone keeps from being ranked.
fn too_noisy(run: &Run) -> Vec<usize> {
    let standing = |measurement| Validity::of(measurement, &Figures::of(measurement)).standing();
    let measurements = run.measurements.iter().enumerate();
    measurements.filter(|(_, one)| standing(one) == Standing::TooNoisy).map(|(index, _)| index).collect()
}

/// What came of a turn, for the reader who waits.
fn in_a_line(taken: &Taken) -> String {
    let problems = taken.check.as_ref().map(|check| check.problems.join("; ")).filter(|text| !text.is_empty());
    match (&taken.failure, problems, &taken.outcome) {
        (Some(failure), _, _) => failure.to_string(),
        (None, Some(problems), _) => format!("not valid: {problems}"),
        (None, None, Some(outcome)) => format!("{} req/s", words::figure(outcome.responses_per_second())),
        (None, None, None) => "nothing was measured".to_owned(),
    }
}

/// The plan in words, with its total time.
#[must_use]
pub fn describe(plan: &Plan, division: &Division, root: &Path) -> String {
    let workload = &plan.suite.workload;
    let schedule = &plan.schedule;
    let connections = words::plural(u64::from(workload.connections.get()), "connection");
    let threads = words::plural(u64::from(workload.threads.get()), "client thread");
    let kept = if workload.keep_alive { "kept alive" } else { "a new one for each request" };
    let cpus = if division.shared() {
        format!(
            "server on CPU {}, client on CPU {}: shared, each takes time from the other",
            division.server, division.client
        )
    } else {
        format!("server on CPU {}, client on CPU {}", division.server, division.client)
    };
    let mut text = format!(
        "{}: {}\n{connections}, {kept}, {threads}, GET {} from {}\n{cpus}\n",
        plan.suite.name,
        plan.suite.question,
        workload.path,
        root.display(),
    );
    for (name, program) in &plan.missing {
        text.push_str(&format!("{name} is passed over: {program} is not installed\n"));
    }
    // One line for each server, with all its configurations.
    let mut servers: Vec<&str> = Vec::new();
    let mut configurations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for measurement in &plan.measurements {
        let name = measurement.server.name.as_str();
        if !servers.contains(&name) {
            servers.push(name);
        }
        configurations.entry(name).or_default().push(measurement.configuration());
    }
    for name in servers {
        text.push_str(&format!("  {name}: {}\n", configurations[name].join(" | ")));
    }
    let measurements = words::plural(plan.measurements.len() as u64, "measurement");
    let rounds = words::plural(u64::from(schedule.rounds.get()), "round");
    text.push_str(&format!(
        "{measurements}, {rounds} of {} each after {} of warm-up, in random order (seed {}): about {} in all\n",
        schedule.duration,
        schedule.warm_up,
        plan.seed,
        in_words(plan.total_time()),
    ));
    if !schedule.patience.0.is_zero() {
        let patience = in_words(schedule.patience.0);
        text.push_str(&format!("and up to {patience} more for what turns out to be too noisy to rank\n"));
    }
    text
}

/// The order of the measurements in each round, counted from 1.
#[must_use]
pub fn describe_orders(plan: &Plan) -> String {
    let mut text = String::new();
    for round in 0..plan.schedule.rounds.get() {
        text.push_str(&format!("round {}:\n", round + 1));
        for (position, index) in plan.order(round).into_iter().enumerate() {
            let measurement = &plan.measurements[index];
            text.push_str(&format!(
                "  {:>3}  {}: {}\n",
                position + 1,
                measurement.server.name,
                measurement.configuration()
            ));
        }
    }
    text
}
