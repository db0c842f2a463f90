//! Reaching local programs: listeners, which accept without giving up, and servers.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::connection::Socket;

/// How long to wait after the system refused a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Where local programs connect.
pub trait Listener: Send {
    /// What connects them.
    type Socket: Socket;

    /// The next one.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Socket>> + Send;
}

impl Listener for TcpListener {
    type Socket = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(socket, _)| at_once(socket))
    }
}

/// A local server.
pub trait Server: Send + Sync + 'static {
    /// What connects to it.
    type Socket: Socket;

    /// Connects.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Socket>> + Send;
}

impl Server for SocketAddr {
    type Socket = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(*self).await.map(at_once)
    }
}

/// Has what is written sent at once: a head and its body come in two writes, and the second would wait 40 ms for the other side's ack.
fn at_once(socket: TcpStream) -> TcpStream {
    // One that can't be set is closed already.
    let _ = socket.set_nodelay(true);
    socket
}

/// The next connection, whatever goes wrong before it: a listener that stands fails only for single connections, or
/// while descriptors or memory are short. Neither is a reason to end a service, nor to try again at once.
pub async fn accept<T, F>(mut next: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let mut told = false;
    loop {
        match next().await {
            Ok(connection) => return connection,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "no connection of local programs can be accepted for now");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_system_is_waited_out() {
        let leaks = ramson_leaks::watch_process();
        let mut answers = vec![Ok(7), Err(io::ErrorKind::Other.into()), Err(io::ErrorKind::ConnectionAborted.into())];
        let start = tokio::time::Instant::now();
        assert_eq!(accept(|| std::future::ready(answers.pop().unwrap())).await, 7);
        assert_eq!(start.elapsed(), 2 * PAUSE);
        assert!(leaks.heard("ramson_router::listening", tracing::Level::WARN));
    }
}
