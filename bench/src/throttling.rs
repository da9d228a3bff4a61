//! Time for which a quota kept the server's control group from its CPUs: a container with half a CPU shows neither steal
//! nor other processes, and yet only half of what the server can do.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows control groups.
const MOUNT: &str = "/sys/fs/cgroup";

/// The control groups that a process is in, those above its own included, for a quota holds for all beneath it.
#[derive(Clone, Debug, Default)]
pub struct Throttling {
    files: Vec<PathBuf>,
}

impl Throttling {
    /// Finds the groups of a process, as far as the kernel shows them.
    #[must_use]
    pub fn of(process: i32) -> Self {
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        Self::found_in(&groups, Path::new(MOUNT))
    }

    /// Reads lines such as `0::/user.slice` (version 2) and `4:cpu,cpuacct:/user.slice` (version 1); cgroups(7).
    fn found_in(groups: &str, mount: &Path) -> Self {
        let mut files = Vec::new();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
            let top = match controllers {
                "" => mount.to_path_buf(),
                _ if controllers.split(',').any(|controller| controller == "cpu") => mount.join(controllers),
                _ => continue,
            };
            let own = top.join(group.trim_start_matches('/'));
            let all = own.ancestors().take_while(|folder| folder.starts_with(&top));
            files.extend(all.map(|folder| folder.join("cpu.stat")).filter(|file| throttled_seconds(file).is_some()));
        }
        Self { files }
    }

    /// CPU time that the quotas of all these groups have kept back so far, in seconds; not a number where the kernel does
    /// not tell.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        if self.files.is_empty() {
            return f64::NAN;
        }
        self.files.iter().map(|file| throttled_seconds(file).unwrap_or(f64::NAN)).sum()
    }
}

/// What one `cpu.stat` says: microseconds in version 2, nanoseconds in version 1. A group without a quota of its own says 0
/// or nothing.
fn throttled_seconds(file: &Path) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (name, figure) = line.split_once(' ')?;
        let parts_of_a_second = match name {
            "throttled_usec" => 1e6,
            "throttled_time" => 1e9,
            _ => return None,
        };
        Some(figure.trim().parse::<f64>().ok()? / parts_of_a_second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mount: &Path, group: &str, text: &str) {
        let folder = mount.join(group);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cpu.stat"), text).unwrap();
    }

    #[test]
    fn a_quota_holds_for_the_groups_beneath_it() {
        let mount = tempfile::tempdir().unwrap();
        // The group at the top has no quota, and says nothing of it.
        write(mount.path(), "", "usage_usec 99\n");
        write(mount.path(), "job", "usage_usec 9\nnr_periods 30\nnr_throttled 20\nthrottled_usec 1500000\n");
        write(mount.path(), "job/server", "nr_throttled 0\nthrottled_usec 0\n");
        write(mount.path(), "other", "throttled_usec 7000000\n");
        let throttling = Throttling::found_in("0::/job/server\n", mount.path());
        assert_eq!((throttling.files.len(), throttling.seconds()), (2, 1.5));
        write(mount.path(), "job/server", "throttled_usec 250000\n");
        assert_eq!(throttling.seconds(), 1.75);
        fs::remove_dir_all(mount.path().join("job/server")).unwrap();
        assert!(throttling.seconds().is_nan(), "a group that is gone tells nothing any more");
    }

    #[test]
    fn the_first_version_has_a_hierarchy_for_each_controller() {
        let mount = tempfile::tempdir().unwrap();
        write(mount.path(), "cpu,cpuacct/job", "nr_throttled 2\nthrottled_time 300000000\n");
        let groups = "9:name=systemd:/\n4:cpuset:/job\n2:cpu,cpuacct:/job\n0::/\n";
        assert_eq!(Throttling::found_in(groups, mount.path()).seconds(), 0.3);
    }

    #[test]
    fn where_the_kernel_tells_nothing_it_is_not_known() {
        let mount = tempfile::tempdir().unwrap();
        for groups in ["", "0::/absent\n", "nonsense", "1:cpu"] {
            assert!(Throttling::found_in(groups, mount.path()).seconds().is_nan(), "{groups:?}");
        }
        write(mount.path(), "odd", "throttled_usec many\n");
        assert!(Throttling::found_in("0::/odd", mount.path()).seconds().is_nan());
        assert!(Throttling::of(-1).seconds().is_nan());
        let mine = Throttling::of(std::process::id().cast_signed()).seconds();
        assert!(mine.is_nan() || mine >= 0.0, "{mine}");
    }
}
