//! What may be said of a comparison, from its record.

use std::collections::BTreeMap;

use super::decision::{Decision, Sample, Verdict, decide};
use super::figure::Figure;
use super::record::{Comparison, Contest, Subject};
use crate::figures::{Figures, RoundFigures};
use crate::statistics::{TwinNoise, log_ratios, median};
use crate::validity::{Standing, Validity};

/// One figure of a contest, judged.
#[derive(Clone, Debug)]
pub struct JudgedFigure {
    /// Which.
    pub figure: Figure,
    /// The median of the base's quiet turns.
    pub base: Option<f64>,
    /// The median of the head's.
    pub head: Option<f64>,
    /// What may be said of it.
    pub decision: Decision,
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
    let seen: Vec<Seen<'_>> = comparison.contests.iter().map(Seen::of).collect();
    let samples: Vec<Sample> = seen.iter().flat_map(Seen::samples).collect();
    let mut decisions = decide(&samples, &noise(comparison), comparison.max_slowdown).into_iter();
    let mut judged = Vec::with_capacity(seen.len());
    for one in &seen {
        let figures = one.figures().into_iter().zip(decisions.by_ref()).map(|(figure, decision)| {
            let (base, head) = one.medians(figure);
            JudgedFigure { figure, base, head, decision }
        });
        judged.push(one.judged(figures.collect()));
    }
    judged
}

/// The worst that may be said of any contest; no difference if there is none.
#[must_use]
pub fn overall(judged: &[Judged<'_>]) -> Verdict {
    judged.iter().map(|one| one.verdict).max().unwrap_or(Verdict::NoDifference)
}

/// How far programs were from themselves, for each figure: the base beside itself. What comparisons before have shown on the
/// same machine counts, too.
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
        let [first, second] = &contest.twins[..] else { continue };
        let (first, second) = (Figures::of(first), Figures::of(second));
        let in_pairs = first
            .rounds
            .iter()
            .filter_map(|one| Some((one, second.rounds.iter().find(|other| other.index == one.index)?)));
        let in_pairs: Vec<(&RoundFigures, &RoundFigures)> = in_pairs.collect();
        for figure in Figure::of(contest) {
            let pairs = in_pairs.iter().filter_map(|(one, other)| figure.of_round(one).zip(figure.of_round(other)));
            noise.entry(*figure).or_default().add(&TwinNoise::of(&pairs.collect::<Vec<_>>()));
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
        self.contest.subject == Subject::Server
            && [&self.of_base, &self.of_head].iter().any(|validity| validity.standing() == Standing::AtLeast)
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

    /// The pairs of which both turns were quiet, for each figure.
    fn samples(&self) -> Vec<Sample> {
        let of = |figure: Figure| {
            let pairs: Vec<(f64, f64)> =
                self.pairs().filter_map(|(head, base)| figure.of_round(head).zip(figure.of_round(base))).collect();
            Sample { figure, logs: log_ratios(&pairs) }
        };
        self.figures().into_iter().map(of).collect()
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
            figures.iter().map(|figure| figure.decision.verdict).max().unwrap_or(Verdict::Undecided)
        };
        let is_noise = |validity: &&Validity| validity.standing() == Standing::TooNoisy;
        let most_noisy = [&self.of_head, &self.of_base].into_iter().find(is_noise);
        let set_aside =
            self.pairs().count() - self.pairs().filter(|(head, base)| head.counts() && base.counts()).count();
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
        let slower = self.figures.iter().filter(|one| one.decision.verdict == Verdict::Slower);
        let shares = slower.filter_map(|one| Some(one.figure.slowdown(one.decision.shift.as_ref()?.ratio())));
        shares.reduce(f64::max)
    }

    /// Whether more turns would help: see [`Decision::wants_more`].
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.failures.is_empty() && self.figures.iter().any(|one| one.decision.wants_more())
    }
}
