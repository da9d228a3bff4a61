//! valgrind(1), which counts what noise cannot move: the instructions that a server executes, and the memory that it
//! allocates, for one request.
//!
//! A server is started twice: once it serves some requests, and once twice as many. The difference over the number is the
//! cost of one, without starting, warming up and ending. There is one connection, so that nothing depends on who comes
//! first. Only the program is counted, not the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reports::failure::{Failure, Phase};

use crate::process::{Launch, ServerProcess};
use crate::system_calls::counted_load;

const PROGRAM: &str = "valgrind";
/// Requests of the shorter pass; the longer one has twice as many.
pub const REQUESTS: u64 = 1_000;
/// How long a server may take to write its figures and end.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// What a request may take at least, under a tool that slows a server fifty times.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Instructions, by callgrind.
    Instructions,
    /// Blocks of memory, by DHAT.
    Allocations,
}

/// What one request costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Instructions or allocations.
    pub each: f64,
    /// Bytes of an answer, its head included.
    pub bytes: f64,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
pub enum NotCounted {
    /// There is no valgrind.
    #[error("there is no valgrind: install it")]
    NoValgrind,
    /// The server failed under it.
    #[error("under valgrind, {}", lower(&.0.to_string()))]
    NotServed(Failure),
    /// Not all requests were answered rightly.
    #[error("under valgrind {answered} of {requests} requests were answered rightly in time; see what it answers")]
    Unanswered {
        /// Of how many.
        requests: u64,
        /// How many were.
        answered: u64,
    },
    /// valgrind left no figures.
    #[error("valgrind left no figures in {}: it may not know this program's instructions", .0.display())]
    NoFigures(PathBuf),
    /// The reader wanted no more.
    #[error("it was interrupted")]
    Interrupted,
}

/// Counts for one request of the server that `launch` starts on `port`; `load` says what the measurement's client does to a
/// port. Everything together ends within twice `limit` and some seconds for the server to end in.
///
/// # Errors
/// Why it could not be counted.
pub fn count(
    tool: Tool,
    launch: &Launch<'_>,
    port: u16,
    load: impl Fn(u16) -> loadgen::Plan,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<Cost, NotCounted> {
    let is_there = Command::new(PROGRAM).arg("--version").stdin(Stdio::null()).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        return Err(NotCounted::NoValgrind);
    }
    let pass = |requests: u64| pass(tool, launch, port, load(port), requests, limit, interrupted);
    let (once, twice) = (pass(REQUESTS)?, pass(2 * REQUESTS)?);
    Ok(Cost { each: (twice.0 as f64 - once.0 as f64) / REQUESTS as f64, bytes: twice.1 })
}

/// Serves so many requests and returns what was counted from the start to the end of the server, and the bytes of an answer.
fn pass(
    tool: Tool,
    launch: &Launch<'_>,
    port: u16,
    mut plan: loadgen::Plan,
    requests: u64,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<(u64, f64), NotCounted> {
    let begin = Instant::now();
    // valgrind runs in the server's folder.
    let file = std::path::absolute(launch.standard_output.with_file_name("valgrind"))
        .map_err(|_| NotCounted::NoFigures(PathBuf::new()))?;
    let _ = fs::remove_file(&file);
    let words = words(tool, &file, launch.words);
    let mut server =
        ServerProcess::start(&Launch { words: &words, ..launch.clone() }).map_err(NotCounted::NotServed)?;
    server.wait_until_it_listens(port, limit, interrupted).map_err(NotCounted::NotServed)?;
    plan.connections = 1;
    let plan = counted_load(plan, requests, limit.saturating_sub(begin.elapsed()), SHORTEST_TIMEOUT);
    let outcome = loadgen::run(&plan, &mut |_: &loadgen::Progress| {}, interrupted);
    if let Some(death) = server.death(Phase::Measuring) {
        return Err(NotCounted::NotServed(death));
    }
    let outcome = outcome.map_err(|error| NotCounted::NotServed(Failure::Generator { error: error.to_string() }))?;
    if interrupted.load(Ordering::Relaxed) {
        return Err(NotCounted::Interrupted);
    }
    let answered = outcome.responses.saturating_sub(outcome.unexpected.responses);
    if answered < requests {
        return Err(NotCounted::Unanswered { requests, answered });
    }
    server.stop(STOP_LIMIT).map_err(NotCounted::NotServed)?;
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    let bytes = outcome.bytes_read as f64 / outcome.responses.max(1) as f64;
    Ok((figure(tool, &text).ok_or(NotCounted::NoFigures(file))?, bytes))
}

/// Instructions for each round of a program that is told by its only argument how many rounds to make, and that ends then.
///
/// # Errors
/// Why they could not be counted.
pub fn instructions_per_round(program: &Path, scratch: &Path) -> Result<f64, NotCounted> {
    let file = scratch.join("valgrind");
    let pass = |rounds: u64| -> Result<u64, NotCounted> {
        let words = words(Tool::Instructions, &file, &[program.to_string_lossy().into_owned(), rounds.to_string()]);
        let (valgrind, arguments) = words.split_first().ok_or(NotCounted::NoValgrind)?;
        // What an earlier pass has left is none of this one's.
        let _ = fs::remove_file(&file);
        let ended = Command::new(valgrind).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        match ended {
            Err(_) => Err(NotCounted::NoValgrind),
            Ok(status) if !status.success() => Err(NotCounted::NoFigures(file.clone())),
            Ok(_) => figure(Tool::Instructions, &fs::read_to_string(&file).unwrap_or_default())
                .ok_or_else(|| NotCounted::NoFigures(file.clone())),
        }
    };
    let (once, twice) = (pass(REQUESTS)?, pass(2 * REQUESTS)?);
    Ok((twice as f64 - once as f64) / REQUESTS as f64)
}

/// The words that start a server under a tool, which writes its figures to a file when the server ends.
fn words(tool: Tool, file: &Path, server: &[String]) -> Vec<String> {
    let file = file.display();
    let mut words = vec![PROGRAM.to_owned()];
    match tool {
        Tool::Instructions => {
            words.extend(["-q".to_owned(), "--tool=callgrind".to_owned(), format!("--callgrind-out-file={file}")]);
        }
        Tool::Allocations => {
            let options = ["--tool=dhat", "--dhat-out-file=/dev/null"].map(str::to_owned);
            words.extend(options);
            words.push(format!("--log-file={file}"));
        }
    }
    words.push("--".to_owned());
    words.extend_from_slice(server);
    words
}

/// Callgrind's `totals: 2679307`, or DHAT's `==12== Total:     53,412 bytes in 207 blocks`.
fn figure(tool: Tool, text: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace(',', "").parse().ok();
    match tool {
        Tool::Instructions => {
            text.lines().rev().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")))
        }
        Tool::Allocations => text
            .lines()
            .find_map(|line| line.split_once("Total:")?.1.split_once(" bytes in ")?.1.strip_suffix(" blocks")),
    }
    .and_then(number)
}

/// A sentence as the rest of another one.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_the_tools_write() {
        let callgrind = "version: 1\nevents: Ir\nfn=(1) main\n0 12\ntotals: 2679307\n";
        assert_eq!(figure(Tool::Instructions, callgrind), Some(2_679_307));
        let dhat = "==12== DHAT, a dynamic heap analysis tool\n==12== Total:     53,412 bytes in 1,207 blocks\n\
                    ==12== At t-gmax: 10 bytes in 1 blocks\n";
        assert_eq!(figure(Tool::Allocations, dhat), Some(1_207));
        for tool in [Tool::Instructions, Tool::Allocations] {
            assert_eq!(figure(tool, "nothing of the kind"), None);
        }
    }
}
