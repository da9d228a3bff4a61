//! Listening sockets, and accepting from them in models that block.

use crate::{Error, Presence, Server};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// Connections that may wait to be accepted; the system's own bound (`net.core.somaxconn`) is often lower.
const BACKLOG: i32 = 4096;

/// One listener.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    listen(address, false)
}

/// Several listeners on one port, among which the system spreads the connections (`SO_REUSEPORT`, socket(7)).
pub(crate) fn bind_shared(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, Error> {
    // Two servers of one user may share a port in this way without an error. A listener that does not share fails if
    // anybody listens there, so it goes first, and makes room.
    let probe = listen(address, false)?;
    let address = probe.local_addr().map_err(|source| Error::Listen { address, source })?;
    drop(probe);
    (0..count).map(|_| listen(address, true)).collect()
}

fn listen(address: SocketAddr, shared: bool) -> Result<TcpListener, Error> {
    let attempt = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // So that a restart need not wait for the old connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        // Accepted sockets inherit it: a response is sent in one piece, and its last segment need not wait.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    attempt().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => Error::Taken(address),
        _ => Error::Listen { address, source },
    })
}

/// Waits for the next connection, once there is room for one; none when the server stops.
pub fn accept(server: &Server, listener: &TcpListener) -> Option<(TcpStream, IpAddr, Presence)> {
    let presence = server.connections.wait_to_admit(&server.stop)?;
    loop {
        let accepted = listener.accept();
        if server.stop.is_stopping() {
            return None;
        }
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer.ip(), presence)),
            Err(error) if is_out_of_resources(&error) => std::thread::sleep(PAUSE),
            // The connection was gone before it was accepted: the next one may be fine.
            Err(_) => {}
        }
    }
}

/// How long accepting pauses when the system has nothing left to give; the backlog holds meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether an error of accept(2) says that the process or the system is out of descriptors or memory.
#[must_use]
pub fn is_out_of_resources(error: &io::Error) -> bool {
    let out = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| out.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn shared_listeners_share_among_themselves_alone() {
        let ours = bind_shared(loopback(0), 3).unwrap();
        let port = ours[0].local_addr().unwrap();
        assert!(ours.iter().all(|listener| listener.local_addr().unwrap() == port));
        assert!(matches!(bind_shared(port, 2), Err(Error::Taken(address)) if address == port));
        assert!(matches!(bind(port), Err(Error::Taken(_))));
        drop(ours);
        assert!(bind(port).is_ok());
    }

    #[test]
    fn an_address_of_somebody_else_is_named() {
        let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
        let error = bind(foreign).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
    }
}
