//! The decision itself: from the log ratios of pairs to a verdict. It knows nothing of rounds and records.
//!
//! Every figure of every contest is one test. Holm's correction over all of them bounds how often a comparison of equals
//! raises any alarm at all by [`FALSE_ALARMS`]. Turns are taken until differences of the asked size would be seen, and never
//! because of what they show, so that looking again and again does not add alarms.

use std::collections::BTreeMap;

use super::figure::Figure;
use crate::statistics::{Shift, TwinNoise, holm};

/// How often a comparison of equals may say of anything that it differs.
pub const FALSE_ALARMS: f64 = 0.01;

/// Fewer pairs decide nothing, however much they agree: five blocks are what one burst of noise cannot fill.
pub const PAIRS_NEEDED: usize = 10;

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

/// The quiet pairs of one figure of one contest.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which figure.
    pub figure: Figure,
    /// The natural logarithm of head over base, for each pair.
    pub logs: Vec<f64>,
}

/// What may be said of one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Head over base, from all pairs; none without any.
    pub shift: Option<Shift>,
    /// How likely equals are so far apart, corrected for everything that is compared.
    pub corrected_p_value: f64,
    /// The smallest difference that would have been seen in four of five comparisons, as a share.
    pub detectable: Option<f64>,
    /// The difference that has to be one that would have been seen before it is said that there is none, as a share.
    pub resolution: f64,
    /// What may be said.
    pub verdict: Verdict,
    /// Why nothing may.
    pub why: Option<Why>,
}

/// Decides about all samples of a comparison together. `noise` is how far programs are from themselves.
#[must_use]
pub fn decide(samples: &[Sample], noise: &BTreeMap<Figure, TwinNoise>, max_slowdown: f64) -> Vec<Decision> {
    let shifts: Vec<Option<Shift>> = samples.iter().map(|sample| Shift::of_logs(&sample.logs)).collect();
    // One that has no pair yet may have some in the end, and is corrected for from the first.
    let p_values: Vec<f64> = shifts.iter().map(|shift| shift.as_ref().map_or(1.0, Shift::p_value)).collect();
    let corrected = holm(&p_values);
    // The strictest step of the correction is what a difference has to pass that is alone.
    let error = FALSE_ALARMS / samples.len().max(1) as f64;
    samples
        .iter()
        .zip(shifts)
        .zip(corrected)
        .map(|((Sample { figure, .. }, shift), corrected_p_value)| {
            let detectable = shift.as_ref().and_then(|shift| shift.smallest_detectable(error));
            let resolution = figure.resolution(max_slowdown);
            let pairs = shift.as_ref().map_or(0, Shift::pairs);
            let floor = noise.get(figure).and_then(TwinNoise::floor).map_or(0.0, |floor| floor.mean_of(pairs.max(1)));
            let mut decision =
                Decision { shift, corrected_p_value, detectable, resolution, verdict: Verdict::Undecided, why: None };
            decision.conclude(*figure, floor);
            decision
        })
        .collect()
}

impl Decision {
    fn conclude(&mut self, figure: Figure, floor: f64) {
        let Some(shift) = self.shift.as_ref().filter(|shift| shift.pairs() >= PAIRS_NEEDED) else {
            self.why = Some(Why::FewPairs);
            return;
        };
        let is_seen = self.corrected_p_value < FALSE_ALARMS;
        let is_narrow = self.detectable.is_some_and(|detectable| detectable <= self.resolution);
        if is_seen && shift.log().abs() >= floor.ln_1p() {
            let is_slower = figure.slowdown(shift.ratio()) > 0.0;
            self.verdict = if is_slower { Verdict::Slower } else { Verdict::Faster };
        } else if is_narrow && (!is_seen || floor <= self.resolution) {
            self.verdict = Verdict::NoDifference;
        } else {
            self.why = Some(if is_seen { Why::BelowNoise { floor } } else { Why::TooWide });
        }
    }

    /// Whether more pairs would help: there are fewer than are needed, or a difference that matters might be missed. It goes
    /// by the spread of the pairs alone and never by what they show.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        let pairs = self.shift.as_ref().map_or(0, Shift::pairs);
        pairs < PAIRS_NEEDED || self.detectable.is_none_or(|detectable| detectable > self.resolution)
    }
}
