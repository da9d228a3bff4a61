//! What a thread counts.

use std::collections::BTreeMap;

use crate::response::Response;
use crate::{Errors, Expect, ExpectedLength, Histogram, Unexpected};

/// Status codes have three digits.
const STATUSES: usize = 1000;

/// What can go wrong with a connection or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Refused,
    ConnectTimedOut,
    ConnectOther,
    Write,
    Reset,
    ClosedEarly,
    Truncated,
    Malformed,
    ReadOther,
    TimedOut,
}

/// What a thread counts. Counting a response allocates nothing.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) responses: u64,
    pub(crate) bytes_read: u64,
    pub(crate) unexpected: Unexpected,
    pub(crate) errors: Errors,
    pub(crate) latency: Histogram,
    pub(crate) timed_out: Histogram,
    pub(crate) opened: u64,
    pub(crate) closed_by_server: u64,
    statuses: Box<[u64]>,
    expect: Expect,
    /// The first body length of each status, when the following ones are to be alike.
    first_lengths: Box<[Option<u64>]>,
}

impl Tally {
    pub(super) fn new(expect: Expect) -> Self {
        Self {
            requests: 0,
            responses: 0,
            bytes_read: 0,
            unexpected: Unexpected::default(),
            errors: Errors::default(),
            latency: Histogram::new(),
            timed_out: Histogram::new(),
            opened: 0,
            closed_by_server: 0,
            statuses: vec![0; STATUSES].into(),
            expect,
            first_lengths: vec![None; STATUSES].into(),
        }
    }

    /// Counts a complete response that took so many nanoseconds.
    #[inline]
    pub(super) fn count_response(&mut self, response: &Response, latency_ns: u64) {
        self.responses += 1;
        self.latency.record(latency_ns);
        // The reader lets no code through that has more than three digits.
        self.statuses[usize::from(response.status) % STATUSES] += 1;
        let other_status = self.expect.status.is_some_and(|status| status != response.status);
        let other_length = match self.expect.length {
            None => false,
            Some(ExpectedLength::Exactly(length)) => length != response.length,
            Some(ExpectedLength::LikeFirst) => {
                let first = &mut self.first_lengths[usize::from(response.status) % STATUSES];
                *first.get_or_insert(response.length) != response.length
            }
        };
        if other_status || other_length {
            self.unexpected.responses += 1;
            self.unexpected.status += u64::from(other_status);
            self.unexpected.length += u64::from(other_length);
        }
    }

    /// Counts a failure.
    pub(super) fn count_failure(&mut self, failure: Failure) {
        let errors = &mut self.errors;
        let counter = match failure {
            Failure::Refused => &mut errors.refused,
            Failure::ConnectTimedOut => &mut errors.connect_timed_out,
            Failure::ConnectOther => &mut errors.connect_other,
            Failure::Write => &mut errors.write,
            Failure::Reset => &mut errors.reset,
            Failure::ClosedEarly => &mut errors.closed_early,
            Failure::Truncated => &mut errors.truncated,
            Failure::Malformed => &mut errors.malformed,
            Failure::ReadOther => &mut errors.read_other,
            Failure::TimedOut => &mut errors.timed_out,
        };
        *counter += 1;
    }

    /// Complete responses by status code.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        let seen = self.statuses.iter().enumerate().filter(|&(_, &count)| count > 0);
        seen.map(|(status, &count)| (status as u16, count)).collect()
    }

    /// What has been counted since `earlier`, at this CPU time of the thread.
    pub(super) fn since(&self, earlier: &Snapshot, cpu_ns: u64) -> WindowPart {
        WindowPart {
            responses: self.responses - earlier.responses,
            errors: self.errors.total() - earlier.errors,
            bytes_read: self.bytes_read - earlier.bytes_read,
            cpu_ns: cpu_ns - earlier.cpu_ns,
        }
    }

    pub(super) fn snapshot(&self, cpu_ns: u64) -> Snapshot {
        Snapshot { responses: self.responses, errors: self.errors.total(), bytes_read: self.bytes_read, cpu_ns }
    }
}

/// Where the counters stood when the current window began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    responses: u64,
    errors: u64,
    bytes_read: u64,
    cpu_ns: u64,
}

/// What a thread adds to a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowPart {
    pub(crate) responses: u64,
    pub(crate) errors: u64,
    pub(crate) bytes_read: u64,
    pub(crate) cpu_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unexpected(expect: Expect, responses: &[(u16, u64)]) -> Unexpected {
        let mut tally = Tally::new(expect);
        for &(status, length) in responses {
            tally.count_response(&Response { status, length, persistent: true }, 1000);
        }
        assert_eq!(tally.responses, responses.len() as u64);
        tally.unexpected
    }

    #[test]
    fn a_response_that_is_wrong_in_two_ways_is_one_response() {
        let expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(10)) };
        assert_eq!(
            unexpected(expect, &[(200, 10), (200, 11), (404, 10), (404, 11)]),
            Unexpected { responses: 3, status: 2, length: 2 }
        );
    }

    #[test]
    fn the_first_length_counts_for_its_status_only() {
        let expect = Expect { status: None, length: Some(ExpectedLength::LikeFirst) };
        let responses = [(200, 10), (404, 5), (200, 10), (404, 5), (404, 6)];
        assert_eq!(unexpected(expect, &responses), Unexpected { responses: 1, status: 0, length: 1 });
    }

    #[test]
    fn nothing_is_unexpected_where_nothing_is_expected() {
        assert_eq!(unexpected(Expect::default(), &[(200, 1), (500, 2)]), Unexpected::default());
    }

    #[test]
    fn statuses_are_counted_one_by_one() {
        let mut tally = Tally::new(Expect::default());
        for status in [200, 999, 200] {
            tally.count_response(&Response { status, length: 0, persistent: true }, 1);
        }
        assert_eq!(tally.statuses(), BTreeMap::from([(200, 2), (999, 1)]));
    }
}
