//! Which rounds of a measurement do not count, and why.
//!
//! A round is excluded only for what the machine or the load generator did, never for what the server did: to leave out rounds
//! in which a server was slow would be to select by the result.

use std::fmt;

use loadgen::Outcome;
use loadgen::validity::{Complaint, LAG_SHARE, complaints};

use crate::figures::{OTHERS_LIMIT, THROTTLED_LIMIT};
use crate::record::Placement;
use crate::steal::{QUIET_SHARE_NEEDED, QuietTime, STEAL_LIMIT};
use crate::words;

/// Why a round does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoundExclusion {
    /// Other processes took more than [`OTHERS_LIMIT`] of the server's or of the client's CPUs.
    OtherProcesses,
    /// A quota kept back more than [`THROTTLED_LIMIT`] of the CPU time.
    Quota,
    /// Too few windows without much steal; of an open loop, any window with much.
    Steal,
    /// The load generator was late for its own schedule, and that is a part of the latency.
    LateGenerator,
}

impl RoundExclusion {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 4] = [Self::OtherProcesses, Self::Quota, Self::Steal, Self::LateGenerator];

    /// Judges a round by the share of the CPUs that other processes took and that a quota kept back, where they are known, and
    /// by its windows.
    pub(crate) fn of(
        outcome: &Outcome,
        placement: &Placement,
        is_open: bool,
        quiet: &QuietTime,
        others: Option<f64>,
        throttled: Option<f64>,
    ) -> Option<Self> {
        // Capacity is taken from quiet windows, but a percentile cannot be parted into windows.
        let is_stolen = if is_open { quiet.set_aside > 0 } else { !quiet.suffices() };
        if others.is_some_and(|share| share > OTHERS_LIMIT) {
            Some(Self::OtherProcesses)
        } else if throttled.is_some_and(|share| share > THROTTLED_LIMIT) {
            Some(Self::Quota)
        } else if is_stolen {
            Some(Self::Steal)
        } else {
            (is_open && !placement.is_shared() && lateness(outcome).is_some()).then_some(Self::LateGenerator)
        }
    }

    /// The cause in a word or three, for a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::OtherProcesses => "other processes",
            Self::Quota => "a quota",
            Self::Steal => "steal",
            Self::LateGenerator => "a late generator",
        }
    }
}

/// What happened, as a clause: `other processes took more than 10 % of the CPUs`.
impl fmt::Display for RoundExclusion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProcesses => {
                write!(out, "other processes took more than {} of the CPUs", words::percent(OTHERS_LIMIT))
            }
            Self::Quota => write!(out, "a quota kept back more than {} of the time", words::percent(THROTTLED_LIMIT)),
            Self::Steal => write!(
                out,
                "too much of the time was stolen (more than {} of a window, in more than {} of a closed loop's windows or in any \
                 of an open loop's)",
                words::percent(STEAL_LIMIT),
                words::percent(1.0 - QUIET_SHARE_NEEDED),
            ),
            Self::LateGenerator => out.write_str("the load generator was late for its own schedule"),
        }
    }
}

/// The generator's complaint of its own lateness, where it was a part of the latency that is ranked.
///
/// A request is late by the time after it was due and a connection was free, so no server that runs on CPUs of its own can make
/// it late by being slow. One that answers a thousand requests at once after a pause keeps the generator busy for a moment, but
/// then the pause is the latency and the lateness is small beside it: what is below a tenth of the p99 ([`LAG_SHARE`]) excludes
/// nothing. On shared CPUs the server takes the generator's time, so lateness there excludes no round, either.
pub(crate) fn lateness(outcome: &Outcome) -> Option<Complaint> {
    let p99 = outcome.latency.percentile(99.0)? as f64;
    let matters =
        |complaint: &Complaint| matches!(complaint, Complaint::Late { lag_ns, .. } if *lag_ns as f64 > LAG_SHARE * p99);
    complaints(outcome).into_iter().find(matters)
}
