//! What a request costs our servers in system calls, where it is known exactly, and what is said of servers that fail.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use escargot::CargoBuild;
use escargot::format::Message;
use loadgen::{Expect, Plan};
use otus_bench::cpus::Cpus;
use otus_bench::ports::Ports;
use otus_bench::process::Launch;
use otus_bench::{strace, system_calls};
use reports::failure::{Failure, Phase};
use reports::{NotCounted, SystemCalls};

const PATIENCE: Duration = Duration::from_secs(60);

/// Whether strace may be used here; says so if not. A missing one is a failure where `OTUS_REQUIRE_TOOLS` is set.
fn has_strace() -> bool {
    let skipped = match strace::may_trace(PATIENCE) {
        Ok(()) => return true,
        Err(NotCounted::NoStrace) => {
            let required = env::var_os("OTUS_REQUIRE_TOOLS").is_some_and(|value| !value.is_empty());
            assert!(!required, "no strace, which is required");
            "no strace"
        }
        Err(_) => "strace may not trace here",
    };
    // Not by eprintln!, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {skipped}");
    false
}

/// The program of one of our servers, built as these tests are.
fn program(name: &str) -> &'static str {
    static BUILT: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(|| {
        let mut cargo = CargoBuild::new().manifest_path(project().join("Cargo.toml")).bins();
        if !cfg!(debug_assertions) {
            cargo = cargo.release();
        }
        // All of the workspace, which `cargo test --workspace` built already; for two packages alone cargo would enable less in
        // their dependencies, and compile most of them again.
        let cargo = cargo.arg("--workspace");
        let artifact = |message: Message<'_>| match message {
            Message::CompilerArtifact(artifact) => {
                Some((artifact.target.name.into_owned(), artifact.executable?.into_owned()))
            }
            _ => None,
        };
        cargo.exec().unwrap().filter_map(|message| artifact(message.unwrap().decode().unwrap())).collect()
    });
    BUILT[name].to_str().unwrap()
}

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Tests run at the same time, each on ports of its own.
static PORTS: LazyLock<Mutex<Ports>> = LazyLock::new(|| Mutex::new(Ports::new(u64::from(std::process::id()))));

/// Counts for a server whose words have `{port}` where its port belongs.
fn count(words: &[&str], keep_alive: bool) -> Result<SystemCalls, NotCounted> {
    count_within(words, keep_alive, PATIENCE, false)
}

fn count_within(
    words: &[&str],
    keep_alive: bool,
    limit: Duration,
    interrupted: bool,
) -> Result<SystemCalls, NotCounted> {
    let folder = tempfile::tempdir().unwrap();
    let port = PORTS.lock().unwrap().next_free().unwrap();
    let words: Vec<String> = words.iter().map(|word| word.replace("{port}", &port.to_string())).collect();
    let launch = Launch {
        words: &words,
        folder: project(),
        cpus: &Cpus::available().unwrap(),
        mark: folder.path(),
        standard_output: folder.path().join("standard-output"),
        standard_error: folder.path().join("standard-error"),
    };
    let load = |port| Plan {
        requests_per_connection: (!keep_alive).then_some(1),
        expect: Expect { status: Some(200), ..Expect::default() },
        ..Plan::new(format!("http://127.0.0.1:{port}/"))
    };
    let counted = system_calls::count(&launch, port, load, limit, &AtomicBool::new(interrupted));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the server's own output stays: {left:?}");
    counted
}

#[test]
fn a_kept_connection_costs_one_receive_and_one_send() {
    if !has_strace() {
        return;
    }
    for words in [&["epoll", "--workers", "2"][..], &["thread-per-connection"]] {
        let mut words = words.to_vec();
        words[0] = program(words[0]);
        words.extend(["--root", "www", "--quiet", "{port}"]);
        let calls = count(&words, true).unwrap();
        let costs = calls.by_name();
        assert_eq!(costs["sendto"], 1.0, "{calls:?}");
        // An event loop looks for a request as soon as it has accepted, and may be too early: on each connection once.
        let early = if words[0] == program("epoll") { calls.connections } else { 0 };
        let receives = calls.many.calls["recvfrom"] - calls.few.calls["recvfrom"];
        assert!(receives.abs_diff(calls.requests()) <= early, "{calls:?}");
        assert!(!costs.contains_key("close"), "{calls:?}");
        assert_eq!((calls.requests(), calls.connections), (800, 4));
        // What is left is waiting, which one loop does once for all that are ready.
        assert!((2.0..3.5).contains(&calls.per_request()), "{calls:?}");
    }
}

#[test]
fn a_connection_for_each_request_is_part_of_the_cost() {
    if !has_strace() {
        return;
    }
    let words = [program("thread-per-connection"), "--root", "www", "--quiet", "{port}"];
    let calls = count(&words, false).unwrap();
    let costs = calls.by_name();
    assert_eq!((costs["accept4"], costs["sendto"], costs["clone3"]), (1.0, 1.0, 1.0), "{calls:?}");
}

#[test]
fn a_server_that_fails_under_strace_has_its_reason() {
    if !has_strace() {
        return;
    }
    let faulty = |fault| [env!("CARGO_BIN_EXE_faulty-server"), fault, "www/index.html", "{port}"];
    let wrong = count(&faulty("not-found"), true).unwrap_err();
    let NotCounted::Unanswered { answered: 0, .. } = wrong else { panic!("{wrong:?}") };
    let crashed = count(&faulty("crashes-at-start"), true).unwrap_err();
    let NotCounted::NotServed { failure: Failure::Died { during: Phase::Start, status, standard_error, .. } } = crashed
    else {
        panic!("{crashed:?}")
    };
    // strace ends as the server did, and leaves its words as they are.
    assert_eq!((status, standard_error.as_str()), (Some(3), "the configuration is upside down"));
}

#[test]
fn whatever_the_server_does_there_is_an_end() {
    if !has_strace() {
        return;
    }
    let silent = [env!("CARGO_BIN_EXE_faulty-server"), "never-accepts", "www/index.html", "{port}"];
    let begin = Instant::now();
    let late = count_within(&silent, true, Duration::from_secs(1), false).unwrap_err();
    assert_eq!(late, NotCounted::Unanswered { requests: 200, answered: 0, limit_seconds: 1.0 });
    assert_eq!(count_within(&silent, true, PATIENCE, true).unwrap_err(), NotCounted::Interrupted);
    assert!(begin.elapsed() < PATIENCE / 2);
}
