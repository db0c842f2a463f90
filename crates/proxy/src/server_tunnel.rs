//! A local TCP server on the network: each stream of a peer becomes a connection to it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ramson_router::{Accepted, Closed, Destination, PortListener, Server, Socket, Stream, Unfinished, copy_both};
use ramson_wire::DestinationHash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::body::Framing;
use crate::head::{HeadError, read_request};
use crate::headers;
use crate::relay::{RelayError, Request, exchange};

/// Connections to the server at once.
const LIMITS: Limits = Limits { all: 512, of_peer: 64 };
/// How long the server may take to accept.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a refused request is still read, so that the peer gets the refusal and not a reset.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How much of it.
const DRAIN_BYTES: u64 = 64 * 1024;

/// What flows through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// Bytes as they are.
    Server,
    /// HTTP: requests get headers that say who asks, responses lose those that say who answers.
    HttpServer,
}

/// Where a tunnel's streams come in.
pub enum Door {
    /// All ports of a destination that nobody else listens at.
    Destination(Destination),
    /// One port of it.
    Port(PortListener),
}

impl From<Destination> for Door {
    fn from(destination: Destination) -> Self {
        Self::Destination(destination)
    }
}

impl From<PortListener> for Door {
    fn from(listener: PortListener) -> Self {
        Self::Port(listener)
    }
}

impl Door {
    async fn accept(&mut self) -> Result<Accepted, Closed> {
        match self {
            Self::Destination(destination) => destination.accept().await,
            Self::Port(listener) => listener.accept().await,
        }
    }
}

/// A tunnel from destinations to a server.
pub struct ServerTunnel<S = SocketAddr> {
    doors: Vec<Door>,
    kind: TunnelKind,
    target: S,
    limits: Limits,
}

impl<S: Server> ServerTunnel<S> {
    /// A tunnel to the server at `target`.
    #[must_use]
    pub fn new(door: impl Into<Door>, kind: TunnelKind, target: S) -> Self {
        Self { doors: vec![door.into()], kind, target, limits: LIMITS }
    }

    /// One more way in. Limits hold for all together.
    #[must_use]
    pub fn and(mut self, door: impl Into<Door>) -> Self {
        self.doors.push(door.into());
        self
    }

    /// Sets how many connections there may be to the server at once, and how many of them from one peer.
    #[cfg(feature = "fuzzing")]
    #[must_use]
    #[doc(hidden)]
    pub fn with_limits(self, all: usize, of_peer: usize) -> Self {
        Self { limits: Limits { all, of_peer }, ..self }
    }

    /// Serves peers until all destinations close.
    pub async fn serve(self) {
        let peers = Peers::new(self.limits);
        let server = Arc::new(Target { server: self.target, down: AtomicBool::new(false) });
        let mut doors = JoinSet::new();
        for door in self.doors {
            doors.spawn(serve_door(door, self.kind, peers.clone(), Arc::clone(&server)));
        }
        while doors.join_next().await.is_some() {}
    }
}

async fn serve_door<S: Server>(mut door: Door, kind: TunnelKind, peers: Peers, server: Arc<Target<S>>) {
    let mut tasks = JoinSet::new();
    while let Ok(accepted) = door.accept().await {
        while tasks.try_join_next().is_some() {}
        let Some(slot) = peers.enter(accepted.from.hash()) else {
            accepted.stream.reset();
            continue;
        };
        let server = Arc::clone(&server);
        tasks.spawn(async move {
            let Accepted { stream, from, .. } = accepted;
            let mut stream = Unfinished::new(stream);
            match serve_peer(&mut stream, &from, kind, &server).await {
                Ok(()) => stream.finish(),
                Err(error) => tracing::debug!(%error, "a stream to a local server ended early"),
            }
            drop(slot);
        });
    }
}

/// The local server, and whether it was last seen down.
struct Target<S> {
    server: S,
    down: AtomicBool,
}

impl<S: Server> Target<S> {
    /// Connects, and says once when the server goes down or comes back: how often depends on strangers.
    async fn connect(&self) -> io::Result<S::Socket> {
        let connecting = tokio::time::timeout(CONNECT_TIME, self.server.connect());
        let result = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let was_down = self.down.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !was_down => tracing::warn!(%error, "the server behind a tunnel does not accept connections"),
            Ok(_) if was_down => tracing::info!("the server behind a tunnel accepts connections again"),
            _ => {}
        }
        result
    }
}

async fn serve_peer<S: Server>(
    stream: &mut Stream,
    from: &ramson_wire::Destination,
    kind: TunnelKind,
    server: &Target<S>,
) -> io::Result<()> {
    let mut socket = match (server.connect().await, kind) {
        (Ok(socket), _) => Unfinished::new(socket),
        (Err(error), TunnelKind::Server) => return Err(error),
        (Err(_), TunnelKind::HttpServer) => return tell(stream, "503 Service Unavailable").await,
    };
    match kind {
        TunnelKind::Server => copy_both(stream, &mut *socket).await?,
        TunnelKind::HttpServer => serve_request(stream, &mut *socket, from).await?,
    }
    socket.finish();
    Ok(())
}

async fn serve_request(stream: &mut Stream, server: &mut impl Socket, from: &ramson_wire::Destination) -> io::Result<()> {
    let (mut head, beyond) = match read_request(stream).await {
        Ok(read) => read,
        Err(HeadError::Closed) => return Ok(()),
        Err(HeadError::Io(error)) => return Err(error),
        Err(HeadError::Slow) => return tell(stream, "408 Request Timeout").await,
        Err(HeadError::TooLarge) => return tell(stream, "431 Request Header Fields Too Large").await,
        Err(HeadError::Malformed) => return tell(stream, "400 Bad Request").await,
    };
    let Ok(framing) = Framing::of(&head.fields) else {
        return tell(stream, "400 Bad Request").await;
    };
    let upgrade = headers::wants_upgrade(&head.fields);
    let head_only = head.method == "HEAD";
    headers::towards_server(&mut head, from);
    let request = Request { head: head.to_bytes(), beyond, framing, head_only, upgrade };
    match exchange(stream, server, request, headers::from_server).await {
        Ok(()) => Ok(()),
        Err(RelayError::NoAnswer(_)) => tell(stream, "502 Bad Gateway").await,
        Err(RelayError::Broken) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Answers in the server's place.
async fn tell(stream: &mut Stream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What is left unread would make the close a reset. The peer may go on sending or never close.
    let _ = tokio::time::timeout(DRAIN_TIME, tokio::io::copy(&mut stream.take(DRAIN_BYTES), &mut tokio::io::sink())).await;
    Ok(())
}

/// How many connections there may be.
#[derive(Clone, Copy)]
struct Limits {
    all: usize,
    of_peer: usize,
}

/// Open connections by peer.
#[derive(Clone)]
struct Peers {
    open: Arc<Mutex<BTreeMap<DestinationHash, usize>>>,
    limits: Limits,
}

impl Peers {
    fn new(limits: Limits) -> Self {
        Self { open: Arc::default(), limits }
    }

    fn enter(&self, peer: DestinationHash) -> Option<PeerSlot> {
        let mut peers = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = peers.values().sum();
        let count = peers.get(&peer).copied().unwrap_or(0);
        if all >= self.limits.all || count >= self.limits.of_peer {
            return None;
        }
        peers.insert(peer, count + 1);
        Some(PeerSlot { peers: self.clone(), peer })
    }
}

struct PeerSlot {
    peers: Peers,
    peer: DestinationHash,
}

impl Drop for PeerSlot {
    fn drop(&mut self) {
        let mut peers = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tracing::Level;

    use super::*;

    #[tokio::test]
    async fn a_server_that_goes_or_comes_back_is_told_of_without_its_address() {
        let leaks = ramson_leaks::watch_process();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        leaks.forbid("a port", &format!(":{}", server.port()));
        let back = Target { server, down: AtomicBool::new(true) };
        back.connect().await.unwrap();
        assert!(leaks.heard("ramson_proxy::server_tunnel", Level::INFO));
        drop(listener);
        let gone = Target { server, down: AtomicBool::new(false) };
        gone.connect().await.unwrap_err();
        assert!(leaks.heard("ramson_proxy::server_tunnel", Level::WARN));
    }

    #[test]
    fn one_peer_cannot_take_all_connections() {
        let peers = Peers::new(LIMITS);
        let greedy: Vec<_> =
            std::iter::repeat_with(|| peers.enter(DestinationHash([1; 32]))).take_while(Option::is_some).collect();
        assert_eq!(greedy.len(), LIMITS.of_peer);
        assert!(peers.enter(DestinationHash([2; 32])).is_some());
        drop(greedy);
        assert!(peers.enter(DestinationHash([1; 32])).is_some());
        assert_eq!(peers.open.lock().unwrap().len(), 0);
    }
}
