//! Output that cannot be written: a reader that has gone away is no failure, a full disk is one, and neither loses a result.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Stdio};

use loadgen::Outcome;

use crate::program::{NullServer, PROGRAM, stderr};

/// A device on which nothing fits (full(4)).
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_result_that_does_not_fit_on_standard_output_is_an_error_and_its_files_are_written() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json");
    let run = ["-c1", "-t1", "-d200ms", "--json", file.to_str().unwrap(), &server.url];
    let output = Command::new(PROGRAM).args(run).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot write to standard output: No space left on device"), "{output:?}");
    let outcome: Outcome = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(outcome.responses > 0);

    let merge = ["merge", file.to_str().unwrap()];
    let output = Command::new(PROGRAM).args(merge).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("standard output"), "{output:?}");
    let json = ["-c1", "-t1", "-d200ms", "--json", "-", &server.url];
    let output = Command::new(PROGRAM).args(json).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).matches("No space left").count(), 1, "{output:?}");
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let server = NullServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json");
    for more in [&["--json", file.to_str().unwrap()][..], &["--json", "-"], &["--timeseries", "-"]] {
        let mut run = Command::new(PROGRAM);
        run.args(["-c1", "-t1", "-d300ms"]).args(more).arg(&server.url);
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Gone before the first word.
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{more:?}: {errors}");
        assert!(!errors.contains("loadgen:"), "{errors}");
    }
    assert!(file.is_file());
}
