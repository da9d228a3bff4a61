//! What the kernel accounts in /proc: the texts of its files, read into figures. No file is opened here.
//!
//! The fields are those of proc(5). A text that is not as described there gives `None`, never a wrong figure.

use std::collections::BTreeMap;

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The process's state; `Z` is dead and not yet waited for.
    pub state: char,
    /// The process that started it.
    pub parent: i32,
    /// The process group.
    pub group: i32,
    /// User time of all its threads, exited ones too, and of children that it has waited for; in clock ticks.
    pub user_ticks: u64,
    /// System time, likewise.
    pub system_ticks: u64,
    /// Threads now.
    pub threads: u32,
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
            user_ticks: count(14)? + count(16)?,
            system_ticks: count(15)? + count(17)?,
            threads: count(20)?.try_into().ok()?,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStatus {
    /// Times the thread gave its CPU up.
    pub voluntary_switches: u64,
    /// Times its CPU was taken from it.
    pub involuntary_switches: u64,
    /// The most resident memory that the process had, in KiB (`VmHWM`).
    pub peak_resident_kib: u64,
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
                _ => {}
            }
        }
        status
    }
}

/// CPU time of processes on each CPU since the machine started, in clock ticks, from the text of `/proc/stat`: user,
/// nice and system, by the number of the CPU.
///
/// Time in interrupts is left out. Some kernels count it to the process that was interrupted as well, others do not.
#[must_use]
pub fn process_ticks(text: &str) -> BTreeMap<usize, u64> {
    let cpu = |line: &str| {
        let (number, figures) = line.strip_prefix("cpu")?.split_once(' ')?;
        let ticks: Vec<u64> =
            figures.split_ascii_whitespace().take(3).map_while(|figure| figure.parse().ok()).collect();
        // The first line sums up all CPUs and has no number.
        (ticks.len() == 3).then(|| Some((number.parse().ok()?, ticks.iter().sum())))?
    };
    text.lines().take_while(|line| line.starts_with("cpu")).filter_map(cpu).collect()
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

    const STAT: &str = "4242 (a (strange) name) S 17 4242 4242 0 -1 4194304 1500 20 0 0 \
        250 130 7 3 20 0 101 0 8812345 275251200 1534 18446744073709551615 1 1 0 0 0 0 0 4096 17642 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn reads_a_process_whose_name_has_parentheses_and_spaces() {
        let stat = ProcessStat::parse(STAT).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.threads), ('S', 17, 4242, 101));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.resident_pages), (257, 133, 1534));
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
            voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        let expected = ThreadStatus { voluntary_switches: 150, involuntary_switches: 545, peak_resident_kib: 6136 };
        assert_eq!(ThreadStatus::parse(text), expected);
        assert_eq!(ThreadStatus::parse("Name:\tkthreadd\n"), ThreadStatus::default());
    }

    #[test]
    fn reads_what_processes_had_of_each_cpu() {
        let text = "cpu  30 3 30 300 30 3 3 60 0 0\ncpu0 10 1 10 100 10 1 1 20 0 0\ncpu1 20 2 20 200 20 2 2 40 5 0\n\
            cpu2 1 x 3\nintr 5\ncpu9 1 1 1\n";
        assert_eq!(process_ticks(text), BTreeMap::from([(0, 21), (1, 42)]));
        assert!(process_ticks("").is_empty());
    }

    #[test]
    fn finds_a_named_value() {
        assert_eq!(named_value("MemTotal:  8000 kB\nMemFree: 1 kB\n", "MemTotal"), Some("8000 kB"));
        assert_eq!(named_value("model name\t: A processor : new\n", "model name"), Some("A processor : new"));
        assert_eq!(named_value("", "MemTotal"), None);
    }
}
