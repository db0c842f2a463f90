//! Routers that failed, left alone for longer each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Date, RouterHash, Tick};

use crate::{
    Fault,
    limits::{BACKOFF_FIRST, BACKOFF_LONGEST, BACKOFF_MEMORY, MAX_BACKOFFS},
};

/// Routers that failed, and how long they are left alone.
#[derive(Default)]
pub(super) struct Backoffs {
    failed: BTreeMap<RouterHash, Backoff>,
    by_until: BTreeSet<(Tick, RouterHash)>,
}

#[derive(Clone, Copy)]
pub(super) struct Backoff {
    until: Tick,
    length: Duration,
    pub(super) fault: Fault,
    /// Date of the RouterInfo that failed: a newer one may be tried at once.
    pub(super) published: Date,
}

impl Backoffs {
    pub(super) fn current(&self, now: Tick, peer: RouterHash) -> Option<Backoff> {
        self.failed.get(&peer).copied().filter(|backoff| backoff.until > now)
    }

    pub(super) fn add(&mut self, now: Tick, peer: RouterHash, fault: Fault, published: Date) {
        let last = self.failed.get(&peer).filter(|old| old.until + BACKOFF_MEMORY > now).map(|old| old.length);
        let length = last.map_or(BACKOFF_FIRST, |last| (last * 2).min(BACKOFF_LONGEST));
        self.clear(peer);
        let until = now + length;
        self.failed.insert(peer, Backoff { until, length, fault, published });
        self.by_until.insert((until, peer));
        while self.failed.len() > MAX_BACKOFFS {
            let Some((_, first)) = self.by_until.pop_first() else {
                break;
            };
            self.failed.remove(&first);
        }
    }

    pub(super) fn bound(&self) -> Bound {
        let bytes = entries::<(RouterHash, Backoff)>(self.failed.len()) + entries::<(Tick, RouterHash)>(self.by_until.len());
        Bound::new("lane-backoffs", self.failed.len(), MAX_BACKOFFS, bytes).lasting()
    }

    pub(super) fn clear(&mut self, peer: RouterHash) {
        if let Some(old) = self.failed.remove(&peer) {
            self.by_until.remove(&(old.until, peer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit_and_is_forgotten() {
        let mut backoffs = Backoffs::default();
        let peer = RouterHash([1; 32]);
        let mut now = Tick(0);
        let mut lengths = Vec::new();
        for _ in 0..8 {
            backoffs.add(now, peer, Fault::Network, Date(0));
            let until = backoffs.current(now, peer).unwrap().until;
            lengths.push(until.saturating_since(now).as_secs());
            now = until;
            assert!(backoffs.current(now, peer).is_none());
        }
        assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 320, 320]);
        now = now + BACKOFF_MEMORY;
        backoffs.add(now, peer, Fault::Network, Date(0));
        assert_eq!(backoffs.current(now, peer).unwrap().until, now + BACKOFF_FIRST);
    }

    #[test]
    fn no_more_than_the_limit_are_remembered() {
        let mut backoffs = Backoffs::default();
        for n in 0..10_000_u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_le_bytes());
            backoffs.add(Tick(n), RouterHash(hash), Fault::Network, Date(0));
        }
        assert_eq!(backoffs.failed.len(), MAX_BACKOFFS);
        assert_eq!(backoffs.by_until.len(), MAX_BACKOFFS);
    }
}
