//! The search for the highest rate that keeps an objective, as a pure state machine: results in, rates out.
//!
//! There is no socket and no clock in it. Its driver
//!
//! 1. asks [`Search::next`] what to do;
//! 2. offers that rate in an open loop for as long as it takes to judge the latency, and reports what came of it to
//!    [`Search::report`];
//! 3. goes on until there is a [`Verdict`].
//!
//! An objective that is kept at one rate is expected to be kept at all lower ones. As machines are noisy, the search
//! does not believe in a rate before it was kept several times, while one miss is enough to give it up: where it errs,
//! it names a rate that is too low. Of simulated searches on a server that stumbles by accident in one probe of fifty,
//! some 4 % end more than 3 % below the limit. A driver that knows of an accident should report the probe as disturbed,
//! by signs other than the latency: one that only doubts its misses makes the rate too high.

mod rung;
mod verdict;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use rung::Rung;
pub use verdict::{Doubt, GeneratorLimit, Verdict};

/// The first step up or down from where the search starts, as a factor. What a server carries in a closed loop is
/// often not twice what it carries within an objective.
const FIRST_STRIDE: f64 = 2.0;
/// The widest step, as a factor. A server that is asked for many times what it can do may take long to recover, and
/// what it does in the next probe would tell of this one.
const WIDEST_STRIDE: f64 = 8.0;
/// The finest resolution, which is that of the rates themselves at best.
const FINEST: f64 = 0.001;
/// The coarsest resolution.
const COARSEST: f64 = 1.0;

/// Finds the highest rate of an open loop that keeps an objective.
///
/// It brackets first: from the start it goes up while the objective is kept, or down while it is missed, by factors
/// from 2 to 8. Then it tries the geometric mean between the highest rate that was kept and the lowest that was missed
/// until they are as near to each other as the resolution says. Then it asks for the highest rate that was kept again.
/// If that is missed once, it is given up, and the search goes on below: between this rate and the highest of the lower
/// ones that were kept, or, where there is none, by steps down that begin small.
///
/// Rates have three significant digits and lie between 1 and 1,000,000,000 requests per second.
///
/// ```
/// use loadgen::{ProbeResult, Search, Step, Verdict};
///
/// let mut search = Search::new(50_000.0, 0.02, 2);
/// let verdict = loop {
///     match search.next() {
///         // A server that keeps its objective up to 31,415 requests per second.
///         Step::Probe { rate, .. } if rate <= 31_415.0 => search.report(ProbeResult::Kept),
///         Step::Probe { .. } => search.report(ProbeResult::Missed),
///         Step::Done(verdict) => break verdict,
///     }
/// };
/// assert_eq!(verdict, Verdict::Found { rate: 31_300.0, missed_at: Some(31_700.0), confirmations: 2 });
/// ```
#[derive(Clone, Debug)]
pub struct Search {
    resolution: f64,
    confirmations: u32,
    start: Rung,
    /// How often each rate was kept, of those that are below every rate that was missed or not offered.
    kept: BTreeMap<Rung, u32>,
    lowest_missed: Option<Rung>,
    lowest_not_offered: Option<Rung>,
    /// The factor of the next step of bracketing.
    stride: f64,
    probes: u32,
    /// How often the probe that is next was disturbed.
    disturbed: u32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Offer this rate and report what came of it.
    Probe {
        /// Requests per second.
        rate: f64,
        /// What for.
        purpose: Purpose,
    },
    /// Nothing: this is what came of it.
    Done(Verdict),
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To have a rate that is kept and one that is not.
    Bracket,
    /// To have them nearer to each other.
    Narrow,
    /// To make sure of the highest rate that was kept.
    Confirm,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// The objective was met.
    Kept,
    /// The objective was not met.
    Missed,
    /// The generator lagged behind its own schedule: this says nothing about the server. No rate from this one on is
    /// asked for again.
    NotOffered,
    /// Something else took the machine, such as another guest of the hypervisor: this says nothing at all. The same
    /// rate is asked for again.
    Disturbed,
}

impl Search {
    /// A search ends with at most so many probes, the disturbed ones included. A steady server needs fewer than half as
    /// many from wherever the search starts.
    pub const MOST_PROBES: u32 = 60;
    /// A search ends when one and the same probe was disturbed so many times in a row.
    pub const DISTURBED_IN_A_ROW: u32 = 3;

    /// A search that begins at the rate `start`, in requests per second: a guess, which costs a few probes for each
    /// order of magnitude by which it is wrong. What the server carries in a closed loop is a good one.
    ///
    /// It ends when the rates between which the limit lies differ by a `resolution`, such as 0.02 for 2 %, or are
    /// next to each other in their three digits, and the lower one was kept `confirmations` times more.
    /// `resolution` is held within 0.001 and 1. More confirmations than there are probes leave every search undecided.
    #[must_use]
    pub fn new(start: f64, resolution: f64, confirmations: u32) -> Self {
        Self {
            resolution: if resolution.is_nan() { FINEST } else { resolution.clamp(FINEST, COARSEST) },
            confirmations,
            start: Rung::nearest(start),
            kept: BTreeMap::new(),
            lowest_missed: None,
            lowest_not_offered: None,
            stride: FIRST_STRIDE,
            probes: 0,
            disturbed: 0,
        }
    }

    /// What to do next: the same until a result is reported.
    #[must_use]
    pub fn next(&self) -> Step {
        match self.aim() {
            ControlFlow::Continue((rung, purpose)) => Step::Probe { rate: rung.rate(), purpose },
            ControlFlow::Break(verdict) => Step::Done(verdict),
        }
    }

    /// Takes in what came of the probe that [`next`](Self::next) asked for. Once there is a verdict, this does nothing.
    pub fn report(&mut self, result: ProbeResult) {
        let ControlFlow::Continue((rung, purpose)) = self.aim() else {
            return;
        };
        let is_first = self.kept.is_empty() && self.bound().is_none();
        self.probes += 1;
        match result {
            ProbeResult::Kept => *self.kept.entry(rung).or_default() += 1,
            ProbeResult::Missed => self.lowest_missed = Some(rung),
            ProbeResult::NotOffered => self.lowest_not_offered = Some(rung),
            ProbeResult::Disturbed => {
                self.disturbed += 1;
                return;
            }
        }
        self.disturbed = 0;
        if result != ProbeResult::Kept {
            self.kept.split_off(&rung);
        }
        self.stride = match purpose {
            Purpose::Bracket if !is_first => (self.stride * self.stride).min(WIDEST_STRIDE),
            // What was kept once and is missed now is not far from the limit.
            Purpose::Confirm => 1.0 + self.resolution,
            Purpose::Bracket | Purpose::Narrow => self.stride,
        };
    }

    /// How many probes were reported, the disturbed ones included; at most [`MOST_PROBES`](Self::MOST_PROBES).
    #[must_use]
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// The rate below which all is to be found: the lowest one that was missed or not offered.
    fn bound(&self) -> Option<Rung> {
        match (self.lowest_missed, self.lowest_not_offered) {
            (Some(missed), Some(not_offered)) => Some(missed.min(not_offered)),
            (missed, not_offered) => missed.or(not_offered),
        }
    }

    fn aim(&self) -> ControlFlow<Verdict, (Rung, Purpose)> {
        if self.disturbed >= Self::DISTURBED_IN_A_ROW {
            return ControlFlow::Break(self.undecided(Doubt::Disturbed));
        }
        let highest_kept = self.kept.last_key_value().map(|(&rung, &times)| (rung, times));
        let next = match (highest_kept, self.bound()) {
            (None, None) => Some((self.start, Purpose::Bracket)),
            (None, Some(bound)) => bound.below(self.stride).map(|rung| (rung, Purpose::Bracket)),
            (Some((kept, _)), None) => kept.above(self.stride).map(|rung| (rung, Purpose::Bracket)),
            (Some((kept, _)), Some(bound)) if bound.rate() <= kept.rate() * (1.0 + self.resolution) => None,
            (Some((kept, _)), Some(bound)) => kept.between(bound).map(|rung| (rung, Purpose::Narrow)),
        };
        let next = match (next, highest_kept) {
            (Some(next), _) => next,
            (None, Some((kept, times))) if times <= self.confirmations => (kept, Purpose::Confirm),
            (None, Some((kept, times))) => return ControlFlow::Break(self.believed(kept, times)),
            (None, None) => return ControlFlow::Break(self.nothing()),
        };
        if self.probes < Self::MOST_PROBES { ControlFlow::Continue(next) } else { ControlFlow::Break(self.spent()) }
    }

    /// The verdict for a rate that was kept often enough.
    fn believed(&self, kept: Rung, times: u32) -> Verdict {
        let rate = kept.rate();
        match self.lowest_not_offered {
            Some(not_offered) if Some(not_offered) == self.bound() => {
                Verdict::AtLeast { rate, why: GeneratorLimit { not_offered: not_offered.rate() } }
            }
            _ => Verdict::Found { rate, missed_at: self.lowest_missed.map(Rung::rate), confirmations: times - 1 },
        }
    }

    /// The verdict when nothing was kept and there is no lower rate.
    fn nothing(&self) -> Verdict {
        match self.lowest_missed {
            Some(missed) if self.bound() == Some(missed) => Verdict::None { lowest_tried: missed.rate() },
            _ => self.undecided(Doubt::NothingOffered),
        }
    }

    /// The verdict when the probes are spent.
    fn spent(&self) -> Verdict {
        let believed = self.kept.iter().rev().find(|&(_, &times)| times > self.confirmations);
        match believed {
            Some((&kept, &times)) => self.believed(kept, times),
            None => self.undecided(Doubt::ProbesSpent),
        }
    }

    fn undecided(&self, why: Doubt) -> Verdict {
        Verdict::Undecided {
            why,
            kept_at: self.kept.last_key_value().map(|(rung, _)| rung.rate()),
            missed_at: self.lowest_missed.map(Rung::rate),
        }
    }
}

#[cfg(test)]
mod tests;
