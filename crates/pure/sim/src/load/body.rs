//! Pages on their way: sent as the stream takes them, and checked as they come.

use std::task::Poll;

use ramson_engine::{CloseReason, StreamRings};

use super::Failure;
use super::page::Page;
use crate::tamper::Tamper;

/// A stream is written and read in pieces of this size.
const PIECE: usize = 16 * 1024;

/// What one end sends.
pub(super) struct Sent {
    /// Not yet taken by the stream.
    piece: Vec<u8>,
    page: Page,
}

impl Sent {
    /// A head before the page.
    pub(super) fn new(head: Vec<u8>, page: Page) -> Self {
        Self { piece: head, page }
    }

    /// Writes what the stream takes; ready when all is written.
    pub(super) fn step(&mut self, rings: &StreamRings) -> Poll<Result<(), CloseReason>> {
        loop {
            if self.piece.is_empty() {
                self.page.next_piece(PIECE, &mut self.piece);
                if self.piece.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            match rings.try_write(&self.piece) {
                Poll::Ready(Ok(count)) => drop(self.piece.drain(..count)),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What the other end must get.
pub(super) struct Checked {
    page: Page,
    expected: Vec<u8>,
}

impl Checked {
    pub(super) fn new(page: Page) -> Self {
        Self { page, expected: Vec::new() }
    }

    /// Bytes to come.
    pub(super) fn left(&self) -> u64 {
        self.page.left()
    }

    /// Reads a piece and tells how long it was; zero at the stream's end.
    pub(super) fn step(&mut self, rings: &StreamRings, tamper: &mut dyn Tamper) -> Poll<Result<u64, Failure>> {
        let mut buffer = [0; PIECE];
        let count = match rings.try_read(&mut buffer) {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(reason)) => return Poll::Ready(Err(Failure::Lost(format!("reading: {reason}")))),
            Poll::Pending => return Poll::Pending,
        };
        let mut came = buffer.get(..count).unwrap_or_default().to_vec();
        tamper.read(&mut came);
        let right = self.take(&came);
        Poll::Ready(if right { Ok(u64::try_from(came.len()).unwrap_or(u64::MAX)) } else { Err(Failure::Altered(self.altered())) })
    }

    /// Whether these are the next bytes.
    pub(super) fn take(&mut self, came: &[u8]) -> bool {
        self.expected.clear();
        self.page.next_piece(came.len(), &mut self.expected);
        *came == *self.expected
    }

    /// Where other bytes came.
    pub(super) fn altered(&self) -> String {
        format!("{} bytes before the end", self.left())
    }
}
