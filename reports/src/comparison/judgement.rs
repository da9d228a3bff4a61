//! What may be said of a comparison.
//!
//! Every figure of every contest is one test. Holm's correction over all of them bounds how often a comparison of equals
//! raises any alarm at all by [`FALSE_ALARMS`]. Turns are taken until differences of the asked size would be seen, and never
//! because of what they show, so that looking again and again does not add alarms.

use std::collections::BTreeMap;

use super::figure::Figure;
use super::record::{Comparison, Contest};
use crate::figures::{Figures, RoundFigures};
use crate::statistics::{NoiseFloor, Shift, TwinNoise, holm, median};
use crate::validity::{Standing, Validity};

/// How often a comparison of equals may say of anything that it differs.
pub const FALSE_ALARMS: f64 = 0.01;

/// Fewer pairs decide nothing, however much they agree: five blocks are what one burst of noise cannot fill.
pub const PAIRS_NEEDED: usize = 10;

/// A p99 is a few answers of a hundred, so it is less certain than what all of them show: a difference of this share that
/// would have been seen is enough to say that there is none.
pub const LATENCY_RESOLUTION: f64 = 0.25;

/// What may be said of a figure, of a contest, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The two cannot be told apart, and a difference that matters would have been seen.
    NoDifference,
    /// The head is faster.
    Faster,
    /// Noise leaves it open.
    Undecided,
    /// The head is slower.
    Slower,
    /// The head does not answer as it should, so that its speed means nothing.
    Failed,
}

/// Why a figure is undecided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// Too few pairs of turns were quiet enough.
    FewPairs,
    /// There are enough pairs, but a difference that matters might have been missed.
    TooWide,
    /// A difference was seen that is not larger than one and the same program's to itself on this machine.
    BelowNoise {
        /// How far a program is from itself, as a share.
        floor: f64,
    },
}

/// One figure of a contest, judged.
#[derive(Clone, Debug)]
pub struct JudgedFigure {
    /// Which.
    pub figure: Figure,
    /// The median of the base's quiet turns.
    pub base: Option<f64>,
    /// The median of the head's.
    pub head: Option<f64>,
    /// Head over base, from all pairs; none without any.
    pub shift: Option<Shift>,
    /// How likely equals are so far apart, corrected for everything that is compared.
    pub corrected_p_value: f64,
    /// The smallest difference that would have been seen in four of five comparisons, as a share.
    pub detectable: Option<f64>,
    /// What may be said.
    pub verdict: Verdict,
    /// Why nothing may.
    pub why: Option<Why>,
}

/// One contest, judged.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// The contest.
    pub contest: &'a Contest,
    /// Its figures.
    pub figures: Vec<JudgedFigure>,
    /// The worst that may be said of one of them.
    pub verdict: Verdict,
    /// Pairs of turns that were taken.
    pub pairs: usize,
    /// Why the base's or the head's speed means nothing, a sentence each.
    pub failures: Vec<String>,
    /// Whether the load generator was the limit, so that only CPU time tells.
    pub is_generator_the_limit: bool,
    /// Why pairs were set aside, in words, where there were any.
    pub noise: Option<String>,
}

/// Judges every contest, with the rate of false alarms bounded over all of them.
#[must_use]
pub fn judge(comparison: &Comparison) -> Vec<Judged<'_>> {
    let noise = noise(comparison);
    let seen: Vec<Seen<'_>> = comparison.contests.iter().map(Seen::of).collect();
    let tests: Vec<(usize, Figure, Shift)> = seen
        .iter()
        .enumerate()
        .flat_map(|(place, seen)| seen.figures().into_iter().map(move |figure| (place, figure, seen.shift(figure))))
        .filter_map(|(place, figure, shift)| Some((place, figure, shift?)))
        .collect();
    let p_values: Vec<f64> = tests.iter().map(|(_, _, shift)| shift.p_value()).collect();
    let corrected = holm(&p_values);
    // The strictest step of the correction is what a difference has to pass that is alone.
    let error = FALSE_ALARMS / tests.len().max(1) as f64;
    seen.iter()
        .enumerate()
        .map(|(place, seen)| {
            let figures = seen.figures().into_iter().map(|figure| {
                let test = tests.iter().position(|(of, tested, _)| *of == place && *tested == figure);
                let shift = test.map(|test| tests[test].2.clone());
                let floor = noise.get(&figure).and_then(TwinNoise::floor);
                let limit = resolution(figure, comparison.max_slowdown);
                let corrected_p_value = test.map_or(1.0, |test| corrected[test]);
                let detectable = shift.as_ref().and_then(|shift| shift.smallest_detectable(error));
                let (verdict, why) =
                    decide(figure, shift.as_ref(), corrected_p_value, detectable, floor.as_ref(), limit);
                let (base, head) = seen.medians(figure);
                JudgedFigure { figure, base, head, shift, corrected_p_value, detectable, verdict, why }
            });
            seen.judged(figures.collect())
        })
        .collect()
}

/// The worst that may be said of any contest; no difference if there is none.
#[must_use]
pub fn overall(judged: &[Judged<'_>]) -> Verdict {
    judged.iter().map(|one| one.verdict).max().unwrap_or(Verdict::NoDifference)
}

/// The difference that has to be one that would have been seen before it is said that there is none.
fn resolution(figure: Figure, max_slowdown: f64) -> f64 {
    if figure == Figure::Latency { max_slowdown.max(LATENCY_RESOLUTION) } else { max_slowdown }
}

fn decide(
    figure: Figure,
    shift: Option<&Shift>,
    corrected_p_value: f64,
    detectable: Option<f64>,
    floor: Option<&NoiseFloor>,
    limit: f64,
) -> (Verdict, Option<Why>) {
    let Some(shift) = shift.filter(|shift| shift.pairs() >= PAIRS_NEEDED) else {
        return (Verdict::Undecided, Some(Why::FewPairs));
    };
    let is_seen = corrected_p_value < FALSE_ALARMS;
    let floor = floor.map_or(0.0, |floor| floor.mean_of(shift.pairs()));
    if is_seen && shift.log().abs() >= floor.ln_1p() {
        let is_slower = figure.slowdown(shift.ratio()) > 0.0;
        return (if is_slower { Verdict::Slower } else { Verdict::Faster }, None);
    }
    match detectable {
        Some(detectable) if detectable <= limit && !is_seen => (Verdict::NoDifference, None),
        Some(detectable) if detectable <= limit && floor <= limit => (Verdict::NoDifference, None),
        _ if is_seen => (Verdict::Undecided, Some(Why::BelowNoise { floor })),
        _ => (Verdict::Undecided, Some(Why::TooWide)),
    }
}

/// How far programs were from themselves, for each figure: in the middle of each block a program has two turns in a row.
/// What comparisons before have shown on the same machine counts, too.
#[must_use]
pub fn noise(comparison: &Comparison) -> BTreeMap<Figure, TwinNoise> {
    let mut noise = own_noise(comparison);
    for (figure, before) in &comparison.noise_before {
        let before = TwinNoise { squares: before.squares, pairs: usize::try_from(before.pairs).unwrap_or(usize::MAX) };
        noise.entry(*figure).or_default().add(&before);
    }
    noise
}

/// The same, of this comparison alone.
#[must_use]
pub fn own_noise(comparison: &Comparison) -> BTreeMap<Figure, TwinNoise> {
    let mut noise: BTreeMap<Figure, TwinNoise> = BTreeMap::new();
    for contest in &comparison.contests {
        for side in [&contest.base, &contest.head] {
            let figures = Figures::of(side);
            let in_the_middle = |index: u32| {
                let round = side.rounds.iter().find(|round| round.index == index)?;
                matches!(round.position, 1 | 2).then(|| figures.rounds.iter().find(|of| of.index == index))?
            };
            let last = side.rounds.iter().map(|round| round.index).max().unwrap_or(0);
            for block in (0..=last).step_by(2) {
                let Some((first, second)) = in_the_middle(block).zip(in_the_middle(block + 1)) else { continue };
                for figure in Figure::of(contest) {
                    if let Some(pair) = figure.of_round(first).zip(figure.of_round(second)) {
                        noise.entry(*figure).or_default().add(&TwinNoise::of(&[pair]));
                    }
                }
            }
        }
    }
    noise
}

/// What was seen of a contest.
struct Seen<'a> {
    contest: &'a Contest,
    base: Figures,
    head: Figures,
    of_base: Validity,
    of_head: Validity,
}

impl<'a> Seen<'a> {
    fn of(contest: &'a Contest) -> Self {
        let (base, head) = (Figures::of(&contest.base), Figures::of(&contest.head));
        let of_base = Validity::of(&contest.base, &base);
        let of_head = Validity::of(&contest.head, &head);
        Self { contest, base, head, of_base, of_head }
    }

    fn is_generator_the_limit(&self) -> bool {
        [&self.of_base, &self.of_head].iter().any(|validity| validity.standing() == Standing::AtLeast)
    }

    fn has_failed(&self) -> bool {
        [&self.of_base, &self.of_head].iter().any(|validity| validity.standing() == Standing::Invalid)
    }

    /// The figures that mean something.
    fn figures(&self) -> Vec<Figure> {
        if self.has_failed() {
            return Vec::new();
        }
        let means = |figure: &Figure| *figure != Figure::Capacity || !self.is_generator_the_limit();
        Figure::of(self.contest).iter().copied().filter(means).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&RoundFigures, &RoundFigures)> {
        self.head.rounds.iter().filter_map(|head| {
            let base = self.base.rounds.iter().find(|base| base.index == head.index)?;
            Some((head, base))
        })
    }

    /// Head over base, from the pairs of which both turns were quiet.
    fn shift(&self, figure: Figure) -> Option<Shift> {
        let pairs: Vec<(f64, f64)> =
            self.pairs().filter_map(|(head, base)| figure.of_round(head).zip(figure.of_round(base))).collect();
        Shift::of(&pairs)
    }

    fn medians(&self, figure: Figure) -> (Option<f64>, Option<f64>) {
        let of = |figures: &Figures| {
            let values: Vec<f64> = figures.rounds.iter().filter_map(|round| figure.of_round(round)).collect();
            median(&values)
        };
        (of(&self.base), of(&self.head))
    }

    fn judged(&self, figures: Vec<JudgedFigure>) -> Judged<'a> {
        let failures: Vec<String> = [("base", &self.of_base), ("head", &self.of_head)]
            .into_iter()
            .filter(|(_, validity)| validity.standing() == Standing::Invalid)
            .filter_map(|(side, validity)| Some(format!("{side}: {}", validity.reasons.first()?)))
            .collect();
        let verdict = if self.of_head.standing() == Standing::Invalid {
            Verdict::Failed
        } else if figures.is_empty() {
            Verdict::Undecided
        } else {
            figures.iter().map(|figure| figure.verdict).max().unwrap_or(Verdict::Undecided)
        };
        let is_noise = |validity: &&Validity| validity.standing() == Standing::TooNoisy;
        let most_noisy = [&self.of_head, &self.of_base].into_iter().find(is_noise);
        let set_aside = self.pairs().count()
            - self.pairs().filter(|(head, base)| head.quiet.suffices() && base.quiet.suffices()).count();
        let noise = (set_aside > 0).then(|| {
            let by = [&self.base, &self.head];
            let others = by.iter().filter_map(|figures| figures.others_share).fold(0.0, f64::max);
            match most_noisy.and_then(|validity| validity.reasons.first()) {
                Some(reason) => format!("{set_aside} pairs were set aside. {reason}"),
                None if others > crate::figures::OTHERS_LIMIT => format!(
                    "{set_aside} pairs were set aside, because other processes took up to {} of the CPUs.",
                    crate::words::percent(others),
                ),
                None => format!("{set_aside} pairs were set aside, because the machine was not quiet."),
            }
        });
        Judged {
            contest: self.contest,
            figures,
            verdict,
            pairs: self.pairs().count(),
            failures,
            is_generator_the_limit: self.is_generator_the_limit(),
            noise,
        }
    }
}

impl Judged<'_> {
    /// The largest slowdown that is certain, as a share; none if none is.
    #[must_use]
    pub fn slowdown(&self) -> Option<f64> {
        let slower = self.figures.iter().filter(|figure| figure.verdict == Verdict::Slower);
        let shares = slower.filter_map(|one| Some(one.figure.slowdown(one.shift.as_ref()?.ratio())));
        shares.reduce(f64::max)
    }

    /// Whether more turns would help: fewer pairs than are needed, or a difference that matters might be missed. It goes by
    /// the spread of the pairs alone and never by what they show.
    #[must_use]
    pub fn wants_more(&self, max_slowdown: f64) -> bool {
        self.failures.is_empty()
            && self.figures.iter().any(|one| {
                let limit = resolution(one.figure, max_slowdown);
                let pairs = one.shift.as_ref().map_or(0, Shift::pairs);
                pairs < PAIRS_NEEDED || one.detectable.is_none_or(|detectable| detectable > limit)
            })
    }
}
