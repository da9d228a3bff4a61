//! What processes other than the server and the bench took of the CPUs: a compiler at work in the next window is noise that
//! no steal time shows.

use std::fs;

use reports::sample::Others;
use rustix::param::clock_ticks_per_second;

use crate::accounting::process_ticks;
use crate::cpus::{Cpus, Division};
use crate::process_tree;

/// CPU time since the machine started, in seconds; not a number where the kernel does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTimes {
    /// Of all processes on the server's CPUs, or on both sets where they overlap.
    pub on_server_cpus: f64,
    /// Of all processes on the client's CPUs, or on both sets where they overlap.
    pub on_client_cpus: f64,
    /// Of this very process, the bench with the load generator in it.
    pub own: f64,
}

impl CpuTimes {
    /// The times now.
    #[must_use]
    pub fn now(division: &Division) -> Self {
        let seconds = |ticks: u64| ticks as f64 / clock_ticks_per_second() as f64;
        let ticks = fs::read_to_string("/proc/stat").map(|text| process_ticks(&text)).unwrap_or_default();
        let on = |cpus: &Cpus| {
            let known: Option<Vec<u64>> = cpus.iter().map(|cpu| ticks.get(&cpu).copied()).collect();
            known.map_or(f64::NAN, |known| seconds(known.iter().sum()))
        };
        let (server, client) = if division.shared() {
            let both: Cpus = division.server.iter().chain(division.client.iter()).collect();
            (on(&both), on(&both))
        } else {
            (on(&division.server), on(&division.client))
        };
        let own = process_tree::process(std::process::id().cast_signed())
            .map_or(f64::NAN, |stat| seconds(stat.user_ticks + stat.system_ticks));
        Self { on_server_cpus: server, on_client_cpus: client, own }
    }
}

/// What others took, given what was used in the same time in all, and by the server; `None` where that is not known.
#[must_use]
pub fn others(used: CpuTimes, server: f64, shared: bool) -> Option<Others> {
    let (with_server, with_client) = if shared { (server + used.own, server + used.own) } else { (server, used.own) };
    // The figures are sampled or rounded by the kernel, each in its own way: less than nothing is nothing.
    let rest = |all: f64, ours: f64| (all - ours).is_finite().then(|| (all - ours).max(0.0));
    Some(Others {
        on_server_cpus_seconds: rest(used.on_server_cpus, with_server)?,
        on_client_cpus_seconds: rest(used.on_client_cpus, with_client)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_the_servers_nor_ours_is_others() {
        let used = CpuTimes { on_server_cpus: 5.0, on_client_cpus: 3.0, own: 2.75 };
        let apart = Others { on_server_cpus_seconds: 1.0, on_client_cpus_seconds: 0.25 };
        assert_eq!(others(used, 4.0, false), Some(apart));
        let one_cpu = CpuTimes { on_server_cpus: 8.0, on_client_cpus: 8.0, own: 2.0 };
        let together = Others { on_server_cpus_seconds: 2.0, on_client_cpus_seconds: 2.0 };
        assert_eq!(others(one_cpu, 4.0, true), Some(together));
        assert_eq!(others(used, 6.0, false).unwrap().on_server_cpus_seconds, 0.0);
        assert_eq!(others(CpuTimes { on_server_cpus: f64::NAN, ..used }, 4.0, false), None);
    }

    #[test]
    fn this_machine_tells_of_its_cpus() {
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let before = CpuTimes::now(&division);
        let begin = std::time::Instant::now();
        while begin.elapsed() < std::time::Duration::from_millis(300) {}
        let after = CpuTimes::now(&division);
        assert!(after.own > before.own, "{before:?} {after:?}");
        assert!(after.on_server_cpus >= before.on_server_cpus && after.on_client_cpus >= before.on_client_cpus);
        assert!(after.on_server_cpus + after.on_client_cpus > before.on_server_cpus + before.on_client_cpus);
        let absent = Division { server: "1023".parse().unwrap(), client: division.client };
        assert!(CpuTimes::now(&absent).on_server_cpus.is_nan());
    }
}
