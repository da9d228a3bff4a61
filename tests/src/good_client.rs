//! A client as one wishes them to be, and how long it has to wait for its answers.

use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, request};
use crate::response::Unanswered;

/// A client that asks for one thing at a time, reads what it gets at once, and rests between two requests. It asks on a
/// connection that it keeps, as long as the server does, and on a fresh one, by turns.
#[derive(Debug)]
pub struct GoodClient {
    address: SocketAddr,
    target: String,
    body: Vec<u8>,
    kept: Option<Client>,
}

/// What a good client has seen of a server.
#[derive(Debug, Clone, Default)]
pub struct Visits {
    /// Of requests on a connection that was there already.
    pub kept: Latencies,
    /// Of requests on a connection made for them, the connecting with it.
    pub fresh: Latencies,
}

/// How long it took from a request to the last byte of its answer.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    served: Vec<Duration>,
    unserved: usize,
}

/// Between two requests, so that the client measures the server's other work and does not add to it.
const REST: Duration = Duration::from_millis(2);

impl GoodClient {
    /// A client that asks for `target` and expects to get `body`.
    pub fn new(address: SocketAddr, target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { address, target: target.to_owned(), body: body.into(), kept: None }
    }

    /// Asks again and again for this `time`. A request that is not answered within `patience` counts as not served.
    pub fn visit(&mut self, time: Duration, patience: Duration) -> Visits {
        let mut visits = Visits::default();
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.ask_on_kept(patience, &mut visits);
            thread::sleep(REST);
            if Instant::now() < end {
                self.ask_on_fresh(patience, &mut visits);
                thread::sleep(REST);
            }
        }
        visits
    }

    fn ask_on_kept(&mut self, patience: Duration, visits: &mut Visits) {
        let begun = Instant::now();
        if let Some(mut client) = self.kept.take() {
            match self.ask(&mut client, "Connection: keep-alive", patience) {
                Ok(keeps) => {
                    visits.kept.served.push(begun.elapsed());
                    self.kept = keeps.then_some(client);
                    return;
                }
                // Closed before it was asked: everybody's right, and no reason not to ask on another one.
                Err(Unanswered::Closed(0) | Unanswered::Reset(0)) => {}
                Err(_) => {
                    visits.kept.unserved += 1;
                    return;
                }
            }
        }
        let left = patience.saturating_sub(begun.elapsed());
        let Some(mut client) = self.connect(left, begun, visits) else { return };
        match self.ask(&mut client, "Connection: keep-alive", left) {
            Ok(keeps) => {
                visits.fresh.served.push(begun.elapsed());
                self.kept = keeps.then_some(client);
            }
            Err(_) => visits.fresh.unserved += 1,
        }
    }

    fn ask_on_fresh(&mut self, patience: Duration, visits: &mut Visits) {
        let begun = Instant::now();
        let Some(mut client) = self.connect(patience, begun, visits) else { return };
        match self.ask(&mut client, "Connection: close", patience) {
            Ok(_) => visits.fresh.served.push(begun.elapsed()),
            Err(_) => visits.fresh.unserved += 1,
        }
    }

    fn connect(&self, patience: Duration, begun: Instant, visits: &mut Visits) -> Option<Client> {
        let limit = patience.max(Duration::from_millis(1));
        let client = Client::connect_within(self.address, limit).ok();
        if client.is_none() {
            visits.fresh.unserved += 1;
            // Who is refused at once does not ask in a loop.
            thread::sleep(REST.saturating_sub(begun.elapsed()));
        }
        client
    }

    /// Whether the server keeps the connection.
    fn ask(&self, client: &mut Client, header: &str, patience: Duration) -> Result<bool, Unanswered> {
        client.offer(request("GET", &self.target, &[header]));
        let response = client.receive(patience)?.expect(200);
        assert_eq!(response.body.len(), self.body.len(), "not the body of {}", self.target);
        assert!(response.body == self.body, "not the body of {}", self.target);
        Ok(response.keeps_alive())
    }
}

impl Visits {
    /// The latencies of all requests.
    pub fn all(&self) -> Latencies {
        let served = [&self.kept.served[..], &self.fresh.served].concat();
        Latencies { served, unserved: self.kept.unserved + self.fresh.unserved }
    }
}

impl Latencies {
    /// How many requests were answered.
    pub fn served(&self) -> usize {
        self.served.len()
    }

    /// How many were not, within the client's patience.
    pub fn unserved(&self) -> usize {
        self.unserved
    }

    /// The smallest latency that `percent` of the answered requests did not exceed; none if none was answered.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.served.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }

    /// The median; none if no request was answered.
    pub fn median(&self) -> Option<Duration> {
        self.percentile(50)
    }

    /// The longest latency; none if no request was answered.
    pub fn longest(&self) -> Option<Duration> {
        self.percentile(100)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<Duration>| time.map_or("none".to_owned(), |time| format!("{time:.2?}"));
        let (median, ninety_nine, longest) = (self.median(), self.percentile(99), self.longest());
        let Self { served, unserved } = self;
        write!(f, "{} served, {unserved} not; ", served.len())?;
        write!(f, "p50 {}, p99 {}, longest {}", time(median), time(ninety_nine), time(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let served = (1..=200).rev().map(Duration::from_millis).collect();
        let latencies = Latencies { served, unserved: 0 };
        assert_eq!(latencies.median(), Some(Duration::from_millis(100)));
        assert_eq!(latencies.percentile(99), Some(Duration::from_millis(198)));
        assert_eq!(latencies.longest(), Some(Duration::from_millis(200)));
        assert_eq!(Latencies::default().median(), None);
        assert_eq!(
            Latencies { served: vec![Duration::from_secs(1)], unserved: 0 }.percentile(1),
            Some(Duration::from_secs(1))
        );
    }
}
