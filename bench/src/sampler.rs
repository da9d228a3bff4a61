//! Looks at a server's processes while it is under load, a few times a second, from /proc.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use reports::sample::{Others, SamplePoint, ServerSample};
use rustix::param::{clock_ticks_per_second, page_size};

use crate::accounting::ThreadStatus;
use crate::cpus::Division;
use crate::others::{CpuTimes, others};
use crate::process_tree;
use crate::throttling::Throttling;

/// Time between two looks. A look at a hundred threads costs about a millisecond of a client CPU.
const INTERVAL: Duration = Duration::from_millis(250);
/// Looks between two searches for processes that the server has started meanwhile.
const LOOKS_PER_SEARCH: u32 = 4;

/// One look at all processes of a server. Times are counted since each process started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    at: Instant,
    user_seconds: f64,
    system_seconds: f64,
    resident_bytes: u64,
    peak_resident_bytes: u64,
    threads: u32,
    descriptors: u32,
    voluntary_switches: u64,
    involuntary_switches: u64,
    throttled_seconds: f64,
    cpus: CpuTimes,
}

/// A thread that looks at a server until it is told to stop.
#[derive(Debug)]
pub struct Sampler {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Looks>,
}

/// What a sampler has seen.
#[derive(Debug, Default)]
pub struct Looks {
    looks: Vec<Look>,
    lost: Option<i32>,
}

impl Sampler {
    /// Begins to look at the server whose first process is `leader`. When that ends, `gone` becomes true, so that
    /// whoever drives load can stop.
    ///
    /// The first look is taken before this returns.
    #[must_use]
    pub fn start(leader: i32, division: &Division, gone: Arc<AtomicBool>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let mut watch = Watch::new(leader, division.clone());
        let first = watch.look();
        let thread = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                let mut looks: Vec<Look> = first.into_iter().collect();
                let at_first = watch.members.clone();
                while !done.load(Ordering::Acquire) {
                    thread::park_timeout(INTERVAL);
                    match watch.look() {
                        Some(look) => looks.push(look),
                        None => gone.store(true, Ordering::Release),
                    }
                }
                let lost =
                    at_first.into_iter().find(|&id| process_tree::process(id).is_none_or(|stat| stat.has_ended()));
                Looks { looks, lost }
            }
        });
        Self { done, thread }
    }

    /// Takes a last look and stops.
    #[must_use]
    pub fn finish(self) -> Looks {
        self.done.store(true, Ordering::Release);
        self.thread.thread().unpark();
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
        let user = |look: &Look| look.user_seconds;
        let system = |look: &Look| look.system_seconds;
        let throttled = |look: &Look| look.throttled_seconds;
        let (first_user, first_system) = (value_at(looks, start, user), value_at(looks, start, system));
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
            cpu_user_seconds: (value_at(looks, end, user) - first_user).max(0.0),
            cpu_system_seconds: (value_at(looks, end, system) - first_system).max(0.0),
            voluntary_switches: switches(|look| look.voluntary_switches as f64),
            involuntary_switches: switches(|look| look.involuntary_switches as f64),
            peak_resident_bytes: looks.iter().map(|look| look.peak_resident_bytes).max().unwrap_or(0),
            peak_threads: near().map(|look| look.threads).max().unwrap_or(0),
            peak_descriptors: near().map(|look| look.descriptors).max().unwrap_or(0),
            throttled_seconds: Some(value_at(looks, end, throttled) - value_at(looks, start, throttled))
                .filter(|seconds| seconds.is_finite())
                .map(|seconds| seconds.max(0.0)),
            points: within()
                .map(|look| SamplePoint {
                    at_seconds: (look.at - start).as_secs_f64(),
                    cpu_user_seconds: (look.user_seconds - first_user).max(0.0),
                    cpu_system_seconds: (look.system_seconds - first_system).max(0.0),
                    resident_bytes: look.resident_bytes,
                    threads: look.threads,
                    descriptors: look.descriptors,
                })
                .collect(),
        })
    }
}

impl Looks {
    /// What processes other than the server and the bench used between two moments; `None` if that is not known.
    #[must_use]
    pub fn others_between(&self, start: Instant, end: Instant, division: &Division) -> Option<Others> {
        let looks = &self.looks;
        if looks.len() < 2 || end <= start {
            return None;
        }
        let used = |figure: fn(&Look) -> f64| value_at(looks, end, figure) - value_at(looks, start, figure);
        let used_in_all = CpuTimes {
            on_server_cpus: used(|look| look.cpus.on_server_cpus),
            on_client_cpus: used(|look| look.cpus.on_client_cpus),
            own: used(|look| look.cpus.own),
        };
        others(used_in_all, used(|look| look.user_seconds + look.system_seconds), division.shared())
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

/// What has to be remembered from one look to the next.
struct Watch {
    leader: i32,
    division: Division,
    members: Vec<i32>,
    looks: u32,
    switches: Switches,
    throttling: Throttling,
    seconds_per_tick: f64,
    bytes_per_page: u64,
}

impl Watch {
    fn new(leader: i32, division: Division) -> Self {
        Self {
            leader,
            division,
            members: Vec::new(),
            looks: 0,
            switches: Switches::default(),
            throttling: Throttling::of(leader),
            seconds_per_tick: 1.0 / clock_ticks_per_second() as f64,
            bytes_per_page: page_size() as u64,
        }
    }

    /// Looks at all processes; `None` when the first one has ended.
    fn look(&mut self) -> Option<Look> {
        let leader = process_tree::process(self.leader).filter(|stat| !stat.has_ended());
        leader?;
        if self.looks.is_multiple_of(LOOKS_PER_SEARCH) {
            self.members = process_tree::processes(self.leader).into_keys().collect();
        }
        self.looks += 1;
        let mut look = Look {
            at: Instant::now(),
            user_seconds: 0.0,
            system_seconds: 0.0,
            resident_bytes: 0,
            peak_resident_bytes: 0,
            threads: 0,
            descriptors: 0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            throttled_seconds: self.throttling.seconds(),
            cpus: CpuTimes::now(&self.division),
        };
        for &id in &self.members {
            let Some(stat) = process_tree::process(id) else { continue };
            look.user_seconds += stat.user_ticks as f64 * self.seconds_per_tick;
            look.system_seconds += stat.system_ticks as f64 * self.seconds_per_tick;
            look.resident_bytes += stat.resident_pages * self.bytes_per_page;
            look.peak_resident_bytes += process_tree::status(id).peak_resident_kib * 1024;
            look.threads += stat.threads;
            look.descriptors += process_tree::descriptors(id);
            self.switches.see(process_tree::threads(id));
        }
        (look.voluntary_switches, look.involuntary_switches) = self.switches.total();
        Some(look)
    }
}

/// Switches of threads that live and of those that were seen and have ended since; a thread that came and went between
/// two looks is missed.
#[derive(Debug, Default)]
struct Switches {
    last_seen: BTreeMap<i32, ThreadStatus>,
    voluntary_before: u64,
    involuntary_before: u64,
}

impl Switches {
    fn see(&mut self, threads: BTreeMap<i32, ThreadStatus>) {
        for (id, now) in threads {
            let former = self.last_seen.insert(id, now);
            // A count that went back belongs to another thread that got the number of one that has ended.
            if let Some(former) = former.filter(|former| former.voluntary_switches > now.voluntary_switches) {
                self.voluntary_before += former.voluntary_switches;
                self.involuntary_before += former.involuntary_switches;
            }
        }
    }

    fn total(&self) -> (u64, u64) {
        self.last_seen.values().fold(
            (self.voluntary_before, self.involuntary_before),
            |(voluntary, involuntary), thread| {
                (voluntary + thread.voluntary_switches, involuntary + thread.involuntary_switches)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cpus::Cpus;

    fn look(begin: Instant, milliseconds: u64, user_seconds: f64, switches: u64) -> Look {
        Look {
            at: begin + Duration::from_millis(milliseconds),
            user_seconds,
            system_seconds: 2.0 * user_seconds,
            resident_bytes: 1000 + milliseconds,
            peak_resident_bytes: 5000,
            threads: 3,
            descriptors: 10 + milliseconds as u32 / 1000,
            voluntary_switches: switches,
            involuntary_switches: switches / 2,
            throttled_seconds: 0.5 * user_seconds,
            // Of the server's three tenths of a second, all on one CPU, and what somebody else had besides.
            cpus: CpuTimes { on_server_cpus: 4.0 * user_seconds, on_client_cpus: 0.0, own: 0.0 },
        }
    }

    fn looks(looks: Vec<Look>) -> Looks {
        Looks { looks, lost: None }
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
    fn a_reused_thread_number_keeps_what_the_former_thread_did() {
        let thread =
            |switches| ThreadStatus { voluntary_switches: switches, involuntary_switches: 1, peak_resident_kib: 0 };
        let mut switches = Switches::default();
        switches.see(BTreeMap::from([(7, thread(50)), (8, thread(5))]));
        switches.see(BTreeMap::from([(8, thread(6))]));
        switches.see(BTreeMap::from([(7, thread(2)), (8, thread(7))]));
        assert_eq!(switches.total(), (50 + 2 + 7, 3));
    }

    #[test]
    fn a_busy_process_is_seen_to_be_busy_and_its_end_is_noticed() {
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let begin = Instant::now();
        let sampler = Sampler::start(child.id() as i32, &division, Arc::clone(&gone));
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

        let sampler = Sampler::start(child.id() as i32, &division, Arc::clone(&gone));
        child.kill().unwrap();
        while !gone.load(Ordering::Acquire) {
            assert!(begin.elapsed() < Duration::from_secs(120), "the end was not noticed");
            thread::sleep(milliseconds(5));
        }
        assert_eq!(sampler.finish().lost(), Some(child.id() as i32));
        child.wait().unwrap();
    }
}
