//! What the machine tells about CPU time.

use std::collections::BTreeMap;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// What the calling thread has used of the CPUs since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThreadCpu {
    /// CPU time in nanoseconds, from the thread's own clock.
    total_ns: u64,
    /// Ticks that found the thread in the program and in the kernel.
    user_ticks: u64,
    system_ticks: u64,
    waited_ns: u64,
}

/// What a thread used of the CPUs in some time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) total_ns: u64,
    /// The part of the total in the program, as the kernel's ticks divide it.
    pub(crate) user_ns: u64,
    /// The rest of the total.
    pub(crate) system_ns: u64,
    /// Time that is not in the total: the thread was ready to run and another one had the CPU.
    pub(crate) waited_ns: u64,
}

impl ThreadCpu {
    /// Reads the clock, the ticks and the scheduler's figures. What the kernel does not tell is 0.
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        let (user_ticks, system_ticks) = parse_thread_stat(&stat).unwrap_or_default();
        let scheduler = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let waited_ns = scheduler.split_ascii_whitespace().nth(1).and_then(|figure| figure.parse().ok());
        Self { total_ns: thread_cpu_ns(), user_ticks, system_ticks, waited_ns: waited_ns.unwrap_or(0) }
    }

    /// What was used since `earlier`. The ticks, which are coarse, decide how the exact sum is divided.
    pub(crate) fn since(&self, earlier: &Self) -> CpuTime {
        let total_ns = self.total_ns.saturating_sub(earlier.total_ns);
        let user = self.user_ticks.saturating_sub(earlier.user_ticks);
        let system = self.system_ticks.saturating_sub(earlier.system_ticks);
        let user_ns = match user + system {
            0 => 0,
            ticks => (u128::from(total_ns) * u128::from(user) / u128::from(ticks)) as u64,
        };
        let waited_ns = self.waited_ns.saturating_sub(earlier.waited_ns);
        CpuTime { total_ns, user_ns, system_ns: total_ns - user_ns, waited_ns }
    }
}

/// The CPU time of the calling thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The most memory that this process ever had in RAM, in bytes; `None` where the kernel does not tell.
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    parse_peak(&fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM` of `proc_pid_status(5)`, which is in units of 1024 bytes.
fn parse_peak(status: &str) -> Option<u64> {
    let figure = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    figure.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Fields 14 and 15 of the thread's line. Its name, in parentheses, may hold spaces and parentheses.
fn parse_thread_stat(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user = fields.nth(11)?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some((user, system))
}

/// The time stolen from each CPU since the machine started, in nanoseconds; `None` where the kernel does not tell.
pub(crate) fn steal_ns() -> Option<BTreeMap<usize, u64>> {
    let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let steal = parse_steal(&stat)?;
    Some(steal.into_iter().map(|(cpu, ticks)| (cpu, ticks * tick_ns)).collect())
}

/// The eighth figure of each CPU's line, in ticks.
fn parse_steal(stat: &str) -> Option<BTreeMap<usize, u64>> {
    let mut steal = BTreeMap::new();
    for line in stat.lines() {
        let mut fields = line.split_ascii_whitespace();
        let Some(cpu) = fields.next().and_then(|name| name.strip_prefix("cpu")) else {
            break;
        };
        // The first line is the sum of all.
        if !cpu.is_empty() {
            steal.insert(cpu.parse().ok()?, fields.nth(7)?.parse().ok()?);
        }
    }
    (!steal.is_empty()).then_some(steal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a b) c) R 1 2 3 4 5 6 7 8 9 10 1414 1515 16 17";
        assert_eq!(parse_thread_stat(stat), Some((1414, 1515)));
        assert_eq!(parse_thread_stat("7 (a"), None);
    }

    #[test]
    fn steal_is_the_eighth_figure_of_each_cpu() {
        let stat = "cpu  1 1 1 1 1 1 1 9 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu3 1 2 3 4 5 6 7 80 9 10\nintr 1 2\ncpu9 0";
        assert_eq!(parse_steal(stat), Some(BTreeMap::from([(0, 8), (3, 80)])));
        assert_eq!(parse_steal("intr 1"), None);
        assert_eq!(parse_steal("cpu0 1 2 3"), None);
    }

    #[test]
    fn work_is_seen_in_the_threads_own_time() {
        let started = std::time::Instant::now();
        let before = ThreadCpu::now();
        let begin = thread_cpu_ns();
        while thread_cpu_ns() < begin + 5_000_000 {
            std::hint::black_box(started.elapsed());
        }
        let used = ThreadCpu::now().since(&before);
        assert!(used.total_ns >= 5_000_000, "{used:?}");
        assert_eq!(used.user_ns + used.system_ns, used.total_ns);
        let wall = started.elapsed().as_nanos() as u64;
        assert!(used.total_ns + used.waited_ns < wall, "{used:?} in {wall}");
    }

    #[test]
    fn the_peak_of_the_memory_is_one_line_of_many() {
        assert_eq!(parse_peak("Name:\tx\nVmHWM:\t    3712 kB\nVmRSS:\t 1 kB\n"), Some(3712 * 1024));
        assert_eq!(parse_peak("Name:\tx\n"), None);
        assert!(peak_resident_bytes() > Some(100_000));
    }

    #[test]
    fn this_machine_tells_of_its_cpus() {
        assert!(steal_ns().is_some_and(|steal| !steal.is_empty()));
    }
}
