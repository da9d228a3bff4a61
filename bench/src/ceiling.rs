//! The generator's own ceiling: what it reaches against a server that does nothing, on the same CPUs and with the same
//! connections as the run. No server can be seen to be faster than that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loadgen::null_server::NullServer;
use reports::environment::GeneratorCeiling;

use crate::cpus::Division;

/// Load that is not measured.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long is measured.
const DURATION: Duration = Duration::from_millis(1200);

/// How long the measuring takes, the rest included.
pub const TIME: Duration = Duration::from_millis(1600);

/// Measures the ceiling; `None` when that was not possible, which a report then lacks and says so.
#[must_use]
pub fn measure(
    connections: u32,
    threads: u32,
    port: u16,
    division: &Division,
    interrupted: &AtomicBool,
) -> Option<GeneratorCeiling> {
    let server = NullServer::bind(port, division.server.len()).ok()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            // Unbound, it would take the client's time and show too low a ceiling, so rather none at all.
            division.server.bind_this_thread().ok()?;
            server.serve(&stop).ok()
        });
        let mut plan = loadgen::Plan::new(format!("http://127.0.0.1:{port}/"));
        plan.connections = connections as usize;
        plan.threads = threads as usize;
        plan.warmup_ms = WARM_UP.as_millis() as u64;
        plan.duration_ms = DURATION.as_millis() as u64;
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

    #[test]
    fn the_null_server_answers_and_ends() {
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let port = crate::ports::Ports::new(u64::from(std::process::id())).next_free().unwrap();
        let ceiling = measure(5, 1, port, &division, &AtomicBool::new(false)).unwrap();
        assert!(ceiling.requests_per_second > 100.0 && ceiling.requests_per_cpu_second > 100.0, "{ceiling:?}");
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "the null server still listens");
    }

    #[test]
    fn a_taken_port_gives_no_ceiling() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
        let port = taken.local_addr().unwrap().port();
        assert_eq!(measure(5, 1, port, &division, &AtomicBool::new(false)), None);
    }
}
