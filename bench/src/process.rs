//! A server as a process: started on its CPUs in a process group of its own, watched, and ended with all it started.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reports::failure::{Failure, Phase};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::cpus::Cpus;
use crate::own_group::{GroupReader, OwnGroup};

/// How often a process is looked at while something is waited for.
const POLL: Duration = Duration::from_millis(5);
/// How much of the end of its standard error is kept: a few lines for a report.
const STANDARD_ERROR_KEPT: usize = 600;

/// The variable in a server's environment that says which run it belongs to.
const MARK: &str = "OTUS_BENCH_RUN";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// Program and arguments; never empty.
    pub words: &'a [String],
    /// The folder it is started in.
    pub folder: &'a Path,
    /// The CPUs that it and all its threads are bound to.
    pub cpus: &'a Cpus,
    /// A folder of the run, by which the server is found again if the bench is killed and cannot end it.
    pub mark: &'a Path,
    /// The file that takes its standard output, its access log with it.
    pub standard_output: PathBuf,
    /// The file that takes its standard error.
    pub standard_error: PathBuf,
}

/// A server that was started. Dropping it kills the whole group.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    group: Pid,
    standard_error: PathBuf,
    ended: Option<ExitStatus>,
    /// Dropped after the processes were ended, which is when it can be removed.
    own_group: Option<OwnGroup>,
}

impl ServerProcess {
    /// Starts a server.
    ///
    /// It is started from a thread that is bound to the server's CPUs, so that it is bound before it runs and sees the
    /// number of CPUs that it has; nothing has to be done in the forked child.
    ///
    /// # Errors
    /// [`Failure::NotStarted`] when the program cannot be run or the CPUs not be used.
    pub fn start(launch: &Launch<'_>) -> Result<Self, Failure> {
        let not_started = |error: &dyn std::fmt::Display| Failure::NotStarted { error: error.to_string() };
        let child = thread::scope(|scope| scope.spawn(|| spawn(launch)).join())
            .map_err(|_| not_started(&"the thread that starts servers panicked"))?
            .map_err(|error| not_started(&error))?;
        let group = Pid::from_child(&child);
        Ok(Self { child, group, standard_error: launch.standard_error.clone(), ended: None, own_group: None })
    }

    /// The process's id, which is its group's too.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Gives the server a control group of its own, as far as one may be made, and returns what reads it.
    pub fn group_of_its_own(&mut self) -> Option<GroupReader> {
        if self.own_group.is_none() {
            self.own_group = OwnGroup::of(self.id());
        }
        self.own_group.as_ref().map(OwnGroup::reader)
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            // An error means that there is no such child any more, which does not happen to one not waited for.
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// The failure of a process that ended by itself, if it has.
    pub fn death(&mut self, during: Phase) -> Option<Failure> {
        self.ended().map(|status| Failure::Died {
            during,
            status: status.code(),
            signal: status.signal(),
            standard_error: self.last_words(),
        })
    }

    /// Waits until the server accepts a connection on 127.0.0.1.
    ///
    /// # Errors
    /// [`Failure::Died`] as soon as the process has ended, [`Failure::NeverListened`] after `limit` or when
    /// `interrupted` becomes true.
    pub fn wait_until_it_listens(
        &mut self,
        port: u16,
        limit: Duration,
        interrupted: &AtomicBool,
    ) -> Result<(), Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let begin = Instant::now();
        loop {
            if let Some(death) = self.death(Phase::Start) {
                return Err(death);
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok(());
            }
            if begin.elapsed() >= limit || interrupted.load(Ordering::Relaxed) {
                return Err(Failure::NeverListened {
                    waited_seconds: limit.min(begin.elapsed()).as_secs_f64(),
                    standard_error: self.last_words(),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the server to end (SIGTERM), and after `limit` kills the whole group.
    ///
    /// # Errors
    /// [`Failure::NotStopped`] when it had to be killed.
    pub fn stop(mut self, limit: Duration) -> Result<(), Failure> {
        self.signal(Signal::TERM);
        let begin = Instant::now();
        while self.ended().is_none() {
            if begin.elapsed() >= limit {
                return Err(Failure::NotStopped { waited_seconds: limit.as_secs_f64() });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The end of what the server wrote on standard error.
    #[must_use]
    pub fn last_words(&self) -> String {
        let bytes = fs::read(&self.standard_error).unwrap_or_default();
        let cut = bytes.len().saturating_sub(STANDARD_ERROR_KEPT);
        let text = String::from_utf8_lossy(&bytes[cut..]);
        // What was cut in the middle of a line begins with the next one.
        let whole_lines = if cut > 0 { text.split_once('\n').map_or(&*text, |(_, rest)| rest) } else { &*text };
        whole_lines.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        // The only failure is a group that has no process left, which is what the signal is for.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Also after an orderly end: what the server left behind in its group must not disturb the next one.
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Ends the servers that a run left behind when it was killed: all processes that were started with a mark below this
/// folder.
pub fn end_leftovers(folder: &Path) {
    let Ok(folder) = fs::canonicalize(folder) else { return };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // Processes of others do not show their environment, and are none of ours.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mark = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(MARK.as_bytes()));
        let mark = mark.and_then(|mark| mark.strip_prefix(b"=")).map(|mark| Path::new(OsStr::from_bytes(mark)));
        if mark.is_some_and(|mark| mark.starts_with(&folder)) {
            // It may have ended just now, which is what this is for.
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

fn spawn(launch: &Launch<'_>) -> io::Result<Child> {
    launch.cpus.bind_this_thread().map_err(io::Error::other)?;
    let (program, arguments) = launch.words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    Command::new(program)
        .args(arguments)
        .current_dir(launch.folder)
        .env(MARK, fs::canonicalize(launch.mark)?)
        .stdin(Stdio::null())
        .stdout(File::create(&launch.standard_output)?)
        .stderr(File::create(&launch.standard_error)?)
        .process_group(0)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run {program}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpListener;

    static NEVER: AtomicBool = AtomicBool::new(false);

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("otus-bench-process-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn start(&self, script: &str) -> Result<ServerProcess, Failure> {
            let words: Vec<String> = ["sh", "-c", script].map(str::to_owned).into();
            self.start_words(&words)
        }

        fn start_words(&self, words: &[String]) -> Result<ServerProcess, Failure> {
            ServerProcess::start(&Launch {
                words,
                folder: &self.0,
                cpus: &Cpus::available().unwrap(),
                mark: &self.0,
                standard_output: self.0.join("stdout"),
                standard_error: self.0.join("stderr"),
            })
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn closed_port() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let place = Place::new("absent");
        let failure = place.start_words(&["no-such-program-anywhere".to_owned()]).unwrap_err();
        let Failure::NotStarted { error } = failure else { panic!("{failure:?}") };
        assert!(error.contains("no-such-program-anywhere"), "{error}");
    }

    #[test]
    fn a_crash_is_noticed_at_once_with_its_last_words() {
        let place = Place::new("crash");
        let mut server = place.start("echo the disk is made of cheese >&2; exit 3").unwrap();
        let begin = Instant::now();
        let failure = server.wait_until_it_listens(closed_port(), Duration::from_secs(60), &NEVER).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(20));
        let expected = Failure::Died {
            during: Phase::Start,
            status: Some(3),
            signal: None,
            standard_error: "the disk is made of cheese".to_owned(),
        };
        assert_eq!(failure, expected);
    }

    #[test]
    fn one_that_never_listens_is_given_up() {
        let place = Place::new("deaf");
        let mut server = place.start("echo still thinking >&2; sleep 60").unwrap();
        let failure = server.wait_until_it_listens(closed_port(), Duration::from_millis(300), &NEVER).unwrap_err();
        let Failure::NeverListened { waited_seconds, standard_error } = failure else { panic!("{failure:?}") };
        assert_eq!((waited_seconds, standard_error.as_str()), (0.3, "still thinking"));
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed_with_its_children() {
        let place = Place::new("stubborn");
        let server = place.start("trap '' TERM; sleep 61 & echo $! > child; while :; do sleep 1; done").unwrap();
        let child_file = place.0.join("child");
        let begin = Instant::now();
        let child: i32 = loop {
            if let Some(id) = fs::read_to_string(&child_file).ok().and_then(|text| text.trim().parse().ok()) {
                break id;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "the script did not start");
            thread::sleep(POLL);
        };
        let failure = server.stop(Duration::from_millis(200)).unwrap_err();
        assert_eq!(failure, Failure::NotStopped { waited_seconds: 0.2 });
        // Whoever adopts the child reaps it; until then it is a zombie.
        let gone = || crate::process_tree::process(child).is_none_or(|stat| stat.has_ended());
        let begin = Instant::now();
        while !gone() {
            assert!(begin.elapsed() < Duration::from_secs(30), "the child outlived its group");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn an_obedient_one_ends_without_a_word() {
        let place = Place::new("obedient");
        let server = place.start("exec sleep 60").unwrap();
        assert_eq!(server.stop(Duration::from_secs(30)), Ok(()));
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let place = Place::new("complaint");
        let mut server = place.start("for i in 1 2 3 4 5 6 7 8 9; do echo line $i of a very long complaint that says next to nothing in so many words as there are >&2; done; exit 1").unwrap();
        let failure = server.wait_until_it_listens(closed_port(), Duration::from_secs(60), &NEVER).unwrap_err();
        let Failure::Died { standard_error, .. } = failure else { panic!("{failure:?}") };
        assert!(standard_error.starts_with("line ") && standard_error.contains("line 9"), "{standard_error}");
        assert!(standard_error.len() <= STANDARD_ERROR_KEPT && !standard_error.contains("line 1 "), "{standard_error}");
    }

    #[test]
    fn what_a_killed_run_left_behind_is_ended_and_nothing_else() {
        let (mine, other) = (Place::new("leftover"), Place::new("leftover-of-others"));
        let mut left = mine.start("exec sleep 60").unwrap();
        let mut alive = other.start("exec sleep 60").unwrap();
        end_leftovers(&mine.0);
        let begin = Instant::now();
        while left.ended().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(20), "it was left behind");
            thread::sleep(POLL);
        }
        assert_eq!(alive.ended(), None);
    }
}
