//! What a thread notes about the course of time while it measures: windows, rates and its CPU time.

use super::tally::{Snapshot, Tally, WindowPart};
use crate::machine::{CpuTime, ThreadCpu, thread_cpu_ns};

/// The length of the pieces from which wrk computes its Req/Sec, in nanoseconds.
const RATE_NS: u64 = 100_000_000;

/// A thread's notes. Times are nanoseconds on the setup's clock.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) begin: u64,
    pub(super) windows: Vec<WindowPart>,
    pub(super) rates: Vec<u64>,
    cpu_at_begin: ThreadCpu,
    interval_ns: u64,
    window_end: u64,
    window_start: Snapshot,
    rate_start: u64,
    rate_responses: u64,
}

impl Timeline {
    /// Begins now. The windows of all threads begin together, at `measure_from`.
    pub(super) fn new(now: u64, measure_from: u64, interval_ns: u64, tally: &Tally) -> Self {
        Self {
            begin: now,
            windows: Vec::new(),
            rates: Vec::new(),
            cpu_at_begin: ThreadCpu::now(),
            interval_ns,
            window_end: measure_from + interval_ns,
            window_start: tally.snapshot(thread_cpu_ns()),
            rate_start: now,
            rate_responses: 0,
        }
    }

    /// When the current window ends.
    pub(super) fn next_edge(&self) -> u64 {
        self.window_end
    }

    /// Notes what is due.
    pub(super) fn advance(&mut self, now: u64, tally: &Tally) {
        // When the thread slept through whole windows, nothing happened in those.
        while now >= self.window_end {
            self.end_window(tally);
            self.window_end += self.interval_ns;
        }
        self.take_rate(now, tally);
    }

    /// Ends the last window, and returns the CPU time since the beginning.
    pub(super) fn finish(&mut self, tally: &Tally) -> CpuTime {
        self.end_window(tally);
        ThreadCpu::now().since(&self.cpu_at_begin)
    }

    fn end_window(&mut self, tally: &Tally) {
        let cpu_ns = thread_cpu_ns();
        self.windows.push(tally.since(&self.window_start, cpu_ns));
        self.window_start = tally.snapshot(cpu_ns);
    }

    /// Takes a sample of the rate as wrk does: a piece without a response runs on into the next.
    fn take_rate(&mut self, now: u64, tally: &Tally) {
        let responses = tally.responses - self.rate_responses;
        let elapsed = now - self.rate_start;
        if elapsed >= RATE_NS && responses > 0 {
            self.rates.push((responses as f64 * 1e9 / elapsed as f64) as u64);
            self.rate_start = now;
            self.rate_responses = tally.responses;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expect;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_happens_belongs_to_the_window_in_which_it_was_learnt() {
        let mut tally = Tally::new(Expect::default());
        // The thread began a little late; its windows end with those of the others.
        let mut timeline = Timeline::new(103 * MS, 100 * MS, 50 * MS, &tally);
        assert_eq!(timeline.next_edge(), 150 * MS);
        tally.responses = 3;
        timeline.advance(150 * MS, &tally);
        tally.responses = 7;
        // Two edges were slept through.
        timeline.advance(260 * MS, &tally);
        tally.responses = 8;
        timeline.finish(&tally);
        let responses: Vec<u64> = timeline.windows.iter().map(|window| window.responses).collect();
        assert_eq!(responses, [3, 4, 0, 1]);
        assert_eq!(timeline.next_edge(), 300 * MS);
    }

    #[test]
    fn a_piece_without_a_response_runs_on() {
        let mut tally = Tally::new(Expect::default());
        let mut timeline = Timeline::new(0, 0, 1000 * MS, &tally);
        timeline.advance(100 * MS, &tally);
        assert_eq!(timeline.rates, [0; 0]);
        tally.responses = 40;
        timeline.advance(200 * MS, &tally);
        timeline.advance(299 * MS, &tally);
        tally.responses = 51;
        timeline.advance(301 * MS, &tally);
        // 40 in 200 ms; 11 in 101 ms, cut off.
        assert_eq!(timeline.rates, [200, 108]);
    }
}
