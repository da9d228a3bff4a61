//! What the command does with its arguments.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadgen::null_server::NullServer;
use loadgen::{Outcome, Plan, Progress, text};
use rustix::thread::{CpuSet, sched_setaffinity};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{Arguments, Command, Load, NullServerArguments};

/// How long a server may refuse every connection before there is no point in going on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Run(#[from] loadgen::Error),
    #[error("unable to connect to {address} {reason}")]
    Unreachable { address: String, reason: &'static str },
    #[error("cannot write to {path}: {source}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot listen on 127.0.0.1:{port}: {source}; choose another port, or 0 for a free one")]
    Listen { port: u16, source: io::Error },
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[error("cannot react to signals: {0}")]
    Signals(io::Error),
}

impl Failure {
    /// 2 where other arguments would help, 1 else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        use loadgen::Error;
        match self {
            Self::Run(Error::Url(_) | Error::Plan(_)) => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }
}

/// Does what was asked for.
pub(crate) fn execute(arguments: Arguments) -> Result<ExitCode, Failure> {
    let descriptors = loadgen::raise_descriptor_limit();
    let stop = stop_on_signals().map_err(Failure::Signals)?;
    match arguments.command {
        Some(Command::NullServer(arguments)) => serve_nothing(&arguments, &stop),
        None => offer_load(&arguments.load, descriptors, &stop),
    }
}

/// The first SIGINT or SIGTERM asks for an orderly end, the second one ends the process at once.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn serve_nothing(arguments: &NullServerArguments, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let &NullServerArguments { port, workers } = arguments;
    let server = NullServer::bind(port, workers).map_err(|source| Failure::Listen { port, source })?;
    let address = server.address().map_err(Failure::Serve)?;
    let plural = if workers == 1 { "worker" } else { "workers" };
    print(&format!("listening on http://{address} (null-server, {workers} {plural})\n"));
    server.serve(stop).map_err(Failure::Serve)?;
    Ok(ExitCode::SUCCESS)
}

fn offer_load(load: &Load, descriptors: u64, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let plan = load.plan();
    // Standard input, output and error, an epoll per thread, and a little for the moment between two connections.
    let needed = (plan.connections + 2 * plan.threads + 16) as u64;
    if needed > descriptors {
        print_to_stderr(&format!(
            "loadgen: {} connections need {needed} descriptors and the limit is {descriptors}; raise it with ulimit -n\n",
            plan.connections
        ));
    }
    if let Some(cpus) = &plan.cpus {
        stay_on(cpus);
    }
    let json_to_stdout = load.json.as_deref() == Some(Path::new("-"));
    let say = if json_to_stdout { print_to_stderr } else { print };
    let mut display = Display::new(&plan, say);
    let outcome = loadgen::run(&plan, &mut |progress| display.update(progress, stop), stop)?;
    display.clear();
    if let Some(path) = &load.json {
        write_json(&outcome, path)?;
    }
    if outcome.connections.opened == 0 && outcome.errors.connect() > 0 {
        return Err(unreachable(&outcome));
    }
    display.begin();
    say(&text::summary(&outcome, load.latency));
    say(&text::beyond(&outcome));
    let as_expected = outcome.responses - outcome.unexpected.responses;
    Ok(ExitCode::from(u8::from(as_expected == 0)))
}

/// Keeps this thread, which watches the others, off the CPUs that are the server's. Where that is refused, the run says why.
fn stay_on(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu));
    let _ = sched_setaffinity(None, &set);
}

fn unreachable(outcome: &Outcome) -> Failure {
    let errors = &outcome.errors;
    let reason = match (errors.refused, errors.connect_timed_out) {
        (1.., _) => "Connection refused; is the server running?",
        (0, 1..) => "Connection timed out; is this the right address?",
        (0, 0) => "for want of descriptors or local ports, or because the network is unreachable",
    };
    Failure::Unreachable { address: outcome.address.clone(), reason }
}

fn write_json(outcome: &Outcome, path: &Path) -> Result<(), Failure> {
    let failed = |source| Failure::Write { path: path.to_owned(), source };
    let mut json = serde_json::to_vec(outcome).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    if path == Path::new("-") {
        return io::stdout().write_all(&json).map_err(failed);
    }
    fs::write(path, json).map_err(failed)
}

/// What is shown while a run goes on.
struct Display<'a> {
    plan: &'a Plan,
    say: fn(&str),
    begun: bool,
    live: bool,
    /// The longest live line so far, which is what has to be wiped out.
    width: usize,
}

impl<'a> Display<'a> {
    fn new(plan: &'a Plan, say: fn(&str)) -> Self {
        Self { plan, say, begun: false, live: io::stderr().is_terminal(), width: 0 }
    }

    /// Says what is going to happen, once there is something to talk to.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.clear();
            (self.say)(&text::headline(self.plan));
        }
    }

    fn update(&mut self, progress: &Progress, stop: &AtomicBool) {
        let hopeless = progress.opened == 0 && progress.errors > 0;
        if hopeless && progress.elapsed >= PATIENCE && !self.begun {
            stop.store(true, Ordering::Relaxed);
            return;
        }
        if progress.opened > 0 {
            self.begin();
        }
        if self.live {
            let line = text::live_line(progress);
            self.width = self.width.max(line.len());
            print_to_stderr(&format!("\r{line:<width$}", width = self.width));
        }
    }

    fn clear(&mut self) {
        if self.live {
            print_to_stderr(&format!("\r{:width$}\r", "", width = self.width));
        }
    }
}

/// A reader that has gone away is no reason to complain.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(crate) fn print_to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
