//! One stream as tokio sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ramson_engine::{CloseReason, Command, StreamId, StreamRings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::router::EngineHandle;

/// A reliable, ordered byte stream to a destination.
///
/// Dropping it closes it gracefully if all that came was read, and resets it otherwise.
pub struct Stream {
    engine: EngineHandle,
    id: StreamId,
    rings: Arc<StreamRings>,
}

impl Stream {
    pub(crate) fn new(engine: EngineHandle, id: StreamId, rings: Arc<StreamRings>) -> Self {
        Self { engine, id, rings }
    }

    /// Waits until the peer has answered.
    pub async fn connected(&self) -> Result<(), CloseReason> {
        std::future::poll_fn(|cx| self.rings.poll_connected(cx)).await
    }

    /// Ends the stream at once; what is unsent or unread is lost.
    pub fn reset(&self) {
        self.rings.reset();
        self.tell_engine();
    }

    /// The engine looks at the rings when told; it is told once for all news until it has looked.
    fn tell_engine(&self) {
        if self.rings.take_notify() {
            self.engine.command(Command::StreamDirty { id: self.engine.id(), stream: self.id });
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.rings.detach();
        self.tell_engine();
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let result = self.rings.poll_read(cx, out.initialize_unfilled());
        self.tell_engine();
        result.map(|result| result.map(|count| out.advance(count)).map_err(io_error))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.rings.poll_write(cx, data);
        self.tell_engine();
        result.map_err(io_error)
    }

    /// What is written is sent as soon as the network allows: there is nothing to push.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.rings.shutdown();
        self.tell_engine();
        Poll::Ready(Ok(()))
    }
}

fn io_error(reason: CloseReason) -> io::Error {
    let kind = match reason {
        CloseReason::Finished | CloseReason::Aborted | CloseReason::Shutdown => io::ErrorKind::BrokenPipe,
        CloseReason::Reset => io::ErrorKind::ConnectionReset,
        CloseReason::ConnectTimeout | CloseReason::TimedOut => io::ErrorKind::TimedOut,
        CloseReason::Unreachable => io::ErrorKind::HostUnreachable,
        CloseReason::Limit => io::ErrorKind::QuotaExceeded,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, reason)
}
