use crate::{
    Error, Model, Workers,
    open_files::{Needs, Shares},
};
use clap::{Parser, ValueEnum};
use protocol::{Limits, Settings};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

/// The command line of every model.
#[derive(Clone, Debug, Parser)]
#[command(version, about, long_about = None, arg_required_else_help = false)]
pub struct Options {
    /// Port to listen on; 0 takes a free one
    #[arg(default_value_t = 8080)]
    pub port: u16,
    /// Address to listen on
    #[arg(short, long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// Document root
    #[arg(short, long, value_name = "DIR", default_value = "www")]
    pub root: PathBuf,
    /// Workers; the CPUs available unless given
    #[arg(short, long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// No access log on standard output (the ready line stays)
    #[arg(short, long)]
    pub quiet: bool,
    /// Whether connections are kept between requests: fair and pinned differ in thread-pool alone
    #[arg(long, value_enum, default_value_t = KeepAlive::Fair)]
    pub keep_alive: KeepAlive,
    /// Hold each response back, as if a back end had been asked
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "0")]
    pub delay: Duration,
    /// For the whole head of a request to come
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "10s")]
    pub header_timeout: Duration,
    /// Between two requests of a connection
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "60s")]
    pub idle_timeout: Duration,
    /// Without progress in sending a response
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "30s")]
    pub send_timeout: Duration,
    /// For responses in flight to be finished after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "10s")]
    pub grace: Duration,
    /// Longest request line; past it 414
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "8K")]
    pub max_request_line: u64,
    /// Longest header section; past it 431
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "32K")]
    pub max_header_bytes: u64,
    /// Connections open at once; beyond them accepting pauses [default: what files and workers leave of ulimit -n]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<NonZeroUsize>,
    /// How long a cached file is served without a look at the disk; 0 looks each time
    #[arg(long, value_name = "TIME", value_parser = units::duration_or_seconds, default_value = "1s")]
    pub cache_ttl: Duration,
    /// Memory for cached files
    #[arg(long, value_name = "BYTES", value_parser = units::bytes, default_value = "64M")]
    pub cache_bytes: u64,
    /// Serve files whose names start with a dot
    #[arg(long)]
    pub hidden: bool,
    /// Additional CPU time per response, in nanoseconds
    #[cfg(feature = "burn")]
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub burn_nanoseconds: u64,
    /// Additional waiting time per response, without CPU time, in nanoseconds
    #[cfg(feature = "burn")]
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub wait_nanoseconds: u64,
}

/// What `--keep-alive` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeepAlive {
    /// A connection is kept while nobody waits for its worker.
    Fair,
    /// A connection is kept as long as its client likes, whoever waits.
    Pinned,
    /// One request a connection.
    Off,
}

impl Options {
    /// The slow-down that is asked for.
    #[cfg(feature = "burn")]
    pub(crate) fn slow_down(&self) -> crate::burn::SlowDown {
        let time = Duration::from_nanos;
        crate::burn::SlowDown { burn: time(self.burn_nanoseconds), wait: time(self.wait_nanoseconds) }
    }

    /// Checks what the types of the flags cannot.
    pub(crate) fn check(&self, model: &Model) -> Result<(), Error> {
        if self.workers.is_some() && model.workers == Workers::None {
            return Err(Error::Usage(format!(
                "{} has no workers: it starts a thread for every connection; leave out --workers, or bound the threads \
                 with --max-connections",
                model.name
            )));
        }
        for (flag, value) in [
            ("--header-timeout", self.header_timeout),
            ("--idle-timeout", self.idle_timeout),
            ("--send-timeout", self.send_timeout),
        ] {
            if value.is_zero() {
                return Err(Error::Usage(format!("{flag} 0 would close every connection at once; give it some time")));
            }
        }
        const LARGEST_HEAD: u64 = 16 * 1024 * 1024;
        for (flag, value, least) in
            [("--max-request-line", self.max_request_line, 16), ("--max-header-bytes", self.max_header_bytes, 2)]
        {
            if !(least..=LARGEST_HEAD).contains(&value) {
                return Err(Error::Usage(format!("{flag} {value} is out of bounds: {least} to {LARGEST_HEAD} bytes")));
            }
        }
        const MOST_WORKERS: usize = 4096;
        if self.worker_count() > MOST_WORKERS {
            return Err(Error::Usage(format!(
                "--workers {} is out of bounds: 1 to {MOST_WORKERS}",
                self.worker_count()
            )));
        }
        Ok(())
    }

    /// The number of workers that was asked for, or the CPUs that the process may run on.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    pub(crate) fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// The bounds on open connections and on files that are sent at the same time, if the process may have `limit`
    /// descriptors open.
    pub(crate) fn shares(&self, model: &Model, limit: usize) -> Shares {
        let needs = self.needs(model);
        let shares = Shares::new(limit, needs);
        self.max_connections.map_or(shares, |connections| shares.with_connections(connections.get(), needs))
    }

    fn needs(&self, model: &Model) -> Needs {
        /// While a worker looks a name up, it has the root and the file open.
        const LOOKUP: usize = 2;
        let workers = self.worker_count();
        match model.workers {
            Workers::None => Needs { workers: 0, for_each_worker: 0, most_files: usize::MAX },
            Workers::OneConnectionEach => Needs { workers, for_each_worker: LOOKUP, most_files: workers },
            Workers::ManyConnectionsEach { descriptors } => {
                Needs { workers, for_each_worker: descriptors + LOOKUP, most_files: usize::MAX }
            }
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Settings {
            limits: Limits { request_line: size(self.max_request_line), header_bytes: size(self.max_header_bytes) },
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
            send_timeout: self.send_timeout,
            delay: self.delay,
            keep_alive: self.keep_alive != KeepAlive::Off,
            log: !self.quiet,
        }
    }

    pub(crate) fn site(&self) -> site::Options {
        site::Options { hidden: self.hidden, cache_bytes: self.cache_bytes, cache_lifetime: self.cache_ttl }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(workers: Workers, flags: &[&str]) -> (usize, usize) {
        let model = Model { name: "model", about: "", workers };
        let options = Options::try_parse_from([&["model"], flags].concat()).unwrap();
        let shares = options.shares(&model, 256);
        (shares.connections, shares.files)
    }

    #[test]
    fn descriptors_are_divided_by_what_the_model_needs() {
        let loops = Workers::ManyConnectionsEach { descriptors: 4 };
        assert_eq!(shares(Workers::None, &[]), (150, 74));
        assert_eq!(shares(loops, &["--workers", "2"]), (142, 70));
        assert_eq!(shares(Workers::OneConnectionEach, &["--workers", "32"]), (128, 32));
    }

    #[test]
    fn a_number_of_connections_that_is_asked_for_is_taken() {
        assert_eq!(shares(Workers::None, &["--max-connections", "100"]), (100, 124));
        assert_eq!(shares(Workers::None, &["--max-connections", "1000"]), (1000, 74));
    }
}
