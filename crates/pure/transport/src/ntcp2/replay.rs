//! First messages seen, so that a recorded one gets no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_wire::Date;
use ramson_wire::bounds::{Bound, entries};

/// Message 1 is answered while its time differs from ours by at most this much (beyond
/// [`MAX_SKEW`](super::handshake::MAX_SKEW) only to tell our time), and what could still be answered is remembered.
///
/// i2pd answers at any difference and remembers nothing, so a recorded message 1 draws an answer from it for ever.
/// Here a message is either too old to be answered or still in the cache.
pub(crate) const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Most messages remembered. When full, the one that ends soonest is forgotten: refusing newcomers instead would let a
/// flood close the port, while a replayed message gains no more than one answer.
const LIMIT: usize = 32 * 1024;

/// Ephemeral keys of first messages, each kept until its message is too old to be answered.
///
/// Belongs to the owner of all inbound sessions of one router, and is lent to them in [`Context`](super::Context).
#[derive(Default)]
pub struct ReplayCache {
    seen: BTreeMap<[u8; 32], Date>,
    by_end: BTreeSet<(Date, [u8; 32])>,
}

impl ReplayCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// What it holds.
    pub fn bound(&self) -> Bound {
        let bytes = entries::<([u8; 32], Date)>(self.seen.len() * 2);
        Bound::new("ntcp2-first-messages-seen", self.seen.len(), LIMIT, bytes).lasting()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    pub(crate) fn contains(&self, ephemeral: &[u8; 32]) -> bool {
        self.seen.contains_key(ephemeral)
    }

    /// Remembers a message that carried the time `sent`; false if it was there already.
    pub(crate) fn insert(&mut self, now: Date, ephemeral: [u8; 32], sent: Date) -> bool {
        if self.contains(&ephemeral) {
            return false;
        }
        while let Some((end, key)) = self.by_end.first().copied() {
            if end >= now && self.seen.len() < LIMIT {
                break;
            }
            self.by_end.remove(&(end, key));
            self.seen.remove(&key);
        }
        // The second over the window covers the rounding of times to seconds.
        let end = sent + WINDOW + Duration::from_secs(1);
        self.seen.insert(ephemeral, end);
        self.by_end.insert((end, ephemeral));
        true
    }
}

impl std::fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn remembers_as_long_as_a_message_could_be_answered() {
        let mut cache = ReplayCache::new();
        let start = Date(1_700_000_000_000);
        assert!(cache.insert(start, [1; 32], start));
        assert!(!cache.insert(start + WINDOW, [1; 32], start));
        assert!(cache.insert(start + WINDOW + Duration::from_secs(2), [2; 32], start));
        assert!(!cache.contains(&[1; 32]));
    }

    #[test]
    fn stays_within_its_limit() {
        let mut cache = ReplayCache::new();
        let start = Date(1_700_000_000_000);
        for count in 0..u32::try_from(LIMIT).unwrap() + 100 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&count.to_be_bytes());
            cache.insert(start, key, start + Duration::from_millis(u64::from(count)));
        }
        assert_eq!(cache.len(), LIMIT);
        assert!(!cache.contains(&[0; 32]));
    }
}
