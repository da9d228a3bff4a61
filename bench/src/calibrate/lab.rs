//! Comparisons whose right answer is known.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use loadgen::console;
use reports::comparison::resampling::{self, Calibration, Kind, Noise, Trial};
use reports::comparison::{Comparison, Figure, Judged, Side, judge, judgement, words};
use reports::figures::Figures;
use reports::statistics::median;
use reports::{Environment, Timestamp, words as figures};

use super::programs::{Programs, digest};
use crate::commands::CommandError;
use crate::compare::{Built, QUICK_BUDGET, Rounds, Setting, Sides};
use crate::measurement::Measurement;

/// The slowdown that is let pass in these comparisons, as it is unless another one is asked for.
const MAX_SLOWDOWN: f64 = 0.05;
/// By how much more CPU time each response of the burning server costs, as a share.
const BURNT: f64 = 0.10;
/// How long each response of the waiting server waits, as a share of the CPU time that it costs: such a server carries half as
/// much where it has the CPU for itself.
const WAITED: f64 = 1.0;

/// What all comparisons of a calibration need.
pub(super) struct Lab<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) measurements: &'a [Measurement],
    pub(super) programs: &'a Programs,
    pub(super) environment: &'a Environment,
}

/// How much slower heads are made, in nanoseconds per response.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlowDown {
    burn: u64,
    wait: u64,
}

impl Lab<'_> {
    pub(super) fn begin(&self) -> Calibration {
        let first = &self.measurements[0];
        let pass: Duration = self.measurements.iter().map(Measurement::time).sum();
        Calibration {
            format: resampling::FORMAT,
            started_at: Timestamp::now(),
            environment: self.environment.clone(),
            program: digest(&self.programs.usual),
            title: format!("{}: {}", first.server.name, first.workload),
            burnt: BURNT,
            waited: Some(WAITED),
            most_pairs: (QUICK_BUDGET.as_secs_f64() / pass.as_secs_f64()) as usize,
            max_slowdown: MAX_SLOWDOWN,
            trials: Vec::new(),
        }
    }

    /// What was begun goes on only with the same program on the same machine.
    pub(super) fn check(&self, begun: Calibration, file: &Path) -> Result<Calibration, CommandError> {
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

    /// Two sides of a kind; `number` counts the comparisons of that kind.
    fn sides(&self, kind: Kind, slow_down: SlowDown, number: usize, measurements: &[Measurement]) -> Sides {
        let [base, head] = match kind {
            Kind::Layout => self.programs.two_layouts(number),
            _ => [self.programs.usual.as_path(); 2],
        };
        let flag = |name: &str, nanoseconds: u64| vec![format!("--{name}-nanoseconds"), nanoseconds.to_string()];
        let flags = match kind {
            Kind::Equal | Kind::Layout => Vec::new(),
            Kind::Burn => flag("burn", slow_down.burn),
            Kind::Wait => flag("wait", slow_down.wait),
        };
        let built = |name: &str, program: &Path, flags: Vec<String>| Built {
            side: Side {
                name: name.to_owned(),
                commit: self.environment.commit.as_ref().map(|commit| commit.hash.clone()).unwrap_or_default(),
                compiler: self.environment.rustc.clone(),
            },
            programs: measurements
                .iter()
                .filter_map(|one| Some((one.server.package.clone()?, program.to_path_buf())))
                .collect(),
            flags,
        };
        Sides {
            base: built(Kind::Equal.label(), base, Vec::new()),
            head: built(kind.label(), head, flags),
            measurements: measurements.to_vec(),
            has_generators: false,
            identical: Vec::new(),
            left_out: Vec::new(),
            trees: None,
            in_checkouts: BTreeSet::new(),
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
            identical: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// How many nanoseconds make a response cost so much more, on this machine and today. The burn is a first guess by what a
    /// response costs, and then by what the slowed server is seen to cost, because clocks have their price, too.
    pub(super) fn slow_down(&self, calibration: &mut Calibration) -> Result<SlowDown, CommandError> {
        let equal = self.few_pairs(Kind::Equal, SlowDown::default())?;
        let costs: Vec<f64> = equal
            .contests
            .iter()
            .flat_map(|contest| [&contest.base, &contest.head])
            .flat_map(|side| Figures::of(side).rounds)
            .filter_map(|round| round.server_cpu_microseconds)
            .collect();
        let cost = median(&costs).unwrap_or(0.0) * 1e3;
        let mut burn = cost * calibration.burnt;
        for _ in 0..2 {
            let slowed = self.few_pairs(Kind::Burn, SlowDown { burn: burn.round() as u64, wait: 0 })?;
            let pairs = slowed.contests.iter().flat_map(resampling::pairs);
            let logs: Vec<f64> = pairs.filter_map(|pair| pair.get(&Figure::ServerCpu).copied()).collect();
            if let Some(seen) = median(&logs).map(f64::exp_m1).filter(|seen| *seen > 0.0) {
                burn *= calibration.burnt / seen;
            }
        }
        let wait = cost * *calibration.waited.get_or_insert(WAITED);
        console::tell(format_args!(
            "a response costs {cost:.0} ns; {burn:.0} ns of burning make it cost {} more, and {wait:.0} ns are waited\n",
            figures::percent(calibration.burnt),
        ));
        Ok(SlowDown { burn: burn.round() as u64, wait: wait.round() as u64 })
    }

    /// A dozen pairs of the closed loop alone.
    fn few_pairs(&self, kind: Kind, slow_down: SlowDown) -> Result<Comparison, CommandError> {
        let mut sides = self.sides(kind, slow_down, 0, &self.measurements[..1]);
        let mut comparison = self.comparison(&sides, 0);
        let mut rounds = Rounds::new(self.setting, &mut sides, None, 0);
        comparison.contests = rounds.contests();
        rounds.take(&mut comparison, QUICK_BUDGET / 3)?;
        Ok(comparison)
    }

    /// One comparison; none if it was interrupted.
    pub(super) fn trial(
        &self,
        kind: Kind,
        slow_down: SlowDown,
        calibration: &Calibration,
    ) -> Result<Option<Trial>, CommandError> {
        let number = calibration.of(kind).count();
        let seed = calibration.trials.len() as u64;
        let mut sides = self.sides(kind, slow_down, number, self.measurements);
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
        for one in &judged {
            console::tell(format_args!("  {}: {}\n", words::title(one.contest), words::sentence(one)));
            words::remarks(one).iter().for_each(|remark| console::tell(format_args!("    {remark}\n")));
        }
        let of_loop = |is_open: bool| {
            let of_kind = comparison.contests.iter().filter(|one| one.head.workload.arrival.is_open() == is_open);
            of_kind.flat_map(resampling::pairs).collect()
        };
        let noise = judgement::own_noise(&comparison);
        Ok(Some(Trial {
            is_slowed: kind.is_slowed(),
            kind: Some(kind),
            started_at: comparison.started_at,
            seconds: Duration::as_secs_f64(&begin.elapsed()),
            verdict: judgement::overall(&judged).label().to_owned(),
            slowdown: judged.iter().filter_map(Judged::slowdown).reduce(f64::max),
            pairs: of_loop(false),
            fixed_load_pairs: of_loop(true),
            noise: noise
                .into_iter()
                .map(|(figure, noise)| (figure, Noise { squares: noise.squares, pairs: noise.pairs }))
                .collect(),
        }))
    }
}
