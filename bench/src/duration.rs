//! Lengths of time in suites and flags, and in words for those who wait.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use units::DurationError;

/// The longest span that is accepted: a day. A longer one is a slip of the keyboard.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A length of time in a suite or on the command line, written as [`units::duration`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

/// Why a text is not a length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpanError {
    /// Not written as lengths of time are.
    #[error(transparent)]
    Malformed(#[from] DurationError),
    /// More than a day.
    #[error("\"{0}\" is longer than a day")]
    TooLong(String),
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let span = units::duration(text.trim())?;
        if span > LONGEST { Err(SpanError::TooLong(text.to_owned())) } else { Ok(Self(span)) }
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds < 1000 {
            write!(f, "{milliseconds} ms")
        } else if milliseconds.is_multiple_of(1000) {
            write!(f, "{} s", milliseconds / 1000)
        } else {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

/// A span for a reader who waits: `48 s`, `9 min 40 s`, rounded to whole seconds.
#[must_use]
pub fn in_words(duration: Duration) -> String {
    let seconds = (duration.as_secs_f64()).round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!("10s".parse(), Ok(Span(Duration::from_secs(10))));
        assert_eq!("500ms".parse(), Ok(Span(Duration::from_millis(500))));
        assert_eq!("1m30s".parse(), Ok(Span(Duration::from_secs(90))));
        assert_eq!("24h".parse(), Ok(Span(LONGEST)));
    }

    #[test]
    fn names_what_is_not_a_length_of_time() {
        for text in ["", "10", "s", "ten seconds", "10 s", "1d", "1.2.3s", "-1s", "infs"] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was accepted");
        }
        let error = "25h".parse::<Span>().unwrap_err();
        assert!(error.to_string().contains("longer than a day"), "{error}");
    }

    #[test]
    fn speaks_in_minutes_and_seconds() {
        assert_eq!(in_words(Duration::from_millis(47_600)), "48 s");
        assert_eq!(in_words(Duration::from_secs(120)), "2 min");
        assert_eq!(in_words(Duration::from_secs(580)), "9 min 40 s");
        assert_eq!(Span(Duration::from_millis(300)).to_string(), "300 ms");
        assert_eq!(Span(Duration::from_millis(1500)).to_string(), "1.5 s");
        assert_eq!(Span(Duration::from_secs(10)).to_string(), "10 s");
    }
}
