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

/// The addresses of listeners that answer on 127.0.0.1, as the kernel writes them: that one, any, and both in the form of
/// version 6.
const ANSWERING: [&str; 4] =
    ["0100007F", "00000000", "0000000000000000FFFF00000100007F", "00000000000000000000000000000000"];

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
    let is_listener = |id: i32| sockets_of(id).is_some_and(|own| !own.is_disjoint(&inodes));
    let ids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holders: BTreeSet<i32> = ids.filter(|id| is_listener(*id)).collect();
    // A worker's parent is among the holders, the first process's is not.
    let parent = |id: i32| process_tree::process(id).map(|stat| stat.parent);
    holders.iter().copied().find(|id| parent(*id).is_some_and(|parent| !holders.contains(&parent)))
}

/// Whether every socket that listens on this port of 127.0.0.1 is held by one of these processes. `None` where their
/// descriptors cannot be seen.
#[must_use]
pub fn is_held_by(port: u16, processes: &[i32]) -> Option<bool> {
    // Processes may have a network of their own, and then they tell of that.
    let first = processes.first()?;
    let table = |name: &str| fs::read_to_string(format!("/proc/{first}/net/{name}"));
    let old = listeners(&table("tcp").ok()?, port);
    let relevant = if old.is_empty() { listeners(&table("tcp6").unwrap_or_default(), port) } else { old };
    let sockets: Vec<Option<BTreeSet<String>>> = processes.iter().map(|id| sockets_of(*id)).collect();
    let held: BTreeSet<&String> = sockets.iter().flatten().flatten().collect();
    if !relevant.is_empty() && relevant.iter().all(|inode| held.contains(inode)) {
        return Some(true);
    }
    // What cannot be seen may be the one.
    sockets.iter().all(Option::is_some).then_some(false)
}

/// Whether a process holds a socket that listens on this port of 127.0.0.1, maybe beside others. False where it may not be seen.
#[must_use]
pub fn listens_on(port: u16, id: i32) -> bool {
    let Some(own) = sockets_of(id) else { return false };
    // It may have a network of its own, and then it tells of that.
    let tables = ["tcp", "tcp6"].map(|name| fs::read_to_string(format!("/proc/{id}/net/{name}")).unwrap_or_default());
    tables.iter().flat_map(|table| listeners(table, port)).any(|inode| own.contains(&inode))
}

/// The inodes of the sockets that a process has open; `None` where it may not be seen.
fn sockets_of(id: i32) -> Option<BTreeSet<String>> {
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).ok()?;
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |link: std::path::PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    Some(links.filter_map(inode).collect())
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
        let address = local.strip_suffix(&ending)?;
        (ANSWERING.contains(&address) && *state == LISTENS).then(|| (*inode).to_owned())
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
        assert_eq!(is_held_by(port, &[own]), Some(true));
        assert!(listens_on(port, own) && !listens_on(port, 1_000_000_000));
        assert!(!cpus_of(own).unwrap().is_empty());
        drop(listener);
        assert_eq!(process_on(port), None);
    }

    #[test]
    fn a_listener_of_another_process_is_not_the_servers() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = child.id() as i32;
        // What was closed on exec may be open for a moment still.
        let begin = std::time::Instant::now();
        while is_held_by(port, &[id]) == Some(true) && begin.elapsed().as_secs() < 30 {}
        assert_eq!(is_held_by(port, &[id]), Some(false));
        assert_eq!(is_held_by(port, &[id, std::process::id() as i32]), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        // It has ended, so its descriptors cannot be read.
        assert_eq!(is_held_by(port, &[id]), None);
        assert_eq!(is_held_by(port, &[]), None);
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
