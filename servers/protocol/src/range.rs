//! The `Range` field (RFC 9110, section 14.2).

use std::ops::Range;

/// The one range of bytes that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `first-` or `first-last`.
    From { first: u64, last: Option<u64> },
    /// `-length`: the end of the file.
    Suffix { length: u64 },
}

/// What a range comes to for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// These bytes, at least one.
    Part(Range<u64>),
    /// All there is, although it is not a byte: the end of an empty file.
    Whole,
    /// Nothing of it is in the file: 416.
    Unsatisfiable,
}

impl ByteRange {
    /// Reads a field value. `None` is one that is ignored, as section 14.2 allows: another unit, a malformed set, or
    /// several ranges, for which a whole answer is cheaper than a multipart one.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let equals = memchr::memchr(b'=', value)?;
        let (unit, set) = (&value[..equals], &value[equals + 1..]);
        // Names of units are case-insensitive (section 14.1).
        if !unit.trim_ascii_start().eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let mut only = None;
        for member in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            let range = Self::parse_one(member)?;
            if only.replace(range).is_some() {
                return None;
            }
        }
        only
    }

    fn parse_one(member: &[u8]) -> Option<Self> {
        let dash = memchr::memchr(b'-', member)?;
        match (&member[..dash], &member[dash + 1..]) {
            (b"", length) => Some(Self::Suffix { length: number(length)? }),
            (first, b"") => Some(Self::From { first: number(first)?, last: None }),
            (first, last) => {
                let backwards = is_less(last, first);
                let (first, last) = (number(first)?, number(last)?);
                (!backwards).then_some(Self::From { first, last: Some(last) })
            }
        }
    }

    /// Which bytes of a file of `length` bytes are meant.
    pub(crate) fn of(self, length: u64) -> Extent {
        match self {
            Self::From { first, .. } if first >= length => Extent::Unsatisfiable,
            Self::From { first, last } => {
                Extent::Part(first..last.map_or(length, |last| length.min(last.saturating_add(1))))
            }
            Self::Suffix { length: 0 } => Extent::Unsatisfiable,
            Self::Suffix { .. } if length == 0 => Extent::Whole,
            Self::Suffix { length: suffix } => Extent::Part(length.saturating_sub(suffix)..length),
        }
    }
}

/// A number of digits alone. One that is larger than any file stays so.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(value)
}

/// Whether one number of digits is less than another, however large they are.
fn is_less(left: &[u8], right: &[u8]) -> bool {
    let [left, right] = [left, right].map(|digits| {
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        &digits[zeros..]
    });
    (left.len(), left) < (right.len(), right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_range_of_ten_bytes() {
        let part = |range| Some(Extent::Part(range));
        for (value, extent) in [
            ("bytes=0-4", part(0..5)),
            ("bytes=0-", part(0..10)),
            ("bytes=9-", part(9..10)),
            ("bytes=9-9", part(9..10)),
            ("bytes=5-99", part(5..10)),
            ("bytes=-3", part(7..10)),
            ("bytes=-10", part(0..10)),
            ("bytes=-99", part(0..10)),
            ("BYTES=0-0", part(0..1)),
            ("bytes= 0-0 ,", part(0..1)),
            ("bytes=,\t,0-0", part(0..1)),
            ("bytes=000-0001", part(0..2)),
            ("bytes=1-99999999999999999999999", part(1..10)),
            ("bytes=-99999999999999999999999", part(0..10)),
            ("bytes=10-", Some(Extent::Unsatisfiable)),
            ("bytes=10-20", Some(Extent::Unsatisfiable)),
            ("bytes=-0", Some(Extent::Unsatisfiable)),
            ("bytes=18446744073709551615-", Some(Extent::Unsatisfiable)),
            ("bytes=99999999999999999999998-99999999999999999999999", Some(Extent::Unsatisfiable)),
            // Ignored.
            ("bytes=0-0,5-5", None),
            ("bytes=99-,88-", None),
            ("bytes=4-3", None),
            ("bytes=99999999999999999999999-99999999999999999999998", None),
            ("bytes=", None),
            ("bytes=,", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+0-4", None),
            ("bytes=0 - 4", None),
            ("bytes=0-4-", None),
            ("bytes=--4", None),
            ("bytes=0x0-4", None),
            ("bytes 0-4", None),
            ("bytes =0-4", None),
            ("lines=0-4", None),
            ("=0-4", None),
            ("", None),
        ] {
            assert_eq!(ByteRange::parse(value.as_bytes()).map(|range| range.of(10)), extent, "{value}");
        }
    }

    #[test]
    fn of_an_empty_file_there_is_only_the_whole_end() {
        for (value, extent) in [
            ("bytes=0-", Extent::Unsatisfiable),
            ("bytes=0-0", Extent::Unsatisfiable),
            ("bytes=-0", Extent::Unsatisfiable),
            ("bytes=-1", Extent::Whole),
        ] {
            assert_eq!(ByteRange::parse(value.as_bytes()).map(|range| range.of(0)), Some(extent), "{value}");
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_that_were_asked_for(first in 0_u64..40, more in 0_u64..40, length in 0_u64..40) {
            let (bytes, last) = ((0..length).collect::<Vec<_>>(), first + more);
            let asked: Vec<u64> = bytes.iter().copied().filter(|at| (first..=last).contains(at)).collect();
            let value = format!("bytes={first}-{last}");
            match ByteRange::parse(value.as_bytes()).map(|range| range.of(length)) {
                Some(Extent::Part(range)) => prop_assert_eq!(range.collect::<Vec<_>>(), asked),
                other => {
                    prop_assert_eq!(other, Some(Extent::Unsatisfiable));
                    prop_assert!(asked.is_empty());
                }
            }
        }

        #[test]
        fn a_part_is_never_empty_nor_outside(value in "(bytes=)?[0-9,\\- ]{0,12}", length in any::<u64>()) {
            if let Some(Extent::Part(range)) = ByteRange::parse(value.as_bytes()).map(|range| range.of(length)) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
