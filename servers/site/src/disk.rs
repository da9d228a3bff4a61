use rustix::{
    fs::{FsWord, fstatfs},
    io::Errno,
};
use std::os::fd::AsFd;

/// Whether a file is on no disk at all, but in a file system that lives in memory: reading it waits for nothing, although
/// tmpfs refuses to promise that (`RWF_NOWAIT`, preadv2(2)).
#[must_use]
pub fn is_without_disk(file: impl AsFd) -> bool {
    /// statfs(2), section "File system types".
    const TMPFS_MAGIC: FsWord = 0x0102_1994;
    fstatfs(file).is_ok_and(|system| system.f_type == TMPFS_MAGIC)
}

/// Whether a read that was to fail rather than wait (`RWF_NOWAIT`, preadv2(2)) was refused as such: by the file system,
/// by a kernel that knows neither the call nor the flag, or by a sandbox. So nobody can tell whether it would wait.
#[must_use]
pub fn cannot_tell(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn the_memory_of_the_system_is_no_disk() {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        for (folder, kind) in [("/dev/shm", "tmpfs"), ("/proc", "proc")] {
            let is_mounted = mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq([folder, kind]));
            if is_mounted {
                assert_eq!(is_without_disk(File::open(folder).unwrap()), kind == "tmpfs", "{folder}");
            }
        }
    }
}
