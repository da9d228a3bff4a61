//! Entity tags, and lists of them (RFC 9110, sections 8.8.3 and 13.1).

/// A tag as a client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'v> {
    weak: bool,
    /// What distinguishes it, with its quotes.
    opaque: &'v [u8],
}

impl<'v> EntityTag<'v> {
    /// Reads a tag at the start of `text`; also returns what follows it.
    fn read(text: &'v [u8]) -> Option<(Self, &'v [u8])> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let inside = quoted.strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', inside)?;
        // etagc: no control, no space, no DEL.
        let fits = inside[..end].iter().all(|&byte| byte > b' ' && byte != 0x7f);
        let (opaque, rest) = quoted.split_at(end + 2);
        fits.then_some((Self { weak, opaque }, rest))
    }

    /// A field value that is one tag and nothing else.
    pub(crate) fn parse(value: &'v [u8]) -> Option<Self> {
        Self::read(value.trim_ascii()).filter(|(_, rest)| rest.is_empty()).map(|(tag, _)| tag)
    }

    /// Strong comparison with a strong tag of ours (section 8.8.3.2).
    pub(crate) fn is_strongly(self, ours: &[u8]) -> bool {
        !self.weak && self.opaque == ours
    }

    /// Weak comparison.
    pub(crate) fn is_weakly(self, ours: &[u8]) -> bool {
        self.opaque == ours
    }
}

/// The value of an `If-Match` or `If-None-Match`.
#[derive(Debug)]
pub(crate) enum TagList<'v> {
    /// `*`: any representation there is.
    Any,
    These(Tags<'v>),
}

impl<'v> TagList<'v> {
    pub(crate) fn new(value: &'v [u8]) -> Self {
        match value.trim_ascii() {
            b"*" => Self::Any,
            list => Self::These(Tags { rest: list }),
        }
    }

    /// Whether one of the tags is as wanted; of `*`, always.
    pub(crate) fn has(self, wanted: impl FnMut(EntityTag<'v>) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::These(mut tags) => tags.any(wanted),
        }
    }
}

/// The tags of a list. A member that is none, up to the next comma, is passed over: it matches nothing.
#[derive(Debug)]
pub(crate) struct Tags<'v> {
    rest: &'v [u8],
}

impl<'v> Iterator for Tags<'v> {
    type Item = EntityTag<'v>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Empty members are allowed for (section 5.6.1.2).
            while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
                self.rest = rest;
            }
            if self.rest.is_empty() {
                return None;
            }
            let read = EntityTag::read(self.rest);
            let behind = read.map_or(self.rest, |(_, behind)| behind);
            let (garbage, rest) = match memchr::memchr(b',', behind) {
                Some(comma) => behind.split_at(comma),
                None => (behind, &[][..]),
            };
            self.rest = rest;
            if let Some((tag, _)) = read.filter(|_| garbage.trim_ascii().is_empty()) {
                return Some(tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(value: &str) -> Vec<(bool, &str)> {
        let tags = Tags { rest: value.as_bytes() };
        tags.map(|tag| (tag.weak, std::str::from_utf8(tag.opaque).unwrap())).collect()
    }

    #[test]
    fn lists() {
        for (value, tags) in [
            ("", &[][..]),
            ("\"a\"", &[(false, "\"a\"")]),
            ("W/\"a\"", &[(true, "\"a\"")]),
            ("\"a\", W/\"b\" ,\"\"", &[(false, "\"a\""), (true, "\"b\""), (false, "\"\"")]),
            (",, \"a\"\t,", &[(false, "\"a\"")]),
            ("\"a,b\",\"c\"", &[(false, "\"a,b\""), (false, "\"c\"")]),
            ("\"é\"", &[(false, "\"é\"")]),
            // These are no tags, and hide none.
            ("a, \"b\"", &[(false, "\"b\"")]),
            ("w/\"a\", \"b\"", &[(false, "\"b\"")]),
            ("\"a\" \"b\", \"c\"", &[(false, "\"c\"")]),
            ("\"a b\", \"c\"", &[(false, "\"c\"")]),
            ("*, \"c\"", &[(false, "\"c\"")]),
            ("\"a", &[]),
            ("W/", &[]),
        ] {
            assert_eq!(list(value), tags, "{value}");
        }
    }

    #[test]
    fn a_single_tag_stands_alone() {
        assert!(EntityTag::parse(b" \"a\" ").is_some_and(|tag| tag.is_strongly(b"\"a\"")));
        assert!(EntityTag::parse(b"W/\"a\"").is_some_and(|tag| !tag.is_strongly(b"\"a\"") && tag.is_weakly(b"\"a\"")));
        for none in ["", "a", "\"a\", \"b\"", "\"a\"b", "*"] {
            assert_eq!(EntityTag::parse(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_listed_is_found(tags in proptest::collection::vec("(W/)?\"[!#-~]{0,6}\"", 0..8), gap in "[ \t]{0,2},[ \t,]{0,3}") {
            let value = tags.join(&gap);
            let found: Vec<String> = list(&value)
                .into_iter()
                .map(|(weak, opaque)| format!("{}{opaque}", if weak { "W/" } else { "" }))
                .collect();
            prop_assert_eq!(found, tags);
        }

        #[test]
        fn any_bytes_are_a_list(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            for tag in (Tags { rest: &value }) {
                prop_assert!(tag.opaque.len() >= 2);
            }
        }
    }
}
