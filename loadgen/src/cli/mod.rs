//! The command line: wrk's, and a little more.

mod values;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use loadgen::{
    Arrivals, Expect, ExpectedBody, Load, Method, Objective, Offered, Order, Paths, Plan, header_field, seed,
};
use values::{CpuList, LengthWish, Threads};

/// The longest duration that a plan may have, which is what a run has that is to end with its requests.
pub(crate) const ENDLESS_MS: u64 = 100 * 24 * 3_600_000;

/// Offers load to an HTTP/1.1 server, prints what wrk would print, and then what wrk leaves out.
///
/// Numbers may have an SI unit (1k, 1M, 1G), times a unit or several (500ms, 1.5s, 1m30s, 2h; seconds without one).
#[derive(Debug, Parser)]
#[command(
    name = "loadgen",
    version,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Exit codes: 0 it was measured; 1 nothing could be measured (no connection, or no response that was as \
                  expected), with --strict also when the result is not valid, with --search when no rate keeps the \
                  objective; 2 wrong usage."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve one fixed response as fast as loopback TCP allows: the ceiling of servers and of this generator
    NullServer(NullServerArguments),
    /// Add up the results of several generators that loaded one server at the same time
    Merge(MergeArguments),
}

/// How to serve nothing.
#[derive(Debug, Args)]
pub(crate) struct NullServerArguments {
    /// The port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(default_value_t = 8080)]
    pub(crate) port: u16,
    /// Threads that serve; auto takes one for each CPU
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = values::workers)]
    pub(crate) workers: usize,
    /// A file whose bytes are the body of the one response, which is then as good as a file server's
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    /// The Content-Type of that file
    #[arg(long, value_name = "TYPE", default_value = "text/html")]
    pub(crate) content_type: String,
}

/// What to add up.
#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    /// Files that --json has written
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// What becomes of the result.
#[derive(Debug, Default, Args)]
pub(crate) struct OutputArguments {
    /// Print the distribution of the latency
    #[arg(short = 'L', long, help_heading = "Output")]
    pub(crate) latency: bool,
    /// Write everything that was measured to a file as JSON; - for standard output, where the text then makes room
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) json: Option<PathBuf>,
    /// Write the latencies to NAME.hgrm (the percentile distribution that HdrHistogram's plotters read), those of a run also
    /// to NAME.hlog (the interval log of HdrHistogram)
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    pub(crate) hdr: Option<PathBuf>,
    /// Exit with 1 if the result is not valid
    #[arg(long, help_heading = "Output")]
    pub(crate) strict: bool,
}

/// What load to offer.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// What to ask for: `http://HOST[:PORT][/PATH]`
    #[arg(required_unless_present = "calibrate")]
    url: Option<String>,
    /// Connections to keep open
    #[arg(short, long, value_name = "N", default_value = "10", value_parser = values::count)]
    connections: usize,
    /// Duration of the test; 10 s unless -n ends it
    #[arg(short, long, value_name = "T", value_parser = values::time)]
    duration: Option<u64>,
    /// Number of threads to use, or auto for as many as there are CPUs
    #[arg(short, long, value_name = "N", default_value = "2", value_parser = values::threads)]
    threads: Threads,
    /// Add a header field to the requests
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = values::header)]
    headers: Vec<(String, String)>,
    /// Give a request up after this time
    #[arg(short = 'T', long, value_name = "T", default_value = "2s", value_parser = values::time)]
    timeout: u64,
    /// Lua scripts are for wrk
    #[arg(short, long, value_name = "S", hide = true, value_parser = values::script)]
    script: Option<String>,
    /// Offer load for this time before measuring
    #[arg(long, value_name = "T", default_value = "0s", value_parser = values::time)]
    warmup: u64,
    /// End with so many requests; without -d no time is set
    #[arg(short = 'n', long, value_name = "N", value_parser = values::number)]
    requests: Option<u64>,
    /// Print the version
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    open: OpenLoopArguments,
    #[command(flatten)]
    shape: ShapeArguments,
    #[command(flatten)]
    expect: ExpectArguments,
    #[command(flatten)]
    machine: MachineArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Write a line of JSON for each interval, as it ends: requests per second, percentiles, errors; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) timeseries: Option<PathBuf>,
    /// The length of an interval
    #[arg(long, value_name = "T", default_value = "200ms", value_parser = values::time, help_heading = "Output")]
    interval: u64,
}

/// Requests that are sent by a schedule.
#[derive(Debug, Args)]
#[command(next_help_heading = "Open loop")]
#[group(skip)]
#[command(group = ArgGroup::new("offered").args(["rate", "ramp", "search"]))]
struct OpenLoopArguments {
    /// Send so many requests per second, whatever the server does, and count latency from when each was due
    #[arg(short = 'R', long, value_name = "N", value_parser = values::rate)]
    rate: Option<f64>,
    /// Let the rate go evenly from A to B requests per second over the duration
    #[arg(long, value_name = "A:B", value_parser = values::ramp, conflicts_with = "requests")]
    ramp: Option<(f64, f64)>,
    /// How requests are spaced: evenly, or as by many users who know nothing of each other
    #[arg(long, value_enum, default_value_t = Spacing::Uniform, requires = "offered")]
    arrivals: Spacing,
    /// Look for the highest rate that keeps an objective, such as p99<10ms or p50<1ms,max<1s; -d is the time for each rate
    #[arg(long, value_name = "OBJECTIVE", conflicts_with = "requests")]
    search: Option<Objective>,
}

/// How the requests of an open loop are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Spacing {
    Uniform,
    Poisson,
}

/// What the load looks like.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shape of the load")]
#[group(skip)]
#[command(group = ArgGroup::new("listed").args(["single_paths", "paths"]))]
struct ShapeArguments {
    /// Have up to N requests under way on each connection
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count)]
    pipeline: usize,
    /// Use each TCP connection for N requests
    #[arg(long, value_name = "N", value_parser = values::number)]
    requests_per_connection: Option<u64>,
    /// Use a new connection for every request
    #[arg(long, conflicts_with = "requests_per_connection")]
    close: bool,
    /// Ask for the head of the response only
    #[arg(long)]
    head: bool,
    /// Ask for this path instead of the URL's; given several times, for one after the other
    #[arg(long = "path", value_name = "PATH")]
    single_paths: Vec<String>,
    /// Ask for the paths in a file, one a line: in turn, or as often as the weight behind each path says
    #[arg(long, value_name = "FILE")]
    pub(crate) paths: Option<PathBuf>,
    /// Ask for the path at place k of the list as often as 1 / k to this power says
    #[arg(long, value_name = "EXPONENT", value_parser = values::exponent, requires = "listed")]
    zipf: Option<f64>,
    /// Hold N further connections open on which nothing is sent
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::count_or_none)]
    idle: usize,
    /// Read only so many bytes per second on each connection
    #[arg(long, value_name = "BYTES", value_parser = values::number)]
    slow_read: Option<u64>,
    /// Random seed for arrivals, paths and samples; by default one from the system's entropy
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// What the responses have to be.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to expect")]
struct ExpectArguments {
    /// Count responses with another status code as unexpected; without it those above 399
    #[arg(long = "expect-status", value_name = "CODE", value_parser = clap::value_parser!(u16).range(200..1000))]
    status: Option<u16>,
    /// Count responses with another body length as unexpected; `first` expects that of the first response to the same
    /// path with the same status code
    #[arg(
        long = "expect-length",
        value_name = "BYTES|first|any",
        default_value = "first",
        value_parser = values::expected_length
    )]
    length: LengthWish,
    /// Count responses with another Content-Type as unexpected
    #[arg(long = "expect-type", value_name = "TYPE")]
    content_type: Option<String>,
    /// Compare bodies with a file, with the file of the path in a folder, or with the first body of the same path
    #[arg(long = "expect-body", value_name = "FILE|FOLDER|first", value_parser = values::expected_body)]
    body: Option<ExpectedBody>,
    /// Compare only so large a share of them
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = values::share, requires = "body")]
    body_share: f64,
}

/// The machine that generates the load.
#[derive(Debug, Args)]
#[command(next_help_heading = "This machine")]
struct MachineArguments {
    /// Run the threads on these CPUs, one after the other, such as 1 or 0,2-3
    #[arg(long, value_name = "LIST", value_parser = values::cpus)]
    cpus: Option<CpuList>,
    /// Begin at this time, in seconds since 1970, together with other generators
    #[arg(long, value_name = "SECONDS", value_parser = values::moment)]
    start_at: Option<u64>,
    /// Measure what this generator can do at best on this machine, against a server that does nothing; later runs with as
    /// many threads and connections on the same CPUs are compared with it
    #[arg(long, conflicts_with_all = ["offered", "start_at"])]
    calibrate: bool,
}

impl RunArguments {
    /// The plan that was asked for. `listed` is what the file of paths holds, if there is one.
    pub(crate) fn plan(&self, listed: Option<Paths>) -> Plan {
        // clap sees to it that there is one.
        let mut plan = Plan::new(self.url.clone().unwrap_or_default());
        plan.paths = listed.unwrap_or_else(|| Paths { list: self.shape.single_paths.clone(), order: Order::InTurn });
        if let Some(exponent) = self.shape.zipf {
            plan.paths.order = Order::Zipf(exponent);
        }
        plan.method = if self.shape.head { Method::Head } else { Method::Get };
        plan.connections = self.connections;
        plan.cpus = self.machine.cpus.as_ref().map(|cpus| cpus.0.clone());
        plan.threads = match self.threads {
            Threads::Number(number) => number,
            Threads::Auto => cpus_of(&plan).min(plan.connections),
        };
        plan.load = self.open.load();
        plan.requests = self.requests;
        let unlimited = if self.requests.is_some() { ENDLESS_MS } else { plan.duration_ms };
        plan.duration_ms = self.duration.unwrap_or(unlimited);
        plan.warmup_ms = self.warmup;
        plan.timeout_ms = self.timeout;
        plan.pipeline = self.shape.pipeline;
        plan.requests_per_connection = if self.shape.close { Some(1) } else { self.shape.requests_per_connection };
        plan.idle_connections = self.shape.idle;
        plan.slow_read = self.shape.slow_read;
        plan.headers.clone_from(&self.headers);
        // As wrk's users ask for it.
        let asks_to_close = |(name, value): &(String, String)| header_field::asks_to_close(name, value);
        if plan.requests_per_connection.is_none_or(|most| most == 1) && plan.headers.iter().any(asks_to_close) {
            plan.requests_per_connection = Some(1);
            plan.headers.retain(|field| !asks_to_close(field));
        }
        plan.expect = Expect {
            status: self.expect.status,
            length: self.expect.length.0,
            content_type: self.expect.content_type.clone(),
            body: self.expect.body.clone(),
            body_share: self.expect.body_share,
        };
        plan.interval_ms = self.interval;
        plan.start_at_ms = self.machine.start_at;
        plan.seed = self.shape.seed.unwrap_or_else(seed::draw);
        plan
    }

    /// The file of paths.
    pub(crate) fn paths(&self) -> Option<&PathBuf> {
        self.shape.paths.as_ref()
    }

    /// The objective of a search, if there is to be one.
    pub(crate) fn objective(&self) -> Option<&Objective> {
        self.open.search.as_ref()
    }

    /// How the requests of a search are spaced.
    pub(crate) fn arrivals(&self) -> Arrivals {
        self.open.arrivals()
    }

    /// Whether the generator itself is to be measured.
    pub(crate) fn is_calibration(&self) -> bool {
        self.machine.calibrate
    }
}

impl OpenLoopArguments {
    fn load(&self) -> Load {
        let arrivals = self.arrivals();
        match (self.rate, self.ramp) {
            (Some(rate), _) => Load::Open(Offered { arrivals, ..Offered::steady(rate) }),
            (None, Some((rate, last))) => Load::Open(Offered { rate, final_rate: Some(last), arrivals }),
            (None, None) => Load::Closed,
        }
    }

    fn arrivals(&self) -> Arrivals {
        match self.arrivals {
            Spacing::Uniform => Arrivals::Uniform,
            Spacing::Poisson => Arrivals::Poisson,
        }
    }
}

/// How many CPUs the threads of a plan may use.
fn cpus_of(plan: &Plan) -> usize {
    let allowed = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    plan.cpus.as_ref().map_or_else(allowed, |cpus| {
        let mut cpus = cpus.clone();
        cpus.sort_unstable();
        cpus.dedup();
        cpus.len()
    })
}

#[cfg(test)]
mod tests;
