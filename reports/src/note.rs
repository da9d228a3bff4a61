//! What a reader should know beside the figures, in sentences.

use std::fmt;

use crate::cpu_rules::{self, Idle, Wait};
use crate::failure::Failure;
use crate::figures::Figures;
use crate::record::Measurement;
use crate::round_exclusion::RoundExclusion;
use crate::steal::STEAL_LIMIT;
use crate::validity::{GENERATOR_BUSY, IDLE_BELOW, SERVER_BUSY};
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
        /// How busy they were, and why they waited.
        idle: Idle,
    },
    /// Windows were excluded for their steal.
    WindowsSetAside {
        /// How many.
        set_aside: u64,
        /// Of how many.
        windows: u64,
    },
    /// Rounds do not count.
    RoundsExcluded {
        /// How many.
        excluded: usize,
        /// Of how many.
        rounds: usize,
        /// Why.
        why: RoundExclusion,
    },
    /// The kernel did not tell of steal, so nobody knows how noisy it was.
    StealUnknown,
    /// The server reads its files once, as its entry among the servers says.
    Preloads,
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

/// Everything that a reader should know beside the figures of this measurement.
pub(crate) fn notes(measurement: &Measurement, figures: &Figures) -> Vec<Note> {
    let mut notes = Vec::new();
    notes.extend(who_was_the_limit(measurement, figures));
    notes.extend(measurement.server.preloads.then_some(Note::Preloads));
    let quiet = &figures.quiet;
    if quiet.set_aside > 0 {
        notes.push(Note::WindowsSetAside { set_aside: quiet.set_aside, windows: quiet.windows });
    }
    // A measurement of which no round counts says so as a reason.
    if figures.counted_rounds() > 0 {
        let rounds = figures.rounds.len();
        let excluded = RoundExclusion::ALL.map(|why| (figures.excluded_for(why), why)).into_iter();
        notes.extend(excluded.filter(|(number, _)| *number > 0).map(|(excluded, why)| Note::RoundsExcluded {
            excluded,
            rounds,
            why,
        }));
    }
    if quiet.unknown > 0 {
        notes.push(Note::StealUnknown);
    }
    for round in &measurement.rounds {
        if let Some(Failure::NotStopped { waited_seconds }) = round.failure {
            notes.push(Note::Killed { waited_seconds });
            break;
        }
    }
    if measurement.rounds.iter().filter_map(|round| round.outcome.as_ref()).any(|outcome| outcome.stopped_early) {
        notes.push(Note::StoppedEarly { measured_seconds: figures.measured_seconds });
    }
    notes
}

/// Whether the client was busy all the time while the server was not, or neither was. On shared CPUs nobody can tell.
fn who_was_the_limit(measurement: &Measurement, figures: &Figures) -> Option<Note> {
    if measurement.placement.is_shared() || measurement.workload.arrival.is_open() {
        return None;
    }
    let generator = figures.generator_utilisation?;
    let server = server_load(measurement, figures);
    match server {
        Some(server) if server >= SERVER_BUSY => None,
        _ if generator >= GENERATOR_BUSY => Some(Note::GeneratorAtCeiling { generator, server }),
        // Where no round counts, the reason says what held them up.
        _ if figures.counted_rounds() == 0 => None,
        // Where answers have to wait, nobody is expected to be busy.
        _ if measurement.workload.delay_seconds.is_some() => None,
        // Where they were idle most of the time, the measurement is not ranked for it.
        _ if cpu_rules::both_idle(measurement, figures).is_some() => None,
        Some(server) if server < IDLE_BELOW && generator < IDLE_BELOW => {
            let (wait, others) = (Wait::of(measurement, figures), cpu_rules::others_that_matter(measurement, figures));
            Some(Note::NeitherBusy { idle: Idle { generator, server, wait, others } })
        }
        _ => None,
    }
}

/// How busy the server was, as a share of what its workers could have used: one worker on four CPUs is fully busy at
/// a quarter of them.
fn server_load(measurement: &Measurement, figures: &Figures) -> Option<f64> {
    let cpus = measurement.placement.server_cpus.len() as f64;
    let usable = measurement.configuration.workers.map_or(cpus, |workers| cpus.min(f64::from(workers)));
    let utilisation = figures.server_utilisation?;
    (usable > 0.0).then(|| (utilisation * cpus / usable).min(1.0))
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
            Self::NeitherBusy { idle } => write!(out, "Neither side was at its limit: {idle}"),
            Self::WindowsSetAside { set_aside, windows } => write!(
                out,
                "{} of {} had more than {} steal and {} excluded.",
                words::count(*set_aside),
                words::plural(*windows, "window"),
                words::percent(STEAL_LIMIT),
                if *set_aside == 1 { "was" } else { "were" },
            ),
            Self::RoundsExcluded { excluded, rounds, why } => write!(
                out,
                "{excluded} of {rounds} rounds {} excluded from all figures, because {why}.",
                if *excluded == 1 { "is" } else { "are" },
            ),
            Self::StealUnknown => {
                out.write_str("The kernel told no steal for some windows, so nobody knows how noisy they were.")
            }
            Self::Preloads => out.write_str(
                "It preloads its files: it does not look whether they have changed, which other servers pay for.",
            ),
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
