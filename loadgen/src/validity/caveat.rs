//! What changes the meaning of an outcome without spoiling it, in sentences.

use std::fmt;

use super::quiet::{QuietTime, STEAL_LIMIT};
use crate::words::{count, duration, figure, percent, plural};
use crate::{Outcome, Shape};

/// A thread that runs, or is ready to run, for less than this share of its time has time to spare: it was not the
/// limit, whatever the ceiling may be.
pub const SPARE_BELOW: f64 = 0.5;

/// What changes the meaning of an outcome without spoiling it. Its text is one sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Caveat {
    /// The generator and not the server limited the rate of a closed loop.
    GeneratorLimit {
        /// Complete responses per second: a lower bound.
        responses_per_second: f64,
        /// The share of its wall time that the busiest client thread spent on a CPU, from 0 to 1.
        busiest_thread: f64,
        /// The share of the generator's ceiling that was reached, if that is known.
        ceiling_share: Option<f64>,
    },
    /// The client threads were busy, and the ceiling of a run like this one is not known.
    CeilingUnknown {
        /// The share of its wall time that the busiest client thread ran or was ready to, from 0 to 1.
        ready_share: f64,
    },
    /// The run was stopped before its time.
    StoppedEarly {
        /// How long was measured, in nanoseconds.
        elapsed_ns: u64,
        /// How long was to be measured, in nanoseconds.
        planned_ns: u64,
    },
    /// Some windows had too much steal, but enough had not.
    WindowsSetAside {
        /// How many had too much.
        noisy: u64,
        /// Windows in all.
        windows: u64,
        /// Complete responses per second in the others.
        responses_per_second: f64,
    },
    /// The kernel told no steal.
    StealUnknown {
        /// For how many windows.
        unknown: u64,
        /// Windows in all.
        windows: u64,
    },
    /// Bytes were to be compared and none were.
    NoBodyCompared,
    /// The client read slowly on purpose.
    SlowRead {
        /// How fast at most on each connection, in bytes per second.
        bytes_per_second: u64,
    },
    /// The latency is that of a closed loop.
    ClosedLoop,
}

impl fmt::Display for Caveat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GeneratorLimit { responses_per_second, busiest_thread, ceiling_share } => {
                write!(
                    out,
                    "The generator was the limit, its busiest thread ran {} of the time",
                    percent(*busiest_thread)
                )?;
                if let Some(share) = ceiling_share {
                    write!(out, " and it reached {} of its ceiling", percent(*share))?;
                }
                write!(
                    out,
                    ": the server can do at least {} responses per second, maybe more; compare its CPU per response, \
                     or give the generator more threads and CPUs.",
                    figure(*responses_per_second),
                )
            }
            Self::CeilingUnknown { ready_share } => write!(
                out,
                "A client thread was busy {} of the time, and nobody measured what the generator can do at best: \
                 let loadgen --calibrate do so, with the same -c and -t, before taking this for the server's limit.",
                percent(*ready_share),
            ),
            Self::StoppedEarly { elapsed_ns, planned_ns } => write!(
                out,
                "The run was stopped before its time: {} of {} were measured.",
                duration(*elapsed_ns),
                duration(*planned_ns),
            ),
            Self::WindowsSetAside { noisy, windows, responses_per_second } => write!(
                out,
                "{} of {} had more than {} steal; without them there were {} responses per second.",
                count(*noisy),
                plural(*windows, "window"),
                percent(STEAL_LIMIT),
                figure(*responses_per_second),
            ),
            Self::StealUnknown { unknown, windows } => write!(
                out,
                "The kernel told no steal for {} of {}, so nobody knows how noisy the machine was.",
                count(*unknown),
                plural(*windows, "window"),
            ),
            Self::NoBodyCompared => {
                out.write_str("No body was compared: raise the share that is, measure longer, or ask with GET.")
            }
            Self::SlowRead { bytes_per_second } => write!(
                out,
                "The client read at most {} per second on each connection, on purpose: this shows how the server bears \
                 slow readers, neither its capacity nor its latency.",
                plural(*bytes_per_second, "byte"),
            ),
            Self::ClosedLoop => out.write_str(
                "The latency is that of a closed loop, mostly connections / throughput: for what users would feel, \
                 offer a rate below what the server can do.",
            ),
        }
    }
}

/// What changes the meaning of this outcome, the weightiest first.
#[must_use]
pub fn caveats(outcome: &Outcome) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    caveats.extend(limit(outcome));
    if outcome.stopped_early && outcome.responses > 0 {
        let planned_ns = u64::try_from(outcome.plan.duration().as_nanos()).unwrap_or(u64::MAX);
        caveats.push(Caveat::StoppedEarly { elapsed_ns: outcome.elapsed_ns, planned_ns });
    }
    let quiet = QuietTime::of(outcome);
    if quiet.noisy > 0 && quiet.suffices() {
        let responses_per_second = quiet.responses_per_second();
        caveats.push(Caveat::WindowsSetAside { noisy: quiet.noisy, windows: quiet.windows, responses_per_second });
    }
    // A sum has no CPUs of its own; each of its parts was judged by itself.
    if quiet.unknown > 0 && outcome.generators == 1 {
        caveats.push(Caveat::StealUnknown { unknown: quiet.unknown, windows: quiet.windows });
    }
    let comparable = outcome.as_expected();
    if outcome.plan.expect.body.is_some() && outcome.unexpected.bodies_compared == 0 && comparable > 0 {
        caveats.push(Caveat::NoBodyCompared);
    }
    if let Some(bytes_per_second) = outcome.plan.slow_read {
        caveats.push(Caveat::SlowRead { bytes_per_second });
    } else if outcome.plan.load.offered().is_none() && outcome.responses > 0 {
        caveats.push(Caveat::ClosedLoop);
    }
    caveats
}

/// Whether the generator was the limit, or may have been and nobody knows.
fn limit(outcome: &Outcome) -> Option<Caveat> {
    let ceiling_share = ceiling_share(outcome);
    if outcome.generator_was_the_limit() {
        return Some(Caveat::GeneratorLimit {
            responses_per_second: outcome.responses_per_second(),
            busiest_thread: outcome.busiest_thread(),
            ceiling_share,
        });
    }
    let is_capacity = outcome.plan.load.offered().is_none() && outcome.plan.slow_read.is_none();
    let ready = outcome.threads.iter().filter(|thread| thread.wall_ns > 0);
    let ready_share =
        ready.map(|thread| (thread.cpu_ns + thread.waited_ns) as f64 / thread.wall_ns as f64).fold(0.0, f64::max);
    (is_capacity && ceiling_share.is_none() && ready_share >= SPARE_BELOW)
        .then_some(Caveat::CeilingUnknown { ready_share: ready_share.min(1.0) })
}

/// The share of the generator's ceiling that this run reached; `None` where the ceiling of such runs is not known.
pub(crate) fn ceiling_share(outcome: &Outcome) -> Option<f64> {
    let ceiling = outcome.ceiling.as_ref().filter(|ceiling| ceiling.shape == Shape::of(&outcome.plan))?;
    (ceiling.responses_per_second > 0.0).then(|| outcome.responses_per_second() / ceiling.responses_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validity::complaints;
    use crate::validity::tests::{SECOND, closed};
    use crate::{Ceiling, ExpectedBody, Load, Offered};

    #[test]
    fn the_generator_as_the_limit_is_a_lower_bound() {
        let mut outcome = closed();
        outcome.threads[0].cpu_ns = SECOND * 97 / 100;
        let limit = Caveat::GeneratorLimit { responses_per_second: 990.0, busiest_thread: 0.97, ceiling_share: None };
        assert_eq!(caveats(&outcome), [limit, Caveat::ClosedLoop]);
        outcome.threads[0].cpu_ns = SECOND / 10;
        let shape = Shape::of(&outcome.plan);
        outcome.ceiling = Some(Ceiling { responses_per_second: 1_000.0, cpu_ns_per_response: 1.0, shape });
        assert_eq!(
            caveats(&outcome)[0].to_string(),
            "The generator was the limit, its busiest thread ran 10 % of the time and it reached 99 % of its ceiling: \
             the server can do at least 990 responses per second, maybe more; compare its CPU per response, or give \
             the generator more threads and CPUs."
        );
        assert_eq!(complaints(&outcome), []);
    }

    #[test]
    fn a_ceiling_is_missed_where_it_would_tell_something() {
        let mut outcome = closed();
        assert_eq!(caveats(&outcome), [Caveat::ClosedLoop], "there was time to spare");
        outcome.threads[0].cpu_ns = SECOND * 6 / 10;
        let unknown = Caveat::CeilingUnknown { ready_share: 0.6 };
        assert_eq!(caveats(&outcome), [unknown.clone(), Caveat::ClosedLoop]);
        let mut shape = Shape::of(&outcome.plan);
        outcome.ceiling =
            Some(Ceiling { responses_per_second: 5_000.0, cpu_ns_per_response: 1.0, shape: shape.clone() });
        assert_eq!(caveats(&outcome), [Caveat::ClosedLoop]);
        shape.threads += 1;
        outcome.ceiling = Some(Ceiling { responses_per_second: 5_000.0, cpu_ns_per_response: 1.0, shape });
        assert_eq!(caveats(&outcome), [unknown, Caveat::ClosedLoop], "that of another kind of run");
        outcome.plan.load = Load::Open(Offered::steady(1_000.0));
        assert_eq!(caveats(&outcome), []);
    }

    #[test]
    fn conditions_that_change_the_meaning_are_told() {
        let mut outcome = closed();
        (outcome.stopped_early, outcome.plan.slow_read) = (true, Some(1_000));
        (outcome.plan.duration_ms, outcome.plan.expect.body) = (10_000, Some(ExpectedBody::LikeFirst));
        outcome.windows[3].steal_ns = None;
        let sentences: Vec<String> = caveats(&outcome).iter().map(ToString::to_string).collect();
        let expected = [
            "The run was stopped before its time: 1 s of 10 s were measured.",
            "The kernel told no steal for 1 of 10 windows, so nobody knows how noisy the machine was.",
            "No body was compared: raise the share that is, measure longer, or ask with GET.",
            "The client read at most 1,000 bytes per second on each connection, on purpose: this shows how the server \
             bears slow readers, neither its capacity nor its latency.",
        ];
        assert_eq!(sentences, expected);
        assert_eq!(complaints(&outcome), []);
    }
}
