use rustix::fs::Stat;
use std::time::{Duration, SystemTime};

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    pub(crate) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between architectures")]
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            length: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// What tells this state of the file from all others of the name, in some 30 characters: which file it is and when anything
    /// about it changed last, which nobody can set (inode(7)), unlike the time of its modification.
    pub(crate) fn version(&self) -> String {
        let (seconds, nanoseconds) = self.changed;
        // Of one length for all files but the rarest.
        format!("{:012x}-{seconds:09x}{nanoseconds:08x}", self.inode)
    }

    pub(crate) fn modified(&self) -> SystemTime {
        time(self.modified)
    }

    /// Whether a file that was read at `read` may have changed after that without a trace in its times: the clock of
    /// file systems ticks every few milliseconds (two seconds on FAT), and a second change within a tick is not seen.
    pub(crate) fn is_too_fresh(&self, read: SystemTime) -> bool {
        const COARSEST_TICK: Duration = Duration::from_secs(2);
        time(self.changed).checked_add(COARSEST_TICK).is_none_or(|settled| settled > read)
    }
}

fn time((seconds, nanoseconds): (i64, i64)) -> SystemTime {
    let nanoseconds = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
    let seconds_away = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds_away)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds_away)
    };
    whole.and_then(|whole| whole.checked_add(nanoseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_at_the_ends_of_their_range_are_times() {
        for seconds in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
            let mut stat = rustix::fs::stat("/").unwrap();
            stat.st_ctime = seconds as _;
            stat.st_mtime = seconds as _;
            stat.st_mtime_nsec = 999_999_999;
            stat.st_ctime_nsec = 999_999_999;
            let stamp = Stamp::of(&stat);
            let _ = stamp.modified();
            assert_eq!(stamp.is_too_fresh(SystemTime::now()), seconds > 0, "{seconds}");
        }
    }
}
