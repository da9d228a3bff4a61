//! `cargo conformance`: holds servers to the rules of a static file server, and prints how they fare.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use harness::conformance::{Subject, Tally, furnish, groups};
use harness::{Model, Root};
use loadgen::console;

/// A response that takes longer is none. No rule needs long to be kept.
const PATIENCE: Duration = Duration::from_secs(5);
/// What was measured stands under this line of a page; what is over it is written by hand.
const MEASURED: &str = "<!-- Measured: from here on written by `just conformance-page`. -->";

/// Holds static file servers to RFC 9110 and 9112, and to this project's choices where those leave one.
///
/// Prints a line for each rule and a count for each server. Exit code: 0 all rules kept, 1 some broken, 2 not possible.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Options {
    /// A server to start: one of our models, nginx or lighttpd; all our models if nothing is named
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,
    /// A server that listens already and serves what --write-site wrote
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<SocketAddr>,
    /// Workers of our models
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: u32,
    /// Print only the rules that are broken
    #[arg(long)]
    failed: bool,
    /// Write the files that the rules speak of to DIR/root and end; DIR must not exist
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "address"])]
    write_site: Option<PathBuf>,
    /// Write the counts and the broken rules into this page in Markdown, under its line of what is measured
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    let code = match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            console::tell(format_args!("conformance: {why}\n"));
            ExitCode::from(2)
        }
    };
    console::exit_code("conformance", code)
}

/// Says whether all rules were kept.
fn run(options: &Options) -> Result<bool, String> {
    if let Some(directory) = &options.write_site {
        let root = furnish(Root::lasting(directory)?);
        console::say(format_args!("the files are in {}\n", root.path().display()));
        return Ok(true);
    }
    let subjects = subjects(options)?;
    let root = furnish(Root::new());
    let groups = groups();
    let mut tallies: Vec<Tally> = Vec::new();
    for subject in subjects {
        let tally = subject.hold_to(&groups, &root, PATIENCE).map_err(|why| format!("{subject}: {why}"))?;
        console::say(format_args!("{}\n", tally.table(options.failed)));
        tallies.push(tally);
    }
    for tally in &tallies {
        console::say(format_args!("{tally}\n"));
    }
    if let Some(page) = &options.page {
        rewrite(page, &tallies)?;
    }
    Ok(tallies.iter().all(|tally| tally.failed() == 0))
}

fn subjects(options: &Options) -> Result<Vec<Subject>, String> {
    if options.workers == 0 {
        return Err("--workers 0 serves nobody".to_owned());
    }
    let mut subjects: Vec<Subject> = options.address.iter().map(|address| Subject::At(*address)).collect();
    for name in &options.server {
        let subject = Subject::named(name, options.workers);
        let known = Model::ALL.map(Model::name).join(", ");
        subjects
            .push(subject.ok_or_else(|| format!("no server is called {name}; there are {known}, nginx, lighttpd"))?);
    }
    if subjects.is_empty() {
        subjects = Model::ALL.map(|model| Subject::Ours(model, options.workers)).into();
    }
    Ok(subjects)
}

/// Replaces what was measured on a page.
fn rewrite(page: &Path, tallies: &[Tally]) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", page.display());
    let text = std::fs::read_to_string(page).map_err(told)?;
    let (by_hand, _) = text.split_once(MEASURED).ok_or_else(|| format!("{} has no line {MEASURED}", page.display()))?;
    let measured: Vec<String> = tallies.iter().map(Tally::page).collect();
    std::fs::write(page, format!("{by_hand}{MEASURED}\n\n{}", measured.join("\n"))).map_err(told)
}
