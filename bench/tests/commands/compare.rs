//! Two commits of small servers in a repository made for the test: a planted slow-down is found, equals are not called
//! different, and what cannot be compared says so.
//!
//! A verdict needs a quiet machine, which a test may not count on. So each comparison here is made once, "undecided" is an
//! answer, and a false verdict is not. The experiments that must end with a verdict are marked as ignored; `.ci/run` has a
//! step for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use otus_bench::cpus::Cpus;
use reports::ServerSample;
use reports::comparison::{Comparison, Figure, Verdict, judge, judgement};

use crate::repository;

/// A server of one file, a thread for each connection. EXTRA is what it does for each request.
const SERVER: &str = r#"
use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

thread_local! {
    static PAIR: RefCell<(TcpStream, TcpStream)> = RefCell::new({
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_nodelay(true).unwrap();
        (near, listener.accept().unwrap().0)
    });
}

fn main() {
    let port = std::env::args().nth(1).unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
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

/// Sends as many bytes as an answer has over a connection of the server's own, and receives them: most of what a request
/// costs, once more. So it slows the server by about the same share on every machine, and by less than double.
const SLOW: &str = "PAIR.with_borrow_mut(|(near, far)| {
    near.write_all(&[0; 70]).unwrap();
    far.read_exact(&mut [0; 70]).unwrap();
});";

/// A slowdown that is let pass by comparisons that should find this one.
const LET_PASS: &str = "20%";

/// One comparison at a time that may decide something: each of them would be noise for the other.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        repository::write(self.path(), name, text);
    }

    fn git(&self, arguments: &[&str]) {
        repository::git(self.path(), arguments);
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

fn latest(folder: &Path) -> Comparison {
    Comparison::load(&folder.join("target/comparisons/latest")).unwrap()
}

fn verdicts(comparison: &Comparison) -> Vec<(String, Verdict)> {
    judge(comparison).iter().map(|one| (one.contest.head.server.name.clone(), one.verdict)).collect()
}

/// Compares until it is decided. This machine may be at work with other things, and then the honest answer is that nothing
/// can be said: if that is so again and again, there is nothing to test, and it says so. A verdict is never tried again.
fn decided(folder: &Path, arguments: &[&str]) -> Option<(Output, Comparison)> {
    for _ in 0..4 {
        let output = compare(folder, arguments);
        let comparison = latest(folder);
        if judge(&comparison).iter().all(|one| one.verdict != Verdict::Undecided) {
            return Some((output, comparison));
        }
        let noise = judge(&comparison).iter().filter_map(|one| one.noise.clone()).collect::<Vec<_>>();
        assert!(!noise.is_empty(), "undecided without noise: {}", output_of(&output));
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"left out: this machine was never quiet enough\n");
    None
}

/// Compares once a head that is slower. On a machine that is not quiet nothing may be said, but nothing else than that; and
/// the exit code is what the record says.
fn found_slower_or_undecided(folder: &Path, arguments: &[&str]) -> (Output, Comparison) {
    let output = compare(folder, arguments);
    let comparison = latest(folder);
    let text = output_of(&output);
    let judged = judge(&comparison);
    for one in &judged {
        match one.verdict {
            Verdict::Slower => assert!(one.slowdown().unwrap() > comparison.max_slowdown, "{text}"),
            verdict => assert_eq!(verdict, Verdict::Undecided, "{text}"),
        }
    }
    let is_found = judged.iter().any(|one| one.verdict == Verdict::Slower);
    assert_eq!(output.status.code(), Some(i32::from(is_found)), "{text}");
    (output, comparison)
}

#[test]
fn a_planted_slow_down_is_found_and_what_cannot_be_compared_says_so() {
    let _alone = alone();
    let repository = Repository::new();
    let folder = repository.path();
    let comparisons = folder.join("target/comparisons");
    repository.commit("");
    repository.commit(SLOW);

    // A package's program and one that a command builds, by the commits of this repository.
    let both = ["HEAD~1", "--only", "packaged,built,foreign", "--budget", "16s", "--max-slowdown", LET_PASS];
    let (output, comparison) = found_slower_or_undecided(folder, &both);
    let text = output_of(&output);
    let names: Vec<String> = verdicts(&comparison).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["packaged", "built"], "{text}");
    assert!(text.contains("foreign: left out, because its command names no file of the repository"), "{text}");
    // Both were measured at the same time, and each knows what the other took.
    for contest in &comparison.contests {
        assert!(!contest.base.rounds.is_empty());
        assert_eq!(contest.base.rounds.len(), contest.head.rounds.len());
        let rounds = || contest.base.rounds.iter().zip(&contest.head.rounds);
        for (base, head) in rounds().filter(|(base, head)| base.outcome.is_some() && head.outcome.is_some()) {
            assert_eq!((base.index, base.position), (head.index, 1 - head.position));
            let [of_base, of_head] = [base, head].map(|round| {
                let outcome = round.outcome.as_ref().unwrap();
                (outcome.started_at_ms, outcome.started_at_ms + outcome.elapsed_ns / 1_000_000)
            });
            assert!(of_base.0 < of_head.1 && of_head.0 < of_base.1, "{of_base:?} and {of_head:?}");
            assert_eq!(base.opponent_cpu_seconds, head.server.as_ref().map(ServerSample::cpu_seconds));
        }
        let controls = contest.twins.first().map_or(0, |twin| twin.rounds.len());
        assert!(controls * 4 <= contest.base.rounds.len(), "{controls} of {}", contest.base.rounds.len());
        assert_eq!(controls == 0, contest.base.rounds.len() < 4);
    }
    let report = fs::read_to_string(comparisons.join("latest/comparison.md")).unwrap();
    let overall = judgement::overall(&judge(&comparison)).label();
    assert!(report.starts_with(&format!("<!-- verdict: {overall} -->")), "{report}");
    assert!(String::from_utf8_lossy(&output.stdout).trim_end().ends_with("comparison.md"), "{text}");
    // Nothing of the turns is left behind.
    assert!(!folder.join("target/commits/turn").exists());

    // Equal code gives equal programs, of a package and of a command.
    repository.commit(SLOW);
    let output = compare(folder, &["HEAD~1", "--only", "packaged,built", "--strict"]);
    let text = output_of(&output);
    assert!(output.status.success(), "{text}");
    for name in ["packaged", "built"] {
        assert!(text.contains(&format!("{name}: identical programs, nothing to measure.")), "{text}");
    }
    assert!(text.contains("there was nothing to measure"), "{text}");

    // A gate that checks nothing fails, and one that checks a part does if everything is asked for.
    let nothing = compare(folder, &["HEAD~1", "--only", "foreign"]);
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    assert!(output_of(&nothing).contains("nothing was compared, which says nothing of any server"), "{nothing:?}");
    let report = fs::read_to_string(comparisons.join("latest/comparison.md")).unwrap();
    assert!(report.starts_with("<!-- verdict: failed -->\n## Nothing was compared"), "{report}");
    let partly = compare(folder, &["HEAD~1", "--only", "packaged,foreign", "--strict"]);
    assert_eq!(partly.status.code(), Some(3), "{partly:?}");

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
#[ignore = "an experiment on a quiet machine, with a step of its own in .ci/run"]
fn the_verdict_on_a_planted_slow_down_is_right_in_both_directions() {
    let _alone = alone();
    let repository = Repository::new();
    let folder = repository.path();
    repository.commit("");
    repository.commit(SLOW);
    let both = ["HEAD~1", "--only", "packaged,built", "--budget", "40s", "--max-slowdown", LET_PASS];
    let Some((output, comparison)) = decided(folder, &both) else { return };
    let text = output_of(&output);
    assert_eq!(
        verdicts(&comparison),
        [("packaged".to_owned(), Verdict::Slower), ("built".to_owned(), Verdict::Slower)],
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(judge(&comparison).iter().all(|one| one.slowdown().unwrap() > 0.2), "{text}");

    // A slow-down that is let pass is told and is no failure.
    let all_pass = ["HEAD~1", "--quick", "--budget", "30s", "--max-slowdown", "99%"];
    let Some((output, comparison)) = decided(folder, &all_pass) else { return };
    assert_eq!(verdicts(&comparison), [("packaged".to_owned(), Verdict::Slower)], "{}", output_of(&output));
    assert_eq!(output.status.code(), Some(0), "{}", output_of(&output));

    // The other way around it is faster.
    let turned_around = ["HEAD", "HEAD~1", "--quick", "--budget", "30s", "--max-slowdown", LET_PASS];
    let Some((output, comparison)) = decided(folder, &turned_around) else { return };
    assert_eq!(verdicts(&comparison), [("packaged".to_owned(), Verdict::Faster)], "{}", output_of(&output));
    assert_eq!((output.status.code(), comparison.contests[0].base.server.name.as_str()), (Some(0), "packaged"));
    assert!(judge(&comparison)[0].figures.iter().any(|one| one.figure == Figure::ServerCpu));
}

/// A process on each CPU that does nothing, as fast as it can, and ends with its test.
struct Hogs(Vec<Child>);

impl Hogs {
    fn new() -> Self {
        let start = |cpu: usize| {
            // What a thread starts inherits the CPUs that it is bound to.
            [cpu].into_iter().collect::<Cpus>().bind_this_thread().unwrap();
            Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap()
        };
        let cpus = Cpus::available().unwrap();
        Self(cpus.iter().map(|cpu| thread::scope(|scope| scope.spawn(|| start(cpu)).join().unwrap())).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

/// Two programs that cost the same, built, so that what is done next meets the turns and not the compiler.
fn equals() -> Repository {
    let repository = Repository::new();
    repository.commit("");
    repository.commit("std::hint::black_box(1);");
    let built = compare(repository.path(), &["HEAD~1", "--quick", "--budget", "1s"]);
    assert!(output_of(&built).contains("is too short"), "{built:?}");
    repository
}

const OF_EQUALS: [&str; 7] = ["HEAD~1", "--quick", "--budget", "14s", "--max-slowdown", LET_PASS, "--strict"];

#[test]
fn beside_a_hog_on_each_cpu_nothing_is_decided() {
    let repository = equals();
    let hogs = Hogs::new();
    let briefly = OF_EQUALS.map(|word| if word == "14s" { "8s" } else { word });
    let output = compare(repository.path(), &briefly);
    drop(hogs);
    let comparison = latest(repository.path());
    let judged = judge(&comparison);
    let [one] = &judged[..] else { panic!("{judged:?}") };
    assert_eq!(one.verdict, Verdict::Undecided, "{}", output_of(&output));
    assert!(one.noise.as_ref().is_some_and(|noise| noise.contains("excluded")), "{}", output_of(&output));
    assert_eq!(output.status.code(), Some(3), "{}", output_of(&output));
}

#[test]
#[ignore = "an experiment on a quiet machine, with a step of its own in .ci/run"]
fn a_hog_in_the_middle_brings_no_verdict_that_is_false() {
    let _alone = alone();
    let repository = equals();
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(3));
            let hogs = Hogs::new();
            thread::sleep(Duration::from_secs(6));
            drop(hogs);
        });
        compare(repository.path(), &OF_EQUALS)
    });
    let comparison = latest(repository.path());
    let judged = judge(&comparison);
    let [one] = &judged[..] else { panic!("{judged:?}") };
    assert!(matches!(one.verdict, Verdict::Undecided | Verdict::NoDifference), "{}", output_of(&output));
    assert!(one.noise.as_ref().is_some_and(|noise| noise.contains("excluded")), "{}", output_of(&output));
    let expected = if one.verdict == Verdict::Undecided { 3 } else { 0 };
    assert_eq!(output.status.code(), Some(expected), "{}", output_of(&output));
}

#[test]
fn a_server_in_another_repository_is_compared_from_here() {
    let _alone = alone();
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
        "9s",
        "--max-slowdown",
        LET_PASS,
    ];
    let (output, comparison) = found_slower_or_undecided(home.path(), &words);
    let text = output_of(&output);
    assert_eq!(verdicts(&comparison).len(), 1, "{text}");
    assert_eq!(verdicts(&comparison)[0].0, "script", "{text}");
    assert!(text.contains("new: left out"), "{text}");
    // Nothing but its work trees is written for it, and those lie with this project.
    assert!(!other.path().join("target").exists());

    // A server that the base does not have.
    other.write("new.py", server);
    other.git(&["add", "--all"]);
    other.commit("");
    let output = compare(home.path(), &[&words[..], &["--only", "new"]].concat());
    assert!(output_of(&output).contains("has no new.py: it is new"), "{output:?}");
    assert_eq!(output.status.code(), Some(2), "nothing was compared: {output:?}");
}
