//! Generators that drew the same chance.

use crate::Outcome;

/// The positions of the first two outcomes whose plans have the same seed, where that decides when or what was asked for
/// ([`Plan::depends_on_seed`](crate::Plan::depends_on_seed)): their requests came in bursts, or for the same paths at the
/// same moments, and both are one sample. Seeds of the outcomes that make up a sum are not looked at.
#[must_use]
pub fn equal_seeds(outcomes: &[Outcome]) -> Option<(usize, usize)> {
    outcomes.iter().enumerate().find_map(|(second, later)| {
        let is_same = |earlier: &Outcome| earlier.plan.seed == later.plan.seed && later.plan.depends_on_seed();
        Some((outcomes[..second].iter().position(is_same)?, second))
    })
}
