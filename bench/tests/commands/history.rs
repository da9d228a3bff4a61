//! The command `bench history` with runs made of a stored one: what is appended, what is found in it, and what is
//! refused.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use reports::environment::Commit;
use reports::{Run, Store, Timestamp};
use serde_json::Value;

/// The run that all others are made of.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reports/tests/fixtures/small-run");
/// Runs in the history.
const RUNS: u64 = 24;
/// The first run with the slower server.
const STEP: u64 = 16;

/// The stored run with a few of its measurements, which are enough.
fn small_run() -> Run {
    let mut run = Store::open(Path::new(STORED)).unwrap().load().unwrap();
    run.measurements.retain(|one| {
        one.part == "wrk"
            && ["thread-per-connection", "epoll", "async", "nginx"].contains(&one.server.name.as_str())
            && one.configuration.workers.is_none_or(|workers| workers == 1)
            && !one.configuration.access_log
    });
    assert_eq!(run.measurements.len(), 5, "with the A/A control of epoll");
    run
}

/// The so-manieth run of the history: a day later than the one before, of another commit, and as fast as `speed` says.
fn later(stored: &Run, number: u64, speed: impl Fn(&str) -> f64) -> Run {
    let mut run = stored.clone();
    let moment = stored.started_at.unix_milliseconds() + number * 86_400_000;
    run.started_at = Timestamp::from_unix_milliseconds(moment);
    run.id = format!("{}-all", run.started_at.for_file_name());
    run.environment.commit = Some(Commit { hash: format!("{number:02}").repeat(20), dirty: false });
    for measurement in &mut run.measurements {
        // Some noise, the same in each run of the test.
        let seed = number * 1_000 + u64::from(measurement.is_twin) + measurement.server.name.len() as u64;
        let noise = 0.02 * (fastrand::Rng::with_seed(seed).f64() - 0.5);
        let stretch = 1.0 / (speed(&measurement.server.name) * (1.0 + noise));
        let longer = |nanoseconds: u64| (nanoseconds as f64 * stretch) as u64;
        for round in &mut measurement.rounds {
            let (outcome, server) = (round.outcome.as_mut().unwrap(), round.server.as_mut().unwrap());
            // As many answers in more or less time.
            outcome.elapsed_ns = longer(outcome.elapsed_ns);
            for window in &mut outcome.windows {
                window.offset_ns = longer(window.offset_ns);
                window.length_ns = longer(window.length_ns);
            }
            for thread in &mut outcome.threads {
                thread.wall_ns = longer(thread.wall_ns);
                thread.cpu_ns = longer(thread.cpu_ns);
            }
            server.wall_seconds *= stretch;
            server.cpu_user_seconds *= stretch;
            server.cpu_system_seconds *= stretch;
        }
    }
    run
}

/// Stores a run below a folder, under its name.
fn store(folder: &Path, run: &Run) {
    fs::create_dir_all(folder.join(&run.id)).unwrap();
    serde_json::to_writer(File::create(folder.join(&run.id).join("results.json")).unwrap(), run).unwrap();
}

fn history(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["history", "history.jsonl"]).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

/// What it prints where it succeeds.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = history(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The sentence with which it refuses something, with exit code 2.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = history(folder, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("bench: ") && text.lines().count() == 1 && output.stdout.is_empty(), "{text}");
    text
}

#[test]
fn a_step_is_found_drawn_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stored = small_run();
    let missing = refused(folder, &[]);
    assert!(missing.contains("there is no history at history.jsonl: begin one with --add RUN"), "{missing}");
    for number in 0..RUNS {
        let mut run = later(&stored, number, |server| match (server, number) {
            ("epoll", STEP..) => 0.9,
            // A single wild run is no step.
            ("async", 7) => 0.8,
            _ => 1.0,
        });
        if number >= STEP {
            run.environment.rustc = Some("rustc 1.99.0".to_owned());
        }
        store(&folder.join("runs"), &run);
        let text = printed(folder, &["--out", "runs", "--add", &run.id]);
        assert!(text.starts_with(&format!("{} is added to history.jsonl.\n", run.id)), "{text}");
        if number == STEP - 1 {
            assert!(text.contains("No step in ") && text.contains(" series of 16 runs (a step of about "), "{text}");
        }
    }
    assert_eq!(fs::read_to_string(folder.join("history.jsonl")).unwrap().lines().count() as u64, RUNS);

    let text = printed(folder, &[]);
    assert!(text.starts_with("2 steps in "), "{text}");
    assert!(
        text.contains("\nBetween 151515151 (2026-12-11 13:06 UTC) and 161616161 (2026-12-12 13:06 UTC):\n"),
        "{text}"
    );
    let line = text.lines().find(|line| line.starts_with("- ")).unwrap();
    assert!(line.starts_with("- epoll, 1 worker (wrk): capacity from "), "{line}");
    assert!(line.contains(" responses per CPU-second, 10 % slower (95 % interval 9."), "{line}");
    assert!(line.contains("; server CPU from ") && line.ends_with("16 and 8 runs)."), "{line}");
    assert!(
        text.contains("The compiler changed there, too: from rustc 1.95.0 (59807616e 2026-04-14) to rustc 1.99.0."),
        "{text}"
    );
    assert!(text.ends_with("\nhistory.svg\n"), "{text}");

    let svg = fs::read_to_string(folder.join("history.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme: dark"));
    assert!(
        svg.contains("epoll, 1 worker (wrk)") && svg.contains("10 % slower") && svg.contains("nginx, 1 worker (wrk)")
    );
    printed(folder, &["--chart", "elsewhere.svg"]);
    assert_eq!(fs::read_to_string(folder.join("elsewhere.svg")).unwrap(), svg);
    refused(folder, &["--chart", "history.jsonl"]);

    exports(folder);
}

/// What is exported is JSON alone, of the newest run.
fn exports(folder: &Path) {
    let json = |form: &str| -> Value { serde_json::from_str(&printed(folder, &["--export", form])).unwrap() };
    let bencher = json("bencher");
    let capacity = &bencher["wrk / epoll, 1 worker"]["capacity"];
    let [value, low, high] = ["value", "lower_value", "upper_value"].map(|key| capacity[key].as_f64().unwrap());
    assert!(low < value && value < high && (110_000.0..130_000.0).contains(&value), "{capacity}");
    let bigger = json("github-action-benchmark-bigger");
    let smaller = json("github-action-benchmark-smaller");
    for (benchmarks, name) in [(&bigger, ": capacity"), (&smaller, ": server CPU")] {
        let benchmarks = benchmarks.as_array().unwrap();
        assert!(benchmarks.iter().all(|one| one["value"].is_f64() && one["unit"].is_string()));
        assert!(benchmarks.iter().any(|one| one["name"] == format!("wrk / epoll, 1 worker{name}")));
        assert!(benchmarks[0]["extra"].as_str().unwrap().contains("232323232"), "{benchmarks:?}");
    }
    assert!(bigger.as_array().unwrap().iter().all(|one| one["name"].as_str().unwrap().ends_with(": capacity")));
}

#[test]
fn what_cannot_be_added_or_read_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut run = later(&small_run(), 1, |_| 1.0);
    store(folder, &run);
    printed(folder, &["--add", &run.id]);
    let again = refused(folder, &["--add", &run.id]);
    assert!(again.contains(&format!("the run {} is in line 1 of history.jsonl already", run.id)), "{again}");
    let none = refused(folder, &["--add", "no-such-run"]);
    assert!(none.contains("there is no run at "), "{none}");
    run.id = "unfinished".to_owned();
    run.finished_at = None;
    store(folder, &run);
    let unfinished = refused(folder, &["--add", "unfinished"]);
    assert!(unfinished.contains("the run unfinished is not finished: resume it"), "{unfinished}");

    let whole = fs::read(folder.join("history.jsonl")).unwrap();
    let append = |bytes: &[u8]| {
        let path = folder.join("history.jsonl");
        fs::write(&path, &whole).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(bytes).unwrap();
    };
    append(&whole[..whole.len() / 2]);
    run.id = "another".to_owned();
    run.finished_at = Some(run.started_at);
    store(folder, &run);
    for arguments in [&[][..], &["--add", "another"], &["--export", "bencher"]] {
        let torn = refused(folder, arguments);
        assert!(torn.contains("line 2 of history.jsonl, the last one, was not written to its end"), "{torn}");
    }
    append(b"{\"format\":9}\n");
    assert!(refused(folder, &[]).contains("line 2 of history.jsonl has the format 9"));
    append(b"nonsense\n{\"format\":9}\n");
    assert!(refused(folder, &[]).contains("line 2 of history.jsonl is not a run"));
    fs::write(folder.join("history.jsonl"), "").unwrap();
    assert!(refused(folder, &[]).contains("history.jsonl holds no run yet"));
    assert_eq!(history(folder, &["--export", "csv"]).status.code(), Some(2));
}

#[test]
fn a_compressed_run_is_reported_compared_and_added() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("run")).unwrap();
    fs::copy(Path::new(STORED).join("results.json.gz"), folder.join("run/results.json.gz")).unwrap();
    let bench = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
        let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // By its folder and by its file.
    for run in ["run", "run/results.json.gz"] {
        assert!(bench(&["report", run]).trim_end().ends_with("run/report.html"));
        fs::remove_file(folder.join("run/report.html")).unwrap();
    }
    assert!(fs::read_to_string(folder.join("run/report.md")).unwrap().contains("epoll"));
    assert!(!folder.join("run/results.json").exists(), "a report changes no record");
    let mut other = Store::open(&folder.join("run")).unwrap().load().unwrap();
    other.id = "another".to_owned();
    fs::create_dir(folder.join("other")).unwrap();
    fs::write(folder.join("other/results.json"), serde_json::to_vec(&other).unwrap()).unwrap();
    assert!(bench(&["compare-runs", "other", "run/results.json.gz"]).contains("epoll, 1 worker"));
    assert!(printed(folder, &["--add", "run"]).contains(" is added to history.jsonl.\n"));
}
