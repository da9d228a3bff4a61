//! What went wrong.

use serde::{Deserialize, Serialize};

/// What went wrong, by kind. Each failed attempt to connect, each failed request and each connection that brought more than
/// was asked for is counted once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Connecting was refused.
    pub refused: u64,
    /// Connecting took longer than the plan's time limit.
    pub connect_timed_out: u64,
    /// Connecting failed in another way, such as for want of free ports or descriptors.
    pub connect_other: u64,
    /// Writing the request failed.
    pub write: u64,
    /// The connection was reset while a response was due.
    pub reset: u64,
    /// The connection was closed in an orderly way while a response was due and none of it had come.
    pub closed_early: u64,
    /// The connection was closed in an orderly way in the middle of a response.
    pub truncated: u64,
    /// What came was not an HTTP/1 response.
    pub malformed: u64,
    /// The head of the response was longer than 64 KiB, which is more than is read of one. Results of before this was counted
    /// have it among the malformed.
    #[serde(default)]
    pub head_too_large: u64,
    /// Reading failed in another way.
    pub read_other: u64,
    /// No complete response within the plan's time limit.
    pub timed_out: u64,
    /// The request was under way behind another one on the same connection, which failed in one of these ways.
    pub abandoned: u64,
    /// The request was under way behind a response with which the server announced the end of the connection, as it may: it
    /// was not dealt with (RFC 9112, section 9.6), and no more is known of the server by that. Not among wrk's errors.
    pub turned_away: u64,
    /// Connections that brought bytes behind a complete response, or before anything was asked. They are given up, for
    /// nobody can tell any more which response belongs to which request. The responses before are counted as such.
    pub surplus: u64,
}

impl Errors {
    /// Failed attempts to connect; `connect` in wrk's text.
    #[must_use]
    pub fn connect(&self) -> u64 {
        self.refused + self.connect_timed_out + self.connect_other
    }

    /// Requests and connections that failed while responses were read; `read` in wrk's text.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.reset
            + self.closed_early
            + self.truncated
            + self.malformed
            + self.head_too_large
            + self.read_other
            + self.abandoned
            + self.surplus
    }

    /// Requests that got no complete response for a reason other than the end of the run.
    #[must_use]
    pub fn of_requests(&self) -> u64 {
        self.read() - self.surplus + self.write + self.timed_out + self.turned_away
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.connect() + self.of_requests() + self.surplus
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.connect_timed_out += other.connect_timed_out;
        self.connect_other += other.connect_other;
        self.write += other.write;
        self.reset += other.reset;
        self.closed_early += other.closed_early;
        self.truncated += other.truncated;
        self.malformed += other.malformed;
        self.head_too_large += other.head_too_large;
        self.read_other += other.read_other;
        self.timed_out += other.timed_out;
        self.abandoned += other.abandoned;
        self.turned_away += other.turned_away;
        self.surplus += other.surplus;
    }

    /// Each kind that occurred, with its number, in the words that complete "12 ...".
    #[must_use]
    pub fn kinds(&self) -> Vec<(u64, &'static str)> {
        let all = [
            (self.refused, "refused"),
            (self.connect_timed_out, "not connected in time"),
            (self.connect_other, "not connected for another reason"),
            (self.write, "not written"),
            (self.reset, "reset"),
            (self.closed_early, "closed before the response"),
            (self.truncated, "cut off in the response"),
            (self.malformed, "malformed"),
            (self.head_too_large, "with a head that is too large"),
            (self.read_other, "not read for another reason"),
            (self.timed_out, "timed out"),
            (self.abandoned, "pipelined behind one that failed"),
            (self.turned_away, "turned away behind an announced close"),
            (self.surplus, "connections with bytes that nobody asked for"),
        ];
        all.into_iter().filter(|(count, _)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_no_kind_out() {
        let each = Errors {
            refused: 1,
            connect_timed_out: 1,
            connect_other: 1,
            write: 1,
            reset: 1,
            closed_early: 1,
            truncated: 1,
            malformed: 1,
            head_too_large: 1,
            read_other: 1,
            timed_out: 1,
            abandoned: 1,
            turned_away: 1,
            surplus: 1,
        };
        assert_eq!((each.total(), each.connect(), each.of_requests()), (14, 3, 10));
        assert_eq!(each.kinds().len(), 14);
        let mut twice = each.clone();
        twice.add(&each);
        assert_eq!((twice.total(), twice.surplus, twice.abandoned, twice.turned_away), (28, 2, 2, 2));
        assert_eq!(Errors::default().kinds(), []);
    }
}
