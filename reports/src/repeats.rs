//! Which trials are repeated: those of rows with excluded rounds, and of the other rows of their tables beside them.
//!
//! What is repeated depends on the rounds that are excluded, and rounds are excluded for what the machine or the load generator
//! did ([`round_exclusion`](crate::round_exclusion)). No answer of a server and no figure of it decides on a repeat, nor on which
//! rows are measured beside the repeated ones: that are all of the table.

use crate::failure::Failure;
use crate::figures::Figures;
use crate::record::{Measurement, Run};

/// The measurements that have fewer rounds than the run planned, because rounds are excluded or the machine was too busy to
/// measure a capacity, by their place: first those of which no round counts, then the others, both in the given order.
#[must_use]
pub fn lacking(run: &Run, order: &[usize]) -> Vec<usize> {
    let of = |place: &usize| run.measurements.get(*place).map(Rounds::of);
    let is_lacking = |rounds: &Rounds| rounds.lost > 0 && rounds.all - rounds.lost < run.rounds_planned as usize;
    let mut lacking: Vec<usize> =
        order.iter().copied().filter(|place| of(place).is_some_and(|rounds| is_lacking(&rounds))).collect();
    // Stable: within both parts the given order stays.
    lacking.sort_by_key(|place| of(place).is_some_and(|rounds| rounds.all > rounds.lost));
    lacking
}

/// The measurements that are to be measured in this round beside those that were `lacking`, so that both have a pair, by their
/// place in the given order: all others of their tables, where a repeated trial of the table counts. Those that have a trial of
/// this round already are left out.
#[must_use]
pub fn beside(run: &Run, order: &[usize], round: u32, lacking: &[usize]) -> Vec<usize> {
    let table = |place: usize| run.measurements.get(place).map(|one| (one.part.as_str(), one.workload_hash.as_str()));
    let counts = |place: usize| {
        let counted =
            |one: &Measurement| Figures::of(one).rounds.iter().any(|taken| taken.index == round && taken.counts());
        run.measurements.get(place).is_some_and(counted)
    };
    let tables: Vec<_> = lacking.iter().copied().filter(|place| counts(*place)).filter_map(table).collect();
    let is_beside =
        |place: &usize| table(*place).is_some_and(|of| tables.contains(&of)) && !is_taken(run, *place, round);
    order.iter().copied().filter(is_beside).collect()
}

/// Whether a measurement has a trial of this round.
#[must_use]
pub fn is_taken(run: &Run, place: usize, round: u32) -> bool {
    run.measurements.get(place).is_some_and(|one| one.rounds.iter().any(|taken| taken.index == round))
}

/// How many rounds a measurement has, and how many of them are lost through no fault of its server.
struct Rounds {
    all: usize,
    lost: usize,
}

impl Rounds {
    fn of(measurement: &Measurement) -> Self {
        let figures = Figures::of(measurement);
        let without_capacity = |failure: &Option<Failure>| *failure == Some(Failure::NoCapacity);
        let without_capacity = measurement.rounds.iter().filter(|round| without_capacity(&round.failure)).count();
        let lost = figures.rounds.len() - figures.counted_rounds() + without_capacity;
        Self { all: measurement.rounds.len(), lost }
    }
}
