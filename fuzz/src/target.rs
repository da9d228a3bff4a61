//! Any bytes as a request target.
//!
//! Properties:
//!
//! - A path has no empty segment, none that is `.` or `..`, no NUL, no slash at its ends.
//! - Path, directory and error are what a naive reading says: split at slashes, decode each segment, then walk.
//! - Where a directory is said to live is a target again, in visible ASCII, with exactly one slash in front; it has the
//!   same path, is a directory, and lives at itself.
//! - Escaping every byte of a path changes nothing; nor does a host in front of it.

use protocol::{Target, TargetError};

/// Checks all properties with the target that `data` is.
pub fn check(data: &[u8]) {
    let parsed = Target::parse(data);
    if data.starts_with(b"/") {
        let naive = read_naively(data);
        let told = parsed.clone().map(|target| (target.path().to_vec(), target.is_directory()));
        assert_eq!(told, naive, "{}", data.escape_ascii());
        assert_eq!(Target::parse(&[b"HTTP://host:80", data].concat()), parsed, "{}", data.escape_ascii());
    }
    let Ok(target) = parsed else { return };

    let path = target.path();
    assert!(!path.contains(&0));
    if !path.is_empty() {
        let odd = |segment: &[u8]| matches!(segment, b"" | b"." | b"..");
        assert!(!path.split(|&byte| byte == b'/').any(odd), "{}", path.escape_ascii());
    }

    let location = target.as_directory();
    assert!(location.iter().all(u8::is_ascii_graphic), "{}", location.escape_ascii());
    assert!(location.starts_with(b"/") && !location.starts_with(b"//"), "{}", location.escape_ascii());
    let there = Target::parse(&location).expect("a location is a target");
    assert_eq!((there.path(), there.is_directory()), (path, true));
    assert_eq!(there.as_directory(), location);

    let mut escaped = vec![b'/'];
    for &byte in path {
        if byte == b'/' {
            escaped.push(byte);
        } else {
            escaped.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    let again = Target::parse(&escaped).expect("an escaped path is a target");
    assert_eq!((again.path(), again.is_directory()), (path, path.is_empty()));
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

/// Path and directory of a target in origin form, read in the most direct way.
fn read_naively(raw: &[u8]) -> Result<(Vec<u8>, bool), TargetError> {
    if raw.contains(&b'#') {
        return Err(TargetError::Malformed);
    }
    let path = raw.split(|&byte| byte == b'?').next().unwrap_or_default();
    let mut stack: Vec<Vec<Byte>> = Vec::new();
    let mut directory = false;
    for segment in path.split(|&byte| byte == b'/') {
        let segment = decode(segment)?;
        directory = true;
        match segment.as_slice() {
            [] | [Byte(b'.')] => {}
            [Byte(b'.'), Byte(b'.')] => {
                stack.pop().ok_or(TargetError::Malformed)?;
            }
            _ => {
                directory = false;
                stack.push(segment);
            }
        }
    }
    let names: Option<Vec<Vec<u8>>> = stack.iter().map(|name| name.iter().map(Byte::in_a_name).collect()).collect();
    Ok((names.ok_or(TargetError::NoSuchName)?.join(&b'/'), directory))
}

/// A byte of a segment after decoding. A slash in there was escaped.
struct Byte(u8);

impl Byte {
    fn in_a_name(&self) -> Option<u8> {
        (self.0 != b'/').then_some(self.0)
    }
}

fn decode(segment: &[u8]) -> Result<Vec<Byte>, TargetError> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < segment.len() {
        let byte = if segment[at] == b'%' {
            let digits = segment.get(at + 1..at + 3).ok_or(TargetError::Malformed)?;
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or(TargetError::Malformed);
            at += 2;
            (value(digits[0])? * 16 + value(digits[1])?) as u8
        } else {
            segment[at]
        };
        if byte == 0 {
            return Err(TargetError::Malformed);
        }
        decoded.push(Byte(byte));
        at += 1;
    }
    Ok(decoded)
}
