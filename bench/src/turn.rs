//! One measurement's turn in one round: start the server, check it, load it, look at it, stop it.

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{self, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loadgen::{Arrivals, Expect, ExpectedBody, ExpectedLength, Offered, Order, Outcome, Paths};
use reports::failure::{Failure, Phase};
use reports::figures::Figures;
use reports::record::{Arrival, CorrectnessCheck, Measurement as Record, Round, Workload};
use reports::sample::Others;
use reports::{Freshness, NotCounted, ServerSample, SystemCalls, Timestamp};

use crate::check::{self, Expected, Request};
use crate::command::{REPOSITORY, Values, fill_text};
use crate::company::Guests;
use crate::cpus::Division;
use crate::documents;
use crate::generator;
use crate::measurement::Measurement;
use crate::meeting::Meeting;
use crate::others;
use crate::process::{Launch, ServerProcess};
use crate::process_tree::ProcessTree;
use crate::running;
use crate::sampler::{self, Sampler};
use crate::staleness;
use crate::system_calls;
use crate::valgrind;

/// How long a server may take for an answer of the check.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long a server may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Load on a server that failed its check: long enough to see what most of its answers are.
const LOAD_AFTER_FAILED_CHECK: Duration = Duration::from_secs(1);
/// The length of the windows for which the generator notes the time stolen: several of the kernel's ticks to one part in
/// twenty, which is where noise begins.
const WINDOW: Duration = Duration::from_millis(500);

/// How many bytes of an answer are compared with the file's, on average: every byte of an answer that is no longer, so that one
/// wrong answer is enough to be noticed, and of longer ones a share that is this large ...
const COMPARED_BYTES: f64 = 8192.0;
/// ... but never less than this share.
const LEAST_COMPARED_SHARE: f64 = 0.01;
/// How often a server's capacity is measured before it is given up for the noise.
const CAPACITY_TRIALS: u32 = 3;

/// Everything that a turn needs to know.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The server and its configuration.
    pub measurement: &'a Measurement,
    /// The program of a server of ours.
    pub program: Option<&'a Path>,
    /// A load generator of its own, in place of the one that is part of the bench.
    pub generator: Option<&'a Path>,
    /// Where the turn meets the other one that is taken at the same time, if there is one.
    pub meeting: Option<&'a Meeting>,
    /// The record of the measurement, without the rounds of this run.
    pub record: &'a Record,
    /// What the client does.
    pub workload: &'a Workload,
    /// What the server must answer.
    pub expected: &'a Expected,
    /// Where the client finds the bytes that its answers are compared with.
    pub expected_bytes: &'a ExpectedBody,
    /// The document root.
    pub root: &'a Path,
    /// The document in the root that is changed after the load, to see whether the server notices; none where that is not
    /// to be seen.
    pub document: Option<&'a Path>,
    /// What the chance of arrivals, paths and samples begins with.
    pub seed: u64,
    /// The CPUs of server and client.
    pub division: &'a Division,
    /// The folder that commands are run in, and that `{repo}` stands for.
    pub folder: &'a Path,
    /// A folder for this turn alone.
    pub scratch: &'a Path,
    /// Becomes true when the reader wants no more.
    pub interrupted: &'a AtomicBool,
}

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Taken {
    /// What the check saw, if it came to that.
    pub check: Option<CorrectnessCheck>,
    /// What the load generator saw, if it ran.
    pub outcome: Option<Outcome>,
    /// Requests per second that were offered, if the loop was open.
    pub offered_rate: Option<f64>,
    /// Requests per second that the server answered in a closed loop directly before, if a share of that was offered.
    pub capacity: Option<f64>,
    /// Whether the server notices that a document has changed, if that was to be seen and could be.
    pub freshness: Option<Freshness>,
    /// What the server used, if it was seen.
    pub sample: Option<ServerSample>,
    /// What other processes took, if the kernel tells.
    pub others: Option<Others>,
    /// What went wrong with the server as a process.
    pub failure: Option<Failure>,
}

/// How far the load of a turn is.
#[derive(Clone, Copy, Debug)]
pub struct Moving {
    /// The share of the turn's time that is over, from 0 to 1.
    pub share: f64,
    /// Responses per second so far, once it is measured.
    pub rate: Option<f64>,
}

impl Taken {
    /// The record of it.
    #[must_use]
    pub fn into_round(self, index: u32, position: u32, started_at: Timestamp) -> Round {
        Round {
            index,
            position,
            started_at,
            check: self.check,
            outcome: self.outcome,
            offered_rate: self.offered_rate,
            capacity: self.capacity,
            server: self.sample,
            others: self.others,
            opponent_cpu_seconds: None,
            opponent_generator: None,
            failure: self.failure,
        }
    }
}

impl Turn<'_> {
    /// Takes the turn on this port. Whatever the server does is part of what came of it, and everything has an end.
    ///
    /// # Errors
    /// Only when files for the server cannot be written.
    pub fn take(&self, port: u16, moving: &mut dyn FnMut(Moving)) -> io::Result<Taken> {
        let taken = self.take_alone(port, moving);
        if let Some(meeting) = self.meeting {
            meeting.leave();
        }
        taken
    }

    fn take_alone(&self, port: u16, moving: &mut dyn FnMut(Moving)) -> io::Result<Taken> {
        let mut taken = Taken::default();
        if let Some(address) = &self.measurement.server.running {
            let mut server = Subject::Running(running::process_on(address.port));
            taken.failure = self.use_server(&mut server, address.port, &mut taken, moving).err();
            return Ok(taken);
        }
        let words = self.prepare(port)?;
        match ServerProcess::start(&self.launch(&words)) {
            Ok(mut server) => {
                let begun = server.wait_until_it_listens(port, self.measurement.server.start_limit, self.interrupted);
                let mut server = Subject::Started(server);
                let used = begun.and_then(|()| self.use_server(&mut server, port, &mut taken, moving));
                taken.failure = used.err();
                let stopped = server.stop();
                // The first failure explains those that follow from it.
                taken.failure = taken.failure.or(stopped.err());
            }
            Err(failure) => taken.failure = Some(failure),
        }
        Ok(taken)
    }

    /// Counts the system calls of the server in place of measuring it, within `limit` and the time that it takes to end.
    ///
    /// # Errors
    /// Only when files for the server cannot be written.
    pub fn count_calls(&self, port: u16, limit: Duration) -> io::Result<Result<SystemCalls, NotCounted>> {
        let words = self.prepare(port)?;
        let load = |port| self.load(port, true);
        Ok(system_calls::count(&self.launch(&words), port, load, limit, self.interrupted))
    }

    /// Counts what valgrind can count of the server in place of measuring it, within twice `limit` and the time that it takes
    /// to end.
    ///
    /// # Errors
    /// Only when files for the server cannot be written.
    pub fn count_by(
        &self,
        tool: valgrind::Tool,
        port: u16,
        limit: Duration,
    ) -> io::Result<Result<valgrind::Cost, valgrind::NotCounted>> {
        let words = self.prepare(port)?;
        let load = |port| self.load(port, true);
        Ok(valgrind::count(tool, &self.launch(&words), port, load, limit, self.interrupted))
    }

    fn launch<'a>(&'a self, words: &'a [String]) -> Launch<'a> {
        Launch {
            words,
            folder: self.folder,
            cpus: &self.division.server,
            mark: self.scratch,
            standard_output: self.scratch.join("standard-output"),
            standard_error: self.scratch.join("standard-error"),
        }
    }

    fn use_server(
        &self,
        server: &mut Subject,
        port: u16,
        taken: &mut Taken,
        moving: &mut dyn FnMut(Moving),
    ) -> Result<(), Failure> {
        let request = Request {
            port,
            path: &self.workload.path,
            headers: &self.workload.headers,
            keep_alive: self.workload.keep_alive,
        };
        let checked = check::check(request, self.expected, ANSWER_LIMIT);
        if let Some(death) = server.death(Phase::Check) {
            return Err(death);
        }
        let check = taken.check.insert(checked?);
        let has_passed = check.passed();
        let mut plan = self.load(port, has_passed);
        let guests = self.workload.company.map(|company| {
            let largest = documents::largest_below(self.root).unwrap_or_else(|| self.workload.path.clone());
            Guests::invite(company, port, &largest, &self.division.client)
        });
        if let Arrival::OpenShare { share } = self.workload.arrival
            && has_passed
        {
            let capacity = self.measure_capacity(server, port, &plan)?;
            taken.capacity = Some(capacity);
            plan.load = open_loop(share * capacity);
        }
        taken.offered_rate = plan.load.offered().map(Offered::mean_rate);
        if let Some(mix) = self.workload.mix.filter(|_| self.workload.cold_files) {
            documents::forget(self.root, mix.files);
        }
        if let Some(meeting) = self.meeting {
            plan.start_at_ms = meeting.meet();
            // What is measured alone is no half of a pair.
            if plan.start_at_ms.is_none() {
                return Ok(());
            }
        }
        self.measure(server, port, &plan, taken, moving)?;
        drop(guests);
        if let Some(document) = self.document.filter(|_| has_passed && !self.interrupted.load(Ordering::Relaxed)) {
            let workers = self.measurement.workers.map_or(1, NonZeroU32::get);
            taken.freshness = staleness::ask(document, request, self.workload.expected_status, workers);
        }
        Ok(())
    }

    /// What the server answers in a closed loop of the same shape, in requests per second: that of the first trial which
    /// neither the machine nor the generator has disturbed too much.
    fn measure_capacity(&self, server: &mut Subject, port: u16, plan: &loadgen::Plan) -> Result<f64, Failure> {
        let duration = self.measurement.capacity_duration().unwrap_or(plan.duration());
        let closed = loadgen::Plan { load: loadgen::Load::Closed, duration_ms: milliseconds(duration), ..plan.clone() };
        for _ in 0..CAPACITY_TRIALS {
            let mut taken = Taken::default();
            self.measure(server, port, &closed, &mut taken, &mut |_| {})?;
            let round = taken.into_round(0, 0, Timestamp::now());
            let workload = Workload { arrival: Arrival::Closed, ..self.workload.clone() };
            let figures = Figures::of(&Record { workload, rounds: vec![round], ..self.record.clone() });
            let quiet = figures.rounds.first().filter(|round| round.capacity().is_some());
            if let Some(rate) = quiet.map(|round| round.requests_per_second).filter(|rate| *rate >= 1.0) {
                return Ok(rate);
            }
            if self.interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
        Err(Failure::NoCapacity)
    }

    fn measure(
        &self,
        server: &mut Subject,
        port: u16,
        plan: &loadgen::Plan,
        taken: &mut Taken,
        moving: &mut dyn FnMut(Moving),
    ) -> Result<(), Failure> {
        // Set by the sampler when the server has ended, and here when the reader wants no more.
        let stop = Arc::new(AtomicBool::new(false));
        let subject = server.looked_at(port);
        let sampler = subject.map(|subject| Sampler::start(subject, self.division, Arc::clone(&stop)));
        let mut watch =
            Watch { interrupted: self.interrupted, plan, sampler: sampler.as_ref(), stop: &stop, moving, from: None };
        let outcome = match self.generator {
            None => loadgen::run(plan, &mut watch, &stop).map_err(|error| error.to_string()),
            Some(program) => {
                watch.expect_program();
                generator::run(program, plan, self.interrupted)
            }
        };
        let (phase, measured_from) = (watch.phase(), watch.from);
        let looks = sampler.map(Sampler::finish).unwrap_or_default();
        let outcome = outcome.map_err(|error| Failure::Generator { error })?;
        let length = Duration::from_nanos(outcome.elapsed_ns);
        let start = measured_from.or_else(|| Instant::now().checked_sub(length));
        if let Some(start) = start {
            taken.sample = looks.between(start, start + length);
            taken.others = looks.others_between(start, start + length, self.division);
            // A generator of its own is no other process; the one inside is not counted as one in the first place.
            if let (Some(others), Some(_)) = (&mut taken.others, self.generator) {
                let rest = others.on_client_cpus_seconds - outcome.cpu_ns() as f64 / 1e9;
                let error = others::error(length.as_secs_f64(), self.division.client.len());
                match others::left_over(rest, error) {
                    Some(rest) => others.on_client_cpus_seconds = rest,
                    None => taken.others = None,
                }
            }
        }
        let outcome = taken.outcome.insert(outcome);
        if let Some(death) = server.death(phase) {
            return Err(death);
        }
        if let Some(lost) = looks.lost() {
            let standard_error = format!("process {lost} of the server ended, whether or not another took its place");
            return Err(Failure::Died { during: phase, status: None, signal: None, standard_error });
        }
        if is_silent(outcome) && !outcome.stopped_early {
            return Err(Failure::Hung { during: phase, waited_seconds: plan.duration().as_secs_f64() });
        }
        Ok(())
    }

    /// What the load generator is to do. A server that answers wrongly is loaded all the same, for a moment: the report
    /// shall be able to say what its answers were.
    fn load(&self, port: u16, check_passed: bool) -> loadgen::Plan {
        let planned = Duration::from_secs_f64(self.workload.duration_seconds);
        let warm_up = Duration::from_secs_f64(self.workload.warm_up_seconds);
        let (duration, warm_up) =
            if check_passed { (planned, warm_up) } else { (planned.min(LOAD_AFTER_FAILED_CHECK), Duration::ZERO) };
        let mut plan = loadgen::Plan::new(format!("http://127.0.0.1:{port}{}", self.workload.path));
        plan.connections = self.workload.connections as usize;
        plan.threads = self.workload.threads as usize;
        plan.duration_ms = milliseconds(duration).max(1);
        plan.warmup_ms = milliseconds(warm_up);
        plan.timeout_ms = milliseconds(Duration::from_secs_f64(self.workload.timeout_seconds)).max(1);
        plan.requests_per_connection = (!self.workload.keep_alive).then_some(1);
        plan.pipeline = self.workload.pipeline as usize;
        plan.idle_connections = self.workload.idle_connections as usize;
        plan.seed = self.seed;
        // A share of an unknown capacity is never offered.
        plan.load = match self.workload.arrival {
            Arrival::Open { rate } => open_loop(rate),
            Arrival::Closed | Arrival::OpenShare { .. } => loadgen::Load::Closed,
        };
        if let Some(mix) = self.workload.mix {
            let list = (0..mix.files).map(documents::path_in_mix).collect();
            plan.paths = Paths { list, order: Order::Zipf(mix.exponent) };
            if self.workload.cold_files {
                // Whatever is asked for a second time comes from memory.
                plan.paths.order = Order::InTurn;
                plan.requests = Some(u64::from(mix.files));
                plan.warmup_ms = 0;
            }
        }
        plan.headers = self.workload.headers.iter().filter_map(|line| header(line)).collect();
        let mean_length = self.workload.mix.map(|mix| mix.mean_length);
        plan.expect = Expect {
            status: Some(self.workload.expected_status),
            length: self.workload.expected_length.map(ExpectedLength::Exactly),
            // Where the check has failed there may be no such file; its problems say so.
            body: check_passed.then(|| self.expected_bytes.clone()),
            content_type: self.expected.content_type.clone().filter(|_| check_passed),
            body_share: share_of_bodies(mean_length.or(self.workload.expected_length.map(|bytes| bytes as f64))),
        };
        plan.cpus = Some(self.division.client.to_vec());
        plan.interval_ms = milliseconds(WINDOW);
        plan
    }

    /// Makes the scratch folder new, writes the configuration file into it, and fills the command in.
    fn prepare(&self, port: u16) -> io::Result<Vec<String>> {
        match fs::remove_dir_all(self.scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(self.scratch)?,
        }
        // From the file system's root on: the command is run in another folder.
        let scratch = path::absolute(self.scratch)?;
        let config = scratch.join("config");
        let values = values(self.measurement, self.program, self.root, self.division);
        // The words of {log} may mention the scratch folder themselves, so what is new in this turn is filled in last.
        let new = Values::from([
            ("port", vec![port.to_string()]),
            ("scratch", vec![text(&scratch)]),
            (REPOSITORY, vec![text(self.folder)]),
            ("config", vec![text(&config)]),
        ]);
        if let Some(template) = &self.measurement.server.template {
            fs::write(&config, fill_text(&fill_text(template, &values), &new))?;
        }
        Ok(self.measurement.server.command.fill(&values).iter().map(|word| fill_text(word, &new)).collect())
    }
}

/// What is done while load is driven: the reader is told how far it is, and the sampler when it is measured.
struct Watch<'a> {
    interrupted: &'a AtomicBool,
    plan: &'a loadgen::Plan,
    sampler: Option<&'a Sampler>,
    stop: &'a AtomicBool,
    moving: &'a mut dyn FnMut(Moving),
    /// When the measured time begins, once that is known.
    from: Option<Instant>,
}

impl Watch<'_> {
    /// A generator of its own tells nothing, but begins when it is told to.
    fn expect_program(&mut self) {
        let Some(start) = self.plan.start_at_ms.map(Duration::from_millis) else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = Instant::now() + start.saturating_sub(now) + self.plan.warmup();
        loadgen::Observer::scheduled(self, from, from + self.plan.duration());
    }

    fn phase(&self) -> Phase {
        if self.from.is_some_and(|from| from <= Instant::now()) { Phase::Measuring } else { Phase::WarmUp }
    }
}

impl loadgen::Observer for Watch<'_> {
    fn progress(&mut self, progress: &loadgen::Progress) {
        let elapsed = progress.elapsed.as_secs_f64();
        let (before, rate) = match progress.phase {
            loadgen::Phase::WarmUp => (0.0, None),
            loadgen::Phase::Measure => {
                let rate = (elapsed > 0.2).then(|| progress.responses as f64 / elapsed);
                (self.plan.warmup().as_secs_f64(), rate)
            }
        };
        let whole = (self.plan.warmup() + self.plan.duration()).as_secs_f64();
        (self.moving)(Moving { share: (before + elapsed) / whole, rate });
        if self.interrupted.load(Ordering::Relaxed) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn scheduled(&mut self, from: Instant, until: Instant) {
        self.from = Some(from);
        if let Some(sampler) = self.sampler {
            sampler.look_at([from, until]);
        }
    }
}

/// The share of the answers whose bytes are compared, where they have this length on average.
fn share_of_bodies(length: Option<f64>) -> f64 {
    length.map_or(1.0, |length| (COMPARED_BYTES / length.max(1.0)).clamp(LEAST_COMPARED_SHARE, 1.0))
}

/// Requests that come like those of many users who know nothing of each other.
fn open_loop(rate: f64) -> loadgen::Load {
    loadgen::Load::Open(Offered { arrivals: Arrivals::Poisson, ..Offered::steady(rate) })
}

/// The server that is measured.
enum Subject {
    /// It was started for this turn.
    Started(ServerProcess),
    /// It runs already, and this is its first process, if it may be seen.
    Running(Option<i32>),
}

impl Subject {
    /// What of it is looked at, if it may be seen. A server that was started for this turn gets a control group of its own, as
    /// far as one may be made.
    fn looked_at(&mut self, port: u16) -> Option<sampler::Subject> {
        match self {
            Self::Started(process) => {
                let group = process.group_of_its_own();
                Some(sampler::Subject { tree: process.tree(), port, group })
            }
            Self::Running(leader) => Some(sampler::Subject { tree: ProcessTree::of((*leader)?), port, group: None }),
        }
    }

    /// Its failure if it has ended by itself.
    fn death(&mut self, during: Phase) -> Option<Failure> {
        match self {
            Self::Started(process) => process.death(during),
            // How a process of somebody else's ended, only its parent learns; the sampler sees that it did.
            Self::Running(_) => None,
        }
    }

    /// Ends it, if that is ours to do.
    fn stop(self) -> Result<(), Failure> {
        match self {
            Self::Started(process) => process.stop(STOP_LIMIT),
            Self::Running(_) => Ok(()),
        }
    }
}

/// Whether connections were accepted and nothing ever happened on them.
fn is_silent(outcome: &Outcome) -> bool {
    outcome.responses == 0 && outcome.requests > 0 && outcome.errors.total() == outcome.errors.timed_out
}

/// What the placeholders stand for, save those that are new in every turn (the port, the scratch folder) and the repository,
/// which is a checkout in a comparison.
#[must_use]
pub fn values(measurement: &Measurement, program: Option<&Path>, root: &Path, division: &Division) -> Values {
    let server = &measurement.server;
    let log = if measurement.access_log { &server.logged } else { &server.quiet };
    let mut values = Values::from([
        ("root", vec![text(root)]),
        ("cpus", vec![division.server.to_string()]),
        ("log", log.as_ref().map(|words| words.fill(&Values::new())).unwrap_or_default()),
        ("flags", measurement.flags.clone()),
    ]);
    if let Some(workers) = measurement.workers {
        values.insert("workers", vec![workers.to_string()]);
    }
    if let Some(program) = program {
        values.insert("program", vec![text(program)]);
    }
    if let Some(program) = server.required() {
        values.insert("requires", vec![program.to_owned()]);
    }
    values
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_are_all_compared_and_of_long_ones_some() {
        let share = |length| share_of_bodies(Some(length));
        assert_eq!([0.0, 1.0, 612.0, 8192.0].map(share), [1.0; 4]);
        assert_eq!([16_384.0, 65_536.0, 67_108_864.0].map(share), [0.5, 0.125, LEAST_COMPARED_SHARE]);
        assert_eq!(share_of_bodies(None), 1.0);
    }
}
