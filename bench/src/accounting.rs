//! What the kernel accounts in /proc: the texts of its files, read into figures. No file is opened here.
//!
//! The fields are those of proc(5). A text that is not as described there gives `None`, never a wrong figure.

use std::collections::BTreeMap;

use crate::cpus::Cpus;

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The process's state; `Z` is dead and not yet waited for.
    pub state: char,
    /// The process that started it.
    pub parent: i32,
    /// The process group.
    pub group: i32,
    /// The session.
    pub session: i32,
    /// User time of all its threads, exited ones too, in clock ticks.
    pub user_ticks: u64,
    /// System time, likewise.
    pub system_ticks: u64,
    /// User time of children that it has waited for, and of theirs, in clock ticks.
    pub children_user_ticks: u64,
    /// System time, likewise.
    pub children_system_ticks: u64,
    /// Threads now.
    pub threads: u32,
    /// When it started, in clock ticks since the machine did. With the id it tells a process from a later one of the same id.
    pub started_ticks: u64,
    /// Resident memory in pages.
    pub resident_pages: u64,
}

impl ProcessStat {
    /// Reads the line of `/proc/<pid>/stat`.
    ///
    /// The second field is the program's name in parentheses; it may itself hold spaces and parentheses, so
    /// the fields are counted from the last closing one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // proc(5) numbers the fields from 1 and the state is the third.
        let field = |number: usize| fields.get(number - 3).copied();
        let count = |number: usize| field(number)?.parse::<u64>().ok();
        Some(Self {
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            user_ticks: count(14)?,
            system_ticks: count(15)?,
            children_user_ticks: count(16)?,
            children_system_ticks: count(17)?,
            threads: count(20)?.try_into().ok()?,
            started_ticks: count(22)?,
            resident_pages: count(24)?,
        })
    }

    /// Has the process ended, waited for or not?
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The fields of `/proc/<pid>/status`, or of one thread's, that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadStatus {
    /// Times the thread gave its CPU up.
    pub voluntary_switches: u64,
    /// Times its CPU was taken from it.
    pub involuntary_switches: u64,
    /// The most resident memory that the process had, in KiB (`VmHWM`).
    pub peak_resident_kib: u64,
    /// The CPUs that the thread may use; none where the kernel does not tell.
    pub cpus: Option<Cpus>,
}

impl ThreadStatus {
    /// Reads the lines of a `status` file. A line that is missing counts 0: a kernel thread has no memory.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let figure = || value.split_ascii_whitespace().next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            match name {
                "voluntary_ctxt_switches" => status.voluntary_switches = figure(),
                "nonvoluntary_ctxt_switches" => status.involuntary_switches = figure(),
                "VmHWM" => status.peak_resident_kib = figure(),
                "Cpus_allowed_list" => status.cpus = value.parse().ok(),
                _ => {}
            }
        }
        status
    }
}

/// What a CPU did since the machine started, in clock ticks, from its line of `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTicks {
    /// In processes: user, nice and system. Virtual machines on it are in the time of the processes that run them.
    pub processes: u64,
    /// Idle, whether or not a process waited for a disk meanwhile.
    pub idle: u64,
    /// In interrupts, hard and soft ones.
    pub interrupts: u64,
    /// Taken by the hypervisor for other virtual machines.
    pub stolen: u64,
}

impl CpuTicks {
    /// Reads the text of `/proc/stat`: the ticks of each CPU by its number.
    #[must_use]
    pub fn parse(text: &str) -> BTreeMap<usize, Self> {
        text.lines().take_while(|line| line.starts_with("cpu")).filter_map(Self::of_line).collect()
    }

    fn of_line(line: &str) -> Option<(usize, Self)> {
        let (number, figures) = line.strip_prefix("cpu")?.split_once(' ')?;
        let ticks: Vec<u64> = figures.split_ascii_whitespace().map_while(|figure| figure.parse().ok()).collect();
        let [user, nice, system, idle, waiting, hard, soft, stolen, ..] = ticks[..] else { return None };
        // The first line sums up all CPUs and has no number.
        let number = number.parse().ok()?;
        let (processes, idle, interrupts) = (user + nice + system, idle + waiting, hard + soft);
        Some((number, Self { processes, idle, interrupts, stolen }))
    }
}

/// A value of a file of `name : value` or `name: value` lines, as /proc/cpuinfo and /proc/meminfo are.
#[must_use]
pub fn named_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a (strange) name) S 17 4242 4243 0 -1 4194304 1500 20 0 0 \
        250 130 7 3 20 0 101 0 8812345 275251200 1534 18446744073709551615 1 1 0 0 0 0 0 4096 17642 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn reads_a_process_whose_name_has_parentheses_and_spaces() {
        let stat = ProcessStat::parse(STAT).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.threads), ('S', 17, 4242, 101));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.resident_pages), (250, 130, 1534));
        assert_eq!((stat.children_user_ticks, stat.children_system_ticks), (7, 3));
        assert_eq!((stat.session, stat.started_ticks), (4243, 8_812_345));
        assert!(!stat.has_ended());
        assert!(ProcessStat::parse(&STAT.replace(") S", ") Z")).unwrap().has_ended());
    }

    #[test]
    fn a_broken_process_line_gives_nothing() {
        for text in ["", "4242", "4242 (name) S 17", &STAT.replace(" 250 ", " many ")] {
            assert_eq!(ProcessStat::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_switches_and_peak_memory() {
        let text = "Name:\tepoll\nVmPeak:\t   99999 kB\nVmHWM:\t    6136 kB\nThreads:\t5\n\
            Cpus_allowed:\t5\nCpus_allowed_list:\t0,2\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        let expected = ThreadStatus {
            voluntary_switches: 150,
            involuntary_switches: 545,
            peak_resident_kib: 6136,
            cpus: Some([0, 2].into_iter().collect()),
        };
        assert_eq!(ThreadStatus::parse(text), expected);
        assert_eq!(ThreadStatus::parse("Name:\tkthreadd\n"), ThreadStatus::default());
    }

    #[test]
    fn reads_what_each_cpu_did() {
        let text = "cpu  30 3 30 300 30 3 3 60 0 0\ncpu0 10 1 10 100 10 1 1 20 0 0\ncpu1 20 2 20 200 20 2 2 40 5 0\n\
            cpu2 1 x 3\nintr 5\ncpu9 1 1 1 1 1 1 1 1\n";
        let first = CpuTicks { processes: 21, idle: 110, interrupts: 2, stolen: 20 };
        let second = CpuTicks { processes: 42, idle: 220, interrupts: 4, stolen: 40 };
        assert_eq!(CpuTicks::parse(text), BTreeMap::from([(0, first), (1, second)]));
        assert!(CpuTicks::parse("").is_empty());
    }

    #[test]
    fn finds_a_named_value() {
        assert_eq!(named_value("MemTotal:  8000 kB\nMemFree: 1 kB\n", "MemTotal"), Some("8000 kB"));
        assert_eq!(named_value("model name\t: A processor : new\n", "model name"), Some("A processor : new"));
        assert_eq!(named_value("", "MemTotal"), None);
    }
}
