//! What is written to files.

use std::fs;

use crate::program::{NullServer, loadgen, stderr, stdout};

#[test]
fn a_time_series_has_a_line_for_each_interval() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series");
    let file = path.to_str().unwrap();
    let output =
        loadgen(&["-c4", "-t2", "-d1", "--interval", "250ms", "--timeseries", file, "--json", "-", &server.url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((4..=5).contains(&lines.len()), "{text}");
    let sum = |figure: &str| lines.iter().map(|line| line[figure].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("responses"), outcome["responses"].as_u64().unwrap());
    assert_eq!(sum("bytes_read"), outcome["bytes_read"].as_u64().unwrap());
    assert!(lines[0]["p99_ms"].as_f64().unwrap() >= lines[0]["p50_ms"].as_f64().unwrap());
}

#[test]
fn histograms_are_written_for_the_tools_that_draw_them() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("run.1");
    let output = loadgen(&["-c4", "-t1", "-d1", "--hdr", name.to_str().unwrap(), &server.url]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let distribution = fs::read_to_string(folder.path().join("run.1.hgrm")).unwrap();
    assert!(distribution.contains("1.000000000000"), "{distribution}");
    let log = fs::read_to_string(folder.path().join("run.1.hlog")).unwrap();
    assert!(log.lines().filter(|line| line.contains(",HIST")).count() >= 5, "{log}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let server = NullServer::start();
    for option in ["--json", "--timeseries", "--hdr"] {
        let output = loadgen(&["-c1", "-t1", "-d300ms", option, "/nowhere/file", &server.url]);
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert!(stderr(&output).contains("cannot write to /nowhere/file"), "{option}: {}", stderr(&output));
        // What can be created before the run is; the result is told even if it cannot be written.
        assert_eq!(stdout(&output).contains("Requests/sec: "), option == "--json", "{option}");
    }
    let full = loadgen(&["-c1", "-t1", "-d300ms", "--timeseries", "/dev/full", &server.url]);
    assert_eq!(full.status.code(), Some(1));
    assert!(stdout(&full).contains("Requests/sec: "), "what was measured is told all the same");
    let crowded = loadgen(&["-c1", "-t1", "-d300ms", "--json", "-", "--timeseries", "-", &server.url]);
    assert_eq!(crowded.status.code(), Some(2));
}

#[test]
fn paths_and_bodies_come_from_files() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let (list, body) = (folder.path().join("paths"), folder.path().join("body"));
    fs::write(&list, "/a 3\n/b 1\n").unwrap();
    // What the null server sends, but for one byte.
    fs::write(&body, [vec![b'.'; 611], vec![b'!']].concat()).unwrap();
    let (list, body) = (list.to_str().unwrap(), body.to_str().unwrap());
    let output =
        loadgen(&["-c2", "-t1", "-d300ms", "--paths", list, "--expect-body", body, "--json", "-", &server.url]);
    assert_eq!(output.status.code(), Some(1), "every body is wrong");
    let outcome: loadgen::Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((outcome.unexpected.body, outcome.unexpected.bodies_compared), (outcome.responses, outcome.responses));
    let difference = outcome.unexpected.first_difference.unwrap();
    assert_eq!((difference.offset, difference.expected, difference.found), (611, b'!', b'.'));

    for (option, file, expected) in [
        ("--paths", "/nowhere", "cannot read /nowhere"),
        ("--paths", body, "is no list of paths"),
        ("--expect-body", "/nowhere", "cannot read /nowhere"),
    ] {
        fs::write(body, "/a 1\n/b\n").unwrap();
        let output = loadgen(&["-c1", "-t1", "-d300ms", option, file, &server.url]);
        assert_eq!(output.status.code(), Some(2), "{option} {file}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
