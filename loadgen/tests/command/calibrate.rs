//! The generator's own ceiling.

use std::process::Command;

use crate::program::{NullServer, PROGRAM, stdout};

#[test]
fn a_ceiling_is_told_and_kept_for_runs_of_the_same_shape() {
    let server = NullServer::start();
    let cache = tempfile::tempdir().unwrap();
    let loadgen = |arguments: &[&str]| {
        Command::new(PROGRAM).args(arguments).env("XDG_CACHE_HOME", cache.path()).output().unwrap()
    };
    let output = loadgen(&["--calibrate", "-c4", "-t1", "-d300ms"]);
    let text = stdout(&output);
    assert!(text.contains(" requests per second with 1 thread and 4 connections\n"), "{text}");
    assert!(text.contains(" us of CPU time per request"), "{text}");
    let file = cache.path().join("otus-loadgen/ceilings.json");
    if output.status.code() == Some(1) {
        // On a machine that others keep busy it is not what the generator can do.
        assert!(text.contains("NOT VALID: ") || text.contains("had time left"), "{text}");
        assert!(text.contains("It is not kept.") && !file.exists(), "{text}");
        return;
    }
    assert!(text.contains(&format!("Kept in {}", file.display())), "{text}");
    let same = stdout(&loadgen(&["-c4", "-t1", "-d300ms", &server.url]));
    assert!(same.contains("ceiling"), "{same}");
    assert!(!same.contains("nobody measured what the generator can do"), "{same}");
    let other = stdout(&loadgen(&["-c5", "-t1", "-d300ms", &server.url]));
    assert!(!other.contains("of this machine's ceiling"), "{other}");
}
