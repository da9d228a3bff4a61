//! CPU time of processes in nanoseconds, from the clock that the kernel keeps for each of them.

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_getres, clock_gettime};

/// CPU time of a process in seconds: all its threads, those that have ended too, until its parent has waited for it. `None`
/// where there is no such process.
///
/// The time of a thread that runs at this moment is known to the last tick of its CPU ([`tick_seconds`]).
#[must_use]
pub fn of_process(id: i32) -> Option<f64> {
    // The kernel's encoding, for which clock_getcpuclockid(3) is the library's name: the complement of the process's id, and
    // CPUCLOCK_SCHED for its whole group of threads.
    let clock: libc::clockid_t = (!id << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone, which lives until after it, and takes any number as a clock: of one that it
    // does not know it returns an error.
    #[expect(unsafe_code, reason = "rustix has no clocks of other processes")]
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (failed == 0).then_some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// CPU time of this very process, in seconds.
#[must_use]
pub fn own() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread, in seconds.
#[must_use]
pub fn of_this_thread() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

/// Time since an arbitrary moment, in seconds.
#[must_use]
pub fn monotonic() -> f64 {
    seconds(ClockId::Monotonic)
}

/// The time between two ticks of a CPU, in seconds: 1 to 10 ms.
#[must_use]
pub fn tick_seconds() -> f64 {
    let resolution = clock_getres(ClockId::RealtimeCoarse);
    resolution.tv_sec as f64 + resolution.tv_nsec as f64 / 1e9
}

/// The unit of the times in /proc, in seconds.
#[must_use]
pub fn unit_of_proc() -> f64 {
    1.0 / clock_ticks_per_second() as f64
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::thread;

    /// Keeps the calling thread busy until it has used so much CPU time.
    fn burn(seconds: f64) {
        let begin = of_this_thread();
        while of_this_thread() < begin + seconds {}
    }

    #[test]
    fn threads_that_have_ended_are_in_the_time_of_their_process() {
        let id = std::process::id().cast_signed();
        let before = of_process(id).unwrap();
        thread::spawn(|| burn(0.05)).join().unwrap();
        let used = of_process(id).unwrap() - before;
        assert!(used >= 0.05 - tick_seconds(), "{used}");
        assert!(own() >= used);
        assert!((0.0005..=0.011).contains(&tick_seconds()), "{}", tick_seconds());
    }

    #[test]
    fn a_process_can_be_read_until_it_was_waited_for() {
        let words = ["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"];
        let mut child = std::process::Command::new("sh").args(words).spawn().unwrap();
        let id = child.id().cast_signed();
        while crate::process_tree::process(id).is_none_or(|stat| !stat.has_ended()) {
            thread::sleep(std::time::Duration::from_millis(2));
        }
        let used = of_process(id).unwrap();
        assert!(used > 0.0, "{used}");
        child.wait().unwrap();
        assert_eq!(of_process(id), None);
    }
}
