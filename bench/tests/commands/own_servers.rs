//! Servers of another repository: one file of servers for suites and comparisons, beside the built-in list, from any folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use reports::comparison::Comparison;
use reports::record::Measurement;
use reports::{Run, Store};

use crate::place::{Place, bench, output_of};
use crate::repository;

/// A script that starts the server of the tests, with the document and the port as its arguments.
const SCRIPT: &str = concat!("exec '", env!("CARGO_BIN_EXE_faulty-server"), "' none \"$1\" \"$2\"\n");

/// Two servers whose commands name a file of their repository: by a relative path, and by the placeholder.
const SERVERS: &str = r#"
[[server]]
name = "relative"
workers = false
command = "sh scripts/serve.sh {root}/index.html {port}"

[[server]]
name = "placed"
workers = false
build = "test -f {repo}/scripts/serve.sh"
command = "sh {repo}/scripts/serve.sh {root}/index.html {port}"
"#;

const MINE: &str = "[[server]]\nname = \"mine\"\ncommand = \"sh serve.sh {root} {port}\"\nworkers = false\n";

const SUITE: &str = r#"
question = "Does it work?"
servers = ["relative"]
[workload]
root = ROOT
path = "/"
content_type = "text/html"
connections = 2
[schedule]
rounds = 1
duration = "50ms"
warm_up = "20ms"
[[configurations]]
workers = [1]
access_log = false
"#;

/// A repository of somebody else, with its servers in a subfolder, and a folder that is not part of it.
struct Other {
    folder: tempfile::TempDir,
}

impl Other {
    fn new() -> Self {
        let one = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(one.elsewhere()).unwrap();
        let root = one.write("www/index.html", "<p>Served.</p>");
        one.write("suite.toml", &SUITE.replace("ROOT", &format!("{:?}", root.parent().unwrap())));
        one.write("repository/scripts/serve.sh", SCRIPT);
        one.write("repository/benchmarks/servers.toml", SERVERS);
        one.git(&["init", "--quiet"]);
        one
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn elsewhere(&self) -> PathBuf {
        self.path("elsewhere")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        repository::write(self.folder.path(), name, text)
    }

    fn git(&self, arguments: &[&str]) {
        repository::git(&self.path("repository"), arguments);
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", "a change"]);
    }

    /// Runs the bench in the folder that is not part of the repository.
    fn bench(&self, words: &[&str]) -> Output {
        bench().args(words).current_dir(self.elsewhere()).output().unwrap()
    }
}

fn names<'a>(measurements: impl IntoIterator<Item = &'a Measurement>) -> Vec<&'a str> {
    measurements.into_iter().map(|one| one.server.name.as_str()).collect()
}

/// The file of one server, in a folder of its own.
fn mine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), MINE).unwrap();
    folder
}

/// The plan of a suite that ships, with the servers of `mine.toml`.
fn plan(folder: &Path, words: &[&str]) -> String {
    let output = bench().args(["wrk", "--dry-run"]).args(words).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", output_of(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The servers of a plan, each once, in its order.
fn planned(text: &str) -> Vec<&str> {
    let lines = text.lines().take_while(|line| !line.starts_with("round "));
    lines.filter_map(|line| line.strip_prefix("    ")?.split_once(": ").map(|(name, _)| name)).collect()
}

#[test]
fn one_file_serves_a_suite_and_a_comparison() {
    let other = Other::new();
    other.commit();
    let servers = "../repository/benchmarks/servers.toml";
    let output = other.bench(&["--suite", "../suite.toml", "--servers", servers, "--out", "runs"]);
    // On a busy machine nothing may be ranked, and the exit code is 1 then.
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", output_of(&output));
    let run: Run = Store::open(&other.elsewhere().join("runs/latest")).unwrap().load().unwrap();
    // The suite names the first; the second joins because the file has it.
    assert_eq!(names(&run.measurements), ["relative", "placed"]);
    for one in &run.measurements {
        assert!(one.rounds[0].check.as_ref().unwrap().passed(), "{:?}", one.rounds[0]);
    }

    // Both commits work, and the working tree does not: what is measured is what the commits have.
    other.write("repository/scripts/serve.sh", &format!("# changed\n{SCRIPT}"));
    other.commit();
    other.write("repository/scripts/serve.sh", "exit 3\n");
    let words = ["compare", "HEAD~1", "--servers", servers, "--suite", "../suite.toml", "--budget", "8s"];
    let output = other.bench(&[&words[..], &["--max-slowdown", "99%", "--out", "comparisons"]].concat());
    let text = output_of(&output);
    // The repository of the file is the one that has the commits.
    let comparison = Comparison::load(&other.elsewhere().join("comparisons/latest"))
        .unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(names(comparison.contests.iter().map(|contest| &contest.head)), ["relative", "placed"], "{text}");
    for contest in &comparison.contests {
        for side in [&contest.base, &contest.head] {
            assert!(side.rounds[0].check.as_ref().is_some_and(|check| check.passed()), "{:?}: {text}", side.rounds[0]);
        }
    }
    assert!(comparison.left_out.is_empty(), "{:?}", comparison.left_out);
}

#[test]
fn file_of_servers_adds_to_the_built_in_list() {
    let folder = mine();
    let file = folder.path().join("mine.toml");
    let file = file.to_str().unwrap();
    // From the project's folder and from any other.
    for (at, file) in [(Path::new(env!("CARGO_MANIFEST_DIR")), file), (folder.path(), "./mine.toml")] {
        let text = plan(at, &["--servers", file, "--only", "mine,epoll"]);
        assert_eq!(planned(&text), ["mine", "epoll"], "{text}");
        // Whether nginx is installed here or not, it is known.
        let text = plan(at, &["--servers", file, "--only", "mine,nginx"]);
        assert!(planned(&text).contains(&"mine") && text.contains("nginx"), "{text}");
        // Without --only it is seen beside the servers of the suite.
        let text = plan(at, &["--servers", file]);
        let servers = planned(&text);
        for name in ["thread-per-connection", "thread-pool", "epoll", "async", "mine"] {
            assert!(servers.contains(&name), "{name}: {text}");
        }
        let output = bench().args(["list", "--servers", file]).current_dir(at).output().unwrap();
        let text = output_of(&output);
        assert!(output.status.success() && text.contains("  mine") && text.contains("  epoll"), "{text}");
    }
}

#[test]
fn built_in_list_is_not_added_to_itself() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let usual = plan(project, &["--seed", "1"]);
    assert_eq!(plan(project, &["--seed", "1", "--servers", "bench/servers.toml"]), usual);
}

#[test]
fn own_server_wins_over_a_built_in_one_of_the_same_name() {
    let place = Place::new(&[("epoll", "none"), ("other", "none")], 1, "100ms");
    let said = "epoll is the server of servers.toml and not the built-in one of that name";
    let output = place.run(&[]);
    let text = output_of(&output);
    assert!(output.status.code().is_some_and(|code| code < 2) && text.contains(said), "{text}");
    let run = place.stored();
    // Nothing of the project was built for it.
    assert!(run.measurements[0].configuration.command[0].ends_with("faulty-server"), "{:?}", run.measurements[0]);
    assert!(!place.path().join("target").exists());
    // It is said only where that server takes part.
    let output = place.run(&["--dry-run", "--only", "other"]);
    assert!(output.status.success() && !output_of(&output).contains(said), "{}", output_of(&output));
}

#[test]
fn faults_of_a_file_of_servers_are_told_in_one_sentence() {
    let other = Other::new();
    other.commit();
    let told = |words: &[&str], parts: &[&str]| {
        let output = other.bench(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{words:?}: {text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    };
    let outside = ["--servers", "outside.toml"];
    other.write("elsewhere/outside.toml", MINE);
    told(&[&["compare", "HEAD"][..], &outside].concat(), &["outside.toml", "no git repository", "--repo"]);
    told(&[&["wrk", "--dry-run", "--only", "nobody"][..], &outside].concat(), &["\"nobody\"", "mine", "epoll"]);
    let entry = |line: &str| format!("[[server]]\nname = \"mine\"\nworkers = false\n{line}\n");
    for (line, parts) in [
        ("command = \"sh {repository}/serve.sh {port}\"", ["{repository}", "{repo}"]),
        ("command = \"mine {port}\"\nbuild = \"make {repos}\"", ["{repos}", "{repo}"]),
        ("command = \"mine {port}\"\nbuild = \"make {port}\"", ["{port}", "{repo}"]),
    ] {
        other.write("elsewhere/outside.toml", &entry(line));
        for words in [&["wrk", "--dry-run"][..], &["compare", "HEAD~1", "HEAD", "--repo", "../repository"]] {
            other.git(&["commit", "--quiet", "--allow-empty", "-m", "another"]);
            told(&[words, &outside].concat(), &[&["outside.toml, line "], &parts[..]].concat());
        }
    }
}
