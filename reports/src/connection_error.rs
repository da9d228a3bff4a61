//! Failures of requests and connects, and what to do about each.

/// How a request or a connect can fail without a word of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// Nobody listened, or the queue was full.
    Refused,
    /// The connection was not established in time.
    ConnectTimedOut,
    /// It could not be established for another reason.
    ConnectFailed,
    /// The request could not be written.
    NotWritten,
    /// The connection was reset while an answer was due.
    Reset,
    /// It was closed while an answer was due.
    ClosedEarly,
    /// The answer could not be read.
    NotRead,
}

impl ConnectionError {
    /// What happened, as the beginning of a clause: `connects refused`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "connects refused",
            Self::ConnectTimedOut => "connects timed out",
            Self::ConnectFailed => "connects failed otherwise",
            Self::NotWritten => "requests could not be written",
            Self::Reset => "connections were reset before the answer",
            Self::ClosedEarly => "connections were closed before the answer",
            Self::NotRead => "answers could not be read",
        }
    }

    /// What to do about it, as the end of a sentence.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Refused | Self::ConnectTimedOut => {
                "look whether the server still accepts, and at the limit on waiting connections"
            }
            Self::ConnectFailed => "look at the limits on descriptors and on clients' ports",
            Self::NotWritten | Self::Reset | Self::NotRead => "look at what the server says on standard error",
            Self::ClosedEarly => {
                "the server closes kept connections while a request is on its way; it has to say so in the answer before"
            }
        }
    }
}
