//! The processes of a server: the one that was started, what it started, and so on, wherever these have gone.
//!
//! A process whose parent has ended gets another parent, and one that calls setsid(2) leaves the group and the session of the
//! server. The bench adopts those that lost their parent ([`adopt_orphans`]), and tells whose they are by what a process cannot
//! easily lose: having been seen as a descendant before, its session, and the mark in the environment that it inherited.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper, waitid,
};

use crate::accounting::{ProcessStat, ThreadStatus};
use crate::running;

/// The processes of one server. Its clones share what they have seen.
#[derive(Clone, Debug)]
pub struct ProcessTree(Arc<Mutex<Members>>);

#[derive(Debug)]
struct Members {
    leader: i32,
    /// The variable in the environment that only processes of this server have; none where the bench did not start it.
    mark: Option<Vec<u8>>,
    /// Processes that were seen, with the moment of their start.
    known: BTreeMap<i32, u64>,
    /// Sessions that processes of the server have made.
    sessions: BTreeSet<i32>,
}

impl ProcessTree {
    /// That of a server that the bench did not start, by its first process: its descendants and its process group.
    #[must_use]
    pub fn of(leader: i32) -> Self {
        Self::new(leader, None)
    }

    /// That of a server that the bench started with this variable, `NAME=value`, in its environment. The first process must not
    /// be waited for before the last use of the tree, so that its id stays its own.
    #[must_use]
    pub fn of_child(leader: i32, mark: Vec<u8>) -> Self {
        Self::new(leader, Some(mark))
    }

    fn new(leader: i32, mark: Option<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Members { leader, mark, known: BTreeMap::new(), sessions: BTreeSet::new() })))
    }

    /// The first process.
    #[must_use]
    pub fn leader(&self) -> i32 {
        self.members(|members| members.leader)
    }

    /// All processes of the server, by their id, with what the kernel says about each; also those that have ended and were not
    /// waited for.
    #[must_use]
    pub fn processes(&self) -> BTreeMap<i32, ProcessStat> {
        self.members(|members| members.among(&all_processes(), &|_| false))
    }

    /// The same, with children of the bench that listen on this port. A server that writes its title over its environment, as
    /// nginx does, has no mark any more.
    #[must_use]
    pub fn processes_or_listeners(&self, port: Option<u16>) -> BTreeMap<i32, ProcessStat> {
        let listens = |id: i32| port.is_some_and(|port| running::listens_on(port, id));
        self.members(|members| members.among(&all_processes(), &listens))
    }

    fn members<T>(&self, act: impl FnOnce(&mut Members) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Members {
    /// The leader, its descendants, and whoever is in its process group: a child whose parent has ended belongs to another
    /// parent from then on, but stays in the group. Of a server that the bench started also those that left the group:
    /// `listens` says of a child of the bench without a mark whether it is one.
    fn among(&mut self, all: &BTreeMap<i32, ProcessStat>, listens: &dyn Fn(i32) -> bool) -> BTreeMap<i32, ProcessStat> {
        let bench = own_id();
        let own_session = all.get(&bench).map(|stat| stat.session);
        self.known.retain(|id, started| all.get(id).is_some_and(|stat| stat.started_ticks == *started));
        // Its number may belong to another group when no process is left in it.
        self.sessions.retain(|session| all.values().any(|stat| stat.session == *session));
        // Whether a child of the bench is the server's, each looked at once.
        let mut adopted: BTreeMap<i32, bool> = BTreeMap::new();
        loop {
            let mut found: BTreeMap<i32, ProcessStat> = BTreeMap::new();
            for (id, stat) in all {
                if self.has(*id, all, bench, &mut adopted, listens) {
                    found.insert(*id, *stat);
                }
            }
            if self.mark.is_none() {
                return found;
            }
            self.known.extend(found.iter().map(|(id, stat)| (*id, stat.started_ticks)));
            // Session 0 is one that began outside of what this process may see.
            let sessions = found.values().map(|stat| stat.session);
            let before = self.sessions.len();
            self.sessions.extend(sessions.filter(|session| *session != 0 && Some(*session) != own_session));
            if self.sessions.len() == before {
                return found;
            }
        }
    }

    fn has(
        &self,
        mut id: i32,
        all: &BTreeMap<i32, ProcessStat>,
        bench: i32,
        adopted: &mut BTreeMap<i32, bool>,
        listens: &dyn Fn(i32) -> bool,
    ) -> bool {
        // A chain of parents ends at process 0; the bound guards against ids that were reused while we read.
        for _ in 0..all.len() {
            let Some(stat) = all.get(&id) else { return false };
            if id == self.leader || stat.group == self.leader {
                return true;
            }
            if let Some(mark) = &self.mark {
                if self.known.contains_key(&id) || self.sessions.contains(&stat.session) {
                    return true;
                }
                if stat.parent == bench {
                    return *adopted.entry(id).or_insert_with(|| is_marked(id, mark).unwrap_or_else(|| listens(id)));
                }
            }
            id = stat.parent;
        }
        false
    }
}

/// Whether a process has this variable, `NAME=value`, in its environment; `None` where it has no variable of that name or
/// does not show them.
fn is_marked(id: i32, mark: &[u8]) -> Option<bool> {
    let name = &mark[..=mark.iter().position(|byte| *byte == b'=')?];
    let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    let variable = environment.split(|byte| *byte == 0).find(|variable| variable.starts_with(name))?;
    Some(variable == mark)
}

/// Makes this process the parent of all its descendants that lose theirs, so that they can be found and waited for
/// (`PR_SET_CHILD_SUBREAPER`).
pub fn adopt_orphans() {
    // Kernels since 3.4 allow it to every process. Where something else refuses it, the servers' groups are all that can be ended.
    let _ = set_child_subreaper(Some(getpid()));
}

/// Sends a signal to a process, unless it has ended and its id belongs to another one since it was looked at.
pub fn signal(id: i32, seen: &ProcessStat, signal: Signal) {
    // The descriptor is opened before the process is compared, so that it cannot become another one in between.
    let Some(descriptor) = Pid::from_raw(id).and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()) else { return };
    if process(id).is_some_and(|now| now.started_ticks == seen.started_ticks) {
        // It may have ended just now.
        let _ = pidfd_send_signal(descriptor, signal);
    }
}

/// Waits for a process that has ended, if this process has adopted it.
pub fn reap(id: i32, seen: &ProcessStat) {
    let is_ours = |stat: &ProcessStat| stat.parent == own_id() && stat.has_ended();
    if is_ours(seen)
        && let Some(id) = Pid::from_raw(id)
    {
        // Nothing is to be learnt of how it ended.
        let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

fn own_id() -> i32 {
    getpid().as_raw_nonzero().get()
}

/// One process, while it exists.
#[must_use]
pub fn process(id: i32) -> Option<ProcessStat> {
    ProcessStat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// The status of a process: its peak memory.
#[must_use]
pub fn status(id: i32) -> ThreadStatus {
    fs::read_to_string(format!("/proc/{id}/status")).map(|text| ThreadStatus::parse(&text)).unwrap_or_default()
}

/// The switches and the CPUs of each thread of a process, by thread id.
#[must_use]
pub fn threads(id: i32) -> BTreeMap<i32, ThreadStatus> {
    numbered_entries(&format!("/proc/{id}/task"))
        .filter_map(|thread| {
            let text = fs::read_to_string(format!("/proc/{id}/task/{thread}/status")).ok()?;
            Some((thread, ThreadStatus::parse(&text)))
        })
        .collect()
}

/// How many descriptors a process has open; 0 where it may not be seen.
#[must_use]
pub fn descriptors(id: i32) -> u32 {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, |entries| entries.count() as u32)
}

fn all_processes() -> BTreeMap<i32, ProcessStat> {
    numbered_entries("/proc").filter_map(|id| Some((id, process(id)?))).collect()
}

fn numbered_entries(folder: &str) -> impl Iterator<Item = i32> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above the largest id that a process may have, so that there is no such process.
    const LEADER: i32 = 5_000_000;
    const BORN: i32 = LEADER + 1;
    const LATE: i32 = LEADER + 2;
    const OTHER: i32 = LEADER + 3;

    fn stat(parent: i32, group: i32, session: i32) -> ProcessStat {
        ProcessStat {
            state: 'S',
            parent,
            group,
            session,
            user_ticks: 0,
            system_ticks: 0,
            children_user_ticks: 0,
            children_system_ticks: 0,
            threads: 1,
            started_ticks: 7,
            resident_pages: 0,
        }
    }

    fn among(tree: &ProcessTree, all: &BTreeMap<i32, ProcessStat>) -> Vec<i32> {
        tree.members(|members| members.among(all, &|_| false)).into_keys().collect()
    }

    #[test]
    fn a_tree_has_descendants_and_orphans_of_the_group() {
        let all = BTreeMap::from([
            (1, stat(0, 1, 1)),
            (10, stat(1, 1, 1)),
            (20, stat(10, 20, 1)),
            (21, stat(20, 20, 1)),
            (22, stat(21, 22, 22)),
            (23, stat(1, 20, 1)),
            (24, stat(1, 22, 22)),
            (30, stat(10, 1, 1)),
        ]);
        // Of a server that the bench did not start, no more is known.
        assert_eq!(among(&ProcessTree::of(20), &all), [20, 21, 22, 23]);
    }

    #[test]
    fn a_tree_keeps_processes_that_lost_their_parent() {
        let tree = ProcessTree::of_child(LEADER, b"OTUS_TEST_TREE=1".to_vec());
        let bench = own_id();
        let mut all = BTreeMap::from([
            (bench, stat(1, 1, 1)),
            (LEADER, stat(bench, LEADER, 1)),
            (BORN, stat(LEADER, BORN, BORN)),
            (OTHER, stat(bench, OTHER, 1)),
        ]);
        assert_eq!(among(&tree, &all), [LEADER, BORN]);
        // Its parent has ended, and it has started another one that lost its parent before it was seen.
        all.insert(BORN, stat(bench, BORN, BORN));
        all.insert(LATE, stat(bench, LATE, BORN));
        assert_eq!(among(&tree, &all), [LEADER, BORN, LATE]);
        // The same ids, but later processes.
        all.insert(BORN, ProcessStat { started_ticks: 8, ..stat(bench, BORN, 1) });
        all.remove(&LATE);
        assert_eq!(among(&tree, &all), [LEADER]);
        let listens = |id| id == BORN;
        let with_listener = tree.members(|members| members.among(&all, &listens));
        assert_eq!(with_listener.into_keys().collect::<Vec<_>>(), [LEADER, BORN]);
    }

    #[test]
    fn parents_that_form_a_circle_do_not_trap_the_search() {
        let all = BTreeMap::from([(5, stat(6, 5, 5)), (6, stat(5, 6, 6))]);
        assert_eq!(among(&ProcessTree::of(20), &all), [0; 0]);
        assert_eq!(among(&ProcessTree::of_child(20, b"OTUS_TEST_TREE=2".to_vec()), &all), [0; 0]);
    }

    #[test]
    fn a_signal_does_not_meet_a_later_process_of_the_same_id() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let id = child.id().cast_signed();
        let seen = process(id).unwrap();
        signal(id, &ProcessStat { started_ticks: seen.started_ticks + 1, ..seen }, Signal::KILL);
        signal(id, &seen, Signal::TERM);
        // Of the two signals, the second one has ended it.
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    }

    #[test]
    fn this_very_process_can_be_read() {
        let own = std::process::id() as i32;
        let stat = process(own).unwrap();
        assert!(stat.threads >= 1 && stat.resident_pages > 0 && !stat.has_ended());
        assert!(threads(own).contains_key(&own));
        assert!(descriptors(own) >= 3);
        assert!(status(own).peak_resident_kib > 0);
        assert!(ProcessTree::of(own).processes().contains_key(&own));
    }
}
