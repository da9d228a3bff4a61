//! What a thread notes about the course of time while it measures: windows, rates and its CPU time.

use std::sync::mpsc::Sender;

use super::tally::{Snapshot, Tally, WindowPart};
use crate::Histogram;
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
    reports: Sender<WindowOfThread>,
}

/// A thread's part of a window by itself, as soon as it is over.
#[derive(Debug)]
pub(crate) struct WindowOfThread {
    pub(crate) index: u64,
    pub(crate) part: WindowPart,
    pub(crate) latency: Box<Histogram>,
    /// Whether the thread has come to its end.
    pub(crate) is_last: bool,
}

impl Timeline {
    /// Begins now. The windows of all threads begin together, at `measure_from`.
    pub(super) fn new(now: u64, measure_from: u64, interval_ns: u64, reports: Sender<WindowOfThread>) -> Self {
        Self {
            begin: now,
            windows: Vec::new(),
            rates: Vec::new(),
            cpu_at_begin: ThreadCpu::now(),
            interval_ns,
            window_end: measure_from + interval_ns,
            // What was counted while the connections were opened belongs to the first window.
            window_start: Snapshot::nothing(thread_cpu_ns()),
            rate_start: now,
            rate_responses: 0,
            reports,
        }
    }

    /// When the current window ends.
    pub(super) fn next_edge(&self) -> u64 {
        self.window_end
    }

    /// Notes what is due.
    pub(super) fn advance(&mut self, now: u64, tally: &mut Tally) {
        // When the thread slept through whole windows, nothing happened in those.
        while now >= self.window_end {
            self.end_window(tally, false);
            self.window_end += self.interval_ns;
        }
        self.take_rate(now, tally);
    }

    /// Ends the last window, and returns the CPU time since the beginning.
    pub(super) fn finish(&mut self, tally: &mut Tally) -> CpuTime {
        self.end_window(tally, true);
        ThreadCpu::now().since(&self.cpu_at_begin)
    }

    fn end_window(&mut self, tally: &mut Tally, is_last: bool) {
        let cpu_ns = thread_cpu_ns();
        let part = tally.since(&self.window_start, cpu_ns);
        self.window_start = tally.snapshot(cpu_ns);
        if let Some(latency) = tally.take_window() {
            // If nobody listens any more, nobody wants to know.
            let _ = self.reports.send(WindowOfThread { index: self.windows.len() as u64, part, latency, is_last });
        }
        self.windows.push(part);
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
    use std::sync::mpsc::channel;

    use super::*;
    use crate::Expect;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_happens_belongs_to_the_window_in_which_it_was_learnt() {
        let mut tally = Tally::new(&Expect::default(), 1, true);
        let (sender, reports) = channel();
        // The thread began a little late; its windows end with those of the others.
        let mut timeline = Timeline::new(103 * MS, 100 * MS, 50 * MS, sender);
        assert_eq!(timeline.next_edge(), 150 * MS);
        tally.responses = 3;
        timeline.advance(150 * MS, &mut tally);
        tally.responses = 7;
        // Two edges were slept through.
        timeline.advance(260 * MS, &mut tally);
        tally.responses = 8;
        timeline.finish(&mut tally);
        let responses: Vec<u64> = timeline.windows.iter().map(|window| window.responses).collect();
        assert_eq!(responses, [3, 4, 0, 1]);
        assert_eq!(timeline.next_edge(), 300 * MS);
        drop(timeline);
        let reported: Vec<(u64, u64)> = reports.iter().map(|window| (window.index, window.part.responses)).collect();
        assert_eq!(reported, [(0, 3), (1, 4), (2, 0), (3, 1)]);
    }

    #[test]
    fn a_piece_without_a_response_runs_on() {
        let mut tally = Tally::new(&Expect::default(), 1, false);
        let mut timeline = Timeline::new(0, 0, 1000 * MS, channel().0);
        timeline.advance(100 * MS, &mut tally);
        assert_eq!(timeline.rates, [0; 0]);
        tally.responses = 40;
        timeline.advance(200 * MS, &mut tally);
        timeline.advance(299 * MS, &mut tally);
        tally.responses = 51;
        timeline.advance(301 * MS, &mut tally);
        // 40 in 200 ms; 11 in 101 ms, cut off.
        assert_eq!(timeline.rates, [200, 108]);
    }
}
