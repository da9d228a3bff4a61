//! Adding up the results of several generators.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use loadgen::Outcome;

use crate::program::{NullServer, PROGRAM, loadgen, stderr, stdout};

#[test]
fn two_generators_that_begin_together_are_added_up() {
    // A busy machine may need some time to start two programs, and then they begin too late.
    assert!([1.0, 1.0, 3.0, 9.0].into_iter().any(begin_together), "two generators did not begin together");
}

/// Whether both began within half a second of the time that is so many seconds away.
fn begin_together(seconds: f64) -> bool {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + seconds;
    let files = ["a.json", "b.json"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let start_at = format!("{start}");
    let generators = files.each_ref().map(|file| {
        let arguments = ["-c3", "-t1", "-d1", "--start-at", &start_at, "--json", file, &server.url];
        Command::new(PROGRAM).args(arguments).stdout(Stdio::null()).spawn().unwrap()
    });
    for mut generator in generators {
        assert!(generator.wait().unwrap().success());
    }
    let outcomes: Vec<Outcome> =
        files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect();
    let merged = folder.path().join("both.json");
    let output = loadgen(&["merge", &files[0], &files[1], "--json", merged.to_str().unwrap(), "-L"]);
    let text = stdout(&output);
    assert!(text.contains("  2 threads and 6 connections\n"), "{text}{}", stderr(&output));
    assert!(text.contains("  Latency Distribution\n") && text.contains("Requests/sec: "), "{text}");
    let both: Outcome = serde_json::from_slice(&fs::read(merged).unwrap()).unwrap();
    assert_eq!(both.responses, outcomes.iter().map(|outcome| outcome.responses).sum::<u64>());
    assert_eq!(both.latency.count(), both.responses);
    assert_eq!((both.generators, both.connections.responses.len()), (2, 6));
    assert!(both.is_accounted());
    let start_ms = (start * 1000.0) as u64;
    assert!(outcomes.iter().all(|outcome| outcome.started_at_ms >= start_ms), "{start_ms}");
    outcomes.iter().all(|outcome| outcome.started_at_ms < start_ms + 500)
}

#[test]
fn generators_with_the_same_seed_are_not_valid_together() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let merged_text = |seeds: [Option<&str>; 2]| {
        let files = [file("one"), file("other")];
        // Results of one after the other, put to the same time, because only the seeds matter here.
        for (file, seed) in files.iter().zip(seeds) {
            let mut arguments = vec!["-c1", "-t1", "-d300ms", "-R100", "--arrivals", "poisson", "--json", file];
            arguments.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
            arguments.push(&server.url);
            let output = loadgen(&arguments);
            assert!(output.status.success(), "{}", stderr(&output));
            let mut outcome: Outcome = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            outcome.started_at_ms = 1_000_000;
            fs::write(file, serde_json::to_vec(&outcome).unwrap()).unwrap();
        }
        stdout(&loadgen(&["merge", &files[0], &files[1]]))
    };
    let equal = merged_text([Some("5"), Some("5")]);
    assert!(equal.contains("have the same seed, 5: their requests came at the same moments"), "{equal}");
    for seeds in [[Some("5"), Some("6")], [None, None]] {
        let text = merged_text(seeds);
        assert!(!text.contains("the same seed"), "{text}");
    }
}

#[test]
fn results_that_do_not_belong_together_are_refused() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (one, other, old, none) = (file("one"), file("other"), file("old"), file("none"));
    loadgen(&["-c1", "-t1", "-d300ms", "--json", &one, &server.url]);
    loadgen(&["-c1", "-t1", "-d300ms", "--head", "--json", &other, &server.url]);
    fs::write(&old, "{\"format\": 1}").unwrap();
    fs::write(&none, "nothing").unwrap();
    for (second, expected) in [
        (&one, "holds the same result as a file before it"),
        (&other, "these results cannot be added up"),
        (&old, "has the format 1 and this program reads 2"),
        (&none, "is no result that --json has written"),
        (&file("absent"), "cannot read"),
    ] {
        let output = loadgen(&["merge", &one, second]);
        assert_eq!(output.status.code(), Some(2), "{second}");
        assert!(stderr(&output).contains(expected), "{second}: {}", stderr(&output));
    }
}
