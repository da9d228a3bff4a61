//! The best that the generator can do on this machine.

use serde::{Deserialize, Serialize};

use crate::{Outcome, Plan};

/// A rate from this share of the ceiling on may be the generator's and not the server's.
const REACHED: f64 = 0.9;

/// What the generator reached against a server that does nothing, in a closed loop of the same shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Complete responses per second.
    pub responses_per_second: f64,
    /// CPU time of the client threads per complete response, in nanoseconds.
    pub cpu_ns_per_response: f64,
    /// For which plans it holds.
    pub shape: Shape,
}

/// What decides about the ceiling of a plan, beside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Client threads.
    pub threads: usize,
    /// Connections.
    pub connections: usize,
    /// Requests under way on a connection.
    pub pipeline: usize,
    /// Requests for which a connection is used.
    pub requests_per_connection: Option<u64>,
    /// The CPUs of the client threads.
    pub cpus: Option<Vec<usize>>,
}

impl Shape {
    /// The shape of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            threads: plan.threads,
            connections: plan.connections,
            pipeline: plan.pipeline,
            requests_per_connection: plan.requests_per_connection,
            cpus: plan.cpus.clone(),
        }
    }
}

impl Ceiling {
    /// Whether this run came so near to the ceiling that the generator may have been the limit.
    #[must_use]
    pub fn is_reached_by(&self, outcome: &Outcome) -> bool {
        self.shape == Shape::of(&outcome.plan) && outcome.responses_per_second() >= REACHED * self.responses_per_second
    }
}
