//! The arithmetic of few repeats. It knows nothing of servers.
//!
//! - [`paired_ratio`]: how many times as much, with its interval, its p-value, and what would have been seen;
//! - [`Shift`]: the same where a coin said who of two went first, robust against wild rounds;
//! - [`Unpaired`]: the same for rounds that are no pairs;
//! - [`holm`]: the correction for many comparisons;
//! - [`groups`]: who cannot be told apart from the best;
//! - [`TwinNoise`]: how far an A/A control differs from what it repeats;
//! - [`Course`]: where the level of a long series changes to stay changed, seen as one of a [`Family`];
//! - [`binomial`]: the bound of a rate that was counted;
//! - [`median`] and [`geometric_mean`].

pub mod binomial;
mod bootstrap;
mod family;
mod groups;
mod holm;
mod median;
mod moments;
mod noise;
mod power;
mod ratio;
mod scan;
mod signed_rank;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod step_simulation;
mod steps;
mod student;
mod welch;

pub use family::Family;
pub use groups::{Better, Comparison, Place, groups, groups_in_order, weight};
pub use holm::holm;
pub use median::median;
pub use noise::{NoiseFloor, PAIRS_NEEDED, TwinNoise};
pub(crate) use ratio::log_ratios;
pub use ratio::{BOOTSTRAP_FROM, Ratio, paired_ratio};
pub use signed_rank::Shift;
pub use steps::{Course, FALSE_ALARMS, FEWEST_FIGURES, Level, Step, smallest_step};
pub use welch::Unpaired;

/// How often an interval may miss the truth, and a pair of equals be called different.
pub const SIGNIFICANCE: f64 = 0.05;

/// The geometric mean of those values that are positive numbers; none without any.
#[must_use]
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let logs: Vec<f64> = values.iter().filter(|value| ratio::is_usable(**value)).map(|value| value.ln()).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

/// Half the width of the 95 % interval of a mean of so many rounds with this standard error, by Student's t; none of one round.
#[must_use]
pub fn half_width(standard_error: f64, rounds: usize) -> Option<f64> {
    let degrees = rounds.checked_sub(1).filter(|degrees| *degrees > 0)?;
    Some(student::quantile(SIGNIFICANCE, degrees) * standard_error)
}
