//! The system calls that one request costs a server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What came of counting a server's system calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemCallCount {
    /// They were counted.
    Counted(SystemCalls),
    /// They were not, for this reason: a sentence.
    NotCounted(String),
}

/// The system calls that one request costs, by name: the calls of 2N requests less those of N, over N, so that what a
/// server does to start and to stop is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemCalls {
    /// Calls per request by the kernel's name of the call; those that no request causes are left out.
    pub by_name: BTreeMap<String, f64>,
    /// The N: requests by which the two passes differed.
    pub requests: u64,
}

impl SystemCalls {
    /// Calls of all names per request.
    #[must_use]
    pub fn per_request(&self) -> f64 {
        self.by_name.values().sum()
    }
}
