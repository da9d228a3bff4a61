//! How the connections fared.

use serde::{Deserialize, Serialize};

/// How the connections fared. A connection of the plan stays the same one when it is opened anew: what counts for
/// fairness is the client's place, not the descriptor that happens to fill it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// TCP connections that were used: open when measuring started or established after.
    pub opened: u64,
    /// TCP connections that the server ended after a complete response, by saying so in the response or by closing.
    pub closed_by_server: u64,
    /// Connections of the plan that got no complete response.
    pub never_served: u64,
    /// The fewest responses that a connection of the plan got.
    pub minimum: u64,
    /// The median of the responses that a connection of the plan got.
    pub median: f64,
    /// The most responses that a connection of the plan got.
    pub maximum: u64,
    /// Jain's fairness index of the responses: 1 when all connections got equally many, 1/n when one got all;
    /// 1 when none got any. (Jain, Chiu, Hawe: DEC-TR-301, 1984.)
    pub jain: f64,
    /// The responses that each connection of the plan got, in ascending order.
    pub responses: Vec<u64>,
}

impl Connections {
    /// The figures of connections that got so many `responses` each, in any order.
    #[must_use]
    pub fn new(opened: u64, closed_by_server: u64, mut responses: Vec<u64>) -> Self {
        responses.sort_unstable();
        let (count, middle) = (responses.len(), responses.len() / 2);
        let median = match count {
            0 => 0.0,
            _ if count % 2 == 1 => responses[middle] as f64,
            _ => (responses[middle - 1] as f64 + responses[middle] as f64) / 2.0,
        };
        let sum: f64 = responses.iter().map(|&n| n as f64).sum();
        let squares: f64 = responses.iter().map(|&n| (n as f64).powi(2)).sum();
        Self {
            opened,
            closed_by_server,
            never_served: responses.iter().take_while(|&&n| n == 0).count() as u64,
            minimum: responses.first().copied().unwrap_or(0),
            median,
            maximum: responses.last().copied().unwrap_or(0),
            jain: if sum > 0.0 { sum * sum / (count as f64 * squares) } else { 1.0 },
            responses,
        }
    }

    /// Complete responses per TCP connection that was used; `None` when none was.
    #[must_use]
    pub fn responses_per_connection(&self) -> Option<f64> {
        (self.opened > 0).then(|| self.responses.iter().sum::<u64>() as f64 / self.opened as f64)
    }
}

/// How the connections fared on which nothing is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleConnections {
    /// How many the plan wants.
    pub planned: u64,
    /// How many were established.
    pub opened: u64,
    /// How many of these the server had ended before the run ended. They are not opened again.
    pub ended_by_server: u64,
}

impl IdleConnections {
    /// How many were open from their beginning to the end of the run.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.opened - self.ended_by_server
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.opened += other.opened;
        self.ended_by_server += other.ended_by_server;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_of_equal_shares_is_one() {
        let connections = Connections::new(4, 0, vec![5, 5, 5, 5]);
        assert_eq!((connections.minimum, connections.median, connections.maximum), (5, 5.0, 5));
        assert_eq!((connections.jain, connections.never_served), (1.0, 0));
        assert_eq!(connections.responses_per_connection(), Some(5.0));
    }

    #[test]
    fn a_connection_that_takes_all_leaves_the_others_unserved() {
        let connections = Connections::new(4, 0, vec![0, 12, 0, 0]);
        assert_eq!((connections.never_served, connections.median, connections.maximum), (3, 0.0, 12));
        assert_eq!(connections.jain, 0.25);
        assert_eq!(connections.responses, [0, 0, 0, 12]);
    }

    #[test]
    fn no_connection_and_no_response_have_figures_too() {
        let none = Connections::new(0, 0, vec![]);
        assert_eq!((none.jain, none.median, none.responses_per_connection()), (1.0, 0.0, None));
        let unserved = Connections::new(2, 0, vec![0, 0]);
        assert_eq!((unserved.jain, unserved.never_served), (1.0, 2));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Connections::new(4, 0, vec![9, 1, 2, 4]).median, 3.0);
    }
}
