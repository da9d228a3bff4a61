//! Counters of two commits of a small server in a repository made for the test: what the second one costs more is named.

use std::env;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::repository::{git, write};

/// A server of one file for one connection at a time. EXTRA is what it does for each request.
const SERVER: &str = r#"
use std::io::{Read as _, Write as _};

fn main() {
    let port = std::env::args().nth(1).unwrap().parse().unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    for client in listener.incoming() {
        let Ok(mut client) = client else { continue };
        let mut request = Vec::with_capacity(4096);
        let mut bytes = [0; 4096];
        'client: loop {
            while !request.ends_with(b"\r\n\r\n") {
                match client.read(&mut bytes) {
                    Ok(0) | Err(_) => break 'client,
                    Ok(read) => request.extend_from_slice(&bytes[..read]),
                }
            }
            request.clear();
            EXTRA
            let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nsmall";
            if client.write_all(answer).is_err() {
                break;
            }
        }
    }
}
"#;

const SERVERS: &str = r#"
[[server]]
name = "small"
model = "one connection at a time"
workers = false
package = "small"
command = "{program} {port}"

[[server]]
name = "foreign"
model = "somebody else's"
workers = false
command = "foreign {port}"
"#;

const SUITE: &str = r#"
question = "What does a request cost?"
servers = ["small"]
[workload]
root = "www"
path = "/"
content_type = "text/html"
connections = 1
[schedule]
rounds = 1
duration = "1s"
warm_up = "0s"
[[configurations]]
workers = [1]
access_log = false
"#;

fn commit(folder: &Path, extra: &str) {
    write(folder, "src/main.rs", &SERVER.replace("EXTRA", extra));
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "a change"]);
}

fn counters(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.arg("counters").args(arguments).current_dir(folder).stdin(Stdio::null());
    // The test's own cargo must not lend its settings to the one that builds the small server.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    command.output().unwrap()
}

/// Whether both tools are there; says so if not.
fn has_tools() -> bool {
    let required = env::var_os("OTUS_REQUIRE_TOOLS").is_some_and(|value| !value.is_empty());
    for (program, argument) in [("valgrind", "--version"), ("strace", "-V")] {
        let output = Command::new(program).arg(argument).output();
        if !output.is_ok_and(|output| output.status.success()) {
            assert!(!required, "no {program}, which is required");
            // Not by eprintln!, which the test runner keeps to itself when a test passes.
            let _ = writeln!(std::io::stderr(), "skipped: no {program}");
            return false;
        }
    }
    true
}

#[test]
fn the_rounds_of_a_program_are_counted() {
    if !has_tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // `seq 1000` writes a thousand numbers.
    let count = || otus_bench::valgrind::instructions_per_round(Path::new("seq"), folder.path()).unwrap();
    let (first, second) = (count(), count());
    assert!(first > 10.0 && first < 100_000.0, "{first}");
    assert!((first / second - 1.0).abs() < 0.001, "{first} and {second}");
    let absent = otus_bench::valgrind::instructions_per_round(Path::new("/no/such/program"), folder.path());
    assert!(absent.is_err());
}

#[test]
fn what_a_commit_costs_more_is_named() {
    if !has_tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
    write(folder, ".gitignore", "/target\nCargo.lock\n");
    write(folder, "bench/servers.toml", SERVERS);
    write(folder, "bench/suites/wrk.toml", SUITE);
    write(folder, "www/index.html", "small");
    git(folder, &["init", "--quiet"]);
    commit(folder, "");
    // A system call, and an allocation of a kibibyte that is written to.
    commit(folder, "std::hint::black_box((std::process::id(), vec![1_u8; 1024]));");

    let output = counters(folder, &["HEAD~1", "--only", "small,foreign"]);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    let found = text.lines().find(|line| line.starts_with("small: ")).unwrap_or_else(|| panic!("{text}"));
    for change in ["+1.00 getpid", "+1.00 allocations", " instructions ("] {
        assert!(found.contains(change), "{change} is missing in: {found}");
    }
    assert!(
        !found.contains("recvfrom") && !found.contains("sendto") && !found.contains("bytes of an answer"),
        "{found}"
    );
    assert!(text.contains("foreign is passed over"), "{text}");

    // A commit that changes nothing gives the same program, byte for byte.
    commit(folder, "std::hint::black_box((std::process::id(), vec![1_u8; 1024]));");
    let same = counters(folder, &["HEAD~1", "--only", "small"]);
    assert!(String::from_utf8_lossy(&same.stdout).contains("small: identical programs, nothing to count"));

    let unknown = counters(folder, &["no-such-branch"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no-such-branch is no commit of the repository"));

    // What is not committed is not counted, and says so.
    write(folder, "src/main.rs", "does not build");
    let dirty = counters(folder, &["HEAD~1", "--only", "small"]);
    assert!(String::from_utf8_lossy(&dirty.stdout).contains("changes that are not committed"), "{dirty:?}");
    assert!(dirty.status.success());
    let same = counters(folder, &["HEAD", "--only", "small"]);
    assert_eq!(same.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&same.stderr).contains("HEAD and HEAD are the same commit"), "{same:?}");
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "-m", "broken"]);
    let broken = counters(folder, &["HEAD~1", "--only", "small"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("does not build"), "{broken:?}");
}
