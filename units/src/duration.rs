//! Lengths of time: `500ms`, `1.5s`, `1m30s`.

use std::time::Duration;

/// The units in the order in which they are written, with their seconds.
const UNITS: [(&str, f64); 5] = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)];

/// A year is longer than anything here lasts, and short enough to be added to any instant.
const LONGEST_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not made of numbers with units.
    #[error("\"{0}\" is no length of time; write numbers with units, as 500ms, 1.5s or 1m30s")]
    Malformed(String),
    /// A number has no unit.
    #[error("\"{0}\" has no unit; write {0}s for seconds, or one of h, m, ms and us")]
    NoUnit(String),
    /// There is no such unit.
    #[error("there is no unit \"{unit}\" of time in \"{text}\", only h, m, s, ms and us")]
    Unit {
        /// The whole.
        text: String,
        /// What stands behind a number.
        unit: String,
    },
    /// A unit comes twice, or behind a smaller one.
    #[error("the units of \"{0}\" are out of order; write the largest first and each once, as 1h2m3s")]
    Order(String),
    /// It is longer than a year.
    #[error("\"{0}\" is longer than a year")]
    TooLong(String),
}

/// Reads numbers with units, the largest first: `h`, `m`, `s`, `ms` or `us`. The last one may have decimals. `0` needs no unit.
///
/// # Errors
/// [`DurationError`] quotes the text and says how to write it.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let mut rest = text;
    let mut seconds = 0.0;
    let mut left = &UNITS[..];
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    while !rest.is_empty() {
        let (number, behind) = split(rest, |byte| byte.is_ascii_digit() || byte == b'.');
        let (unit, behind) = split(behind, |byte| byte.is_ascii_alphabetic());
        // Rust reads numbers that begin or end with a point, which people do not write.
        let is_number = number.starts_with(|first: char| first.is_ascii_digit()) && !number.ends_with('.');
        let value: f64 = number.parse().ok().filter(|_| is_number).ok_or_else(malformed)?;
        if unit.is_empty() {
            return Err(if behind.is_empty() { DurationError::NoUnit(text.to_owned()) } else { malformed() });
        }
        let Some((_, of_unit)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::Unit { text: text.to_owned(), unit: unit.to_owned() });
        };
        let place = left.iter().position(|(name, _)| *name == unit);
        left = &left[place.ok_or_else(|| DurationError::Order(text.to_owned()))? + 1..];
        if number.contains('.') && !behind.is_empty() {
            return Err(malformed());
        }
        seconds += value * of_unit;
        rest = behind;
    }
    if text.is_empty() {
        return Err(malformed());
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if seconds <= LONGEST_SECONDS => Ok(duration),
        _ => Err(DurationError::TooLong(text.to_owned())),
    }
}

/// The same, and a number alone means seconds: for flags that have always been so, such as those of wrk.
///
/// # Errors
/// As [`duration`].
pub fn duration_or_seconds(text: &str) -> Result<Duration, DurationError> {
    match duration(text) {
        Err(DurationError::NoUnit(_)) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            duration(&format!("{text}s"))
        }
        read => read,
    }
}

/// The beginning that consists of such bytes, and the rest.
fn split(text: &str, is_part: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_read() {
        for (text, microseconds) in [
            ("10s", 10_000_000),
            ("500ms", 500_000),
            ("1.5s", 1_500_000),
            ("1m30s", 90_000_000),
            ("1h2m3s4ms5us", 3_723_004_005),
            ("1m0.5s", 60_500_000),
            ("1.5m", 90_000_000),
            ("0", 0),
            ("0s", 0),
            ("24h", 86_400_000_000),
            ("250us", 250),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(microseconds)), "{text}");
            assert_eq!(duration_or_seconds(text), duration(text), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_seconds_where_it_always_was() {
        for (text, milliseconds) in [("2", 2_000), ("1.5", 1_500), ("0", 0), ("120", 120_000)] {
            assert_eq!(duration_or_seconds(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("2"), Err(DurationError::NoUnit("2".into())));
        assert_eq!(duration_or_seconds("1m30"), Err(DurationError::NoUnit("1m30".into())));
    }

    #[test]
    fn all_else_is_refused_with_its_reason() {
        let malformed = |text: &str| DurationError::Malformed(text.into());
        for text in ["", "s", "-1s", "+1s", "1.2.3s", ".5s", "5.s", "1.5m30s", " 1s", "1 s", "ten", "infs", "1s,", "½s"]
        {
            assert_eq!(duration(text), Err(malformed(text)), "{text}");
        }
        for text in ["30s1m", "1s1s", "1ms1s"] {
            assert_eq!(duration(text), Err(DurationError::Order(text.into())), "{text}");
        }
        for (text, unit) in [("1d", "d"), ("1S", "S"), ("1m30x", "x"), ("1min", "min"), ("1e9s", "e")] {
            assert_eq!(duration(text), Err(DurationError::Unit { text: text.into(), unit: unit.into() }), "{text}");
        }
        for text in ["9000h", "99999999999999999999999h"] {
            assert_eq!(duration(text), Err(DurationError::TooLong(text.into())), "{text}");
        }
        assert_eq!(duration_or_seconds("-1"), Err(malformed("-1")));
    }
}
