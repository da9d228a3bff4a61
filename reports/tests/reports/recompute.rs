//! The figures of reports agree with those of `docs/runs/recompute.py`, which shares no code with them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use reports::Run;
use reports::record::Arrival;
use reports::sample::Others;

use crate::fixture::{WINDOW_NS, mixed_run, plan, run, small_run, whole_run};

/// Whether there is a Python; says so if not.
fn has_python() -> bool {
    if Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let is_required = std::env::var_os("OTUS_REQUIRE_TOOLS").is_some_and(|value| !value.is_empty());
    assert!(!is_required, "no python3, which is required");
    // Not by eprintln!, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: no python3");
    false
}

/// Stores a run with its report.
fn store(run: &Run, folder: &Path) {
    fs::write(folder.join("results.json"), serde_json::to_vec(run).unwrap()).unwrap();
    reports::write_all(run, folder).unwrap();
}

fn recompute(folder: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runs/recompute.py");
    Command::new("python3").arg(script).arg(folder).output().unwrap()
}

/// Twelve rounds, so that intervals are bootstrapped; in some of them the machine was not quiet.
fn long_run() -> Run {
    let mut run = run(plan(), 12);
    let rounds = |run: &mut Run, place: usize| std::mem::take(&mut run.measurements[place].rounds);
    let mut disturbed = rounds(&mut run, 1);
    for round in disturbed.iter_mut().step_by(5) {
        round.others = Some(Others { on_server_cpus_seconds: 0.4, ..Others::default() });
        // What others took is missing, and would show in a figure that this round were part of.
        round.outcome.as_mut().unwrap().elapsed_ns *= 2;
    }
    run.measurements[1].rounds = disturbed;
    let mut throttled = rounds(&mut run, 4);
    for round in throttled.iter_mut().take(4) {
        round.server.as_mut().unwrap().throttled_seconds = Some(0.2);
    }
    run.measurements[4].rounds = throttled;
    let mut stolen = rounds(&mut run, 8);
    for window in stolen.iter_mut().step_by(3).flat_map(|round| &mut round.outcome.as_mut().unwrap().windows) {
        window.steal_ns = Some(BTreeMap::from([(0, WINDOW_NS / 3)]));
        window.responses = window.responses * 2 / 3;
    }
    run.measurements[8].rounds = stolen;
    // Not one round of this one counts.
    for round in &mut run.measurements[13].rounds {
        round.others = Some(Others { on_client_cpus_seconds: 0.9, ..Others::default() });
    }
    run
}

/// An open loop at one rate for all, in which the generator was late in a round.
fn open_run() -> Run {
    let mut run = run(plan(), 5);
    for measurement in &mut run.measurements {
        measurement.workload.arrival = Arrival::Open { rate: 100_000.0 };
        for round in &mut measurement.rounds {
            round.offered_rate = Some(100_000.0);
            let outcome = round.outcome.as_mut().unwrap();
            outcome.service = outcome.latency.clone();
            let is_late = round.index == 2;
            (0..100).for_each(|place| outcome.lag.record(if is_late && place > 90 { 5_000_000 } else { 20_000 }));
        }
    }
    run
}

#[test]
fn reports_agree_with_an_independent_recomputation() {
    if !has_python() {
        return;
    }
    let runs = [
        ("small", small_run()),
        ("whole", whole_run()),
        ("mixed", mixed_run()),
        ("long", long_run()),
        ("open", open_run()),
    ];
    std::thread::scope(|scope| {
        for (name, run) in &runs {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                store(run, folder.path());
                let output = recompute(folder.path());
                assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(text.ends_with(" figures recomputed, 0 deviate\n"), "{name}: {text}");
            });
        }
    });
}

#[test]
fn a_recomputation_finds_a_figure_that_is_wrong() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = whole_run();
    store(&run, folder);
    let right = fs::read_to_string(folder.join("report.md")).unwrap();
    let heading = right.lines().find(|line| line.starts_with("| server | workers |")).unwrap();
    let line = right.lines().find(|line| line.starts_with("| epoll | 1 | off |")).unwrap();
    for (title, wrong) in [
        ("validity", "too noisy"),
        ("req/s", "99,999"),
        ("to best", "0.50 (0.40 to 0.60)"),
        ("server µs/req", "1.00"),
        ("p99", "1.00 s"),
    ] {
        let place = heading.split(" | ").position(|one| one == title).unwrap();
        let mut cells: Vec<&str> = line.split(" | ").collect();
        assert_ne!(cells[place], wrong);
        cells[place] = wrong;
        fs::write(folder.join("report.md"), right.replace(line, &cells.join(" | "))).unwrap();
        let output = recompute(folder);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("wrk, epoll, 1 workers, log off: "), "{output:?}");
    }
    fs::write(folder.join("results.json"), "{}").unwrap();
    assert_eq!(recompute(folder).status.code(), Some(2));
}
