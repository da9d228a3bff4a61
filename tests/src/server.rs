//! A server of ours as a process of its own, from its ready line to its end.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::binaries::{binary, www};
use crate::client::{Client, request};
use crate::command::{Finished, copy_to_start, finish};
use crate::model::Model;
use crate::process::Process;
use crate::response::Response;
use crate::root::Root;
use crate::tool::tool;
use crate::wait::{PATIENCE, eventually, wait_until};

/// What becomes of the server's standard output after its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// `--quiet`: there is only the first line.
    Quiet,
    /// The access log is read as it comes.
    Collected,
    /// The pipe is closed at our end after the first line.
    Closed,
    /// The pipe stays open and nobody reads it.
    Unread,
    /// The same, and it is full before the server starts: not even the first line goes out. So it needs a port.
    Full,
    /// The same with `--quiet`.
    FullAndQuiet,
}

/// How a server is to be started.
#[derive(Debug, Clone)]
pub struct Start {
    model: Model,
    port: u16,
    root: PathBuf,
    flags: Vec<OsString>,
    log: Log,
    program: PathBuf,
    wrapper: Vec<OsString>,
}

impl Start {
    /// Serves `root` instead of the site that ships.
    #[must_use]
    pub fn root(self, root: &Root) -> Self {
        self.root_at(root.path())
    }

    /// Serves the directory at `path`, which need not exist.
    #[must_use]
    pub fn root_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.root = path.into();
        self
    }

    /// Asks for a certain port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// So many workers, where the model has any.
    #[must_use]
    pub fn workers(self, workers: u32) -> Self {
        if self.model.has_workers() { self.flags(["--workers", &workers.to_string()]) } else { self }
    }

    /// Further flags.
    #[must_use]
    pub fn flags<I: AsRef<OsStr>>(mut self, flags: impl IntoIterator<Item = I>) -> Self {
        self.flags.extend(flags.into_iter().map(|flag| flag.as_ref().to_owned()));
        self
    }

    /// What becomes of the access log; [`Log::Quiet`] unless said.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// Starts a copy of the program at `path`, for a user who cannot read the build directory.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = path.into();
        self
    }

    /// Starts the server by another program, which has to become it (`exec`), so that they are one process.
    #[must_use]
    pub fn wrapper<I: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = I>) -> Self {
        self.wrapper = wrapper.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Starts it as somebody who is not the superuser, for whom everything is readable. A copy of the program goes beside
    /// `root`. `None` where that takes a program that is missing, which is [said](crate::tool).
    #[must_use]
    pub fn unprivileged(self, root: &Root) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return Some(self);
        }
        let setpriv = tool("setpriv")?;
        let program = Server::copy_program(self.model, root.outside());
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups"].map(OsStr::new);
        Some(self.program(program).wrapper([setpriv.get_program()].into_iter().chain(user)))
    }

    /// The whole command line.
    pub fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--root").arg(&self.root).args(&self.flags);
        if [Log::Quiet, Log::FullAndQuiet].contains(&self.log) {
            command.arg("--quiet");
        }
        command.arg(self.port.to_string());
        command
    }

    /// Runs a server that is not expected to come up, to its end.
    #[track_caller]
    pub fn fail(&self) -> Finished {
        finish(&mut self.command(), PATIENCE)
    }

    /// Starts the server and waits until it says that it listens, or shows it if it cannot say so.
    #[track_caller]
    pub fn start(&self) -> Server {
        let full = [Log::Full, Log::FullAndQuiet].contains(&self.log).then(full_pipe);
        let (unread, stdout) = full.map_or((None, Stdio::piped()), |(reader, writer)| (Some(reader), writer.into()));
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.model.name()));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        gather_errors(child.stderr.take().expect("piped above"), Arc::clone(&errors));
        let (ready, readiness) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            read_output(stdout, self.log, ready, Arc::clone(&lines));
        }
        let mut server = Server {
            model: self.model,
            address: SocketAddr::from(([127, 0, 0, 1], self.port)),
            ready_line: String::new(),
            child,
            errors,
            lines,
            unread,
        };
        if server.unread.is_some() {
            wait_until("it listens", || TcpStream::connect(server.address).is_ok());
            return server;
        }
        match readiness.recv_timeout(PATIENCE) {
            Ok(line) => {
                server.address = address_in(&line).unwrap_or_else(|| panic!("no address in the first line {line:?}"));
                server.ready_line = line;
            }
            Err(RecvTimeoutError::Timeout) => panic!("no first line within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                let status = server.child.wait().expect("a child of ours can be waited for");
                panic!("ended with {status} before its first line; it said {:?}", server.errors());
            }
        }
        server
    }
}

/// A running server. It is killed when it is dropped; what it said on standard error is shown when the test failed.
#[derive(Debug)]
pub struct Server {
    model: Model,
    address: SocketAddr,
    ready_line: String,
    child: Child,
    errors: Arc<Mutex<Vec<u8>>>,
    lines: Arc<Mutex<Vec<String>>>,
    /// The other end of a pipe that was full.
    unread: Option<PipeReader>,
}

impl Server {
    /// A server of `model` over the site that ships, on a free port, without an access log.
    pub fn of(model: Model) -> Start {
        Start {
            model,
            port: 0,
            root: www(),
            flags: Vec::new(),
            log: Log::Quiet,
            program: binary(model.name()).to_owned(),
            wrapper: Vec::new(),
        }
    }

    /// Copies the program of `model` into `directory`, for [`Start::program`].
    #[track_caller]
    pub fn copy_program(model: Model, directory: &Path) -> PathBuf {
        let copy = directory.join(model.name());
        copy_to_start(binary(model.name()), &copy);
        copy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `target` on it.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Its first line of output.
    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// Its process, for a look into /proc.
    pub fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    /// A fresh connection to it.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks for `target` on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.ask(request("GET", target, &["Connection: close"]))
    }

    /// Sends `bytes` on a connection of its own and waits for one response.
    #[track_caller]
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Response {
        self.connect().offer(bytes).response()
    }

    /// The lines of its access log so far, if they are collected.
    pub fn log_lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it said on standard error so far, but for a warning that it says to everybody who tests as root.
    pub fn errors(&self) -> String {
        let all = String::from_utf8_lossy(&self.errors.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        all.split_inclusive('\n').filter(|line| !line.contains(AS_ROOT)).collect()
    }

    /// Whether it warned that it runs as root.
    pub fn warns_of_root(&self) -> bool {
        String::from_utf8_lossy(&self.errors.lock().unwrap_or_else(PoisonError::into_inner)).contains(AS_ROOT)
    }

    /// Asks it to stop, by SIGTERM.
    #[track_caller]
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).unwrap_or_else(|error| panic!("cannot signal the server: {error}"));
    }

    /// Sets how many descriptors it may have open from now on and returns how many it might have before. What is open stays
    /// open.
    #[track_caller]
    pub fn limit_descriptors(&self, limit: u64) -> u64 {
        let id = Pid::from_child(&self.child);
        // It inherited the hard limit of ours.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(Some(id), Resource::Nofile, Rlimit { current: Some(limit), maximum });
        before.unwrap_or_else(|error| panic!("cannot limit the server: {error}")).current.unwrap_or(u64::MAX)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours can be waited for").is_none()
    }

    /// Its exit status; panics when it does not end within `limit`.
    #[track_caller]
    pub fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        assert!(eventually(limit, || !self.runs()), "the server did not end within {limit:?}");
        self.child.wait().expect("it ended")
    }
}

const AS_ROOT: &str = ": runs as root, so a fault in it would have all rights";

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the test that failed")]
    fn drop(&mut self) {
        // It may have ended already, which is what this is for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let errors = self.errors();
        if thread::panicking() && !errors.is_empty() {
            eprintln!("{} said: {errors}", self.model.name());
        }
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(' ').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A pipe into which not another byte goes.
#[track_caller]
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("an open pipe");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("an open pipe");
    while writer.write(b"x").is_ok() {}
    fcntl_setfl(&writer, flags).expect("an open pipe");
    (reader, writer)
}

fn gather_errors(mut pipe: impl Read + Send + 'static, errors: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut piece) {
            errors.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..read]);
        }
    });
}

fn read_output(output: ChildStdout, log: Log, ready: Sender<String>, lines: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut ready = Some(ready);
        let mut line = String::new();
        while let Ok(1..) = output.read_line(&mut line) {
            let text = line.trim_end_matches('\n').to_owned();
            line.clear();
            if let Some(ready) = ready.take() {
                // Nobody listens any more only when the test gave up.
                let _ = ready.send(text);
                match log {
                    Log::Quiet | Log::Collected => continue,
                    Log::Closed => return,
                    Log::Unread | Log::Full | Log::FullAndQuiet => loop {
                        thread::park();
                    },
                }
            }
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    });
}
