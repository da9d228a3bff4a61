//! The command that counts what noise cannot move: the last commit alone, or beside another one.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::console;
use reports::words;

use crate::cli::CountersOptions;
use crate::commands::{CommandError, INTERRUPTED, allow_many_descriptors, catch_signals, read_servers};
use crate::commits::{self, shortened};
use crate::counters::{self, Counters, Setting, Side};
use crate::cpus::{self, Cpus, Division};
use crate::experiment::Experiment;
use crate::measurement::Measurement;
use crate::plan::{Changes, Plan};
use crate::ports::Ports;
use crate::project::Project;
use crate::roots::Roots;
use crate::suite::{self, Suite};
use crate::valgrind;

/// The suite whose requests are counted.
const SUITE: &str = "wrk";
/// All models, where none is named.
const MODELS: [&str; 4] = ["thread-per-connection", "thread-pool", "epoll", "async"];

/// The name by which the protocol alone is chosen, without a server around it.
const PROTOCOL: &str = "protocol";
/// Its package, and the example that makes turns.
const TURNS: (&str, &str) = ("otus-protocol", "turns");

/// Counts, and prints what was counted.
///
/// # Errors
/// [`CommandError`], a sentence each.
pub fn run(project: &Project, options: &CountersOptions) -> Result<ExitCode, CommandError> {
    let head = commits::find(project.folder(), "HEAD")?;
    let base = options.base.as_deref().map(|base| commits::find(project.folder(), base)).transpose()?;
    if let Some(base) = base.as_ref().filter(|base| **base == head) {
        let name = options.base.clone().unwrap_or_default();
        let commit = shortened(base).to_owned();
        return Err(CommandError::SameCommit { base: name, head: "HEAD".to_owned(), commit });
    }
    if commits::is_dirty(project.folder()) {
        console::say(format_args!(
            "The working tree has changes that are not committed: they are not in {}.\n",
            shortened(&head)
        ));
    }
    let mut only = options
        .only
        .clone()
        .unwrap_or_else(|| [&MODELS[..], &[PROTOCOL]].concat().into_iter().map(str::to_owned).collect());
    let protocol = only.iter().any(|name| name == PROTOCOL);
    only.retain(|name| name != PROTOCOL);
    let is_protocol_alone = protocol && only.is_empty();
    if is_protocol_alone {
        // There has to be a plan, of which nothing is taken.
        only.extend(MODELS.map(str::to_owned));
    }
    let servers = read_servers(project, None, None)?;
    let experiment = Experiment::of_suite(Suite::read(&suite::find(SUITE, &project.suites())?)?, false);
    let plan = Plan::new(&experiment, &servers, &Changes { only: Some(only), ..Changes::default() }, 0)?;
    let mut measurements: Vec<&Measurement> = Vec::new();
    for one in plan
        .counted()
        .into_iter()
        .map(|place| &plan.measurements[place])
        .filter(|one| !one.access_log && !is_protocol_alone)
    {
        match one.server.package {
            Some(_) => measurements.push(one),
            None => console::say(format_args!(
                "{} is passed over: its program is not one of this repository.\n",
                one.server.name
            )),
        }
    }
    let packages: Vec<&str> = measurements.iter().filter_map(|one| one.server.package.as_deref()).collect();
    let kept = project.commits();
    let _lock = commits::lock(&kept)?;
    let mut sides = Vec::new();
    for commit in base.iter().chain([&head]) {
        let build = commits::build(project.folder(), &kept, commit, &packages)?;
        for package in &build.missing {
            console::say(format_args!("{} has no package {package}: it is passed over.\n", shortened(commit)));
        }
        sides.push((Side::of(&build), build.missing));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    catch_signals(&interrupted)?;
    allow_many_descriptors();
    let available =
        Cpus::available().map_err(|source| CommandError::System { what: "see which CPUs there are", source })?;
    let division = Division::halves(&available, cpus::core_of);
    let roots = Roots::find(&plan, project.folder(), None, &project.runs())?;
    let scratch = project.runs().join(format!("counters-{}", std::process::id()));
    let setting = Setting {
        project: project.folder(),
        roots: &roots,
        division: &division,
        scratch: &scratch,
        interrupted: &interrupted,
    };
    let mut ports = Ports::new(u64::from(std::process::id()).wrapping_mul(37));
    let both: Vec<&Side> = sides.iter().map(|(side, _)| side).collect();
    console::say(format_args!(
        "for each request on one kept connection, without the kernel: {}\n",
        both.iter().map(|side| side.name.as_str()).collect::<Vec<_>>().join(" and "),
    ));
    let mut is_complete = true;
    for measurement in measurements {
        let Some(package) = measurement.server.package.as_deref() else { continue };
        if sides.iter().any(|(_, missing)| missing.iter().any(|missing| missing == package)) {
            continue;
        }
        let name = &measurement.server.name;
        if let [first, second] = both[..]
            && counters::is_identical(package, first, second)
        {
            console::say(format_args!("{name}: identical programs, nothing to count\n"));
            continue;
        }
        let counted = counters::count(&setting, measurement, &both, &mut ports)
            .map_err(|source| CommandError::System { what: "write files for a server", source })?;
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        is_complete &= counted.iter().all(|counters: &Counters| counters.problems.is_empty());
        console::say(counters::describe(name, &both, &counted));
    }
    if protocol && !interrupted.load(Ordering::Relaxed) {
        is_complete &= count_protocol(project, &kept, &both, &scratch)?;
    }
    // It has the last configuration and log, which nobody will ask for.
    let _ = fs::remove_dir_all(&scratch);
    Ok(match (interrupted.load(Ordering::Relaxed), is_complete) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// Counts the protocol alone: turns without a socket. Returns whether that could be done.
fn count_protocol(project: &Project, kept: &Path, sides: &[&Side], scratch: &Path) -> Result<bool, CommandError> {
    fs::create_dir_all(scratch)
        .map_err(|source| CommandError::System { what: "make a folder for valgrind", source })?;
    let mut counted = Vec::new();
    for side in sides {
        let commit = commits::find(project.folder(), &side.name)?;
        let Some(program) = commits::build_example(project.folder(), kept, &commit, TURNS.0, TURNS.1)? else {
            console::say(format_args!(
                "{PROTOCOL}: {} has no example {} of {}, so it is not counted.\n",
                side.name, TURNS.1, TURNS.0
            ));
            return Ok(true);
        };
        match valgrind::instructions_per_round(&program, scratch) {
            Ok(instructions) => counted.push(instructions),
            Err(error) => {
                console::say(format_args!("{PROTOCOL}: instructions were not counted: {error}\n"));
                return Ok(false);
            }
        }
    }
    match counted[..] {
        [base, head] => console::say(format_args!(
            "{PROTOCOL}: {:+.0} instructions for each turn ({} to {}, {:+.1} %)\n",
            head - base,
            words::figure(base),
            words::figure(head),
            100.0 * (head / base - 1.0),
        )),
        _ => counted.iter().for_each(|one| {
            console::say(format_args!("{PROTOCOL}: {} instructions for each turn\n", words::figure(*one)));
        }),
    }
    Ok(true)
}
