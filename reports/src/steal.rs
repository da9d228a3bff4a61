//! Time that a hypervisor gave to other virtual machines, and what is left to measure in.
//!
//! Under a few per cent of steal, A/A controls differ by a few per cent; at half of the time stolen they differ by
//! tens of per cent even per second of CPU, because caches go cold and the accounting is coarse (the figures stand in
//! docs/validity.md). So capacity is taken from the quiet windows alone, and how many were excluded is told.

use loadgen::{Outcome, Window};

use crate::record::Placement;

/// The largest share of stolen time with which a window counts as quiet, for the CPUs of the server and for those of
/// the client.
pub const STEAL_LIMIT: f64 = 0.05;

/// The share of the measured time that has to be quiet for a figure to be ranked.
pub const QUIET_SHARE_NEEDED: f64 = 0.25;

/// The quiet part of some measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuietTime {
    /// Windows in all.
    pub windows: u64,
    /// Windows with more steal than [`STEAL_LIMIT`].
    pub set_aside: u64,
    /// Windows for which the kernel told no steal; they count as quiet.
    pub unknown: u64,
    /// Length of all windows, in seconds.
    pub all_seconds: f64,
    /// Length of the quiet ones, in seconds.
    pub quiet_seconds: f64,
    /// Complete responses in the quiet ones.
    pub responses: u64,
    /// CPU time that the server could have had in the quiet ones, in seconds: their length times its CPUs, less steal.
    pub available_cpu_seconds: f64,
    /// Time stolen from the server's CPUs in all windows, in CPU-seconds.
    pub stolen_cpu_seconds: f64,
}

impl QuietTime {
    /// Sorts the windows of an outcome by the steal on the CPUs of server and client.
    #[must_use]
    pub fn of(outcome: &Outcome, placement: &Placement) -> Self {
        let mut quiet = Self::default();
        for window in &outcome.windows {
            quiet.count(window, placement);
        }
        quiet
    }

    /// The windows of the first half of an outcome's time, and those of the second, sorted in the same way.
    #[must_use]
    pub fn halves(outcome: &Outcome, placement: &Placement) -> (Self, Self) {
        let (mut first, mut second) = (Self::default(), Self::default());
        let end = outcome.windows.last().map_or(0, |last| last.offset_ns.saturating_add(last.length_ns));
        for window in &outcome.windows {
            let is_first = window.offset_ns.saturating_add(window.length_ns / 2) < end / 2;
            if is_first { &mut first } else { &mut second }.count(window, placement);
        }
        (first, second)
    }

    fn count(&mut self, window: &Window, placement: &Placement) {
        let length = window.length_ns as f64 / 1e9;
        let server = stolen_seconds(window, &placement.server_cpus);
        self.windows += 1;
        self.unknown += u64::from(window.steal_ns.is_none());
        self.all_seconds += length;
        self.stolen_cpu_seconds += server;
        if is_quiet(window, placement) {
            self.quiet_seconds += length;
            self.responses += window.responses;
            let available = length * placement.server_cpus.len() as f64 - server;
            self.available_cpu_seconds += available.max(0.0);
        } else {
            self.set_aside += 1;
        }
    }

    /// Adds the windows of another stretch of time.
    pub fn add(&mut self, other: &Self) {
        self.windows += other.windows;
        self.set_aside += other.set_aside;
        self.unknown += other.unknown;
        self.all_seconds += other.all_seconds;
        self.quiet_seconds += other.quiet_seconds;
        self.responses += other.responses;
        self.available_cpu_seconds += other.available_cpu_seconds;
        self.stolen_cpu_seconds += other.stolen_cpu_seconds;
    }

    /// The same time with nothing quiet in it: that of a round in which other processes were at work or a quota held,
    /// which no window shows. The windows that were excluded for their steal stay counted as before.
    #[must_use]
    pub fn without_quiet(self) -> Self {
        Self { quiet_seconds: 0.0, responses: 0, available_cpu_seconds: 0.0, ..self }
    }

    /// The same time without the CPU time that the other side of a comparison took of the server's CPUs in all of it: it was
    /// not there for this server.
    #[must_use]
    pub fn without_opponent(self, cpu_seconds: f64) -> Self {
        let available_cpu_seconds = (self.available_cpu_seconds - cpu_seconds * self.share()).max(0.0);
        Self { available_cpu_seconds, ..self }
    }

    /// The quiet share of the time, 0 to 1; 0 of no time.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.all_seconds > 0.0 { self.quiet_seconds / self.all_seconds } else { 0.0 }
    }

    /// Whether there is enough quiet time for a figure that can be ranked.
    #[must_use]
    pub fn suffices(&self) -> bool {
        self.share() >= QUIET_SHARE_NEEDED
    }

    /// Responses per second of CPU time that was available to the server, in the quiet windows; none without them.
    #[must_use]
    pub fn capacity(&self) -> Option<f64> {
        (self.available_cpu_seconds > 0.0).then(|| self.responses as f64 / self.available_cpu_seconds)
    }
}

/// Whether neither the server nor the client lost more than [`STEAL_LIMIT`] of their CPUs in this window.
#[must_use]
pub fn is_quiet(window: &Window, placement: &Placement) -> bool {
    [&placement.server_cpus, &placement.client_cpus].into_iter().all(|cpus| {
        let all = window.length_ns as f64 / 1e9 * cpus.len() as f64;
        // The kernel's tick of 10 ms is 5 % of the usual window of 200 ms: a window may lose exactly one.
        stolen_seconds(window, cpus) <= all * STEAL_LIMIT + 1e-9
    })
}

/// Time stolen from these CPUs during a window, in CPU-seconds; 0 where the kernel does not tell.
#[must_use]
pub fn stolen_seconds(window: &Window, cpus: &[usize]) -> f64 {
    let by_cpu = window.steal_ns.as_ref();
    let stolen: u64 = cpus
        .iter()
        .filter_map(|cpu| by_cpu.and_then(|steal| steal.get(cpu)))
        .fold(0, |sum: u64, nanoseconds| sum.saturating_add(*nanoseconds));
    stolen as f64 / 1e9
}
