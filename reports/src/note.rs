//! What a reader should know beside the figures, in sentences.

use std::fmt;

use crate::figures::{OTHERS_LIMIT, THROTTLED_LIMIT};
use crate::steal::STEAL_LIMIT;
use crate::words;

/// What a reader should know beside the figures; it excludes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The load generator was the limit.
    GeneratorAtCeiling {
        /// How busy its busiest thread was.
        generator: f64,
        /// How busy the server was, where that is known.
        server: Option<f64>,
    },
    /// Neither the server nor the load generator was busy, though the next request never waits in a closed loop.
    NeitherBusy {
        /// How busy the generator's busiest thread was.
        generator: f64,
        /// How busy the server was.
        server: f64,
    },
    /// Windows were set aside for their steal.
    WindowsSetAside {
        /// How many.
        set_aside: u64,
        /// Of how many.
        windows: u64,
    },
    /// Rounds were set aside, because other processes were at work.
    RoundsSetAside {
        /// How many.
        set_aside: usize,
        /// Of how many.
        rounds: usize,
    },
    /// Rounds were set aside, because a quota kept the CPUs back.
    RoundsThrottled {
        /// How many.
        set_aside: usize,
        /// Of how many.
        rounds: usize,
    },
    /// The kernel did not tell of steal, so nobody knows how noisy it was.
    StealUnknown,
    /// The server had to be killed after a round.
    Killed {
        /// How long it was waited for, in seconds.
        waited_seconds: f64,
    },
    /// A round was stopped before its time.
    StoppedEarly {
        /// Measured time in all, in seconds.
        measured_seconds: f64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GeneratorAtCeiling { generator, server } => {
                write!(
                    out,
                    "The load generator was the limit: it was busy {} of its time",
                    words::percent(*generator)
                )?;
                if let Some(server) = server {
                    write!(out, ", the server {}", words::percent(*server))?;
                }
                out.write_str(". Requests per second are a lower bound; compare the server's CPU per request.")
            }
            Self::NeitherBusy { generator, server } => write!(
                out,
                "Neither side was at its limit: the server was busy {} of its time, the load generator {}. Unless it was \
                 meant to wait, stop what else runs on these CPUs.",
                words::percent(*server),
                words::percent(*generator),
            ),
            Self::WindowsSetAside { set_aside, windows } => write!(
                out,
                "{} of {} had more than {} steal and were set aside.",
                words::count(*set_aside),
                words::plural(*windows, "window"),
                words::percent(STEAL_LIMIT),
            ),
            Self::RoundsSetAside { set_aside, rounds } => write!(
                out,
                "{set_aside} of {rounds} rounds had other processes on more than {} of the CPUs and were set aside.",
                words::percent(OTHERS_LIMIT),
            ),
            Self::RoundsThrottled { set_aside, rounds } => write!(
                out,
                "In {set_aside} of {rounds} rounds a quota kept back more than {} of the time, and they were set aside.",
                words::percent(THROTTLED_LIMIT),
            ),
            Self::StealUnknown => {
                out.write_str("The kernel told no steal for some windows, so nobody knows how noisy they were.")
            }
            Self::Killed { waited_seconds } => write!(
                out,
                "The server did not end within {} of being told to, and was killed after the measuring.",
                words::seconds(*waited_seconds),
            ),
            Self::StoppedEarly { measured_seconds } => write!(
                out,
                "A round was stopped before its time; {} were measured in all.",
                words::seconds(*measured_seconds),
            ),
        }
    }
}
