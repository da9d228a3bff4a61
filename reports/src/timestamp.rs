//! A moment on the calendar, in UTC, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const MILLISECONDS_PER_DAY: u64 = 86_400_000;

/// A moment between 1970 and 9999, in UTC, to the millisecond; written as RFC 3339, `2026-03-01T12:30:05.250Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp {
    milliseconds: u64,
}

/// A text that is not a moment in the form `2026-03-01T12:30:05.250Z`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time like 2026-03-01T12:30:05.250Z")]
pub struct NotATimestamp(String);

/// The figures of a moment on the Gregorian calendar.
struct Calendar {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u64,
}

impl Timestamp {
    /// The last moment that has a four-digit year.
    const LAST: u64 = 253_402_300_799_999;

    /// This moment by the system's clock. A clock set before 1970 reads as 1970.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The moment so many milliseconds after the start of 1970; what lies past the year 9999 becomes its last moment.
    #[must_use]
    pub fn from_unix_milliseconds(milliseconds: u64) -> Self {
        Self { milliseconds: milliseconds.min(Self::LAST) }
    }

    /// Milliseconds since the start of 1970.
    #[must_use]
    pub fn unix_milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// How long after `earlier` this is; nothing if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.milliseconds.saturating_sub(earlier.milliseconds))
    }

    /// The moment as part of a file name that sorts by time: `20260301T123005Z`.
    #[must_use]
    pub fn for_file_name(self) -> String {
        let Calendar { year, month, day, hour, minute, second, .. } = self.calendar();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// The moment for a reader, to the minute: `2026-03-01 12:30 UTC`.
    #[must_use]
    pub fn for_reader(self) -> String {
        let Calendar { year, month, day, hour, minute, .. } = self.calendar();
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }

    /// Splits the moment into calendar figures, by whole eras of 400 years counted from the first of March of year 0.
    fn calendar(self) -> Calendar {
        let day_of_time = self.milliseconds / MILLISECONDS_PER_DAY + 719_468;
        let era = day_of_time / 146_097;
        let day_of_era = day_of_time % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let rest = self.milliseconds % MILLISECONDS_PER_DAY;
        Calendar {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1_000 % 60,
            millisecond: rest % 1_000,
        }
    }
}

impl Calendar {
    /// The moment that has these figures; nothing if a figure is out of its range.
    fn timestamp(&self) -> Option<Timestamp> {
        let in_range = (1970..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.millisecond < 1_000;
        if !in_range {
            return None;
        }
        let march_year = self.year - u64::from(self.month <= 2);
        let march_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let year_of_era = march_year % 400;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let day = march_year / 400 * 146_097 + day_of_era - 719_468;
        let seconds = (self.hour * 60 + self.minute) * 60 + self.second;
        let found = Timestamp::from_unix_milliseconds(day * MILLISECONDS_PER_DAY + seconds * 1_000 + self.millisecond);
        // The thirtieth of February comes back as a day in March: a date that changes on its way was none.
        (found.calendar().day == self.day).then_some(found)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_milliseconds(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calendar { year, month, day, hour, minute, second, millisecond } = self.calendar();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let shape_fits = text.len() == 24
            && text
                .bytes()
                .zip("0000-00-00T00:00:00.000Z".bytes())
                .all(|(found, expected)| if expected == b'0' { found.is_ascii_digit() } else { found == expected });
        let figure = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u64>().ok());
        let read = || {
            Calendar {
                year: figure(0, 4)?,
                month: figure(5, 7)?,
                day: figure(8, 10)?,
                hour: figure(11, 13)?,
                minute: figure(14, 16)?,
                second: figure(17, 19)?,
                millisecond: figure(20, 23)?,
            }
            .timestamp()
        };
        shape_fits.then(read).flatten().ok_or_else(|| NotATimestamp(text.to_owned()))
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = NotATimestamp;

    fn try_from(text: String) -> Result<Self, NotATimestamp> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_the_calendar_has_them() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_772_368_205_250, "2026-03-01T12:30:05.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (Timestamp::LAST, "9999-12-31T23:59:59.999Z"),
        ];
        for (milliseconds, text) in known {
            let moment = Timestamp::from_unix_milliseconds(milliseconds);
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse(), Ok(moment));
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let moment = Timestamp::from_unix_milliseconds(day * MILLISECONDS_PER_DAY + 1);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-30T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-03-01T24:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-03-01T12:30:05.250+",
            "+026-03-01T12:30:05.250Z",
            "2026-03-01 12:30:05.250Z",
            "2026-03-01T12:30:05.2é",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?} was taken for a moment");
        }
    }

    #[test]
    fn the_file_name_sorts_and_the_reader_sees_minutes() {
        let moment = Timestamp::from_unix_milliseconds(1_772_368_205_250);
        assert_eq!(moment.for_file_name(), "20260301T123005Z");
        assert_eq!(moment.for_reader(), "2026-03-01 12:30 UTC");
    }
}
