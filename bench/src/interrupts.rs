//! Whether the kernel counts the time of interrupts to the process that was interrupted. The network of the loopback device is
//! such an interrupt, of the soft kind: up to a third of what a server costs.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use reports::environment::InterruptAccounting;
use rustix::thread::sched_getcpu;

use crate::accounting::CpuTicks;
use crate::clocks;
use crate::cpus::Cpus;

/// How much CPU time is spent on sending packets for one look, ...
const BURN: Duration = Duration::from_millis(200);
/// ... and how long that may take where others have the CPU, too.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many looks are taken until one tells.
const LOOKS: u32 = 3;
/// A thread that had less of its CPU shows nothing, in seconds: stolen time is known in units of 10 ms.
const ENOUGH: f64 = 0.05;
/// The share of the time that interrupts must have for a look to tell something.
const ENOUGH_INTERRUPTS: f64 = 0.08;
/// The share of the time up to which what a thread's clock leaves out is within its error, ...
const NOTHING_MISSING: f64 = 0.06;
/// ... and from which on it is not.
const MUCH_MISSING: f64 = 0.12;

/// How this kernel does it; found out once.
#[must_use]
pub fn accounting() -> InterruptAccounting {
    static FOUND: OnceLock<InterruptAccounting> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // A thread of its own, because it is bound to one CPU.
        let burnt = thread::spawn(|| (0..LOOKS).find_map(|_| Burn::take()?.verdict())).join();
        burnt.ok().flatten().or_else(configured).unwrap_or(InterruptAccounting::Unknown)
    })
}

/// What a thread and its CPU did while the thread sent packets to itself without ever waiting, in seconds.
#[derive(Clone, Copy, Debug)]
struct Burn {
    wall: f64,
    /// By the thread's own clock.
    used: f64,
    /// The thread was ready, and another one had the CPU.
    waited: f64,
    /// By the CPU's line of `/proc/stat`.
    stolen: f64,
    interrupts: f64,
}

impl Burn {
    fn take() -> Option<Self> {
        let cpu = sched_getcpu();
        [cpu].into_iter().collect::<Cpus>().bind_this_thread().ok()?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        socket.connect(socket.local_addr().ok()?).ok()?;
        socket.set_nonblocking(true).ok()?;
        let mut bytes = [0; 64];
        let before = Moment::now(cpu)?;
        let is_enough = || clocks::of_this_thread() >= before.used + BURN.as_secs_f64();
        let is_late = || clocks::monotonic() >= before.at + PATIENCE.as_secs_f64();
        while !is_enough() && !is_late() {
            for _ in 0..16 {
                // What is lost is lost: only the work counts.
                let _ = (socket.send(&bytes), socket.recv(&mut bytes));
            }
        }
        let after = Moment::now(cpu)?;
        let ticks = |figure: fn(&CpuTicks) -> u64| {
            figure(&after.cpu).saturating_sub(figure(&before.cpu)) as f64 * clocks::unit_of_proc()
        };
        Some(Self {
            wall: after.at - before.at,
            used: after.used - before.used,
            waited: after.waited - before.waited,
            stolen: ticks(|cpu| cpu.stolen),
            interrupts: ticks(|cpu| cpu.interrupts),
        })
    }

    /// What the burn shows; nothing where noise hides it.
    fn verdict(&self) -> Option<InterruptAccounting> {
        let had = self.wall - self.waited - self.stolen;
        let missing = (had - self.used) / had;
        // Those of others who had the CPU meanwhile are in it, too.
        let interrupts = self.interrupts / had;
        let is_quiet = had > ENOUGH && self.stolen < 0.1 * had && interrupts > ENOUGH_INTERRUPTS;
        if is_quiet && missing.abs() < NOTHING_MISSING {
            Some(InterruptAccounting::CountedToTasks)
        } else if is_quiet && missing > MUCH_MISSING && interrupts > 0.5 * missing {
            // The interrupts explain what is missing.
            Some(InterruptAccounting::CountedApart)
        } else {
            None
        }
    }
}

struct Moment {
    at: f64,
    used: f64,
    waited: f64,
    cpu: CpuTicks,
}

impl Moment {
    fn now(cpu: usize) -> Option<Self> {
        let ticks = CpuTicks::parse(&fs::read_to_string("/proc/stat").ok()?);
        let scheduler = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let waited: u64 = scheduler.split_ascii_whitespace().nth(1)?.parse().ok()?;
        let (at, used) = (clocks::monotonic(), clocks::of_this_thread());
        Some(Self { at, used, waited: waited as f64 / 1e9, cpu: *ticks.get(&cpu)? })
    }
}

/// What the kernel was built with, where its configuration is readable as text.
fn configured() -> Option<InterruptAccounting> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let places = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    let text = places.iter().find_map(|place| fs::read_to_string(place).ok())?;
    Some(of_configuration(&text))
}

fn of_configuration(text: &str) -> InterruptAccounting {
    let is_set = |name: &str| text.lines().any(|line| line == format!("{name}=y"));
    let apart = ["CONFIG_IRQ_TIME_ACCOUNTING", "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE"];
    if apart.into_iter().any(is_set) { InterruptAccounting::CountedApart } else { InterruptAccounting::CountedToTasks }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Burn = Burn { wall: 0.2, used: 0.199, waited: 0.0, stolen: 0.0, interrupts: 0.06 };

    #[test]
    fn a_clock_that_misses_the_interrupts_counts_them_apart() {
        assert_eq!(QUIET.verdict(), Some(InterruptAccounting::CountedToTasks));
        assert_eq!(Burn { used: 0.14, ..QUIET }.verdict(), Some(InterruptAccounting::CountedApart));
        // Another process had half of the CPU, with interrupts of its own.
        let beside = Burn { wall: 0.2, used: 0.1, waited: 0.1, stolen: 0.0, interrupts: 0.05 };
        assert_eq!(beside.verdict(), Some(InterruptAccounting::CountedToTasks));
        assert_eq!(Burn { used: 0.07, ..beside }.verdict(), Some(InterruptAccounting::CountedApart));
    }

    #[test]
    fn noise_gives_no_verdict() {
        for noise in [
            Burn { interrupts: 0.0, ..QUIET },
            Burn { stolen: 0.03, ..QUIET },
            Burn { waited: 0.19, used: 0.01, ..QUIET },
            // A quota kept it from its CPU, which is no interrupt.
            Burn { used: 0.06, interrupts: 0.02, ..QUIET },
            Burn { wall: f64::NAN, ..QUIET },
        ] {
            assert_eq!(noise.verdict(), None, "{noise:?}");
        }
    }

    #[test]
    fn a_kernels_configuration_says_it_too() {
        let tasks = "CONFIG_TICK_CPU_ACCOUNTING=y\n# CONFIG_IRQ_TIME_ACCOUNTING is not set\n";
        assert_eq!(of_configuration(tasks), InterruptAccounting::CountedToTasks);
        assert_eq!(of_configuration("CONFIG_IRQ_TIME_ACCOUNTING=y\n"), InterruptAccounting::CountedApart);
    }

    #[test]
    fn two_burns_do_not_contradict_each_other() {
        let verdicts: Vec<_> =
            thread::spawn(|| (0..4).filter_map(|_| Burn::take()?.verdict()).collect::<Vec<_>>()).join().unwrap();
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{verdicts:?}");
        // A kernel that was built to count them apart may not, for want of a clock; one that was not never does.
        if configured() == Some(InterruptAccounting::CountedToTasks) {
            assert!(verdicts.iter().all(|verdict| *verdict == InterruptAccounting::CountedToTasks), "{verdicts:?}");
        }
    }
}
