//! Conditional requests and ranges against a naive reading of RFC 9110, sections 5.6.7, 8.8.3, 13 and 14.
//!
//! The first byte chooses the method, the document and the time; lines follow. The first byte of a line is the initial
//! of its field (`m`: If-Match, `n`: If-None-Match, `s`: If-Modified-Since, `u`: If-Unmodified-Since, `i`: If-Range,
//! `r`: Range, `d`: a date by itself); the rest is its value, where bytes from 0x80 up stand for words.
//!
//! Properties:
//!
//! - A date is read as a naive reader reads it, in all three formats and centuries; what `httpdate` reads is read.
//! - Status and range are those of the naive order of preconditions, with well-formed lists of tags read strictly.
//! - A tag of ours is found in a malformed list only if it stands there.
//! - A part is not empty and lies within its document.

use crate::words::expand;
use protocol::{
    Fields, Moment, Status,
    fuzzing::{date, select},
};
use std::{
    cmp::Ordering,
    ops::Range,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

const WORDS: &str = "TAG W/TAG \"x\" W/ * bytes= 0- -1 10-11 9- 18446744073709551615 99999999999999999999999999999999999999999 \
    _GMT 08:49:37 23:59:60 Sun,_06_Nov_1994_08:49:37_GMT Sunday,_06-Nov-94_08:49:37_GMT Sun_Nov__6_08:49:37_1994 \
    Sun,_ Sunday,_ Sun_ Monday,_ _Nov_ -Nov- _Feb_ -Feb- 29 28 _Dec_ 1994 2000 1900 0000 9999 2026 -76 -77 00:00:00";

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A document and a time.
struct Case {
    fields: Fields,
    at: Moment,
    length: u64,
    /// The second of its Last-Modified, if it has one.
    modified: Option<i64>,
    /// Whether that is far enough in the past.
    is_strong: bool,
    tag: Vec<u8>,
    now: Calendar,
    words: Vec<Vec<u8>>,
}

/// Year, month, day, second of the day.
type Calendar = (i64, i64, i64, i64);

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    // Now, also as a date of the calendar.
    let times = [(1_795_435_200, (2026, 11, 23, 43_200)), (4_083_955_200, (2099, 6, 1, 0))];
    let mut cases = Vec::new();
    for (now, calendar) in times {
        for (length, modified) in [(0, 784_111_777), (10, 784_111_777), (u64::MAX, 1_795_435_190), (1, 1_900_000_000)] {
            let after = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let at = Moment::new(*START, after(now));
            let fields = Fields::new(b"a", length, after(modified), "7.5", at.wall());
            let tag = format!("\"{length:x}-7.5\"");
            let word = |word: &str| word.replace('_', " ").replace("TAG", &tag).into_bytes();
            let words = WORDS.split_whitespace().map(word).collect();
            let is_strong = modified + 60 <= now;
            let modified = Some(modified as i64).filter(|&modified| modified <= now as i64);
            cases.push(Case { fields, at, length, modified, is_strong, tag: tag.into(), now: calendar, words });
        }
    }
    cases
});

/// Checks all properties with the lines that `data` holds.
pub fn check(data: &[u8]) {
    let [choice, lines @ ..] = data else { return };
    let case = &CASES[usize::from(choice / 2) % CASES.len()];
    let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
    for line in lines.split(|&byte| byte == b'\n') {
        let [initial, value @ ..] = line else { continue };
        let mut value = expand(value, &case.words);
        // No head with other control bytes is accepted.
        value.retain(|byte| !byte.is_ascii_control() || *byte == b'\t');
        let name = match initial {
            b'm' => "If-Match",
            b'n' => "If-None-Match",
            b's' => "If-Modified-Since",
            b'u' => "If-Unmodified-Since",
            b'i' => "If-Range",
            b'r' => "Range",
            b'd' => {
                case.check_date(&value);
                continue;
            }
            _ => continue,
        };
        fields.push((name, value));
    }

    let is_get = choice % 2 == 0;
    let lines: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let (status, range) = select(&lines, is_get, &case.fields, &case.at);
    if status == Status::PartialContent {
        assert!(range.start < range.end && range.end <= case.length, "{range:?}");
    }
    if let Some(expected) = case.judge(&lines, is_get) {
        assert_eq!((status, range), expected);
    }
}

impl Case {
    fn check_date(&self, value: &[u8]) {
        let told = date(value, &self.at);
        assert_eq!(told, self.read_date(value), "{}", value.escape_ascii());
        // Another reader, with a rule of its own for years of two digits.
        if let Ok(Ok(theirs)) = std::str::from_utf8(value).map(httpdate::parse_http_date)
            && !value.contains(&b'-')
        {
            let seconds = theirs.duration_since(SystemTime::UNIX_EPOCH).expect("not before 1970").as_secs();
            assert_eq!(told, i64::try_from(seconds).ok(), "{}", value.escape_ascii());
        }
    }

    /// Status and range by section 13.2.2, or nothing where the RFC leaves it open.
    fn judge(&self, lines: &[(&str, &[u8])], is_get: bool) -> Option<(Status, Range<u64>)> {
        let value = |wanted: &str| {
            let values: Vec<&[u8]> =
                lines.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value).collect();
            (!values.is_empty()).then(|| values.join(&b", "[..]))
        };
        let date = |name: &str| value(name).and_then(|value| self.read_date(&value));

        match value("If-Match") {
            Some(list) if !self.lists(&list, false)? => return Some((Status::PreconditionFailed, 0..0)),
            None if date("If-Unmodified-Since")
                .is_some_and(|since| self.modified.is_some_and(|second| second > since)) =>
            {
                return Some((Status::PreconditionFailed, 0..0));
            }
            _ => {}
        }
        match value("If-None-Match") {
            Some(list) if self.lists(&list, true)? => return Some((Status::NotModified, 0..0)),
            None if date("If-Modified-Since")
                .is_some_and(|since| self.modified.is_some_and(|second| second <= since)) =>
            {
                return Some((Status::NotModified, 0..0));
            }
            _ => {}
        }
        let whole = Some((Status::Ok, 0..self.length));
        if let Some(condition) = value("If-Range")
            && trim(&condition) != self.tag
            && !(self.is_strong && self.modified.is_some() && self.read_date(&condition) == self.modified)
        {
            return whole;
        }
        let range = value("Range").filter(|_| is_get);
        match range.and_then(|range| read_range(&range)) {
            None => whole,
            Some((None, 0)) => Some((Status::RangeNotSatisfiable, 0..0)),
            Some((None, _)) if self.length == 0 => whole,
            Some((None, last)) => Some((Status::PartialContent, self.length.saturating_sub(last)..self.length)),
            Some((Some(first), _)) if first >= self.length => Some((Status::RangeNotSatisfiable, 0..0)),
            Some((Some(first), last)) => Some((Status::PartialContent, first..last.saturating_add(1).min(self.length))),
        }
    }

    /// Whether a well-formed list has our tag; nothing if it is malformed and the tag stands in it somewhere.
    fn lists(&self, list: &[u8], weakly: bool) -> Option<bool> {
        let list = trim(list);
        match read_tags(list) {
            _ if list == b"*" => Some(true),
            Some(tags) => Some(tags.iter().any(|(weak, tag)| *tag == self.tag && (weakly || !weak))),
            None if list.windows(self.tag.len()).any(|window| window == self.tag) => None,
            None => Some(false),
        }
    }

    /// An HTTP-date, word by word.
    fn read_date(&self, value: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(trim(value)).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let short = |name: &str| DAYS.iter().any(|day| &day[..3] == name);
        let (year, month, day, time) = match *words.as_slice() {
            [name, day, month, year, time, "GMT"] if name.strip_suffix(',').is_some_and(short) => {
                (digits(year, 4)?, month, digits(day, 2)?, time)
            }
            [name, date, time, "GMT"] if name.strip_suffix(',').is_some_and(|name| DAYS.contains(&name)) => {
                let [day, month, year] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
                let (day, month, year) = (digits(day, 2)?, month_number(month)?, digits(year, 2)?);
                let second = second_of_day(time)?;
                // The last such year that is not more than 50 years ahead.
                let (this_year, rest) = (self.now.0, (self.now.1, self.now.2, self.now.3));
                let limit = (this_year + 50, rest);
                let years = (this_year - 100..=this_year + 50).rev();
                let year = years.into_iter().find(|&y| y % 100 == year && (y, (month, day, second)) <= limit)?;
                return seconds((year, month, day, second));
            }
            [name, month, "", day, time, year] if short(name) => (digits(year, 4)?, month, digits(day, 1)?, time),
            [name, month, day, time, year] if short(name) => (digits(year, 4)?, month, digits(day, 2)?, time),
            _ => return None,
        };
        seconds((year, month_number(month)?, day, second_of_day(time)?))
    }
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn month_number(name: &str) -> Option<i64> {
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    (name.len() == 3).then(|| names.find(name))?.filter(|at| at % 3 == 0).map(|at| at as i64 / 3 + 1)
}

fn second_of_day(time: &str) -> Option<i64> {
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    let exists = hour < 24 && minute < 60 && second < 60 || time == "23:59:60";
    exists.then_some(hour * 3600 + minute * 60 + second)
}

/// Seconds since 1970, year by year and month by month; nothing if there is no such day.
fn seconds((mut year, month, day, second): Calendar) -> Option<i64> {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let is_leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let days_of = |year, month| match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day < 1 || day > days_of(year, month) {
        return None;
    }
    let mut days = day - 1 + (1..month).map(|month| days_of(year, month)).sum::<i64>();
    while year < 1970 {
        year += 400;
        days -= DAYS_IN_400_YEARS;
    }
    while year >= 2370 {
        year -= 400;
        days += DAYS_IN_400_YEARS;
    }
    days += (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum::<i64>();
    Some(days * 86_400 + second)
}

/// `#entity-tag`, read strictly: weak or not, and what stands in quotes.
fn read_tags(mut list: &[u8]) -> Option<Vec<(bool, &[u8])>> {
    let mut tags = Vec::new();
    loop {
        list = trim(list);
        match list {
            [] => return Some(tags),
            [b',', rest @ ..] => {
                list = rest;
                continue;
            }
            _ => {}
        }
        let weak = list.starts_with(b"W/");
        let quoted = if weak { &list[2..] } else { list };
        let [b'"', inside @ ..] = quoted else { return None };
        let end = inside.iter().position(|byte| !matches!(byte, b'!' | b'#'..=b'~' | 0x80..))?;
        if inside[end] != b'"' {
            return None;
        }
        let (tag, rest) = quoted.split_at(end + 2);
        tags.push((weak, tag));
        list = trim(rest);
        if !matches!(list, [] | [b',', ..]) {
            return None;
        }
    }
}

/// The only range of a set, first and last, or no first and a length; nothing if it is to be ignored.
fn read_range(value: &[u8]) -> Option<(Option<u64>, u64)> {
    let text = std::str::from_utf8(value).ok()?.trim_matches(OPTIONAL_SPACE);
    let (unit, set) = text.split_once('=')?;
    let members: Vec<&str> =
        set.split(',').map(|member| member.trim_matches(OPTIONAL_SPACE)).filter(|member| !member.is_empty()).collect();
    let [member] = members.as_slice() else { return None };
    let (first, last) = member.split_once('-')?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if unit.to_lowercase() != "bytes" || !are_digits(first) || !are_digits(last) {
        return None;
    }
    let number = |digits: &str| {
        digits.trim_start_matches('0').parse().unwrap_or(if digits.trim_matches('0').is_empty() { 0 } else { u64::MAX })
    };
    match (first, last) {
        ("", "") => None,
        ("", length) => Some((None, number(length))),
        (first, "") => Some((Some(number(first)), u64::MAX)),
        (first, last) if compare(first, last) == Ordering::Greater => None,
        (first, last) => Some((Some(number(first)), number(last))),
    }
}

/// Two numbers of any length, side by side.
fn compare(left: &str, right: &str) -> Ordering {
    let width = left.len().max(right.len());
    format!("{left:0>width$}").cmp(&format!("{right:0>width$}"))
}

const OPTIONAL_SPACE: [char; 2] = [' ', '\t'];

fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| OPTIONAL_SPACE.contains(&char::from(*byte));
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}
