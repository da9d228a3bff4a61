//! Whether a server notices that a document has changed.

use serde::{Deserialize, Serialize};

/// How long after a document has changed a server may answer with the old one, in seconds.
pub const STALE_LIMIT: f64 = 1.0;

/// By how much longer a server may do so before it is called stale, in seconds: servers read the time now and then, and some
/// count in whole seconds.
pub const STALE_TOLERANCE: f64 = 0.5;

/// What a server did after a document had changed that it had served under load. It was asked again and again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Freshness {
    /// From some time on, every answer was the new document.
    Fresh {
        /// That time, in seconds since the document had changed.
        after_seconds: f64,
    },
    /// It answered with the old document when [`STALE_LIMIT`] and [`STALE_TOLERANCE`] were over.
    Stale {
        /// When that answer was asked for, in seconds since the document had changed.
        after_seconds: f64,
    },
}
