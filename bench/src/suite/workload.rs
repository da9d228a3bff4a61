//! What the client does: the workload of a suite, and the loads that change something about it.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use loadgen::header_field;
use serde::{Deserialize, Deserializer};

use crate::duration::Span;

/// What the client does, and where the files come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The document root: a folder, or files that are made for measuring.
    pub root: Root,
    /// The path that is asked for, from the slash on.
    #[serde(deserialize_with = "path_from_the_slash")]
    pub path: String,
    /// Open connections at a time.
    pub connections: NonZeroU32,
    /// Threads of the load generator.
    #[serde(default = "one")]
    pub threads: NonZeroU32,
    /// Whether a connection is used for more than one request.
    #[serde(default = "yes")]
    pub keep_alive: bool,
    /// How long a response may take before it counts as a timeout.
    #[serde(default = "two_seconds")]
    pub timeout: Span,
    /// Further header lines of the request.
    #[serde(default, deserialize_with = "header_lines")]
    pub headers: Vec<String>,
    /// The Content-Type of the right answer, where it matters; its parameters are not looked at.
    pub content_type: Option<String>,
    /// Requests under way on one connection at a time.
    #[serde(skip, default = "one")]
    pub pipeline: NonZeroU32,
    /// Further connections on which nothing is sent.
    #[serde(skip)]
    pub idle: u32,
    /// How long every answer waits: a `--delay` for the server.
    #[serde(skip)]
    pub delay: Option<Span>,
    /// The rate of an open loop; a closed one without it.
    #[serde(skip)]
    pub offered: Option<Offer>,
    /// Files that are asked for by chance instead of the path.
    #[serde(skip)]
    pub mix: Option<MixOfFiles>,
    /// Whether the kernel is made to forget the files of the mix first, and each is asked for once.
    #[serde(skip)]
    pub cold: bool,
    /// Connections beside, whose clients read slowly.
    #[serde(skip)]
    pub slow_readers: u32,
    /// Connections beside, whose clients send the head of a request slowly and never end it.
    #[serde(skip)]
    pub slow_heads: u32,
    /// Which CPUs the server gets.
    #[serde(skip)]
    pub server_cpus: ServerCpus,
}

/// What one load changes about the suite's workload; what it does not name stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Open connections at a time.
    pub connections: Option<NonZeroU32>,
    /// The path that is asked for.
    #[serde(default, deserialize_with = "some_path_from_the_slash")]
    pub path: Option<String>,
    /// Whether a connection is used for more than one request.
    pub keep_alive: Option<bool>,
    /// Requests under way on one connection at a time.
    pub pipeline: Option<NonZeroU32>,
    /// Further connections on which nothing is sent.
    pub idle: Option<u32>,
    /// How long every answer waits: the server gets `--delay` with it among its flags.
    pub delay: Option<Span>,
    /// The rate of an open loop: "2000" or "2k" requests per second, or "50%" of what the server carries in a closed one.
    pub offered: Option<Offer>,
    /// Files that are asked for by chance instead of the path.
    pub mix: Option<MixOfFiles>,
    /// Whether the kernel is made to forget the files of the mix first: each is then asked for once, and comes from the disk.
    pub cold: Option<bool>,
    /// Connections beside, whose clients read 16 KiB/s of the largest file.
    pub slow_readers: Option<u32>,
    /// Connections beside, whose clients send the head of a request a byte a second and never end it.
    pub slow_heads: Option<u32>,
    /// Which CPUs the server gets: "apart" from the client's, or "all" of them.
    pub server_cpus: Option<ServerCpus>,
    /// The servers that get this load, where not all of the suite's do.
    pub only: Option<Vec<String>>,
}

/// A document root.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum Root {
    /// A folder, from the project's on.
    Folder(PathBuf),
    /// Files that the bench makes: see [`documents`](crate::documents).
    Made,
}

/// What is written in place of a folder for [`Root::Made`].
pub const MADE: &str = "made";

/// The rate of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Offer {
    /// Requests per second.
    Rate(f64),
    /// A share of what the server carries in a closed loop in the same round, above 0.
    Share(f64),
}

/// Files that are asked for by chance: the one at place k as often as 1/k to the power of the exponent says (Zipf's law).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixOfFiles {
    /// How many of the files that the bench makes.
    pub files: NonZeroU32,
    /// The exponent, 0 or more.
    pub exponent: f64,
}

/// Which CPUs a server gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerCpus {
    /// Those that are not the client's, as far as there are enough.
    #[default]
    Apart,
    /// All, the client's too.
    All,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no rate; write requests per second, as \"2000\" or \"2k\", or a share of the server's capacity, as \"50%\""
)]
pub struct OfferError(String);

impl Workload {
    /// The workload with what a load changes about it.
    #[must_use]
    pub fn with(&self, load: &Load) -> Self {
        let mut changed = self.clone();
        let Load {
            connections,
            path,
            keep_alive,
            pipeline,
            idle,
            delay,
            offered,
            mix,
            cold,
            slow_readers,
            slow_heads,
            server_cpus,
            only: _,
        } = load;
        changed.connections = connections.unwrap_or(self.connections);
        changed.path = path.clone().unwrap_or_else(|| self.path.clone());
        changed.keep_alive = keep_alive.unwrap_or(self.keep_alive);
        changed.pipeline = pipeline.unwrap_or(self.pipeline);
        changed.idle = idle.unwrap_or(self.idle);
        changed.delay = delay.or(self.delay);
        changed.offered = offered.or(self.offered);
        changed.mix = mix.or(self.mix);
        changed.cold = cold.unwrap_or(self.cold);
        changed.slow_readers = slow_readers.unwrap_or(self.slow_readers);
        changed.slow_heads = slow_heads.unwrap_or(self.slow_heads);
        changed.server_cpus = server_cpus.unwrap_or(self.server_cpus);
        changed
    }

    /// All connections that the client opens, those of bad company too.
    #[must_use]
    pub fn all_connections(&self) -> u32 {
        let beside = [self.idle, self.slow_readers, self.slow_heads];
        beside.into_iter().fold(self.connections.get(), u32::saturating_add)
    }

    /// Whether clients that behave badly are there, too.
    #[must_use]
    pub fn has_bad_company(&self) -> bool {
        self.slow_readers > 0 || self.slow_heads > 0
    }

    /// The same in a closed loop: it shows what a share of the server's capacity is a share of.
    #[must_use]
    pub fn closed(&self) -> Self {
        Self { offered: None, ..self.clone() }
    }
}

impl fmt::Display for Workload {
    /// What distinguishes it from others of its suite, for the reader of a plan.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", reports::words::plural(self.connections.get().into(), "connection"))?;
        if !self.keep_alive {
            out.write_str(", a new one for each request")?;
        }
        match self.mix {
            Some(mix) if self.cold => write!(out, ", {} files once each, from the disk", mix.files)?,
            Some(mix) => write!(out, ", {} files by Zipf's law", mix.files)?,
            None => write!(out, ", GET {}", self.path)?,
        }
        if self.pipeline.get() > 1 {
            write!(out, ", {} requests at a time on each", self.pipeline)?;
        }
        if self.idle > 0 {
            write!(out, ", {} idle beside", self.idle)?;
        }
        if let Some(delay) = self.delay {
            write!(out, ", every answer waits {delay}")?;
        }
        match self.offered {
            Some(Offer::Rate(rate)) => write!(out, ", {} requests per second offered", reports::words::figure(rate))?,
            Some(Offer::Share(share)) => write!(out, ", {} of its capacity offered", reports::words::percent(share))?,
            None => {}
        }
        if self.slow_readers > 0 {
            write!(out, ", beside {} slow readers", self.slow_readers)?;
        }
        if self.slow_heads > 0 {
            write!(out, ", beside {} slow heads", self.slow_heads)?;
        }
        if self.server_cpus == ServerCpus::All {
            out.write_str(", server on all CPUs")?;
        }
        Ok(())
    }
}

impl From<PathBuf> for Root {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == MADE { Self::Made } else { Self::Folder(path) }
    }
}

impl FromStr for Offer {
    type Err = OfferError;

    fn from_str(text: &str) -> Result<Self, OfferError> {
        let error = || OfferError(text.to_owned());
        let trimmed = text.trim();
        let (digits, factor) = match trimmed.strip_suffix(['k', 'M', '%']) {
            Some(digits) if trimmed.ends_with('k') => (digits, 1e3),
            Some(digits) if trimmed.ends_with('M') => (digits, 1e6),
            Some(digits) => (digits, 0.01),
            None => (trimmed, 1.0),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let figure = digits.parse::<f64>().ok().filter(|figure| plain && *figure > 0.0).ok_or_else(error)? * factor;
        // A hundred times its capacity is a slip of the keyboard, and so are a billion requests per second.
        match trimmed.ends_with('%') {
            true if figure <= 10.0 => Ok(Self::Share(figure)),
            false if figure <= 1e9 => Ok(Self::Rate(figure)),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Offer {
    type Error = OfferError;

    fn try_from(text: String) -> Result<Self, OfferError> {
        text.parse()
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn yes() -> bool {
    true
}

fn two_seconds() -> Span {
    Span(std::time::Duration::from_secs(2))
}

fn path_from_the_slash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    if path.starts_with('/') && plain {
        Ok(path)
    } else {
        let problem =
            format!("\"{path}\" is not a path as it stands in a request; begin with a slash and write spaces as %20");
        Err(serde::de::Error::custom(problem))
    }
}

fn some_path_from_the_slash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    path_from_the_slash(deserializer).map(Some)
}

fn header_lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let lines = Vec::<String>::deserialize(deserializer)?;
    for line in &lines {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            serde::de::Error::custom(format!("\"{line}\" is not a header line; write it as \"Name: value\""))
        })?;
        header_field::check(name, value.trim()).map_err(serde::de::Error::custom)?;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        assert_eq!("2000".parse(), Ok(Offer::Rate(2000.0)));
        assert_eq!("2.5k".parse(), Ok(Offer::Rate(2500.0)));
        assert_eq!("1M".parse(), Ok(Offer::Rate(1e6)));
        assert_eq!("50%".parse(), Ok(Offer::Share(0.5)));
        assert_eq!("120%".parse(), Ok(Offer::Share(1.2)));
        for text in ["", "k", "%", "0", "0%", "-5", "nan", "inf", "1e9", "5000%", "9999M", "5 0", "2kk", "50%%"] {
            assert!(text.parse::<Offer>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_load_changes_what_it_names() {
        let workload: Workload = toml::from_str("root = \"www\"\npath = \"/\"\nconnections = 100\n").unwrap();
        let load: Load = toml::from_str("connections = 7\nidle = 1000\noffered = \"50%\"\ndelay = \"10ms\"\n").unwrap();
        let changed = workload.with(&load);
        assert_eq!((changed.connections.get(), changed.idle, changed.path.as_str()), (7, 1000, "/"));
        assert_eq!(changed.all_connections(), 1007);
        assert_eq!((changed.offered, changed.closed().offered), (Some(Offer::Share(0.5)), None));
        assert_eq!(
            changed.to_string(),
            "7 connections, GET /, 1000 idle beside, every answer waits 10 ms, 50 % of its capacity offered"
        );
        assert_eq!(workload.with(&Load::default()).to_string(), workload.to_string());
    }
}
