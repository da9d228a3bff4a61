//! Whether somebody else listens on a port that the listeners of a server share.
//!
//! The kernel lets every process of the same user share a port whose listeners have `SO_REUSEPORT`, at any time, and gives each
//! listener its part of the connections (socket(7)). A server cannot prevent that, but it can say so.

use crate::{Stop, complain};
use rustix::fs::fstat;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    net::TcpListener,
    time::Duration,
};

/// How often it is looked, and so how long another listener may go unnoticed.
const INTERVAL: Duration = Duration::from_secs(5);

/// Complains, once, when a listener that is none of these has their address. Ends with the server.
pub(crate) fn watch(listeners: &[TcpListener], stop: Stop) {
    let own: BTreeSet<u64> = listeners.iter().filter_map(|listener| Some(fstat(listener).ok()?.st_ino)).collect();
    let watch = move || {
        while !stop.is_stopping() {
            if ["/proc/self/net/tcp", "/proc/self/net/tcp6"].into_iter().any(|table| is_shared(table, &own)) {
                complain(
                    "another process listens on this port, too, and takes a part of the connections; see who it is with \
                     `ss -ltnp`, or use one worker, which does not share its port",
                );
                return;
            }
            std::thread::sleep(INTERVAL);
        }
    };
    // Without this thread the server serves as well.
    let _ = std::thread::Builder::new().name("shared-port".to_owned()).spawn(watch);
}

fn is_shared(table: &str, own: &BTreeSet<u64>) -> bool {
    File::open(table).is_ok_and(|table| has_foreign_listener(BufReader::new(table), own))
}

/// Whether a listener that is none of our own has the address of one of them, in the text of a table of proc(5).
fn has_foreign_listener(table: impl BufRead, own: &BTreeSet<u64>) -> bool {
    // Listeners come first, so that of a server's thousands of connections none is read.
    let lines = table.lines().map_while(Result::ok).skip(1);
    let listeners: Vec<(String, u64)> = lines.map_while(|line| listener(&line)).collect();
    let ours: BTreeSet<&String> =
        listeners.iter().filter(|(_, inode)| own.contains(inode)).map(|(address, _)| address).collect();
    listeners.iter().any(|(address, inode)| ours.contains(address) && !own.contains(inode))
}

/// The address of a listening socket and its inode; nothing if it does not listen.
fn listener(line: &str) -> Option<(String, u64)> {
    const LISTENS: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    (*state == LISTENS).then_some(((*address).to_owned(), inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1\n\
        1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1\n\
        2: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1\n\
        3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1\n\
        4: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 15 1\n";

    #[test]
    fn only_a_listener_with_our_address_is_foreign() {
        let is_foreign = |own: &[u64]| has_foreign_listener(TABLE.as_bytes(), &own.iter().copied().collect());
        assert!(!is_foreign(&[11, 12]));
        assert!(is_foreign(&[11]));
        assert!(!is_foreign(&[13]) && !is_foreign(&[14]) && !is_foreign(&[99]));
        assert!(!has_foreign_listener(&b""[..], &BTreeSet::new()));
    }

    #[test]
    fn our_own_listeners_are_found_in_the_table() {
        let ours = crate::listener::bind_shared(([127, 0, 0, 1], 0).into(), 2).unwrap();
        let inode = |listener: &TcpListener| fstat(listener).unwrap().st_ino;
        let (first, second) = (inode(&ours[0]), inode(&ours[1]));
        assert!(!is_shared("/proc/self/net/tcp", &BTreeSet::from([first, second])));
        assert!(is_shared("/proc/self/net/tcp", &BTreeSet::from([first])));
    }
}
