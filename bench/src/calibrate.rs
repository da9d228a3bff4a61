//! Comparisons whose right answer is known: how often `bench compare` cries wolf here, and how often it misses what it should
//! find.
//!
//! A server is compared with itself, and with itself made to burn more CPU time for each answer, one comparison of each kind
//! in turn. Everything is kept after each, so that the command goes on where it was interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reports::comparison::decision::FALSE_ALARMS;
use reports::comparison::resampling::{self, Calibration, Noise, Said, Treatment, Trial};
use reports::comparison::{Comparison, Contest, Figure, Side, judge, judgement, words};
use reports::figures::Figures;
use reports::statistics::median;
use reports::{Environment, Timestamp, words as figures};
use sha2::{Digest as _, Sha256};

use crate::cli::CalibrateOptions;
use crate::commands::{CommandError, INTERRUPTED, allow_many_descriptors, catch_signals, read_servers};
use crate::compare::{Built, QUICK_BUDGET, Rounds, Setting, Sides};
use crate::cpus::{self, Cpus, Division};
use crate::environment;
use crate::experiment::Experiment;
use crate::measurement::Measurement;
use crate::plan::{Changes, Plan};
use crate::programs;
use crate::project::Project;
use crate::roots::Roots;
use crate::suite::Suite;

/// The server that is compared with itself.
const SERVER: &str = "epoll";
/// The feature of its build that lets it burn CPU time.
const FEATURE: &str = "burn";
/// The file of everything that was recorded.
const FILE: &str = "calibration.json";
/// The slowdown that is let pass in these comparisons, as it is unless somebody says otherwise.
const MAX_SLOWDOWN: f64 = 0.05;
/// Comparisons that are drawn from what was recorded.
const DRAWN: usize = 2_000;

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
    // The command that is typed is one for the quick profile, which has one measurement.
    let Some(measurement) = plan.measurements.first().cloned() else {
        return Err(CommandError::NothingToDo);
    };
    let program = build(project, &measurement)?;
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
    let lab = Lab { setting: &setting, measurement: &measurement, program: &program, environment: &environment };
    let mut calibration = match read(&file)? {
        Some(begun) => lab.check(begun, &file)?,
        None => lab.begin(),
    };
    let wanted = 2 * options.comparisons.get() as usize;
    let mut burn = None;
    while calibration.trials.len() < wanted && !interrupted.load(Ordering::Relaxed) {
        let number = calibration.trials.len();
        // Noisy minutes shall meet both kinds.
        let is_slowed = number % 2 == 1;
        let nanoseconds = match burn {
            Some(known) => known,
            None => *burn.insert(lab.burn(calibration.burnt)?),
        };
        let Some(trial) = lab.trial(is_slowed, nanoseconds, number)? else { break };
        eprintln!(
            "[{}/{wanted}] {}: {} ({:.0} s)",
            number + 1,
            if is_slowed { "slowed" } else { "equal" },
            trial.verdict,
            trial.seconds,
        );
        calibration.trials.push(trial);
        write(&file, &calibration)?;
    }
    let _ = fs::remove_dir_all(&scratch);
    print!("{}", describe(&calibration));
    println!("\n{}", file.display());
    Ok(if interrupted.load(Ordering::Relaxed) {
        ExitCode::from(INTERRUPTED)
    } else if keeps_its_word(&calibration) {
        ExitCode::SUCCESS
    } else {
        println!("That is more false alarms than one in a hundred can explain.");
        ExitCode::FAILURE
    })
}

/// Whether so many false alarms are not too unlikely, if one comparison in a hundred of equals raises one.
fn keeps_its_word(calibration: &Calibration) -> bool {
    let said = calibration.live(false);
    let (alarms, all) = (said.slower + said.faster, said.all());
    // The binomial distribution, from no alarm on.
    let mut each = (1.0 - FALSE_ALARMS).powf(all as f64);
    let mut fewer = 0.0;
    for count in 0..alarms {
        fewer += each;
        each *= (all - count) as f64 / (count + 1) as f64 * FALSE_ALARMS / (1.0 - FALSE_ALARMS);
    }
    1.0 - fewer > 0.001
}

/// The quick profile of a comparison.
fn plan(project: &Project) -> Result<Plan, CommandError> {
    let experiment = Experiment::of_suite(Suite::read(&project.comparison())?, true);
    let changes = Changes { only: Some(vec![SERVER.to_owned()]), ..Changes::default() };
    Ok(Plan::new(&experiment, &read_servers(project, None)?, &changes, 0)?)
}

/// Builds the server with the feature, apart from other builds.
fn build(project: &Project, measurement: &Measurement) -> Result<PathBuf, CommandError> {
    let package = measurement.server.package.as_deref().unwrap_or(SERVER);
    let target = project.folder().join("target/calibration/build");
    let built = programs::cargo_build_with(&[package], project.folder(), Some(FEATURE), Some(&target));
    let program = built.and_then(|mut built| built.remove(package).ok_or_else(|| format!("{package} has no program")));
    program.map_err(CommandError::NotBuilt)
}

/// What all trials of a calibration need.
struct Lab<'a> {
    setting: &'a Setting<'a>,
    measurement: &'a Measurement,
    program: &'a Path,
    environment: &'a Environment,
}

impl Lab<'_> {
    fn begin(&self) -> Calibration {
        Calibration {
            format: resampling::FORMAT,
            started_at: Timestamp::now(),
            environment: self.environment.clone(),
            program: digest(self.program),
            title: format!("{}: {}", self.measurement.server.name, self.measurement.workload),
            burnt: 0.10,
            most_pairs: (QUICK_BUDGET.as_secs_f64() / self.measurement.time().as_secs_f64()) as usize,
            max_slowdown: MAX_SLOWDOWN,
            trials: Vec::new(),
        }
    }

    /// What was begun goes on only with the same program on the same machine.
    fn check(&self, begun: Calibration, file: &Path) -> Result<Calibration, CommandError> {
        let fresh = self.begin();
        let same_machine = begun.environment.cpu_model == fresh.environment.cpu_model
            && begun.environment.server_cpus == fresh.environment.server_cpus
            && begun.environment.client_cpus == fresh.environment.client_cpus;
        let changed = [
            ("the program", begun.program == fresh.program),
            ("the machine", same_machine),
            ("the load", begun.title == fresh.title && begun.most_pairs == fresh.most_pairs),
        ];
        match changed.into_iter().find(|(_, is_same)| !is_same) {
            Some((what, _)) => Err(CommandError::OtherCalibration { file: file.to_path_buf(), what }),
            None => Ok(begun),
        }
    }

    fn sides(&self, burn: Option<u64>) -> Sides {
        let package = self.measurement.server.package.clone().unwrap_or_default();
        let built = |name: &str, flags: Vec<String>| Built {
            side: Side {
                name: name.to_owned(),
                commit: self.environment.commit.as_ref().map(|commit| commit.hash.clone()).unwrap_or_default(),
                compiler: self.environment.rustc.clone(),
            },
            programs: [(package.clone(), self.program.to_path_buf())].into(),
            flags,
        };
        let flags = burn.map(|nanoseconds| vec!["--burn-nanoseconds".to_owned(), nanoseconds.to_string()]);
        Sides {
            base: built("equal", Vec::new()),
            head: built(if burn.is_some() { "slowed" } else { "equal" }, flags.unwrap_or_default()),
            measurements: vec![self.measurement.clone()],
            has_generators: false,
            left_out: Vec::new(),
            trees: None,
        }
    }

    fn comparison(&self, sides: &Sides, seed: u64) -> Comparison {
        Comparison {
            format: reports::comparison::record::FORMAT,
            id: "calibration".to_owned(),
            started_at: Timestamp::now(),
            finished_at: None,
            command: vec!["bench".to_owned(), "calibrate".to_owned()],
            seed,
            budget_seconds: QUICK_BUDGET.as_secs_f64(),
            max_slowdown: MAX_SLOWDOWN,
            environment: self.environment.clone(),
            base: sides.base.side.clone(),
            head: sides.head.side.clone(),
            noise_before: Default::default(),
            contests: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// How many nanoseconds make an answer cost this share more CPU time, on this machine and today: a first guess by what an
    /// answer costs, and then by what the slowed server is seen to cost, because clocks have their price, too.
    fn burn(&self, share: f64) -> Result<u64, CommandError> {
        let equal = self.few_pairs(None)?;
        let costs: Vec<f64> = [&equal.base, &equal.head]
            .into_iter()
            .flat_map(|side| Figures::of(side).rounds)
            .filter_map(|round| round.server_cpu_microseconds)
            .collect();
        let mut nanoseconds = median(&costs).unwrap_or(0.0) * 1e3 * share;
        for _ in 0..2 {
            let slowed = self.few_pairs(Some(nanoseconds.round() as u64))?;
            let logs: Vec<f64> = resampling::pairs(&slowed)
                .into_iter()
                .filter_map(|pair| pair.get(&Figure::ServerCpu).copied())
                .collect();
            if let Some(seen) = median(&logs).map(f64::exp_m1).filter(|seen| *seen > 0.0) {
                nanoseconds *= share / seen;
            }
        }
        eprintln!("{nanoseconds:.0} ns of burning make an answer cost {} more", figures::percent(share));
        Ok(nanoseconds.round() as u64)
    }

    /// A dozen pairs, with the head slowed or equal.
    fn few_pairs(&self, burn: Option<u64>) -> Result<Contest, CommandError> {
        let mut sides = self.sides(burn);
        let mut comparison = self.comparison(&sides, 0);
        let mut rounds = Rounds::new(self.setting, &mut sides, None, 0);
        comparison.contests = rounds.contests();
        rounds.take(&mut comparison, QUICK_BUDGET / 3)?;
        comparison.contests.pop().ok_or(CommandError::NothingToDo)
    }

    /// One comparison; none if it was interrupted.
    fn trial(&self, is_slowed: bool, burn: u64, number: usize) -> Result<Option<Trial>, CommandError> {
        let mut sides = self.sides(is_slowed.then_some(burn));
        let seed = number as u64;
        let mut comparison = self.comparison(&sides, seed);
        let begin = Instant::now();
        let mut rounds = Rounds::new(self.setting, &mut sides, None, seed);
        comparison.contests = rounds.contests();
        let has_ended = rounds.take(&mut comparison, QUICK_BUDGET)?;
        if !has_ended {
            return Ok(None);
        }
        comparison.finished_at = Some(Timestamp::now());
        let judged = judge(&comparison);
        if let [one] = &judged[..] {
            eprintln!("  {}", words::sentence(one));
        }
        let noise = judgement::own_noise(&comparison);
        Ok(Some(Trial {
            is_slowed,
            started_at: comparison.started_at,
            seconds: Duration::as_secs_f64(&begin.elapsed()),
            verdict: judgement::overall(&judged).label().to_owned(),
            pairs: comparison.contests.iter().flat_map(resampling::pairs).collect(),
            noise: noise
                .into_iter()
                .map(|(figure, noise)| (figure, Noise { squares: noise.squares, pairs: noise.pairs }))
                .collect(),
        }))
    }
}

/// What all comparisons said, live and drawn, as a table in Markdown.
fn describe(calibration: &Calibration) -> String {
    let live = |is_slowed| calibration.live(is_slowed);
    let drawn = |is_slowed, treatment| calibration.resampled(is_slowed, treatment, DRAWN, 1);
    let burnt = figures::percent(calibration.burnt);
    let rows = [
        ("equal, live".to_owned(), live(false)),
        (format!("head burns {burnt} more CPU, live"), live(true)),
        ("equal, drawn from the rounds".to_owned(), drawn(false, Treatment::Equals)),
        (format!("head burns {burnt} more CPU, drawn"), drawn(true, Treatment::Recorded)),
        ("head 5 % slower, drawn".to_owned(), drawn(false, Treatment::Slowed(0.05))),
    ];
    let mut text = String::new();
    if let Some(seen) = calibration.seen_burnt() {
        text = format!("The slowed server is seen to cost {} more CPU time for each answer.\n", figures::percent(seen));
    }
    text += &format!("{}\n\n| comparisons | of | slower | faster | no difference | undecided |\n", calibration.title);
    text.push_str("|---|--:|--:|--:|--:|--:|\n");
    for (name, said) in rows {
        let Said { slower, faster, no_difference, undecided } = said;
        text.push_str(&format!("| {name} | {} | {slower} | {faster} | {no_difference} | {undecided} |\n", said.all()));
    }
    text
}

fn digest(program: &Path) -> String {
    let bytes = fs::read(program).unwrap_or_default();
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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
