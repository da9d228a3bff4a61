//! Two commits of each server under the same load, side by side: the command that says whether a change made anything slower.

mod causes;
mod rounds;
mod sides;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen::console;
use reports::comparison::record::FORMAT;
use reports::comparison::{Comparison, Verdict, decision, judge, judgement, markdown, text};
use reports::{Store, Timestamp};

pub use rounds::{Rounds, RoundsError, Setting};
pub use sides::{Built, GENERATOR, LeftOut, Sides, Wanted};

use crate::cli::CompareOptions;
use crate::commands::{CommandError, INTERRUPTED, allow_many_descriptors, catch_signals, read_servers};
use crate::commits::{self, shortened};
use crate::cpus::{self, Cpus, Division};
use crate::duration::Span;
use crate::environment;
use crate::experiment::Experiment;
use crate::measurement::Measurement;
use crate::noise;
use crate::plan::{Changes, Plan};
use crate::process;
use crate::project::Project;
use crate::roots::Roots;
use crate::suite::{Form, Suite};

/// The name by which the load generator is chosen.
pub use reports::comparison::record::GENERATOR as LOADGEN;
/// The server that it is measured against: it gives a fixed answer.
const NULL_SERVER: &str = "limit";
/// The report for a pull request, in the comparison's folder.
pub const REPORT: &str = "comparison.md";
/// How long turns may take in all.
const BUDGET: Duration = Duration::from_secs(600);
/// The same with `--quick`.
pub const QUICK_BUDGET: Duration = Duration::from_secs(60);
/// Something is undecided, and that is asked for.
pub const UNDECIDED: u8 = 3;

/// Compares, prints the verdicts, and says by the exit code whether anything got slower than is let pass.
///
/// # Errors
/// [`CommandError`], a sentence each.
pub fn run(project: &Project, options: &CompareOptions) -> Result<ExitCode, CommandError> {
    let repository = &repository(project, options)?;
    let base = commits::find(repository, &options.base)?;
    let head = commits::find(repository, &options.head)?;
    if base == head {
        let commit = shortened(&head).to_owned();
        return Err(CommandError::SameCommit { base: options.base.clone(), head: options.head.clone(), commit });
    }
    if options.head == "HEAD" && commits::is_dirty(repository) {
        console::say(format_args!(
            "The working tree has changes that are not committed: they are not in {}.\n",
            shortened(&head)
        ));
    }
    let asked = Asked::read(project, options, repository)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    catch_signals(&interrupted)?;
    allow_many_descriptors();
    let kept = kept(project, repository);
    let _lock = commits::lock(&kept)?;
    let scratch = kept.join("turn");
    process::end_leftovers(&scratch);
    let available =
        Cpus::available().map_err(|source| CommandError::System { what: "see which CPUs there are", source })?;
    let division = match &options.cpus {
        Some(text) => Division::parse(text, &available)?,
        None => Division::halves(&available, cpus::core_of),
    };
    let everything = asked.plan.measurements.iter().chain(&asked.null_server).cloned().collect();
    let everything = Plan { measurements: everything, ..asked.plan.clone() };
    let roots = Roots::find(&everything, project.folder(), options.root.as_deref(), &project.runs())?;
    let mut sides = Sides::build(Wanted {
        repository,
        kept: &kept,
        base: (&options.base, base.clone()),
        head: (&options.head, head.clone()),
        measurements: asked.plan.measurements.clone(),
        generator: asked.null_server.is_some(),
        equals_too: false,
    })?;
    if interrupted.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    // What was not there before is no gap in a check.
    let has_gaps = !asked.left_out.is_empty() || sides.left_out.iter().any(|left_out| !left_out.is_new);
    let mut left_out: Vec<String> = asked.left_out;
    left_out.extend(sides.left_out.iter().map(|left_out| left_out.reason.clone()));
    let comparisons = options.out.clone().unwrap_or_else(|| project.comparisons());
    let environment = environment::look(repository, &available, &division);
    let started_at = Timestamp::now();
    let store = Store::create(&comparisons, "compare", started_at)?;
    let budget = options.budget.map_or(if options.quick { QUICK_BUDGET } else { BUDGET }, |span| span.0);
    let mut comparison = Comparison {
        format: FORMAT,
        id: store.id(),
        started_at,
        finished_at: None,
        command: options.to_command(&base, &head, seed),
        seed,
        budget_seconds: budget.as_secs_f64(),
        max_slowdown: options.max_slowdown,
        noise_before: noise::of_comparisons(&comparisons, &environment),
        environment,
        base: sides.base.side.clone(),
        head: sides.head.side.clone(),
        contests: Vec::new(),
        identical: sides.identical.clone(),
        left_out,
    };
    division.client.bind_this_thread()?;
    let setting = Setting {
        project: repository,
        roots: &roots,
        division: &division,
        scratch: &scratch,
        folder: store.folder(),
        interrupted: &interrupted,
    };
    let mut rounds = Rounds::new(&setting, &mut sides, asked.null_server, seed);
    comparison.contests = rounds.contests();
    check_time(&rounds, &comparison, budget)?;
    let has_ended = rounds.take(&mut comparison, budget)?;
    if has_ended {
        comparison.finished_at = Some(Timestamp::now());
        causes::find(&mut comparison, &sides, &setting)?;
    }
    let _ = fs::remove_dir_all(&scratch);
    conclude(&comparison, store.folder(), options, has_gaps)
}

/// What is asked for: everything that might take part.
struct Asked {
    plan: Plan,
    null_server: Option<Measurement>,
    left_out: Vec<String>,
}

impl Asked {
    fn read(project: &Project, options: &CompareOptions, repository: &Path) -> Result<Self, CommandError> {
        let file = options.suite.clone().unwrap_or_else(|| project.comparison());
        let suite = Suite::read(&file)?;
        let servers = read_servers(project, options.servers.as_deref(), Some(repository))?;
        let form = if options.quick { Form::Quick } else { Form::Whole };
        let of_suite = suite.schedule(form).servers.clone().unwrap_or_else(|| suite.servers.clone());
        // Another project's servers are its own, all of them; built-in ones are none of its commits.
        let mut of_file: Vec<String> = servers.added().map(|server| server.name.clone()).collect();
        if of_file.is_empty() {
            of_file = servers.iter().map(|server| server.name.clone()).collect();
        }
        let mut only = match (&options.only, &options.servers) {
            (Some(only), _) => only.clone(),
            (None, Some(_)) => of_file,
            (None, None) => of_suite,
        };
        let is_generator = |name: &String| name == LOADGEN;
        let generator = match &options.only {
            Some(only) => only.iter().any(is_generator),
            None => options.servers.is_none() && options.repo.is_none() && !options.quick,
        };
        only.retain(|name| !is_generator(name));
        let experiment = Experiment::of_suite(suite, options.quick);
        let plan = |names: Vec<String>| {
            Plan::new(&experiment, &servers, &Changes { only: Some(names), ..Changes::default() }, 0)
        };
        // The load generator is loaded as servers are: in the plain way, by as many connections.
        let null_server =
            if generator { plan(vec![NULL_SERVER.to_owned()])?.measurements.into_iter().next() } else { None };
        let plan = if only.is_empty() && null_server.is_some() {
            Plan { measurements: Vec::new(), ..plan(vec![NULL_SERVER.to_owned()])? }
        } else {
            plan(only)?
        };
        for sentence in servers.taken_names(&plan.names()) {
            console::say(format_args!("{sentence}\n"));
        }
        let missing =
            plan.missing.iter().map(|(name, program)| format!("{name}: left out, because {program} is not installed."));
        let left_out = missing.chain(plan.left_out.iter().cloned()).collect();
        Ok(Self { plan, null_server, left_out })
    }
}

/// The repository whose commits are compared: the one that is named, that of the file of servers, or this project's.
fn repository(project: &Project, options: &CompareOptions) -> Result<PathBuf, CommandError> {
    match (&options.repo, &options.servers) {
        // What is not there is told by git's first command in it.
        (Some(folder), _) => Ok(project.repository_of(folder).unwrap_or_else(|| folder.clone())),
        (None, Some(file)) if file.exists() => {
            project.repository_of(file).ok_or_else(|| CommandError::NoRepositoryOfServers { file: file.clone() })
        }
        (None, _) => Ok(project.folder().to_path_buf()),
    }
}

/// Where commits of a repository are built and kept: with this project's own, apart from them for another.
fn kept(project: &Project, repository: &Path) -> PathBuf {
    let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let (own, other) = (canonical(project.folder()), canonical(repository));
    if own == other {
        return own.join(project.commits().strip_prefix(project.folder()).unwrap_or(&project.commits()));
    }
    let name: String =
        other.to_string_lossy().chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    own.join("target/commits-of").join(name.trim_matches('-'))
}

/// Less time than ten pairs of each take would be spent for nothing.
fn check_time(rounds: &Rounds<'_>, comparison: &Comparison, budget: Duration) -> Result<(), CommandError> {
    let needed = rounds.pass_time() * decision::PAIRS_NEEDED as u32;
    if needed <= budget || comparison.contests.is_empty() {
        return Ok(());
    }
    let contests = comparison.contests.len();
    Err(CommandError::TooShort { budget: Span(budget), contests, needed: needed.as_secs() + 1 })
}

/// Writes and prints the report, and says what the exit code is. `has_gaps` says that something was not compared that should
/// have been.
fn conclude(
    comparison: &Comparison,
    folder: &Path,
    options: &CompareOptions,
    has_gaps: bool,
) -> Result<ExitCode, CommandError> {
    comparison.save(folder)?;
    let report = folder.join(REPORT);
    fs::write(&report, markdown::render(comparison))
        .map_err(|source| CommandError::System { what: "write the report of the comparison", source })?;
    console::say(format_args!("{}\n{}\n", text::render(comparison), report.display()));
    if comparison.finished_at.is_none() {
        console::say("Interrupted: what was measured until then is kept.\n");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let judged = judge(comparison);
    let overall = judgement::overall(&judged);
    Ok(match overall {
        _ if comparison.has_compared_nothing() => return Err(CommandError::ComparedNothing),
        Verdict::Failed => ExitCode::FAILURE,
        _ if judged.iter().any(|one| one.is_too_slow(comparison.max_slowdown)) => ExitCode::FAILURE,
        _ if options.strict && (has_gaps || judged.iter().any(|one| one.verdict == Verdict::Undecided)) => {
            ExitCode::from(UNDECIDED)
        }
        _ => ExitCode::SUCCESS,
    })
}
