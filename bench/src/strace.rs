//! strace(1), which tells each system call of a server: whether it may be used, how a server is started under it, and
//! what it wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reports::NotCounted;
use rustix::process::{Pid, Signal, kill_process_group};

/// System calls by name.
pub type Counts = BTreeMap<String, u64>;

const PROGRAM: &str = "strace";
/// How often it is looked whether the trial has ended.
const POLL: Duration = Duration::from_millis(5);

/// Traces a program that does nothing, because containers and security modules often forbid ptrace(2).
///
/// # Errors
/// [`NotCounted::NoStrace`], or [`NotCounted::NotPermitted`] when strace fails or does not end within `limit`.
pub fn may_trace(limit: Duration) -> Result<(), NotCounted> {
    try_program(PROGRAM, limit)
}

fn try_program(program: &str, limit: Duration) -> Result<(), NotCounted> {
    let not_permitted = |error: &dyn std::fmt::Display| NotCounted::NotPermitted { error: error.to_string() };
    let started = Command::new(program)
        .args(["-f", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut trial = match started {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotCounted::NoStrace),
        started => started.map_err(|error| not_permitted(&error))?,
    };
    let ended = end_within(&mut trial, limit);
    let mut said = String::new();
    match ended {
        Some(success) if success => return Ok(()),
        Some(_) => {
            // What it said is only the reason; that it failed is known.
            let _ = trial.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
        }
        None => said.push_str("it did not end"),
    }
    Err(not_permitted(&said))
}

/// Whether a child that leads a process group ended well, or nothing when it had to be killed with its group: with the program
/// that it traces.
fn end_within(child: &mut Child, limit: Duration) -> Option<bool> {
    let begin = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        if begin.elapsed() >= limit {
            // It may end at this moment; then there is nothing to kill, only to reap. Until then its id is its own.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
            return None;
        }
        thread::sleep(POLL);
    }
}

/// The words that start a server under strace, which writes each call to the file `trace`: all threads and children, no
/// signals and ends of processes, arguments as numbers, because these are read fastest and nobody reads them here.
///
/// strace ignores the signal that ends the server, and ends when the last of its processes has ended.
#[must_use]
pub fn words(trace: &Path, server: &[String]) -> Vec<String> {
    let options = [PROGRAM, "-f", "-qq", "-I", "3", "-s", "0", "-e", "signal=none", "-e", "raw=all", "-o"];
    let mut words: Vec<String> = options.map(str::to_owned).into();
    words.extend([trace.to_string_lossy().into_owned(), "--".to_owned()]);
    words.extend_from_slice(server);
    words
}

/// What strace has written so far. It writes a call down when it begins and the outcome behind it when it has ended, so
/// that calls in which a thread waits at the moment are known, too.
#[derive(Debug)]
pub struct Trace {
    file: File,
    /// Calls on lines that are complete.
    counts: Counts,
    /// The beginning of a line that is not.
    rest: Vec<u8>,
}

impl Trace {
    /// Begins to read a trace.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, counts: Counts::new(), rest: Vec::new() })
    }

    /// Reads what was added since the last time, and says whether that was anything.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn read_on(&mut self) -> io::Result<bool> {
        let read = self.file.read_to_end(&mut self.rest)?;
        let complete = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in self.rest[..complete].split(|&byte| byte == b'\n') {
            count(&mut self.counts, line);
        }
        self.rest.drain(..complete);
        Ok(read > 0)
    }

    /// The calls that had begun by the time of the last reading.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts.clone();
        count(&mut counts, &self.rest);
        counts
    }
}

fn count(counts: &mut Counts, line: &[u8]) {
    if let Some(name) = call_on(line) {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
}

/// The name of the call that begins on a line: `PID name(arguments...`. None begins where one is resumed
/// (`<... read resumed>`), a signal is told (`---`) or the end of a process (`+++`).
fn call_on(line: &[u8]) -> Option<&str> {
    let id = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let call = line[id..].trim_ascii_start();
    let name = &call[..call.iter().position(|&byte| byte == b'(')?];
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    if name.is_empty() || !name.iter().all(is_name) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

/// Calls of `later` beyond those of `earlier`.
#[must_use]
pub fn since(earlier: &Counts, later: &Counts) -> Counts {
    let more = |(name, &count): (&String, &u64)| {
        let more = count.checked_sub(earlier.get(name).copied().unwrap_or(0)).filter(|&more| more > 0)?;
        Some((name.clone(), more))
    };
    later.iter().filter_map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::OpenOptions;
    use std::io::{BufRead as _, BufReader, Write as _};

    fn counts<const N: usize>(counts: [(&str, u64); N]) -> Counts {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    fn counted(text: &str) -> Counts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::fs::write(&path, text).unwrap();
        let mut trace = Trace::open(&path).unwrap();
        trace.read_on().unwrap();
        trace.counts()
    }

    /// From strace 6.1 and a server with two workers: `strace -f -o`, signals and ends not turned off.
    const TEXT: &str = r#"25157 clone3({flags=CLONE_VM|CLONE_FS, ...} => {parent_tid=[25159]}, 88) = 25159
25159 epoll_wait(7,  <unfinished ...>
25158 futex(0x55f1b1864e78, FUTEX_WAIT_PRIVATE, 2, NULL <unfinished ...>
25159 <... epoll_wait resumed>[{events=EPOLLIN, data=0x5}], 1024, 242) = 1
25159 recvfrom(3, "GET /fork( HTTP/1.1\r\n"..., 57348, 0, NULL, NULL) = 35
25159 sendto(3, ""..., 855, MSG_NOSIGNAL, NULL, 0) = 855
25158 <... futex resumed>)              = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
25158 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---
25158 rt_sigreturn({mask=[]})           = 202
25158 restart_syscall(<... resuming interrupted futex ...> <unfinished ...>
25159 recvfrom(3,  <unfinished ...>) = ?
25157 vfork( <unfinished ...>
25160 execve("/bin/sh", ["sh", "-c", "read(3)"], 0x7ffd /* 3 vars */ <unfinished ...>
25157 <... vfork resumed>)              = 25160
25160 <... execve resumed>)             = 0
25157 syscall_0x1d0(0, 0, 0, 0, 0, 0)   = -1 ENOSYS (Function not implemented)
25157 ????( <detached ...>
25160 +++ superseded by execve in pid 25161 +++
25160 exit_group(0)                     = ?
25158 <... restart_syscall resumed> <unfinished ...>) = ?
25160 +++ exited with 0 +++
25157 +++ killed by SIGKILL +++
"#;

    #[test]
    fn a_call_counts_once_however_it_is_told() {
        let expected = counts([
            ("clone3", 1),
            ("epoll_wait", 1),
            ("execve", 1),
            ("exit_group", 1),
            ("futex", 1),
            ("recvfrom", 2),
            ("restart_syscall", 1),
            ("rt_sigreturn", 1),
            ("sendto", 1),
            ("syscall_0x1d0", 1),
            ("vfork", 1),
        ]);
        assert_eq!(counted(TEXT), expected);
    }

    #[test]
    fn arguments_as_numbers_and_lines_without_an_id_are_read() {
        assert_eq!(counted("8 read(0x3, 0x7f, 0x400) = 0x10\nread(0x3, 0x7f, 0x400) = 0\n"), counts([("read", 2)]));
        assert_eq!(counted("strace: Process 8 attached (with 2 threads)\n\n8 \n(\n8 (\n8 é(\n"), Counts::new());
    }

    #[test]
    fn a_trace_is_read_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::fs::write(&path, "").unwrap();
        let mut trace = Trace::open(&path).unwrap();
        let mut written = OpenOptions::new().append(true).open(&path).unwrap();
        assert!(!trace.read_on().unwrap());
        written.write_all(b"1 read(3, ...) = 8\n1 re").unwrap();
        assert!(trace.read_on().unwrap());
        assert_eq!(trace.counts(), counts([("read", 1)]));
        // A thread that waits in a call has begun it, and does so once.
        written.write_all(b"ad(3, ").unwrap();
        assert!(trace.read_on().unwrap());
        assert_eq!(trace.counts(), counts([("read", 2)]));
        written.write_all(b"...) = 8\n").unwrap();
        assert!(trace.read_on().unwrap() && !trace.read_on().unwrap());
        assert_eq!(trace.counts(), counts([("read", 2)]));
    }

    #[test]
    fn a_tracer_that_is_missing_or_fails_gives_its_reason() {
        let long = Duration::from_secs(30);
        assert_eq!(try_program("no-such-strace-anywhere", long), Err(NotCounted::NoStrace));
        // A program that does not know strace's options, as strace fails where ptrace is forbidden.
        let Err(NotCounted::NotPermitted { error }) = try_program("sleep", long) else { panic!("it may trace") };
        assert!(error.contains("sleep"), "{error}");
    }

    #[test]
    fn a_tracer_that_hangs_is_killed_with_what_it_traces() {
        let script = "sleep 600 & echo $!; wait";
        let mut command = Command::new("sh");
        let mut child = command.args(["-c", script]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut traced = String::new();
        output.read_line(&mut traced).unwrap();
        assert_eq!(end_within(&mut child, Duration::from_millis(20)), None);
        assert!(child.try_wait().unwrap().is_some_and(|status| !status.success()));
        // Both had the pipe, which ends with the last of them.
        assert_eq!(output.read_to_string(&mut traced).unwrap(), 0);
    }

    #[test]
    fn only_what_came_later_is_left() {
        let (earlier, later) = (counts([("close", 2), ("read", 5)]), counts([("close", 2), ("read", 9), ("write", 1)]));
        assert_eq!(since(&earlier, &later), counts([("read", 4), ("write", 1)]));
    }
}
