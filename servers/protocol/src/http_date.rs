//! Reading dates (RFC 9110, section 5.6.7). All three formats are read; writing is [`Moment`](crate::Moment)'s.

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A date of the Gregorian calendar and a second of its day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Calendar {
    year: i64,
    month: i64,
    day: i64,
    /// Up to 86,400: the last second of a day may be a leap second.
    second: i64,
}

/// The second that a field value names, counted from 1970; `None` if it is not an HTTP-date.
///
/// `now` is an IMF-fixdate: the two digits of a year in the second format mean the year that is not more than 50 years
/// ahead of it. Whether the day of the week is that of the date is not looked at.
pub(crate) fn parse(value: &[u8], now: &[u8]) -> Option<i64> {
    let value = value.trim_ascii();
    let calendar = match value.iter().position(|&byte| byte == b',') {
        Some(3) => imf_fixdate(value),
        Some(comma) => rfc850_date(&value[..comma], &value[comma + 1..], now),
        None => asctime_date(value),
    }?;
    calendar.checked().map(Calendar::seconds)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<Calendar> {
    let &[a, b, c, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', ref time @ ..] = text else {
        return None;
    };
    day_names(3).any(|name| name == [a, b, c]).then_some(())?;
    let time = time.strip_suffix(b" GMT")?;
    Some(Calendar {
        year: digits(&[y1, y2, y3, y4])?,
        month: month([m1, m2, m3])?,
        day: digits(&[d1, d2])?,
        second: time_of_day(time)?,
    })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850_date(day_name: &[u8], rest: &[u8], now: &[u8]) -> Option<Calendar> {
    let &[b' ', d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', ref time @ ..] = rest else { return None };
    DAYS.iter().any(|name| name.as_bytes() == day_name).then_some(())?;
    let time = time.strip_suffix(b" GMT")?;
    let now = imf_fixdate(now)?;
    let mut date = Calendar {
        year: now.year - now.year % 100 + digits(&[y1, y2])?,
        month: month([m1, m2, m3])?,
        day: digits(&[d1, d2])?,
        second: time_of_day(time)?,
    };
    if date > (Calendar { year: now.year + 50, ..now }) {
        date.year -= 100;
    } else if date <= (Calendar { year: now.year - 50, ..now }) {
        date.year += 100;
    }
    Some(date)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime_date(text: &[u8]) -> Option<Calendar> {
    let &[a, b, c, b' ', m1, m2, m3, b' ', d1, d2, b' ', ref time @ .., b' ', y1, y2, y3, y4] = text else {
        return None;
    };
    day_names(3).any(|name| name == [a, b, c]).then_some(())?;
    Some(Calendar {
        year: digits(&[y1, y2, y3, y4])?,
        month: month([m1, m2, m3])?,
        day: if d1 == b' ' { digits(&[d2])? } else { digits(&[d1, d2])? },
        second: time_of_day(time)?,
    })
}

/// `08:49:37`
fn time_of_day(text: &[u8]) -> Option<i64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[m1, m2])?, digits(&[s1, s2])?);
    let leap = (hour, minute, second) == (23, 59, 60);
    (hour < 24 && minute < 60 && (second < 60 || leap)).then_some(hour * 3600 + minute * 60 + second)
}

fn day_names(length: usize) -> impl Iterator<Item = &'static [u8]> {
    DAYS.iter().map(move |name| &name.as_bytes()[..length])
}

fn month(name: [u8; 3]) -> Option<i64> {
    (1..).zip(MONTHS).find(|(_, month)| **month == name).map(|(number, _)| number)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

impl Calendar {
    /// Unless the month has no such day.
    fn checked(self) -> Option<Self> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=days).contains(&self.day).then_some(self)
    }

    /// Seconds since 1970. The year is counted from March, so that a leap day is its last.
    fn seconds(self) -> i64 {
        let (year, month) = if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        let days_before_month = (153 * month + 2) / 5;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        // From 1 March of the year 0 to 1 January 1970.
        const DAYS_TO_1970: i64 = 719_468;
        let days = 365 * year + leap_days + days_before_month + self.day - 1 - DAYS_TO_1970;
        days * 86_400 + self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment;
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};

    const NOW: &[u8] = b"Mon, 23 Nov 2026 12:00:00 GMT";

    fn read(value: &str) -> Option<i64> {
        parse(value.as_bytes(), NOW)
    }

    #[test]
    fn the_three_formats_of_one_second() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
            "  Sun, 06 Nov 1994 08:49:37 GMT\t",
        ] {
            assert_eq!(read(value), Some(784_111_777), "{value}");
        }
    }

    #[test]
    fn seconds_of_the_calendar() {
        for (value, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Mon, 01 Jan 1900 00:00:00 GMT", -2_208_988_800),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(read(value), Some(seconds), "{value}");
        }
    }

    #[test]
    fn two_digits_of_a_year_are_within_fifty_years() {
        for (value, year) in [
            ("Monday, 01-Jan-27 00:00:00 GMT", 2027),
            ("Monday, 23-Nov-76 12:00:00 GMT", 2076),
            ("Monday, 23-Nov-76 12:00:01 GMT", 1976),
            ("Monday, 01-Jan-77 00:00:00 GMT", 1977),
            ("Monday, 01-Jan-00 00:00:00 GMT", 2000),
        ] {
            let start = read(&format!("Mon, 01 Jan {year} 00:00:00 GMT")).unwrap();
            let end = read(&format!("Mon, 01 Jan {} 00:00:00 GMT", year + 1)).unwrap();
            assert!((start..end).contains(&read(value).unwrap()), "{value}");
        }
        let at_the_end = parse(b"Monday, 01-Jan-10 00:00:00 GMT", b"Mon, 01 Jun 2099 00:00:00 GMT");
        assert_eq!(at_the_end, read("Wed, 01 Jan 2110 00:00:00 GMT"));
    }

    #[test]
    fn what_is_no_date() {
        for value in [
            "",
            "yesterday",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 gmt",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(second in 0_u64..253_402_300_800) {
            let text = moment::imf_fixdate(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            prop_assert_eq!(parse(&text, NOW), i64::try_from(second).ok());
        }

        #[test]
        fn any_bytes_are_a_date_or_none(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&value, NOW);
        }

        #[test]
        fn a_date_with_a_slip_is_read_or_not(at in 0_usize..29, byte in any::<u8>()) {
            let mut text = *b"Sun, 06 Nov 1994 08:49:37 GMT";
            text[at] = byte;
            let _ = parse(&text, NOW);
        }
    }
}
