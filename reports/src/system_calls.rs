//! What a request costs a server in system calls.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, last_line};
use crate::words;

/// The system calls that a server made for a few requests, and for many. What it does whether or not it is asked for
/// something, and what it does once for each connection that lasts, is in both, so that the difference is what the
/// requests cost.
///
/// These figures do not depend on how busy the machine is, save for two kinds: calls that wait for several connections
/// at once (`epoll_wait`, `poll`, `select`), of which one serves all connections that are ready by then, and calls
/// that go with time or with chance (`futex`, `sched_yield`, `madvise`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCalls {
    /// Connections that were open at the same time; at least 1.
    pub connections: u64,
    /// A few requests.
    pub few: Pass,
    /// Many requests; more than the few.
    pub many: Pass,
}

/// Requests that were served, and the system calls meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// How many requests.
    pub requests: u64,
    /// Calls by name, all threads and processes of the server together.
    pub calls: BTreeMap<String, u64>,
}

impl Pass {
    fn total(&self) -> u64 {
        self.calls.values().sum()
    }
}

impl SystemCalls {
    /// Requests that the cost is the mean of: those by which the many exceed the few.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.many.requests.saturating_sub(self.few.requests)
    }

    /// Calls for one request, by name. A call that was made no more often for many requests, which is chance, is not in
    /// it.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, f64> {
        let cost = |(name, &many): (&String, &u64)| {
            let more = many.checked_sub(self.few.calls.get(name).copied().unwrap_or(0)).filter(|&more| more > 0)?;
            Some((name.clone(), more as f64 / self.requests().max(1) as f64))
        };
        self.many.calls.iter().filter_map(cost).collect()
    }

    /// Calls for one request, all names together.
    #[must_use]
    pub fn per_request(&self) -> f64 {
        self.by_name().values().sum()
    }

    /// Whether many requests took no fewer calls than a few did.
    ///
    /// # Errors
    /// [`NotCounted::Implausible`] when they took fewer.
    pub fn plausible(self) -> Result<Self, NotCounted> {
        let (few, many) = (self.few.total(), self.many.total());
        if self.many.requests > self.few.requests && many >= few {
            return Ok(self);
        }
        let requests = (self.few.requests, self.many.requests);
        Err(NotCounted::Implausible { few_requests: requests.0, few, many_requests: requests.1, many })
    }
}

/// What came of counting the system calls of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// They were counted.
    Counted(SystemCalls),
    /// They were not.
    NotCounted(NotCounted),
}

impl Counting {
    /// The calls, if they were counted.
    #[must_use]
    pub fn calls(&self) -> Option<&SystemCalls> {
        match self {
            Self::Counted(calls) => Some(calls),
            Self::NotCounted(_) => None,
        }
    }
}

impl From<Result<SystemCalls, NotCounted>> for Counting {
    fn from(counted: Result<SystemCalls, NotCounted>) -> Self {
        counted.map_or_else(Self::NotCounted, Self::Counted)
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
    /// Many requests took fewer calls than a few did.
    Implausible {
        /// How many requests are a few.
        few_requests: u64,
        /// Their calls.
        few: u64,
        /// How many requests are many.
        many_requests: u64,
        /// Their calls.
        many: u64,
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
            Self::Implausible { few_requests, few, many_requests, many } => write!(
                out,
                "System calls were not counted, because {} requests took {} of them and {} requests only {}: the \
                 server does something else meanwhile, which has to be turned off.",
                words::count(*few_requests),
                words::count(*few),
                words::count(*many_requests),
                words::count(*many),
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

    fn pass<const N: usize>(requests: u64, calls: [(&str, u64); N]) -> Pass {
        Pass { requests, calls: calls.map(|(name, count)| (name.to_owned(), count)).into() }
    }

    fn counted() -> SystemCalls {
        SystemCalls {
            connections: 4,
            few: pass(40, [("recvfrom", 44), ("sendto", 40), ("accept4", 5), ("close", 4), ("futex", 7)]),
            many: pass(140, [("recvfrom", 144), ("sendto", 140), ("accept4", 5), ("futex", 5), ("mmap", 1)]),
        }
    }

    #[test]
    fn what_is_in_both_passes_is_no_cost_of_a_request() {
        let expected = [("mmap", 0.01), ("recvfrom", 1.0), ("sendto", 1.0)].map(|(name, cost)| (name.to_owned(), cost));
        assert_eq!((counted().requests(), counted().by_name()), (100, expected.into()));
        assert!((counted().per_request() - 2.01).abs() < 1e-9);
    }

    #[test]
    fn fewer_calls_for_more_requests_are_not_believed() {
        assert_eq!(counted().plausible(), Ok(counted()));
        let fewer = SystemCalls { many: pass(140, [("recvfrom", 99)]), ..counted() };
        let reason = NotCounted::Implausible { few_requests: 40, few: 100, many_requests: 140, many: 99 };
        assert_eq!(fewer.plausible(), Err(reason));
        let turned_round = SystemCalls { few: counted().many, many: counted().few, ..counted() };
        assert!(turned_round.plausible().is_err());
        // A server that polls shared memory makes none at all, and may.
        let none = SystemCalls { connections: 4, few: pass(40, []), many: pass(140, []) };
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
            NotCounted::Implausible { few_requests: 40, few: 1000, many_requests: 840, many: 900 },
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
