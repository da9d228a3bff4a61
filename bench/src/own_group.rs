//! A control group that a server has for itself, by which the kernel counts all CPU time of its processes in nanoseconds or
//! microseconds: of those that ended and were waited for, too, which their clocks cannot tell any more.
//!
//! The group is made beneath the one that the server is in, and has no controller, so that quotas and weights stay what they
//! were. Where none may be made, process clocks take its place.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use reports::sample::CpuSource;

/// How the groups of all benches are called.
const PREFIX: &str = "otus-bench-";

/// CPU time of a group, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// In all.
    pub total: f64,
    /// In the program, as the kernel divides the sum by its ticks.
    pub user: f64,
    /// In the kernel, likewise.
    pub system: f64,
}

/// A group of one server. Dropping it removes it, once its processes have ended.
#[derive(Debug)]
pub struct OwnGroup {
    folder: PathBuf,
    source: CpuSource,
}

impl OwnGroup {
    /// Makes a group beneath the one that this process is in, and puts the process into it; `None` where that is not allowed.
    #[must_use]
    pub fn of(process: i32) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
        hierarchies(&mounts, &groups).into_iter().find_map(|(parent, source)| {
            remove_left_over(&parent);
            let group = Self { folder: parent.join(format!("{PREFIX}{}-{process}", std::process::id())), source };
            fs::create_dir(&group.folder).ok()?;
            // A folder that is no group has no usage; one with a controller would change how the server is treated.
            let controllers = fs::read_to_string(group.folder.join("cgroup.controllers")).unwrap_or_default();
            let is_usable = controllers.trim().is_empty() && group.reader().usage().is_some() && group.adopt(process);
            is_usable.then_some(group)
        })
    }

    /// Puts a process into the group; its children will be born there.
    fn adopt(&self, process: i32) -> bool {
        fs::write(self.folder.join("cgroup.procs"), process.to_string()).is_ok()
    }

    /// The processes that are in the group.
    pub fn processes(&self) -> impl Iterator<Item = i32> + use<> {
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect::<Vec<i32>>().into_iter()
    }

    /// Kills all processes of the group at once, where the kernel can do that: version 2 of control groups since Linux 5.14.
    pub fn kill(&self) {
        // Elsewhere there is no such file, and none must be made.
        if let Ok(mut file) = fs::OpenOptions::new().write(true).open(self.folder.join("cgroup.kill")) {
            let _ = file.write_all(b"1");
        }
    }

    /// What reads its usage while the server runs.
    #[must_use]
    pub fn reader(&self) -> GroupReader {
        GroupReader { folder: self.folder.clone(), source: self.source }
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        // Processes that were killed a moment ago may still be in it.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Reads the usage of a group.
#[derive(Clone, Debug)]
pub struct GroupReader {
    folder: PathBuf,
    source: CpuSource,
}

impl GroupReader {
    /// The clock that this is.
    #[must_use]
    pub fn source(&self) -> CpuSource {
        self.source
    }

    /// What the processes of the group have used since it was made.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self.source {
            CpuSource::CgroupV2 => {
                let text = fs::read_to_string(self.folder.join("cpu.stat")).ok()?;
                let seconds = |name: &str| {
                    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
                    Some(line.trim().parse::<f64>().ok()? / 1e6)
                };
                Some(Usage {
                    total: seconds("usage_usec")?,
                    user: seconds("user_usec")?,
                    system: seconds("system_usec")?,
                })
            }
            _ => {
                let seconds = |name: &str| {
                    let text = fs::read_to_string(self.folder.join(name)).ok()?;
                    Some(text.trim().parse::<f64>().ok()? / 1e9)
                };
                Some(Usage {
                    total: seconds("cpuacct.usage")?,
                    user: seconds("cpuacct.usage_user")?,
                    system: seconds("cpuacct.usage_sys")?,
                })
            }
        }
    }

    /// Puts those processes into the group that are not in it. Returns whether all of them were.
    pub fn gather(&self, processes: &[i32]) -> bool {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let mut were_in = true;
        for process in processes {
            let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
            let is_in = groups.split(['/', '\n']).any(|part| part == name);
            // One that has just ended is in no group, and needs none.
            if !is_in && !groups.is_empty() {
                were_in = false;
                let _ = fs::write(self.folder.join("cgroup.procs"), process.to_string());
            }
        }
        were_in
    }
}

/// The folders in which a group may be made, and what its usage is called there: version 2, and version 1 where it does
/// nothing but count.
fn hierarchies(mounts: &str, groups: &str) -> Vec<(PathBuf, CpuSource)> {
    let mount = |kind: &str, is_it: &dyn Fn(&[&str]) -> bool| {
        mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, place, of_kind, options, ..] = fields[..] else { return None };
            (of_kind == kind && is_it(&options.split(',').collect::<Vec<_>>())).then(|| PathBuf::from(place))
        })
    };
    let group = |is_it: &dyn Fn(&str) -> bool| {
        let fields = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        // A group outside of what this process may see begins with dots.
        fields.into_iter().find(|(controllers, path)| is_it(controllers) && !path.contains("..")).map(|(_, path)| path)
    };
    let place = |mount: Option<PathBuf>, group: Option<&str>| Some(mount?.join(group?.trim_start_matches('/')));
    let second = place(mount("cgroup2", &|_| true), group(&str::is_empty));
    let counts_only = |options: &[&str]| options.contains(&"cpuacct") && !options.contains(&"cpu");
    let first = place(mount("cgroup", &counts_only), group(&|controllers| controllers == "cpuacct"));
    let second = second.map(|folder| (folder, CpuSource::CgroupV2));
    second.into_iter().chain(first.map(|folder| (folder, CpuSource::CgroupV1))).collect()
}

/// Removes groups that a bench left behind when it was killed. One that is still in use cannot be removed.
fn remove_left_over(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let bench = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<i32>().ok());
        if bench.is_some_and(|bench| crate::process_tree::process(bench).is_none()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn both_versions_are_found_where_they_are_mounted() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/cpuacct cgroup rw,relatime,cpuacct 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        let groups = "2:cpuacct:/job\n1:cpu:/\n0::/user.slice/a:b\n";
        let expected = [
            (PathBuf::from("/sys/fs/cgroup/unified/user.slice/a:b"), CpuSource::CgroupV2),
            (PathBuf::from("/sys/fs/cgroup/cpuacct/job"), CpuSource::CgroupV1),
        ];
        assert_eq!(hierarchies(mounts, groups), expected);
        // A group that is a group of the scheduler, too, would change what is measured.
        let together = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n";
        assert_eq!(hierarchies(together, "3:cpu,cpuacct:/job\n"), []);
        assert_eq!(hierarchies(mounts, "0::/../elsewhere\n"), []);
        assert_eq!(hierarchies("", groups), []);
    }

    #[test]
    fn both_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let reader = |source| GroupReader { folder: folder.path().to_path_buf(), source };
        assert_eq!(reader(CpuSource::CgroupV2).usage(), None);
        write("cpu.stat", "usage_usec 1500000\nuser_usec 500000\nsystem_usec 1000000\nnice_usec 0\n");
        assert_eq!(reader(CpuSource::CgroupV2).usage(), Some(Usage { total: 1.5, user: 0.5, system: 1.0 }));
        write("cpuacct.usage", "2000000000\n");
        write("cpuacct.usage_user", "500000000\n");
        write("cpuacct.usage_sys", "1500000000\n");
        assert_eq!(reader(CpuSource::CgroupV1).usage(), Some(Usage { total: 2.0, user: 0.5, system: 1.5 }));
    }

    #[test]
    fn a_group_knows_what_children_used_that_are_gone() {
        // Not before it is told to, for it takes a while until it is in its group.
        let words =
            "read word; for i in 1 2 3; do sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'; done; sleep 60";
        let mut child = Command::new("sh").args(["-c", words]).stdin(Stdio::piped()).spawn().unwrap();
        let id = child.id().cast_signed();
        if let Some(group) = OwnGroup::of(id) {
            child.stdin.take().unwrap().write_all(b"begin\n").unwrap();
            // In ticks, to which the clock of the process adds nothing.
            let waited_for = || crate::process_tree::process(id).map_or(0, |stat| stat.children_user_ticks);
            let begin = std::time::Instant::now();
            while waited_for() < 2 && begin.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(5));
            }
            let used = group.reader().usage().unwrap();
            assert!(used.total > 0.0 && (used.user + used.system - used.total).abs() < 0.02, "{used:?}");
            assert!(group.reader().gather(&[id]));
            let folder = group.folder.clone();
            child.kill().unwrap();
            child.wait().unwrap();
            drop(group);
            assert!(
                !folder.exists() || fs::read_to_string(folder.join("cgroup.procs")).is_ok_and(|ids| !ids.is_empty())
            );
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
