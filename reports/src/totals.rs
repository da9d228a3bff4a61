//! What is counted over all rounds of a measurement, whether they count for its figures or not.

use std::collections::BTreeMap;

use loadgen::validity::ENOUGH_TURNS;
use loadgen::{Errors, Outcome, Unexpected};

/// Counts over all rounds of a measurement. They show the faults of a server, and a wrong answer in an excluded round is still
/// a wrong answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Rounds that were measured.
    pub rounds: usize,
    /// Measured time, in seconds.
    pub measured_seconds: f64,
    /// Requests sent.
    pub requests: u64,
    /// Complete responses, whatever their status.
    pub responses: u64,
    /// Complete responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Complete responses that were not what was expected.
    pub unexpected: Unexpected,
    /// What went wrong, by kind.
    pub errors: Errors,
    /// Requests unanswered at the end of a round.
    pub in_flight: u64,
    /// The most connections that were never served in one round in which each could have had [`ENOUGH_TURNS`].
    pub never_served: u64,
    /// The least latency of any response, in nanoseconds; none without a response.
    pub soonest_nanoseconds: Option<u64>,
}

impl Totals {
    /// Adds a round.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.rounds += 1;
        self.measured_seconds += outcome.elapsed_ns as f64 / 1e9;
        self.requests += outcome.requests;
        self.responses += outcome.responses;
        for (status, count) in &outcome.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.unexpected.responses += outcome.unexpected.responses;
        self.unexpected.status += outcome.unexpected.status;
        self.unexpected.length += outcome.unexpected.length;
        self.errors.add(&outcome.errors);
        self.in_flight += outcome.in_flight.count();
        // Of fewer turns a connection may miss its own by chance: a server that answers a hundred times a second cannot have
        // served each of a hundred connections.
        if outcome.responses >= ENOUGH_TURNS.saturating_mul(outcome.plan.connections as u64) {
            self.never_served = self.never_served.max(outcome.connections.never_served);
        }
        self.soonest_nanoseconds = self.soonest_nanoseconds.into_iter().chain(outcome.latency.minimum()).min();
    }
}
