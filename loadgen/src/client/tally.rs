//! What a thread counts.

use std::collections::BTreeMap;

use super::body_check::Verdict;
use crate::expect::{Expect, ExpectedLength};
use crate::response::Response;
use crate::{Errors, Histogram, Unexpected};

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
    HeadTooLarge,
    ReadOther,
    TimedOut,
    Abandoned,
    TurnedAway,
    Surplus,
}

/// A complete response and how it was come by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// The place of the path in the plan's list.
    pub(super) path: usize,
    /// Nanoseconds since the request was due.
    pub(super) latency_ns: u64,
    /// Nanoseconds since the request was sent, if that is something else.
    pub(super) service_ns: Option<u64>,
    pub(super) body: Verdict,
}

/// What a thread counts. Counting a response allocates nothing, once its status was seen for its path.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) responses: u64,
    pub(crate) bytes_read: u64,
    pub(crate) unexpected: Unexpected,
    pub(crate) errors: Errors,
    pub(crate) latency: Histogram,
    pub(crate) service: Histogram,
    pub(crate) timed_out: Histogram,
    pub(crate) lag: Histogram,
    pub(crate) connect: Histogram,
    pub(crate) first_response: Histogram,
    pub(crate) opened: u64,
    pub(crate) closed_by_server: u64,
    /// What `latency` gets at the end of the current window, if somebody wants to see the windows by themselves.
    pub(super) window: Option<Box<Histogram>>,
    /// The ages of the requests that were given up in the current window, if somebody wants to see them.
    pub(super) given_up: Vec<u64>,
    statuses: Box<[u64]>,
    lengths: Lengths,
}

impl Tally {
    /// Nothing is counted yet. `paths` is how many there are, `by_window` whether windows are looked at by themselves.
    pub(super) fn new(expect: &Expect, paths: usize, by_window: bool) -> Self {
        Self {
            requests: 0,
            responses: 0,
            bytes_read: 0,
            unexpected: Unexpected::default(),
            errors: Errors::default(),
            latency: Histogram::new(),
            service: Histogram::new(),
            timed_out: Histogram::new(),
            lag: Histogram::new(),
            connect: Histogram::new(),
            first_response: Histogram::new(),
            opened: 0,
            closed_by_server: 0,
            window: by_window.then(Box::default),
            given_up: Vec::new(),
            statuses: vec![0; STATUSES].into(),
            lengths: Lengths::new(expect.length, paths),
        }
    }

    /// Counts a complete response.
    #[inline]
    pub(super) fn count_answer(&mut self, answer: &Answer, expect: &Expect) {
        let Response { status, length, has_expected_type, .. } = answer.response;
        self.responses += 1;
        self.window.as_deref_mut().unwrap_or(&mut self.latency).record(answer.latency_ns);
        if let Some(service) = answer.service_ns {
            self.service.record(service);
        }
        // The reader lets no code through that has more than three digits.
        self.statuses[usize::from(status) % STATUSES] += 1;
        let other_status = !expect.allows_status(status);
        let other_length = self.lengths.is_other(answer.path, status, length) || answer.body == Verdict::OtherLength;
        let other_type = !has_expected_type && !other_status;
        let other_body = matches!(answer.body, Verdict::Differs(_));
        self.unexpected.bodies_compared += u64::from(answer.body != Verdict::NotCompared);
        if other_status || other_length || other_type || other_body {
            self.unexpected.responses += 1;
            self.unexpected.status += u64::from(other_status);
            self.unexpected.length += u64::from(other_length);
            self.unexpected.content_type += u64::from(other_type);
            self.unexpected.body += u64::from(other_body);
        }
    }

    /// Counts a request that was given up at this age.
    pub(super) fn count_timeout(&mut self, age: u64) {
        self.timed_out.record(age);
        if self.window.is_some() {
            self.given_up.push(age);
        }
    }

    /// Counts a failure.
    pub(super) fn count_failure(&mut self, failure: Failure, times: u64) {
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
            Failure::HeadTooLarge => &mut errors.head_too_large,
            Failure::ReadOther => &mut errors.read_other,
            Failure::TimedOut => &mut errors.timed_out,
            Failure::Abandoned => &mut errors.abandoned,
            Failure::TurnedAway => &mut errors.turned_away,
            Failure::Surplus => &mut errors.surplus,
        };
        *counter += times;
    }

    /// Ends a window: its latencies join the others, and are returned with the ages of what was given up in it if somebody
    /// wants to see them.
    pub(super) fn take_window(&mut self) -> Option<Box<Histogram>> {
        let mut window = self.window.replace(Box::default())?;
        self.latency.add(&window);
        self.given_up.drain(..).for_each(|age| window.record(age));
        Some(window)
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

/// The body lengths that responses should have.
#[derive(Debug)]
enum Lengths {
    Any,
    Exactly(u64),
    /// The first length of each path, for each status with which it was seen; these are few.
    LikeFirst(Vec<Vec<(u16, u64)>>),
}

impl Lengths {
    fn new(expected: Option<ExpectedLength>, paths: usize) -> Self {
        match expected {
            None => Self::Any,
            Some(ExpectedLength::Exactly(length)) => Self::Exactly(length),
            Some(ExpectedLength::LikeFirst) => Self::LikeFirst(vec![Vec::new(); paths]),
        }
    }

    #[inline]
    fn is_other(&mut self, path: usize, status: u16, length: u64) -> bool {
        match self {
            Self::Any => false,
            Self::Exactly(expected) => length != *expected,
            Self::LikeFirst(paths) => {
                let seen = &mut paths[path];
                match seen.iter().find(|(code, _)| *code == status) {
                    Some(&(_, first)) => length != first,
                    None => {
                        seen.push((status, length));
                        false
                    }
                }
            }
        }
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

impl Snapshot {
    /// Nothing was counted yet.
    pub(super) fn nothing(cpu_ns: u64) -> Self {
        Self { cpu_ns, ..Self::default() }
    }
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

    fn answer(path: usize, status: u16, length: u64) -> Answer {
        let response = Response { status, length, persistent: true, has_expected_type: true };
        Answer { response, path, latency_ns: 1000, service_ns: None, body: Verdict::NotCompared }
    }

    fn unexpected(expect: &Expect, answers: &[Answer]) -> Unexpected {
        let mut tally = Tally::new(expect, 2, false);
        answers.iter().for_each(|answer| tally.count_answer(answer, expect));
        assert_eq!(tally.responses, answers.len() as u64);
        tally.unexpected
    }

    #[test]
    fn a_response_that_is_wrong_in_two_ways_is_one_response() {
        let expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(10)), ..Expect::default() };
        assert_eq!(
            unexpected(&expect, &[(200, 10), (200, 11), (404, 10), (404, 11)].map(|(s, l)| answer(0, s, l))),
            Unexpected { responses: 3, status: 2, length: 2, ..Unexpected::default() }
        );
    }

    #[test]
    fn an_error_page_of_another_type_is_one_of_another_status() {
        let expect = Expect { status: Some(200), ..Expect::default() };
        let other_type = |status| {
            let mut answer = answer(0, status, 10);
            answer.response.has_expected_type = false;
            answer
        };
        assert_eq!(
            unexpected(&expect, &[answer(0, 200, 10), other_type(200), other_type(404)]),
            Unexpected { responses: 2, status: 1, content_type: 1, ..Unexpected::default() }
        );
    }

    #[test]
    fn the_first_length_counts_for_its_path_and_status_only() {
        let expect = Expect { length: Some(ExpectedLength::LikeFirst), status: Some(200), ..Expect::default() };
        let answers = [(0, 200, 10), (0, 304, 0), (1, 200, 20), (0, 200, 10), (1, 200, 20), (1, 200, 10)];
        let unexpected = unexpected(&expect, &answers.map(|(path, status, length)| answer(path, status, length)));
        assert_eq!((unexpected.responses, unexpected.status, unexpected.length), (2, 1, 1));
    }

    #[test]
    fn without_a_wish_every_status_but_an_error_is_expected() {
        let unexpected =
            unexpected(&Expect::default(), &[(200, 1), (304, 0), (404, 2), (500, 2)].map(|(s, l)| answer(0, s, l)));
        assert_eq!(unexpected, Unexpected { responses: 2, status: 2, ..Unexpected::default() });
    }

    #[test]
    fn statuses_are_counted_one_by_one() {
        let mut tally = Tally::new(&Expect::default(), 1, false);
        for status in [200, 999, 200] {
            tally.count_answer(&answer(0, status, 0), &Expect::default());
        }
        assert_eq!(tally.statuses(), BTreeMap::from([(200, 2), (999, 1)]));
    }

    #[test]
    fn windows_by_themselves_add_up_to_the_whole() {
        let mut tally = Tally::new(&Expect::default(), 1, true);
        tally.count_answer(&answer(0, 200, 0), &Expect::default());
        tally.count_timeout(5_000);
        let first = tally.take_window().unwrap();
        assert_eq!((first.count(), first.maximum()), (2, Some(5_000)));
        tally.count_answer(&answer(0, 200, 0), &Expect::default());
        assert_eq!(tally.take_window().unwrap().count(), 1);
        assert_eq!((tally.latency.count(), tally.timed_out.count()), (2, 1));
        assert!(Tally::new(&Expect::default(), 1, false).take_window().is_none());
    }
}
