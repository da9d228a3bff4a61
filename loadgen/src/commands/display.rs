//! What is shown, and written window by window, while a run goes on.

use std::fs::File;
use std::io::{self, IsTerminal as _, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadgen::console::{self, StandardOutput};
use loadgen::hdr::LogWriter;
use loadgen::{Histogram, Observer, Plan, Progress, WindowReport, text, timeseries};

use super::Failure;
use super::report::{Say, is_stdout, with_ending};

/// How long a server may refuse every connection before there is no point in going on.
const PATIENCE: Duration = Duration::from_secs(1);
/// From how much time the latencies are that are shown, in nanoseconds.
const RECENT_NS: u64 = 1_000_000_000;

/// What is shown while a run goes on: the headline as soon as there is something to talk to, and on a terminal a line that
/// is redrawn.
pub(super) struct Display<'a> {
    plan: &'a Plan,
    stop: &'a AtomicBool,
    say: Say,
    begun: bool,
    live: bool,
    /// The longest live line so far, which is what has to be wiped out.
    width: usize,
    recent: Recent,
    files: WindowFiles,
}

/// The latencies of the last second.
#[derive(Default)]
struct Recent {
    shown: Option<Histogram>,
    gathering: Histogram,
    gathered_ns: u64,
}

impl<'a> Display<'a> {
    pub(super) fn new(plan: &'a Plan, say: Say, files: WindowFiles, stop: &'a AtomicBool) -> Self {
        let live = io::stderr().is_terminal();
        Self { plan, stop, say, begun: false, live, width: 0, recent: Recent::default(), files }
    }

    /// Says what is going to happen, once there is something to talk to.
    pub(super) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.clear();
            (self.say)(&text::headline(self.plan));
        }
    }

    /// Wipes the live line out.
    pub(super) fn clear(&mut self) {
        if self.live {
            console::redraw("", self.width);
            console::redraw("", 0);
        }
    }

    /// What went wrong with the files, if something did.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.files.failure.map_or(Ok(()), Err)
    }
}

impl Observer for Display<'_> {
    fn progress(&mut self, progress: &Progress) {
        let hopeless = progress.opened == 0 && progress.errors > 0;
        if hopeless && progress.elapsed >= PATIENCE && !self.begun {
            self.stop.store(true, Ordering::Relaxed);
            return;
        }
        if progress.opened > 0 {
            self.begin();
        }
        if self.live {
            let line = text::live_line(progress, self.recent.shown.as_ref());
            self.width = self.width.max(line.len());
            console::redraw(&line, self.width);
        }
    }

    fn window(&mut self, report: &WindowReport) {
        self.files.write(report);
        self.recent.add(report);
    }

    fn wants_windows(&self) -> bool {
        self.live || self.files.are_wanted()
    }
}

impl Recent {
    fn add(&mut self, report: &WindowReport) {
        self.gathering.add(&report.latency);
        self.gathered_ns += report.window.length_ns;
        if self.gathered_ns >= RECENT_NS {
            self.shown = Some(std::mem::take(&mut self.gathering));
            self.gathered_ns = 0;
        }
    }
}

/// Files that get something for each window.
#[derive(Default)]
pub(super) struct WindowFiles {
    timeseries: Option<(PathBuf, Box<dyn Write>)>,
    /// The log begins with the time at which the first window did.
    log: Option<(PathBuf, Log)>,
    /// The first thing that went wrong. Nothing is written after that, but the run goes on.
    failure: Option<Failure>,
}

enum Log {
    Waiting(File),
    Open(LogWriter<File>),
}

impl WindowFiles {
    /// Creates the files that are wanted: a time series, and an interval log of this name.
    pub(super) fn create(timeseries: Option<&Path>, log_name: Option<&Path>) -> Result<Self, Failure> {
        let create =
            |path: &Path| File::create(path).map_err(|source| Failure::Write { path: path.to_owned(), source });
        let timeseries = timeseries
            .map(|path| -> Result<(PathBuf, Box<dyn Write>), Failure> {
                let file: Box<dyn Write> =
                    if is_stdout(path) { Box::new(StandardOutput) } else { Box::new(LineWriter::new(create(path)?)) };
                Ok((path.to_owned(), file))
            })
            .transpose()?;
        let log = log_name
            .map(|name| -> Result<(PathBuf, Log), Failure> {
                let path = with_ending(name, ".hlog");
                let file = create(&path)?;
                Ok((path, Log::Waiting(file)))
            })
            .transpose()?;
        Ok(Self { timeseries, log, failure: None })
    }

    fn are_wanted(&self) -> bool {
        self.timeseries.is_some() || self.log.is_some()
    }

    fn write(&mut self, report: &WindowReport) {
        if let Some((path, file)) = &mut self.timeseries {
            let line = timeseries::line(report);
            if let Err(source) = file.write_all(format!("{}\n", line.trim_end()).as_bytes()) {
                // Of standard output the end of the program tells.
                let failure = (!is_stdout(path)).then(|| Failure::Write { path: path.clone(), source });
                self.failure = self.failure.take().or(failure);
                self.timeseries = None;
            }
        }
        if let Some((path, log)) = self.log.take() {
            match log.add(report) {
                Ok(log) => self.log = Some((path, log)),
                Err(source) => self.failure = self.failure.take().or(Some(Failure::Write { path, source })),
            }
        }
    }
}

impl Log {
    fn add(self, report: &WindowReport) -> io::Result<Self> {
        let mut writer = match self {
            Self::Open(writer) => writer,
            Self::Waiting(file) => {
                let length = Duration::from_nanos(report.window.offset_ns + report.window.length_ns);
                let started = (SystemTime::now() - length).duration_since(UNIX_EPOCH).unwrap_or_default();
                LogWriter::new(file, started.as_millis() as u64)?
            }
        };
        writer.write(report)?;
        Ok(Self::Open(writer))
    }
}
