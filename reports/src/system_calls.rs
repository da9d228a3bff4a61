//! What a request costs a server in system calls.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, last_line};
use crate::words;

/// The system calls that a server made for so many requests, and for twice as many. What it does whether or not it is
/// asked for something, and what it does once for each connection that lasts, is in both, so that the difference is
/// what the requests cost.
///
/// These figures do not depend on how busy the machine is, save for two kinds: calls that wait for several connections
/// at once (`epoll_wait`, `poll`, `select`), of which one serves all connections that are ready by then, and calls
/// that go with time or with chance (`futex`, `sched_yield`, `madvise`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCalls {
    /// Requests in the shorter pass; at least 1.
    pub requests: u64,
    /// Connections that were open at the same time; at least 1.
    pub connections: u64,
    /// Calls by name while so many requests were served, all threads and processes of the server together.
    pub once: BTreeMap<String, u64>,
    /// Calls by name while twice as many were served.
    pub twice: BTreeMap<String, u64>,
}

impl SystemCalls {
    /// Calls for one request, by name. A call that was made less often in the longer pass, which is chance, is not in
    /// it.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, f64> {
        let more = |(name, &twice): (&String, &u64)| {
            let more = twice.checked_sub(self.once.get(name).copied().unwrap_or(0)).filter(|&more| more > 0)?;
            Some((name.clone(), more as f64 / self.requests.max(1) as f64))
        };
        self.twice.iter().filter_map(more).collect()
    }

    /// Calls for one request, all names together.
    #[must_use]
    pub fn per_request(&self) -> f64 {
        self.by_name().values().sum()
    }

    /// Whether twice the requests took no fewer calls than the requests did.
    ///
    /// # Errors
    /// [`NotCounted::Implausible`] when they took fewer.
    pub fn plausible(self) -> Result<Self, NotCounted> {
        let total = |calls: &BTreeMap<String, u64>| calls.values().sum::<u64>();
        let (once, twice) = (total(&self.once), total(&self.twice));
        if twice < once { Err(NotCounted::Implausible { requests: self.requests, once, twice }) } else { Ok(self) }
    }
}

/// Why the system calls of a server were not counted. Its text is one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NotCounted {
    /// strace is not installed.
    NoStrace,
    /// strace may not trace processes here.
    NotPermitted {
        /// What strace said.
        error: String,
    },
    /// The server did not run under strace.
    NotServed {
        /// How.
        failure: Failure,
    },
    /// Requests were not answered in time, or not as they have to be.
    Unanswered {
        /// Requests of the pass.
        requests: u64,
        /// How many of them were answered rightly.
        answered: u64,
        /// How long all of the counting was given, in seconds.
        limit_seconds: f64,
    },
    /// Twice the requests took fewer calls than the requests did.
    Implausible {
        /// Requests in the shorter pass.
        requests: u64,
        /// Calls in the shorter pass.
        once: u64,
        /// Calls in the longer pass.
        twice: u64,
    },
    /// What strace wrote could not be read.
    Unreadable {
        /// Why, by the system.
        error: String,
    },
    /// The reader wanted no more before it was done.
    Interrupted,
}

impl fmt::Display for NotCounted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStrace => out.write_str("System calls were not counted, because there is no strace: install it."),
            Self::NotPermitted { error } => write!(
                out,
                "System calls were not counted, because strace may trace no process here ({}): allow ptrace, which \
                 containers often forbid.",
                last_line(error),
            ),
            Self::NotServed { failure } => {
                let failure = failure.to_string();
                let clause = failure.strip_prefix("The ").unwrap_or(&failure);
                write!(out, "System calls were not counted, because under strace the {clause}")
            }
            Self::Unanswered { requests, answered, limit_seconds } => write!(
                out,
                "System calls were not counted, because under strace {} of {} requests were answered rightly within \
                 {}: see what it answers, or allow more time.",
                words::count(*answered),
                words::count(*requests),
                words::seconds(*limit_seconds),
            ),
            Self::Implausible { requests, once, twice } => write!(
                out,
                "System calls were not counted, because {} requests took {} of them and twice as many requests only \
                 {}: the server does something else meanwhile, which has to be turned off.",
                words::count(*requests),
                words::count(*once),
                words::count(*twice),
            ),
            Self::Unreadable { error } => write!(
                out,
                "System calls were not counted, because what strace wrote could not be read ({}): see whether there \
                 is room on the disk.",
                last_line(error),
            ),
            Self::Interrupted => {
                out.write_str("System calls were not counted, because the run was interrupted: resume it.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    fn counted() -> SystemCalls {
        SystemCalls {
            requests: 100,
            connections: 4,
            once: calls([("recvfrom", 104), ("sendto", 100), ("accept4", 5), ("close", 4), ("futex", 7)]),
            twice: calls([("recvfrom", 204), ("sendto", 200), ("accept4", 5), ("close", 4), ("futex", 5), ("mmap", 1)]),
        }
    }

    #[test]
    fn what_is_in_both_passes_is_no_cost_of_a_request() {
        let expected = [("mmap", 0.01), ("recvfrom", 1.0), ("sendto", 1.0)].map(|(name, cost)| (name.to_owned(), cost));
        assert_eq!(counted().by_name(), expected.into());
        assert!((counted().per_request() - 2.01).abs() < 1e-9);
    }

    #[test]
    fn fewer_calls_for_more_requests_are_not_believed() {
        assert_eq!(counted().plausible(), Ok(counted()));
        let swapped = SystemCalls { once: counted().twice, twice: counted().once, ..counted() };
        assert_eq!(swapped.plausible(), Err(NotCounted::Implausible { requests: 100, once: 419, twice: 220 }));
        // A server that polls shared memory makes none at all, and may.
        let none = SystemCalls { requests: 100, connections: 4, ..SystemCalls::default() };
        assert_eq!(none.plausible().map(|none| none.per_request()), Ok(0.0));
    }

    #[test]
    fn both_outcomes_are_stored_and_read_again() {
        let outcomes = [Ok(counted()), Err(NotCounted::NoStrace), Err(NotCounted::NotPermitted { error: "no".into() })];
        let text = serde_json::to_string(&outcomes).unwrap();
        assert_eq!(serde_json::from_str::<[Result<SystemCalls, NotCounted>; 3]>(&text).unwrap(), outcomes);
    }

    #[test]
    fn a_reason_is_one_sentence_that_says_what_to_do() {
        let reasons = [
            NotCounted::NoStrace,
            NotCounted::NotPermitted { error: "strace: ptrace: Operation not permitted\n".to_owned() },
            NotCounted::NotServed { failure: Failure::NotStarted { error: "no such file".to_owned() } },
            NotCounted::Unanswered { requests: 400, answered: 3, limit_seconds: 20.0 },
            NotCounted::Implausible { requests: 400, once: 1000, twice: 900 },
            NotCounted::Unreadable { error: "No space left on device".to_owned() },
            NotCounted::Interrupted,
        ];
        for reason in reasons {
            let text = reason.to_string();
            assert!(
                text.ends_with('.') && text.matches(". ").count() == 0 && text.contains(": ") && !text.contains('\n'),
                "{text}"
            );
        }
    }
}
