//! What each command does, from the words on the command line to the exit code: 0 when all was measured, 1 when a server
//! failed or answered wrongly, 2 when the command or a file of settings cannot be understood, 130 after an interruption.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::console;
use reports::comparison::Verdict;
use reports::comparison::decision::PAIRS_NEEDED;
use reports::comparison::runs::{Refused, between};
use reports::validity::Standing;
use reports::{Run, Store, ranking};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::{Action, CommandLine, CompareRunsOptions, ListOptions, ReportOptions, StoredRun};
use crate::commits::BuildError;
use crate::compare::{self, RoundsError};
use crate::cpus::{self, Cpus, CpusError, Division};
use crate::description::{describe, describe_orders};
use crate::duration::Span;
use crate::environment;
use crate::experiment::{Experiment, ExperimentError};
use crate::plan::{Changes, Plan, PlanError};
use crate::programs::Programs;
use crate::project::Project;
use crate::request::Request;
use crate::roots::{RootError, Roots};
use crate::run::{self, Finished, RunError, Setting};
use crate::servers::{RUNNING, Server, Servers};
use crate::suite::{self, Suite, UnknownSuite};
use crate::toml_file::TomlFileError;

/// The experiment that `bench all` runs.
const WHOLE_EXPERIMENT: &str = "all";

/// The exit code after an interruption, as a shell has it for a command that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command ended without doing its work: one sentence for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Neither a command nor a suite.
    #[error("say what to do: `bench all`, `bench <suite>`, `bench report` or `bench list`; `bench --help` tells more")]
    NothingToDo,
    /// A suite is named twice.
    #[error("the suite is named twice, as \"{0}\" and by --suite; leave one out")]
    TwoSuites(String),
    /// There is no such suite.
    #[error(transparent)]
    UnknownSuite(#[from] UnknownSuite),
    /// An experiment was not understood.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// A file of settings was not understood.
    #[error(transparent)]
    TomlFile(#[from] TomlFileError),
    /// Suite, servers and options do not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The CPUs cannot be divided as asked.
    #[error(transparent)]
    Cpus(#[from] CpusError),
    /// A document root cannot be used.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A run to be resumed that has all its rounds.
    #[error("the run {0} is finished; there is nothing to resume")]
    AlreadyFinished(String),
    /// A run whose stored command is not one of the bench.
    #[error("the run {run} cannot be resumed: its command \"{command}\" is not understood")]
    StrangeCommand {
        /// The run.
        run: String,
        /// Its command.
        command: String,
    },
    /// A comparison could not go on.
    #[error(transparent)]
    Rounds(#[from] RoundsError),
    /// Two runs that are not compared.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A commit that is to be compared with itself.
    #[error(
        "{base} and {head} are the same commit, {commit}: name two different ones, for example HEAD~1 and HEAD; what is not committed takes no part"
    )]
    SameCommit {
        /// The base, as it was asked for.
        base: String,
        /// The head, as it was asked for.
        head: String,
        /// The commit.
        commit: String,
    },
    /// Everything was left out of a comparison.
    #[error(
        "nothing was compared, which says nothing of any server: see above why each was left out, and name others with --only"
    )]
    ComparedNothing,
    /// A run that is to be compared with itself.
    #[error("{} and {} are the same run, {id}: name two different ones", base.display(), head.display())]
    SameRun {
        /// The base, as it was asked for.
        base: PathBuf,
        /// The head, as it was asked for.
        head: PathBuf,
        /// The run.
        id: String,
    },
    /// A program that is to be compared with itself could not be built.
    #[error("{0}")]
    NotBuilt(String),
    /// A calibration of something else lies in the place.
    #[error("{} is of another time: {what} changed since; name another folder with --out, or remove it", file.display())]
    OtherCalibration {
        /// The file.
        file: PathBuf,
        /// What changed.
        what: &'static str,
    },
    /// A file that is no calibration.
    #[error("{} is not what a calibration has written ({source}); remove it", file.display())]
    BrokenCalibration {
        /// The file.
        file: PathBuf,
        /// Where and why it broke.
        source: serde_json::Error,
    },
    /// A comparison for which there is no time.
    #[error(
        "{budget} is too short: {PAIRS_NEEDED} pairs of turns for each of {contests} comparisons take {needed} s; give --budget {needed}s or name fewer servers by --only"
    )]
    TooShort {
        /// The time that was given.
        budget: Span,
        /// How many comparisons.
        contests: usize,
        /// The time that is needed, in seconds.
        needed: u64,
    },
    /// A file of servers that belongs to no repository whose commits could be compared.
    #[error(
        "{} lies in no git repository: put it into the one that has the commits, or name that one with --repo", file.display()
    )]
    NoRepositoryOfServers {
        /// The file.
        file: PathBuf,
    },
    /// A commit could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The run could not go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A stored run could not be read or its report not be written.
    #[error(transparent)]
    Store(#[from] reports::store::StoreError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] reports::Error),
    /// A history could not be read, added to or drawn.
    #[error(transparent)]
    History(#[from] crate::history::HistoryCommandError),
    /// The system refused something basic.
    #[error("cannot {what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl CommandError {
    /// 2 for what the person who typed the command can put right, 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Run(RunError::Cpus(_) | RunError::Changed { .. }) | Self::Report(reports::Error::NoServer { .. }) => {
                2
            }
            Self::Run(_) | Self::Rounds(_) | Self::NotBuilt(_) | Self::Report(_) | Self::System { .. } => 1,
            Self::History(error) => error.exit_code(),
            Self::Build(BuildError::NotBuilt { .. } | BuildError::File { .. }) => 1,
            _ => 2,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`CommandError`]; its exit code belongs to it.
pub fn run(command_line: CommandLine) -> Result<ExitCode, CommandError> {
    let project = Project::find().map_err(|source| CommandError::System { what: "find the current folder", source })?;
    match command_line.action {
        Some(Action::All(options)) => run_suite(&project, &Request { named: None, options }, None),
        Some(Action::Suite(words)) => {
            // A slip is told by clap itself, with exit code 2 like everywhere else.
            let request = Request::of_suite(words).unwrap_or_else(|error| error.exit());
            run_suite(&project, &request, None)
        }
        Some(Action::Resume(stored)) => resume(&project, &stored),
        Some(Action::Report(options)) => write_report(&project, &options),
        Some(Action::Counters(options)) => crate::counting::run(&project, &options),
        Some(Action::Calibrate(options)) => crate::calibrate::run(&project, &options),
        Some(Action::CompareRuns(options)) => compare_runs(&project, &options),
        Some(Action::Compare(options)) => compare::run(&project, &options),
        Some(Action::History(options)) => crate::history::run(&project, &options),
        Some(Action::List(options)) => list(&project, &options),
        None if command_line.options.suite.is_some() => {
            run_suite(&project, &Request { named: None, options: command_line.options }, None)
        }
        None => Err(CommandError::NothingToDo),
    }
}

/// Runs a suite from its beginning, or on from where it was interrupted.
fn run_suite(project: &Project, request: &Request, begun: Option<(Store, Run)>) -> Result<ExitCode, CommandError> {
    let options = &request.options;
    let runs = options.out.clone().unwrap_or_else(|| project.runs());
    let begun = begun.or_else(|| options.resume.then(|| newest_unfinished(&runs, request)).flatten());
    let experiment = experiment(project, request)?;
    let mut servers = read_servers(project, options.servers.as_deref(), None)?;
    let mut only = options.only.clone();
    if let Some(address) = &options.url {
        servers.add_running(address.clone());
        only.get_or_insert_default().insert(0, RUNNING.to_owned());
    }
    let changes =
        Changes { only, rounds: options.rounds, duration: options.duration, connections: options.connections };
    let seed = begun.as_ref().map(|(_, run)| run.seed).or(options.seed);
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let plan = Plan::new(&experiment, &servers, &changes, seed)?;
    let available =
        Cpus::available().map_err(|source| CommandError::System { what: "see which CPUs there are", source })?;
    let division = match &options.cpus {
        Some(text) => Division::parse(text, &available)?,
        None => Division::halves(&available, cpus::core_of),
    };
    for sentence in servers.taken_names(&plan.names()) {
        console::say(format_args!("{sentence}\n"));
    }
    console::say(describe(&plan, &division));
    if options.dry_run {
        console::say(describe_orders(&plan));
        return Ok(ExitCode::SUCCESS);
    }

    let roots = Roots::find(&plan, project.folder(), options.root.as_deref(), &runs)?;

    let interrupted = Arc::new(AtomicBool::new(false));
    catch_signals(&interrupted)?;
    allow_many_descriptors();
    let setting = Setting {
        roots: &roots,
        runs: &runs,
        available: &available,
        environment: environment::look(project.folder(), &available, &division),
        division: &division,
        command: request.to_command(seed),
    };
    if let Some((_, begun)) = &begun {
        run::can_go_on(&plan, &setting, begun)?;
    }
    let programs = Programs::build(plan.measurements.iter().map(|one| &one.server), &interrupted);
    if interrupted.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let finished = run::run(&plan, &setting, &programs, begun, &interrupted)?;
    Ok(conclude(&finished))
}

/// The newest run of the same command that was not finished.
fn newest_unfinished(runs: &Path, request: &Request) -> Option<(Store, Run)> {
    let mut folders: Vec<PathBuf> = fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path()).collect();
    // Their names begin with the time.
    folders.sort();
    let mut stored = folders.iter().rev().filter_map(|folder| {
        let store = Store::open(&fs::canonicalize(folder).ok()?).ok()?;
        // One of another version, or broken by the very interruption, is none to go on with.
        let run = store.load().ok()?;
        Some((store, run))
    });
    let is_asked = |run: &Run| {
        request.to_command(run.seed) == run.command && request.options.seed.is_none_or(|seed| seed == run.seed)
    };
    stored.find(|(_, run)| is_asked(run)).filter(|(_, run)| !run.is_finished())
}

fn resume(project: &Project, stored: &StoredRun) -> Result<ExitCode, CommandError> {
    let store = open(project, stored)?;
    let run = store.load()?;
    if run.is_finished() {
        return Err(CommandError::AlreadyFinished(run.id));
    }
    let request = Request::of_command(&run.command)
        .ok_or_else(|| CommandError::StrangeCommand { run: run.id.clone(), command: run.command.join(" ") })?;
    // The record may come from another user, and it names files with commands.
    console::say(format_args!("{} was begun with: bench {}\n", run.id, run.command.join(" ")));
    run_suite(project, &request, Some((store, run)))
}

/// Prints the end of a run, and what its exit code is.
fn conclude(finished: &Finished) -> ExitCode {
    console::say(format_args!("\n{}\n", reports::text::render(&finished.run)));
    let done = finished.run.rounds_done();
    if finished.was_interrupted {
        console::say(format_args!(
            "Interrupted in round {} of {}: what was measured until then is kept, and `bench resume {}` goes on with it.\n",
            done + 1,
            finished.run.rounds_planned,
            finished.run.id,
        ));
    }
    console::say(format_args!("{}\n", finished.report.display()));
    if finished.was_interrupted {
        return ExitCode::from(INTERRUPTED);
    }
    let failed = ranking::tables(&finished.run)
        .iter()
        .flat_map(|table| &table.rows)
        .filter(|row| matches!(row.standing(), Standing::Invalid | Standing::Pending))
        // What an open loop finds out about the place where a server breaks is an answer and no failure.
        .any(|row| !(row.measurement.workload.arrival.is_open() && row.validity.is_beyond_capacity()));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is asked for: an experiment or a suite by its name, or a suite by its file.
fn experiment(project: &Project, request: &Request) -> Result<Experiment, CommandError> {
    let quick = request.options.quick;
    let file = match (request.named.as_deref(), &request.options.suite) {
        (Some(name), Some(_)) => return Err(CommandError::TwoSuites(name.to_owned())),
        (None, Some(file)) => file.clone(),
        (Some(name), None) if name.ends_with(".toml") => PathBuf::from(name),
        (name, None) => {
            let name = name.unwrap_or(WHOLE_EXPERIMENT);
            if let Ok(experiment) = suite::find(name, &project.experiments()) {
                return Ok(Experiment::read(&experiment, &project.suites(), quick)?);
            }
            suite::find(name, &project.suites())?
        }
    };
    Ok(Experiment::of_suite(Suite::read(&file)?, quick))
}

/// The built-in list of servers, with those of `file` added to it. Commands of the file are run in `folder`, else in the root of
/// the repository in which it lies, else in its own folder.
pub(crate) fn read_servers(
    project: &Project,
    file: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Servers, CommandError> {
    let shipped = project.servers();
    let is_shipped = |file: &&Path| fs::canonicalize(file).ok() == fs::canonicalize(&shipped).ok();
    let Some(file) = file.filter(|file| !file.exists() || !is_shipped(file)) else {
        return Ok(Servers::read(&shipped, project.folder())?);
    };
    let own = match folder.map(Path::to_path_buf).or_else(|| project.repository_of(file)) {
        Some(folder) => Servers::read(file, &folder)?,
        None => {
            let file_on_disk = fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
            Servers::read(file, file_on_disk.parent().unwrap_or(project.folder()))?
        }
    };
    // A program that was carried away from its project has no list.
    if !shipped.exists() {
        return Ok(own);
    }
    Ok(own.added_to(Servers::read(&shipped, project.folder())?))
}

/// Lets the signals by which people end a command be noticed.
pub(crate) fn catch_signals(interrupted: &Arc<AtomicBool>) -> Result<(), CommandError> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(interrupted))
            .map_err(|source| CommandError::System { what: "catch signals", source })?;
    }
    Ok(())
}

/// A hundred connections or more, and as many in a server: the limit that is allowed, for the bench and its servers.
pub(crate) fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Raising to what is allowed is not refused; if it were, the run goes on under the former limit, which is recorded.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn write_report(project: &Project, options: &ReportOptions) -> Result<ExitCode, CommandError> {
    let store = open(project, &options.stored)?;
    let run = store.load()?;
    let written = reports::write_relative_to(&run, store.folder(), options.relative_to.as_deref())?;
    console::say(format_args!("{}\n{}\n", reports::text::render(&run), written.html.display()));
    Ok(ExitCode::SUCCESS)
}

fn compare_runs(project: &Project, options: &CompareRunsOptions) -> Result<ExitCode, CommandError> {
    let load = |run: &PathBuf| -> Result<Run, CommandError> {
        Ok(open(project, &StoredRun { run: run.clone(), out: options.out.clone() })?.load()?)
    };
    let (base, head) = (load(&options.base)?, load(&options.head)?);
    // A copy of a run has its start, too, and two runs of one suite do not begin in the same millisecond.
    if (&base.id, base.started_at) == (&head.id, head.started_at) {
        return Err(CommandError::SameRun { base: options.base.clone(), head: options.head.clone(), id: head.id });
    }
    let compared = between(&base, &head, options.anyway)?;
    console::say(compared.text());
    let has = |verdict| compared.rows.iter().any(|row| row.verdict == verdict);
    Ok(if has(Verdict::Slower) {
        ExitCode::FAILURE
    } else if options.strict && !has(Verdict::Faster) {
        ExitCode::from(compare::UNDECIDED)
    } else {
        ExitCode::SUCCESS
    })
}

/// A run by its path, or by its name among the runs.
pub(crate) fn open(project: &Project, stored: &StoredRun) -> Result<Store, CommandError> {
    let runs = stored.out.clone().unwrap_or_else(|| project.runs());
    let path = if stored.run.exists() { stored.run.clone() } else { runs.join(&stored.run) };
    Ok(Store::open(&path)?)
}

fn list(project: &Project, options: &ListOptions) -> Result<ExitCode, CommandError> {
    console::say(format_args!("Experiments in {}:\n", project.experiments().display()));
    for file in suite::all(&project.experiments()) {
        let experiment = Experiment::read(&file, &project.suites(), false)?;
        let parts: Vec<&str> = experiment.parts.iter().map(|part| part.suite.name.as_str()).collect();
        console::say(format_args!("  {:<22} {} ({})\n", experiment.name, experiment.question, parts.join(", ")));
    }
    console::say(format_args!("Suites in {}:\n", project.suites().display()));
    for file in suite::all(&project.suites()) {
        let suite = Suite::read(&file)?;
        console::say(format_args!("  {:<22} {}\n", suite.name, suite.question));
    }
    let servers = read_servers(project, options.servers.as_deref(), None)?;
    let say = |server: &Server| {
        let missing = server.is_missing().map(|program| format!(" ({program} is not installed)")).unwrap_or_default();
        console::say(format_args!("  {:<22} {}{missing}\n", server.name, server.model));
    };
    if let Some(file) = options.servers.as_ref().filter(|_| servers.added().next().is_some()) {
        console::say(format_args!("Servers in {}:\n", file.display()));
        servers.added().for_each(say);
    }
    console::say(format_args!("Servers in {}:\n", project.servers().display()));
    servers.built_in().for_each(say);
    Ok(ExitCode::SUCCESS)
}
