//! How often comparisons are wrong, found out with recorded rounds: pairs are drawn anew from those that were really
//! measured, and go through the same decision and the same rule for ending as a live comparison.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::decision::{Decision, Sample, Verdict, decide};
use super::figure::Figure;
use super::record::Contest;
use crate::environment::Environment;
use crate::figures::{Figures, RoundFigures};
use crate::statistics::{TwinNoise, log_ratios, median};
use crate::timestamp::Timestamp;

/// The version of the stored form of [`Calibration`].
pub const FORMAT: u32 = 1;

/// Comparisons whose right answer is known, as far as they were made, with all that was recorded of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The version of this form, [`FORMAT`] when written by this library.
    pub format: u32,
    /// When the first of them began.
    pub started_at: Timestamp,
    /// Machine and build.
    pub environment: Environment,
    /// A digest of the program that was compared with itself.
    pub program: String,
    /// What is compared, in words: `epoll, 1 worker: 100 connections`.
    pub title: String,
    /// By how much more CPU time each answer of the slowed program costs, as a share.
    pub burnt: f64,
    /// The most pairs that there is time for in one comparison.
    pub most_pairs: usize,
    /// The slowdown that is let pass.
    pub max_slowdown: f64,
    /// The comparisons, in the order of time.
    pub trials: Vec<Trial>,
}

/// One comparison whose right answer is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Whether the head was slowed; else both sides were one and the same.
    pub is_slowed: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was said: a [`Verdict::label`].
    pub verdict: String,
    /// Its pairs of turns.
    pub pairs: Vec<Pair>,
    /// How far its programs were from themselves.
    pub noise: BTreeMap<Figure, Noise>,
}

/// The natural logarithms of head over base of one pair of turns, by figure; without those for which it was not quiet.
pub type Pair = BTreeMap<Figure, f64>;

/// How far programs were from themselves: see [`TwinNoise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The sum of the squared log ratios.
    pub squares: f64,
    /// Pairs that it comes from.
    pub pairs: usize,
}

/// What many comparisons with a known answer said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// That the head is slower.
    pub slower: usize,
    /// That it is faster.
    pub faster: usize,
    /// That there is no difference.
    pub no_difference: usize,
    /// That nothing can be said.
    pub undecided: usize,
}

/// What is done to recorded pairs as they are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// They stay as they are.
    Recorded,
    /// Of two equals it is chance which is called the base: a coin turns each pair around.
    Equals,
    /// The same, and then the head is this much slower, as a share.
    Slowed(f64),
}

impl Said {
    /// Counts one verdict.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Slower => self.slower += 1,
            Verdict::Faster => self.faster += 1,
            Verdict::NoDifference => self.no_difference += 1,
            Verdict::Undecided | Verdict::Failed => self.undecided += 1,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> usize {
        self.slower + self.faster + self.no_difference + self.undecided
    }
}

/// The pairs of a contest, for a calibration.
#[must_use]
pub fn pairs(contest: &Contest) -> Vec<Pair> {
    let (base, head) = (Figures::of(&contest.base), Figures::of(&contest.head));
    let pair = |head: &RoundFigures| -> Option<Pair> {
        let base = base.rounds.iter().find(|base| base.index == head.index)?;
        let log = |figure: &Figure| {
            let both = figure.of_round(head).zip(figure.of_round(base))?;
            Some((*figure, *log_ratios(&[both]).first()?))
        };
        Some(Figure::of(contest).iter().filter_map(log).collect())
    };
    head.rounds.iter().filter_map(pair).collect()
}

impl Calibration {
    /// What the live comparisons said: those of equals, or those with a slowed head.
    #[must_use]
    pub fn live(&self, is_slowed: bool) -> Said {
        let mut said = Said::default();
        let verdicts =
            [Verdict::NoDifference, Verdict::Faster, Verdict::Undecided, Verdict::Slower, Verdict::Failed].into_iter();
        for trial in self.trials.iter().filter(|trial| trial.is_slowed == is_slowed) {
            let verdict = verdicts.clone().find(|verdict| verdict.label() == trial.verdict);
            said.count(verdict.unwrap_or(Verdict::Undecided));
        }
        said
    }

    /// By how much more CPU time an answer of the slowed program is seen to cost, as a share: the median of all pairs.
    #[must_use]
    pub fn seen_burnt(&self) -> Option<f64> {
        let of_slowed = self.trials.iter().filter(|trial| trial.is_slowed).flat_map(|trial| &trial.pairs);
        let logs: Vec<f64> = of_slowed.filter_map(|pair| pair.get(&Figure::ServerCpu).copied()).collect();
        median(&logs).map(f64::exp_m1)
    }

    /// The noise of all comparisons together.
    #[must_use]
    pub fn noise(&self) -> BTreeMap<Figure, TwinNoise> {
        let mut all: BTreeMap<Figure, TwinNoise> = BTreeMap::new();
        for (figure, noise) in self.trials.iter().flat_map(|trial| &trial.noise) {
            all.entry(*figure).or_default().add(&TwinNoise { squares: noise.squares, pairs: noise.pairs });
        }
        all
    }

    /// What so many comparisons say that are made of pairs drawn from those that were recorded with a slowed head, or of
    /// equals; nothing if there are none.
    #[must_use]
    pub fn resampled(&self, is_slowed: bool, treatment: Treatment, comparisons: usize, seed: u64) -> Said {
        let of_kind = self.trials.iter().filter(|trial| trial.is_slowed == is_slowed);
        let pool: Vec<&Pair> = of_kind.flat_map(|trial| &trial.pairs).collect();
        let mut said = Said::default();
        if pool.is_empty() {
            return said;
        }
        let noise = self.noise();
        let mut random = Rng::with_seed(seed);
        for _ in 0..comparisons {
            let mut samples: Vec<Sample> = pool
                .iter()
                .flat_map(|pair| pair.keys())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|figure| Sample { figure: *figure, logs: Vec::new() })
                .collect();
            let mut decisions = Vec::new();
            for _ in 0..self.most_pairs {
                draw(&mut samples, pool[random.usize(..pool.len())], treatment, &mut random);
                decisions = decide(&samples, &noise, self.max_slowdown);
                if !decisions.iter().any(Decision::wants_more) {
                    break;
                }
            }
            said.count(decisions.iter().map(|decision| decision.verdict).max().unwrap_or(Verdict::Undecided));
        }
        said
    }
}

fn draw(samples: &mut [Sample], pair: &Pair, treatment: Treatment, random: &mut Rng) {
    let sign = if treatment != Treatment::Recorded && random.bool() { -1.0 } else { 1.0 };
    for sample in samples {
        let slower = match treatment {
            Treatment::Slowed(share) if sample.figure.is_better_higher() => (-share).ln_1p(),
            Treatment::Slowed(share) => -(-share).ln_1p(),
            Treatment::Recorded | Treatment::Equals => 0.0,
        };
        sample.logs.extend(pair.get(&sample.figure).map(|log| sign * log + slower));
    }
}
