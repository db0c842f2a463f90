//! A client's socket, watched while the client waits for something.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ramson_router::{Connection, Socket};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Bytes that a client may say before it is their turn.
const MAX_AHEAD: usize = 64 * 1024;
/// Bytes read at once.
const PIECE: usize = 8 * 1024;

/// A socket that reads ahead: only who has read all that a client said sees that it has closed.
pub(super) struct ReadAhead<S> {
    socket: S,
    bytes: Vec<u8>,
    /// So many of `bytes` were taken.
    taken: usize,
}

impl<S: Socket> ReadAhead<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, bytes: Vec::new(), taken: 0 }
    }

    /// Returns when the client has closed without a word that is still unread. Who has said something and then closed its side
    /// may wait for what comes of it.
    pub(super) async fn closed(&mut self) {
        self.closed_or_full().await;
        if !self.unread().is_empty() {
            std::future::pending().await
        }
    }

    /// Returns when the client has closed, or has said as much as it may.
    pub(super) async fn closed_or_full(&mut self) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        while self.bytes.len() < MAX_AHEAD {
            self.bytes.reserve(PIECE);
            match self.socket.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }

    fn unread(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}

impl<S: Socket> Connection for ReadAhead<S> {
    fn abort(&self) {
        self.socket.abort();
    }
}

impl<S: Socket> AsyncBufRead for ReadAhead<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.unread().is_empty() {
            this.taken = 0;
            this.bytes.resize(PIECE, 0);
            let mut piece = ReadBuf::new(&mut this.bytes);
            let read = Pin::new(&mut this.socket).poll_read(cx, &mut piece);
            let count = if let Poll::Ready(Ok(())) = read { piece.filled().len() } else { 0 };
            this.bytes.truncate(count);
            ready!(read)?;
        }
        Poll::Ready(Ok(this.unread()))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.taken += count;
    }
}

impl<S: Socket> AsyncRead for ReadAhead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread().is_empty() {
            self.bytes = Vec::new();
            self.taken = 0;
            return Pin::new(&mut self.socket).poll_read(cx, out);
        }
        let count = self.unread().len().min(out.remaining());
        out.put_slice(self.unread().get(..count).unwrap_or_default());
        self.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for ReadAhead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (ReadAhead<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ReadAhead::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn a_close_is_seen_behind_unread_bytes_which_stay() {
        let (mut near, mut client) = pair().await;
        client.write_all(b"PING\n").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(20), near.closed_or_full()).await;
        assert!(early.is_err(), "the client is still there");
        drop(client);
        near.closed_or_full().await;
        let mut said = String::new();
        near.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "PING\n");
    }

    #[tokio::test]
    async fn no_more_is_read_ahead_than_fits() {
        let (mut near, mut client) = pair().await;
        let talking = tokio::spawn(async move {
            client.write_all(&vec![7; 4 * MAX_AHEAD]).await.unwrap();
        });
        near.closed_or_full().await;
        assert!(near.unread().len() < 2 * MAX_AHEAD);
        let mut said = Vec::new();
        near.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, vec![7; 4 * MAX_AHEAD]);
        talking.await.unwrap();
    }
}
