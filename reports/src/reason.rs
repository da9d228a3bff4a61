//! Why a measurement is not ranked, in sentences. The rules and their limits are told in `docs/validity.md`.

use std::fmt;

use loadgen::validity::Complaint;

use crate::connection_error::ConnectionError;
use crate::cpu_rules::Idle;
use crate::failure::Failure;
use crate::freshness::STALE_LIMIT;
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
    /// The document had changed, and the server still answered with the old one.
    Stale {
        /// How long before that answer was asked for it had changed, in seconds.
        after_seconds: f64,
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
    /// Heads of answers were longer than the load generator reads of one.
    LargeHeads {
        /// How many.
        count: u64,
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
    /// An answer came sooner after its request than the server's delay allows.
    SoonerThanDelay {
        /// How soon the first such answer came, in seconds.
        soonest_seconds: f64,
        /// The delay, in seconds.
        delay_seconds: f64,
    },
    /// The server's capacity is another in the second half of a round than in the first.
    HalvesDiffer {
        /// Responses per available CPU-second in the quiet windows of the first half of the first such round.
        first: f64,
        /// And in those of its second half.
        second: f64,
        /// In how many rounds it was so.
        rounds: usize,
        /// Rounds of which enough is known.
        of: usize,
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
    /// The socket that answers belongs to no process of the measured server.
    ForeignListener {
        /// In how many rounds it was so.
        rounds: usize,
        /// Rounds in which the server was looked at.
        of: usize,
    },
    /// Threads of the server could run on CPUs that are not the server's.
    Elsewhere {
        /// The most such threads at one look.
        threads: u32,
        /// The CPUs that they could use, ascending.
        cpus: Vec<usize>,
        /// The server's CPUs, ascending.
        own: Vec<usize>,
        /// In how many rounds it was so.
        rounds: usize,
        /// Rounds in which the server was looked at.
        of: usize,
    },
    /// The server used more CPU time than its CPUs have.
    BeyondItsCpus {
        /// What it used in the worst round, over the time of its CPUs.
        share: f64,
        /// In how many rounds it was so.
        rounds: usize,
        /// Rounds in which the server was looked at.
        of: usize,
    },
    /// Server and client waited most of the time, though the next request never waits in a closed loop.
    BothIdle {
        /// How busy they were, and why they waited.
        idle: Idle,
    },
    /// Too much steal in every round.
    TooNoisy {
        /// What the windows were like.
        quiet: QuietTime,
        /// Whether the loop was open, so that each window with much steal spoils its round.
        is_open: bool,
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
    /// A quota kept the CPUs back, and too little time is left without it.
    Throttled {
        /// CPU time that was kept back for each second of the worst round, 0 to 1.
        share: f64,
        /// In how many rounds it was too much.
        rounds: usize,
        /// Rounds in all.
        of: usize,
    },
}

impl Reason {
    /// The names of all rules, in the order of `docs/validity.md`.
    pub const NAMES: [&str; 31] = [
        "wrong status",
        "wrong length",
        "failed check",
        "other bytes",
        "other type",
        "stale files",
        "failed process",
        "broken answers",
        "large heads",
        "surplus",
        "timeouts",
        "stuck requests",
        "never served",
        "connection errors",
        "idle connections lost",
        "no answer",
        "unaccounted",
        "more than the delay allows",
        "sooner than the delay",
        "Little's law",
        "foreign listener",
        "other CPUs",
        "more than its CPUs",
        "both idle",
        "overload",
        "late schedule",
        "crowded generator",
        "halves differ",
        "disturbed",
        "throttled",
        "too noisy",
    ];

    /// The name of the rule, one of [`Self::NAMES`]: a word or three, for tables and for the page of the rules.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WrongStatus { .. } => "wrong status",
            Self::WrongLength { .. } => "wrong length",
            Self::CheckFailed { .. } => "failed check",
            Self::Stale { .. } => "stale files",
            Self::Failed { .. } => "failed process",
            Self::Broken { .. } => "broken answers",
            Self::LargeHeads { .. } => "large heads",
            Self::Surplus { .. } => "surplus",
            Self::TimedOut { .. } => "timeouts",
            Self::NeverServed { .. } => "never served",
            Self::ConnectionErrors { .. } => "connection errors",
            Self::Generator { complaint, .. } => match complaint {
                Complaint::UnexpectedBody { .. } => "other bytes",
                Complaint::UnexpectedType { .. } => "other type",
                Complaint::Stuck { .. } => "stuck requests",
                Complaint::IdleLost { .. } => "idle connections lost",
                Complaint::Overloaded { .. } => "overload",
                Complaint::Late { .. } => "late schedule",
                Complaint::Crowded { .. } => "crowded generator",
                // The rest is judged over all rounds, and goes by the name that it has there.
                Complaint::NoResponse { .. } => "no answer",
                Complaint::UnexpectedStatus { .. } => "wrong status",
                Complaint::UnexpectedLength { .. } => "wrong length",
                Complaint::Broken { .. } => "broken answers",
                Complaint::LargeHeads { .. } => "large heads",
                Complaint::Surplus { .. } => "surplus",
                Complaint::TimedOut { .. } => "timeouts",
                Complaint::NotConnected { .. } | Complaint::ConnectionErrors { .. } => "connection errors",
                Complaint::NeverServed { .. } => "never served",
                Complaint::Unaccounted { .. } => "unaccounted",
                Complaint::HalvesDiffer { .. } => "halves differ",
                Complaint::LittlesLaw { .. } => "Little's law",
                Complaint::TooNoisy { .. } => "too noisy",
            },
            Self::FasterThanDelay { .. } => "more than the delay allows",
            Self::SoonerThanDelay { .. } => "sooner than the delay",
            Self::HalvesDiffer { .. } => "halves differ",
            Self::NoAnswer => "no answer",
            Self::Unaccounted { .. } => "unaccounted",
            Self::LittlesLaw { .. } => "Little's law",
            Self::ForeignListener { .. } => "foreign listener",
            Self::Elsewhere { .. } => "other CPUs",
            Self::BeyondItsCpus { .. } => "more than its CPUs",
            Self::BothIdle { .. } => "both idle",
            Self::TooNoisy { .. } => "too noisy",
            Self::Disturbed { .. } => "disturbed",
            Self::Throttled { .. } => "throttled",
        }
    }
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
            Self::Stale { after_seconds } => write!(
                out,
                "The document was replaced, and {} later the server still answered with the old one: let it look at its files \
                 at least once in {}, or write `preloads = true` in its entry in servers.toml if it is meant to read them \
                 only once.",
                words::seconds(*after_seconds),
                words::seconds(STALE_LIMIT),
            ),
            Self::Failed { failure, rounds, of } => {
                write!(out, "{failure}")?;
                in_rounds(out, *rounds, *of)
            }
            Self::Broken { truncated, malformed } => write!(
                out,
                "{} cut off and {} not HTTP as announced: the server breaks its answers under load; look at what it \
                 says on standard error.",
                were(*truncated, "answer"),
                words::count(*malformed),
            ),
            Self::LargeHeads { count } => Complaint::LargeHeads { count: *count }.fmt(out),
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
            Self::Generator { complaint: complaint @ Complaint::Overloaded { .. }, rounds, of } => {
                write!(
                    out,
                    "It kept up with the offered load in {} of {}. {complaint}",
                    of - rounds,
                    words::plural(*of as u64, "round")
                )
            }
            Self::Generator { complaint, rounds, of } => {
                write!(out, "{complaint}")?;
                in_rounds(out, *rounds, *of)
            }
            Self::FasterThanDelay { found, allowed, delay_seconds } => write!(
                out,
                "It answered {} times a second, and a delay of {} allows {} on these connections: look whether it \
                 waits before each answer.",
                words::figure(*found),
                words::seconds(*delay_seconds),
                words::figure(*allowed),
            ),
            Self::SoonerThanDelay { soonest_seconds, delay_seconds } => write!(
                out,
                "An answer came after {}, and it was to be delayed by {}: look whether the server waits before each answer.",
                words::duration((soonest_seconds * 1e9) as u64),
                words::seconds(*delay_seconds),
            ),
            Self::HalvesDiffer { first, second, rounds, of } => {
                write!(
                    out,
                    "The server answered {} times per CPU-second in the first half of a round and {} in the second: warm up \
                     longer, or look for what changes meanwhile.",
                    words::figure(*first),
                    words::figure(*second),
                )?;
                in_rounds(out, *rounds, *of)
            }
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
            Self::ForeignListener { rounds, of } => {
                out.write_str(
                    "The process that listens on the measured port does not belong to the measured server, so CPU time and \
                     memory are those of another program: start the server in the foreground and without a container, or \
                     measure the one that runs with --url.",
                )?;
                in_rounds(out, *rounds, *of)
            }
            Self::Elsewhere { threads, cpus, own, rounds, of } => {
                write!(
                    out,
                    "{} of the server could run on CPU {}, and the server was given CPU {}: remove what moves them \
                     (taskset, worker_cpu_affinity), or give the server these CPUs with --cpus.",
                    words::plural(u64::from(*threads), "thread"),
                    words::cpus(cpus),
                    words::cpus(own),
                )?;
                in_rounds(out, *rounds, *of)
            }
            Self::BeyondItsCpus { share, rounds, of } => {
                write!(
                    out,
                    "The server used {} of the time of its CPUs, so it ran on others as well: remove what moves it \
                     (taskset, worker_cpu_affinity), or give it these CPUs with --cpus.",
                    words::percent(*share),
                )?;
                in_rounds(out, *rounds, *of)
            }
            Self::BothIdle { idle } => write!(out, "Neither side was at its limit: {idle}"),
            Self::TooNoisy { quiet, is_open: true } => write!(
                out,
                "Other virtual machines took CPU time of this one: {} of {} had more than {} steal, some of them in every round, and a \
                 percentile cannot be parted into windows; run it again in a quieter hour or on a machine of its own.",
                words::count(quiet.set_aside),
                words::plural(quiet.windows, "window"),
                words::percent(STEAL_LIMIT),
            ),
            Self::TooNoisy { quiet, is_open: false } => write!(
                out,
                "Other virtual machines took CPU time of this one: only {} of the measured time had at most {} steal, {} is \
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
                which_rounds(*rounds, *of),
            ),
            Self::Throttled { share, rounds, of } => write!(
                out,
                "A quota kept back up to {} of a CPU, and too much in {}: raise the CPU quota of the container or of the \
                 service that this runs in (cpu.max), or run it outside.",
                words::percent(*share),
                which_rounds(*rounds, *of),
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

/// ` This was so in 2 of 3 rounds.`, where there is more than one.
fn in_rounds(out: &mut fmt::Formatter<'_>, rounds: usize, of: usize) -> fmt::Result {
    if of > 1 { write!(out, " This was so in {rounds} of {of} rounds.") } else { Ok(()) }
}

/// `every round`, `2 of 3 rounds`.
fn which_rounds(rounds: usize, of: usize) -> String {
    if rounds == of { "every round".to_owned() } else { format!("{rounds} of {of} rounds") }
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
