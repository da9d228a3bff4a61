//! What /proc tells about a running server.

use std::fs;

/// A process under observation, by its identifier.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    id: u32,
}

impl Process {
    /// The process with this identifier.
    pub fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its open descriptors.
    #[track_caller]
    pub fn descriptors(self) -> usize {
        self.count("fd")
    }

    /// Its threads.
    #[track_caller]
    pub fn threads(self) -> usize {
        self.count("task")
    }

    /// The CPU time it used so far, user and system, in clock ticks (of 10 ms on every Linux that the servers run on).
    #[track_caller]
    pub fn cpu_ticks(self) -> u64 {
        let path = format!("/proc/{}/stat", self.id);
        let stat = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // The name in parentheses may hold spaces; user and system time are the 14th and 15th fields of the line, the 12th
        // and 13th after the name.
        let (_, fields) = stat.rsplit_once(')').expect("a stat line has the name in parentheses");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        fields[11..=12].iter().map(|field| field.parse::<u64>().expect("ticks are a number")).sum()
    }

    /// The memory of its own that is in RAM (the resident set), in bytes. What the kernel holds for its sockets is not
    /// in it.
    #[track_caller]
    pub fn resident_bytes(self) -> u64 {
        let path = format!("/proc/{}/status", self.id);
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process that runs has memory");
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
        kibibytes * 1024
    }

    #[track_caller]
    fn count(self, directory: &str) -> usize {
        let path = format!("/proc/{}/{directory}", self.id);
        fs::read_dir(&path).unwrap_or_else(|error| panic!("{path}: {error}")).count()
    }
}
