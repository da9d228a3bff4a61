//! When requests are sent.

use serde::{Deserialize, Serialize};

/// When requests are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Closed loop: each connection sends its next request as soon as the response to the last one is complete. It shows
    /// what a server can carry; a server that stalls is asked less meanwhile.
    #[default]
    Closed,
    /// Open loop: requests are due by a schedule that knows nothing of the server, and the latency counts from when they
    /// were due.
    Open(Offered),
}

impl Load {
    /// What an open loop offers.
    #[must_use]
    pub fn offered(&self) -> Option<&Offered> {
        match self {
            Self::Closed => None,
            Self::Open(offered) => Some(offered),
        }
    }
}

/// What an open loop offers, over all threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Requests per second, also during the warm-up; above 0.
    pub rate: f64,
    /// Requests per second at the end, which is approached evenly during the measured time; above 0. Without it the rate
    /// stays the same.
    #[serde(default)]
    pub final_rate: Option<f64>,
    /// How requests are spaced.
    #[serde(default)]
    pub arrivals: Arrivals,
}

impl Offered {
    /// A steady rate of evenly spaced requests.
    #[must_use]
    pub fn steady(rate: f64) -> Self {
        Self { rate, final_rate: None, arrivals: Arrivals::Uniform }
    }

    /// The mean rate over the measured time.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        self.final_rate.map_or(self.rate, |last| (self.rate + last) / 2.0)
    }
}

/// How the requests of an open loop are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly.
    #[default]
    Uniform,
    /// As those of many users who know nothing of each other: a Poisson process, whose gaps are exponentially distributed.
    Poisson,
}
