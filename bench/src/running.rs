//! A server that runs already and that somebody wants measured where it is, by its address.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::str::FromStr;

use crate::accounting::named_value;
use crate::cpus::Cpus;
use crate::process_tree;

/// The state of a listening socket in /proc/net/tcp (proc(5)).
const LISTENS: &str = "0A";

/// Where a running server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The path that is asked for, from the slash on.
    pub path: String,
}

/// Why a text is no address of a server that can be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not such a URL.
    #[error("\"{0}\" is not the address of a server; write it as http://127.0.0.1:8080/path")]
    Malformed(String),
    /// Not this machine.
    #[error(
        "\"{0}\" is not on this machine's loopback; the bench looks at a server's processes, so measure it where it runs, or with loadgen alone"
    )]
    Elsewhere(String),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "http://127.0.0.1:{}{}", self.port, self.path)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(malformed)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| malformed())?),
            None => (authority, 80),
        };
        let path = if path.is_empty() { "/" } else { path };
        if host.is_empty() || port == 0 || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(malformed());
        }
        if !["127.0.0.1", "localhost"].contains(&host) {
            return Err(AddressError::Elsewhere(text.to_owned()));
        }
        Ok(Self { port, path: path.to_owned() })
    }
}

/// The process that listens on this port of 127.0.0.1, by its id; the first one that was started where several share the
/// listener, which is the parent of the others. `None` where it belongs to another user.
#[must_use]
pub fn process_on(port: u16) -> Option<i32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: BTreeSet<String> = tables.iter().flat_map(|table| listeners(table, port)).collect();
    let is_listener = |id: i32| {
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| {
            let inode = link.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.contains(inode))
        })
    };
    let ids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holders: BTreeSet<i32> = ids.filter(|id| is_listener(*id)).collect();
    // A worker's parent is among the holders, the first process's is not.
    let parent = |id: i32| process_tree::process(id).map(|stat| stat.parent);
    holders.iter().copied().find(|id| parent(*id).is_some_and(|parent| !holders.contains(&parent)))
}

/// The CPUs that a process may use; `None` where the kernel does not tell.
#[must_use]
pub fn cpus_of(id: i32) -> Option<Cpus> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    named_value(&status, "Cpus_allowed_list")?.parse().ok()
}

/// The inodes of the sockets that listen on a port, from the text of /proc/net/tcp or /proc/net/tcp6.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let ending = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&ending) && *state == LISTENS).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn addresses_are_read_and_kept_on_this_machine() {
        let address = |port, path: &str| Ok(Address { port, path: path.to_owned() });
        assert_eq!("http://127.0.0.1:8080/a?b=c".parse(), address(8080, "/a?b=c"));
        assert_eq!("http://localhost".parse(), address(80, "/"));
        for text in [
            "",
            "127.0.0.1:80",
            "https://127.0.0.1/",
            "http://:80/",
            "http://127.0.0.1:x/",
            "http://localhost:0/",
            "http://localhost/a b",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Malformed(text.to_owned())));
        }
        let elsewhere = "http://192.0.2.1:80/";
        assert_eq!(elsewhere.parse::<Address>(), Err(AddressError::Elsewhere(elsewhere.to_owned())));
    }

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id() as i32;
        assert_eq!(process_on(port), Some(own));
        assert!(!cpus_of(own).unwrap().is_empty());
        drop(listener);
        assert_eq!(process_on(port), None);
    }

    #[test]
    fn only_listeners_of_the_port_are_taken() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
            1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
            2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n\
            broken\n";
        assert_eq!(listeners(table, 8080), ["4711"]);
    }
}
