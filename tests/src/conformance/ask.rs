//! Requests as a rule writes them down, and as they go over the wire.

use std::time::Duration;

/// A request. What is not said is as in any request over HTTP/1.1: `Host: localhost`, lines that end in CRLF, no body.
#[derive(Debug, Clone)]
pub struct Ask {
    method: String,
    target: String,
    version: &'static str,
    host: Option<&'static str>,
    lines: Vec<Vec<u8>>,
    line_end: &'static str,
    body: Vec<u8>,
    raw: Option<Vec<u8>>,
    pub(super) half_close: bool,
    pub(super) pause: Option<Duration>,
}

/// A GET.
pub fn get(target: impl Into<String>) -> Ask {
    ask("GET", target)
}

/// A HEAD.
pub fn head(target: impl Into<String>) -> Ask {
    ask("HEAD", target)
}

/// A request with any method.
pub fn ask(method: impl Into<String>, target: impl Into<String>) -> Ask {
    Ask {
        method: method.into(),
        target: target.into(),
        version: "HTTP/1.1",
        host: Some("localhost"),
        lines: Vec::new(),
        line_end: "\r\n",
        body: Vec::new(),
        raw: None,
        half_close: false,
        pause: None,
    }
}

/// These bytes, whatever they are.
pub fn raw(bytes: impl AsRef<[u8]>) -> Ask {
    Ask { raw: Some(bytes.as_ref().to_vec()), ..get("/") }
}

impl Ask {
    /// One more line of the header section, as it is, without its line end. `{etag}` in it stands for the entity tag that
    /// the server gives for the target, `{etag:/other}` for that of another target.
    #[must_use]
    pub fn with(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    /// The version in the request line.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Without the `Host`.
    #[must_use]
    pub fn no_host(mut self) -> Self {
        self.host = None;
        self
    }

    /// Another `Host`.
    #[must_use]
    pub fn host(mut self, host: &'static str) -> Self {
        self.host = Some(host);
        self
    }

    /// Every line ends in LF alone.
    #[must_use]
    pub fn bare_line_feeds(mut self) -> Self {
        self.line_end = "\n";
        self
    }

    /// What follows the head. The fields that announce it are the rule's to write.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Afterwards the client says that it will send no more.
    #[must_use]
    pub fn half_closed(mut self) -> Self {
        self.half_close = true;
        self
    }

    /// Byte for byte, with a pause after each, until the server answers.
    #[must_use]
    pub fn trickling(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Whether the response has no body whatever it says.
    pub(super) fn is_head(&self) -> bool {
        self.raw.as_ref().map_or(self.method == "HEAD", |bytes| bytes.starts_with(b"HEAD "))
    }

    /// The same with another method.
    pub(super) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The bytes to be sent, with `tag` asked for the entity tags that they mention.
    pub(super) fn bytes(&self, mut tag: impl FnMut(&str) -> Result<String, String>) -> Result<Vec<u8>, String> {
        if let Some(bytes) = &self.raw {
            return Ok(bytes.clone());
        }
        let mut bytes = format!("{} {} {}{}", self.method, self.target, self.version, self.line_end).into_bytes();
        if let Some(host) = self.host {
            bytes.extend_from_slice(format!("Host: {host}{}", self.line_end).as_bytes());
        }
        for line in &self.lines {
            bytes.extend_from_slice(&self.filled_in(line, &mut tag)?);
            bytes.extend_from_slice(self.line_end.as_bytes());
        }
        bytes.extend_from_slice(self.line_end.as_bytes());
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }

    fn filled_in(&self, line: &[u8], tag: &mut impl FnMut(&str) -> Result<String, String>) -> Result<Vec<u8>, String> {
        const OPEN: &str = "{etag";
        let Ok(text) = std::str::from_utf8(line) else { return Ok(line.to_vec()) };
        let mut pieces = text.split(OPEN);
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (target, rest) = piece.split_once('}').ok_or_else(|| format!("a brace is open in {text:?}"))?;
            filled.push_str(&tag(target.strip_prefix(':').unwrap_or(&self.target))?);
            filled.push_str(rest);
        }
        Ok(filled.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{get, head, raw};

    fn text(ask: &super::Ask) -> String {
        String::from_utf8(ask.bytes(|target| Ok(format!("\"{target}\""))).unwrap()).unwrap()
    }

    #[test]
    fn an_everyday_request() {
        let ask = get("/a").with("If-Match: W/{etag}, {etag:/b}").body("x");
        assert_eq!(text(&ask), "GET /a HTTP/1.1\r\nHost: localhost\r\nIf-Match: W/\"/a\", \"/b\"\r\n\r\nx");
        assert!(!ask.is_head());
    }

    #[test]
    fn an_odd_request() {
        assert_eq!(text(&head("/").version("HTTP/1.0").no_host().bare_line_feeds()), "HEAD / HTTP/1.0\n\n");
        assert_eq!(text(&raw("HEAD {etag}")), "HEAD {etag}");
        assert!(raw("HEAD {etag}").is_head());
    }
}
