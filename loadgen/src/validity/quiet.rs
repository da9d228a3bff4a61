//! Time that a hypervisor gave to other virtual machines, and what is left of a run without it.

use crate::{Outcome, Window};

/// The largest share of the machine's CPU time that may be stolen in a window that counts as quiet. Below it, twins of
/// one server differ by 3 to 5 %; at half of the time stolen they differ by tens of per cent.
pub const STEAL_LIMIT: f64 = 0.05;

/// The share of the measured time that has to be quiet. A single run has no other rounds to make up for it.
pub const QUIET_SHARE_NEEDED: f64 = 0.5;

/// What the windows of a run were like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct QuietTime {
    /// Windows in all.
    pub(crate) windows: u64,
    /// Windows with more steal than [`STEAL_LIMIT`].
    pub(crate) noisy: u64,
    /// Windows for which the kernel told no steal. They count as quiet.
    pub(crate) unknown: u64,
    /// The length of all windows in nanoseconds.
    all_ns: u64,
    /// The length of the quiet ones in nanoseconds.
    quiet_ns: u64,
    /// Complete responses in the quiet ones.
    responses: u64,
    /// CPU time that was stolen in all windows, over all CPUs, in nanoseconds.
    stolen_ns: u64,
    /// CPUs of the machine.
    cpus: f64,
}

impl QuietTime {
    /// Sorts the windows of an outcome by their steal.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let mut quiet = Self { cpus: cpus(outcome), ..Self::default() };
        for window in &outcome.windows {
            quiet.windows += 1;
            quiet.unknown += u64::from(window.steal_ns.is_none());
            quiet.all_ns += window.length_ns;
            quiet.stolen_ns += stolen_ns(window);
            if quiet.has(window) {
                quiet.quiet_ns += window.length_ns;
                quiet.responses += window.responses;
            } else {
                quiet.noisy += 1;
            }
        }
        quiet
    }

    /// Whether this window is a quiet one.
    pub(crate) fn has(&self, window: &Window) -> bool {
        // The kernel's tick of 10 ms is 5 % of the usual window of 200 ms: each CPU may lose exactly one.
        stolen_ns(window) as f64 <= STEAL_LIMIT * window.length_ns as f64 * self.cpus + 1.0
    }

    /// The quiet share of the time, from 0 to 1; 1 of no time.
    pub(crate) fn share(&self) -> f64 {
        if self.all_ns == 0 { 1.0 } else { self.quiet_ns as f64 / self.all_ns as f64 }
    }

    /// Whether enough of the time was quiet.
    pub(crate) fn suffices(&self) -> bool {
        self.share() >= QUIET_SHARE_NEEDED
    }

    /// The share of the CPUs' time that was stolen, from 0 to 1; 0 of no time.
    pub(crate) fn stolen_share(&self) -> f64 {
        if self.all_ns == 0 { 0.0 } else { self.stolen_ns as f64 / (self.all_ns as f64 * self.cpus) }
    }

    /// Complete responses per second in the quiet windows; 0 without any.
    pub(crate) fn responses_per_second(&self) -> f64 {
        if self.quiet_ns == 0 { 0.0 } else { self.responses as f64 * 1e9 / self.quiet_ns as f64 }
    }
}

/// How many CPUs the machine has at least. Those that lost nothing are not named in the windows, but CPUs are numbered
/// from 0; where too few are known, too much steal is assumed and not too little.
fn cpus(outcome: &Outcome) -> f64 {
    let stolen_from = outcome.windows.iter().filter_map(|window| window.steal_ns.as_ref()?.keys().next_back());
    let planned = outcome.plan.cpus.iter().flatten();
    stolen_from.chain(planned).max().map_or(1.0, |last| *last as f64 + 1.0)
}

fn stolen_ns(window: &Window) -> u64 {
    window.steal_ns.iter().flat_map(|steal| steal.values()).sum()
}
