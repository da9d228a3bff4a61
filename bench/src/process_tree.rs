//! The processes of a server: the one that was started, what it started, and so on.

use std::collections::BTreeMap;
use std::fs;

use crate::accounting::{ProcessStat, ThreadStatus};

/// All processes of a server, by their id, with what the kernel says about each.
#[must_use]
pub fn processes(leader: i32) -> BTreeMap<i32, ProcessStat> {
    members(leader, &all_processes())
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

/// The leader, its descendants, and whoever is in its process group: a child whose parent has ended belongs to another
/// parent from then on, but stays in the group.
fn members(leader: i32, all: &BTreeMap<i32, ProcessStat>) -> BTreeMap<i32, ProcessStat> {
    let belongs = |mut id: i32| {
        // A chain of parents ends at process 0; the bound guards against ids that were reused while we read.
        for _ in 0..all.len() {
            let Some(stat) = all.get(&id) else { return false };
            if id == leader || stat.group == leader {
                return true;
            }
            id = stat.parent;
        }
        false
    };
    all.iter().filter(|(id, _)| belongs(**id)).map(|(id, stat)| (*id, *stat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(parent: i32, group: i32) -> ProcessStat {
        ProcessStat {
            state: 'S',
            parent,
            group,
            user_ticks: 0,
            system_ticks: 0,
            children_user_ticks: 0,
            children_system_ticks: 0,
            threads: 1,
            resident_pages: 0,
        }
    }

    #[test]
    fn a_tree_has_descendants_and_orphans_of_the_group() {
        let all = BTreeMap::from([
            (1, stat(0, 1)),
            (10, stat(1, 1)),
            (20, stat(10, 20)),
            (21, stat(20, 20)),
            (22, stat(21, 22)),
            (23, stat(1, 20)),
            (30, stat(10, 1)),
        ]);
        let ids: Vec<i32> = members(20, &all).into_keys().collect();
        assert_eq!(ids, [20, 21, 22, 23]);
    }

    #[test]
    fn parents_that_form_a_circle_do_not_trap_the_search() {
        let all = BTreeMap::from([(5, stat(6, 5)), (6, stat(5, 6))]);
        assert!(members(20, &all).is_empty());
    }

    #[test]
    fn this_very_process_can_be_read() {
        let own = std::process::id() as i32;
        let stat = process(own).unwrap();
        assert!(stat.threads >= 1 && stat.resident_pages > 0 && !stat.has_ended());
        assert!(threads(own).contains_key(&own));
        assert!(descriptors(own) >= 3);
        assert!(status(own).peak_resident_kib > 0);
        assert!(processes(own).contains_key(&own));
    }
}
