//! What processes other than the server and the bench took of the CPUs: a compiler at work in the next window is noise that
//! no steal time shows.

use std::fs;

use reports::environment::InterruptAccounting;
use reports::sample::Others;

use crate::accounting::CpuTicks;
use crate::clocks;
use crate::cpus::{Cpus, Division};
use crate::interrupts;

/// How far the kernel's idle time may be from the truth, as a share of the time.
const IDLE_ERROR: f64 = 0.01;

/// What CPUs did up to a moment, in seconds; only differences mean something. Not a number where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuSet {
    /// The time in which they were not idle and not stolen; without interrupts where the kernel counts these apart.
    pub busy: f64,
    /// What the hypervisor took for other virtual machines.
    pub stolen: f64,
}

/// CPU time up to a moment, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTimes {
    /// The moment.
    pub at: f64,
    /// The server's CPUs, or both sets where they overlap.
    pub on_server_cpus: CpuSet,
    /// The client's CPUs, or both sets where they overlap.
    pub on_client_cpus: CpuSet,
    /// CPU time of this very process, the bench with the load generator in it.
    pub own: f64,
}

impl CpuTimes {
    /// The times now.
    #[must_use]
    pub fn now(division: &Division) -> Self {
        let (at, text) = (clocks::monotonic(), fs::read_to_string("/proc/stat").unwrap_or_default());
        Self::of(&text, at, clocks::own(), division, interrupts::accounting())
    }

    /// From the text of `/proc/stat`, as it was at this moment.
    #[must_use]
    pub fn of(text: &str, at: f64, own: f64, division: &Division, accounting: InterruptAccounting) -> Self {
        let ticks = CpuTicks::parse(text);
        let of_cpus = |cpus: &Cpus| {
            let known: Option<Vec<CpuTicks>> = cpus.iter().map(|cpu| ticks.get(&cpu).copied()).collect();
            let nothing = CpuSet { busy: f64::NAN, stolen: f64::NAN };
            known.map_or(nothing, |known| CpuSet::of(&known, at, accounting))
        };
        let (on_server_cpus, on_client_cpus) = if division.shared() {
            let both: Cpus = division.server.iter().chain(division.client.iter()).collect();
            (of_cpus(&both), of_cpus(&both))
        } else {
            (of_cpus(&division.server), of_cpus(&division.client))
        };
        Self { at, on_server_cpus, on_client_cpus, own }
    }

    /// What was used since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let set =
            |now: CpuSet, before: CpuSet| CpuSet { busy: now.busy - before.busy, stolen: now.stolen - before.stolen };
        Self {
            at: self.at - earlier.at,
            on_server_cpus: set(self.on_server_cpus, earlier.on_server_cpus),
            on_client_cpus: set(self.on_client_cpus, earlier.on_client_cpus),
            own: self.own - earlier.own,
        }
    }
}

impl CpuSet {
    /// Most kernels measure idle time by the clock, and take samples of the rest: so that is what is not idle.
    fn of(cpus: &[CpuTicks], at: f64, accounting: InterruptAccounting) -> Self {
        let seconds =
            |figure: fn(&CpuTicks) -> u64| cpus.iter().map(figure).sum::<u64>() as f64 * clocks::unit_of_proc();
        // Where the accounting is unknown, what is left over is a lower bound.
        let interrupts = match accounting {
            InterruptAccounting::CountedToTasks => 0.0,
            InterruptAccounting::CountedApart | InterruptAccounting::Unknown => seconds(|cpu| cpu.interrupts),
        };
        let stolen = seconds(|cpu| cpu.stolen);
        let busy = at * cpus.len() as f64 - seconds(|cpu| cpu.idle) - stolen - interrupts;
        Self { busy, stolen }
    }
}

/// What others took, given what was used in the same time in all, and by the server; `None` where that is not known.
#[must_use]
pub fn others(used: &CpuTimes, server: f64, division: &Division) -> Option<Others> {
    let is_shared = division.shared();
    let both = || division.server.iter().chain(division.client.iter()).collect::<Cpus>().len();
    let (with_server, with_client) =
        if is_shared { (server + used.own, server + used.own) } else { (server, used.own) };
    let (server_cpus, client_cpus) =
        if is_shared { (both(), both()) } else { (division.server.len(), division.client.len()) };
    let rest = |set: CpuSet, ours: f64, cpus: usize| left_over(set.busy - ours, error(used.at, cpus) + set.stolen);
    Some(Others {
        on_server_cpus_seconds: rest(used.on_server_cpus, with_server, server_cpus)?,
        on_client_cpus_seconds: rest(used.on_client_cpus, with_client, client_cpus)?,
    })
}

/// How far the difference between what CPUs and what processes used may be from the truth, in seconds: the idle time of so
/// many CPUs and interrupts are known in units of /proc, the time of running processes to the last tick.
#[must_use]
pub fn error(seconds: f64, cpus: usize) -> f64 {
    cpus as f64 * (2.0 * clocks::unit_of_proc() + 2.0 * clocks::tick_seconds() + IDLE_ERROR * seconds)
}

/// What is left over for others. A little less than nothing is nothing; more than the clocks explain is no figure.
#[must_use]
pub fn left_over(seconds: f64, error: f64) -> Option<f64> {
    (seconds >= -error).then_some(seconds.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of a server on CPU 0 that spends a third of its time in soft interrupts of the network, beside a process that
    /// takes a fifth of a CPU; CPU 1 is the client's. Linux 6.18 with 100 units a second, interrupts counted to tasks.
    const BEFORE: &str = "cpu  9000 0 2000 50000 300 0 80 500 0 0\n\
        cpu0 5000 0 1200 20000 100 0 50 250 0 0\ncpu1 4000 0 800 30000 200 0 30 250 0 0\nintr 755606 0 0\n";
    const AFTER: &str = "cpu  9085 0 2064 50010 300 0 119 502 0 0\n\
        cpu0 5040 0 1230 20000 100 0 80 250 0 0\ncpu1 4045 0 834 30010 200 0 39 252 0 0\nintr 755999 0 0\n";

    fn division() -> Division {
        Division { server: "0".parse().unwrap(), client: "1".parse().unwrap() }
    }

    fn difference(accounting: InterruptAccounting, own: f64, division: &Division) -> CpuTimes {
        let before = CpuTimes::of(BEFORE, 700.0, 3.0, division, accounting);
        let after = CpuTimes::of(AFTER, 701.0, 3.0 + own, division, accounting);
        after.since(&before)
    }

    fn close(found: Option<Others>, on_server: f64, on_client: f64) {
        let found = found.unwrap();
        assert!((found.on_server_cpus_seconds - on_server).abs() < 1e-6, "{found:?}");
        assert!((found.on_client_cpus_seconds - on_client).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn interrupts_that_are_counted_to_tasks_hide_no_other_process() {
        // The server's own clock has its 0.3 s of interrupts in it.
        let used = difference(InterruptAccounting::CountedToTasks, 0.88, &division());
        close(others(&used, 0.8, &division()), 0.2, 0.0);
    }

    #[test]
    fn interrupts_that_are_counted_apart_are_nobodys() {
        // The server's own clock has no interrupts in it.
        let used = difference(InterruptAccounting::CountedApart, 0.79, &division());
        close(others(&used, 0.5, &division()), 0.2, 0.0);
        // Where the accounting is unknown, what is left over is a lower bound, and less than nothing is not known.
        let used = difference(InterruptAccounting::Unknown, 0.79, &division());
        close(others(&used, 0.5, &division()), 0.2, 0.0);
        assert_eq!(others(&used, 0.8, &division()), None);
    }

    #[test]
    fn more_than_the_clocks_explain_below_nothing_is_not_known() {
        let used = difference(InterruptAccounting::CountedToTasks, 0.88, &division());
        close(others(&used, 1.01, &division()), 0.0, 0.0);
        assert_eq!(others(&used, 1.2, &division()), None);
        assert_eq!(others(&CpuTimes { own: 1.2, ..used }, 0.8, &division()), None);
        assert_eq!(others(&used, f64::NAN, &division()), None);
    }

    #[test]
    fn shared_cpus_are_looked_at_together() {
        let shared = Division { server: "0-1".parse().unwrap(), client: "1".parse().unwrap() };
        let used = difference(InterruptAccounting::CountedToTasks, 0.88, &shared);
        close(others(&used, 0.8, &shared), 0.2, 0.2);
    }

    #[test]
    fn this_machine_tells_of_its_cpus() {
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let before = CpuTimes::now(&division);
        let begin = std::time::Instant::now();
        while begin.elapsed() < std::time::Duration::from_millis(300) {}
        let used = CpuTimes::now(&division).since(&before);
        assert!(used.own > 0.0, "{used:?}");
        assert!(used.on_server_cpus.busy >= -0.05 && used.on_client_cpus.busy >= -0.05, "{used:?}");
        assert!(used.on_server_cpus.busy + used.on_client_cpus.busy > 0.0, "{used:?}");
        let absent = Division { server: "1023".parse().unwrap(), client: division.client };
        assert!(CpuTimes::now(&absent).on_server_cpus.busy.is_nan());
    }
}
