//! Why an outcome must not be believed, in sentences.

use std::fmt;

use super::quiet::{QUIET_SHARE_NEEDED, STEAL_LIMIT};
use crate::response::HEAD_LIMIT;
use crate::words::{count, duration, figure, part, percent, plural, were};
use crate::{Difference, Errors, ExpectedLength};

/// Why an outcome must not be believed or ranked. Its text is one sentence that says what happened and what to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Complaint {
    /// There was no complete response at all.
    NoResponse {
        /// How long was measured, in nanoseconds.
        elapsed_ns: u64,
        /// Whether the run was stopped before its time.
        stopped_early: bool,
    },
    /// Responses had another status than the expected one.
    UnexpectedStatus {
        /// The status that was due; without one, any below 400.
        expected: Option<u16>,
        /// The others and how many responses had each, the most frequent first.
        found: Vec<(u16, u64)>,
        /// Complete responses in all.
        responses: u64,
        /// What was asked for, in words.
        asked: String,
    },
    /// Responses had a body of another length than the expected one.
    UnexpectedLength {
        /// The length that was due; without one, that of the expected bytes.
        expected: Option<ExpectedLength>,
        /// How many responses had another.
        count: u64,
        /// Complete responses in all.
        responses: u64,
    },
    /// Responses had another Content-Type than the expected one.
    UnexpectedType {
        /// The type that was due.
        expected: String,
        /// How many responses had another, or none.
        count: u64,
        /// Complete responses in all.
        responses: u64,
    },
    /// Bodies had other bytes than the expected ones.
    UnexpectedBody {
        /// How many had.
        count: u64,
        /// How many were compared.
        compared: u64,
        /// Where the first of them differs.
        difference: Option<Difference>,
    },
    /// Responses were cut off, or were not HTTP.
    Broken {
        /// Cut off in the middle.
        truncated: u64,
        /// Not HTTP.
        malformed: u64,
    },
    /// Heads of responses were longer than is read of one.
    LargeHeads {
        /// How many.
        count: u64,
    },
    /// Connections brought bytes that nobody had asked for.
    Surplus {
        /// How many.
        connections: u64,
    },
    /// Requests got no complete response within the plan's time limit.
    TimedOut {
        /// How many.
        count: u64,
        /// Requests in all.
        requests: u64,
        /// The limit in nanoseconds.
        limit_ns: u64,
    },
    /// Connections could not be established.
    NotConnected {
        /// Failed attempts by kind, and nothing else.
        errors: Errors,
        /// Attempts to connect in all.
        attempts: u64,
    },
    /// Requests failed with their connection.
    ConnectionErrors {
        /// Failed requests by kind, and nothing else.
        errors: Errors,
        /// Requests and failed connects in all.
        attempts: u64,
    },
    /// Connections of the plan got no response while others did.
    NeverServed {
        /// How many.
        connections: u64,
        /// Connections in all.
        of: u64,
    },
    /// Idle connections could not be opened, or the server ended them.
    IdleLost {
        /// How many could not be opened.
        not_opened: u64,
        /// How many the server ended.
        ended: u64,
        /// How many there were to be.
        planned: u64,
    },
    /// Requests that were unanswered at the end were far older than those that were answered.
    Stuck {
        /// How many.
        count: u64,
        /// Unanswered requests in all.
        in_flight: u64,
        /// The age of the oldest in nanoseconds.
        oldest_ns: u64,
        /// Within which latency 99.9 % of the responses came, in nanoseconds; `None` if none came.
        usual_ns: Option<u64>,
    },
    /// The generator's own counts do not add up.
    Unaccounted {
        /// Requests sent.
        requests: u64,
        /// Responses, failures and requests in flight together.
        accounted: u64,
    },
    /// The offered load of an open loop was above what was answered.
    Overloaded {
        /// Requests that were due.
        due: u64,
        /// Complete responses.
        responses: u64,
        /// Requests that had found no free connection by the end.
        unsent: u64,
        /// How long the oldest of these was due, in nanoseconds; 0 without any.
        oldest_ns: u64,
    },
    /// The generator did not keep the schedule of an open loop.
    Late {
        /// How much later than they could have been 1 % of the requests were sent at least, in nanoseconds.
        lag_ns: u64,
        /// How much is allowed, in nanoseconds.
        limit_ns: u64,
    },
    /// Too little of the time was without much steal.
    TooNoisy {
        /// The quiet share of the measured time, from 0 to 1.
        quiet_share: f64,
    },
    /// Client threads had to wait for a CPU while something else had it.
    Crowded {
        /// The share of its time that the worst of them waited, from 0 to 1.
        share: f64,
        /// How many threads waited too long.
        threads: u64,
        /// Threads in all.
        of: u64,
    },
    /// The two halves of a closed loop differ.
    HalvesDiffer {
        /// Complete responses per second in the first half.
        first: f64,
        /// And in the second.
        second: f64,
    },
    /// In a closed loop, the durations do not add up to the requests that have to be under way all the time.
    LittlesLaw {
        /// How many they add up to.
        under_way: f64,
        /// How many there have to be.
        expected: u64,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResponse { elapsed_ns, stopped_early: true } => write!(
                out,
                "The run was stopped after {}, before one response had come: let it run longer.",
                duration(*elapsed_ns),
            ),
            Self::NoResponse { elapsed_ns, stopped_early: false } => write!(
                out,
                "Not one response came in {}: ask the server by hand, with curl, and look at what it does.",
                duration(*elapsed_ns),
            ),
            Self::UnexpectedStatus { expected, found, responses, asked } => {
                unexpected_status(out, *expected, found, *responses, asked)
            }
            Self::UnexpectedLength { expected, count: wrong, responses } => {
                write!(out, "{} had a body of another length than ", part(*wrong, *responses, "response"))?;
                match expected {
                    Some(ExpectedLength::Exactly(length)) => write!(out, "the expected {}", plural(*length, "byte"))?,
                    Some(ExpectedLength::LikeFirst) => out.write_str("the first one")?,
                    None => out.write_str("the expected bytes")?,
                }
                out.write_str(": look whether the file changed or the server cuts it off.")
            }
            Self::UnexpectedType { expected, count: wrong, responses } => write!(
                out,
                "{} had another Content-Type than {expected}, or none: look at the headers that curl -i gets, several times, \
                 and at where the server takes the type from.",
                part(*wrong, *responses, "response"),
            ),
            Self::UnexpectedBody { count: wrong, compared, difference } => {
                write!(out, "{} of {} compared bodies had other bytes", count(*wrong), count(*compared))?;
                if let Some(Difference { path, offset, expected, found }) = difference {
                    write!(
                        out,
                        ", the first of {path} at offset {} with 0x{found:02x} instead of 0x{expected:02x}",
                        count(*offset),
                    )?;
                }
                out.write_str(": compare what curl gets with the file, and look whether the server mixes responses up.")
            }
            Self::Broken { truncated, malformed } => write!(
                out,
                "{} cut off and {} not HTTP: the server breaks its responses under load; look at what it says on \
                 standard error.",
                were(*truncated, "response"),
                count(*malformed),
            ),
            Self::LargeHeads { count: large } => write!(
                out,
                "The heads of {} were longer than {} KiB and were not read to their end: look which field of the header the \
                 server makes so long.",
                plural(*large, "response"),
                HEAD_LIMIT / 1024,
            ),
            Self::Surplus { connections } => write!(
                out,
                "{} brought more than was asked for: the server sends more bytes than it announces, or answers twice; \
                 compare the lengths it announces with what it sends.",
                plural(*connections, "connection"),
            ),
            Self::TimedOut { count: late, requests, limit_ns } => write!(
                out,
                "{} of {} got no complete response within {}, and of their latency nothing is known but that it was at \
                 least this: look for what stalls, or allow more time with --timeout.",
                count(*late),
                plural(*requests, "request"),
                duration(*limit_ns),
            ),
            Self::NotConnected { errors, attempts } => {
                let share = share(errors.total(), *attempts);
                write!(out, "{} of the attempts to connect failed ({}): ", percent(share), kinds(errors))?;
                out.write_str(match errors {
                    Errors { connect_other: 1.., refused: 0, connect_timed_out: 0, .. } => {
                        "look at the limits on descriptors and on the client's ports."
                    }
                    _ => "look whether the server still accepts, and at the limit on waiting connections.",
                })
            }
            Self::ConnectionErrors { errors, attempts } => {
                let share = share(errors.total(), *attempts);
                write!(out, "{} of the attempts failed ({}): ", percent(share), kinds(errors))?;
                out.write_str(if errors.closed_early >= errors.reset + errors.write + errors.read_other {
                    "the server closes kept connections while a request is on its way; it has to say so in the \
                     response before."
                } else {
                    "look at what the server says on standard error."
                })
            }
            Self::NeverServed { connections, of } => write!(
                out,
                "{} of {} never served while others were: the server ties its workers to connections; give it as many \
                 workers as connections, or let it share them.",
                count(*connections),
                were(*of, "connection"),
            ),
            Self::IdleLost { not_opened, ended, planned } => write!(
                out,
                "Of {} {} could not be opened and {} ended by the server: look at both sides' limits on descriptors \
                 and connections, and at how long the server lets a connection idle.",
                plural(*planned, "idle connection"),
                count(*not_opened),
                match ended {
                    1 => "1 was".to_owned(),
                    ended => format!("{} were", count(*ended)),
                },
            ),
            Self::Stuck { count: stuck, in_flight, oldest_ns, usual_ns } => {
                write!(
                    out,
                    "{} of {} in flight at the end had waited in vain, the oldest for {}",
                    count(*stuck),
                    plural(*in_flight, "request"),
                    duration(*oldest_ns),
                )?;
                if let Some(usual_ns) = usual_ns {
                    write!(out, ", while 99.9 % of the responses came within {}", duration(*usual_ns))?;
                }
                out.write_str(": no percentile knows of them; look for what stalls, or measure longer.")
            }
            Self::Unaccounted { requests, accounted } => write!(
                out,
                "The generator sent {} and can account for {}: its counts cannot be trusted; report this as a fault of \
                 the load generator.",
                plural(*requests, "request"),
                count(*accounted),
            ),
            Self::Overloaded { due, responses, unsent, oldest_ns } => {
                write!(out, "Of {} due {} were answered", plural(*due, "request"), count(*responses))?;
                if *unsent > 0 {
                    write!(
                        out,
                        " and {} found no free connection, the oldest for {}",
                        count(*unsent),
                        duration(*oldest_ns)
                    )?;
                }
                out.write_str(
                    ": the offered load is above what the server can do over so many connections; offer less, or allow \
                     more connections.",
                )
            }
            Self::Late { lag_ns, limit_ns } => write!(
                out,
                "The generator was late for its own schedule: 1 % of the requests were sent {} or more after they \
                 could have been, {} is allowed, and the latency contains it; give it CPUs of its own and more \
                 threads, or offer less.",
                duration(*lag_ns),
                duration(*limit_ns),
            ),
            Self::TooNoisy { quiet_share } => write!(
                out,
                "Other virtual machines took CPU time of this one: only {} of the measured time had at most {} steal, {} is \
                 needed; run it again in a quieter hour or on a machine of its own.",
                percent(*quiet_share),
                percent(STEAL_LIMIT),
                percent(QUIET_SHARE_NEEDED),
            ),
            Self::Crowded { share, threads, of } => write!(
                out,
                "{} up to {} of the time for a CPU that something else had, so the latency is partly the generator's \
                 own: give it CPUs of its own with --cpus, and no more threads than these.",
                match of {
                    1 => "The client's thread waited".to_owned(),
                    of => format!("{} of {} client threads waited", count(*threads), count(*of)),
                },
                percent(*share),
            ),
            Self::HalvesDiffer { first, second } => write!(
                out,
                "The run had {} responses per second in its first half and {} in its second: warm up longer, or look \
                 for what changes meanwhile.",
                figure(*first),
                figure(*second),
            ),
            Self::LittlesLaw { under_way, expected } => write!(
                out,
                "The durations add up to {} requests under way, not to the {} of this closed loop: connections idled \
                 or time was measured wrongly; look at the responses per connection.",
                figure(*under_way),
                count(*expected),
            ),
        }
    }
}

fn unexpected_status(
    out: &mut fmt::Formatter<'_>,
    expected: Option<u16>,
    found: &[(u16, u64)],
    responses: u64,
    asked: &str,
) -> fmt::Result {
    let wrong: u64 = found.iter().map(|(_, count)| count).sum();
    let who = part(wrong, responses, "response");
    match found {
        [(status, _)] => write!(out, "{who} had the status {status} instead of ")?,
        _ => {
            let each: Vec<String> =
                found.iter().map(|(status, number)| format!("{status}: {}", count(*number))).collect();
            write!(out, "{who} had another status ({}) instead of ", each.join(", "))?;
        }
    }
    match expected {
        Some(status) => write!(out, "{status}: ")?,
        None => out.write_str("one below 400: ")?,
    }
    match found.first() {
        Some((404, _)) => write!(out, "look whether the server has {asked}."),
        Some((401 | 403, _)) => write!(out, "look whether the server may read {asked}."),
        Some((300..=399, _)) => out.write_str("ask for the place that the server sends you to."),
        Some((500.., _)) => out.write_str("look at what the server says on standard error."),
        _ => write!(out, "ask for {asked} by hand, with curl -i."),
    }
}

/// `12 reset, 3 not written`.
fn kinds(errors: &Errors) -> String {
    let kinds: Vec<String> = errors.kinds().iter().map(|(number, kind)| format!("{} {kind}", count(*number))).collect();
    kinds.join(", ")
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
