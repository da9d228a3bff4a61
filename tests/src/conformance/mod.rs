//! The law of a static file server over HTTP/1.1 as a table, and what holds a server to it.
//!
//! A rule is a line: what it says, a request, what must come back. Rules stand under the section of the RFC that they
//! come from, or under "house" where the RFCs leave a choice and this project made it:
//!
//! ```ignore
//! under("9110 §13.1.2", "If-None-Match", vec![
//!     rule("compares weakly", given("If-None-Match: W/{etag}"), is(304)),
//!     rule("does not hold for another tag", given("If-None-Match: \"other\""), is(200).file("file.txt")),
//! ])
//! ```
//!
//! Besides what a rule says, every response is held to what each one owes: a well-formed head, a true `Date`, a body as
//! long as was promised and none where there may be none, and a connection that does what it says. So after the last
//! response of a rule the connection is used once more if it is kept, and read to its end if it is not. That is how a
//! body that is taken for a request shows, under every rule.
//!
//! [`groups`] is the whole table. [`Server`](crate::Server)s of ours are held to it by `tests/conformance.rs`, others
//! by the command `cargo conformance`.

mod ask;
mod examiner;
mod expect;
mod rules;
mod site;
mod subject;
mod table;

use std::time::Duration;

pub use ask::{Ask, ask, get, head, raw};
pub use examiner::{Examiner, Verdict};
pub use expect::{Expect, is, is_one_of, silence};
pub use rules::groups;
pub use site::{FOLLOW_UP, furnish};
pub use subject::{Subject, Unavailable};
pub use table::{Outcome, Tally};

/// Rules that are tried over one server, with the settings that they need.
#[derive(Debug)]
pub struct Group {
    /// What the rules are about.
    pub name: &'static str,
    /// How the server has to be set up; not at all for most.
    pub settings: &'static [Setting],
    /// Whether the rules wait for deadlines, and are tried side by side for that.
    pub slow: bool,
    /// The rules.
    pub cases: Vec<Case>,
}

/// How a server is set up for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The whole head of a request has to come within this time.
    HeaderTimeout(Duration),
    /// A connection without a request is closed after this time.
    IdleTimeout(Duration),
    /// The longest request line in bytes.
    RequestLine(u64),
    /// The longest header section in bytes.
    HeaderBytes(u64),
    /// Names that start with a dot are served.
    Hidden,
    /// One request a connection.
    KeepAliveOff,
}

/// One rule: requests over one connection, and what has to come back.
#[derive(Debug, Clone)]
pub struct Case {
    /// The RFC and its section, such as "9110 §13.1.2"; "house" for a choice of this project.
    pub section: &'static str,
    /// What the rule says.
    pub rule: String,
    exchanges: Vec<(Ask, Expect)>,
    pipelined: bool,
}

impl Case {
    /// After that response, on the same connection, another request.
    #[must_use]
    pub fn then(mut self, request: Ask, expected: Expect) -> Self {
        self.exchanges.push((request, expected));
        self
    }

    /// All requests are sent in one write, before the first response is read.
    #[must_use]
    pub fn in_one_write(mut self) -> Self {
        self.pipelined = true;
        self
    }
}

/// A rule, to be put [`under`] a section.
pub fn rule(rule: impl Into<String>, request: Ask, expected: Expect) -> Case {
    Case { section: "", rule: rule.into(), exchanges: vec![(request, expected)], pipelined: false }
}

/// The rules of one section, which are about one `subject`.
#[must_use]
pub fn under(section: &'static str, subject: &str, rules: Vec<Case>) -> Vec<Case> {
    let name = |case: Case| Case { section, rule: format!("{subject}: {}", case.rule), ..case };
    rules.into_iter().map(name).collect()
}
