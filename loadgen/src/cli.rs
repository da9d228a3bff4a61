//! The command line: wrk's, and a little more.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use loadgen::{Expect, ExpectedLength, KeepAlive, Method, Plan};

/// Offers load to an HTTP/1.1 server, prints what wrk would print, and then what wrk leaves out.
///
/// Numbers may have an SI unit (1k, 1M, 1G), times a unit (500ms, 2s, 2m, 2h; seconds without one).
#[derive(Debug, Parser)]
#[command(
    name = "loadgen",
    version,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit codes: 0 it was measured; 1 nothing could be measured: no connection, or no response that was as \
                  expected; 2 wrong usage."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) load: Load,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve one fixed response as fast as loopback TCP allows: the ceiling of servers and of this generator
    NullServer(NullServerArguments),
}

/// How to serve nothing.
#[derive(Debug, Args)]
pub(crate) struct NullServerArguments {
    /// The port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(default_value_t = 8080)]
    pub(crate) port: u16,
    /// Threads that serve
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) workers: usize,
}

/// What load to offer.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// What to ask for: `http://HOST[:PORT][/PATH]`
    #[arg(required = true)]
    url: Option<String>,
    /// Connections to keep open
    #[arg(short, long, value_name = "N", default_value = "10", value_parser = count)]
    connections: usize,
    /// Duration of the test
    #[arg(short, long, value_name = "T", default_value = "10s", value_parser = time)]
    duration: u64,
    /// Number of threads to use
    #[arg(short, long, value_name = "N", default_value = "2", value_parser = count)]
    threads: usize,
    /// Add a header field to the requests
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Print the distribution of the latency
    #[arg(short = 'L', long)]
    pub(crate) latency: bool,
    /// Give a request up after this time
    #[arg(short = 'T', long, value_name = "T", default_value = "2s", value_parser = time)]
    timeout: u64,
    /// Lua scripts are for wrk
    #[arg(short, long, value_name = "S", hide = true, value_parser = script)]
    script: Option<String>,
    /// Use a new connection for every request
    #[arg(long)]
    close: bool,
    /// Ask for the head of the response only
    #[arg(long)]
    head: bool,
    /// Offer load for this time before measuring
    #[arg(long, value_name = "T", default_value = "0s", value_parser = time)]
    warmup: u64,
    /// Count responses with another status code as unexpected
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..1000))]
    expect_status: Option<u16>,
    /// Count responses with another body length as unexpected; `first` expects that of the first response with the
    /// same status code
    #[arg(long, value_name = "BYTES|first", value_parser = expected_length)]
    expect_length: Option<ExpectedLength>,
    /// Run the threads on these CPUs, one after the other, such as 1 or 0,2-3
    #[arg(long, value_name = "LIST", value_parser = cpus)]
    cpus: Option<CpuList>,
    /// Write everything that was measured to a file as JSON; - for standard output, where the text then makes room
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The length of the windows in that file
    #[arg(long, value_name = "T", default_value = "200ms", value_parser = time)]
    interval: u64,
    /// Print the version
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

impl Load {
    /// The plan that was asked for.
    pub(crate) fn plan(&self) -> Plan {
        // clap sees to it that there is one.
        let mut plan = Plan::new(self.url.clone().unwrap_or_default());
        plan.method = if self.head { Method::Head } else { Method::Get };
        plan.connections = self.connections;
        plan.threads = self.threads;
        plan.duration_ms = self.duration;
        plan.warmup_ms = self.warmup;
        plan.timeout_ms = self.timeout;
        plan.keep_alive = if self.close { KeepAlive::PerRequest } else { KeepAlive::Persistent };
        plan.headers.clone_from(&self.headers);
        plan.expect = Expect { status: self.expect_status, length: self.expect_length };
        plan.cpus = self.cpus.as_ref().map(|cpus| cpus.0.clone());
        plan.interval_ms = self.interval;
        plan
    }
}

/// A list of CPU numbers. (A bare `Vec` would mean to clap that the option may be given several times.)
#[derive(Clone, Debug, PartialEq, Eq)]
struct CpuList(Vec<usize>);

/// A number and the text behind it.
fn split(text: &str) -> Result<(u64, String), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = digits.parse().map_err(|_| "it has to begin with a whole number".to_owned())?;
    Ok((number, unit.to_ascii_lowercase()))
}

fn count(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(format!("there is no unit {unit:?}, only k, M and G")),
    };
    let count: Option<u64> = number.checked_mul(factor);
    match count.and_then(|count| usize::try_from(count).ok()) {
        None => Err("it is too large".to_owned()),
        Some(0) => Err("it has to be at least 1".to_owned()),
        Some(count) => Ok(count),
    }
}

/// Milliseconds.
fn time(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("there is no unit {unit:?}, only ms, s, m and h")),
    };
    number.checked_mul(factor).ok_or_else(|| "it is too long".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
        None => Err("it has to look like \"Name: value\"".to_owned()),
    }
}

fn expected_length(text: &str) -> Result<ExpectedLength, String> {
    match text {
        "first" => Ok(ExpectedLength::LikeFirst),
        _ => text.parse().map(ExpectedLength::Exactly).map_err(|_| "it is neither a number nor \"first\"".to_owned()),
    }
}

fn cpus(text: &str) -> Result<CpuList, String> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last < 4096 => list.extend(first..=last),
            _ => return Err(format!("{part:?} is neither a CPU number nor a range of them")),
        }
    }
    Ok(CpuList(list))
}

fn script(_: &str) -> Result<String, String> {
    Err("Lua scripts are not supported; use wrk where the requests have to be scripted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, clap::Error> {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map(|arguments| arguments.load.plan())
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_options_it_does_what_wrk_does() {
        assert_eq!(plan("http://a").unwrap(), Plan::new("http://a"));
    }

    #[test]
    fn wrks_options_in_both_forms() {
        let mut expected = Plan::new("http://127.0.0.1:8080");
        (expected.connections, expected.threads) = (1000, 1);
        (expected.duration_ms, expected.timeout_ms) = (120_000, 8_000);
        expected.headers = vec![("X".into(), "y:z".into())];
        assert_eq!(plan("-c 1k -d 2m -t 1 -H X:y:z --timeout 8 http://127.0.0.1:8080").unwrap(), expected);
        assert_eq!(plan("-c1K -d120s -t1 -HX:y:z -T8s http://127.0.0.1:8080").unwrap(), expected);
        let long = "--connections=1000 --duration 120 --threads 1 --header X:y:z --timeout=8s http://127.0.0.1:8080";
        assert_eq!(plan(long).unwrap(), expected);
    }

    #[test]
    fn what_wrk_does_not_have() {
        let line =
            "--close --head --warmup 500ms --interval 1s --expect-status 200 --expect-length 612 --cpus 1,3-4 http://a";
        let plan_of_line = plan(line).unwrap();
        assert_eq!((plan_of_line.keep_alive, plan_of_line.method), (KeepAlive::PerRequest, Method::Head));
        assert_eq!((plan_of_line.warmup_ms, plan_of_line.interval_ms), (500, 1000));
        assert_eq!(plan_of_line.expect, Expect { status: Some(200), length: Some(ExpectedLength::Exactly(612)) });
        assert_eq!(plan_of_line.cpus, Some(vec![1, 3, 4]));
        let first = plan("--expect-length first http://a").unwrap();
        assert_eq!(first.expect.length, Some(ExpectedLength::LikeFirst));
    }

    #[test]
    fn a_wrong_usage_is_refused() {
        for line in [
            "",
            "-c",
            "-c x http://a",
            "-c 0 http://a",
            "-c 1x http://a",
            "-c 99999999999999999999 http://a",
            "-d 2x http://a",
            "-d -1 http://a",
            "-H nocolon http://a",
            "-s script.lua http://a",
            "--cpus 3-1 http://a",
            "--cpus a http://a",
            "--expect-status 99 http://a",
            "--expect-length -1 http://a",
            "--nonsense http://a",
            "http://a http://b",
        ] {
            let error = plan(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        let error = plan("-s a.lua http://a").unwrap_err().to_string();
        assert!(error.contains("Lua scripts are not supported"), "{error}");
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in ["-h", "--help", "-v", "--version"] {
            assert_eq!(plan(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn the_null_server_has_its_own() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).unwrap().command;
        let Some(Command::NullServer(arguments)) = parse(&["loadgen", "null-server", "0", "-w", "3"]) else {
            panic!("not the null server");
        };
        assert_eq!((arguments.port, arguments.workers), (0, 3));
        assert!(Arguments::try_parse_from(["loadgen", "null-server", "99999"]).is_err());
    }
}
