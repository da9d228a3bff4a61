//! The command line: what was asked for, in the words of the person who asked.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use reports::comparison::resampling::Kind;

use crate::duration::Span;
use crate::running::Address;

/// What the help says of servers that are not built in.
const OWN_SERVERS: &str = "\
A server of your own: `bench wrk --servers mine.toml` measures it beside those of the suite, `--only mine,epoll` beside one, \
and `bench compare main --servers mine.toml` compares two commits of it. Commands in mine.toml are run in the root of its git \
repository, {repo}; in a comparison, in the checkout of each commit. bench/servers.toml explains every key.";

/// Runs servers side by side under load and reports what was measured.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "What to do",
    after_help = OWN_SERVERS
)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How to run `--suite FILE` without naming anything else.
    #[command(flatten)]
    pub options: RunOptions,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run the whole experiment: every model through wrk's scenarios
    All(RunOptions),
    /// Go on with a run that was interrupted
    Resume(StoredRun),
    /// Write the report of a stored run again
    Report(ReportOptions),
    /// Count what noise cannot move: instructions, system calls, allocations and bytes of a request
    Counters(CountersOptions),
    /// Compare two commits of each server: did the change make anything slower?
    Compare(CompareOptions),
    /// Compare two runs that were made at different times: less certain than `compare`
    CompareRuns(CompareRunsOptions),
    /// Find out how often comparisons are wrong here, by some whose right answer is known
    Calibrate(CalibrateOptions),
    /// Keep figures from run to run in a file, and find the steps in them
    History(HistoryOptions),
    /// List the suites and the servers
    List(ListOptions),
    /// Run a suite by its name or its file: `bench wrk --only epoll,async`
    #[command(external_subcommand)]
    Suite(Vec<OsString>),
}

/// A suite with its options, as [`Action::Suite`] has them unread.
#[derive(Debug, Parser)]
#[command(name = "bench", about = "Run a suite by its name or its file", after_help = OWN_SERVERS)]
pub struct SuiteCommandLine {
    /// A suite's name, or a file
    #[arg(value_name = "SUITE")]
    pub name: String,
    /// How to run it.
    #[command(flatten)]
    pub options: RunOptions,
}

/// How to run a suite.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// The suite in miniature
    #[arg(long)]
    pub quick: bool,
    /// A file with the suite to run
    #[arg(long, value_name = "FILE")]
    pub suite: Option<PathBuf>,
    /// A file with servers of yours, added to the built-in ones
    #[arg(long, value_name = "FILE")]
    pub servers: Option<PathBuf>,
    /// The servers, by name [default: the suite's and --servers']
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub only: Option<Vec<String>>,
    /// A server of this machine that runs already, beside those of --only if there are any
    #[arg(long, value_name = "URL")]
    pub url: Option<Address>,
    /// Passes over all measurements
    #[arg(long, value_name = "N")]
    pub rounds: Option<NonZeroU32>,
    /// Measured time of each measurement in each round, as 10s or 500ms
    #[arg(long, value_name = "TIME", value_parser = positive_span)]
    pub duration: Option<Span>,
    /// Connections that the client keeps open
    #[arg(long, value_name = "N")]
    pub connections: Option<NonZeroU32>,
    /// The CPUs of server and client, as 0:1 or 0-3:4-7 [default: half of the cores each]
    #[arg(long, value_name = "SERVER:CLIENT")]
    pub cpus: Option<String>,
    /// The document root, instead of the suite's
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The random seed of orders, arrivals and paths, to repeat those of another run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The folder that takes the run's folder [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the newest run of the same command that was not finished, or begin anew if there is none
    #[arg(long)]
    pub resume: bool,
    /// Print the plan, with the orders of all rounds, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which of the stored runs.
#[derive(Debug, Args)]
pub struct StoredRun {
    /// The run's folder, or its name, or `latest`
    #[arg(default_value = "latest")]
    pub run: PathBuf,
    /// The folder of all runs [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// How to write a report again.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// The run.
    #[command(flatten)]
    pub stored: StoredRun,
    /// Show ratios to this server at its best, instead of those to the best server
    #[arg(long, value_name = "SERVER")]
    pub relative_to: Option<String>,
}

/// What to count.
#[derive(Debug, Args)]
pub struct CountersOptions {
    /// The commit that the last one is compared with; without it, the last one is counted alone
    #[arg(value_name = "BASE")]
    pub base: Option<String>,
    /// The servers, by name; `protocol` is the protocol without a server [default: all models, and the protocol]
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub only: Option<Vec<String>>,
}

/// What to compare, and how.
#[derive(Clone, Debug, Args)]
pub struct CompareOptions {
    /// What there was before: a branch, a tag, a hash
    #[arg(value_name = "BASE")]
    pub base: String,
    /// What changed it
    #[arg(value_name = "HEAD", default_value = "HEAD")]
    pub head: String,
    /// One server under two loads, at most a minute of measuring
    #[arg(long)]
    pub quick: bool,
    /// The servers, by name; `loadgen` is the load generator [default: those of --servers, else those of the suite and the
    /// generator]
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub only: Option<Vec<String>>,
    /// How long turns may take in all [default: 10m, with --quick 1m]
    #[arg(long, value_name = "TIME", value_parser = positive_span)]
    pub budget: Option<Span>,
    /// A slowdown up to this is let pass; turns are taken until one of this size would be seen
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub max_slowdown: f64,
    /// Exit with 3 if anything is undecided
    #[arg(long)]
    pub strict: bool,
    /// The repository that has both commits [default: that of --servers, else this project's]
    #[arg(long, value_name = "DIR")]
    pub repo: Option<PathBuf>,
    /// A file with servers of yours, added to the built-in ones
    #[arg(long, value_name = "FILE")]
    pub servers: Option<PathBuf>,
    /// A file with the loads and the length of a turn [default: bench/compare.toml]
    #[arg(long, value_name = "FILE")]
    pub suite: Option<PathBuf>,
    /// The CPUs of server and client, as 0:1 or 0-3:4-7 [default: half of the cores each]
    #[arg(long, value_name = "SERVER:CLIENT")]
    pub cpus: Option<String>,
    /// The document root, instead of the suite's
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The seed of the coins and orders, to repeat those of another comparison
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The folder that takes the comparison's folder [default: target/comparisons]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Which runs to compare.
#[derive(Debug, Args)]
pub struct CompareRunsOptions {
    /// The run before: its folder, its results.json, or its name
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// The run after
    #[arg(value_name = "HEAD")]
    pub head: PathBuf,
    /// Compare also what was made on other machines or did other work
    #[arg(long)]
    pub anyway: bool,
    /// Exit with 3 if no server can be judged
    #[arg(long)]
    pub strict: bool,
    /// The folder of all runs [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Comparisons whose right answer is known.
#[derive(Debug, Args)]
pub struct CalibrateOptions {
    /// Number of comparisons of each kind; those made before count
    #[arg(long, value_name = "N", default_value = "20")]
    pub comparisons: NonZeroU32,
    /// Kinds of heads: equal, layout, burn, wait [default: all]
    #[arg(long, value_name = "KIND,KIND", value_delimiter = ',', value_parser = kind)]
    pub kinds: Option<Vec<Kind>>,
    /// The CPUs of server and client, as 0:1 or 0-3:4-7 [default: half of the cores each]
    #[arg(long, value_name = "SERVER:CLIENT")]
    pub cpus: Option<String>,
    /// The folder that keeps what was recorded [default: target/calibration]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Which history, and what to do with it.
#[derive(Debug, Args)]
pub struct HistoryOptions {
    /// The file of the history, a line of JSON for each run
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Append a run first: its folder, or its name, or `latest`; the file is made if it is not there
    #[arg(long, value_name = "RUN")]
    pub add: Option<PathBuf>,
    /// The folder of all runs [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where to draw [default: beside the history, as .svg]
    #[arg(long, value_name = "PATH", conflicts_with = "export")]
    pub chart: Option<PathBuf>,
    /// Print the newest run's figures for another service instead, and nothing else
    #[arg(long, value_name = "FORM")]
    pub export: Option<Export>,
}

/// The form of a service that keeps a history of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Export {
    /// Bencher Metric Format, for `bencher run --adapter json`
    Bencher,
    /// customBiggerIsBetter of github-action-benchmark: capacities
    GithubActionBenchmarkBigger,
    /// customSmallerIsBetter of github-action-benchmark: CPU times, latencies, system calls
    GithubActionBenchmarkSmaller,
}

/// What to list.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// A file with servers of yours, listed before the built-in ones
    #[arg(long, value_name = "FILE")]
    pub servers: Option<PathBuf>,
}

fn positive_span(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: crate::duration::SpanError| error.to_string())?;
    if span.0.is_zero() { Err("a measurement of no length measures nothing".to_owned()) } else { Ok(span) }
}

/// A kind of comparison whose right answer is known.
fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.map(Kind::label).join(", ");
    Kind::ALL.into_iter().find(|kind| kind.label() == text).ok_or_else(|| format!("\"{text}\" is none of {known}"))
}

/// A share in per cent, above 0 and below 100: `5%`.
fn share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = number.map(|number| number / 100.0).filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| format!("\"{text}\" is not a share; write it in per cent, above 0% and below 100%, as 5%"))
}

impl CompareOptions {
    /// The command that repeats this, word by word, with the commits that the names mean now.
    #[must_use]
    pub fn to_command(&self, base: &str, head: &str, seed: u64) -> Vec<String> {
        let mut words = ["cargo", "suite", "compare", base, head].map(str::to_owned).to_vec();
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        option("--only", self.only.as_ref().map(|names| names.join(",")));
        option("--budget", self.budget.map(|span| format!("{}ms", span.0.as_millis())));
        option("--max-slowdown", Some(format!("{}%", 100.0 * self.max_slowdown)));
        option("--repo", path(&self.repo));
        option("--servers", path(&self.servers));
        option("--suite", path(&self.suite));
        option("--cpus", self.cpus.clone());
        option("--root", path(&self.root));
        option("--out", path(&self.out));
        option("--seed", Some(seed.to_string()));
        let flags = [("--quick", self.quick), ("--strict", self.strict)];
        words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
        words
    }
}

impl RunOptions {
    /// The options as words, for the command that repeats a run; the seed is left to the caller, who knows it.
    #[must_use]
    pub fn to_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([name.to_owned(), value]);
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        option("--suite", path(&self.suite));
        option("--servers", path(&self.servers));
        option("--only", self.only.as_ref().map(|names| names.join(",")));
        option("--url", self.url.as_ref().map(ToString::to_string));
        option("--rounds", self.rounds.map(|rounds| rounds.to_string()));
        option("--duration", self.duration.map(|span| format!("{}ms", span.0.as_millis())));
        option("--connections", self.connections.map(|connections| connections.to_string()));
        option("--cpus", self.cpus.clone());
        option("--root", path(&self.root));
        option("--out", path(&self.out));
        if self.quick {
            words.push("--quick".to_owned());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory as _;

    fn parse(words: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from([&["bench"], words].concat())
    }

    #[test]
    fn the_definitions_are_consistent() {
        CommandLine::command().debug_assert();
        SuiteCommandLine::command().debug_assert();
    }

    #[test]
    fn what_people_type_is_understood() {
        let Some(Action::All(options)) = parse(&["all", "--quick"]).unwrap().action else { panic!("not all") };
        assert!(options.quick);
        let Some(Action::Suite(words)) = parse(&["wrk", "--only", "epoll,async"]).unwrap().action else {
            panic!("no suite")
        };
        let suite = SuiteCommandLine::try_parse_from([vec!["bench".into()], words].concat()).unwrap();
        assert_eq!(suite.name, "wrk");
        assert_eq!(suite.options.only.unwrap(), ["epoll", "async"]);
        let alone = parse(&["--suite", "x.toml", "--duration", "1.5s"]).unwrap();
        assert!(alone.action.is_none());
        assert_eq!(alone.options.suite.unwrap(), PathBuf::from("x.toml"));
        assert_eq!(alone.options.duration.unwrap().0.as_millis(), 1500);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for words in
            [["all", "--rounds", "0"], ["all", "--duration", "0s"], ["all", "--duration", "10"], ["all", "--seed", "x"]]
        {
            assert!(parse(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn options_become_the_words_they_came_from() {
        let words = [
            "--only",
            "epoll,async",
            "--url",
            "http://127.0.0.1:8080/",
            "--rounds",
            "2",
            "--duration",
            "1500ms",
            "--cpus",
            "0:1",
            "--quick",
        ];
        let Some(Action::All(options)) = parse(&[&["all"][..], &words].concat()).unwrap().action else {
            panic!("not all")
        };
        assert_eq!(options.to_words(), words);
    }
}
