//! Two commits of small servers in a repository made for the test: a planted slow-down is found, equals are not called
//! different, and what cannot be compared says so.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reports::ServerSample;
use reports::comparison::{Comparison, Figure, Verdict, judge};
use reports::record::Round;

/// A server of one file, a thread for each connection. EXTRA is what it does for each request.
const SERVER: &str = r#"
use std::io::{Read as _, Write as _};

fn main() {
    let port = std::env::args().nth(1).unwrap().parse().unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    for client in listener.incoming() {
        let Ok(mut client) = client else { continue };
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            let mut read = 0;
            loop {
                match client.read(&mut bytes[read..]) {
                    Ok(0) | Err(_) => break,
                    Ok(more) => read += more,
                }
                if !bytes[..read].ends_with(b"\r\n\r\n") {
                    continue;
                }
                read = 0;
                EXTRA
                let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nsmall";
                if client.write_all(answer).is_err() {
                    break;
                }
            }
        });
    }
}
"#;

/// About half as much work as the rest of a request.
const SLOW: &str =
    "let begin = std::time::Instant::now(); while begin.elapsed() < std::time::Duration::from_micros(6) {}";

/// One comparison at a time: each of them would be noise for the other.
static MACHINE: Mutex<()> = Mutex::new(());

const SERVERS: &str = r#"
[[server]]
name = "packaged"
workers = false
package = "small"
command = "{program} {port}"

[[server]]
name = "built"
workers = false
build = "rustc --edition 2024 -O src/main.rs -o built"
command = "./built {port}"

[[server]]
name = "foreign"
workers = false
command = "foreign {port}"
"#;

const SUITE: &str = r#"
question = "Did the change make the server slower?"
varies = "connections"
servers = ["packaged"]
[workload]
root = "www"
path = "/"
content_type = "text/html"
connections = 8
[schedule]
duration = "300ms"
warm_up = "50ms"
[quick]
duration = "300ms"
warm_up = "50ms"
[[configurations]]
workers = [1]
access_log = false
"#;

struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let one = Self { folder: tempfile::tempdir().unwrap() };
        one.write("Cargo.toml", "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n");
        one.write(".gitignore", "/target\nCargo.lock\n/built\n");
        one.write("bench/servers.toml", SERVERS);
        one.write("bench/compare.toml", SUITE);
        one.write("www/index.html", "small");
        one.git(&["init", "--quiet"]);
        one
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"];
        let output = Command::new("git").args(who).args(arguments).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, extra: &str) {
        self.write("src/main.rs", &SERVER.replace("EXTRA", extra));
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "a change"]);
    }
}

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.arg("compare").args(arguments).current_dir(folder).stdin(Stdio::null());
    // The test's own cargo must not lend its settings to the one that builds the small server.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    command.output().unwrap()
}

fn output_of(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Compares until it is decided. This machine may be at work with other things, and then the honest answer is that nothing
/// can be said: if that is so again and again, there is nothing to test, and it says so. A verdict is never tried again.
fn decided(folder: &Path, comparisons: &Path, arguments: &[&str]) -> Option<(Output, Comparison)> {
    for _ in 0..4 {
        let output = compare(folder, arguments);
        let comparison =
            Comparison::load(&comparisons.join("latest")).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        if judge(&comparison).iter().all(|one| one.verdict != Verdict::Undecided) {
            return Some((output, comparison));
        }
        let noise = judge(&comparison).iter().filter_map(|one| one.noise.clone()).collect::<Vec<_>>();
        assert!(!noise.is_empty(), "undecided without noise: {}", output_of(&output));
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"left out: this machine was never quiet enough\n");
    None
}

fn verdicts(comparison: &Comparison) -> Vec<(String, Verdict)> {
    judge(comparison).iter().map(|one| (one.contest.head.server.name.clone(), one.verdict)).collect()
}

#[test]
fn a_planted_slow_down_is_found_and_what_cannot_be_compared_says_so() {
    let _alone = MACHINE.lock();
    let repository = Repository::new();
    let folder = repository.path();
    let comparisons = folder.join("target/comparisons");
    repository.commit("");
    repository.commit(SLOW);

    // A package's program and one that a command builds, by the commits of this repository.
    let both = ["HEAD~1", "--only", "packaged,built,foreign", "--budget", "40s", "--max-slowdown", "20%"];
    let Some((output, comparison)) = decided(folder, &comparisons, &both) else { return };
    let text = output_of(&output);
    assert_eq!(
        verdicts(&comparison),
        [("packaged".to_owned(), Verdict::Slower), ("built".to_owned(), Verdict::Slower)],
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("foreign: left out, because its command names no file of the repository"), "{text}");
    let judged = judge(&comparison);
    assert!(judged.iter().all(|one| one.slowdown().unwrap() > 0.2), "{text}");
    // Both were measured at the same time, and each knows what the other took.
    let contest = &comparison.contests[0];
    assert_eq!(contest.base.rounds.len(), contest.head.rounds.len());
    let rounds = || contest.base.rounds.iter().zip(&contest.head.rounds);
    for (base, head) in rounds().filter(|(base, head)| base.outcome.is_some() && head.outcome.is_some()) {
        assert_eq!((base.index, base.position), (head.index, 1 - head.position));
        let begin = |round: &Round| round.outcome.as_ref().unwrap().started_at_ms;
        assert!(begin(base).abs_diff(begin(head)) < 100, "{} and {}", begin(base), begin(head));
        assert_eq!(base.opponent_cpu_seconds, head.server.as_ref().map(ServerSample::cpu_seconds));
    }
    assert!(contest.twins.len() == 2 && contest.twins[0].rounds.len() * 4 <= contest.base.rounds.len());
    let report = fs::read_to_string(comparisons.join("latest/comparison.md")).unwrap();
    assert!(report.starts_with("<!-- verdict: slower -->"), "{report}");
    assert!(String::from_utf8_lossy(&output.stdout).trim_end().ends_with("comparison.md"), "{text}");
    // Nothing of the turns is left behind.
    assert!(!folder.join("target/commits/turn").exists());

    // A slow-down that is let pass is told and is no failure.
    let all_pass = ["HEAD~1", "--quick", "--budget", "30s", "--max-slowdown", "99%"];
    let Some((output, comparison)) = decided(folder, &comparisons, &all_pass) else { return };
    assert_eq!(verdicts(&comparison), [("packaged".to_owned(), Verdict::Slower)], "{}", output_of(&output));
    assert_eq!(output.status.code(), Some(0));

    // The other way around it is faster.
    let turned_around = ["HEAD", "HEAD~1", "--quick", "--budget", "30s", "--max-slowdown", "20%"];
    let Some((output, comparison)) = decided(folder, &comparisons, &turned_around) else { return };
    assert_eq!(verdicts(&comparison), [("packaged".to_owned(), Verdict::Faster)], "{}", output_of(&output));
    assert_eq!((output.status.code(), comparison.contests[0].base.server.name.as_str()), (Some(0), "packaged"));
    assert!(judge(&comparison)[0].figures.iter().any(|one| one.figure == Figure::ServerCpu));

    // Equal code gives equal programs, of a package and of a command.
    repository.commit(SLOW);
    let output = compare(folder, &["HEAD~1", "--only", "packaged,built", "--strict"]);
    let text = output_of(&output);
    assert!(output.status.success(), "{text}");
    for name in ["packaged", "built"] {
        assert!(text.contains(&format!("{name}: identical programs, nothing to measure.")), "{text}");
    }
    assert!(text.contains("there was nothing to measure"), "{text}");

    // What is not committed takes no part, and says so.
    repository.write("src/main.rs", "fn main() { nothing }");
    let output = compare(folder, &["HEAD~1", "--quick"]);
    assert!(output_of(&output).contains("changes that are not committed"), "{output:?}");
    // A commit that does not build, as head and as base.
    repository.git(&["commit", "--quiet", "--all", "-m", "broken"]);
    for sides in [["HEAD~1", "HEAD"], ["HEAD", "HEAD~1"]] {
        for server in ["packaged", "built"] {
            let output = compare(folder, &[&sides[..], &["--only", server]].concat());
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(output_of(&output).contains("does not build"), "{output:?}");
        }
    }
    let unknown = compare(folder, &["no-such-branch"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(output_of(&unknown).contains("no-such-branch is no commit of the repository"), "{unknown:?}");
    let short = compare(folder, &["HEAD~3", "HEAD~2", "--quick", "--budget", "3s"]);
    assert_eq!(short.status.code(), Some(2));
    assert!(output_of(&short).contains("is too short: 10 pairs of turns"), "{short:?}");
}

#[test]
fn a_hog_in_the_middle_brings_no_verdict_that_is_false() {
    let _alone = MACHINE.lock();
    let repository = Repository::new();
    repository.commit("");
    // Another program that costs the same.
    repository.commit("std::hint::black_box(1);");
    // Builds first, so that the hog meets the turns and not the compiler.
    let words = ["HEAD~1", "--quick", "--budget", "14s", "--max-slowdown", "20%", "--strict"];
    let built = compare(repository.path(), &["HEAD~1", "--quick", "--budget", "1s"]);
    assert!(output_of(&built).contains("is too short"), "{built:?}");
    let output = std::thread::scope(|scope| {
        let hogs = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        for _ in 0..hogs {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_secs(3));
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_secs(30) {
                    std::hint::spin_loop();
                }
            });
        }
        compare(repository.path(), &words)
    });
    let comparison = Comparison::load(&repository.path().join("target/comparisons/latest")).unwrap();
    let judged = judge(&comparison);
    let [one] = &judged[..] else { panic!("{judged:?}") };
    assert!(matches!(one.verdict, Verdict::Undecided | Verdict::NoDifference), "{}", output_of(&output));
    assert!(one.noise.as_ref().is_some_and(|noise| noise.contains("excluded")), "{}", output_of(&output));
    let expected = if one.verdict == Verdict::Undecided { 3 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{}", output_of(&output));
}

#[test]
fn a_server_in_another_repository_is_compared_from_here() {
    let _alone = MACHINE.lock();
    // A script that nothing builds; the file that it reads is what changed.
    let Ok(python) = Command::new("python3").arg("--version").output() else {
        assert!(std::env::var_os("OTUS_REQUIRE_TOOLS").is_none(), "no python3, which is required");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no python3\n");
        return;
    };
    assert!(python.status.success());
    let (home, other) = (Repository::new(), Repository::new());
    home.commit("");
    let server = "import socket, sys, threading, work\n\
        listener = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=64)\n\
        def serve(client):\n    \
            while True:\n        \
                data = b''\n        \
                while not data.endswith(b'\\r\\n\\r\\n'):\n            \
                    more = client.recv(4096)\n            \
                    if not more: return\n            \
                    data += more\n        \
                work.work()\n        \
                client.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: 5\\r\\n\\r\\nsmall')\n\
        while True:\n    \
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()\n";
    other.write("server.py", server);
    other.write("work.py", "def work(): pass\n");
    other.commit("");
    other.write("work.py", "def work(): sum(range(6000))\n");
    other.commit("");
    other.write("page.html", "small");
    let entry = "[[server]]\nname = \"script\"\nworkers = false\ncommand = \"python3 server.py {port}\"\nexpect = \"page.html\"\n\
        [[server]]\nname = \"new\"\nworkers = false\ncommand = \"python3 new.py {port}\"\n";
    other.write("servers.toml", entry);
    let servers: PathBuf = other.path().join("servers.toml");
    let words = [
        "HEAD~1",
        "--repo",
        other.path().to_str().unwrap(),
        "--servers",
        servers.to_str().unwrap(),
        "--budget",
        "30s",
        "--max-slowdown",
        "20%",
    ];
    let comparisons = home.path().join("target/comparisons");
    let Some((output, comparison)) = decided(home.path(), &comparisons, &words) else { return };
    let text = output_of(&output);
    assert_eq!(verdicts(&comparison), [("script".to_owned(), Verdict::Slower)], "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("new: left out"), "{text}");
    // Nothing but its work trees is written for it, and those lie with this project.
    assert!(!other.path().join("target").exists());

    // A server that the base does not have.
    other.write("new.py", server);
    other.git(&["add", "--all"]);
    other.commit("");
    let output = compare(home.path(), &[&words[..], &["--only", "new"]].concat());
    assert!(output_of(&output).contains("has no new.py: it is new"), "{output:?}");
    assert!(output.status.success(), "{output:?}");
}
