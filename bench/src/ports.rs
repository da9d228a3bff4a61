//! Free ports for servers, outside the range from which the kernel takes the client's own ports.
//!
//! A listening port inside that range may be taken at any moment by some outgoing connection, the load generator's
//! among them. Each start gets a port that was not used a moment ago, so that no connection in TIME-WAIT from the
//! measurement before stands in the way of the next.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below are ports that need rights or that well-known services use.
const LOWEST: u16 = 10_000;

/// No port was free.
#[derive(Debug, thiserror::Error)]
#[error("no free port in {}-{}; stop what listens there", .0.start, .0.end - 1)]
pub struct NoFreePort(Range<u16>);

/// Hands out free ports one after the other.
#[derive(Debug)]
pub struct Ports {
    range: Range<u16>,
    next: u16,
}

impl Ports {
    /// Ports of this machine, beginning at a place in the range that depends on `start`, so that two runs at a time
    /// seldom look at the same port.
    #[must_use]
    pub fn new(start: u64) -> Self {
        let ephemeral = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        Self::within(listening_range(&ephemeral), start)
    }

    fn within(range: Range<u16>, start: u64) -> Self {
        let next = range.start + (start % u64::from(range.end - range.start)) as u16;
        Self { range, next }
    }

    /// The next port on which nothing listens on 127.0.0.1 (nor on all addresses).
    ///
    /// The probe does not set `SO_REUSEPORT`, so that a server of ours that did is noticed.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn next_free(&mut self) -> Result<u16, NoFreePort> {
        for _ in self.range.clone() {
            let port = self.next;
            self.next = if port + 1 < self.range.end { port + 1 } else { self.range.start };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        Err(NoFreePort(self.range.clone()))
    }
}

/// The ports that servers may have, given the text of `ip_local_port_range`: below the ephemeral ports, or above them
/// where there is no room below.
fn listening_range(ephemeral: &str) -> Range<u16> {
    let mut bounds = ephemeral.split_whitespace().map_while(|bound| bound.parse::<u16>().ok());
    let (first, last) = (bounds.next().unwrap_or(32_768), bounds.next().unwrap_or(60_999));
    if first > LOWEST + 100 {
        LOWEST..first
    } else if last < u16::MAX - 100 {
        last + 1..u16::MAX
    } else {
        // The whole range is ephemeral: anything may collide, and a collision shows as a server that did not start.
        LOWEST..u16::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_out_of_the_ephemeral_ports() {
        assert_eq!(listening_range("32768\t60999\n"), 10_000..32_768);
        assert_eq!(listening_range("1024 60999"), 61_000..65_535);
        assert_eq!(listening_range("1024 65535"), 10_000..65_535);
        assert_eq!(listening_range(""), 10_000..32_768);
    }

    #[test]
    fn passes_over_ports_that_are_taken_and_repeats_none() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut ports = Ports::within(port..port + 1, 0);
        assert!(ports.next_free().unwrap_err().to_string().contains(&port.to_string()));

        let mut ports = Ports::new(7);
        let first = ports.next_free().unwrap();
        let second = ports.next_free().unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn wraps_around_at_the_end_of_the_range() {
        let mut ports = Ports::within(20_000..20_003, 2);
        let handed: Vec<u16> = (0..3).filter_map(|_| ports.next_free().ok()).collect();
        assert!(handed.iter().all(|port| (20_000..20_003).contains(port)), "{handed:?}");
    }
}
