//! The part of URLs that a load generator needs.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::Error;

/// What to connect to and what to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The host, without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as they stand in the URL; the value of `Host`.
    pub(crate) authority: String,
    /// Path and query, beginning with a slash.
    pub(crate) target: String,
}

impl Url {
    /// Takes an `http` URL apart. A user name is refused, a fragment is dropped.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Url(format!("{text} ({why})"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(invalid("it has to begin with http://"));
        };
        if scheme.eq_ignore_ascii_case("https") {
            return Err(invalid("https is not spoken here; measure the server behind the encryption with http"));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(invalid("it has to begin with http://"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("it holds a character that has to be percent-encoded"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = match rest.find(['/', '?']) {
            Some(position) => rest.split_at(position),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(invalid("a user name in it is not supported"));
        }
        let (host, port) = split_authority(authority).ok_or_else(|| invalid("its host or port is not one"))?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { host: host.to_owned(), port, authority: authority.to_owned(), target })
    }

    /// The address to connect to: the only one of the host or the first that accepts a connection within `patience`;
    /// when none does, the first.
    pub(crate) fn resolve(&self, patience: Duration) -> Result<SocketAddr, Error> {
        let failed = |source| Error::Resolve { host: format!("{}:{}", self.host, self.port), source };
        let addresses: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs().map_err(failed)?.collect();
        let first = addresses.first().copied().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        if addresses.len() == 1 {
            return Ok(first);
        }
        let accepting = addresses.iter().find(|address| TcpStream::connect_timeout(address, patience).is_ok());
        Ok(accepting.copied().unwrap_or(first))
    }
}

fn split_authority(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        // An empty port is the default one (RFC 3986, section 3.2.3).
        None | Some("") => 80,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, String, String) {
        let url = Url::parse(text).unwrap();
        (url.host, url.port, url.authority, url.target)
    }

    fn expected(host: &str, port: u16, authority: &str, target: &str) -> (String, u16, String, String) {
        (host.into(), port, authority.into(), target.into())
    }

    #[test]
    fn with_and_without_path_port_and_query() {
        assert_eq!(parts("http://127.0.0.1:8080"), expected("127.0.0.1", 8080, "127.0.0.1:8080", "/"));
        assert_eq!(parts("http://a/"), expected("a", 80, "a", "/"));
        assert_eq!(parts("HTTP://a/b%20c?d=e#f"), expected("a", 80, "a", "/b%20c?d=e"));
        assert_eq!(parts("http://a?d"), expected("a", 80, "a", "/?d"));
        assert_eq!(parts("http://[::1]:81/x"), expected("::1", 81, "[::1]:81", "/x"));
        assert_eq!(parts("http://[::1]"), expected("::1", 80, "[::1]", "/"));
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for text in [
            "",
            "foo",
            "127.0.0.1:80",
            "ftp://a/",
            "https://a/",
            "http://",
            "http:///x",
            "http://a:99999/",
            "http://a:b/",
            "http://a:+1/",
            "http://u@a/",
            "http://[::1",
            "http://[::1]x/",
            "http://a/b c",
            "http://a/\r\nX: y",
        ] {
            assert!(matches!(Url::parse(text), Err(Error::Url(_))), "{text:?}");
        }
    }

    #[test]
    fn an_address_that_accepts_is_preferred() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
        let address = url.resolve(Duration::from_secs(1)).unwrap();
        assert_eq!(address, listener.local_addr().unwrap());
    }
}
