//! A whole run: every measurement in every round, stored after each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loadgen::console;
use reports::failure::Failure;
use reports::figures::Figures;
use reports::record::{FORMAT, Measurement, MissingServer, Run};
use reports::store::StoreError;
use reports::validity::Standing;
use reports::{Environment, Store, Timestamp, Validity, repeats, words};

use crate::ceiling;
use crate::cpus::{Cpus, CpusError, Division};
use crate::measurement::Measurement as Planned;
use crate::noise;
use crate::plan::{Plan, Question};
use crate::ports::{NoFreePort, Ports};
use crate::process;
use crate::programs::Programs;
use crate::progress::Progress;
use crate::recording::{self, Prepared};
use crate::roots::Roots;
use crate::running::{self, Address};
use crate::seed;
use crate::staleness;
use crate::suite::{Root, ServerCpus};
use crate::system_calls;
use crate::turn::{Taken, Turn};

/// The folder of the copies of document roots, in that of the run.
const ROOTS: &str = "roots";
/// Time that is kept for writing the report at the end.
const AT_THE_END: Duration = Duration::from_secs(3);

/// Where a run takes place and where it is stored.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The document roots.
    pub roots: &'a Roots,
    /// The folder of all runs.
    pub runs: &'a Path,
    /// The CPUs that this process may use.
    pub available: &'a Cpus,
    /// The CPUs of server and client, where the suite does not want the server to have all.
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
    programs: &'a Programs,
    prepared: Vec<Prepared>,
    /// The document of each measurement that may be changed, in a copy of its root.
    documents: Vec<Option<PathBuf>>,
    store: Store,
    ports: Ports,
    progress: Progress,
    /// When it began.
    begin: Instant,
    interrupted: &'a AtomicBool,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// It does.
    On,
    /// The reader wants no more.
    Interrupted,
    /// Its time is spent.
    OutOfTime,
}

/// Whether a run that was begun can go on as this plan has it. To be asked before anything that its record leads to is built
/// or started: the record may be somebody else's.
///
/// # Errors
/// [`RunError::Changed`].
pub fn can_go_on(plan: &Plan, setting: &Setting<'_>, begun: &Run) -> Result<(), RunError> {
    let prepared = prepare(plan, setting, |_| None);
    match recording::difference(begun, &first_record(plan, setting, &prepared)) {
        Some(what) => Err(RunError::Changed { run: begun.id.clone(), what }),
        None => Ok(()),
    }
}

/// All measurements of a plan with what their turns need; `program` says what was built for a server.
fn prepare<'p>(plan: &Plan, setting: &Setting<'_>, program: impl Fn(&Planned) -> Option<&'p Path>) -> Vec<Prepared> {
    let all_cpus = Division { server: setting.available.clone(), client: setting.division.client.clone() };
    let prepared = |one: &Planned| {
        let division = match (&one.server.running, one.workload.server_cpus) {
            (Some(address), _) => where_it_runs(address, &all_cpus),
            (None, ServerCpus::Apart) => setting.division.clone(),
            (None, ServerCpus::All) => all_cpus.clone(),
        };
        recording::prepare(one, program(one), setting.roots.of(&one.workload.root), &division)
    };
    plan.measurements.iter().map(prepared).collect()
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
    if let Some((store, _)) = &begun {
        process::end_leftovers(store.folder());
    }
    let mut prepared = prepare(plan, setting, |one| programs.of(&one.server).ok().flatten());
    let fresh = first_record(plan, setting, &prepared);
    // The port begins with the process, not with the seed: two runs with the same seed may go on at the same time.
    let mut ports = Ports::new(u64::from(std::process::id()).wrapping_mul(37));
    let (store, mut run) = match begun {
        Some((store, run)) => match recording::difference(&run, &fresh) {
            Some(what) => return Err(RunError::Changed { run: run.id, what }),
            None => (store, run),
        },
        None => {
            let store = Store::create(setting.runs, &plan.name, fresh.started_at)?;
            let noise_before = noise::before(setting.runs, &setting.environment);
            let mut run = Run { id: store.id(), noise_before, ..fresh };
            console::tell("measuring what the load generator reaches against a server that does nothing\n");
            let port = ports.next_free()?;
            // With the connections of the first question, which is what most of the figures are seen with.
            let first = plan.measurements.first();
            run.environment.generator_ceiling =
                first.and_then(|first| ceiling::measure(ceiling::Load::of(first), port, setting.division, interrupted));
            (store, run)
        }
    };
    let documents = copy_roots(plan, &mut prepared, &store.folder().join(ROOTS));
    let all = plan.rounds.get().saturating_mul(u32::try_from(prepared.len()).unwrap_or(u32::MAX));
    let taken = run.measurements.iter().map(|one| one.rounds.len()).sum::<usize>();
    let progress = Progress::new(all, u32::try_from(taken).unwrap_or(u32::MAX), plan.total_time());
    let begin = Instant::now();
    let mut bench = Bench { plan, programs, prepared, documents, ports, progress, begin, store, interrupted };
    let was_interrupted = bench.all_rounds(&mut run)? == Going::Interrupted;
    if !was_interrupted {
        run.finished_at = Some(Timestamp::now());
    }
    bench.progress.finish();
    bench.store.save(&run)?;
    let written = reports::write_all(&run, bench.store.folder())?;
    // The scratch folder has the last access log, which nobody will ask for.
    let _ = fs::remove_dir_all(bench.scratch());
    let _ = fs::remove_dir_all(bench.store.folder().join(ROOTS));
    Ok(Finished { run, folder: bench.store.folder().to_path_buf(), report: written.html, was_interrupted })
}

/// Lets each server serve a copy of its document root below `folder` where there can be one, and returns the documents in them
/// that may be changed to see whether the server notices.
fn copy_roots(plan: &Plan, prepared: &mut [Prepared], folder: &Path) -> Vec<Option<PathBuf>> {
    // An earlier part of the run may have been ended while a document in it was another one.
    let _ = fs::remove_dir_all(folder);
    if fs::create_dir(folder).is_err() {
        return vec![None; prepared.len()];
    }
    let mut copies: Vec<(PathBuf, Option<PathBuf>)> = Vec::new();
    let mut document_of = |measurement: &Planned, one: &mut Prepared| {
        let document = one.document.clone()?;
        let copy = match copies.iter().find(|(original, _)| *original == one.root) {
            Some((_, copy)) => copy.clone(),
            None => {
                let to = folder.join(copies.len().to_string());
                let copy = staleness::copy(&one.root, &to, measurement.workload.root == Root::Made);
                copies.push((one.root.clone(), copy.clone()));
                copy
            }
        }?;
        one.serve_copy(&copy);
        Some(copy.join(document)).filter(|document| staleness::is_suitable(document))
    };
    plan.measurements.iter().zip(prepared).map(|(measurement, one)| document_of(measurement, one)).collect()
}

/// The CPUs of a server that runs already: those that it may use, as far as anybody can tell.
fn where_it_runs(address: &Address, all: &Division) -> Division {
    let cpus = running::process_on(address.port).and_then(running::cpus_of);
    Division { server: cpus.unwrap_or_else(|| all.server.clone()), client: all.client.clone() }
}

/// The record of a run that has no round yet and no folder.
fn first_record(plan: &Plan, setting: &Setting<'_>, prepared: &[Prepared]) -> Run {
    Run {
        format: FORMAT,
        id: String::new(),
        suite: plan.name.clone(),
        question: plan.question.clone(),
        started_at: Timestamp::now(),
        finished_at: None,
        command: setting.command.clone(),
        seed: plan.seed,
        rounds_planned: plan.rounds.get(),
        budget_seconds: plan.budget.as_secs_f64(),
        environment: setting.environment.clone(),
        noise_before: None,
        parts: plan.questions.iter().map(Question::to_record).collect(),
        missing: plan
            .missing
            .iter()
            .map(|(name, program)| MissingServer { name: name.clone(), program: program.clone() })
            .collect(),
        measurements: prepared.iter().map(|one| one.record.clone()).collect(),
    }
}

impl Bench<'_> {
    /// Goes through all rounds.
    fn all_rounds(&mut self, run: &mut Run) -> Result<Going, RunError> {
        for round in 0..self.plan.rounds.get() {
            for (position, index) in self.plan.order(round).into_iter().enumerate() {
                let is_taken = run.measurements[index].rounds.iter().any(|taken| taken.index == round);
                if is_taken {
                    continue;
                }
                // Every measurement has one turn, whatever it takes; more only in time.
                if round > 0 && self.plan.is_limited && !self.has_time_for(index) {
                    return Ok(Going::OutOfTime);
                }
                if self.take(run, round, position, index)? == Going::Interrupted {
                    return Ok(Going::Interrupted);
                }
            }
            reports::write_all(run, self.store.folder())?;
        }
        match self.count_calls(run)? {
            Going::On => self.additional_rounds(run),
            going => Ok(going),
        }
    }

    /// Counts the system calls of the servers that answer as they should. Noise does not move them, so once is enough.
    fn count_calls(&mut self, run: &mut Run) -> Result<Going, RunError> {
        for index in self.plan.counted() {
            let measurement = &run.measurements[index];
            let validity = Validity::of(measurement, &Figures::of(measurement));
            // Where all that is wrong is that both sides waited, the calls may show for what.
            let is_invalid = validity.standing() == Standing::Invalid && !validity.only_waits();
            if measurement.system_calls.is_some() || is_invalid {
                continue;
            }
            let mut limit = system_calls::LIMIT;
            if self.plan.is_limited {
                limit = limit.min(self.plan.budget.saturating_sub(self.begin.elapsed() + AT_THE_END));
            }
            if limit < system_calls::USUAL_TIME {
                break;
            }
            let Ok(program) = self.programs.of(&self.plan.measurements[index].server) else { continue };
            self.progress.counts(&label(measurement, self.plan, index));
            let port = self.ports.next_free()?;
            let scratch = self.scratch();
            let counted = self
                .prepared_turn(index, program, &scratch)
                .count_calls(port, limit)
                .map_err(|source| RunError::Scratch { folder: scratch.clone(), source })?;
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(Going::Interrupted);
            }
            run.measurements[index].system_calls = Some(counted.into());
            self.store.save(run)?;
        }
        Ok(Going::On)
    }

    /// Takes additional rounds while the time lasts: of measurements with excluded rounds, those of which no round counts first, and
    /// then of the other rows of their tables, so that the repeated ones have pairs.
    ///
    /// Quiet and noisy minutes alternate. A trial is repeated for its noise and never for its result
    /// ([`reports::repeats`]), so that nothing is picked; the noisy ones stay in the record, where reports exclude and count them.
    fn additional_rounds(&mut self, run: &mut Run) -> Result<Going, RunError> {
        let begin = Instant::now();
        let has_time_for = |bench: &Self, index: usize| {
            let time = bench.plan.measurements[index].time();
            if bench.plan.is_limited {
                bench.has_time_for(index)
            } else {
                begin.elapsed() + time <= bench.plan.patience()
            }
        };
        for round in self.plan.rounds.get().. {
            let order = self.plan.order(round);
            let lacking = repeats::lacking(run, &order);
            let (mut position, mut is_out_of_time) = (0, false);
            for is_beside in [false, true] {
                let places = if is_beside { repeats::beside(run, &order, round, &lacking) } else { lacking.clone() };
                for index in
                    places.into_iter().filter(|index| !repeats::is_taken(run, *index, round)).collect::<Vec<_>>()
                {
                    if !has_time_for(self, index) {
                        is_out_of_time = true;
                        continue;
                    }
                    self.progress.grows();
                    if self.take(run, round, position, index)? == Going::Interrupted {
                        return Ok(Going::Interrupted);
                    }
                    position += 1;
                }
            }
            // A run that is resumed may have taken all of a round before.
            if lacking.is_empty() || (position == 0 && is_out_of_time) {
                break;
            }
        }
        Ok(Going::On)
    }

    /// Whether one more turn of this measurement would end before the run's time is spent.
    fn has_time_for(&self, index: usize) -> bool {
        self.begin.elapsed() + self.plan.measurements[index].time() + AT_THE_END <= self.plan.budget
    }

    /// Takes one turn and stores it. One that was interrupted was not measured like the others, so it is none.
    fn take(&mut self, run: &mut Run, round: u32, position: usize, index: usize) -> Result<Going, RunError> {
        let label = label(&run.measurements[index], self.plan, index);
        self.progress.begins(round, self.plan.rounds.get(), &label);
        let started_at = Timestamp::now();
        // Once for each configuration: how it keeps files does not change with the load or the round.
        let is_probed = run.measurements[index].freshness.is_none();
        let taken = self.turn(index, round, is_probed)?;
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(Going::Interrupted);
        }
        self.progress.ended(&in_a_line(&taken));
        if let Some(freshness) = taken.freshness {
            let configuration = run.measurements[index].configuration_hash.clone();
            let same = run.measurements.iter_mut().filter(|one| one.configuration_hash == configuration);
            same.for_each(|one| one.freshness = Some(freshness));
        }
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        run.measurements[index].rounds.push(taken.into_round(round, position, started_at));
        self.store.save(run)?;
        Ok(Going::On)
    }

    fn turn(&mut self, index: usize, round: u32, is_probed: bool) -> Result<Taken, RunError> {
        let measurement = &self.plan.measurements[index];
        let program = match self.programs.of(&measurement.server) {
            Ok(program) => program,
            Err(error) => return Ok(Taken { failure: Some(Failure::NotStarted { error }), ..Taken::default() }),
        };
        let scratch = self.scratch();
        let port = self.ports.next_free()?;
        let progress = &self.progress;
        let turn = self.prepared_turn(index, program, &scratch);
        let record = &self.prepared[index].record;
        let document = self.documents[index].as_deref().filter(|_| is_probed);
        let turn =
            Turn { seed: seed::of_load(self.plan.seed, round, &record.part, &record.workload_hash), document, ..turn };
        turn.take(port, &mut |moving| progress.moves(moving.share, moving.rate))
            .map_err(|source| RunError::Scratch { folder: scratch.clone(), source })
    }

    fn prepared_turn<'a>(&'a self, index: usize, program: Option<&'a Path>, scratch: &'a Path) -> Turn<'a> {
        let measurement = &self.plan.measurements[index];
        self.prepared[index].turn(measurement, program, &measurement.server.folder, scratch, self.interrupted)
    }

    fn scratch(&self) -> PathBuf {
        self.store.folder().join("scratch")
    }
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

/// A measurement for the reader who waits: with its suite and its load where there are several.
fn label(measurement: &Measurement, plan: &Plan, index: usize) -> String {
    let planned = &plan.measurements[index];
    let mut of_suite = plan.measurements.iter().filter(|one| one.part == planned.part);
    let has_one_load = of_suite.all(|one| one.workload == planned.workload);
    let load = if has_one_load { String::new() } else { format!(" ({})", planned.workload) };
    let suite = if plan.questions.len() > 1 { format!("{}: ", planned.part) } else { String::new() };
    format!("{suite}{}{load}", measurement.name())
}
