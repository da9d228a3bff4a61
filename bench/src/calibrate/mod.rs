//! How often comparisons are wrong on this machine: epoll is compared with itself, with itself linked in another order, and with
//! itself made to burn CPU time or to wait for each response, one comparison of each kind after the other. Everything is kept
//! after each, so that the command goes on where it was interrupted.

mod lab;
mod page;
mod programs;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loadgen::console;
use reports::comparison::decision::FALSE_ALARMS;
use reports::comparison::resampling::{Calibration, Kind};
use reports::statistics::binomial;

use crate::cli::CalibrateOptions;
use crate::commands::{CommandError, INTERRUPTED, allow_many_descriptors, catch_signals, read_servers};
use crate::compare::Setting;
use crate::cpus::{self, Cpus, Division};
use crate::environment;
use crate::experiment::Experiment;
use crate::plan::{Changes, Plan};
use crate::project::Project;
use crate::roots::Roots;
use crate::suite::Suite;
use lab::{Lab, SlowDown};
use programs::Programs;

/// The server that is compared with itself.
const SERVER: &str = "epoll";
/// The file of everything that was recorded.
const FILE: &str = "calibration.json";
/// What it says, for readers.
const PAGE: &str = "calibration.md";

/// Makes the comparisons that are missing, and prints what all of them said.
///
/// # Errors
/// [`CommandError`], a sentence each.
pub fn run(project: &Project, options: &CalibrateOptions) -> Result<ExitCode, CommandError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    catch_signals(&interrupted)?;
    allow_many_descriptors();
    let available =
        Cpus::available().map_err(|source| CommandError::System { what: "see which CPUs there are", source })?;
    let division = match &options.cpus {
        Some(text) => Division::parse(text, &available)?,
        None => Division::halves(&available, cpus::core_of),
    };
    let environment = environment::look(project.folder(), &available, &division);
    let folder = options.out.clone().unwrap_or_else(|| project.folder().join("target/calibration"));
    let file = folder.join(FILE);
    let plan = plan(project)?;
    let Some(measurement) = plan.measurements.first() else {
        return Err(CommandError::NothingToDo);
    };
    let kinds = options.kinds.clone().unwrap_or_else(|| Kind::ALL.to_vec());
    let programs = Programs::build(project, measurement, &folder.join("programs"), kinds.contains(&Kind::Layout));
    let programs = programs.map_err(CommandError::NotBuilt)?;
    let roots = Roots::find(&plan, project.folder(), None, &project.runs())?;
    division.client.bind_this_thread()?;
    let scratch = folder.join("turn");
    fs::create_dir_all(&folder)
        .map_err(|source| CommandError::System { what: "make the calibration's folder", source })?;
    let setting = Setting {
        project: project.folder(),
        roots: &roots,
        division: &division,
        scratch: &scratch,
        folder: &folder,
        interrupted: &interrupted,
    };
    let lab =
        Lab { setting: &setting, measurements: &plan.measurements, programs: &programs, environment: &environment };
    let mut calibration = match read(&file)? {
        Some(begun) => lab.check(begun, &file)?,
        None => lab.begin(),
    };
    let wanted = options.comparisons.get() as usize;
    let mut slow_down: Option<SlowDown> = None;
    while let Some(kind) = next(&calibration, &kinds, wanted) {
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        let slow_down = match slow_down {
            _ if !kind.is_slowed() => SlowDown::default(),
            Some(known) => known,
            None => *slow_down.insert(lab.slow_down(&mut calibration)?),
        };
        let Some(trial) = lab.trial(kind, slow_down, &calibration)? else { break };
        console::tell(format_args!(
            "[{}/{wanted}] {}: {} ({:.0} s)\n",
            calibration.of(kind).count() + 1,
            kind.label(),
            trial.verdict,
            trial.seconds,
        ));
        calibration.trials.push(trial);
        write(&file, &calibration)?;
    }
    let _ = fs::remove_dir_all(&scratch);
    let page = page::describe(&calibration);
    fs::write(folder.join(PAGE), &page)
        .map_err(|source| CommandError::System { what: "write what was found out", source })?;
    console::say(format_args!("{page}\n{}\n", file.display()));
    Ok(if interrupted.load(Ordering::Relaxed) {
        ExitCode::from(INTERRUPTED)
    } else if keeps_its_word(&calibration) {
        ExitCode::SUCCESS
    } else {
        console::say("That is more false alarms than one in a hundred can explain.\n");
        ExitCode::FAILURE
    })
}

/// The kind of the next comparison: of those that are asked for the one with the fewest, so that noisy minutes meet all of them.
fn next(calibration: &Calibration, kinds: &[Kind], wanted: usize) -> Option<Kind> {
    let count = |kind: &Kind| calibration.of(*kind).count();
    kinds.iter().copied().filter(|kind| count(kind) < wanted).min_by_key(count)
}

/// Whether so many false alarms are not too unlikely, if one comparison in a hundred of equal programs raises one.
fn keeps_its_word(calibration: &Calibration) -> bool {
    let said = calibration.live(Kind::Equal);
    let fewer = said.alarms().checked_sub(1).map_or(0.0, |fewer| binomial::at_most(fewer, said.all(), FALSE_ALARMS));
    1.0 - fewer > 0.001
}

/// The quick profile of a comparison.
fn plan(project: &Project) -> Result<Plan, CommandError> {
    let experiment = Experiment::of_suite(Suite::read(&project.comparison())?, true);
    let changes = Changes { only: Some(vec![SERVER.to_owned()]), ..Changes::default() };
    Ok(Plan::new(&experiment, &read_servers(project, None, None)?, &changes, 0)?)
}

fn read(file: &Path) -> Result<Option<Calibration>, CommandError> {
    let Ok(text) = fs::read(file) else { return Ok(None) };
    let parsed = serde_json::from_slice(&text);
    parsed.map(Some).map_err(|source| CommandError::BrokenCalibration { file: file.to_path_buf(), source })
}

fn write(file: &Path, calibration: &Calibration) -> Result<(), CommandError> {
    let failed = |source| CommandError::System { what: "write what was recorded", source };
    let text = serde_json::to_vec(calibration).map_err(|error| failed(error.into()))?;
    let beside = file.with_extension("part");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, file)).map_err(failed)
}
