//! The turns of a comparison: in blocks A B B A, started by a coin, until differences of the asked size would be seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use reports::comparison::record::Subject;
use reports::comparison::{Comparison, Contest, Judged, judge};
use reports::figures::Figures;
use reports::record::{Arrival, Round};
use reports::statistics::median;
use reports::store::StoreError;
use reports::{Timestamp, words};

use super::LOADGEN;
use super::sides::{Built, GENERATOR, Sides};
use crate::cpus::Division;
use crate::measurement::Measurement;
use crate::ports::{NoFreePort, Ports};
use crate::recording::{self, Prepared};
use crate::roots::Roots;
use crate::turn::Taken;

/// Turns of a block.
const TURNS: usize = 4;
/// Names of a program's copies are up to so long: the bytes in front of a program's stack are as many, and more or fewer of
/// them have been seen to move figures by several per cent (Mytkowicz et al., Producing Wrong Data Without Doing Anything
/// Obviously Wrong!, ASPLOS 2009).
const LONGEST_NAME: usize = 64;

/// Where turns are taken.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The folder that servers are started in which are programs of a package.
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
    fn block_time(&self) -> Duration {
        self.base.measurement.time() * TURNS as u32
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
    copies: u64,
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
        Self { setting, sides, entrants, random, ports, copies: 0 }
    }

    /// The contests, without a turn yet.
    #[must_use]
    pub fn contests(&self) -> Vec<Contest> {
        let contest = |entrant: &Entrant| Contest {
            subject: entrant.subject,
            base: entrant.base.prepared.record.clone(),
            head: entrant.head.prepared.record.clone(),
            causes: None,
        };
        self.entrants.iter().map(contest).collect()
    }

    /// How long one block of each contest takes.
    #[must_use]
    pub fn pass_time(&self) -> Duration {
        self.entrants.iter().map(Entrant::block_time).sum()
    }

    /// Takes blocks of all contests in turn, until each is decided or `budget` is spent. Returns whether it came to its end.
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
            order.retain(|place| begin.elapsed() + self.entrants[*place].block_time() <= budget);
            if order.is_empty() {
                return Ok(true);
            }
            let mut has_gone_on = false;
            for place in order {
                if begin.elapsed() + self.entrants[place].block_time() > budget || !self.fix_rate(comparison, place) {
                    continue;
                }
                has_gone_on = true;
                if self.block(comparison, place)? == Going::Interrupted {
                    return Ok(false);
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
        let quiet =
            Figures::of(&comparison.contests[of].base).rounds.into_iter().filter(|round| round.quiet.suffices());
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

    /// Four turns: A B B A or B A A B.
    fn block(&mut self, comparison: &mut Comparison, place: usize) -> Result<Going, RoundsError> {
        let contest = &comparison.contests[place];
        let first_pair = contest.base.rounds.iter().chain(&contest.head.rounds).map(|round| round.index + 1).max();
        // A block that was interrupted leaves its number unused.
        let first_pair = first_pair.unwrap_or(0).next_multiple_of(2);
        let is_base_first = self.random.bool();
        for turn in 0..TURNS {
            let is_base = is_base_first == matches!(turn, 0 | 3);
            let started_at = Timestamp::now();
            let taken = self.turn(place, is_base)?;
            if self.setting.interrupted.load(Ordering::Relaxed) {
                return Ok(Going::Interrupted);
            }
            let contest = &mut comparison.contests[place];
            let side = if is_base { &mut contest.base } else { &mut contest.head };
            side.rounds.push(Round {
                index: first_pair + u32::from(turn >= TURNS / 2),
                position: turn as u32,
                started_at,
                check: taken.check,
                outcome: taken.outcome,
                offered_rate: taken.offered_rate,
                server: taken.sample,
                others: taken.others,
                failure: taken.failure,
            });
        }
        Ok(Going::On)
    }

    fn turn(&mut self, place: usize, is_base: bool) -> Result<Taken, RoundsError> {
        let port = self.ports.next_free()?;
        let scratch_error = |source| RoundsError::Scratch { folder: self.setting.scratch.to_path_buf(), source };
        let side = if is_base { &self.sides.base } else { &self.sides.head };
        let entrant = &self.entrants[place];
        // The server that does nothing is the head's, whosever generator it is for.
        let of_server = if entrant.subject == Subject::Generator { &self.sides.head } else { side };
        let of_entrant = if is_base { &entrant.base } else { &entrant.head };
        let original =
            of_entrant.measurement.server.package.as_ref().and_then(|package| of_server.programs.get(package));
        let generator = side.programs.get(GENERATOR).filter(|_| entrant.subject == Subject::Generator);
        let copies = Copies::new(self.setting.scratch.with_extension("programs"));
        let mut copy = |program: Option<&PathBuf>| {
            self.copies += 1;
            program.map(|program| copies.of(program, self.copies, &mut self.random)).transpose()
        };
        let program = copy(original).map_err(scratch_error)?;
        let generator = copy(generator).map_err(scratch_error)?;
        let mut folder = self.setting.project;
        if let (None, Some(trees)) = (&program, &mut self.sides.trees) {
            trees.put(&side.side.commit).map_err(scratch_error)?;
            folder = trees.place();
        }
        let mut turn = of_entrant.prepared.turn(
            &of_entrant.measurement,
            program.as_deref(),
            folder,
            self.setting.scratch,
            self.setting.interrupted,
        );
        turn.generator = generator.as_deref();
        turn.take(port, &mut |_| {}).map_err(scratch_error)
    }
}

/// Whether a comparison goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    Interrupted,
}

/// Copies of programs, for one turn: where the pages of a program happen to lie in memory stays as long as its file is in
/// use, and a name's length moves its stack. With a copy in each turn that is chance and no property of a side.
struct Copies {
    folder: PathBuf,
}

impl Copies {
    fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn of(&self, program: &Path, number: u64, random: &mut Rng) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let length = random.usize(1..=LONGEST_NAME);
        let copy = self.folder.join(format!("{number}{}", "x".repeat(length)));
        fs::copy(program, &copy)?;
        Ok(copy)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // The next turn makes the folder anew; what stays of it is only space.
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
    eprintln!(
        "[{:>4} s] {} of turns for each, {open} of {} want more{widest}",
        elapsed.as_secs(),
        words::plural(u64::from(2 * (pass + 1)), "pair"),
        words::plural(judged.len() as u64, "comparison"),
    );
}
