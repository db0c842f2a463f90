//! Token buckets: how much a peer may ask of us.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{NetDbKey, Tick};

use super::config;

/// So many at once, then one per `refill`. Integer time only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    burst: u32,
    refill: Duration,
    /// The time up to which tokens are spent: the bucket is full when it is `burst` refills ago.
    spent_until: Tick,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(burst: u32, refill: Duration) -> Bucket {
        Bucket { burst, refill, spent_until: Tick(0) }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Tick) -> bool {
        let next = self.spent_until.max(now) + self.refill;
        if next.saturating_since(now) > self.refill.saturating_mul(self.burst) {
            return false;
        }
        self.spent_until = next;
        true
    }

    /// True when no token is missing.
    fn is_full(&self, now: Tick) -> bool {
        self.spent_until <= now
    }
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A DatabaseStore: costs a signature check.
    Store,
    /// A DatabaseLookup: costs a reply.
    Lookup,
    /// Flooding one key: costs several messages.
    Flood,
}

#[derive(Clone, Copy, Debug)]
struct PeerBuckets {
    stores: Bucket,
    lookups: Bucket,
    floods: Bucket,
}

impl PeerBuckets {
    fn is_full(&self, now: Tick) -> bool {
        [self.stores, self.lookups, self.floods].iter().all(|bucket| bucket.is_full(now))
    }

    fn of(&mut self, work: Work) -> &mut Bucket {
        match work {
            Work::Store => &mut self.stores,
            Work::Lookup => &mut self.lookups,
            Work::Flood => &mut self.floods,
        }
    }
}

/// Buckets of all peers: at most [`config::MAX_LIMITED_PEERS`], beyond them one shared set.
#[derive(Debug)]
pub(super) struct PeerLimits {
    peers: BTreeMap<NetDbKey, PeerBuckets>,
    shared: PeerBuckets,
}

impl PeerLimits {
    /// All buckets full.
    pub(super) fn new() -> PeerLimits {
        let shared = Bucket::new(config::SHARED_BURST, config::SHARED_REFILL);
        PeerLimits { peers: BTreeMap::new(), shared: PeerBuckets { stores: shared, lookups: shared, floods: shared } }
    }

    /// Takes a token for work that `peer` causes; without a name it counts against the shared buckets.
    pub(super) fn take(&mut self, now: Tick, peer: Option<NetDbKey>, work: Work) -> bool {
        let has_room = self.peers.len() < config::MAX_LIMITED_PEERS;
        let buckets = match peer {
            Some(peer) if has_room || self.peers.contains_key(&peer) => self.peers.entry(peer).or_insert_with(|| PeerBuckets {
                stores: Bucket::new(config::STORE_BURST, config::STORE_REFILL),
                lookups: Bucket::new(config::LOOKUP_BURST, config::LOOKUP_REFILL),
                floods: Bucket::new(config::FLOOD_BURST, config::FLOOD_REFILL),
            }),
            _ => &mut self.shared,
        };
        buckets.of(work).take(now)
    }

    /// Forgets peers whose buckets are full again.
    pub(super) fn forget_idle(&mut self, now: Tick) {
        self.peers.retain(|_, buckets| !buckets.is_full(now));
    }

    pub(super) fn bound(&self, name: &'static str) -> Bound {
        let bytes = entries::<(NetDbKey, PeerBuckets)>(self.peers.len());
        Bound::new(name, self.peers.len(), config::MAX_LIMITED_PEERS, bytes).lasting()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = Bucket::new(3, Duration::from_secs(1));
        let start = Tick(1_000_000_000);
        assert!((0..3).all(|_| bucket.take(start)));
        assert!(!bucket.take(start));
        assert!(!bucket.take(start + Duration::from_millis(999)));
        assert!(bucket.take(start + Duration::from_secs(1)));
        assert!(!bucket.take(start + Duration::from_secs(1)));
        assert!(bucket.is_full(start + Duration::from_secs(4)));
    }

    #[test]
    fn the_table_is_bounded_and_empties() {
        let mut limits = PeerLimits::new();
        for n in 0..6_000u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            limits.take(Tick(0), Some(NetDbKey(hash)), Work::Store);
        }
        assert_eq!(limits.len(), config::MAX_LIMITED_PEERS);
        limits.forget_idle(Tick(0) + Duration::from_secs(60));
        assert_eq!(limits.len(), 0);
    }
}
