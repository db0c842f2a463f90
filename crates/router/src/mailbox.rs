//! The queue between two threads: whole batches go in, whole batches come out, one wake-up each.
//!
//! A mailbox has no limit of its own. What bounds it is that each side looks at [`Mailbox::len`] of its outgoing
//! mailbox before it takes in new work: the lane stops reading sockets while the engine is behind.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Letters waiting for one reader.
pub(crate) struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
    arrived: Condvar,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            letters: Mutex::new(Vec::new()),
            arrived: Condvar::new(),
        }
    }

    /// Appends all of `batch`, leaving it empty. Returns whether the mailbox was empty before, which is when
    /// a reader that waits elsewhere than in [`Self::wait`] needs a wake-up.
    pub(crate) fn send_all(&self, batch: &mut Vec<T>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let mut letters = self.lock();
        let was_empty = letters.is_empty();
        letters.append(batch);
        drop(letters);
        self.arrived.notify_one();
        was_empty
    }

    /// Appends one letter.
    pub(crate) fn send(&self, letter: T) -> bool {
        self.send_all(&mut vec![letter])
    }

    /// Letters waiting.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Swaps the waiting letters into `into`, which must be empty.
    pub(crate) fn take(&self, into: &mut Vec<T>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut *self.lock(), into);
    }

    /// Like [`Self::take`], after waiting for a letter up to `limit` (for ever if `None`).
    pub(crate) fn wait(&self, into: &mut Vec<T>, limit: Option<Duration>) {
        debug_assert!(into.is_empty());
        let mut letters = self.lock();
        if letters.is_empty() {
            letters = match limit {
                Some(limit) => {
                    let waited = self.arrived.wait_timeout(letters, limit);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(letters).unwrap_or_else(PoisonError::into_inner),
            };
        }
        std::mem::swap(&mut *letters, into);
    }

    /// A poisoned lock holds a whole vector all the same: no code panics while it is half changed.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_reader_gets_the_batch_in_order() {
        let mailbox = Mailbox::new();
        std::thread::scope(|threads| {
            threads.spawn(|| mailbox.send_all(&mut vec![1, 2, 3]));
            let mut got = Vec::new();
            mailbox.wait(&mut got, None);
            assert_eq!(got, [1, 2, 3]);
        });
    }

    #[test]
    fn only_the_first_letter_asks_for_a_wake_up() {
        let mailbox = Mailbox::new();
        assert!(mailbox.send(1));
        assert!(!mailbox.send(2));
        assert_eq!(mailbox.len(), 2);
    }
}
