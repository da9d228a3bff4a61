//! A run from its plan to its outcome.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::client::{Published, Setup, Worker, WorkerRecord};
use crate::url::Url;
use crate::{
    Connections, Error, Errors, FORMAT, Histogram, Outcome, Plan, ThreadRecord, Unexpected, Window, machine, request,
};

/// How often an observer is told.
const OBSERVED_EVERY: Duration = Duration::from_millis(100);
/// How long the caller's wish to stop may go unnoticed.
const PATIENCE: Duration = Duration::from_millis(10);
/// No plan may go on for longer than a hundred days: its clock would end.
const LONGEST_MS: u64 = 100 * 24 * 3_600_000;

/// What a run has counted so far. An observer is told about every 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What the run is doing.
    pub phase: Phase,
    /// How long the phase has lasted.
    pub elapsed: Duration,
    /// How long the phase is to last.
    pub planned: Duration,
    /// Complete responses in this phase.
    pub responses: u64,
    /// Errors of all kinds in this phase.
    pub errors: u64,
    /// TCP connections that are or were established in this phase.
    pub opened: u64,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Offering load without measuring.
    WarmUp,
    /// Measuring.
    Measure,
}

/// Does what `plan` says and returns what came of it. Blocks for the plan's warm-up and duration, or until `stop`
/// becomes true; then it returns, within a few hundredths of a second, what was measured by then.
///
/// The server's failures are part of the outcome: a server that refuses every connection yields an outcome without
/// a response. `observer` is called on the calling thread.
///
/// # Errors
///
/// Only when there is nothing to connect to (a URL that is not `http://...`, a host without an address), when the
/// plan is out of its bounds, or when the system refuses a thread, a CPU or a poll descriptor.
pub fn run(plan: &Plan, observer: &mut dyn FnMut(&Progress), stop: &AtomicBool) -> Result<Outcome, Error> {
    check(plan)?;
    let url = Url::parse(&plan.url)?;
    let request = request::render(plan, &url)?;
    let address = url.resolve(plan.timeout())?;
    let abandon = AtomicBool::new(false);
    let measure_from = nanoseconds(plan.warmup());
    let origin = Instant::now();
    let started_at = SystemTime::now() + plan.warmup();
    let setup = Setup {
        address,
        request,
        method: plan.method,
        keep_alive: plan.keep_alive,
        expect: plan.expect,
        timeout_ns: nanoseconds(plan.timeout()),
        interval_ns: nanoseconds(plan.interval()),
        origin,
        measure_from,
        end: measure_from + nanoseconds(plan.duration()),
        stop,
        abandon: &abandon,
    };
    let published: Vec<Published> = (0..plan.threads).map(|_| Published::default()).collect();
    let (records, steal) = thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut refused = None;
        for (index, published) in published.iter().enumerate() {
            let (setup, cpu) = (&setup, cpu_of(plan, index));
            let connections = share_of(plan, index);
            let spawned = thread::Builder::new().name(format!("client-{index}")).spawn_scoped(scope, move || {
                if let Some(cpu) = cpu {
                    pin_to(cpu)?;
                }
                let worker = Worker::new(setup, published, connections).map_err(Error::system("set up epoll"))?;
                worker.run().map_err(Error::system("wait for the connections"))
            });
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    abandon.store(true, Ordering::Relaxed);
                    refused = Some(Error::System { what: format!("start client thread {index}"), source });
                    break;
                }
            }
        }
        let steal = watch(&setup, &published, observer, || threads.iter().all(|thread| thread.is_finished()));
        let mut records = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(Ok(record)) => records.push(record),
                Ok(Err(error)) => refused = refused.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        refused.map_or(Ok((records, steal)), Err)
    })?;
    Ok(gather(plan, &setup, started_at, records, &steal))
}

fn check(plan: &Plan) -> Result<(), Error> {
    let complaint = if plan.connections == 0 {
        "at least one connection is needed"
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
    } else {
        return Ok(());
    };
    Err(Error::Plan(complaint.into()))
}

/// How many connections the thread drives: all threads the same, the first ones one more until the remainder is dealt out.
fn share_of(plan: &Plan, thread: usize) -> usize {
    plan.connections / plan.threads + usize::from(thread < plan.connections % plan.threads)
}

fn cpu_of(plan: &Plan, thread: usize) -> Option<usize> {
    plan.cpus.as_ref().map(|cpus| cpus[thread % cpus.len()])
}

fn pin_to(cpu: usize) -> Result<(), Error> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(Error::Plan(format!("there is no CPU {cpu}")));
    }
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(Error::system(&format!("run on CPU {cpu}")))
}

/// The stolen time of each CPU since the machine started, at an edge between two windows.
struct StealSample {
    /// The number of the window that begins at this edge.
    edge: u64,
    steal_ns: Option<BTreeMap<usize, u64>>,
}

/// Watches the threads until they have finished: tells the observer, and notes the steal between the windows.
fn watch(
    setup: &Setup<'_>,
    published: &[Published],
    observer: &mut dyn FnMut(&Progress),
    finished: impl Fn() -> bool,
) -> Vec<StealSample> {
    let mut steal = Vec::new();
    let mut next_edge = setup.measure_from;
    let mut next_report = Duration::ZERO;
    loop {
        let now = setup.now();
        let done = finished();
        if now >= next_edge || (done && now > setup.measure_from) {
            // Woken too late for an edge or two, this is the sample of the last one.
            let edge = now.saturating_sub(setup.measure_from) / setup.interval_ns;
            let edge = if done { edge + 1 } else { edge };
            steal.push(StealSample { edge, steal_ns: machine::steal_ns() });
            next_edge = setup.measure_from + (edge + 1) * setup.interval_ns;
        }
        let elapsed = Duration::from_nanos(now);
        if elapsed >= next_report || done {
            observer(&progress(setup, published, now));
            next_report = elapsed + OBSERVED_EVERY;
        }
        if done {
            return steal;
        }
        let until_edge = Duration::from_nanos(next_edge.saturating_sub(now)).max(Duration::from_micros(100));
        thread::park_timeout(until_edge.min(PATIENCE));
    }
}

fn progress(setup: &Setup<'_>, published: &[Published], now: u64) -> Progress {
    let measuring = now >= setup.measure_from;
    let (phase, elapsed, planned) = if measuring {
        (Phase::Measure, now - setup.measure_from, setup.end - setup.measure_from)
    } else {
        (Phase::WarmUp, now, setup.measure_from)
    };
    let sum = |figure: fn(&Published) -> u64| published.iter().map(figure).sum();
    Progress {
        phase,
        elapsed: Duration::from_nanos(elapsed.min(planned)),
        planned: Duration::from_nanos(planned),
        responses: sum(|published| published.responses.load(Ordering::Relaxed)),
        errors: sum(|published| published.errors.load(Ordering::Relaxed)),
        opened: sum(|published| published.opened.load(Ordering::Relaxed)),
    }
}

/// Puts together what the threads found out.
fn gather(
    plan: &Plan,
    setup: &Setup<'_>,
    started_at: SystemTime,
    records: Vec<WorkerRecord>,
    steal: &[StealSample],
) -> Outcome {
    let measured_from = records.iter().map(|record| record.measured_from).min().unwrap_or_default();
    let measured_from = measured_from.min(setup.measure_from);
    let measured_to = records.iter().map(|record| record.measured_to).max().unwrap_or_default();
    let elapsed_ns = measured_to.saturating_sub(measured_from);
    let mut outcome = Outcome {
        format: FORMAT,
        plan: plan.clone(),
        address: setup.address.to_string(),
        started_at_ms: started_at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
        elapsed_ns,
        stopped_early: measured_to < setup.end,
        requests: 0,
        responses: 0,
        bytes_read: 0,
        statuses: BTreeMap::new(),
        unexpected: Unexpected::default(),
        errors: Errors::default(),
        latency: Histogram::new(),
        timed_out: Histogram::new(),
        in_flight: Histogram::new(),
        connections: Connections::default(),
        threads: Vec::new(),
        windows: windows(&records, setup.interval_ns, elapsed_ns, steal),
    };
    let (mut opened, mut closed_by_server, mut served) = (0, 0, Vec::new());
    for (index, record) in records.into_iter().enumerate() {
        let tally = record.tally;
        for (status, count) in tally.statuses() {
            *outcome.statuses.entry(status).or_default() += count;
        }
        outcome.requests += tally.requests;
        outcome.responses += tally.responses;
        outcome.bytes_read += tally.bytes_read;
        outcome.unexpected.responses += tally.unexpected.responses;
        outcome.unexpected.status += tally.unexpected.status;
        outcome.unexpected.length += tally.unexpected.length;
        outcome.errors.add(&tally.errors);
        outcome.latency.add(&tally.latency);
        outcome.timed_out.add(&tally.timed_out);
        outcome.in_flight.add(&record.in_flight);
        opened += tally.opened;
        closed_by_server += tally.closed_by_server;
        outcome.threads.push(ThreadRecord {
            connections: record.served.len(),
            responses: tally.responses,
            wall_ns: record.measured_to - record.measured_from,
            cpu_ns: record.cpu.total_ns,
            cpu_user_ns: record.cpu.user_ns,
            cpu_system_ns: record.cpu.system_ns,
            waited_ns: record.cpu.waited_ns,
            cpu: cpu_of(plan, index),
            rates: record.rates,
        });
        served.extend(record.served);
    }
    outcome.connections = Connections::new(opened, closed_by_server, served);
    outcome
}

/// Adds the threads' windows up, one by one, and the steal that fell into each.
fn windows(records: &[WorkerRecord], interval_ns: u64, elapsed_ns: u64, steal: &[StealSample]) -> Vec<Window> {
    let count = records.iter().map(|record| record.windows.len()).max().unwrap_or_default();
    let mut windows: Vec<Window> = (0..count as u64)
        .map(|index| Window { offset_ns: index * interval_ns, length_ns: interval_ns, ..Window::default() })
        .collect();
    if let Some(last) = windows.last_mut() {
        last.length_ns = elapsed_ns.saturating_sub(last.offset_ns);
    }
    for record in records {
        for (window, part) in windows.iter_mut().zip(&record.windows) {
            window.responses += part.responses;
            window.errors += part.errors;
            window.bytes_read += part.bytes_read;
            window.cpu_ns += part.cpu_ns;
        }
    }
    spread_steal(&mut windows, steal);
    windows
}

/// Gives each window the steal between the samples around it. Where the watching thread came too late for an edge, the
/// windows between two samples share it evenly.
fn spread_steal(windows: &mut [Window], samples: &[StealSample]) {
    for pair in samples.windows(2) {
        let (Some(before), Some(after)) = (&pair[0].steal_ns, &pair[1].steal_ns) else {
            continue;
        };
        let end = (pair[1].edge as usize).min(windows.len());
        let Some(between) = windows.get_mut(pair[0].edge as usize..end) else {
            continue;
        };
        let shares = between.len().max(1) as u64;
        for window in between {
            let stolen = after.iter().filter_map(|(cpu, after)| {
                let stolen = after.saturating_sub(*before.get(cpu)?) / shares;
                (stolen > 0).then_some((*cpu, stolen))
            });
            window.steal_ns = Some(stolen.collect());
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
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

    fn sample(edge: u64, ms: u64) -> StealSample {
        StealSample { edge, steal_ns: Some([(0, 1_000), (1, ms * 1_000_000)].into()) }
    }

    fn steal_of_cpu_1(samples: &[StealSample], windows: usize) -> Vec<Option<u64>> {
        let mut windows = vec![Window::default(); windows];
        spread_steal(&mut windows, samples);
        assert!(windows.iter().all(|w| w.steal_ns.as_ref().is_none_or(|steal| !steal.contains_key(&0))));
        let milliseconds = |steal: &BTreeMap<usize, u64>| steal.get(&1).copied().unwrap_or(0) / 1_000_000;
        windows.iter().map(|window| window.steal_ns.as_ref().map(milliseconds)).collect()
    }

    #[test]
    fn steal_falls_into_the_window_between_two_samples() {
        let samples = [sample(0, 100), sample(1, 100), sample(2, 130), sample(3, 140)];
        assert_eq!(steal_of_cpu_1(&samples, 3), [Some(0), Some(30), Some(10)]);
    }

    #[test]
    fn windows_without_a_sample_between_them_share() {
        let samples = [sample(0, 100), sample(2, 140), sample(4, 150)];
        assert_eq!(steal_of_cpu_1(&samples, 3), [Some(20), Some(20), Some(10)]);
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_invented() {
        let untold = |edge| StealSample { edge, steal_ns: None };
        assert_eq!(steal_of_cpu_1(&[untold(0), untold(1)], 2), [None, None]);
        assert_eq!(steal_of_cpu_1(&[], 1), [None]);
    }

    #[test]
    fn shares_differ_by_one_at_most_and_add_up() {
        let mut plan = Plan::new("http://a");
        for (connections, threads) in [(1, 1), (10, 3), (100, 7), (8, 8)] {
            (plan.connections, plan.threads) = (connections, threads);
            let shares: Vec<usize> = (0..threads).map(|thread| share_of(&plan, thread)).collect();
            assert_eq!(shares.iter().sum::<usize>(), connections);
            assert!(shares[0] - shares[threads - 1] <= 1, "{shares:?}");
        }
    }
}
