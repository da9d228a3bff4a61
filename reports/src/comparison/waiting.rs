//! Signs that a server waits, which requests per CPU-second do not show: beside another server in a closed loop, the CPU time
//! that it leaves idle is used by the other one.

use super::record::Contest;
use crate::figures::{Figures, RoundFigures};
use crate::statistics::Shift;
use crate::words;

/// One side of a closed loop has to use so much less CPU time than the other, as a share, before that is told.
pub const LESS_CPU: f64 = 0.20;

/// How often an interval may miss the truth before a side is said to have used less.
const ERROR: f64 = 0.01;

/// Which side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// What there was before.
    Base,
    /// What changed it.
    Head,
}

/// One side of a closed loop used less of the server's CPUs than the other, although both always had requests to answer: it
/// waited for something, or has fewer threads among which the system shares the CPUs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idled {
    /// Which one.
    pub who: Which,
    /// How many times as much CPU time the head used as the base.
    pub ratio: f64,
}

/// How often each side answered what a fixed load offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Paired trials in which the base did.
    pub base: usize,
    /// Paired trials in which the head did.
    pub head: usize,
    /// Paired trials that count.
    pub of: usize,
}

impl Which {
    /// The side in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
        }
    }
}

/// The pairs of both sides that count, each with the CPU time that its server used.
pub(super) fn idled(contest: &Contest, pairs: &[(&RoundFigures, &RoundFigures)]) -> Option<Idled> {
    if contest.head.workload.arrival.is_open() {
        return None;
    }
    let seconds = |rounds: &[crate::record::Round], index: u32| {
        let sample = rounds.iter().find(|round| round.index == index)?.server.as_ref()?;
        Some(sample.cpu_seconds())
    };
    let of = |(head, base): &(&RoundFigures, &RoundFigures)| {
        seconds(&contest.head.rounds, head.index).zip(seconds(&contest.base.rounds, base.index))
    };
    let shift = Shift::of(&pairs.iter().filter_map(of).collect::<Vec<_>>())?;
    let (low, high) = shift.interval(ERROR)?;
    let least = 1.0 - LESS_CPU;
    let who = match (high < least, low > 1.0 / least) {
        (true, _) => Which::Head,
        (_, true) => Which::Base,
        _ => return None,
    };
    Some(Idled { who, ratio: shift.ratio() })
}

/// How often the sides kept an offered load; none in a closed loop.
pub(super) fn kept(contest: &Contest, pairs: &[(&RoundFigures, &RoundFigures)]) -> Option<Kept> {
    if !contest.head.workload.arrival.is_open() || pairs.is_empty() {
        return None;
    }
    let kept = |of: fn(&(&RoundFigures, &RoundFigures)) -> bool| pairs.iter().filter(|pair| !of(pair)).count();
    Some(Kept { base: kept(|(_, base)| base.is_overloaded), head: kept(|(head, _)| head.is_overloaded), of: pairs.len() })
}

/// Pairs of rounds of the same index that count on both sides, the head's first.
pub(super) fn counted<'a>(head: &'a Figures, base: &'a Figures) -> Vec<(&'a RoundFigures, &'a RoundFigures)> {
    let of_base = |index: u32| base.rounds.iter().find(|round| round.index == index);
    let both = head.rounds.iter().filter_map(|head| Some((head, of_base(head.index)?)));
    both.filter(|(head, base)| head.counts() && base.counts()).collect()
}

impl Idled {
    /// What that means, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (who, less) = (self.who.name(), if self.ratio < 1.0 { self.ratio } else { 1.0 / self.ratio });
        format!(
            "The {who} used {} times as much CPU time as the other side, although both always had requests to answer: it waited \
             for something, or has fewer threads. Requests per CPU-second do not show that; a fixed load does.",
            words::ratio(less),
        )
    }
}

impl Kept {
    /// Whether both kept it always.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.base == self.of && self.head == self.of
    }

    /// How often, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "The offered load was kept by the base in {} and by the head in {} of {}: latencies beyond that grow with the \
             length of a trial.",
            self.base,
            self.head,
            words::plural(self.of as u64, "paired trial"),
        )
    }
}
