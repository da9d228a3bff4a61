//! Servers under strace: a slow disk in pretence, and a look at the calls that a server makes.

use std::ffi::OsString;
use std::io::Write;
use std::process::Stdio;

use crate::tool::tool;

/// The words that start a program under strace with these `options`, for [`Start::wrapper`](crate::Start::wrapper). The
/// program is the process that was started, and strace a process aside. Without strace, or where it may trace nobody (as
/// in many containers), the test is skipped, and says so.
#[track_caller]
pub fn under_strace<I: Into<OsString>>(options: impl IntoIterator<Item = I>) -> Option<Vec<OsString>> {
    const ALWAYS: [&str; 3] =
        ["--follow-forks", "--seccomp-bpf", "--quiet=attach,path-resolution,personality,thread-execve"];
    let strace = tool("strace")?.get_program().to_owned();
    let mut attempt = std::process::Command::new(&strace);
    attempt.args(ALWAYS).args(["--output=/dev/null", "--trace=openat2", "true"]);
    let may_trace = attempt.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !may_trace {
        // Not by eprintln!, which the test runner keeps to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "skipped: strace may not trace here");
        return None;
    }
    let mut words = vec![strace, "--daemonize=grandchild".into()];
    words.extend(ALWAYS.map(OsString::from));
    words.extend(options.into_iter().map(Into::into));
    Some(words)
}
