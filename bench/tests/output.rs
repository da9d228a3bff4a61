//! Output that cannot be written: a reader that has gone away is no failure, a full disk is one, and neither loses a
//! measurement.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

mod place;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use place::{Place, bench};

/// A device on which nothing fits (full(4)).
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn what_does_not_fit_is_an_error_and_the_measurement_is_kept() {
    let place = Place::new(&[("one", "none")], 1, "300ms");
    for words in [&["list"][..], &["--suite", "suite.toml", "--servers", "servers.toml", "--dry-run"]] {
        let output = bench().args(words).current_dir(place.path()).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {errors}");
        assert!(errors.contains("cannot write to standard output: No space left on device"), "{words:?}: {errors}");
    }
    // Progress cannot be told either.
    let output = place.command(&[]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let run = place.stored();
    assert!(run.is_finished() && run.measurements[0].rounds[0].outcome.is_some());
    assert!(place.latest().join("report.html").is_file());
}

#[test]
fn a_reader_that_goes_away_ends_nothing() {
    let place = Place::new(&[("one", "none")], 2, "300ms");
    // As `2>&1 | head -1` does it.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = place.command(&[]).stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let run = place.stored();
    assert!(run.is_finished() && run.measurements[0].rounds.len() >= 2);

    let words = ["--suite", "suite.toml", "--servers", "servers.toml", "--dry-run"];
    for words in [&["list"][..], &words] {
        let mut command = bench();
        command.args(words).current_dir(place.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{words:?}");
    }
}
