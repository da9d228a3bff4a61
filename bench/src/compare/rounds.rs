//! The turns of a comparison: in pairs, until differences of the asked size would be seen.
//!
//! Both turns of a pair are taken at the same time, on the same CPUs, each server under the load of its own clients
//! (Bulej et al., Duet Benchmarking: Improving Measurement Accuracy in the Cloud, ICPE 2020). The scheduler lets them take
//! turns every few milliseconds, so that whatever the machine does meanwhile it does to both. On a shared machine two turns
//! of one program that follow each other were 13 % apart, and two at the same time 1.4 % (docs/regressions.md).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use loadgen::console;
use reports::comparison::record::Subject;
use reports::comparison::{Comparison, Contest, Judged, judge};
use reports::figures::Figures;
use reports::record::{Arrival, Round};
use reports::sample::Others;
use reports::statistics::median;
use reports::store::StoreError;
use reports::{ServerSample, Timestamp, words};

use super::LOADGEN;
use super::sides::{Built, GENERATOR, Sides};
use crate::cpus::Division;
use crate::measurement::Measurement;
use crate::meeting::Meeting;
use crate::others::{error, left_over};
use crate::ports::{NoFreePort, Ports};
use crate::recording::{self, Prepared};
use crate::roots::Roots;

/// Of so many pairs, one is the base beside itself: it shows how far one program is from itself.
const PAIRS_PER_CONTROL: u32 = 4;
/// What a pair takes beyond one turn: two servers start on the same CPUs, and their clients wait for each other.
const PAIR_OVERHEAD: Duration = Duration::from_millis(120);
/// Names of a program's copies are up to so long: the bytes in front of a program's stack are as many, and more or fewer of
/// them have been seen to move figures by several per cent (Mytkowicz et al., Producing Wrong Data Without Doing Anything
/// Obviously Wrong!, ASPLOS 2009).
const LONGEST_NAME: usize = 64;

/// Where turns are taken.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The folder that servers are started in which take nothing of a checkout but the program of a package.
    pub project: &'a Path,
    /// The document roots.
    pub roots: &'a Roots,
    /// The CPUs of server and client.
    pub division: &'a Division,
    /// A folder for turns alone.
    pub scratch: &'a Path,
    /// The folder of the comparison.
    pub folder: &'a Path,
    /// Becomes true when the reader wants no more.
    pub interrupted: &'a AtomicBool,
}

/// Why turns could not be taken. What a server does is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum RoundsError {
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No port was free.
    #[error(transparent)]
    Ports(#[from] NoFreePort),
    /// A file for a server could not be written.
    #[error("cannot write files for a server below {}: {source}", folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One contest with what its turns need.
#[derive(Debug)]
struct Entrant {
    subject: Subject,
    base: OfSide,
    head: OfSide,
    /// The place of the contest that shows the capacity of which this one's load is a share.
    capacity_of: Option<usize>,
}

/// A measurement as one side takes it.
#[derive(Debug)]
struct OfSide {
    measurement: Measurement,
    prepared: Prepared,
}

impl Entrant {
    /// How long a pair takes, with its share of a control.
    fn pair_time(&self) -> Duration {
        let pair = self.base.measurement.time() + PAIR_OVERHEAD;
        pair + pair / PAIRS_PER_CONTROL
    }
}

/// The turns of a comparison.
#[derive(Debug)]
pub struct Rounds<'a> {
    setting: &'a Setting<'a>,
    sides: &'a mut Sides,
    entrants: Vec<Entrant>,
    random: Rng,
    ports: Ports,
    starts: u64,
}

impl<'a> Rounds<'a> {
    /// Prepares every measurement of both sides, and the load generator's against `null_server`, if it takes part.
    #[must_use]
    pub fn new(setting: &'a Setting<'a>, sides: &'a mut Sides, null_server: Option<Measurement>, seed: u64) -> Self {
        let prepare = |one: &Measurement, side: &Built| {
            let program = one.server.package.as_ref().and_then(|package| side.programs.get(package));
            let root = setting.roots.of(&one.workload.root);
            let flags = one.flags.iter().chain(&side.flags).cloned().collect();
            let measurement = Measurement { flags, ..one.clone() };
            let prepared = recording::prepare(&measurement, program.map(PathBuf::as_path), root, setting.division);
            OfSide { measurement, prepared }
        };
        let mut entrants: Vec<Entrant> = sides
            .measurements
            .iter()
            .map(|one| {
                let closed = Measurement { workload: one.workload.closed(), ..one.clone() };
                let is_share = one.workload.offered != closed.workload.offered;
                let capacity_of = sides.measurements.iter().position(|other| is_share && other.same_as(&closed));
                let (base, head) = (prepare(one, &sides.base), prepare(one, &sides.head));
                Entrant { subject: Subject::Server, base, head, capacity_of }
            })
            .collect();
        if let Some(one) = null_server.filter(|_| sides.has_generators) {
            let of_side = |side: &Built| {
                let mut of_side = prepare(&one, side);
                of_side.prepared.record.server.name = LOADGEN.to_owned();
                of_side
            };
            let (base, head) = (of_side(&sides.base), of_side(&sides.head));
            entrants.push(Entrant { subject: Subject::Generator, base, head, capacity_of: None });
        }
        let random = Rng::with_seed(seed);
        let ports = Ports::new(u64::from(std::process::id()).wrapping_mul(37));
        Self { setting, sides, entrants, random, ports, starts: 0 }
    }

    /// The contests, without a turn yet.
    #[must_use]
    pub fn contests(&self) -> Vec<Contest> {
        let contest = |entrant: &Entrant| Contest {
            subject: entrant.subject,
            base: entrant.base.prepared.record.clone(),
            head: entrant.head.prepared.record.clone(),
            twins: Vec::new(),
            causes: None,
        };
        self.entrants.iter().map(contest).collect()
    }

    /// How long one pair of each contest takes.
    #[must_use]
    pub fn pass_time(&self) -> Duration {
        self.entrants.iter().map(Entrant::pair_time).sum()
    }

    /// Takes pairs of all contests in turn, until each is decided or `budget` is spent. Returns whether it came to its end.
    ///
    /// # Errors
    /// [`RoundsError`]; what was stored by then stays.
    pub fn take(&mut self, comparison: &mut Comparison, budget: Duration) -> Result<bool, RoundsError> {
        let begin = Instant::now();
        for pass in 0.. {
            let mut order: Vec<usize> = {
                let judged = judge(comparison);
                let wants = |one: &Judged<'_>| one.wants_more();
                (0..judged.len()).filter(|place| wants(&judged[*place])).collect()
            };
            self.random.shuffle(&mut order);
            // What shows a capacity comes before the first share of it.
            order.sort_by_key(|place| self.entrants[*place].capacity_of.is_some());
            order.retain(|place| begin.elapsed() + self.entrants[*place].pair_time() <= budget);
            if order.is_empty() {
                return Ok(true);
            }
            let mut has_gone_on = false;
            for place in order {
                if begin.elapsed() + self.entrants[place].pair_time() > budget || !self.fix_rate(comparison, place) {
                    continue;
                }
                has_gone_on = true;
                let is_control = pass % PAIRS_PER_CONTROL == PAIRS_PER_CONTROL - 1;
                for is_control in [false, true].into_iter().take(1 + usize::from(is_control)) {
                    if self.pair(comparison, place, is_control)? == Going::Interrupted {
                        return Ok(false);
                    }
                }
                comparison.save(self.setting.folder)?;
            }
            if !has_gone_on {
                return Ok(true);
            }
            tell(comparison, pass, begin.elapsed());
        }
        Ok(true)
    }

    /// Both sides of an open loop are offered the same: a share of what the base carried in its first quiet turns. Returns
    /// whether the load is known.
    fn fix_rate(&mut self, comparison: &mut Comparison, place: usize) -> bool {
        let entrant = &mut self.entrants[place];
        let (Some(of), Arrival::OpenShare { share }) =
            (entrant.capacity_of, entrant.base.prepared.record.workload.arrival)
        else {
            return true;
        };
        let quiet = Figures::of(&comparison.contests[of].base).rounds.into_iter().filter(|round| round.counts());
        let rates: Vec<f64> = quiet.map(|round| round.requests_per_second).collect();
        let Some(capacity) = median(&rates).filter(|rate| *rate >= 1.0) else { return false };
        let contest = &mut comparison.contests[place];
        for workload in [
            &mut entrant.base.prepared.record.workload,
            &mut entrant.head.prepared.record.workload,
            &mut contest.base.workload,
            &mut contest.head.workload,
        ] {
            // To two digits, because it is only chance that it would have more.
            let step = 10_f64.powf((share * capacity).log10().floor() - 1.0);
            workload.arrival = Arrival::Open { rate: (share * capacity / step).round() * step };
        }
        true
    }

    /// One pair: base and head at the same time, or the base beside itself.
    fn pair(&mut self, comparison: &mut Comparison, place: usize, is_control: bool) -> Result<Going, RoundsError> {
        let order = if self.random.bool() { [0, 1] } else { [1, 0] };
        let first = self.get_ready(place, true)?;
        let second = self.get_ready(place, is_control)?;
        let meeting = Meeting::default();
        let started_at = Timestamp::now();
        let interrupted = self.setting.interrupted;
        let entrant = &self.entrants[place];
        // Each side is asked at moments of its own. If both were asked at the same instants, their requests would meet in every
        // pair in the same way.
        let seeds = [(); 2].map(|()| self.random.u64(..1 << 53));
        let take = |place: usize| {
            let ready = [&first, &second][place];
            let of_side = if ready.is_base { &entrant.base } else { &entrant.head };
            let (measurement, program) = (&of_side.measurement, ready.program.as_deref());
            let mut turn = of_side.prepared.turn(measurement, program, &ready.folder, &ready.scratch, interrupted);
            (turn.generator, turn.meeting) = (ready.generator.as_deref(), Some(&meeting));
            turn.seed = seeds[place];
            turn.take(ready.port, &mut |_| {})
        };
        // The one that is begun with has a head start of a few microseconds, in which it begins to start its server.
        let [one, other] = order;
        let (of_one, of_other) = thread::scope(|scope| {
            let other = scope.spawn(|| take(other));
            (take(one), other.join())
        });
        let of_other = of_other.unwrap_or_else(|_| Err(io::Error::other("the thread of a turn panicked")));
        let scratch_error = |source| RoundsError::Scratch { folder: self.setting.scratch.to_path_buf(), source };
        let mut taken = [of_one.map_err(scratch_error)?, of_other.map_err(scratch_error)?];
        if interrupted.load(Ordering::Relaxed) {
            return Ok(Going::Interrupted);
        }
        if order[0] == 1 {
            taken.swap(0, 1);
        }
        let contest = &mut comparison.contests[place];
        let [first, second] = &mut taken;
        let by_generators = [first.outcome.as_ref(), second.outcome.as_ref()].map(|outcome| {
            let is_a_program = entrant.subject == Subject::Generator;
            outcome.filter(|_| is_a_program).map_or(0.0, |outcome| outcome.cpu_ns() as f64 / 1e9)
        });
        let generators = [first.outcome.as_ref(), second.outcome.as_ref()].map(|outcome| outcome.map(by_cpu));
        let used = [first.sample.as_ref(), second.sample.as_ref()].map(|sample| sample.map(ServerSample::cpu_seconds));
        let sides = if is_control {
            if contest.twins.is_empty() {
                contest.twins = vec![entrant.base.prepared.record.clone(); 2];
            }
            let [first, second] = &mut contest.twins[..] else { return Ok(Going::On) };
            [first, second]
        } else {
            [&mut contest.base, &mut contest.head]
        };
        let index = sides[0].rounds.last().map_or(0, |round| round.index + 1);
        for (place, (side, taken)) in sides.into_iter().zip(taken).enumerate() {
            let opponent = used[1 - place];
            side.rounds.push(Round {
                index,
                position: u32::from(order[0] != place),
                started_at,
                check: taken.check,
                outcome: taken.outcome,
                offered_rate: taken.offered_rate,
                capacity: taken.capacity,
                others: taken.others.and_then(|others| {
                    let seconds = taken.sample.as_ref().map_or(0.0, |sample| sample.wall_seconds);
                    let opponent = (opponent.unwrap_or(0.0), by_generators[1 - place]);
                    without(others, opponent, seconds, self.setting.division)
                }),
                server: taken.sample,
                opponent_cpu_seconds: opponent,
                opponent_generator: generators[1 - place].clone(),
                failure: taken.failure,
            });
        }
        Ok(Going::On)
    }

    /// Everything that a turn of one side needs and that no other turn has.
    fn get_ready(&mut self, place: usize, is_base: bool) -> Result<Ready, RoundsError> {
        self.starts += 1;
        // Two turns at a time, which shall have names of one length.
        let scratch = self.setting.scratch.join(if self.starts.is_multiple_of(2) { "one" } else { "two" });
        let scratch_error = |source| RoundsError::Scratch { folder: self.setting.scratch.to_path_buf(), source };
        let entrant = &self.entrants[place];
        let (side, of_entrant) =
            if is_base { (&self.sides.base, &entrant.base) } else { (&self.sides.head, &entrant.head) };
        // The server that does nothing is the head's, whosever generator it is for.
        let of_server = if entrant.subject == Subject::Generator { &self.sides.head } else { side };
        let package = of_entrant.measurement.server.package.as_ref();
        let original = package.and_then(|package| of_server.programs.get(package));
        let generator = side.programs.get(GENERATOR).filter(|_| entrant.subject == Subject::Generator);
        let copies = self.setting.scratch.join(format!("programs-{}", self.starts));
        let mut copy = |program: Option<&PathBuf>, number: u32| {
            program
                .map(|program| copy_of(program, &copies, number, &mut self.random))
                .transpose()
                .map_err(scratch_error)
        };
        let (program, generator) = (copy(original, 1)?, copy(generator, 2)?);
        let is_in_checkout = self.sides.in_checkouts.contains(&of_entrant.measurement.server.name);
        let folder = match &self.sides.trees {
            Some(trees) if is_in_checkout => trees.of(&side.side.commit),
            _ => self.setting.project.to_path_buf(),
        };
        let port = self.ports.next_free()?;
        Ok(Ready { is_base, port, scratch, program, generator, folder, _copies: Copies { folder: copies } })
    }
}

/// A turn that can begin.
#[derive(Debug)]
struct Ready {
    is_base: bool,
    port: u16,
    scratch: PathBuf,
    program: Option<PathBuf>,
    generator: Option<PathBuf>,
    folder: PathBuf,
    _copies: Copies,
}

/// Whether a comparison goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Interrupted,
}

/// What others took, without what the other side's server and its generator did: to each other they are no strangers.
fn without(others: Others, (server, generator): (f64, f64), seconds: f64, division: &Division) -> Option<Others> {
    // On shared CPUs both figures are of all of them.
    let is_shared = division.shared();
    let (on_server, on_client) = if is_shared { (server + generator, server + generator) } else { (server, generator) };
    let rest = |all: f64, theirs: f64, cpus: usize| left_over(all - theirs, error(seconds, cpus));
    Some(Others {
        on_server_cpus_seconds: rest(others.on_server_cpus_seconds, on_server, division.server.len())?,
        on_client_cpus_seconds: rest(others.on_client_cpus_seconds, on_client, division.client.len())?,
    })
}

/// CPU time of a generator's threads, in seconds, by the CPU that each is bound to. One that is bound to none may have been
/// anywhere, and is left out.
fn by_cpu(outcome: &loadgen::Outcome) -> BTreeMap<usize, f64> {
    let mut seconds = BTreeMap::new();
    for thread in &outcome.threads {
        if let Some(cpu) = thread.cpu {
            *seconds.entry(cpu).or_default() += thread.cpu_ns as f64 / 1e9;
        }
    }
    seconds
}

/// A program's copy for one turn: where the pages of a program happen to lie in memory stays as long as its file is in use,
/// and a name's length moves its stack. With a copy in each turn that is chance and no property of a side.
fn copy_of(program: &Path, folder: &Path, number: u32, random: &mut Rng) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let copy = folder.join(format!("{number}{}", "x".repeat(random.usize(1..=LONGEST_NAME))));
    fs::copy(program, &copy)?;
    Ok(copy)
}

/// The copies of a turn, which end with it.
#[derive(Debug)]
struct Copies {
    folder: PathBuf,
}

impl Drop for Copies {
    fn drop(&mut self) {
        // What cannot be removed is only space, and goes with the folder of all turns.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A line for the reader who waits.
fn tell(comparison: &Comparison, pass: u32, elapsed: Duration) {
    let judged = judge(comparison);
    let open = judged.iter().filter(|one| one.wants_more()).count();
    let widest =
        judged.iter().flat_map(|one| &one.figures).filter_map(|one| one.decision.detectable).fold(0.0, f64::max);
    let widest = if widest > 0.0 && widest.is_finite() {
        format!(", all but differences below {} would be seen by now", words::percent(widest))
    } else {
        String::new()
    };
    console::tell(format_args!(
        "[{:>4} s] {} of turns for each, {open} of {} want more{widest}\n",
        elapsed.as_secs(),
        words::plural(u64::from(pass + 1), "pair"),
        words::plural(judged.len() as u64, "comparison"),
    ));
}
