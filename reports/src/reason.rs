//! Why a measurement is not ranked, and what else should be known of it, in sentences.

use std::fmt;

use loadgen::validity::Complaint;

use crate::failure::Failure;
use crate::figures::OTHERS_LIMIT;
use crate::steal::{QUIET_SHARE_NEEDED, QuietTime, STEAL_LIMIT};
use crate::words;

/// Why a measurement is not ranked. Its text is one sentence that says what to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Answers with another status than the expected one.
    WrongStatus {
        /// The status that was due.
        expected: u16,
        /// The others, with how many answers had each.
        found: Vec<(u16, u64)>,
        /// Answers in all.
        answers: u64,
        /// The path that was asked for.
        path: String,
    },
    /// Answers with the right status, but another length than the file.
    WrongLength {
        /// The length that was due, in bytes; absent where the file was not there to be compared.
        expected: Option<u64>,
        /// How many answers had another.
        count: u64,
        /// Answers in all.
        answers: u64,
    },
    /// The file did not come back as it lies on disk, before anything was measured.
    CheckFailed {
        /// What differed.
        problems: Vec<String>,
    },
    /// The server, or the generator, failed as a process.
    Failed {
        /// How.
        failure: Failure,
        /// In how many rounds something failed.
        rounds: usize,
        /// Rounds in all.
        of: usize,
    },
    /// Answers that were cut off, or were not HTTP.
    Broken {
        /// Cut off in the middle.
        truncated: u64,
        /// Not HTTP.
        malformed: u64,
    },
    /// More came than was asked for.
    Surplus {
        /// On how many connections.
        connections: u64,
    },
    /// Requests without a complete answer in time.
    TimedOut {
        /// How many.
        count: u64,
        /// The time limit, in seconds.
        limit_seconds: f64,
    },
    /// Connections that never got an answer while others did.
    NeverServed {
        /// How many, in the worst round.
        connections: u64,
        /// Connections in all.
        of: u64,
    },
    /// Too many requests or connects failed.
    ConnectionErrors {
        /// Failed requests and connects, by kind.
        kinds: Vec<(ConnectionError, u64)>,
        /// Their share of all attempts.
        share: f64,
    },
    /// The load generator complains of something that only it can see.
    Generator {
        /// What, as it was in the first round that had it.
        complaint: Complaint,
        /// In how many rounds it was so.
        rounds: usize,
        /// Rounds in all.
        of: usize,
    },
    /// The server answered more often than its delay allows.
    FasterThanDelay {
        /// Responses per second.
        found: f64,
        /// How many its delay allows.
        allowed: f64,
        /// The delay, in seconds.
        delay_seconds: f64,
    },
    /// There was no answer at all.
    NoAnswer,
    /// The client's own counts do not add up.
    Unaccounted {
        /// Requests sent.
        requests: u64,
        /// Answers, failures and requests in flight together.
        accounted: u64,
    },
    /// Throughput times latency is far from the number of connections.
    LittlesLaw {
        /// What it makes.
        under_way: f64,
        /// What it should be about.
        connections: u32,
    },
    /// Too few windows without much steal.
    TooNoisy {
        /// What the windows were like.
        quiet: QuietTime,
    },
    /// Other processes were at work, and too little time is left without them.
    Disturbed {
        /// What they took of the server's or of the client's CPUs in the worst round, 0 to 1; at least.
        share: f64,
        /// In how many rounds they took too much.
        rounds: usize,
        /// Rounds in all.
        of: usize,
    },
}

/// How a request or a connect can fail without a word of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// Nobody listened, or the queue was full.
    Refused,
    /// The connection was not established in time.
    ConnectTimedOut,
    /// It could not be established for another reason.
    ConnectFailed,
    /// The request could not be written.
    NotWritten,
    /// The connection was reset while an answer was due.
    Reset,
    /// It was closed while an answer was due.
    ClosedEarly,
    /// The answer could not be read.
    NotRead,
}

impl ConnectionError {
    fn text(self) -> &'static str {
        match self {
            Self::Refused => "connects refused",
            Self::ConnectTimedOut => "connects timed out",
            Self::ConnectFailed => "connects failed otherwise",
            Self::NotWritten => "requests could not be written",
            Self::Reset => "connections were reset before the answer",
            Self::ClosedEarly => "connections were closed before the answer",
            Self::NotRead => "answers could not be read",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Refused | Self::ConnectTimedOut => {
                "look whether the server still accepts, and at the limit on waiting connections"
            }
            Self::ConnectFailed => "look at the limits on descriptors and on clients' ports",
            Self::NotWritten | Self::Reset | Self::NotRead => "look at what the server says on standard error",
            Self::ClosedEarly => {
                "the server closes kept connections while a request is on its way; it has to say so in the answer before"
            }
        }
    }
}

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

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongStatus { expected, found, answers, path } => {
                wrong_status_sentence(out, *expected, found, *answers, path)
            }
            Self::WrongLength { expected, count, answers } => {
                write!(out, "{} another length than the ", part(*count, *answers, "had"))?;
                match expected {
                    Some(length) => write!(out, "{} that were expected", words::plural(*length, "byte"))?,
                    None => out.write_str("first one")?,
                }
                out.write_str(": look whether the file changed or the server cuts it off.")
            }
            Self::CheckFailed { problems } => write!(
                out,
                "The file did not come back as it lies on disk ({}): compare the server's answer with the file \
                 before measuring it.",
                problems.join("; "),
            ),
            Self::Failed { failure, rounds, of } => {
                write!(out, "{failure}")?;
                if *of > 1 {
                    write!(out, " This was so in {rounds} of {of} rounds.")?;
                }
                Ok(())
            }
            Self::Broken { truncated, malformed } => write!(
                out,
                "{} cut off and {} not HTTP as announced: the server breaks its answers under load; look at what it \
                 says on standard error.",
                were(*truncated, "answer"),
                words::count(*malformed),
            ),
            Self::Surplus { connections } => write!(
                out,
                "More came than was asked for on {}, so nobody can tell which answer belongs to which request: look whether \
                 the server answers twice or sends more than it announces.",
                words::plural(*connections, "connection"),
            ),
            Self::TimedOut { count, limit_seconds } => write!(
                out,
                "{} no complete answer within {}, and the percentiles do not hold them: look for what stalls, or \
                 allow more time.",
                if *count == 1 { "1 request got".to_owned() } else { format!("{} requests got", words::count(*count)) },
                words::seconds(*limit_seconds),
            ),
            Self::NeverServed { connections, of } => write!(
                out,
                "{} of {} never served while others were: the server ties its workers to connections; give it \
                 as many workers as connections, or let it share them.",
                words::count(*connections),
                were(*of, "connection"),
            ),
            Self::ConnectionErrors { kinds, share } => {
                let texts: Vec<String> =
                    kinds.iter().map(|(kind, count)| format!("{}: {}", kind.text(), words::count(*count))).collect();
                let advice = kinds.iter().max_by_key(|(_, count)| *count).map_or("", |(kind, _)| kind.advice());
                write!(out, "{} of the attempts failed ({}): {advice}.", words::percent(*share), texts.join(", "))
            }
            Self::Generator { complaint, rounds, of } => {
                write!(out, "{complaint}")?;
                if *of > 1 {
                    write!(out, " This was so in {rounds} of {of} rounds.")?;
                }
                Ok(())
            }
            Self::FasterThanDelay { found, allowed, delay_seconds } => write!(
                out,
                "It answered {} times a second, and a delay of {} allows {} on these connections: look whether it \
                 waits before each answer.",
                words::figure(*found),
                words::seconds(*delay_seconds),
                words::figure(*allowed),
            ),
            Self::NoAnswer => {
                out.write_str("Not one answer came: ask the server by hand, with curl, and look at what it does.")
            }
            Self::Unaccounted { requests, accounted } => write!(
                out,
                "The client sent {} and can account for {}: its counts cannot be trusted; report this as a fault of \
                 the load generator.",
                words::plural(*requests, "request"),
                words::count(*accounted),
            ),
            Self::LittlesLaw { under_way, connections } => write!(
                out,
                "Throughput times mean latency makes {} requests under way, not the {} connections of a closed loop: \
                 connections idled or time was measured wrongly; look at the requests per connection.",
                words::figure(*under_way),
                words::count(u64::from(*connections)),
            ),
            Self::TooNoisy { quiet } => write!(
                out,
                "Other guests of this machine took its CPUs: only {} of the measured time had at most {} steal, {} is \
                 needed; run it again in a quieter hour or on a machine of its own.",
                words::percent(quiet.share()),
                words::percent(STEAL_LIMIT),
                words::percent(QUIET_SHARE_NEEDED),
            ),
            Self::Disturbed { share, rounds, of } => write!(
                out,
                "Other processes took up to {} of the CPUs that were measured on, and too much in {}: end what else is \
                 running, or give the bench CPUs of its own with --cpus.",
                words::percent(*share),
                if rounds == of { "every round".to_owned() } else { format!("{rounds} of {of} rounds") },
            ),
        }
    }
}

fn wrong_status_sentence(
    out: &mut fmt::Formatter<'_>,
    expected: u16,
    found: &[(u16, u64)],
    answers: u64,
    path: &str,
) -> fmt::Result {
    let wrong: u64 = found.iter().map(|(_, count)| count).sum();
    match found {
        [(status, count)] => write!(out, "{} {status}", part(*count, answers, "was"))?,
        _ => {
            let texts: Vec<String> =
                found.iter().map(|(status, count)| format!("{status}: {}", words::count(*count))).collect();
            write!(out, "{} another status ({})", part(wrong, answers, "had"), texts.join(", "))?;
        }
    }
    let advice = match found.first() {
        Some((404, _)) => format!("look whether the document root holds what {path} asks for"),
        Some((401 | 403, _)) => format!("look whether the server may read what {path} asks for"),
        Some((300..=399, _)) => "let the suite ask for the place that it is sent to".to_owned(),
        Some((500.., _)) => "look at what the server says on standard error".to_owned(),
        _ => format!("ask the server for {path} by hand, with curl -i"),
    };
    write!(out, " instead of {expected}: {advice}.")
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

/// `Every answer was`, `1 of 200 answers was`, `12 of 200 answers had`.
fn part(count: u64, all: u64, verb: &str) -> String {
    if count >= all {
        format!("Every answer {verb}")
    } else {
        let verb = if count != 1 && verb == "was" { "were" } else { verb };
        format!("{} of {} {verb}", words::count(count), words::plural(all, "answer"))
    }
}

/// `1 answer was`, `12 answers were`.
fn were(count: u64, noun: &str) -> String {
    format!("{} {}", words::plural(count, noun), if count == 1 { "was" } else { "were" })
}
