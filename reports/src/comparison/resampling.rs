//! How often comparisons are wrong, found out with recorded ones: whole comparisons are drawn anew from those that were really
//! made, each with its pairs in their order and their signs, and go through the same decision and the same rule for ending.
//!
//! A sign that is turned by a coin would make the rate of false alarms right whatever was recorded: a build that is always a
//! little slower, or a program that is slower for a whole comparison, would cancel out. So signs stay. What is drawn cannot
//! know more than what was recorded: it shows how the rule for ending works beyond the recorded pairs, and how small a
//! slow-down is found. How often equals are called different is a count of live comparisons, with its bound.

use std::collections::BTreeMap;

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
    /// How long each response of the waiting program waits, as a share of the CPU time that a response costs: with 1 it carries
    /// half as much where it has the CPU for itself. Absent where none was made to wait.
    #[serde(default)]
    pub waited: Option<f64>,
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
    /// Whether the head was slowed; else both sides have equal code.
    pub is_slowed: bool,
    /// What the two sides were; absent in older records, which have only equal and burning ones.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was said: a [`Verdict::label`].
    pub verdict: String,
    /// The slowdown of the figure that decided, as a share, if the verdict is "slower".
    #[serde(default)]
    pub slowdown: Option<f64>,
    /// Its pairs of the closed loop.
    pub pairs: Vec<Pair>,
    /// Its pairs under the fixed load; none in older records.
    #[serde(default)]
    pub fixed_load_pairs: Vec<Pair>,
    /// How far its programs were from themselves.
    pub noise: BTreeMap<Figure, Noise>,
}

/// What the two sides of a comparison with a known answer were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One program on both sides: an A/A control.
    Equal,
    /// Equal code that was linked in another order, so that functions and data have other addresses.
    Layout,
    /// The head burns more CPU time for each response.
    Burn,
    /// The head waits for each response, without CPU time.
    Wait,
}

/// The natural logarithms of head over base of one pair of trials, by figure; without those for which it was not quiet.
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
    /// That the head does not answer as it should.
    pub failed: usize,
}

/// How comparisons are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawing {
    /// From the recorded ones of this kind.
    pub from: Kind,
    /// The head is made so much slower by reckoning, as a share; 0 leaves what was recorded.
    pub slower: f64,
    /// The slowdown that is let pass. With less of it, more pairs are taken until one of its size would be seen.
    pub max_slowdown: f64,
    /// The most pairs of a comparison.
    pub most_pairs: usize,
}

/// What drawn comparisons said, and how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// What they said.
    pub said: Said,
    /// The pairs of all of them together; of the two loops, those that took more.
    pub pairs: usize,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Equal, Self::Layout, Self::Burn, Self::Wait];

    /// The kind in a word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Layout => "layout",
            Self::Burn => "burn",
            Self::Wait => "wait",
        }
    }

    /// Whether the head is made slower.
    #[must_use]
    pub fn is_slowed(self) -> bool {
        matches!(self, Self::Burn | Self::Wait)
    }
}

impl Said {
    /// Counts one verdict.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Slower => self.slower += 1,
            Verdict::Faster => self.faster += 1,
            Verdict::NoDifference => self.no_difference += 1,
            Verdict::Undecided => self.undecided += 1,
            Verdict::Failed => self.failed += 1,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn all(&self) -> usize {
        self.slower + self.faster + self.no_difference + self.undecided + self.failed
    }

    /// How many say that the two differ, or that the head fails: of equals, the false alarms.
    #[must_use]
    pub fn alarms(&self) -> usize {
        self.slower + self.faster + self.failed
    }
}

impl Trial {
    /// What the two sides were.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or(if self.is_slowed { Kind::Burn } else { Kind::Equal })
    }

    fn loops(&self) -> [&[Pair]; 2] {
        [&self.pairs, &self.fixed_load_pairs]
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
    /// The comparisons of a kind, in the order of time.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(move |trial| trial.kind() == kind)
    }

    /// What the live comparisons of a kind said.
    #[must_use]
    pub fn live(&self, kind: Kind) -> Said {
        let mut said = Said::default();
        let verdicts =
            [Verdict::NoDifference, Verdict::Faster, Verdict::Undecided, Verdict::Slower, Verdict::Failed].into_iter();
        for trial in self.of(kind) {
            let verdict = verdicts.clone().find(|verdict| verdict.label() == trial.verdict);
            said.count(verdict.unwrap_or(Verdict::Undecided));
        }
        said
    }

    /// How many live comparisons of a kind found a slowdown larger than is let pass.
    #[must_use]
    pub fn too_slow(&self, kind: Kind) -> usize {
        let is_too_slow = |trial: &&Trial| trial.slowdown.is_some_and(|slowdown| slowdown > self.max_slowdown);
        self.of(kind).filter(is_too_slow).count()
    }

    /// By how much more CPU time an answer of the burning program is seen to cost, as a share: the median of all pairs.
    #[must_use]
    pub fn seen_burnt(&self) -> Option<f64> {
        let pairs = self.of(Kind::Burn).flat_map(|trial| &trial.pairs);
        let logs: Vec<f64> = pairs.filter_map(|pair| pair.get(&Figure::ServerCpu).copied()).collect();
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

    /// What so many drawn comparisons say: each begins with the pairs of one recorded comparison in their order, and where the
    /// rule for ending wants more, those of another one follow. Nothing if none of the kind was recorded.
    #[must_use]
    pub fn resampled(&self, drawing: Drawing, comparisons: usize, seed: u64) -> Drawn {
        let recorded: Vec<&Trial> = self.of(drawing.from).collect();
        let mut drawn = Drawn::default();
        if recorded.is_empty() {
            return drawn;
        }
        let noise = self.noise();
        let mut random = Rng::with_seed(seed);
        for _ in 0..comparisons {
            let (decisions, pairs) = draw(&recorded, &noise, drawing, &mut random);
            drawn.said.count(decisions.iter().map(|decision| decision.verdict).max().unwrap_or(Verdict::Undecided));
            drawn.pairs += pairs;
        }
        drawn
    }
}

/// One drawn comparison: what is decided of its figures, and how many pairs the longer of its two loops took.
fn draw(
    recorded: &[&Trial],
    noise: &BTreeMap<Figure, TwinNoise>,
    drawing: Drawing,
    random: &mut Rng,
) -> (Vec<Decision>, usize) {
    let mut figures: Vec<Figure> =
        recorded.iter().flat_map(|trial| trial.loops()).flatten().flat_map(|pair| pair.keys().copied()).collect();
    figures.sort_unstable();
    figures.dedup();
    let mut samples: Vec<Sample> = figures.into_iter().map(|figure| Sample { figure, logs: Vec::new() }).collect();
    let mut order: Vec<&Trial> = Vec::new();
    // For each loop the place of its comparison in the order, and the place of its next pair.
    let mut places = [(0, 0); 2];
    let mut decisions = decide(&samples, noise, drawing.max_slowdown);
    for pairs in 0..drawing.most_pairs {
        let wants = |is_latency: bool| {
            let of_loop = samples.iter().zip(&decisions).filter(|(sample, _)| sample.figure.is_latency() == is_latency);
            of_loop.into_iter().any(|(_, decision)| decision.wants_more())
        };
        let wanted: Vec<usize> = (0..2).filter(|of| wants(*of == 1)).collect();
        if wanted.is_empty() {
            return (decisions, pairs);
        }
        for of in wanted {
            let (place, next) = &mut places[of];
            let pair = loop {
                if *place == order.len() {
                    order.push(recorded[random.usize(..recorded.len())]);
                }
                match order[*place].loops()[of].get(*next) {
                    Some(pair) => break pair,
                    None => (*place, *next) = (*place + 1, 0),
                }
            };
            *next += 1;
            for sample in &mut samples {
                let slower = (-drawing.slower).ln_1p();
                let slower = if sample.figure.is_better_higher() { slower } else { -slower };
                sample.logs.extend(pair.get(&sample.figure).map(|log| log + slower));
            }
        }
        decisions = decide(&samples, noise, drawing.max_slowdown);
    }
    (decisions, drawing.most_pairs)
}
