//! What a stream's handle and the engine share: two bounded byte rings and a little state.
//!
//! The handle lives in the async shell (or in the simulator), the engine on its own thread. Neither waits for the
//! other: the handle writes into the send ring and reads from the receive ring, the engine takes and delivers.
//! A handle's call may leave *news* for the engine; after each call it asks [`StreamRings::take_notify`] and, on
//! `true`, sends the engine one `StreamDirty`. Further news before the engine looks are part of the same notice.

mod ring;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ring::Ring;

/// Bytes a writer may be ahead of the network.
pub(super) const SEND_RING_BYTES: usize = 64 * 1024;
/// Bytes the network may be ahead of a reader.
pub(super) const RECEIVE_RING_BYTES: usize = 256 * 1024;
/// Fill of the receive ring from which the peer is asked to stop.
pub(super) const CHOKE_FILL: usize = RECEIVE_RING_BYTES / 4 * 3;
/// Fill of the receive ring below which the peer is asked to go on.
pub(super) const UNCHOKE_FILL: usize = RECEIVE_RING_BYTES / 4;
/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides closed and everything was acknowledged, or the peer is known to be gone after both closed.
    #[error("the stream is finished")]
    Finished,
    /// The peer reset the stream, or refused it.
    #[error("the peer reset the stream")]
    Reset,
    /// This side reset the stream: the handle asked for it or was dropped with unread data.
    #[error("the stream was reset from this side")]
    Aborted,
    /// No answer to the first packet in time.
    #[error("the peer didn't answer in time")]
    ConnectTimeout,
    /// Packets went unacknowledged for too long.
    #[error("the peer stopped answering")]
    TimedOut,
    /// The destination has no usable LeaseSet, or cannot be sent to at all.
    #[error("the destination cannot be reached")]
    Unreachable,
    /// A limit of this identity stands against one more stream.
    #[error("too many streams")]
    Limit,
    /// The destination or the router is being closed.
    #[error("the destination is closed")]
    Shutdown,
}

/// Where a stream stands, as its handle sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// The peer hasn't answered the first packet yet. Writing is possible: the first bytes ride in that packet.
    Connecting,
    /// Both sides know each other.
    Open,
    /// Over; buffered data can still be read.
    Closed(CloseReason),
}

/// The two rings of one stream with the state that handle and engine share; held by both in an `Arc`.
///
/// Reads give data, then 0 for the end that the peer announced, then (if it announced none) the reason as error.
/// Writes fail after `shutdown` and once the stream is closed. One reader task and one writer task are woken: a
/// later registration replaces an earlier one.
#[derive(Debug)]
pub struct StreamRings {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    send: Ring,
    receive: Ring,
    reader: Option<Waker>,
    writer: Option<Waker>,
    watcher: Option<Waker>,
    status: StreamStatus,
    /// The peer's CLOSE came and all before it was delivered.
    end_of_data: bool,
    shutdown: bool,
    reset: bool,
    detached: bool,
    /// The engine found the send ring empty and wants to hear of the next byte.
    hungry: bool,
    /// The engine choked the peer, or holds data back, and wants to hear when the receive ring has drained.
    choked: bool,
    dirty: bool,
    notified: bool,
    /// Unread bytes of all streams of the identity.
    unread_of_all: Arc<AtomicUsize>,
}

/// What the handle did since the engine last looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pulled {
    /// Bytes waiting in the send ring.
    pub(super) to_send: usize,
    /// No more bytes will be written.
    pub(super) shutdown: bool,
    /// The handle wants the stream gone at once.
    pub(super) reset: bool,
    /// The handle exists no more.
    pub(super) detached: bool,
    /// Bytes waiting for the reader.
    pub(super) unread: usize,
}

impl StreamRings {
    /// Rings of a stream that is being opened; nothing is allocated before the first byte.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "rings belong to one stream and are made on purpose")]
    pub fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                send: Ring::new(SEND_RING_BYTES),
                receive: Ring::new(RECEIVE_RING_BYTES),
                reader: None,
                writer: None,
                watcher: None,
                status: StreamStatus::Connecting,
                end_of_data: false,
                shutdown: false,
                reset: false,
                detached: false,
                hungry: true,
                choked: false,
                dirty: false,
                notified: false,
                unread_of_all: Arc::default(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The handle's side.

    /// Where the stream stands.
    #[must_use]
    pub fn status(&self) -> StreamStatus {
        self.lock().status
    }

    /// Whether the engine has to be told of news; `true` once until the engine has looked.
    #[must_use]
    pub fn take_notify(&self) -> bool {
        let mut inner = self.lock();
        let tell = inner.dirty && !inner.notified;
        inner.notified |= tell;
        tell
    }

    /// Reads what is there: `Ready(Ok(0))` is the peer's end of data, `Pending` means nothing yet.
    ///
    /// # Errors
    /// The reason of the close, if the stream ended before the peer announced its end.
    pub fn try_read(&self, out: &mut [u8]) -> Poll<Result<usize, CloseReason>> {
        self.lock().read(out)
    }

    /// Like [`Self::try_read`], and registers the task's waker if there is nothing yet.
    ///
    /// # Errors
    /// As `try_read`.
    pub fn poll_read(&self, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<Result<usize, CloseReason>> {
        let mut inner = self.lock();
        let result = inner.read(out);
        if result.is_pending() {
            register(&mut inner.reader, cx);
        }
        result
    }

    /// Writes what fits; `Pending` means the ring is full.
    ///
    /// # Errors
    /// The reason of the close; `Finished` after this handle's own `shutdown`.
    pub fn try_write(&self, data: &[u8]) -> Poll<Result<usize, CloseReason>> {
        self.lock().write(data)
    }

    /// Like [`Self::try_write`], and registers the task's waker if the ring is full.
    ///
    /// # Errors
    /// As `try_write`.
    pub fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, CloseReason>> {
        let mut inner = self.lock();
        let result = inner.write(data);
        if result.is_pending() {
            register(&mut inner.writer, cx);
        }
        result
    }

    /// Ready when the peer has answered.
    ///
    /// # Errors
    /// The reason, if the stream closed instead.
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let mut inner = self.lock();
        match inner.status {
            StreamStatus::Connecting => {
                register(&mut inner.watcher, cx);
                Poll::Pending
            }
            StreamStatus::Open => Poll::Ready(Ok(())),
            StreamStatus::Closed(CloseReason::Finished) => Poll::Ready(Ok(())),
            StreamStatus::Closed(reason) => Poll::Ready(Err(reason)),
        }
    }

    /// Ready when the stream is over and the peer has acknowledged or lost what was sent.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut inner = self.lock();
        if let StreamStatus::Closed(reason) = inner.status {
            return Poll::Ready(reason);
        }
        register(&mut inner.watcher, cx);
        Poll::Pending
    }

    /// Ends the writing side: what is in the ring is sent, then CLOSE. Reading goes on.
    ///
    /// i2pd answers CLOSE with its own at once and forgets what it still had to send, so a half-close loses the
    /// answer there. Callers that still expect one (an HTTP proxy) close after they have it.
    pub fn shutdown(&self) {
        let mut inner = self.lock();
        if !inner.shutdown {
            inner.shutdown = true;
            inner.dirty = true;
        }
    }

    /// Ends the stream at once; unsent and unread data is lost.
    pub fn reset(&self) {
        let mut inner = self.lock();
        if !inner.reset {
            inner.reset = true;
            inner.dirty = true;
            inner.send.clear();
            let unread = inner.receive.len();
            inner.unread_of_all.fetch_sub(unread, Ordering::Relaxed);
            inner.receive.clear();
        }
    }

    /// To be called when the handle is dropped: closes gracefully if everything received was read, else resets.
    pub fn detach(&self) {
        let mut inner = self.lock();
        inner.detached = true;
        inner.dirty = true;
        inner.reader = None;
        inner.writer = None;
        inner.watcher = None;
    }

    // The engine's side.

    /// Has the unread bytes counted with those of the identity's other streams. To be called before the first delivery.
    pub(super) fn count_with(&self, unread_of_all: &Arc<AtomicUsize>) {
        self.lock().unread_of_all = Arc::clone(unread_of_all);
    }

    /// Takes the news and clears the notice.
    pub(super) fn pull(&self) -> Pulled {
        let mut inner = self.lock();
        inner.dirty = false;
        inner.notified = false;
        Pulled {
            to_send: inner.send.len(),
            shutdown: inner.shutdown,
            reset: inner.reset,
            detached: inner.detached,
            unread: inner.receive.len(),
        }
    }

    /// Moves up to `limit` bytes from the send ring to the end of `out`, if it holds at least `least`; returns how many, and
    /// how many are left. If less than `least` is left behind, the next write is news.
    pub(super) fn take(&self, limit: usize, least: usize, out: &mut Vec<u8>) -> (usize, usize) {
        let (taken, left, waker) = {
            let mut inner = self.lock();
            let enough = inner.send.len() >= least;
            let taken = if enough { inner.send.pop_into_vec(limit, out) } else { 0 };
            inner.hungry = !enough || inner.send.len() == 0;
            let waker = if taken > 0 { inner.writer.take() } else { None };
            (taken, inner.send.len(), waker)
        };
        wake(waker);
        (taken, left)
    }

    /// Puts data before the reader if all of it fits.
    pub(super) fn deliver(&self, data: &[u8]) -> bool {
        let waker = {
            let mut inner = self.lock();
            if inner.receive.room() < data.len() {
                return false;
            }
            inner.receive.push(data);
            inner.unread_of_all.fetch_add(data.len(), Ordering::Relaxed);
            inner.reader.take()
        };
        wake(waker);
        true
    }

    /// Bytes waiting to be sent.
    pub(super) fn queued(&self) -> usize {
        self.lock().send.len()
    }

    /// Bytes waiting for the reader.
    pub(super) fn unread(&self) -> usize {
        self.lock().receive.len()
    }

    /// Asks for a notice once the reader has drained the ring to [`UNCHOKE_FILL`]; false if it already has.
    pub(super) fn watch_reader(&self, watch: bool) -> bool {
        let mut inner = self.lock();
        inner.choked = watch && inner.receive.len() > UNCHOKE_FILL;
        inner.choked
    }

    /// Gives memory back after a while without traffic.
    pub(super) fn trim(&self) {
        let mut inner = self.lock();
        inner.send.trim();
        inner.receive.trim();
    }

    pub(super) fn set_open(&self) {
        let waker = {
            let mut inner = self.lock();
            if inner.status == StreamStatus::Connecting {
                inner.status = StreamStatus::Open;
            }
            inner.watcher.take()
        };
        wake(waker);
    }

    /// The peer's CLOSE came and everything before it is in the ring.
    pub(super) fn set_end_of_data(&self) {
        let waker = {
            let mut inner = self.lock();
            inner.end_of_data = true;
            inner.reader.take()
        };
        wake(waker);
    }

    /// The stream is over. Also for a driver whose engine is gone: nobody else will say so.
    pub fn set_closed(&self, reason: CloseReason) {
        let wakers = {
            let mut inner = self.lock();
            if !matches!(inner.status, StreamStatus::Closed(_)) {
                inner.status = StreamStatus::Closed(reason);
            }
            inner.send.clear();
            [inner.reader.take(), inner.writer.take(), inner.watcher.take()]
        };
        wakers.into_iter().for_each(wake);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.unread_of_all.fetch_sub(self.receive.len(), Ordering::Relaxed);
    }
}

impl Inner {
    fn read(&mut self, out: &mut [u8]) -> Poll<Result<usize, CloseReason>> {
        let taken = self.receive.pop_into_slice(out);
        if taken > 0 {
            self.unread_of_all.fetch_sub(taken, Ordering::Relaxed);
        }
        if taken > 0 || out.is_empty() {
            if self.choked && self.receive.len() <= UNCHOKE_FILL {
                self.choked = false;
                self.dirty = true;
            }
            return Poll::Ready(Ok(taken));
        }
        if self.reset {
            return Poll::Ready(Err(CloseReason::Aborted));
        }
        if self.end_of_data {
            return Poll::Ready(Ok(0));
        }
        match self.status {
            StreamStatus::Closed(reason) => Poll::Ready(Err(reason)),
            StreamStatus::Connecting | StreamStatus::Open => Poll::Pending,
        }
    }

    fn write(&mut self, data: &[u8]) -> Poll<Result<usize, CloseReason>> {
        if let StreamStatus::Closed(reason) = self.status {
            return Poll::Ready(Err(reason));
        }
        if self.reset {
            return Poll::Ready(Err(CloseReason::Aborted));
        }
        if self.shutdown || self.detached {
            return Poll::Ready(Err(CloseReason::Finished));
        }
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let part = data.get(..self.send.room().min(data.len())).unwrap_or_default();
        if part.is_empty() {
            return Poll::Pending;
        }
        self.send.push(part);
        self.dirty |= self.hungry;
        Poll::Ready(Ok(part.len()))
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
