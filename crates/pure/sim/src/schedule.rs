//! What is going to happen, and when. The order of things at one moment is the seed's choice, so that races are explored.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use ramson_crypto::Rng;
use ramson_crypto::rng::SeededRng;
use ramson_wire::Tick;

/// The virtual time and everything after it.
pub(crate) struct Schedule<T> {
    now: Tick,
    coming: BinaryHeap<Reverse<Entry<T>>>,
    rng: SeededRng,
    numbered: u64,
}

struct Entry<T> {
    at: Tick,
    /// Drawn: orders what comes at one moment.
    tie: u32,
    number: u64,
    what: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (Tick, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Schedule<T> {
    pub(crate) fn new(rng: SeededRng) -> Self {
        Self { now: Tick(0), coming: BinaryHeap::new(), rng, numbered: 0 }
    }

    pub(crate) fn now(&self) -> Tick {
        self.now
    }

    /// Lets something happen, at once if `at` is past.
    pub(crate) fn add(&mut self, at: Tick, what: T) {
        self.numbered += 1;
        let entry = Entry { at: at.max(self.now), tie: self.rng.next_u32(), number: self.numbered, what };
        self.coming.push(Reverse(entry));
    }

    /// Moves on to the next thing that isn't after `end`, or to `end`.
    pub(crate) fn next(&mut self, end: Tick) -> Option<T> {
        if self.coming.peek().is_none_or(|Reverse(entry)| entry.at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let Reverse(entry) = self.coming.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Tick> {
        self.coming.peek().map(|Reverse(entry)| entry.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u8) -> Vec<u32> {
        let mut schedule = Schedule::new(SeededRng::new([seed; 32]));
        for number in 0..20 {
            schedule.add(Tick(5), number);
        }
        schedule.add(Tick(1), 100);
        std::iter::from_fn(|| schedule.next(Tick(9))).collect()
    }

    #[test]
    fn time_comes_first_and_the_seed_orders_the_rest() {
        assert_eq!(order(1)[0], 100);
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut all = order(1);
        all.sort_unstable();
        assert_eq!(all, (0..20).chain([100]).collect::<Vec<_>>());
    }

    #[test]
    fn time_never_goes_back() {
        let mut schedule = Schedule::new(SeededRng::new([0; 32]));
        schedule.add(Tick(7), 'a');
        assert_eq!(schedule.next(Tick(6)), None);
        assert_eq!(schedule.now(), Tick(6));
        assert_eq!(schedule.next(Tick(7)), Some('a'));
        schedule.add(Tick(3), 'b');
        assert_eq!(schedule.next_at(), Some(Tick(7)));
    }
}
