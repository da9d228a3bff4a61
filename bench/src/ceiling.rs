//! The generator's own ceiling: what it reaches against a server that does nothing, on the same CPUs and with the same
//! connections as the run. No server can be seen to be faster than that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loadgen::null_server::NullServer;
use reports::environment::GeneratorCeiling;

use crate::cpus::Division;
use crate::measurement::Measurement;

/// Load that is not measured, at most.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long is measured, at most.
const DURATION: Duration = Duration::from_millis(1200);

/// How long the measuring takes at most, the rest included.
pub const TIME: Duration = Duration::from_millis(1600);

/// The load under which a ceiling is measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    connections: u32,
    threads: u32,
    warm_up: Duration,
    duration: Duration,
}

impl Load {
    /// That of a trial, for no longer than the trial takes.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        Self {
            connections: measurement.workload.connections.get(),
            threads: measurement.workload.threads.get(),
            warm_up: WARM_UP.min(measurement.warm_up),
            duration: DURATION.min(measurement.duration),
        }
    }
}

/// Measures the ceiling; `None` when that was not possible, which a report
/// then lacks and says so.
#[must_use]
pub fn measure(load: Load, port: u16, division: &Division, interrupted: &AtomicBool) -> Option<GeneratorCeiling> {
    let server = NullServer::bind(port, division.server.len()).ok()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            // Unbound, it would take the client's time and show too low a ceiling, so rather none at all.
            division.server.bind_this_thread().ok()?;
            server.serve(&stop).ok()
        });
        let mut plan = loadgen::Plan::new(format!("http://127.0.0.1:{port}/"));
        plan.connections = load.connections as usize;
        plan.threads = load.threads as usize;
        plan.warmup_ms = load.warm_up.as_millis() as u64;
        plan.duration_ms = load.duration.as_millis() as u64;
        plan.cpus = Some(division.client.to_vec());
        let outcome = loadgen::run(&plan, &mut |_: &loadgen::Progress| {}, interrupted);
        stop.store(true, Ordering::Relaxed);
        serving.join().ok()??;
        let outcome = outcome.ok().filter(|outcome| outcome.responses > 0)?;
        let cpu_seconds = outcome.cpu_ns() as f64 / 1e9;
        let requests_per_cpu_second = if cpu_seconds > 0.0 { outcome.responses as f64 / cpu_seconds } else { 0.0 };
        Some(GeneratorCeiling { requests_per_second: outcome.responses_per_second(), requests_per_cpu_second })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::{Ipv4Addr, TcpListener};

    use crate::cpus::Cpus;

    const LOAD: Load =
        Load { connections: 5, threads: 1, warm_up: Duration::from_millis(50), duration: Duration::from_millis(300) };

    #[test]
    fn the_null_server_answers_and_ends() {
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let port = crate::ports::Ports::new(u64::from(std::process::id())).next_free().unwrap();
        let ceiling = measure(LOAD, port, &division, &AtomicBool::new(false)).unwrap();
        assert!(ceiling.requests_per_second > 100.0 && ceiling.requests_per_cpu_second > 100.0, "{ceiling:?}");
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "the null server still listens");
    }

    #[test]
    fn a_taken_port_gives_no_ceiling() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let port = taken.local_addr().unwrap().port();
        assert_eq!(measure(LOAD, port, &division, &AtomicBool::new(false)), None);
    }
}
