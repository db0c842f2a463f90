//! Sockets in memory: one end is the machine's, the other the harness's. They end like TCP: what is closed over unread bytes
//! is reset, and a program that closed altogether looks like one that only finished writing until something is written to it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use ramson_router::{Connection, Listener, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// Bytes that a program may leave unread before the machine has to wait.
const ROOM: usize = 4096;

/// How the machine left a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a plain close.
    Closed,
    /// With a reset that it asked for.
    Aborted,
    /// With a plain close over unread bytes, of which TCP makes a reset.
    Unread,
}

#[derive(Default)]
struct Wire {
    to_machine: VecDeque<u8>,
    to_program: Vec<u8>,
    /// Most bytes that the machine gets at once.
    piece: usize,
    /// The program sends no more.
    half_closed: bool,
    /// The program reads no more.
    gone: bool,
    /// The program's side was reset.
    reset: bool,
    /// The machine has closed its side.
    shutdown: bool,
    aborting: bool,
    /// Bytes that the machine took.
    taken: usize,
    ending: Option<Ending>,
    panicked: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    fn wake(&mut self) {
        [self.reader.take(), self.writer.take()].into_iter().flatten().for_each(Waker::wake);
    }
}

type Shared = Arc<Mutex<Wire>>;

/// The machine's end.
pub struct Near(Shared);

/// The harness's end.
pub struct Program(Shared);

/// A connection whose machine gets at most so many bytes at once.
pub fn pipe(piece: usize) -> (Near, Program) {
    let wire = Arc::new(Mutex::new(Wire { piece: piece.max(1), ..Wire::default() }));
    (Near(Arc::clone(&wire)), Program(wire))
}

impl Program {
    fn wire(&self) -> std::sync::MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }

    /// Sends bytes. False if there is nobody any more.
    pub fn send(&self, bytes: &[u8]) -> bool {
        let mut wire = self.wire();
        let goes = wire.ending.is_none() && !wire.half_closed && !wire.reset;
        if goes {
            wire.to_machine.extend(bytes);
            wire.wake();
        }
        goes
    }

    /// Takes what came.
    pub fn read(&self) -> Vec<u8> {
        let mut wire = self.wire();
        wire.wake();
        std::mem::take(&mut wire.to_program)
    }

    /// Sends no more.
    pub fn half_close(&self) {
        let mut wire = self.wire();
        wire.half_closed = true;
        wire.wake();
    }

    /// Neither sends nor reads any more.
    pub fn close(&self) {
        self.half_close();
        self.wire().gone = true;
    }

    /// Breaks the connection.
    pub fn reset(&self) {
        let mut wire = self.wire();
        wire.reset = true;
        wire.gone = true;
        wire.to_machine.clear();
        wire.wake();
    }

    /// A reader sees the end of what was sent.
    pub fn ended(&self) -> bool {
        let wire = self.wire();
        wire.to_program.is_empty() && (wire.shutdown && wire.ending.is_none() || self.was_plain(&wire))
    }

    fn was_plain(&self, wire: &Wire) -> bool {
        wire.ending == Some(Ending::Closed) || wire.shutdown && wire.ending == Some(Ending::Unread)
    }

    /// How the machine left, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.wire().ending
    }

    /// Bytes that the machine took.
    pub fn taken(&self) -> usize {
        self.wire().taken
    }

    /// The machine's task died with the socket in its hand.
    pub fn panicked(&self) -> bool {
        self.wire().panicked
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut wire = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        wire.panicked = std::thread::panicking();
        wire.ending = Some(match () {
            () if wire.aborting => Ending::Aborted,
            () if !wire.to_machine.is_empty() => Ending::Unread,
            () => Ending::Closed,
        });
    }
}

impl Connection for Near {
    fn abort(&self) {
        self.0.lock().unwrap().aborting = true;
    }
}

impl Socket for Near {}

impl AsyncRead for Near {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if wire.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        // Long inputs come in longer pieces: a head is read anew with each.
        let piece = wire.piece.max(wire.to_machine.len() / 64);
        let count = wire.to_machine.len().min(piece).min(out.remaining());
        if count == 0 && !wire.half_closed && out.remaining() > 0 {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let piece: Vec<u8> = wire.to_machine.drain(..count).collect();
        wire.taken += count;
        out.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        if wire.reset || wire.shutdown {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if wire.gone {
            // The first write is lost; its answer is a reset.
            wire.reset = true;
            return Poll::Ready(Ok(data.len()));
        }
        let count = data.len().min(ROOM.saturating_sub(wire.to_program.len()));
        if count == 0 && !data.is_empty() {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.to_program.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if wire.reset {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        }
        wire.shutdown = true;
        Poll::Ready(Ok(()))
    }
}

/// Where programs of the harness connect.
pub struct Door(tokio::sync::Mutex<mpsc::UnboundedReceiver<io::Result<Near>>>);

/// Connections for a [`Door`], and errors in the place of one.
pub type Callers = mpsc::UnboundedSender<io::Result<Near>>;

impl Door {
    /// A door, and the way to it.
    pub fn new() -> (Self, Callers) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(tokio::sync::Mutex::new(receiver)), sender)
    }
}

impl Listener for Door {
    type Socket = Near;

    async fn accept(&self) -> io::Result<Near> {
        match self.0.lock().await.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }
}
