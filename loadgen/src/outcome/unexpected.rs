//! Responses that were complete and wrong.

use serde::{Deserialize, Serialize};

/// Complete responses that were not what the plan expects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// Those with another status, another length, another type or other bytes, each counted once.
    pub responses: u64,
    /// Those with another status.
    pub status: u64,
    /// Those with another body length, or with the expected bytes and some missing or more behind them.
    pub length: u64,
    /// Those with the expected status and another Content-Type, or none.
    #[serde(default)]
    pub content_type: u64,
    /// Those whose body has other bytes. Of a body with another length only the bytes that both have are compared.
    pub body: u64,
    /// How many bodies were compared.
    pub bodies_compared: u64,
    /// The first difference that each thread met, the earliest thread's.
    pub first_difference: Option<Difference>,
}

impl Unexpected {
    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.responses += other.responses;
        self.status += other.status;
        self.length += other.length;
        self.content_type += other.content_type;
        self.body += other.body;
        self.bodies_compared += other.bodies_compared;
        if self.first_difference.is_none() {
            self.first_difference.clone_from(&other.first_difference);
        }
    }
}

/// Where a body first differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The path that was asked for.
    pub path: String,
    /// The position of the byte in the body, from 0.
    pub offset: u64,
    /// The byte that should be there.
    pub expected: u8,
    /// The byte that came.
    pub found: u8,
}
