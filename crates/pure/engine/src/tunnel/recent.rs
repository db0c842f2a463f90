//! A bounded memory of what was seen: two generations, the older one is forgotten when the younger is full or old.

use std::collections::BTreeSet;
use std::time::Duration;

use ramson_wire::Tick;
use ramson_wire::bounds::{Bound, entries};

/// Remembers each value for at least `keep`, unless more than `limit` come within that time: then the caller is told.
pub(crate) struct Recent<T> {
    young: BTreeSet<T>,
    old: BTreeSet<T>,
    turned: Tick,
    keep: Duration,
    limit: usize,
    taken: u64,
}

/// What a look into the memory gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    New,
    Before,
}

impl<T: Ord> Recent<T> {
    pub(crate) fn new(now: Tick, keep: Duration, limit: usize) -> Recent<T> {
        Recent { young: BTreeSet::new(), old: BTreeSet::new(), turned: now, keep, limit, taken: 0 }
    }

    /// Whether another value can be taken without forgetting one too early.
    pub(crate) fn has_room(&self, now: Tick) -> bool {
        self.young.len() < self.limit || now.saturating_since(self.turned) >= self.keep
    }

    /// Whether a value is remembered.
    pub(crate) fn contains(&self, value: &T) -> bool {
        self.old.contains(value) || self.young.contains(value)
    }

    /// What both generations hold.
    pub(crate) fn bound(&self, name: &'static str) -> Bound {
        let held = self.young.len() + self.old.len();
        Bound::new(name, held, self.limit * 2, entries::<T>(held)).lasting()
    }

    /// How many were new so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Looks a value up and remembers it. A full memory turns early, so it is never larger than twice the limit.
    pub(crate) fn see(&mut self, now: Tick, value: T) -> Seen {
        if self.young.len() >= self.limit || now.saturating_since(self.turned) >= self.keep {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        if self.old.contains(&value) || !self.young.insert(value) {
            return Seen::Before;
        }
        self.taken += 1;
        Seen::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_long_enough_and_not_too_much() {
        let keep = Duration::from_nanos(10);
        let mut recent = Recent::new(Tick(0), keep, 4);
        assert_eq!(recent.see(Tick(0), 1), Seen::New);
        assert_eq!(recent.see(Tick(9), 1), Seen::Before);
        assert_eq!(recent.see(Tick(12), 2), Seen::New);
        assert_eq!(recent.see(Tick(13), 1), Seen::Before, "in the older generation");
        assert_eq!(recent.see(Tick(40), 3), Seen::New);
        assert_eq!(recent.see(Tick(60), 1), Seen::New, "forgotten");
        for n in 10..14 {
            recent.see(Tick(61), n);
        }
        assert!(recent.young.len() + recent.old.len() <= 8);
    }
}
