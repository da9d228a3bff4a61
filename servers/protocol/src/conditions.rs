use crate::{
    Fields, Moment,
    entity_tag::{EntityTag, TagList},
    http_date,
    range::{ByteRange, Extent},
    request::Method,
};
use std::ops::Range;

/// The fields of a request that decide which part of a document is sent, if any (RFC 9110, sections 13 and 14.2), as
/// they came. Most requests have none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    if_match: Option<Vec<u8>>,
    if_unmodified_since: Option<Vec<u8>>,
    if_none_match: Option<Vec<u8>>,
    if_modified_since: Option<Vec<u8>>,
    if_range: Option<Vec<u8>>,
    range: Option<Vec<u8>>,
}

/// So many seconds after it, a `Last-Modified` tells one state of a document from all others. Section 8.8.2.2 asks for one;
/// with a minute no clock that is set a little matters.
const STRONG_AFTER: i64 = 60;

/// What of a document answers a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: 200.
    Whole,
    /// These bytes: 206.
    Part(Range<u64>),
    /// None, as the client has it: 304.
    NotModified,
    /// None, as it is not what the client takes it for: 412.
    PreconditionFailed,
    /// None, as the range that was asked for is not in it: 416.
    Unsatisfiable,
}

impl Conditions {
    /// Takes note of a field, if it is a condition. Lines of the same name are one list (section 5.3), which is no
    /// date and no range.
    pub(crate) fn read(conditions: &mut Option<Box<Self>>, name: &str, value: &[u8]) {
        type Place = fn(&mut Conditions) -> &mut Option<Vec<u8>>;
        const PLACES: [(&str, Place); 6] = [
            ("If-Match", |conditions| &mut conditions.if_match),
            ("If-Unmodified-Since", |conditions| &mut conditions.if_unmodified_since),
            ("If-None-Match", |conditions| &mut conditions.if_none_match),
            ("If-Modified-Since", |conditions| &mut conditions.if_modified_since),
            ("If-Range", |conditions| &mut conditions.if_range),
            ("Range", |conditions| &mut conditions.range),
        ];
        let Some((_, place)) = PLACES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else { return };
        match place(conditions.get_or_insert_default()) {
            Some(earlier) => {
                earlier.extend_from_slice(b", ");
                earlier.extend_from_slice(value);
            }
            first => *first = Some(value.to_vec()),
        }
    }

    /// Judges in the order of section 13.2.2. To be asked only where the answer would be a 200 without conditions
    /// (section 13.2.1).
    pub(crate) fn select(&self, method: Method, fields: &Fields, at: &Moment) -> Selection {
        // Dates say nothing of a document without one (sections 13.1.3 and 13.1.4).
        let is_known = fields.last_modified().is_some();
        let date = |value: &Option<Vec<u8>>| value.as_deref().and_then(|value| http_date::parse(value, at.date()));

        if let Some(tags) = &self.if_match {
            if !TagList::new(tags).has(|tag| tag.is_strongly(fields.entity_tag())) {
                return Selection::PreconditionFailed;
            }
        } else if is_known && date(&self.if_unmodified_since).is_some_and(|date| fields.last_modified() > Some(date)) {
            return Selection::PreconditionFailed;
        }

        if let Some(tags) = &self.if_none_match {
            if TagList::new(tags).has(|tag| tag.is_weakly(fields.entity_tag())) {
                return Selection::NotModified;
            }
        } else if is_known && date(&self.if_modified_since).is_some_and(|date| fields.last_modified() <= Some(date)) {
            return Selection::NotModified;
        }

        // A range has a meaning for GET alone (section 14.2).
        let range = self.range.as_deref().filter(|_| method == Method::Get).and_then(ByteRange::parse);
        match range.filter(|_| self.is_in_range_of(fields, at)).map(|range| range.of(fields.length())) {
            None | Some(Extent::Whole) => Selection::Whole,
            Some(Extent::Part(range)) => Selection::Part(range),
            Some(Extent::Unsatisfiable) => Selection::Unsatisfiable,
        }
    }

    /// Whether `If-Range`, if there is one, names the document as it is (section 13.1.5). A date has to be the very one of
    /// `Last-Modified`, and far enough in the past to be a strong validator (section 8.8.2.2): of a document that has just
    /// changed there may have been another state within the same second.
    fn is_in_range_of(&self, fields: &Fields, at: &Moment) -> bool {
        let Some(value) = &self.if_range else { return true };
        match EntityTag::parse(value) {
            Some(tag) => tag.is_strongly(fields.entity_tag()),
            None => fields.last_modified().is_some_and(|modified| {
                let is_strong = i64::try_from(at.second()).is_ok_and(|now| now - modified >= STRONG_AFTER);
                is_strong && http_date::parse(value, at.date()) == Some(modified)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant, SystemTime};

    const OLDER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEWER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    /// Of a document of ten bytes with the entity tag `"a-7.5"`, last modified at [`SAME`] and some
    /// nanoseconds.
    fn select(method: Method, lines: &str) -> Selection {
        select_after(1_000_000_000, method, lines)
    }

    /// The same, so many seconds after the document was modified.
    fn select_after(seconds: i64, method: Method, lines: &str) -> Selection {
        let modified = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 5);
        let away = Duration::from_secs(seconds.unsigned_abs());
        let at = Moment::new(Instant::now(), if seconds < 0 { modified - away } else { modified + away });
        let fields = Fields::new(b"a", 10, modified, "7.5", at.wall());
        let mut conditions = None;
        for line in lines.split('|').filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            let value = value.replace("TAG", std::str::from_utf8(fields.entity_tag()).unwrap());
            let value = value.replace("OLDER", OLDER).replace("SAME", SAME).replace("NEWER", NEWER);
            Conditions::read(&mut conditions, name, value.as_bytes());
        }
        conditions.unwrap_or_default().select(method, &fields, &at)
    }

    #[test]
    fn preconditions_in_their_order() {
        use Selection::{NotModified, PreconditionFailed, Whole};
        for (lines, selection) in [
            ("", Whole),
            ("If-Match:TAG", Whole),
            ("IF-MATCH:*", Whole),
            ("If-Match:\"x\", TAG", Whole),
            ("If-Match:\"x\"|If-Match:TAG", Whole),
            ("If-Match:W/TAG", PreconditionFailed),
            ("If-Match:\"x\"", PreconditionFailed),
            ("If-Match:nonsense", PreconditionFailed),
            ("If-Match:", PreconditionFailed),
            ("If-Unmodified-Since:OLDER", PreconditionFailed),
            ("If-Unmodified-Since:SAME", Whole),
            ("If-Unmodified-Since:NEWER", Whole),
            ("If-Unmodified-Since:never", Whole),
            ("If-Unmodified-Since:OLDER|If-Unmodified-Since:OLDER", Whole),
            ("If-Match:TAG|If-Unmodified-Since:OLDER", Whole),
            ("If-None-Match:TAG", NotModified),
            ("If-None-Match:W/TAG", NotModified),
            ("If-None-Match:*", NotModified),
            ("If-None-Match:\"x\",TAG", NotModified),
            ("If-None-Match:\"x\"", Whole),
            ("If-None-Match:nonsense", Whole),
            ("If-Modified-Since:OLDER", Whole),
            ("If-Modified-Since:SAME", NotModified),
            ("If-Modified-Since:NEWER", NotModified),
            ("If-Modified-Since:now", Whole),
            ("If-None-Match:\"x\"|If-Modified-Since:NEWER", Whole),
            ("If-None-Match:TAG|If-Modified-Since:OLDER", NotModified),
            ("If-Match:\"x\"|If-None-Match:TAG", PreconditionFailed),
            ("If-Match:TAG|If-None-Match:TAG", NotModified),
            ("If-Unmodified-Since:OLDER|If-Modified-Since:NEWER", PreconditionFailed),
        ] {
            assert_eq!(select(Method::Get, lines), selection, "GET with {lines}");
            assert_eq!(select(Method::Head, lines), selection, "HEAD with {lines}");
        }
    }

    #[test]
    fn ranges_come_last() {
        use Selection::{NotModified, Part, PreconditionFailed, Unsatisfiable, Whole};
        for (lines, selection) in [
            ("Range:bytes=2-4", Part(2..5)),
            ("Range:bytes=2-4|Range:bytes=5-6", Whole),
            ("Range:bytes=10-", Unsatisfiable),
            ("Range:bytes=2-4|If-Range:TAG", Part(2..5)),
            ("Range:bytes=2-4|If-Range:W/TAG", Whole),
            ("Range:bytes=2-4|If-Range:\"x\"", Whole),
            ("Range:bytes=2-4|If-Range:TAG, TAG", Whole),
            ("Range:bytes=2-4|If-Range:SAME", Part(2..5)),
            ("Range:bytes=2-4|If-Range:Sun Nov  6 08:49:37 1994", Part(2..5)),
            ("Range:bytes=2-4|If-Range:OLDER", Whole),
            ("Range:bytes=2-4|If-Range:NEWER", Whole),
            ("Range:bytes=2-4|If-Range:nonsense", Whole),
            ("Range:bytes=10-|If-Range:\"x\"", Whole),
            ("If-Range:TAG", Whole),
            ("Range:bytes=2-4|If-None-Match:TAG", NotModified),
            ("Range:bytes=2-4|If-None-Match:\"x\"", Part(2..5)),
            ("Range:bytes=2-4|If-Match:TAG", Part(2..5)),
            ("Range:bytes=10-|If-Match:\"x\"", PreconditionFailed),
            ("Range:bytes=10-|If-Modified-Since:SAME", NotModified),
        ] {
            assert_eq!(select(Method::Get, lines), selection, "{lines}");
        }
        for (seconds, by_date) in [(-1, Whole), (0, Whole), (STRONG_AFTER - 1, Whole), (STRONG_AFTER, Part(2..5))] {
            assert_eq!(select_after(seconds, Method::Get, "Range:bytes=2-4|If-Range:SAME"), by_date, "{seconds} s");
            assert_eq!(select_after(seconds, Method::Get, "Range:bytes=2-4|If-Range:TAG"), Part(2..5), "{seconds} s");
        }
        // Of a document from the future no date is known.
        for lines in ["If-Modified-Since:NEWER", "If-Unmodified-Since:OLDER"] {
            assert_eq!(select_after(-1, Method::Get, lines), Whole, "{lines}");
        }
        assert_eq!(select(Method::Head, "Range:bytes=2-4"), Whole);
        assert_eq!(select(Method::Head, "Range:bytes=10-"), Whole);
    }
}
