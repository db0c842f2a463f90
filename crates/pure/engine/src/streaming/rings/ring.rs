//! A queue of bytes.

use std::collections::VecDeque;

/// A bounded queue of bytes that grows as needed.
#[derive(Debug)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Ring {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: VecDeque::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.bytes.extend(data);
    }

    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }

    pub(super) fn pop_into_vec(&mut self, limit: usize, out: &mut Vec<u8>) -> usize {
        let count = limit.min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let first = front.get(..count.min(front.len())).unwrap_or_default();
        out.extend_from_slice(first);
        out.extend_from_slice(back.get(..count - first.len()).unwrap_or_default());
        self.discard(count);
        count
    }

    pub(super) fn pop_into_slice(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let first = count.min(front.len());
        for (to, from) in [(0..first, front.get(..first)), (first..count, back.get(..count - first))] {
            if let (Some(to), Some(from)) = (out.get_mut(to), from) {
                to.copy_from_slice(from);
            }
        }
        self.discard(count);
        count
    }

    /// Gives unused memory back.
    pub(super) fn trim(&mut self) {
        self.bytes.shrink_to_fit();
    }

    fn discard(&mut self, count: usize) {
        self.bytes.drain(..count);
    }
}
