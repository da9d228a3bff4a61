//! The bench from end to end in miniature: real servers, real load, and the report that comes of it, read back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::{Finished, Model, Root, binary, finish, workspace, www};
use serde_json::Value;

/// Only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// A suite and servers of a test's own, and a place for its runs.
struct Bench {
    place: Root,
    root: PathBuf,
    servers: String,
    names: Vec<String>,
    schedule: String,
    configurations: String,
}

impl Bench {
    fn over(root: PathBuf) -> Self {
        Self {
            place: Root::new(),
            root,
            servers: String::new(),
            names: Vec::new(),
            schedule: "rounds = 2\nduration = \"250ms\"\nwarm_up = \"50ms\"\n".to_owned(),
            configurations: "[[configurations]]\nworkers = [1]\naccess_log = false\n".to_owned(),
        }
    }

    /// One of ours, as it was built for the tests.
    fn ours(self, model: Model) -> Self {
        let program = binary(model.name()).to_str().expect("a build directory in UTF-8");
        let workers = if model.has_workers() { "-w {workers} " } else { "" };
        let server = format!("'{program}' -r {{root}} {workers}{{log}} {{flags}} {{port}}");
        let more = format!("quiet = \"-q\"\nworkers = {}\n", model.has_workers());
        self.server(model.name(), &server, &more)
    }

    fn server(mut self, name: &str, command: &str, more: &str) -> Self {
        let entry = format!("[[server]]\nname = \"{name}\"\nmodel = \"for a test\"\ncommand = {command:?}\n{more}\n");
        self.servers.push_str(&entry);
        self.names.push(name.to_owned());
        self
    }

    fn configurations(mut self, text: &str) -> Self {
        text.clone_into(&mut self.configurations);
        self
    }

    /// Runs it to its end, with further arguments.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Finished {
        let suite = format!(
            "question = \"Does the bench work?\"\nservers = {:?}\n\n[workload]\nroot = {:?}\npath = \"/\"\n\
             connections = 10\n\n[schedule]\n{}\n[quick]\n{}\n{}",
            self.names, self.root, self.schedule, self.schedule, self.configurations
        );
        self.place.write("miniature.toml", suite);
        self.place.write("servers.toml", &self.servers);
        let path = |name: &str| self.place.path().join(name);
        let mut command = Command::new(binary("bench"));
        command.current_dir(workspace()).args(arguments);
        command.arg("--suite").arg(path("miniature.toml")).arg("--servers").arg(path("servers.toml"));
        command.arg("--out").arg(path("runs"));
        finish(&mut command, LIMIT)
    }

    /// The folder of the last run.
    fn latest(&self) -> PathBuf {
        self.place.path().join("runs/latest")
    }

    #[track_caller]
    fn file(&self, name: &str) -> String {
        let path = self.latest().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[track_caller]
    fn measurements(&self) -> Vec<Value> {
        let results: Value = serde_json::from_str(&self.file("results.json")).expect("the results are JSON");
        results["measurements"].as_array().expect("an array of measurements").clone()
    }
}

#[test]
fn measures_every_model_and_reports_it() {
    let bench = Model::ALL.into_iter().fold(Bench::over(www()), Bench::ours).configurations(
        "[[configurations]]\nworkers = [1]\naccess_log = true\n\n\
         [[configurations]]\nworkers = [1, 2]\naccess_log = false\n",
    );
    let finished = bench.run(&["--seed", "7"]).succeeded();
    let measurements = bench.measurements();
    // Three for each model with workers; thread-per-connection has none, so one with the log and one without.
    assert_eq!(measurements.len(), 3 * 3 + 2, "{}", finished.stdout);
    for measurement in &measurements {
        let rounds = measurement["rounds"].as_array().expect("an array of rounds");
        assert_eq!(rounds.len(), 2);
        for round in rounds {
            assert_eq!(round["failure"], Value::Null, "{measurement:#}");
            assert_eq!(round["check"]["problems"], Value::Array(Vec::new()), "{measurement:#}");
            let outcome = &round["outcome"];
            let responses = outcome["responses"].as_u64().expect("a number of responses");
            assert!(responses > 10, "{responses} responses");
            assert_eq!(outcome["statuses"]["200"].as_u64(), Some(responses));
            assert!(round["server"].is_object(), "no sample of the server: {measurement:#}");
        }
    }
    let html = bench.file("report.html");
    let markdown = bench.file("report.md");
    for model in Model::ALL {
        assert!(html.contains(model.name()) && markdown.contains(model.name()), "{} is missing", model.name());
    }
    assert!(html.contains("<svg"), "no chart in the report");
    for outside in ["src=\"http", "href=\"http", "@import", "url(http", "<script src"] {
        assert!(!html.contains(outside), "the report needs {outside}");
    }
    let charts: Vec<_> = fs::read_dir(bench.latest().join("charts")).expect("a folder of charts").collect();
    assert!(charts.len() >= 4, "{charts:?}");
    assert!(finished.stdout.contains("report.html"), "{}", finished.stdout);
}

/// The mistake of the first benchmark: every answer was an error page, and nobody looked.
#[test]
fn ranks_nothing_when_every_answer_is_404() {
    let root = Root::new();
    let bench = Bench::over(root.path()).ours(Model::Epoll).ours(Model::ThreadPool);
    let finished = bench.run(&["--rounds", "1"]);
    assert_eq!(finished.code(), 1, "{finished:?}");
    for text in [bench.file("report.html"), bench.file("report.md"), finished.stdout] {
        assert!(text.to_lowercase().contains("every answer was 404"), "{text}");
    }
    for measurement in bench.measurements() {
        let outcome = &measurement["rounds"][0]["outcome"];
        assert!(outcome["responses"].as_u64() > Some(0), "{outcome:#}");
        assert_eq!(outcome["statuses"]["404"], outcome["responses"]);
    }
}

#[test]
fn gives_a_row_to_a_server_that_fails_and_goes_on() {
    let root = Root::with_index("something else");
    let bench = Bench::over(www())
        .server("crashing", "sh -c 'echo no such luck >&2; exit 3' {port}", "workers = false\n")
        .server("silent", "sh -c 'exec sleep 60' {port}", "workers = false\n")
        .ours(Model::Async)
        .server(
            "wrong",
            &format!("'{}' -q -r '{}' {{port}}", binary("epoll").display(), root.path().display()),
            "workers = false\n",
        );
    let finished = bench.run(&["--rounds", "1"]);
    assert_eq!(finished.code(), 1, "{finished:?}");
    let measurements = bench.measurements();
    assert_eq!(measurements.len(), 4);
    let of = |name: &str| {
        let found = measurements.iter().find(|one| one["server"]["name"] == name);
        &found.unwrap_or_else(|| panic!("{name} has no row"))["rounds"][0]
    };
    for name in ["crashing", "silent"] {
        assert!(!of(name)["failure"].is_null(), "{name}: {:#}", of(name));
        assert!(of(name)["outcome"].is_null(), "{name} was loaded: {:#}", of(name));
    }
    assert!(of("wrong")["check"]["problems"].as_array().is_some_and(|problems| !problems.is_empty()));
    assert!(of("async")["failure"].is_null() && of("async")["outcome"]["responses"].as_u64() > Some(0));
    let report = bench.file("report.md");
    for (name, reason) in [("crashing", "no such luck"), ("silent", "listen"), ("wrong", "612")] {
        assert!(report.contains(name) && report.contains(reason), "nothing of {name} and {reason} in\n{report}");
    }
}

/// A pool whose workers stay with their connections serves as many of them as it has workers; wrk shows nothing.
#[test]
fn names_the_connections_that_were_never_served() {
    let bench = Bench::over(www()).ours(Model::ThreadPool).configurations(
        "[[configurations]]\nworkers = [2]\naccess_log = false\nflags = [\"--keep-alive\", \"pinned\"]\n",
    );
    let finished = bench.run(&["--rounds", "1"]);
    assert_eq!(finished.code(), 1, "{finished:?}");
    assert_eq!(bench.measurements()[0]["rounds"][0]["outcome"]["connections"]["never_served"], 8);
    let report = bench.file("report.md");
    assert!(report.contains("8 of 10 connections"), "{report}");
}

#[test]
fn says_what_it_would_do() {
    let bench = Bench::over(www()).ours(Model::Epoll).ours(Model::Async);
    let finished = bench.run(&["--dry-run"]).succeeded();
    for words in ["Does the bench work?", "epoll", "async", "10 connections"] {
        assert!(finished.stdout.contains(words), "no {words:?} in {}", finished.stdout);
    }
    assert!(!bench.latest().exists(), "a dry run measures nothing");
    let only = bench.run(&["--dry-run", "--only", "async"]).succeeded();
    assert!(!only.stdout.contains("epoll"), "{}", only.stdout);
}

#[test]
fn says_what_is_wrong_and_exits_with_2() {
    let bench = Bench::over(www()).ours(Model::Epoll);
    let broken = Bench::over(www()).server("one", "true", "unheard_of = 1\n");
    let plain =
        |arguments: &[&str]| finish(Command::new(binary("bench")).current_dir(workspace()).args(arguments), LIMIT);
    for (finished, about) in [
        (bench.run(&["--only", "nobody"]), "nobody"),
        (bench.run(&["--rounds", "0"]), "rounds"),
        (bench.run(&["--duration", "soon"]), "duration"),
        (bench.run(&["--cpus", "0:9999"]), "9999"),
        (broken.run(&[]), "unheard_of"),
        (plain(&["no-such-suite"]), "no-such-suite"),
        (plain(&["--no-such-flag"]), "no-such-flag"),
    ] {
        assert_eq!(finished.code(), 2, "{finished:?}");
        assert!(finished.stderr.contains(about), "no {about:?} in {}", finished.stderr);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
}

#[test]
fn writes_the_report_of_a_stored_run_again() {
    let bench = Bench::over(www()).ours(Model::Epoll);
    bench.run(&["--rounds", "1"]).succeeded();
    let report = bench.latest().join("report.html");
    fs::remove_file(&report).expect("the run wrote it");
    let folder = fs::canonicalize(bench.latest()).expect("a link to the run");
    let mut command = Command::new(binary("bench"));
    finish(command.current_dir(workspace()).arg("report").arg(&folder), LIMIT).succeeded();
    assert!(bench.file("report.html").contains("epoll"));
}
