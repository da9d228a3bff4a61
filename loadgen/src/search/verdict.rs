//! What a search came to.

use serde::{Deserialize, Serialize};

/// What a search came to. Rates are in requests per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The highest rate at which the objective was kept, as often as it was asked to be.
    Found {
        /// The rate.
        rate: f64,
        /// The lowest rate at which the objective was missed. A steady server's limit lies between the two, which are
        /// as near to each other as the resolution says, or further apart where the probes were spent. `None` where the
        /// objective was missed nowhere: at the highest rate there is, or when the probes were spent.
        missed_at: Option<f64>,
        /// How often the objective was kept at this rate after the first time.
        confirmations: u32,
    },
    /// The objective was missed at every rate down to the lowest.
    None {
        /// The lowest rate that was tried.
        lowest_tried: f64,
    },
    /// The objective was kept at this rate, as often as it was asked to be, and the generator could not offer a higher
    /// one. Nothing is known of the server's limit but that it is not lower.
    AtLeast {
        /// The rate.
        rate: f64,
        /// What stood in the way of a higher one.
        why: GeneratorLimit,
    },
    /// No rate can be named.
    Undecided {
        /// Why not.
        why: Doubt,
        /// The highest rate at which the objective was kept and never missed, there or at a lower rate, though not as
        /// often as it was asked to be.
        kept_at: Option<f64>,
        /// The lowest rate at which the objective was missed.
        missed_at: Option<f64>,
    },
}

/// The generator did not keep its own schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratorLimit {
    /// The lowest rate at which it did not, in requests per second.
    pub not_offered: f64,
}

/// Why a search named no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// One and the same probe was disturbed [`DISTURBED_IN_A_ROW`](crate::Search::DISTURBED_IN_A_ROW) times.
    Disturbed,
    /// There were [`MOST_PROBES`](crate::Search::MOST_PROBES) probes, and no rate was kept often enough.
    ProbesSpent,
    /// The generator could not offer any rate at which the objective was not missed.
    NothingOffered,
}
