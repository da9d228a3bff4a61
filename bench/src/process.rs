//! A server as a process: started on its CPUs in a process group of its own, watched, and ended with all it started.
//!
//! Its first process is not waited for before everything else of it has ended. Until then the kernel does not give its id,
//! which is also its group's, to another process, so a signal to the group reaches only the server.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use reports::failure::{Failure, Phase};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open, pidfd_send_signal,
    waitid,
};

use crate::accounting::ProcessStat;
use crate::cpus::Cpus;
use crate::own_group::{GroupReader, OwnGroup};
use crate::process_tree::{self, ProcessTree};

/// How often a process is looked at while something is waited for.
const POLL: Duration = Duration::from_millis(5);
/// How long processes that were killed may take to end. One that waits for a device does not end before it has it.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How much of the end of its standard error is kept, in bytes: a few lines for a report.
const STANDARD_ERROR_KEPT: u64 = 600;

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

/// A server that was started. Dropping it kills all its processes.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    group: Pid,
    tree: ProcessTree,
    /// The port that it was seen or expected on.
    port: Option<u16>,
    program: String,
    standard_error: PathBuf,
    ended: Option<Ending>,
    /// Dropped after the processes were ended, which is when it can be removed.
    own_group: Option<OwnGroup>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its exit status, if it exited.
    pub status: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

impl ServerProcess {
    /// Starts a server.
    ///
    /// It is started from a thread that is bound to the server's CPUs, so that it is bound before it runs and sees the
    /// number of CPUs that it has; nothing has to be done in the forked child. From then on this process adopts those of its
    /// descendants that lose their parent.
    ///
    /// # Errors
    /// [`Failure::NotStarted`] when the program cannot be run or the CPUs not be used.
    pub fn start(launch: &Launch<'_>) -> Result<Self, Failure> {
        let not_started = |error: &dyn std::fmt::Display| Failure::NotStarted { error: error.to_string() };
        process_tree::adopt_orphans();
        let mark = fs::canonicalize(launch.mark).map_err(|error| not_started(&error))?;
        let child = thread::scope(|scope| scope.spawn(|| spawn(launch, &mark)).join())
            .map_err(|_| not_started(&"the thread that starts servers panicked"))?
            .map_err(|error| not_started(&error))?;
        let group = Pid::from_child(&child);
        let variable = [MARK.as_bytes(), b"=", mark.as_os_str().as_bytes()].concat();
        let program = launch.words.first().map(Path::new).and_then(Path::file_name);
        Ok(Self {
            child,
            group,
            tree: ProcessTree::of_child(group.as_raw_nonzero().get(), variable),
            port: None,
            program: program.unwrap_or_default().to_string_lossy().into_owned(),
            standard_error: launch.standard_error.clone(),
            ended: None,
            own_group: None,
        })
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

    /// All its processes, for whoever looks at them.
    #[must_use]
    pub fn tree(&self) -> ProcessTree {
        self.tree.clone()
    }

    /// How the first process ended, if it has. It is not waited for, so its id stays its own.
    pub fn ended(&mut self) -> Option<Ending> {
        if self.ended.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            self.ended = match waitid(WaitId::Pid(self.group), options) {
                Ok(status) => status.map(|status| Ending::of(&status)),
                // Where SIGCHLD is ignored, the kernel keeps nothing of a process that has ended.
                Err(Errno::CHILD) => Some(Ending { status: None, signal: None }),
                Err(_) => None,
            };
        }
        self.ended
    }

    /// The failure of a server whose first process ended by itself, if it has.
    pub fn death(&mut self, during: Phase) -> Option<Failure> {
        let ending = self.ended()?;
        if ending.status == Some(0) && !self.living().is_empty() {
            return Some(Failure::WentToBackground { during, program: self.program.clone() });
        }
        let Ending { status, signal } = ending;
        Some(Failure::Died { during, status, signal, standard_error: self.last_words() })
    }

    /// The processes of the server beside the first one that have not ended.
    fn living(&self) -> BTreeMap<i32, ProcessStat> {
        let mut living = self.tree.processes_or_listeners(self.port);
        let in_group = self.own_group.iter().flat_map(OwnGroup::processes);
        living.extend(in_group.filter_map(|id| Some((id, process_tree::process(id)?))));
        living.retain(|id, stat| *id != self.id() && !stat.has_ended());
        living
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
        self.port = Some(port);
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

    /// Asks the server to end (SIGTERM), waits at most `limit` for its first process, and kills what is left of the others.
    /// A server in the background is asked process by process, and all of them are waited for.
    ///
    /// # Errors
    /// [`Failure::NotStopped`] when it had to be killed.
    pub fn stop(mut self, limit: Duration) -> Result<(), Failure> {
        let has_first = self.ended().is_none();
        signal_group(self.group, Signal::TERM);
        if !has_first {
            self.signal_living(Signal::TERM);
        }
        let begin = Instant::now();
        while if has_first { self.ended().is_none() } else { !self.living().is_empty() } {
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
        // A report can do without them.
        File::open(&self.standard_error).and_then(end_of).unwrap_or_default()
    }

    /// Sends a signal to each process but the first one, and returns whether there was any.
    fn signal_living(&self, signal: Signal) -> bool {
        let living = self.living();
        living.iter().for_each(|(id, stat)| process_tree::signal(*id, stat, signal));
        !living.is_empty()
    }
}

impl Ending {
    fn of(status: &WaitIdStatus) -> Self {
        Self { status: status.exit_status(), signal: status.terminating_signal() }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Also after an orderly end: what the server left behind must not disturb the next one. Each look may find children
        // that were started since the last one, by processes that were not killed yet.
        let begin = Instant::now();
        loop {
            signal_group(self.group, Signal::KILL);
            self.own_group.iter().for_each(OwnGroup::kill);
            let has_ended = self.ended().is_some();
            let had_others = self.signal_living(Signal::KILL);
            if (has_ended && !had_others) || begin.elapsed() >= KILL_LIMIT {
                break;
            }
            thread::sleep(POLL);
        }
        for (id, stat) in self.tree.processes() {
            if id != self.id() {
                process_tree::reap(id, &stat);
            }
        }
        let _ = self.child.wait();
    }
}

/// Ends the servers that a run left behind when it was killed: all processes that were started with a mark below this
/// folder.
pub fn end_leftovers(folder: &Path) {
    let Ok(folder) = fs::canonicalize(folder) else { return };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // The descriptor is opened before the environment is read, so that the signal cannot meet another process.
        let Some(process) = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()) else { continue };
        // Processes of others do not show their environment, and are none of ours.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mark = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(MARK.as_bytes()));
        let mark = mark.and_then(|mark| mark.strip_prefix(b"=")).map(|mark| Path::new(OsStr::from_bytes(mark)));
        if mark.is_some_and(|mark| mark.starts_with(&folder)) {
            // It may have ended just now, which is what this is for.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
}

/// Sends a signal to a process group whose first process was not waited for yet.
fn signal_group(group: Pid, signal: Signal) {
    // The only failure is a group in which every process has ended, which is what the signal is for.
    let _ = kill_process_group(group, signal);
}

/// The last lines of a text, of which no more is read than is kept.
fn end_of(mut text: impl Read + Seek) -> io::Result<String> {
    let cut = text.seek(SeekFrom::End(0))?.saturating_sub(STANDARD_ERROR_KEPT);
    text.seek(SeekFrom::Start(cut))?;
    let mut bytes = Vec::new();
    text.take(STANDARD_ERROR_KEPT).read_to_end(&mut bytes)?;
    let end = String::from_utf8_lossy(&bytes);
    // What was cut in the middle of a line begins with the next one.
    let whole_lines = if cut > 0 { end.split_once('\n').map_or(&*end, |(_, rest)| rest) } else { &*end };
    Ok(whole_lines.trim().to_owned())
}

fn spawn(launch: &Launch<'_>, mark: &Path) -> io::Result<Child> {
    launch.cpus.bind_this_thread().map_err(io::Error::other)?;
    let (program, arguments) = launch.words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    Command::new(program)
        .args(arguments)
        .current_dir(launch.folder)
        .env(MARK, mark)
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
        let gone = || process_tree::process(child).is_none_or(|stat| stat.has_ended());
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
        assert!(
            standard_error.len() <= STANDARD_ERROR_KEPT as usize && !standard_error.contains("line 1 "),
            "{standard_error}"
        );
    }

    #[test]
    fn of_a_large_text_only_the_end_is_read() {
        /// A text of a tebibyte that counts how much of it is read.
        struct Large<'a> {
            at: u64,
            read: &'a mut u64,
        }
        const LENGTH: u64 = 1 << 40;
        impl Read for Large<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = buffer.len().min((LENGTH - self.at) as usize);
                buffer[..length].fill(b'x');
                self.at += length as u64;
                *self.read += length as u64;
                Ok(length)
            }
        }
        impl Seek for Large<'_> {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.at = match to {
                    SeekFrom::Start(at) => at,
                    SeekFrom::End(_) => LENGTH,
                    SeekFrom::Current(_) => self.at,
                };
                Ok(self.at)
            }
        }
        let mut read = 0;
        let end = end_of(Large { at: 0, read: &mut read }).unwrap();
        assert_eq!((end.len() as u64, read), (STANDARD_ERROR_KEPT, STANDARD_ERROR_KEPT));
    }

    /// The ids of processes that a script has written to a file of the place.
    fn ids(place: &Place, count: usize) -> Vec<i32> {
        let begin = Instant::now();
        loop {
            let text = fs::read_to_string(place.0.join("ids")).unwrap_or_default();
            let ids: Vec<i32> = text.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect();
            if ids.len() == count && text.ends_with('\n') {
                return ids;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the script did not start its processes: {text:?}");
            thread::sleep(POLL);
        }
    }

    /// Whether a process is there, also when it has ended and its parent has not waited for it yet.
    fn exists(id: i32) -> bool {
        process_tree::process(id).is_some()
    }

    #[test]
    fn a_worker_in_a_session_of_its_own_ends_with_its_server() {
        let place = Place::new("worker");
        let server = place.start("setsid sh -c 'trap \"\" TERM; echo $$ >> ids; sleep 600' & exec sleep 600").unwrap();
        let worker = ids(&place, 1)[0];
        assert!(server.tree().processes().contains_key(&worker));
        assert_eq!(server.stop(Duration::from_secs(30)), Ok(()));
        assert!(!exists(worker), "the worker outlived its server");
    }

    #[test]
    fn a_server_in_the_background_is_told_and_ended() {
        let place = Place::new("background");
        let mut server = place.start("(setsid sh -c 'echo $$ >> ids; exec sleep 600' &) & exit 0").unwrap();
        let process = ids(&place, 1)[0];
        let begin = Instant::now();
        while server.ended().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(60), "the script did not end");
            thread::sleep(POLL);
        }
        let failure = server.death(Phase::Start);
        let expected = Failure::WentToBackground { during: Phase::Start, program: "sh".to_owned() };
        assert_eq!(failure, Some(expected));
        assert_eq!(server.stop(Duration::from_secs(30)), Ok(()));
        assert!(!exists(process), "it outlived its server");
    }

    #[test]
    fn processes_that_nobody_asked_for_and_ignore_sigterm_are_killed_in_the_background() {
        let place = Place::new("stubborn-background");
        let script = "(setsid sh -c 'trap \"\" TERM; sleep 600 & echo $$ $! >> ids; wait' &) & exit 0";
        let mut server = place.start(script).unwrap();
        let processes = ids(&place, 2);
        while server.ended().is_none() {
            thread::sleep(POLL);
        }
        let failure = server.stop(Duration::from_millis(200)).unwrap_err();
        assert_eq!(failure, Failure::NotStopped { waited_seconds: 0.2 });
        assert!(processes.iter().all(|id| !exists(*id)), "one outlived its server");
    }

    #[test]
    fn children_of_others_are_left_alone() {
        let (place, beside) = (Place::new("alone"), Place::new("alone-beside"));
        let mut own = Command::new("sleep").arg("600").spawn().unwrap();
        let mut other = beside.start("exec sleep 600").unwrap();
        let server = place.start("exec sleep 600").unwrap();
        assert_eq!(server.stop(Duration::from_secs(30)), Ok(()));
        assert_eq!((own.try_wait().unwrap(), other.ended()), (None, None));
        own.kill().unwrap();
        own.wait().unwrap();
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
