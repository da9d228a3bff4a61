//! What a rule expects of a response.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::response::Response;

/// What has to come back.
#[derive(Debug, Clone)]
pub struct Expect {
    /// Any of these; none at all stands for an end without a response.
    statuses: Vec<u16>,
    checks: Vec<Check>,
    /// Whether the connection has to be kept, where the rule says.
    pub(super) kept: Option<bool>,
    /// Not before so much time has passed.
    pub(super) after: Option<Duration>,
    /// The same fields as the response to a GET of this target has.
    pub(super) like_get: bool,
}

#[derive(Debug, Clone)]
enum Check {
    Field(&'static str, String),
    Has(&'static str),
    Lacks(&'static str),
    Lists(&'static str, &'static [&'static str]),
    Text(String),
    Without(&'static str),
    File(&'static str),
    Part(&'static str, RangeInclusive<u64>),
    Page,
    StrongTag,
    Version(&'static str),
    NotModifiedLaterThanSent,
}

/// A response with this status.
pub fn is(status: u16) -> Expect {
    is_one_of(&[status])
}

/// A response with one of these statuses.
pub fn is_one_of(statuses: &[u16]) -> Expect {
    Expect { statuses: statuses.to_vec(), checks: Vec::new(), kept: None, after: None, like_get: false }
}

/// The end of the connection, and not a byte before it.
pub fn silence() -> Expect {
    Expect { kept: Some(false), ..is_one_of(&[]) }
}

impl Expect {
    /// The field is there once, with exactly this value.
    #[must_use]
    pub fn field(self, name: &'static str, value: impl Into<String>) -> Self {
        self.and(Check::Field(name, value.into()))
    }

    /// The field is there, once.
    #[must_use]
    pub fn has(self, name: &'static str) -> Self {
        self.and(Check::Has(name))
    }

    /// The field is not there.
    #[must_use]
    pub fn lacks(self, name: &'static str) -> Self {
        self.and(Check::Lacks(name))
    }

    /// The field is a list of these members in any order.
    #[must_use]
    pub fn lists(self, name: &'static str, members: &'static [&'static str]) -> Self {
        self.and(Check::Lists(name, members))
    }

    /// The body is this.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.and(Check::Text(text.into()))
    }

    /// This does not occur in the body.
    #[must_use]
    pub fn without(self, text: &'static str) -> Self {
        self.and(Check::Without(text))
    }

    /// The body is this file of the suite's site, whole.
    #[must_use]
    pub fn file(self, name: &'static str) -> Self {
        self.and(Check::File(name))
    }

    /// The body is this range of the file's bytes, and is said to be.
    #[must_use]
    pub fn part(self, name: &'static str, bytes: RangeInclusive<u64>) -> Self {
        self.and(Check::Part(name, bytes))
    }

    /// The body is a page in HTML.
    #[must_use]
    pub fn page(self) -> Self {
        self.and(Check::Page)
    }

    /// There is an entity tag, and it is a strong one.
    #[must_use]
    pub fn strong_tag(self) -> Self {
        self.and(Check::StrongTag)
    }

    /// The response is in this version of HTTP.
    #[must_use]
    pub fn version(self, version: &'static str) -> Self {
        self.and(Check::Version(version))
    }

    /// `Last-Modified` is not later than `Date`, if there is one.
    #[must_use]
    pub fn not_modified_later_than_sent(self) -> Self {
        self.and(Check::NotModifiedLaterThanSent)
    }

    /// The fields are those of the response to a GET of the same target.
    #[must_use]
    pub fn like_get(mut self) -> Self {
        self.like_get = true;
        self
    }

    /// The connection goes on.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = Some(true);
        self
    }

    /// The connection ends after the response.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.kept = Some(false);
        self
    }

    /// Not sooner than so long after the request, or the start of the connection.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = Some(time);
        self
    }

    fn and(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    pub(super) fn is_silence(&self) -> bool {
        self.statuses.is_empty()
    }

    /// Compares a response with what is expected; `site` is where the suite's files are.
    ///
    /// # Errors
    /// The first difference, in words.
    pub(super) fn judge(&self, response: &Response, site: &Path) -> Result<(), String> {
        if !self.statuses.contains(&response.status) {
            let expected: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
            let expected = if expected.is_empty() { "no response".to_owned() } else { expected.join(" or ") };
            return Err(format!("{} instead of {expected}", response.status));
        }
        self.checks.iter().try_for_each(|check| check.judge(response, site))
    }
}

impl Check {
    fn judge(&self, response: &Response, site: &Path) -> Result<(), String> {
        match self {
            Self::Field(name, expected) => match response.field(name)? {
                Some(value) if value == expected => Ok(()),
                Some(value) => Err(format!("{name} is {value:?} instead of {expected:?}")),
                None => Err(format!("no {name}")),
            },
            Self::Has(name) => response.field(name)?.map(drop).ok_or_else(|| format!("no {name}")),
            Self::Lacks(name) if response.has(name) => Err(format!("has a {name}")),
            Self::Lacks(_) => Ok(()),
            Self::Lists(name, members) => {
                let value = response.field(name)?.ok_or_else(|| format!("no {name}"))?;
                let mut listed: Vec<&str> = value.split(',').map(str::trim).collect();
                let mut members = members.to_vec();
                listed.sort_unstable();
                members.sort_unstable();
                if listed == members { Ok(()) } else { Err(format!("{name} is {value:?}")) }
            }
            Self::Text(expected) => same(&response.body, expected.as_bytes()),
            Self::Without(text) => {
                let found = response.body.windows(text.len()).any(|window| window == text.as_bytes());
                if found { Err(format!("the body has {text:?} in it")) } else { Ok(()) }
            }
            Self::File(name) => {
                let content = std::fs::read(site.join(name)).map_err(|error| format!("{name} of the site: {error}"))?;
                length(response, content.len() as u64)?;
                same(&response.body, &content)
            }
            Self::Part(name, bytes) => part(response, &site.join(name), bytes),
            Self::Page => page(response),
            Self::StrongTag => {
                let tag = response.field("ETag")?.ok_or("no ETag")?;
                let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let valid = opaque.is_some_and(|opaque| opaque.bytes().all(|byte| byte > b' ' && byte != b'"'));
                if valid { Ok(()) } else { Err(format!("ETag is {tag}, no strong one")) }
            }
            Self::Version(version) if response.version() == *version => Ok(()),
            Self::Version(_) => Err(format!("the response is in {}", response.version())),
            Self::NotModifiedLaterThanSent => {
                if response.field("Last-Modified")?.is_none() {
                    return Ok(());
                }
                let modified = date(response, "Last-Modified")?;
                if modified <= date(response, "Date")? {
                    Ok(())
                } else {
                    Err("Last-Modified is later than Date".into())
                }
            }
        }
    }
}

/// The date in a field.
pub(super) fn date(response: &Response, name: &str) -> Result<SystemTime, String> {
    let value = response.field(name)?.ok_or_else(|| format!("no {name}"))?;
    let date = httpdate::parse_http_date(value).map_err(|_| format!("{name} is {value:?}, which is no date"))?;
    // Written once more it shows whether it was in the one form that may be sent, with the right day of the week.
    let written = httpdate::fmt_http_date(date);
    if written == value { Ok(date) } else { Err(format!("{name} is {value:?} instead of {written:?}")) }
}

fn length(response: &Response, expected: u64) -> Result<(), String> {
    match response.field("Content-Length")? {
        Some(length) if length == expected.to_string() => Ok(()),
        other => Err(format!("Content-Length is {other:?} instead of {expected}")),
    }
}

fn same(body: &[u8], expected: &[u8]) -> Result<(), String> {
    if body == expected {
        return Ok(());
    }
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    if body.len() != expected.len() || body.len() <= 60 {
        let (got, wanted) = (body.len(), expected.len());
        return Err(format!("a body of {got} bytes {:?} instead of {wanted} {:?}", shown(body), shown(expected)));
    }
    let at = body.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Err(format!("the body differs at byte {at}: {:?} instead of {:?}", shown(&body[at..]), shown(&expected[at..])))
}

fn part(response: &Response, path: &Path, bytes: &RangeInclusive<u64>) -> Result<(), String> {
    let open = || -> std::io::Result<(u64, Vec<u8>)> {
        let file = File::open(path)?;
        let count = usize::try_from(bytes.end() - bytes.start() + 1).unwrap_or(usize::MAX);
        let mut content = vec![0; count];
        file.read_exact_at(&mut content, *bytes.start())?;
        Ok((file.metadata()?.len(), content))
    };
    let (size, content) = open().map_err(|error| format!("{} of the site: {error}", path.display()))?;
    Check::Field("Content-Range", format!("bytes {}-{}/{size}", bytes.start(), bytes.end())).judge(response, path)?;
    length(response, content.len() as u64)?;
    same(&response.body, &content)
}

fn page(response: &Response) -> Result<(), String> {
    let kind = response.field("Content-Type")?.unwrap_or_default();
    if kind != "text/html" && !kind.starts_with("text/html;") {
        return Err(format!("Content-Type is {kind:?} instead of text/html"));
    }
    let body = String::from_utf8_lossy(&response.body).to_ascii_lowercase();
    if !body.trim_start().starts_with('<') || !body.contains("</html>") {
        return Err(format!("the body is no page: {body:?}"));
    }
    length(response, response.body.len() as u64)
}
