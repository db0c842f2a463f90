//! A door for harnesses in the engine's place. Behind the feature `fuzzing`.

use std::sync::Arc;

use super::rings::{CloseReason, StreamRings};

/// The engine's side of a stream's rings: it does what an engine may do at any time.
#[derive(Clone, Debug)]
pub struct EngineSide(pub Arc<StreamRings>);

/// What a handle did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// Bytes waiting to be sent.
    pub to_send: usize,
    /// No more will be written.
    pub shutdown: bool,
    /// The stream is to be gone at once.
    pub reset: bool,
    /// The handle was dropped.
    pub detached: bool,
    /// Bytes waiting for the reader.
    pub unread: usize,
}

impl EngineSide {
    /// Takes the news.
    #[must_use]
    pub fn pull(&self) -> News {
        let news = self.0.pull();
        News { to_send: news.to_send, shutdown: news.shutdown, reset: news.reset, detached: news.detached, unread: news.unread }
    }

    /// The peer has answered.
    pub fn set_open(&self) {
        self.0.set_open();
    }

    /// The stream is over.
    pub fn set_closed(&self, reason: CloseReason) {
        self.0.set_closed(reason);
    }

    /// Bytes came; false if they don't fit.
    #[must_use]
    pub fn deliver(&self, data: &[u8]) -> bool {
        self.0.deliver(data)
    }

    /// The peer will send no more.
    pub fn set_end_of_data(&self) {
        self.0.set_end_of_data();
    }

    /// Takes up to so many bytes to be sent.
    pub fn take(&self, limit: usize, out: &mut Vec<u8>) {
        self.0.take(limit, 0, out);
    }
}
