//! Looks at a server's processes while it is under load, a few times a second, from /proc.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reports::sample::{CpuSource, Elsewhere, Others, SamplePoint, ServerSample};

use crate::clocks;
use crate::cpus::Division;
use crate::look::{Look, Watch};
use crate::others::{CpuSet, CpuTimes, others};
use crate::process_tree;

pub use crate::look::Subject;

/// Time between two looks. A look at a hundred threads costs about a millisecond of a client CPU.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long before a look at a given moment the processes are searched for.
const AHEAD: Duration = Duration::from_millis(5);
/// In ticks, user and system time are each known to one of them.
const TICKS_APART: f64 = 2.0;
/// What `cpu.stat` counts in, in seconds.
const GROUP_UNIT: f64 = 1e-6;

/// A thread that looks at a server until it is told to stop.
#[derive(Debug)]
pub struct Sampler {
    moments: Sender<Instant>,
    thread: JoinHandle<Looks>,
}

/// What a sampler has seen.
#[derive(Debug, Default)]
pub struct Looks {
    looks: Vec<Look>,
    lost: Option<i32>,
    listens: Option<bool>,
    group: Option<CpuSource>,
    server_cpus: usize,
}

impl Sampler {
    /// Begins to look at a server. When its first process ends, `gone` becomes true, so that whoever drives load can stop.
    ///
    /// The first look is taken before this returns.
    #[must_use]
    pub fn start(subject: Subject, division: &Division, gone: Arc<AtomicBool>) -> Self {
        let (moments, receiver) = channel::<Instant>();
        let server_cpus = division.server.len();
        let mut watch = Watch::new(subject, division.clone());
        watch.search();
        let first = watch.look();
        let listens = watch.listens();
        let has_ended = |id: i32| process_tree::process(id).is_none_or(|stat| stat.has_ended());
        // A child that ended before, and whose parent has not waited for it, is none that the load ended.
        let at_first: Vec<i32> = watch.members.iter().copied().filter(|id| !has_ended(*id)).collect();
        let thread = thread::spawn(move || {
            let mut looks: Vec<Look> = first.into_iter().collect();
            let mut due: Vec<Instant> = Vec::new();
            let mut goes_on = true;
            while goes_on {
                let next = due.iter().min().map(|moment| moment.checked_sub(AHEAD).unwrap_or(*moment));
                let regular = Instant::now() + INTERVAL;
                let until = next.map_or(regular, |next| next.min(regular));
                match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(moment) => {
                        due.push(moment);
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => goes_on = false,
                }
                if goes_on && next.is_some_and(|next| next <= Instant::now()) {
                    watch.search();
                    if let Some(moment) = due.iter().min().copied() {
                        thread::sleep(moment.saturating_duration_since(Instant::now()));
                        due.retain(|other| *other != moment);
                    }
                }
                match watch.look() {
                    Some(look) => looks.push(look),
                    None => gone.store(true, Ordering::Release),
                }
            }
            let lost = at_first.into_iter().find(|id| has_ended(*id));
            Looks { looks, lost, listens, group: watch.group_source(), server_cpus }
        });
        Self { moments, thread }
    }

    /// Takes a look at each of these moments, too: where the time begins and ends for which the server's CPU time is wanted.
    pub fn look_at(&self, moments: [Instant; 2]) {
        for moment in moments {
            // The thread ends with the sampler alone.
            let _ = self.moments.send(moment);
        }
    }

    /// Takes a last look and stops.
    #[must_use]
    pub fn finish(self) -> Looks {
        drop(self.moments);
        self.thread.join().unwrap_or_default()
    }
}

impl Looks {
    /// A process that was there at the first look and had ended at the last one: the server's first one, or a worker
    /// that another may have replaced.
    #[must_use]
    pub fn lost(&self) -> Option<i32> {
        self.lost
    }

    /// What the server used between two moments; `None` if it was not seen at least twice.
    ///
    /// CPU times are read off between two looks in proportion to the time, which is right under steady load. Switches
    /// are taken up to the last look before `end` and scaled to the whole time, because threads that end with
    /// their connections take their figures with them.
    #[must_use]
    pub fn between(&self, start: Instant, end: Instant) -> Option<ServerSample> {
        let looks = &self.looks;
        if looks.len() < 2 || end <= start {
            return None;
        }
        let throttled = |look: &Look| look.throttled_seconds;
        let clock = self.clock();
        let first = Times::at(looks, start, clock);
        let used = Times::at(looks, end, clock).since(first);
        let within = || looks.iter().filter(|look| look.at > start && look.at <= end);
        let measured = (end - start).as_secs_f64();
        let switches = |figure: fn(&Look) -> f64| {
            let begin = value_at(looks, start, figure);
            let counted = match within().next_back() {
                Some(last) => (figure(last) - begin) * measured / (last.at - start).as_secs_f64(),
                None => value_at(looks, end, figure) - begin,
            };
            counted.max(0.0).round() as u64
        };
        let near = || looks.iter().filter(|look| look.at + INTERVAL > start && look.at < end + INTERVAL);
        Some(ServerSample {
            wall_seconds: measured,
            cpu_user_seconds: used.user,
            cpu_system_seconds: used.system,
            voluntary_switches: switches(|look| look.voluntary_switches as f64),
            involuntary_switches: switches(|look| look.involuntary_switches as f64),
            peak_resident_bytes: looks.iter().map(|look| look.peak_resident_bytes).max().unwrap_or(0),
            peak_threads: near().map(|look| look.threads).max().unwrap_or(0),
            peak_descriptors: near().map(|look| look.descriptors).max().unwrap_or(0),
            throttled_seconds: Some(value_at(looks, end, throttled) - value_at(looks, start, throttled))
                .filter(|seconds| seconds.is_finite())
                .map(|seconds| seconds.max(0.0)),
            cpu_source: Some(clock),
            cpu_resolution_seconds: Some(self.resolution(start, end)),
            listens: self.listens,
            elsewhere: self.elsewhere(start, end),
            points: within()
                .map(|look| {
                    let used = Times::at(looks, look.at, clock).since(first);
                    SamplePoint {
                        at_seconds: (look.at - start).as_secs_f64(),
                        cpu_user_seconds: used.user,
                        cpu_system_seconds: used.system,
                        resident_bytes: look.resident_bytes,
                        threads: look.threads,
                        descriptors: look.descriptors,
                    }
                })
                .collect(),
        })
    }
}

impl Looks {
    /// The control group's, if all looks have it.
    fn clock(&self) -> CpuSource {
        let has_group = self.looks.iter().all(|look| look.cpu.by_group.is_finite());
        self.group.filter(|_| has_group).unwrap_or(CpuSource::ProcessClocks)
    }

    /// How far the CPU time between two moments may be from the truth, in seconds.
    ///
    /// The time of a thread that runs is known to the last tick of its CPU. Between the nearest look and each end of the time
    /// the server may have done nothing, or have used all its CPUs. Children that were waited for are known in ticks.
    fn resolution(&self, start: Instant, end: Instant) -> f64 {
        let most_threads = self.looks.iter().map(|look| look.threads).max().unwrap_or(1).max(1);
        let at_a_time = self.server_cpus.min(most_threads as usize).max(1) as f64;
        let from_look = |moment: Instant| {
            let distance = |look: &Look| look.at.max(moment) - look.at.min(moment);
            self.looks.iter().map(distance).min().unwrap_or_default().as_secs_f64()
        };
        let children = value_at(&self.looks, end, |look| look.cpu.in_ticks)
            - value_at(&self.looks, start, |look| look.cpu.in_ticks);
        let unit = match self.clock() {
            CpuSource::CgroupV2 => GROUP_UNIT,
            CpuSource::ProcessClocks if children > 0.0 => TICKS_APART * clocks::unit_of_proc(),
            _ => 0.0,
        };
        unit + (clocks::tick_seconds() + from_look(start) + from_look(end)) * at_a_time
    }

    /// Threads that could leave the server's CPUs between two moments.
    fn elsewhere(&self, start: Instant, end: Instant) -> Option<Elsewhere> {
        let within = self.looks.iter().filter(|look| look.at >= start && look.at <= end);
        within
            .map(|look| &look.elsewhere)
            .filter(|elsewhere| elsewhere.threads > 0)
            .max_by_key(|one| one.threads)
            .cloned()
    }

    /// What processes other than the server and the bench used between two moments; `None` if that is not known.
    #[must_use]
    pub fn others_between(&self, start: Instant, end: Instant, division: &Division) -> Option<Others> {
        let looks = &self.looks;
        if looks.len() < 2 || end <= start {
            return None;
        }
        let used = |figure: fn(&Look) -> f64| value_at(looks, end, figure) - value_at(looks, start, figure);
        let used_in_all = CpuTimes {
            at: used(|look| look.cpus.at),
            on_server_cpus: CpuSet {
                busy: used(|look| look.cpus.on_server_cpus.busy),
                stolen: used(|look| look.cpus.on_server_cpus.stolen),
            },
            on_client_cpus: CpuSet {
                busy: used(|look| look.cpus.on_client_cpus.busy),
                stolen: used(|look| look.cpus.on_client_cpus.stolen),
            },
            own: used(|look| look.cpus.own),
        };
        let clock = self.clock();
        let server = Times::at(looks, end, clock).since(Times::at(looks, start, clock));
        others(&used_in_all, server.user + server.system, division)
    }
}

/// CPU time of the server up to a moment, in seconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    total: f64,
    user: f64,
    system: f64,
}

impl Times {
    fn at(looks: &[Look], moment: Instant, clock: CpuSource) -> Self {
        let total = |look: &Look| match clock {
            CpuSource::CgroupV1 | CpuSource::CgroupV2 => look.cpu.by_group,
            CpuSource::ProcessClocks | CpuSource::Ticks => look.cpu.by_clocks,
        };
        Self {
            total: value_at(looks, moment, total),
            user: value_at(looks, moment, |look| look.cpu.user_ticks),
            system: value_at(looks, moment, |look| look.cpu.system_ticks),
        }
    }

    /// What was used since `first`. The exact sum is divided as the ticks of this time are; where there was none, as those of
    /// all the time before.
    fn since(self, first: Self) -> Self {
        let total = (self.total - first.total).max(0.0);
        let (user, system) = ((self.user - first.user).max(0.0), (self.system - first.system).max(0.0));
        let (user, system) = if user + system > 0.0 { (user, system) } else { (self.user, self.system) };
        let share = if user + system > 0.0 { user / (user + system) } else { 0.5 };
        Self { total, user: total * share, system: total * (1.0 - share) }
    }
}

/// A figure at a moment, on the line between the looks before and after it; before the first look and after the last
/// one, theirs.
fn value_at(looks: &[Look], moment: Instant, figure: impl Fn(&Look) -> f64) -> f64 {
    let after = looks.partition_point(|look| look.at < moment);
    match (after.checked_sub(1).and_then(|before| looks.get(before)), looks.get(after)) {
        (Some(before), Some(after)) => {
            let share = (moment - before.at).as_secs_f64() / (after.at - before.at).as_secs_f64().max(f64::EPSILON);
            figure(before) + (figure(after) - figure(before)) * share
        }
        (Some(only), None) | (None, Some(only)) => figure(only),
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cpus::Cpus;
    use crate::look::ServerCpu;
    use crate::process_tree::ProcessTree;

    fn look(begin: Instant, milliseconds: u64, user_seconds: f64, switches: u64) -> Look {
        Look {
            at: begin + Duration::from_millis(milliseconds),
            cpu: ServerCpu {
                by_clocks: 3.0 * user_seconds,
                in_ticks: 0.0,
                // Coarser than the sum, as ticks are.
                user_ticks: user_seconds,
                system_ticks: 2.0 * user_seconds,
                by_group: f64::NAN,
            },
            resident_bytes: 1000 + milliseconds,
            peak_resident_bytes: 5000,
            threads: 3,
            descriptors: 10 + milliseconds as u32 / 1000,
            voluntary_switches: switches,
            involuntary_switches: switches / 2,
            throttled_seconds: 0.5 * user_seconds,
            // Of the server's three tenths of a second, all on one CPU, and what somebody else had besides.
            cpus: CpuTimes {
                at: milliseconds as f64 / 1e3,
                on_server_cpus: CpuSet { busy: 4.0 * user_seconds, stolen: 0.0 },
                on_client_cpus: CpuSet::default(),
                own: 0.0,
            },
            elsewhere: Elsewhere::default(),
        }
    }

    fn subject(child: &std::process::Child) -> Subject {
        Subject { tree: ProcessTree::of(child.id() as i32), port: 1, group: None }
    }

    fn looks(looks: Vec<Look>) -> Looks {
        Looks { looks, lost: None, listens: Some(true), group: None, server_cpus: 1 }
    }

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn times_are_those_between_the_two_moments() {
        let begin = Instant::now();
        // A tenth of each second is used, and the last look comes right after the end.
        let looks = looks((0..=5).map(|n| look(begin, 1000 * n, 0.1 * n as f64, 100 * n)).collect());
        let sample = looks.between(begin + milliseconds(500), begin + milliseconds(4500)).unwrap();
        assert!((sample.wall_seconds - 4.0).abs() < 1e-9);
        assert!((sample.cpu_user_seconds - 0.4).abs() < 1e-9, "{sample:?}");
        assert!((sample.cpu_system_seconds - 0.8).abs() < 1e-9, "{sample:?}");
        assert_eq!((sample.voluntary_switches, sample.involuntary_switches), (400, 200));
        assert_eq!((sample.peak_threads, sample.peak_descriptors, sample.peak_resident_bytes), (3, 14, 5000));
        assert!((sample.throttled_seconds.unwrap() - 0.2).abs() < 1e-9, "{sample:?}");
        assert_eq!(sample.points.len(), 4);
        assert!((sample.points[0].at_seconds - 0.5).abs() < 1e-9);
        assert!((sample.points[0].cpu_user_seconds - 0.05).abs() < 1e-9);
    }

    #[test]
    fn what_others_had_is_told_for_the_same_time() {
        let begin = Instant::now();
        let looks = looks((0..=5).map(|n| look(begin, 1000 * n, 0.1 * n as f64, 0)).collect());
        let division = Division { server: "0".parse().unwrap(), client: "1".parse().unwrap() };
        let others = looks.others_between(begin + milliseconds(500), begin + milliseconds(4500), &division).unwrap();
        assert!(
            (others.on_server_cpus_seconds - 0.4).abs() < 1e-9 && others.on_client_cpus_seconds == 0.0,
            "{others:?}"
        );
    }

    #[test]
    fn switches_of_threads_that_ended_with_the_load_are_not_lost() {
        let begin = Instant::now();
        let mut all: Vec<Look> = (0..=3).map(|n| look(begin, 1000 * n, 0.0, 100 * n)).collect();
        all.push(look(begin, 3500, 0.0, 5));
        let sample = looks(all).between(begin, begin + milliseconds(3400)).unwrap();
        assert_eq!(sample.voluntary_switches, 340);
    }

    #[test]
    fn a_quota_that_is_not_known_is_not_none() {
        let begin = Instant::now();
        let unknown = |n: u64| Look { throttled_seconds: f64::NAN, ..look(begin, 1000 * n, 0.1, 0) };
        let sample = looks((0..3).map(unknown).collect()).between(begin, begin + milliseconds(1500)).unwrap();
        assert_eq!(sample.throttled_seconds, None);
    }

    #[test]
    fn too_few_looks_give_no_sample() {
        let begin = Instant::now();
        assert_eq!(looks(vec![]).between(begin, begin + milliseconds(10)), None);
        assert_eq!(looks(vec![look(begin, 0, 0.0, 0)]).between(begin, begin + milliseconds(10)), None);
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy_and_its_end_is_noticed() {
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let begin = Instant::now();
        let sampler = Sampler::start(subject(&child), &division, Arc::clone(&gone));
        // Until it has had some CPU time, however busy the machine is with other things.
        let busy = || process_tree::process(child.id() as i32).is_some_and(|stat| stat.user_ticks > 20);
        while !busy() && begin.elapsed() < Duration::from_secs(60) {
            thread::sleep(milliseconds(20));
        }
        let looks = sampler.finish();
        assert_eq!(looks.lost(), None);
        let sample = looks.between(begin, Instant::now()).unwrap();
        assert!(sample.cpu_seconds() > 0.1, "{sample:?}");
        assert!(
            sample.peak_threads == 1 && sample.peak_resident_bytes > 0 && sample.peak_descriptors > 0,
            "{sample:?}"
        );
        assert!(!gone.load(Ordering::Acquire));

        let sampler = Sampler::start(subject(&child), &division, Arc::clone(&gone));
        child.kill().unwrap();
        while !gone.load(Ordering::Acquire) {
            assert!(begin.elapsed() < Duration::from_secs(120), "the end was not noticed");
            thread::sleep(milliseconds(5));
        }
        assert_eq!(sampler.finish().lost(), Some(child.id() as i32));
        child.wait().unwrap();
    }
}
