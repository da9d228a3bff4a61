//! Running another program to its end, but not longer than it may take.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::wait::eventually;

/// Copies a program, or a script, that is to be started. Another process does it: whatever another test starts meanwhile would inherit
/// our own descriptor of the copy, and a file that is open for writing anywhere cannot be started (`ETXTBSY`, execve(2)).
#[track_caller]
pub fn copy_to_start(program: &Path, copy: &Path) {
    let copied = Command::new("cp").arg(program).arg(copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "cannot copy {} to {}", program.display(), copy.display());
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, what is not UTF-8 replaced.
    pub stdout: String,
    /// Its standard error, what is not UTF-8 replaced.
    pub stderr: String,
}

impl Finished {
    /// The exit code; panics when a signal ended it.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// Panics unless the exit code is 0.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        self
    }
}

/// Runs `command` with nothing on its standard input and collects what it says. After `limit` it is killed and the test
/// fails.
#[track_caller]
pub fn finish(command: &mut Command, limit: Duration) -> Finished {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let stdout = collect(child.stdout.take().expect("piped above"));
    let stderr = collect(child.stderr.take().expect("piped above"));
    let mut status = None;
    let ended = eventually(limit, || {
        status = child.try_wait().expect("a child of ours can be waited for");
        status.is_some()
    });
    if !ended {
        child.kill().expect("a child of ours can be killed");
        status = Some(child.wait().expect("a child of ours can be waited for"));
    }
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("reading a pipe does not panic")).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(ended, "{name} did not end within {limit:?}\nstdout: {stdout}\nstderr: {stderr}");
    Finished { status: status.expect("it ended"), stdout, stderr }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends the text; what came before it still counts.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
