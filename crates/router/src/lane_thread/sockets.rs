//! Sockets of the lane's driver.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use ramson_lane::{ConnId, Lane};

use super::UNSENT_TAIL;
use crate::clock::Clock;

/// How long what was sent may stay unacknowledged. Without it the system goes on to send to a machine that is gone for a quarter of an
/// hour, and tunnels through it look alive.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

pub(super) struct Socket {
    pub(super) stream: TcpStream,
    pub(super) connecting: bool,
    pub(super) writable: bool,
    /// The lane is done with it: close when the tail is out.
    pub(super) closing: bool,
    /// Sealed and not taken by the system yet; `sent` of it is.
    pub(super) tail: Vec<u8>,
    sent: usize,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, connecting: bool) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        Ok(Self { stream, connecting, writable: false, closing: false, tail: Vec::new(), sent: 0 })
    }

    /// Reads once. `None`: there is nothing now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                result => return result.map(Some),
            }
        }
    }
}

/// Starts a connection, from our own address of that family when one is configured: peers compare the
/// source of a connection with the published host.
pub(super) fn connect(binds: &[IpAddr], remote: SocketAddr) -> io::Result<TcpStream> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    let own = binds.iter().find(|own| own.is_ipv4() == remote.is_ipv4() && !own.is_unspecified());
    if let Some(own) = own {
        socket.bind(&SocketAddr::new(*own, 0).into())?;
    }
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        Err(error) if in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// An accept that failed for one connection only: it died in the backlog, or the system passes on its error.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted | ErrorKind::PermissionDenied
    )
}

/// Writes until the socket is full or the lane has nothing more for it.
pub(super) fn flush(clock: &Clock, lane: &mut Lane, conn: ConnId, socket: &mut Socket) -> io::Result<()> {
    loop {
        if socket.sent == socket.tail.len() {
            socket.tail.clear();
            socket.sent = 0;
            if !socket.closing {
                lane.write_into(clock.now(), conn, &mut socket.tail, UNSENT_TAIL);
            }
            if socket.tail.is_empty() {
                return Ok(());
            }
        }
        let unsent = socket.tail.get(socket.sent..).unwrap_or_default();
        match socket.stream.write(unsent) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => socket.sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.writable = false;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_acknowledges_nothing_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(TcpStream::from_std(stream), false).unwrap();
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(socket2::SockRef::from(&socket.stream).tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
        assert_eq!(socket.read(&mut [0; 8]).unwrap(), None);
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"hello").unwrap();
        drop(peer);
        let mut read = Vec::new();
        while read.len() < 5 {
            let mut buffer = [0; 8];
            if let Some(count) = socket.read(&mut buffer).unwrap() {
                read.extend_from_slice(&buffer[..count]);
            }
        }
        assert_eq!(read, b"hello");
    }
}
