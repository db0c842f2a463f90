//! The queue between two threads: whole batches go in, whole batches come out, one wake-up each.
//!
//! A mailbox has no limit of its own. What bounds it is that each side looks at [`Mailbox::weight`] of its outgoing
//! mailbox before it takes in new work: the lane stops reading sockets while the engine is behind.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Letters waiting for one reader.
pub(crate) struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    arrived: Condvar,
    /// Rung for a reader that waits elsewhere than in [`Mailbox::wait`].
    bell: Option<Box<dyn Fn() + Send + Sync>>,
    weigh: fn(&T) -> usize,
}

struct Inner<T> {
    letters: Vec<T>,
    /// Of the letters.
    weight: usize,
    closed: bool,
}

impl<T> Inner<T> {
    fn take(&mut self, into: &mut Vec<T>) {
        std::mem::swap(&mut self.letters, into);
        self.weight = 0;
    }
}

/// Closes the mailbox when its reader ends, however it ends: who waits for an answer then learns that none comes.
pub(crate) struct CloseOnDrop<'a, T> {
    pub(crate) mailbox: &'a Mailbox<T>,
    /// Gets the letters that nobody has read.
    pub(crate) refuse: fn(T),
}

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.mailbox.close().into_iter().for_each(self.refuse);
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        let inner = Mutex::new(Inner { letters: Vec::new(), weight: 0, closed: false });
        Self { inner, arrived: Condvar::new(), bell: None, weigh: |_| 1 }
    }

    /// Letters that don't all count as one.
    pub(crate) fn weighing(self, weigh: fn(&T) -> usize) -> Self {
        Self { weigh, ..self }
    }

    /// Rings at the first letter after there was none.
    pub(crate) fn with_bell(bell: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { bell: Some(bell), ..Self::new() }
    }

    /// Appends all of `batch`, leaving it empty. Returns whether the mailbox was empty before, which is when
    /// a reader that waits elsewhere than in [`Self::wait`] needs a wake-up. After [`Self::close`] the batch is dropped.
    pub(crate) fn send_all(&self, batch: &mut Vec<T>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let mut inner = self.lock();
        if inner.closed {
            // Outside the lock: a letter's drop may send another one.
            drop(inner);
            batch.clear();
            return false;
        }
        let was_empty = inner.letters.is_empty();
        inner.weight += batch.iter().map(self.weigh).sum::<usize>();
        inner.letters.append(batch);
        drop(inner);
        self.tell(was_empty);
        was_empty
    }

    /// Appends one letter.
    pub(crate) fn send(&self, letter: T) -> bool {
        self.send_all(&mut vec![letter])
    }

    /// Appends one letter, or gives it back after [`Self::close`].
    pub(crate) fn try_send(&self, letter: T) -> Result<(), T> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(letter);
        }
        let was_empty = inner.letters.is_empty();
        inner.weight += (self.weigh)(&letter);
        inner.letters.push(letter);
        drop(inner);
        self.tell(was_empty);
        Ok(())
    }

    fn tell(&self, was_empty: bool) {
        self.arrived.notify_one();
        if let Some(bell) = self.bell.as_ref().filter(|_| was_empty) {
            bell();
        }
    }

    /// Gives back what waits, and takes nothing more.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut inner = self.lock();
        inner.closed = true;
        std::mem::take(&mut inner.letters)
    }

    /// Of the letters that wait.
    pub(crate) fn weight(&self) -> usize {
        self.lock().weight
    }

    /// Swaps the waiting letters into `into`, which must be empty.
    pub(crate) fn take(&self, into: &mut Vec<T>) {
        debug_assert!(into.is_empty());
        self.lock().take(into);
    }

    /// Like [`Self::take`], after waiting for a letter up to `limit` (for ever if `None`).
    pub(crate) fn wait(&self, into: &mut Vec<T>, limit: Option<Duration>) {
        debug_assert!(into.is_empty());
        let mut inner = self.lock();
        if inner.letters.is_empty() {
            inner = match limit {
                Some(limit) => {
                    let waited = self.arrived.wait_timeout(inner, limit);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
        inner.take(into);
    }

    /// A poisoned lock holds a whole vector all the same: no code panics while it is half changed.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_closed_mailbox_drops_letters() {
        let mailbox = Mailbox::new();
        let letter = std::sync::Arc::new(());
        mailbox.send(std::sync::Arc::clone(&letter));
        drop(CloseOnDrop { mailbox: &mailbox, refuse: drop });
        assert!(mailbox.try_send(std::sync::Arc::clone(&letter)).is_err());
        assert!(!mailbox.send(std::sync::Arc::clone(&letter)));
        assert_eq!(std::sync::Arc::strong_count(&letter), 1);
    }

    #[test]
    fn only_the_first_letter_asks_for_a_wake_up() {
        let mailbox = Mailbox::new();
        assert!(mailbox.send(1));
        assert!(!mailbox.send(2));
        assert_eq!(mailbox.weight(), 2);
    }

    #[test]
    fn letters_weigh_until_they_are_taken() {
        let mailbox = Mailbox::new().weighing(|letter: &usize| *letter);
        mailbox.send_all(&mut vec![10, 5]);
        assert!(mailbox.try_send(100).is_ok());
        assert_eq!(mailbox.weight(), 115);
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        assert_eq!((taken, mailbox.weight()), (vec![10, 5, 100], 0));
    }
}
