//! What may be said of a comparison, from its record.

use std::collections::BTreeMap;

use super::decision::{Decision, Sample, Verdict, decide};
use super::figure::Figure;
use super::record::{Comparison, Contest, Subject};
use super::waiting::{self, Idled, Kept, Which};
use crate::figures::{Figures, RoundFigures};
use crate::note::Note;
use crate::statistics::{Shift, TwinNoise, log_ratios, median};
use crate::validity::{Standing, Validity};

/// One figure of a contest, judged.
#[derive(Clone, Debug)]
pub struct JudgedFigure {
    /// Which.
    pub figure: Figure,
    /// The median of the base's quiet turns.
    pub base: Option<f64>,
    /// The head's: the base's, changed by what the pairs show. The median of the head's own turns may lie to the other side of
    /// the base's where the machine changed between pairs, and would contradict the verdict.
    pub head: Option<f64>,
    /// What may be said of it.
    pub decision: Decision,
}

impl JudgedFigure {
    /// How much slower the head is by this figure, as a share; negative if it is faster, without end where nothing is known.
    #[must_use]
    pub fn slowdown(&self) -> f64 {
        let ratio = self.decision.shift.as_ref().map(Shift::ratio);
        ratio.map_or(f64::NEG_INFINITY, |ratio| self.figure.slowdown(ratio))
    }
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
    /// Whether the load generators, both together, were the limit, so that only CPU time tells.
    pub is_generator_the_limit: bool,
    /// Which side used less CPU time in a closed loop, if one did.
    pub idled: Option<Idled>,
    /// Whether the same server is compared under a fixed load, too, which shows waiting.
    pub has_fixed_load: bool,
    /// How often both sides kept a fixed load.
    pub kept: Option<Kept>,
    /// Why pairs were excluded, in words, where there were any.
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
            let change = decision.shift.as_ref().map(Shift::ratio);
            let head = base.zip(change).map(|(base, ratio)| base * ratio).or(head);
            JudgedFigure { figure, base, head, decision }
        });
        judged.push(one.judged(figures.collect(), comparison));
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

/// Whether `other` compares the same server under a fixed load.
fn is_fixed_load_of(other: &Contest, contest: &Contest) -> bool {
    let of = |contest: &Contest| (contest.subject, contest.head.name());
    other.head.workload.arrival.is_open() && of(other) == of(contest)
}

/// `1 paired trial was`, `3 paired trials were`.
fn were(count: usize) -> String {
    format!("{} {}", crate::words::plural(count as u64, "paired trial"), if count == 1 { "was" } else { "were" })
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

    /// Both generators together fill the client's CPUs, or one of them does. Beside another one a generator also waits for
    /// its CPU, so the standing of a side says nothing of that.
    fn is_generator_the_limit(&self) -> bool {
        let is_limit = |note: &Note| matches!(note, Note::GeneratorAtCeiling { .. });
        self.contest.subject == Subject::Server
            && [&self.of_base, &self.of_head].iter().any(|validity| validity.notes.iter().any(is_limit))
    }

    /// Whether a side's figures mean nothing. One that does not keep a fixed load is slow, and its latency shows that.
    fn is_failure(&self, validity: &Validity) -> bool {
        let is_slow = self.contest.head.workload.arrival.is_open() && validity.is_beyond_capacity();
        validity.standing() == Standing::Invalid && !is_slow
    }

    fn has_failed(&self) -> bool {
        [&self.of_base, &self.of_head].iter().any(|validity| self.is_failure(validity))
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

    fn judged(&self, figures: Vec<JudgedFigure>, comparison: &Comparison) -> Judged<'a> {
        let failures: Vec<String> = [("base", &self.of_base), ("head", &self.of_head)]
            .into_iter()
            .filter(|(_, validity)| self.is_failure(validity))
            .filter_map(|(side, validity)| Some(format!("{side}: {}", validity.reasons.first()?)))
            .collect();
        let counted = waiting::counted(&self.head, &self.base);
        let idled = waiting::idled(self.contest, &counted).filter(|_| !self.is_generator_the_limit());
        let has_fixed_load = comparison.contests.iter().any(|other| is_fixed_load_of(other, self.contest));
        let worst = figures.iter().map(|figure| figure.decision.verdict).max();
        let is_too_slow =
            |one: &JudgedFigure| one.decision.verdict == Verdict::Slower && one.slowdown() > comparison.max_slowdown;
        // What the head did not use the base did, so that little says how much less the head carries.
        let is_hidden =
            !has_fixed_load && idled.is_some_and(|idled| idled.who == Which::Head) && !figures.iter().any(is_too_slow);
        let verdict = match worst {
            _ if self.is_failure(&self.of_head) => Verdict::Failed,
            Some(worst) if !is_hidden => worst,
            _ => Verdict::Undecided,
        };
        let is_noise = |validity: &&Validity| validity.standing() == Standing::TooNoisy;
        let most_noisy = [&self.of_head, &self.of_base].into_iter().find(is_noise);
        let excluded = self.pairs().count() - counted.len();
        let noise = (excluded > 0).then(|| {
            let by = [&self.base, &self.head];
            let others = by.iter().filter_map(|figures| figures.others_share).fold(0.0, f64::max);
            match most_noisy.and_then(|validity| validity.reasons.first()) {
                Some(reason) => format!("{} excluded. {reason}", were(excluded)),
                None if others > crate::figures::OTHERS_LIMIT => format!(
                    "{} excluded, because other processes took up to {} of the CPUs.",
                    were(excluded),
                    crate::words::percent(others),
                ),
                None => format!("{} excluded, because the machine was not quiet.", were(excluded)),
            }
        });
        Judged {
            contest: self.contest,
            figures,
            verdict,
            pairs: self.pairs().count(),
            failures,
            is_generator_the_limit: self.is_generator_the_limit(),
            idled,
            has_fixed_load,
            kept: waiting::kept(self.contest, &counted),
            noise,
        }
    }
}

impl Judged<'_> {
    /// The one figure that decides: of those with the contest's verdict the worst. It is the one of the headline, by which
    /// it is also judged whether a slowdown is let pass.
    #[must_use]
    pub fn deciding(&self) -> Option<&JudgedFigure> {
        let of_verdict = self.figures.iter().filter(|one| one.decision.verdict == self.verdict);
        of_verdict.max_by(|one, other| one.slowdown().total_cmp(&other.slowdown()))
    }

    /// The slowdown of the deciding figure, as a share; none unless it is certain that there is one.
    #[must_use]
    pub fn slowdown(&self) -> Option<f64> {
        (self.verdict == Verdict::Slower).then(|| self.deciding().map(JudgedFigure::slowdown))?
    }

    /// Whether a slowdown is certain and larger than is let pass.
    #[must_use]
    pub fn is_too_slow(&self, max_slowdown: f64) -> bool {
        self.slowdown().is_some_and(|share| share > max_slowdown)
    }

    /// Whether more turns would help: see [`Decision::wants_more`].
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.failures.is_empty() && self.figures.iter().any(|one| one.decision.wants_more())
    }
}
