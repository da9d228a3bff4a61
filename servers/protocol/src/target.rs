use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};

/// What a request asks for: a name beneath the document root, decoded and normalised, and the query behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    path: Vec<u8>,
    directory: bool,
    query: Option<Vec<u8>>,
}

/// Why a request target names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Not a target of a request (RFC 9112, section 3.2), a bad escape, a NUL, or a path that climbs out of the root.
    Malformed,
    /// Well-formed, but no file can have this name: a segment that contains an encoded `/`.
    NoSuchName,
}

/// What may stand unescaped in a path: `unreserved`, `sub-delims`, `:`, `@` and the separator (RFC 3986, 3.3).
const ESCAPED_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// What is escaped in a query that is handed back: only what could not have stood in one (RFC 3986, section 3.4).
const ESCAPED_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'\\');

impl Target {
    /// The document root itself.
    pub(crate) const fn root() -> Self {
        Self { path: Vec::new(), directory: true, query: None }
    }

    /// Reads a request target in origin form or absolute form (RFC 9112, sections 3.2.1 and 3.2.2).
    ///
    /// # Errors
    /// [`TargetError`] says which of the two ways out: 400 or 404.
    pub fn parse(raw: &[u8]) -> Result<Self, TargetError> {
        let origin = if raw.first() == Some(&b'/') { raw } else { after_authority(raw)? };
        if memchr::memchr(b'#', origin).is_some() {
            return Err(TargetError::Malformed);
        }
        let (path, query) = match memchr::memchr(b'?', origin) {
            Some(at) => (&origin[..at], Some(origin[at + 1..].to_vec())),
            None => (origin, None),
        };
        let (path, directory) = normalise(path)?;
        Ok(Self { path, directory, query })
    }

    /// The name relative to the root, without a leading or trailing slash; empty for the root itself. These are the
    /// bytes of a file name, not necessarily UTF-8. No segment of it is empty, `.` or `..`, none contains a NUL.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Whether the path ended like a directory's: only a directory will do.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Where this target lives if it turns out to be a directory: its path with a slash at the end, then the query.
    /// It starts with exactly one slash, so that no client takes it for another host's.
    #[must_use]
    pub fn as_directory(&self) -> Vec<u8> {
        let mut location = vec![b'/'];
        for piece in percent_encode(&self.path, ESCAPED_IN_PATH) {
            location.extend_from_slice(piece.as_bytes());
        }
        if !self.path.is_empty() {
            location.push(b'/');
        }
        if let Some(query) = &self.query {
            location.push(b'?');
            for piece in percent_encode(query, ESCAPED_IN_QUERY) {
                location.extend_from_slice(piece.as_bytes());
            }
        }
        location
    }
}

/// The path and query of an absolute-form target of scheme `http`.
fn after_authority(raw: &[u8]) -> Result<&[u8], TargetError> {
    const SCHEME: &[u8] = b"http://";
    let (scheme, rest) = raw.split_at_checked(SCHEME.len()).ok_or(TargetError::Malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(TargetError::Malformed);
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at(end);
    if authority.is_empty() || !is_authority(authority) {
        return Err(TargetError::Malformed);
    }
    Ok(origin)
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2; RFC 3986, section 3.2.2). The host may be empty, as grammar has it.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let port = if text.first() == Some(&b'[') {
        let Some(end) = memchr::memchr(b']', text) else { return false };
        let (address, zone) = text[1..end].split_at(memchr::memchr(b'%', &text[1..end]).unwrap_or(end - 1));
        if address.is_empty() || !address.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
            return false;
        }
        // A zone means nothing to anybody but the client, which should not send it, and is none of our business (RFC 6874).
        if !zone.is_empty()
            && !zone.strip_prefix(b"%25").is_some_and(|name| !name.is_empty() && is_registered_name(name))
        {
            return false;
        }
        &text[end + 1..]
    } else {
        let end = memchr::memchr(b':', text).unwrap_or(text.len());
        if !is_registered_name(&text[..end]) {
            return false;
        }
        &text[end..]
    };
    match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn is_registered_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let escape = (bytes.next(), bytes.next());
                matches!(escape, (Some(high), Some(low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
            }
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Decodes a path once, removes its dot segments and empty segments; says whether it ended like a directory's.
fn normalise(raw: &[u8]) -> Result<(Vec<u8>, bool), TargetError> {
    let raw = raw.strip_prefix(b"/").unwrap_or(raw);
    if is_plain(raw) {
        let directory = raw.is_empty() || raw.ends_with(b"/");
        return Ok((raw.strip_suffix(b"/").unwrap_or(raw).to_vec(), directory));
    }

    let mut path: Vec<u8> = Vec::with_capacity(raw.len());
    let mut directory = true;
    for segment in raw.split(|&byte| byte == b'/') {
        let start = path.len();
        if start > 0 {
            path.push(b'/');
        }
        let name = path.len();
        decode(segment, &mut path)?;
        directory = matches!(&path[name..], b"" | b"." | b"..");
        match &path[name..] {
            b"" | b"." => path.truncate(start),
            b".." if start == 0 => return Err(TargetError::Malformed),
            b".." => path.truncate(memchr::memrchr(b'/', &path[..start]).unwrap_or(0)),
            _ => {}
        }
    }
    let encoded_separator = memchr::memchr(ENCODED_SEPARATOR, &path).is_some();
    if encoded_separator { Err(TargetError::NoSuchName) } else { Ok((path, directory)) }
}

/// Nothing to decode, no empty segment and none that starts with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = b'/';
    path.iter().all(|&byte| {
        let starts = std::mem::replace(&mut previous, byte) == b'/';
        !(matches!(byte, b'%' | 0) || starts && matches!(byte, b'/' | b'.'))
    })
}

/// Stands for `%2F` while a path is normalised. No name can contain it: an escaped NUL is malformed.
const ENCODED_SEPARATOR: u8 = 0;

fn decode(segment: &[u8], into: &mut Vec<u8>) -> Result<(), TargetError> {
    let mut bytes = segment.iter();
    while let Some(&byte) = bytes.next() {
        into.push(match byte {
            0 => return Err(TargetError::Malformed),
            b'%' => {
                let high = bytes.next().and_then(|&digit| hexadecimal(digit)).ok_or(TargetError::Malformed)?;
                let low = bytes.next().and_then(|&digit| hexadecimal(digit)).ok_or(TargetError::Malformed)?;
                match high << 4 | low {
                    0 => return Err(TargetError::Malformed),
                    b'/' => ENCODED_SEPARATOR,
                    decoded => decoded,
                }
            }
            other => other,
        });
    }
    Ok(())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(raw: &str) -> Result<(String, bool), TargetError> {
        let target = Target::parse(raw.as_bytes())?;
        Ok((String::from_utf8_lossy(target.path()).into_owned(), target.is_directory()))
    }

    #[test]
    fn names_are_decoded_once_and_normalised() {
        for (raw, name, directory) in [
            ("/", "", true),
            ("/index.html", "index.html", false),
            ("/a/b/", "a/b", true),
            ("/a//b", "a/b", false),
            ("//a", "a", false),
            ("/a/./b/../c", "a/c", false),
            ("/a/..", "", true),
            ("/a/b/.", "a/b", true),
            ("/%61%2e%62", "a.b", false),
            ("/with%20space.txt", "with space.txt", false),
            ("/a%2525", "a%25", false),
            ("/a\\b", "a\\b", false),
            ("/...", "...", false),
            ("/a?b/../c", "a", false),
            ("http://host", "", true),
            ("HTTP://host:80/a?b", "a", false),
            ("http://[::1]:8080/a", "a", false),
            ("http://host?b", "", true),
        ] {
            assert_eq!(path(raw), Ok((name.to_owned(), directory)), "{raw}");
        }
    }

    #[test]
    fn what_is_no_target_is_malformed() {
        for raw in [
            "",
            "*",
            "index.html",
            "/%",
            "/%4",
            "/%zz",
            "/%00",
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/%2e%2e/x",
            "https://host/",
            "http:///a",
            "http://a b/",
            "http://user@host/",
            "/a#b",
            "/a%2fb/../../..",
        ] {
            assert_eq!(path(raw), Err(TargetError::Malformed), "{raw}");
        }
    }

    #[test]
    fn an_encoded_separator_separates_nothing() {
        assert_eq!(path("/a%2Fb"), Err(TargetError::NoSuchName));
        assert_eq!(path("/a%2Fb/../c"), Ok(("c".to_owned(), false)));
        assert_eq!(path("/..%2f..%2fetc/passwd"), Err(TargetError::NoSuchName));
    }

    #[test]
    fn a_directory_moves_to_a_path_with_one_slash_at_both_ends() {
        for (raw, location) in [
            ("/a", "/a/"),
            ("//evil.example/a", "/evil.example/a/"),
            ("/a?x=1&y", "/a/?x=1&y"),
            ("/a?<%3c\"\u{e9}", "/a/?%3C%3c%22%C3%A9"),
            ("/a%20b%0d%0a", "/a%20b%0D%0A/"),
            ("/%5Ca", "/%5Ca/"),
        ] {
            let target = Target::parse(raw.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&target.as_directory()), location, "{raw}");
        }
    }

    #[test]
    fn authorities() {
        for good in [
            "",
            "host",
            "host:80",
            "host:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "[fe80::1%25eth0]:80",
            "a%20b",
            "a_b~c",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a@b",
            "a/b",
            "a:b",
            "a:1:2",
            "[::1",
            "[]",
            "[::1]x",
            "a%2",
            "a?b",
            "\"",
            "é",
            "[fe80::1%eth0]",
            "[fe80::1%25]",
            "[%25eth0]",
            "[fe80::1%25a/b]",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(raw in "/[a./%25eEfF0\\\\-]{0,40}") {
            if let Ok(target) = Target::parse(raw.as_bytes()) {
                if !target.path().is_empty() {
                    for segment in target.path().split(|&byte| byte == b'/') {
                        prop_assert!(!matches!(segment, b"" | b"." | b".."), "{raw}");
                    }
                }
                prop_assert!(!target.path().contains(&0));
            }
        }

        #[test]
        fn the_short_way_and_the_long_way_agree(raw in "[a./]{0,20}") {
            // An escape anywhere sends a path the long way.
            let short = Target::parse(format!("/{raw}/z").as_bytes());
            let long = Target::parse(format!("/{raw}/%7a").as_bytes());
            prop_assert_eq!(short, long);
        }

        #[test]
        fn where_a_directory_lives_is_a_target_again(raw in proptest::collection::vec(any::<u8>(), 0..30)) {
            let raw = [b"/", raw.as_slice()].concat();
            if let Ok(target) = Target::parse(&raw) {
                let location = target.as_directory();
                prop_assert!(location.iter().all(u8::is_ascii_graphic) && !location.starts_with(b"//"));
                let there = Target::parse(&location).unwrap();
                prop_assert_eq!((there.path(), there.is_directory()), (target.path(), true));
                prop_assert_eq!(there.as_directory(), location);
            }
        }

        #[test]
        fn escapes_change_nothing(names in proptest::collection::vec("[^/\\x00]{1,8}", 1..4)) {
            let path = names.join("/");
            prop_assume!(names.iter().all(|name| name != "." && name != ".."));
            let escape = |byte: u8| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02x}") };
            let escaped: String = path.bytes().map(escape).collect();
            let target = Target::parse(format!("/{escaped}").as_bytes()).unwrap();
            prop_assert_eq!((target.path(), target.is_directory()), (path.as_bytes(), false));
        }

        #[test]
        fn any_bytes_are_a_target_or_an_error(raw in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Target::parse(&raw);
        }
    }
}
