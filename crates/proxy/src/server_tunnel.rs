//! A local TCP server on the network: each stream of a peer becomes a connection to it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ramson_router::{Accepted, Destination};
use ramson_wire::DestinationHash;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::body::Framing;
use crate::head::{HeadError, read_request};
use crate::headers;
use crate::relay::{RelayError, Request, exchange};

/// Connections to the server at once.
const MAX_CONNECTIONS: usize = 512;
/// Of them from one peer.
const MAX_CONNECTIONS_OF_PEER: usize = 64;
/// How long the server may take to accept.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// What flows through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// Bytes as they are.
    Server,
    /// HTTP: requests get headers that say who asks, responses lose those that say who answers.
    HttpServer,
}

/// A tunnel from a destination to a server.
pub struct ServerTunnel {
    destination: Destination,
    kind: TunnelKind,
    target: SocketAddr,
}

impl ServerTunnel {
    /// A tunnel to the server at `target`.
    #[must_use]
    pub fn new(destination: Destination, kind: TunnelKind, target: SocketAddr) -> Self {
        Self { destination, kind, target }
    }

    /// Serves peers until the destination closes.
    pub async fn serve(self) {
        let peers = Peers::default();
        let mut tasks = JoinSet::new();
        while let Ok(accepted) = self.destination.accept().await {
            while tasks.try_join_next().is_some() {}
            let Some(slot) = peers.enter(accepted.from.hash()) else {
                accepted.stream.reset();
                continue;
            };
            let (kind, target) = (self.kind, self.target);
            tasks.spawn(async move {
                if let Err(error) = serve_peer(accepted, kind, target).await {
                    tracing::debug!(%error, "a stream to a local server ended early");
                }
                drop(slot);
            });
        }
    }
}

async fn serve_peer(accepted: Accepted, kind: TunnelKind, target: SocketAddr) -> io::Result<()> {
    let Accepted { mut stream, from, .. } = accepted;
    let connecting = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(target));
    let mut server = match connecting.await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return no_server(stream, kind, error).await,
        Err(_) => return no_server(stream, kind, io::ErrorKind::TimedOut.into()).await,
    };
    match kind {
        TunnelKind::Server => copy_both(&mut stream, &mut server).await,
        TunnelKind::HttpServer => serve_request(&mut stream, &mut server, &from).await,
    }
}

/// Copies both ways until both ends have closed or one failed.
async fn copy_both<A, B>(stream: &mut A, server: &mut B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::io::copy_bidirectional(stream, server).await.map(|_| ())
}

async fn serve_request<S>(stream: &mut S, server: &mut TcpStream, from: &ramson_wire::Destination) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
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
    headers::towards_server(&mut head, from);
    let request = Request { head: head.to_bytes(), beyond, framing, upgrade };
    match exchange(stream, server, request, headers::from_server).await {
        Ok(()) => Ok(()),
        Err(RelayError::NoAnswer(_)) => tell(stream, "502 Bad Gateway").await,
        Err(RelayError::Broken) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

async fn no_server<S: AsyncWrite + Unpin>(mut stream: S, kind: TunnelKind, error: io::Error) -> io::Result<()> {
    tracing::warn!(%error, "the server behind a tunnel does not accept connections");
    match kind {
        TunnelKind::HttpServer => tell(&mut stream, "503 Service Unavailable").await,
        TunnelKind::Server => Err(error),
    }
}

async fn tell(stream: &mut (impl AsyncWrite + Unpin), status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Open connections by peer.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<BTreeMap<DestinationHash, usize>>>);

impl Peers {
    fn enter(&self, peer: DestinationHash) -> Option<PeerSlot> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = peers.values().sum();
        let count = peers.get(&peer).copied().unwrap_or(0);
        if all >= MAX_CONNECTIONS || count >= MAX_CONNECTIONS_OF_PEER {
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
        let mut peers = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    use super::*;

    #[test]
    fn one_peer_cannot_take_all_connections() {
        let peers = Peers::default();
        let greedy: Vec<_> = std::iter::repeat_with(|| peers.enter(DestinationHash([1; 32]))).take_while(Option::is_some).collect();
        assert_eq!(greedy.len(), MAX_CONNECTIONS_OF_PEER);
        assert!(peers.enter(DestinationHash([2; 32])).is_some());
        drop(greedy);
        assert!(peers.enter(DestinationHash([1; 32])).is_some());
        assert_eq!(peers.0.lock().unwrap().len(), 0);
    }
}
