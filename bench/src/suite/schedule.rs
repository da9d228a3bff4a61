//! How often and how long, for each of the forms in which a suite is run.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::workload::Load;
use crate::duration::Span;

/// How often and how long. A shorter form may leave servers, worker counts and loads out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Passes over all measurements; as part of an experiment, a suite has the experiment's.
    #[serde(default = "three")]
    pub rounds: NonZeroU32,
    /// Measured time of one measurement in one round.
    #[serde(deserialize_with = "not_nothing")]
    pub duration: Span,
    /// Load before it that is not measured.
    pub warm_up: Span,
    /// Time for further turns of what was too noisy to be ranked.
    #[serde(default = "no_time")]
    pub patience: Span,
    /// The servers of this form, where they are not the suite's.
    #[serde(default)]
    pub servers: Option<Vec<String>>,
    /// The worker counts of this form, of those that the configurations have.
    #[serde(default)]
    pub workers: Option<Vec<NonZeroU32>>,
    /// The loads of this form, where they are not the suite's.
    #[serde(default)]
    pub loads: Option<Vec<Load>>,
}

/// In which form a suite is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As it was meant: `[schedule]`.
    #[default]
    Whole,
    /// As part of the experiment that `bench all` is: `[short]`.
    Short,
    /// In miniature, to see whether everything works: `[quick]`.
    Quick,
}

impl Schedule {
    /// A schedule for trying a suite out.
    pub(super) fn miniature() -> Self {
        let milliseconds = |count| Span(Duration::from_millis(count));
        Self {
            rounds: NonZeroU32::MIN,
            duration: milliseconds(2000),
            warm_up: milliseconds(300),
            patience: no_time(),
            servers: None,
            workers: None,
            loads: None,
        }
    }
}

fn three() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(2)
}

fn no_time() -> Span {
    Span(Duration::ZERO)
}

fn not_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span.0.is_zero() {
        Err(serde::de::Error::custom("a measurement of no length measures nothing"))
    } else {
        Ok(span)
    }
}
