//! What every response has to be.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What every response has to be. A response that is something else is counted as a response *and* as unexpected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// The status code. Without one, every code below 400 is as expected.
    #[serde(default)]
    pub status: Option<u16>,
    /// The length of the body as received, transfer codings removed. The responses to HEAD have none.
    #[serde(default)]
    pub length: Option<ExpectedLength>,
    /// The Content-Type of responses with the expected status, without parameters: `text/html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The bytes of the body, transfer codings removed, of responses with the expected status.
    #[serde(default)]
    pub body: Option<ExpectedBody>,
    /// The share of the responses whose bytes are compared, from 0 to 1. Which ones is left to chance.
    #[serde(default = "all")]
    pub body_share: f64,
}

fn all() -> f64 {
    1.0
}

impl Default for Expect {
    fn default() -> Self {
        Self { status: None, length: None, content_type: None, body: None, body_share: all() }
    }
}

impl Expect {
    /// Whether this status is as expected.
    #[inline]
    #[must_use]
    pub fn allows_status(&self, status: u16) -> bool {
        self.status.map_or(status < 400, |expected| expected == status)
    }
}

/// The body length that every response has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedLength {
    /// So many bytes.
    Exactly(u64),
    /// As many as the first response that the same thread received for the same path with the same status code. It
    /// notices a server that changes its mind, not one that is wrong from the beginning.
    LikeFirst,
}

/// The bytes that the body of every response has to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedBody {
    /// Those of the first response that the same thread received for the same path.
    LikeFirst,
    /// Those of this file or, if it is a folder, of the file in it that the path names: percent-encoding decoded, the
    /// query dropped, `index.html` added to what ends with a slash.
    File(PathBuf),
}
