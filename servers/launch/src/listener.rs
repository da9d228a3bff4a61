//! Listening sockets, and accepting from them in models that block.

use crate::{Error, Presence, Server};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
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
    // Two servers of one user may share a port in this way without an error. A socket that does not share cannot be bound if
    // anybody listens there, so it goes first, and makes room.
    let probe = bound(address, false)?;
    let address = TcpListener::from(probe).local_addr().map_err(refused(address))?;
    (0..count).map(|_| listen(address, true)).collect()
}

fn listen(address: SocketAddr, shared: bool) -> Result<TcpListener, Error> {
    let socket = bound(address, shared)?;
    socket.listen(BACKLOG).map_err(refused(address))?;
    Ok(TcpListener::from(socket))
}

/// A socket that has the address and does not listen: whoever connects is refused, and not accepted to be reset.
fn bound(address: SocketAddr, shared: bool) -> Result<Socket, Error> {
    let attempt = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // So that a restart need not wait for the old connections to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        // Accepted sockets inherit it: a response is sent in one piece, and its last segment need not wait.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SockAddr::from(address))?;
        Ok(socket)
    };
    attempt().map_err(refused(address))
}

fn refused(address: SocketAddr) -> impl FnOnce(io::Error) -> Error {
    move |source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::Taken(address),
        _ => Error::Listen { address, source },
    }
}

/// Waits for the next connection, once there is room for one; none when the server stops. Whoever waits for its client
/// then is [woken](crate::Connections::finish) by the end of its input, behind what has come.
pub fn accept(server: &Server, listener: &TcpListener) -> Option<(Arc<TcpStream>, IpAddr, Presence)> {
    let presence = server.connections.wait_to_admit(&server.stop)?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let stream = Arc::new(stream);
                let waiting = Arc::downgrade(&stream);
                presence.wake_by(move || {
                    // If it is gone already, nobody waits.
                    let _ = waiting.upgrade().map(|stream| stream.shutdown(Shutdown::Read));
                });
                return Some((stream, peer.ip(), presence));
            }
            // All that came before the end of the server were accepted.
            Err(_) if server.stop.is_stopping() => return None,
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Ends an accept(2) that waits, once everybody was accepted who is in the backlog.
pub(crate) fn wake(listener: TcpListener) {
    let knock = move || {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        // The last in the backlog is ourselves. If there is no room in it, nobody waits.
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::from(address))
    };
    let _: io::Result<()> = knock();
}

/// How long accepting pauses when the system has nothing left to give; the backlog holds meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether an error of accept(2) is about the connection that was to be accepted, so that the next one may be fine.
/// All others, such as being out of descriptors, are about the server: it had better pause.
#[must_use]
pub fn concerns_one_connection(error: &io::Error) -> bool {
    let of_the_connection = [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
    ];
    Errno::from_io_error(error).is_some_and(|errno| of_the_connection.contains(&errno))
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
    fn who_comes_while_the_port_is_looked_at_is_refused_and_not_reset() {
        let probe = TcpListener::from(bound(loopback(0), false).unwrap());
        let error = TcpStream::connect(probe.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn an_address_of_somebody_else_is_named() {
        let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
        let error = bind(foreign).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
    }
}
