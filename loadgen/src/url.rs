//! The part of URLs that a load generator needs.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::Error;

/// What to connect to and what to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// The host, without the brackets of an IPv6 address, but with its zone (`fe80::1%eth0`).
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as they stand in the URL, but without a zone, which means something on this machine alone; the value of
    /// `Host`.
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
            return Err(invalid("it has a user name in it, which is not sent; give -H 'Authorization: …' instead"));
        }
        let (host, port) = split_authority(authority).ok_or_else(|| invalid("its host or port is not one"))?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let (mut host, mut authority) = (host.to_owned(), authority.to_owned());
        // A zone begins with a percent sign, which is percent-encoded in a URL (RFC 6874, section 2).
        if let Some((address, zone)) = host.clone().split_once('%') {
            let written = zone;
            let zone = zone.strip_prefix("25").unwrap_or(zone);
            if !authority.starts_with('[') || zone.is_empty() {
                return Err(invalid("its host is not one"));
            }
            authority = authority.replacen(&format!("%{written}"), "", 1);
            host = format!("{address}%{zone}");
        }
        Ok(Self { host, port, authority, target })
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
        assert_eq!(parts("http://[fe80::1%25eth0]:81"), expected("fe80::1%eth0", 81, "[fe80::1]:81", "/"));
        assert_eq!(parts("http://[fe80::1%eth0]/x"), expected("fe80::1%eth0", 80, "[fe80::1]", "/x"));
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
            "http://[::1%25]/",
            "http://a%25b/",
            "http://a/b c",
            "http://a/\r\nX: y",
        ] {
            assert!(matches!(Url::parse(text), Err(Error::Url(_))), "{text:?}");
        }
    }

    #[test]
    fn a_zone_is_part_of_the_address_that_is_connected_to() {
        // Every machine has the loopback, which is its first network interface.
        let url = Url::parse("http://[fe80::1%25lo]:8080/").unwrap();
        let Ok(SocketAddr::V6(address)) = url.resolve(Duration::from_secs(1)) else { return };
        assert_eq!((address.scope_id(), address.port()), (1, 8080));
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
