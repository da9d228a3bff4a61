//! From a plan to an outcome: checks the plan, starts the threads, watches them and puts together what they found out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::client::body_check::MOST_LEARNT;
use crate::client::{Published, Setup, Share, WindowOfThread, Worker};
use crate::gather::gather;
use crate::observer::{Observer, Phase, Progress, WindowReport};
use crate::request::Requests;
use crate::url::Url;
use crate::{Error, Histogram, Outcome, Plan, Window, bodies, machine};

/// How often an observer is told of the progress.
const OBSERVED_EVERY: Duration = Duration::from_millis(100);
/// How long the end of a run may not be noticed.
const PATIENCE: Duration = Duration::from_millis(10);
/// No plan may go on for longer than a hundred days: its clock would end.
const LONGEST_MS: u64 = 100 * 24 * 3_600_000;
/// No schedule may have more requests in a second: no machine could keep it.
const HIGHEST_RATE: f64 = 1e8;
/// A run that is to end with its requests is given up when for so long, beyond the time limit of a request, none of them
/// was answered or failed.
const STANDSTILL: Duration = Duration::from_secs(10);
/// How long it takes a sleeping thread to wake up, at most in the usual case, in nanoseconds.
const VIGIL_NS: u64 = 50_000;
/// No process can have more connections, and none needs more requests under way on one.
const MOST: usize = 1_000_000;
/// No machine has more CPUs for them.
const MOST_THREADS: usize = 4_096;
/// How long before a common start the connections are opened.
const OPENING: Duration = Duration::from_secs(2);

/// Does what `plan` says and returns what came of it. Blocks for the plan's warm-up and duration, or until `stop`
/// becomes true; then it returns, within a few tenths of a second, what was measured by then.
///
/// The server's failures are part of the outcome: a server that refuses every connection yields an outcome without
/// a response. `observer` is called on the calling thread; a closure that takes a `&Progress` is one.
///
/// # Errors
///
/// Only when there is nothing to connect to (a URL that is not `http://...`, a host without an address), when the
/// plan is out of its bounds, when a file of an expected body cannot be read, or when the system refuses a thread, a CPU or
/// a poll descriptor.
pub fn run(plan: &Plan, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Outcome, Error> {
    check(plan)?;
    let url = Url::parse(&plan.url)?;
    let requests = Requests::render(plan, &url)?;
    let bodies = bodies::read(plan, &requests)?;
    let address = url.resolve(plan.timeout())?;
    let until_start = wait_for_start(plan, stop);
    let abandon = AtomicBool::new(false);
    let origin = Instant::now();
    let origin_wall = SystemTime::now();
    let setup = Setup {
        plan,
        address,
        requests,
        bodies,
        room: Arc::new(AtomicUsize::new(MOST_LEARNT)),
        by_window: observer.wants_windows(),
        timeout_ns: nanoseconds(plan.timeout()),
        interval_ns: nanoseconds(plan.interval()),
        warmup_ns: nanoseconds(plan.warmup()),
        duration_ns: nanoseconds(plan.duration()),
        vigil_ns: if has_cpus_to_spare(plan) { VIGIL_NS } else { 0 },
        origin,
        not_before: nanoseconds(until_start),
        opened: AtomicUsize::new(0),
        start: OnceLock::new(),
        stop,
        abandon: &abandon,
    };
    let published: Vec<Published> = (0..plan.threads).map(|_| Published::default()).collect();
    let (sender, reports) = channel();
    let (records, steal) = thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut refused = None;
        for (thread, published) in published.iter().enumerate() {
            let (setup, cpu, sender) = (&setup, cpu_of(plan, thread), sender.clone());
            let share = Share {
                thread,
                connections: share_of(plan.connections as u64, plan, thread) as usize,
                idle_connections: share_of(plan.idle_connections as u64, plan, thread) as usize,
                requests: plan.requests.map(|requests| share_of(requests, plan, thread)),
            };
            let spawned = thread::Builder::new().name(format!("client-{thread}")).spawn_scoped(scope, move || {
                let result = pin_to(cpu).and_then(|()| {
                    let worker = Worker::new(setup, published, share, sender).map_err(Error::system("set up epoll"))?;
                    worker.run().map_err(Error::system("wait for the connections"))
                });
                if result.is_err() {
                    // The others would wait for this one.
                    setup.abandon.store(true, Ordering::Relaxed);
                }
                result
            });
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    abandon.store(true, Ordering::Relaxed);
                    refused = Some(Error::System { what: format!("start client thread {thread}"), source });
                    break;
                }
            }
        }
        drop(sender);
        let mut watch = Watch::new(&setup, &published, reports);
        watch.until(observer, || threads.iter().all(|thread| thread.is_finished()));
        let mut records = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(Ok(record)) => records.push(record),
                Ok(Err(error)) => refused = refused.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        refused.map_or(Ok((records, watch.steal)), Err)
    })?;
    let measure_from = Duration::from_nanos(setup.measure_from().unwrap_or_default());
    let started_at_ms =
        (origin_wall + measure_from).duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let mut outcome = gather(&setup, started_at_ms, records, &steal);
    outcome.peak_resident_bytes = machine::peak_resident_bytes();
    Ok(outcome)
}

fn check(plan: &Plan) -> Result<(), Error> {
    let rates = plan.load.offered().into_iter().flat_map(|offered| [Some(offered.rate), offered.final_rate]).flatten();
    let is_rate = |rate: f64| rate > 0.0 && rate <= HIGHEST_RATE;
    let complaint = if plan.connections == 0 {
        "at least one connection is needed"
    } else if plan.connections.max(plan.idle_connections) > MOST || plan.threads > MOST_THREADS {
        "there may be a million connections, a million idle ones and 4,096 threads at most"
    } else if plan.pipeline > MOST {
        "a million requests may be under way on a connection at most"
    } else if plan.threads == 0 {
        "at least one thread is needed"
    } else if plan.connections < plan.threads {
        "number of connections must be >= threads"
    } else if plan.duration_ms == 0 || plan.timeout_ms == 0 || plan.interval_ms == 0 {
        "the duration, the time limit and the interval have to be at least a millisecond"
    } else if [plan.duration_ms, plan.warmup_ms, plan.timeout_ms, plan.interval_ms].iter().any(|&ms| ms > LONGEST_MS) {
        "the duration, the warm-up, the time limit and the interval may last a hundred days at most"
    } else if plan.cpus.as_ref().is_some_and(Vec::is_empty) {
        "the list of CPUs is empty"
    } else if plan.pipeline == 0 {
        "at least one request has to be under way on a connection"
    } else if plan.requests_per_connection == Some(0) || plan.slow_read == Some(0) {
        "the requests per connection and the rate of reading have to be at least 1"
    } else if plan.requests.is_some_and(|requests| requests < plan.threads as u64) {
        "at least one request for each thread is needed"
    } else if !rates.into_iter().all(is_rate) {
        "the rate has to be above 0 and at most 100 million requests per second"
    } else if !(0.0..=1.0).contains(&plan.expect.body_share) {
        "the share of the bodies that are compared has to lie between 0 and 1"
    } else if let Some(complaint) = plan.paths.order.complaint(plan.paths.list.len().max(1)) {
        complaint
    } else {
        return Ok(());
    };
    Err(Error::Plan(complaint.into()))
}

/// Waits until it is time to open the connections for a common start, and returns how long it is to that then.
fn wait_for_start(plan: &Plan, stop: &AtomicBool) -> Duration {
    let Some(start) = plan.start_at_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms)) else {
        return Duration::ZERO;
    };
    loop {
        let left = start.duration_since(SystemTime::now()).unwrap_or_default();
        if left <= OPENING || stop.load(Ordering::Relaxed) {
            return left;
        }
        thread::sleep((left - OPENING).min(10 * PATIENCE));
    }
}

/// A thread's share of something that is dealt out evenly: the first threads get one more until the remainder is dealt out.
fn share_of(whole: u64, plan: &Plan, thread: usize) -> u64 {
    let (threads, thread) = (plan.threads as u64, thread as u64);
    whole / threads + u64::from(thread < whole % threads)
}

pub(crate) fn cpu_of(plan: &Plan, thread: usize) -> Option<usize> {
    plan.cpus.as_ref().map(|cpus| cpus[thread % cpus.len()])
}

/// Whether threads that do not sleep leave a CPU to the server, as far as can be known: they have CPUs of their own, or the
/// machine has more than these threads can use.
fn has_cpus_to_spare(plan: &Plan) -> bool {
    match &plan.cpus {
        Some(cpus) => cpus.iter().collect::<BTreeSet<_>>().len() >= plan.threads,
        None => thread::available_parallelism().is_ok_and(|cpus| cpus.get() > plan.threads),
    }
}

fn pin_to(cpu: Option<usize>) -> Result<(), Error> {
    let Some(cpu) = cpu else {
        return Ok(());
    };
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(Error::Plan(format!("there is no CPU {cpu}")));
    }
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|source| match source {
        Errno::INVAL => {
            Error::Plan(format!("cannot run on CPU {cpu}: there is none, or this process is not allowed on it"))
        }
        source => Error::system(&format!("run on CPU {cpu}"))(source),
    })
}

/// The stolen time of each CPU since the machine started, at an edge between two windows.
pub(crate) struct StealSample {
    /// The number of the window that begins at this edge.
    pub(crate) edge: u64,
    pub(crate) steal_ns: Option<BTreeMap<usize, u64>>,
}

/// Watches the threads: tells the observer, and notes the steal between the windows.
struct Watch<'a> {
    setup: &'a Setup<'a>,
    published: &'a [Published],
    reports: Receiver<WindowOfThread>,
    /// Windows of which not all threads have told yet, and how many have.
    unfinished: BTreeMap<u64, (usize, WindowReport)>,
    /// The last windows of the threads that have come to their end.
    last: Vec<u64>,
    steal: Vec<StealSample>,
    /// When the last request was answered or failed, and how many there were then.
    progressed: (u64, u64),
}

impl<'a> Watch<'a> {
    fn new(setup: &'a Setup<'a>, published: &'a [Published], reports: Receiver<WindowOfThread>) -> Self {
        Self {
            setup,
            published,
            reports,
            unfinished: BTreeMap::new(),
            last: Vec::new(),
            steal: Vec::new(),
            progressed: (0, 0),
        }
    }

    fn until(&mut self, observer: &mut dyn Observer, finished: impl Fn() -> bool) {
        let mut next_edge = self.setup.measure_from();
        let mut next_report = 0;
        let mut is_scheduled = false;
        loop {
            let done = finished();
            let now = self.setup.now();
            let measure_from = self.setup.measure_from();
            if let Some(from) = measure_from.filter(|_| !is_scheduled) {
                is_scheduled = true;
                let moment = |ns: u64| self.setup.origin + Duration::from_nanos(ns);
                observer.scheduled(moment(from), moment(from.saturating_add(self.setup.duration_ns)));
            }
            let edge_at = next_edge.or(measure_from).unwrap_or(u64::MAX);
            if let Some(measure_from) = measure_from
                && (now >= edge_at || (done && now > measure_from))
            {
                // Woken too late for an edge or two, this is the sample of the last one.
                let edge = now.saturating_sub(measure_from) / self.setup.interval_ns;
                let edge = if done { edge + 1 } else { edge };
                self.steal.push(StealSample { edge, steal_ns: machine::steal_ns() });
                next_edge = Some(measure_from + (edge + 1) * self.setup.interval_ns);
            }
            self.pass_windows_on(observer, done);
            if now >= next_report || done {
                let progress = self.progress(now);
                observer.progress(&progress);
                next_report = now + nanoseconds(OBSERVED_EVERY);
                self.give_up_a_standstill(now, &progress);
            }
            if done {
                return;
            }
            let until_edge = next_edge.map_or(PATIENCE, |edge| Duration::from_nanos(edge.saturating_sub(now)));
            thread::park_timeout(until_edge.clamp(Duration::from_micros(100), PATIENCE));
        }
    }

    /// Tells of the windows that are over for all threads; in the end of all that there are.
    fn pass_windows_on(&mut self, observer: &mut dyn Observer, done: bool) {
        for told in self.reports.try_iter() {
            let WindowOfThread { index, part, latency, is_last } = told;
            if is_last {
                self.last.push(index);
            }
            let interval_ns = self.setup.interval_ns;
            let (threads, report) = self.unfinished.entry(index).or_insert_with(|| {
                let window = Window { offset_ns: index * interval_ns, length_ns: interval_ns, ..Window::default() };
                (0, WindowReport { index, window, latency: Histogram::new() })
            });
            *threads += 1;
            report.window.responses += part.responses;
            report.window.errors += part.errors;
            report.window.bytes_read += part.bytes_read;
            report.window.cpu_ns += part.cpu_ns;
            report.latency.add(&latency);
        }
        while let Some(entry) = self.unfinished.first_entry() {
            let ended = self.last.iter().filter(|last| *last < entry.key()).count();
            if !done && entry.get().0 + ended < self.setup.plan.threads {
                return;
            }
            let (_, mut report) = entry.remove();
            if self.unfinished.is_empty() && done {
                let measured = self.setup.now().saturating_sub(self.setup.measure_from().unwrap_or_default());
                let length = measured.min(self.setup.duration_ns).saturating_sub(report.window.offset_ns);
                report.window.length_ns = length.clamp(1, self.setup.interval_ns);
            }
            observer.window(&report);
        }
    }

    fn progress(&self, now: u64) -> Progress {
        let setup = self.setup;
        let measure_from = setup.measure_from();
        let (phase, elapsed, planned) = match measure_from {
            Some(from) if now >= from => (Phase::Measure, now - from, setup.duration_ns),
            Some(from) => (Phase::WarmUp, now.saturating_sub(from - setup.warmup_ns), setup.warmup_ns),
            None => (Phase::WarmUp, 0, setup.warmup_ns),
        };
        let sum = |figure: fn(&Published) -> u64| self.published.iter().map(figure).sum();
        Progress {
            phase,
            elapsed: Duration::from_nanos(elapsed.min(planned)),
            planned: Duration::from_nanos(planned),
            requests: setup.plan.requests,
            finished: sum(|published| published.finished.load(Ordering::Relaxed)),
            responses: sum(|published| published.responses.load(Ordering::Relaxed)),
            errors: sum(|published| published.errors.load(Ordering::Relaxed)),
            opened: sum(|published| published.opened.load(Ordering::Relaxed)),
        }
    }

    /// A run that is to end with its requests would never end if none of them got anywhere.
    fn give_up_a_standstill(&mut self, now: u64, progress: &Progress) {
        if self.progressed.1 != progress.finished {
            self.progressed = (now, progress.finished);
        }
        let patience = nanoseconds(STANDSTILL) + self.setup.timeout_ns;
        let measure_from = self.setup.measure_from().unwrap_or(u64::MAX);
        let idle_until = self.published.iter().map(|published| published.idle_until.load(Ordering::Relaxed)).max();
        let since = self.progressed.0.max(measure_from).max(idle_until.unwrap_or(0));
        if progress.requests.is_some() && now.saturating_sub(since) > patience {
            self.setup.abandon.store(true, Ordering::Relaxed);
        }
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Error {
    /// What an error of the system is when it prevented `what`.
    fn system<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> Self {
        let what = what.to_owned();
        move |error| Self::System { what, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_one_at_most_and_add_up() {
        let mut plan = Plan::new("http://a");
        for (whole, threads) in [(1, 1), (10, 3), (100, 7), (8, 8), (0, 2)] {
            plan.threads = threads;
            let shares: Vec<u64> = (0..threads).map(|thread| share_of(whole, &plan, thread)).collect();
            assert_eq!(shares.iter().sum::<u64>(), whole);
            assert!(shares[0] - shares[threads - 1] <= 1, "{shares:?}");
        }
    }
}
