//! One look at all processes of a server, and what has to be remembered from one look to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use reports::sample::{CpuSource, Elsewhere};
use rustix::param::page_size;

use crate::accounting::{ProcessStat, ThreadStatus};
use crate::clocks;
use crate::cpus::{Cpus, Division};
use crate::others::CpuTimes;
use crate::own_group::{GroupReader, Usage};
use crate::process_tree::{self, ProcessTree};
use crate::running;
use crate::throttling::Throttling;

/// Looks between two searches for processes that the server has started meanwhile.
const LOOKS_PER_SEARCH: u32 = 4;

/// One look at all processes of a server. Times are counted since each process started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    pub(crate) cpu: ServerCpu,
    pub(crate) resident_bytes: u64,
    pub(crate) peak_resident_bytes: u64,
    pub(crate) threads: u32,
    pub(crate) descriptors: u32,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) throttled_seconds: f64,
    pub(crate) cpus: CpuTimes,
    /// Threads that may use other CPUs than the server's.
    pub(crate) elsewhere: Elsewhere,
}

/// CPU time of a server, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ServerCpu {
    /// By the clocks of its processes, with the ticks of children that these have waited for.
    pub(crate) by_clocks: f64,
    /// Of these, what is known in ticks alone.
    pub(crate) in_ticks: f64,
    /// In the program and in the kernel, by the ticks of all.
    pub(crate) user_ticks: f64,
    pub(crate) system_ticks: f64,
    /// By the control group that it has for itself; not a number where it has none.
    pub(crate) by_group: f64,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The server's processes.
    pub tree: ProcessTree,
    /// The port on which it should answer.
    pub port: u16,
    /// The control group that it has for itself.
    pub group: Option<GroupReader>,
}

/// What has to be remembered from one look to the next.
pub(crate) struct Watch {
    subject: Subject,
    division: Division,
    pub(crate) members: Vec<i32>,
    looks: u32,
    looks_since_search: u32,
    switches: Switches,
    throttling: Throttling,
    clocks: Clocks,
    bytes_per_page: u64,
}

impl Watch {
    pub(crate) fn new(subject: Subject, division: Division) -> Self {
        Self {
            throttling: Throttling::of(subject.tree.leader()),
            subject,
            division,
            members: Vec::new(),
            looks: 0,
            looks_since_search: 0,
            switches: Switches::default(),
            clocks: Clocks::default(),
            bytes_per_page: page_size() as u64,
        }
    }

    /// Whether one of the processes holds the socket that should answer; `None` where that cannot be seen.
    pub(crate) fn listens(&self) -> Option<bool> {
        running::is_held_by(self.subject.port, &self.members)
    }

    /// The clock that CPU times come from, if the control group was that of all processes at all looks.
    pub(crate) fn group_source(&self) -> Option<CpuSource> {
        self.subject.group.as_ref().map(GroupReader::source)
    }

    /// Searches for processes that the server has started meanwhile. The next look needs not do it then.
    pub(crate) fn search(&mut self) {
        self.looks_since_search = 0;
        self.members = self.subject.tree.processes().into_keys().collect();
        let were_in = self.subject.group.as_ref().is_none_or(|group| group.gather(&self.members));
        // Before the first look it does not matter how they came there; later on, some of their time is not in the group.
        if !were_in && self.looks > 0 {
            self.subject.group = None;
        }
    }

    /// Looks at all processes; `None` when the first one has ended.
    pub(crate) fn look(&mut self) -> Option<Look> {
        let leader = process_tree::process(self.subject.tree.leader()).filter(|stat| !stat.has_ended());
        leader?;
        if self.looks_since_search >= LOOKS_PER_SEARCH {
            self.search();
        }
        self.looks_since_search += 1;
        self.looks += 1;
        // What has to be known at one moment comes first.
        let at = Instant::now();
        let group = self.subject.group.as_ref().map(GroupReader::usage);
        let stats = self.clocks.read(&self.members);
        let cpus = CpuTimes::now(&self.division);
        let usage = group.flatten().unwrap_or(Usage { total: f64::NAN, user: f64::NAN, system: f64::NAN });
        let mut look = Look {
            at,
            cpu: self.clocks.sum(usage),
            resident_bytes: 0,
            peak_resident_bytes: 0,
            threads: 0,
            descriptors: 0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            throttled_seconds: self.throttling.seconds(),
            cpus,
            elsewhere: Elsewhere::default(),
        };
        let mut cpus_elsewhere = BTreeSet::new();
        for (id, stat) in stats {
            look.resident_bytes += stat.resident_pages * self.bytes_per_page;
            look.peak_resident_bytes += process_tree::status(id).peak_resident_kib * 1024;
            look.threads += stat.threads;
            look.descriptors += process_tree::descriptors(id);
            let threads = process_tree::threads(id);
            for outside in threads.values().filter_map(|thread| outside(thread, &self.division.server)) {
                look.elsewhere.threads += 1;
                cpus_elsewhere.extend(outside);
            }
            self.switches.see(threads);
        }
        look.elsewhere.cpus = cpus_elsewhere.into_iter().collect();
        (look.voluntary_switches, look.involuntary_switches) = self.switches.total();
        Some(look)
    }
}

/// The CPUs that a thread may use and that are not the server's; `None` where it has none.
fn outside(thread: &ThreadStatus, server: &Cpus) -> Option<Vec<usize>> {
    let outside: Vec<usize> = thread.cpus.iter().flat_map(Cpus::iter).filter(|cpu| !server.contains(*cpu)).collect();
    (!outside.is_empty()).then_some(outside)
}

/// The clocks of processes, and what those had used that have gone without anybody of the server waiting for them.
#[derive(Debug, Default)]
struct Clocks {
    last: BTreeMap<i32, (f64, ProcessStat)>,
    gone: ServerCpu,
}

impl Clocks {
    fn read(&mut self, members: &[i32]) -> Vec<(i32, ProcessStat)> {
        let mut now = BTreeMap::new();
        for &id in members {
            let Some(used) = clocks::of_process(id) else { continue };
            // One that is gone between the two is taken at its next look as one that was gone.
            let Some(stat) = process_tree::process(id) else { continue };
            now.insert(id, (used, stat));
        }
        for (id, (used, stat)) in &self.last {
            // Whoever waited for it has its ticks, if that was one of the server's.
            let was_waited_for = now.contains_key(&stat.parent);
            if !now.contains_key(id) && !was_waited_for {
                self.gone.add(*used, stat);
            }
        }
        self.last = now;
        self.last.iter().map(|(id, (_, stat))| (*id, *stat)).collect()
    }

    fn sum(&self, group: Usage) -> ServerCpu {
        let mut sum = self.gone;
        for (used, stat) in self.last.values() {
            sum.add(*used, stat);
        }
        sum.by_group = group.total;
        // The kernel divides the group's sum by the ticks of all of its processes, those that are gone included.
        if group.total.is_finite() {
            (sum.user_ticks, sum.system_ticks) = (group.user, group.system);
        }
        sum
    }
}

impl ServerCpu {
    fn add(&mut self, used: f64, stat: &ProcessStat) {
        let seconds = |ticks: u64| ticks as f64 * clocks::unit_of_proc();
        let children = seconds(stat.children_user_ticks + stat.children_system_ticks);
        self.by_clocks += used + children;
        self.in_ticks += children;
        self.user_ticks += seconds(stat.user_ticks + stat.children_user_ticks);
        self.system_ticks += seconds(stat.system_ticks + stat.children_system_ticks);
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
            let voluntary = now.voluntary_switches;
            let former = self.last_seen.insert(id, now);
            // A count that went back belongs to another thread that got the number of one that has ended.
            if let Some(former) = former.filter(|former| former.voluntary_switches > voluntary) {
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

    #[test]
    fn a_reused_thread_number_keeps_what_the_former_thread_did() {
        let thread = |switches| ThreadStatus {
            voluntary_switches: switches,
            involuntary_switches: 1,
            ..ThreadStatus::default()
        };
        let mut switches = Switches::default();
        switches.see(BTreeMap::from([(7, thread(50)), (8, thread(5))]));
        switches.see(BTreeMap::from([(8, thread(6))]));
        switches.see(BTreeMap::from([(7, thread(2)), (8, thread(7))]));
        assert_eq!(switches.total(), (50 + 2 + 7, 3));
    }

    #[test]
    fn a_thread_that_may_leave_the_servers_cpus_is_seen() {
        let thread = |cpus: &str| ThreadStatus { cpus: cpus.parse().ok(), ..ThreadStatus::default() };
        let server: Cpus = "0-1".parse().unwrap();
        assert_eq!(outside(&thread("0"), &server), None);
        assert_eq!(outside(&thread("1-3"), &server), Some(vec![2, 3]));
        assert_eq!(outside(&ThreadStatus::default(), &server), None);
    }
}
