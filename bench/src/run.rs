//! A whole run: every measurement in every round, stored after each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reports::failure::Failure;
use reports::figures::Figures;
use reports::record::{FORMAT, Measurement, MissingServer, Round, Run};
use reports::store::StoreError;
use reports::validity::Standing;
use reports::{Environment, Store, Timestamp, Validity, repeats, words};

use crate::ceiling;
use crate::cpus::{Cpus, CpusError, Division};
use crate::noise;
use crate::plan::{Plan, Question};
use crate::ports::{NoFreePort, Ports};
use crate::process;
use crate::programs::Programs;
use crate::progress::Progress;
use crate::recording::{self, Prepared};
use crate::roots::Roots;
use crate::running::{self, Address};
use crate::suite::ServerCpus;
use crate::system_calls;
use crate::turn::{Taken, Turn};

/// Time that is kept for writing the report at the end.
const AT_THE_END: Duration = Duration::from_secs(3);

/// Where a run takes place and where it is stored.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The folder that commands are run in.
    pub project: &'a Path,
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
    setting: &'a Setting<'a>,
    programs: &'a Programs,
    prepared: Vec<Prepared>,
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
    let all_cpus = Division { server: setting.available.clone(), client: setting.division.client.clone() };
    let prepared: Vec<Prepared> = plan
        .measurements
        .iter()
        .map(|one| {
            let division = match (&one.server.running, one.workload.server_cpus) {
                (Some(address), _) => where_it_runs(address, &all_cpus),
                (None, ServerCpus::Apart) => setting.division.clone(),
                (None, ServerCpus::All) => all_cpus.clone(),
            };
            let program = programs.of(&one.server).ok().flatten();
            recording::prepare(one, program, setting.roots.of(&one.workload.root), &division)
        })
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
            let store = Store::create(setting.runs, &plan.name, fresh.started_at)?;
            let noise_before = noise::before(setting.runs, &setting.environment);
            let mut run = Run { id: store.id(), noise_before, ..fresh };
            eprintln!("measuring what the load generator reaches against a server that does nothing");
            let port = ports.next_free()?;
            // With the connections of the first question, which is what most of the figures are seen with.
            let workload = plan.measurements.first().map(|one| &one.workload);
            run.environment.generator_ceiling = workload.and_then(|workload| {
                let (connections, threads) = (workload.connections.get(), workload.threads.get());
                ceiling::measure(connections, threads, port, setting.division, interrupted)
            });
            (store, run)
        }
    };
    let all = plan.rounds.get().saturating_mul(u32::try_from(prepared.len()).unwrap_or(u32::MAX));
    let taken = run.measurements.iter().map(|one| one.rounds.len()).sum::<usize>();
    let progress = Progress::new(all, u32::try_from(taken).unwrap_or(u32::MAX), plan.total_time());
    let begin = Instant::now();
    let mut bench = Bench { plan, setting, programs, prepared, ports, progress, begin, store, interrupted };
    let was_interrupted = bench.all_rounds(&mut run)? == Going::Interrupted;
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
                .prepared_turn(index, program, None, &scratch)
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
        let capacity = self.plan.measurements[index].capacity_of.map(|of| capacity(&run.measurements[of], round));
        let taken = match capacity {
            Some(None) => Taken { failure: Some(Failure::NoCapacity), ..Taken::default() },
            capacity => self.turn(index, capacity.flatten())?,
        };
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(Going::Interrupted);
        }
        self.progress.ended(&in_a_line(&taken));
        run.measurements[index].rounds.push(Round {
            index: round,
            position: u32::try_from(position).unwrap_or(u32::MAX),
            started_at,
            check: taken.check,
            outcome: taken.outcome,
            offered_rate: taken.offered_rate,
            capacity: None,
            server: taken.sample,
            others: taken.others,
            opponent_cpu_seconds: None,
            opponent_generator: None,
            failure: taken.failure,
        });
        self.store.save(run)?;
        Ok(Going::On)
    }

    fn turn(&mut self, index: usize, capacity: Option<f64>) -> Result<Taken, RunError> {
        let measurement = &self.plan.measurements[index];
        let program = match self.programs.of(&measurement.server) {
            Ok(program) => program,
            Err(error) => return Ok(Taken { failure: Some(Failure::NotStarted { error }), ..Taken::default() }),
        };
        let scratch = self.scratch();
        let port = self.ports.next_free()?;
        let progress = &self.progress;
        let turn = self.prepared_turn(index, program, capacity, &scratch);
        turn.take(port, &mut |moving| progress.moves(moving.share, moving.rate))
            .map_err(|source| RunError::Scratch { folder: scratch.clone(), source })
    }

    fn prepared_turn<'a>(
        &'a self,
        index: usize,
        program: Option<&'a Path>,
        capacity: Option<f64>,
        scratch: &'a Path,
    ) -> Turn<'a> {
        let measurement = &self.plan.measurements[index];
        let turn = self.prepared[index].turn(measurement, program, self.setting.project, scratch, self.interrupted);
        Turn { capacity, ..turn }
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

/// What a server carried in a closed loop, in responses per second: in this round, or in the latest one before it if this
/// one was not quiet. A share of what it carried beside others at work would be a share of nothing that it can do.
fn capacity(closed: &Measurement, round: u32) -> Option<f64> {
    let figures = Figures::of(closed);
    let quiet = figures.rounds.iter().filter(|taken| taken.index <= round && taken.capacity().is_some());
    let rate = quiet.max_by_key(|taken| taken.index)?.requests_per_second;
    Some(rate).filter(|rate| *rate >= 1.0)
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
