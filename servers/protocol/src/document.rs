use crate::{Moment, Status, http_date, moment::imf_fixdate};
use std::{ops::Range, sync::Arc, time::SystemTime};

/// What a driver found for a [`Target`](crate::Target).
#[derive(Debug)]
pub enum Found<'a, F> {
    /// Something to send.
    Document(Document<'a, F>),
    /// A directory whose name was asked for without its slash: the client is sent to the name with the slash.
    Directory,
}

/// A file as it goes out: its fields and its bytes come from one and the same open file.
#[derive(Debug)]
pub struct Document<'a, F> {
    /// What is said about it.
    pub fields: &'a Fields,
    /// Its bytes.
    pub content: Content<'a, F>,
}

/// Where the bytes of a document are.
#[derive(Debug)]
pub enum Content<'a, F> {
    /// In memory, shared with a cache. Their number is the [`Fields`]' length.
    Memory(&'a Arc<[u8]>),
    /// In an open file, from its first byte.
    File(F),
}

/// Why nothing is sent for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such file, or none that may be known: 404.
    NotFound,
    /// It may not be read: 403.
    Forbidden,
    /// The server lacks something at the moment, such as descriptors: 503 with `Retry-After`, and the end of the connection.
    Unavailable,
    /// Reading it failed: 500.
    Failed,
}

impl Refusal {
    pub(crate) fn status(self) -> Status {
        match self {
            Self::NotFound => Status::NotFound,
            Self::Forbidden => Status::Forbidden,
            Self::Unavailable => Status::ServiceUnavailable,
            Self::Failed => Status::InternalServerError,
        }
    }
}

/// The fields of a response that depend on nothing but the file, rendered once: worth keeping beside a cached file.
#[derive(Debug)]
pub struct Fields {
    length: u64,
    last_modified: Option<i64>,
    /// Field lines, those first that more responses have.
    text: Box<[u8]>,
    entity_tag: Range<usize>,
    validators_end: usize,
    description_end: usize,
}

const LAST_MODIFIED: &[u8] = b"Last-Modified: ";

impl Fields {
    /// Renders the fields of a file called `name` (its extension gives the content type) of `length` bytes that was
    /// last modified at `modified`, as seen at `now`.
    ///
    /// `Last-Modified` is never later than `now`, and so never later than a `Date` (RFC 9110, section 8.8.2.1). Of a file from
    /// the future, or from before 1970, there is none: no other date would be true. The entity tag is a strong one made of the
    /// length and of `version`, which tells this state of the file from all others of its name and has nothing in it that an
    /// entity tag may not have.
    #[must_use]
    pub fn new(name: &[u8], length: u64, modified: SystemTime, version: &str, now: SystemTime) -> Self {
        let last_modified = (SystemTime::UNIX_EPOCH..=now).contains(&modified).then(|| imf_fixdate(modified));
        let mut text = Vec::with_capacity(224);
        if let Some(date) = &last_modified {
            text.extend_from_slice(LAST_MODIFIED);
            text.extend_from_slice(date);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"ETag: ");
        let tag_start = text.len();
        text.extend_from_slice(format!("\"{length:x}-{version}\"").as_bytes());
        let entity_tag = tag_start..text.len();
        text.extend_from_slice(b"\r\n");
        let validators_end = text.len();
        text.extend_from_slice(b"Accept-Ranges: bytes\r\nContent-Type: ");
        text.extend_from_slice(content_type(name).as_bytes());
        text.extend_from_slice(b"\r\n");
        let description_end = text.len();
        text.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
        Self {
            length,
            last_modified: last_modified.and_then(|date| http_date::parse(&date, &date)),
            text: text.into_boxed_slice(),
            entity_tag,
            validators_end,
            description_end,
        }
    }

    /// Bytes of the document.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The second of `Last-Modified`, counted from 1970; none where there is no such field.
    pub(crate) fn last_modified(&self) -> Option<i64> {
        self.last_modified
    }

    /// The `Date` of a response with this document. One worker's clock may be read a moment before that of another who
    /// rendered these fields; nevertheless nothing was modified after the date of its response.
    pub(crate) fn date<'d>(&'d self, at: &'d Moment) -> &'d [u8] {
        match self.last_modified.map(u64::try_from) {
            Some(Ok(modified)) if modified > at.second() => &self.text[LAST_MODIFIED.len()..][..at.date().len()],
            _ => at.date(),
        }
    }

    /// The strong tag, with its quotes.
    pub(crate) fn entity_tag(&self) -> &[u8] {
        &self.text[self.entity_tag.clone()]
    }

    /// The field lines of a response with the whole document, and the blank line behind them.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.text
    }

    /// The field lines of a response with a part of the document, but for those about the part.
    pub(crate) fn description(&self) -> &[u8] {
        &self.text[..self.description_end]
    }

    /// The field lines that tell this state of the document from others.
    pub(crate) fn validators(&self) -> &[u8] {
        &self.text[..self.validators_end]
    }
}

/// The media type that the extension of a file name stands for, whatever its case.
fn content_type(name: &[u8]) -> &'static str {
    let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    let extension = match memchr::memrchr(b'.', file) {
        Some(dot) => std::str::from_utf8(&file[dot + 1..]).unwrap_or(""),
        None => "",
    };
    mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn content_types_go_by_the_last_extension_in_any_case() {
        for (name, expected) in [
            ("index.html", "text/html"),
            ("A.HTML", "text/html"),
            ("style.css", "text/css"),
            ("a.b.c.png", "image/png"),
            ("photo.jpeg", "image/jpeg"),
            ("picture.svg", "image/svg+xml"),
            ("dir.html/file", "application/octet-stream"),
            ("README", "application/octet-stream"),
            ("odd.xyzzy", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn fields_are_true_of_the_file() {
        let modified = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 5);
        let fields = Fields::new(b"a.txt", 255, modified, "7.5", modified + Duration::from_secs(1));
        let validators = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"ff-7.5\"\r\n";
        let description = format!("{validators}Accept-Ranges: bytes\r\nContent-Type: text/plain\r\n");
        let whole = format!("{description}Content-Length: 255\r\n\r\n");
        assert_eq!(String::from_utf8_lossy(fields.validators()), validators);
        assert_eq!(String::from_utf8_lossy(fields.description()), description);
        assert_eq!(String::from_utf8_lossy(fields.whole()), whole);
        assert_eq!(fields.entity_tag(), b"\"ff-7.5\"");
        assert_eq!(fields.last_modified(), Some(784_111_777));
    }

    #[test]
    fn no_date_is_invented() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let nanosecond = Duration::from_nanos(1);
        for (modified, second) in [
            (SystemTime::UNIX_EPOCH - nanosecond, None),
            (SystemTime::UNIX_EPOCH, Some(0)),
            (now, Some(784_111_777)),
            (now + nanosecond, None),
        ] {
            let fields = Fields::new(b"a", 0, modified, "1", now);
            assert_eq!(fields.last_modified(), second, "{modified:?}");
            let text = String::from_utf8_lossy(fields.whole());
            assert_eq!(text.contains("Last-Modified: "), second.is_some(), "{text}");
            assert!(text.contains("ETag: \""), "{text}");
        }
    }

    #[test]
    fn no_response_is_older_than_its_document() {
        let second = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let fields = Fields::new(b"a", 0, second(784_111_778), "1", second(784_111_778));
        let moment = |seconds| Moment::new(std::time::Instant::now(), second(seconds));
        assert_eq!(fields.date(&moment(784_111_777)), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(fields.date(&moment(784_111_778)), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(fields.date(&moment(784_111_779)), b"Sun, 06 Nov 1994 08:49:39 GMT");
    }
}
