//! LeaseSets that we hold as a floodfill, and what any LeaseSet must be to be taken.
//!
//! Identities keep those they use themselves: what is held here answers to the network only.

use std::collections::{BTreeMap, BTreeSet};

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Date, DestinationHash, LeaseSet2, NetDbKey, Now, RouterHash, Unverified, distance, ids::routing_key};

use super::config;
use super::routers::{AddResult, Reject};

#[derive(Debug)]
struct Entry {
    set: LeaseSet2,
    ends: Date,
    rank: [u8; 32],
}

/// Verified LeaseSets, bounded: when it is full, what is farthest from this router by routing key goes first.
#[derive(Debug)]
pub(super) struct LeaseSets {
    entries: BTreeMap<DestinationHash, Entry>,
    /// Greatest rank goes first.
    ranks: BTreeSet<([u8; 32], DestinationHash)>,
    us: RouterHash,
    limit: usize,
    changes: u64,
    day: u64,
}

/// When the last lease ends, or the LeaseSet itself if that is earlier.
pub(super) fn end_of(set: &LeaseSet2) -> Date {
    let last = set.leases().iter().map(|lease| lease.end).max();
    last.unwrap_or(Date(0)).min(set.expires())
}

impl LeaseSets {
    pub(super) fn new(us: RouterHash, limit: usize) -> LeaseSets {
        LeaseSets { entries: BTreeMap::new(), ranks: BTreeSet::new(), us, limit, changes: 0, day: 0 }
    }

    /// The LeaseSet of a destination, unless it has ended.
    pub(super) fn get(&self, now: Date, hash: &DestinationHash) -> Option<&LeaseSet2> {
        let entry = self.entries.get(hash)?;
        (entry.ends > now).then_some(&entry.set)
    }

    pub(super) fn bound(&self) -> Bound {
        let sets: usize = self.entries.values().map(|entry| entry.set.held_bytes()).sum();
        let bytes = sets
            + entries::<(DestinationHash, Entry)>(self.entries.len())
            + entries::<([u8; 32], DestinationHash)>(self.ranks.len());
        Bound::new("netdb-floodfill-lease-sets", self.entries.len(), self.limit, bytes)
    }

    /// Rises with every change.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Checks what costs little, then the signature, then stores. Newer is what has a later `published`.
    pub(super) fn add(&mut self, now: Now, key: &NetDbKey, set: Unverified<LeaseSet2>) -> AddResult {
        let hash = set.destination().hash();
        if NetDbKey::from(hash) == *key
            && let Some(known) = self.entries.get(&hash)
            && known.set.published() >= set.published()
        {
            return AddResult::Known;
        }
        match accept(now.date, key, set) {
            Ok(set) if set.is_unpublished() => AddResult::Rejected(Reject::Unpublished),
            Ok(set) => self.insert(now, hash, set),
            Err(reject) => AddResult::Rejected(reject),
        }
    }

    fn insert(&mut self, now: Now, hash: DestinationHash, set: LeaseSet2) -> AddResult {
        let is_new = !self.entries.contains_key(&hash);
        let ends = end_of(&set);
        let rank = self.rank(now.date, &hash);
        self.remove(&hash);
        if self.entries.len() >= self.limit {
            match self.ranks.last().copied() {
                Some((worst, victim)) if worst > rank => self.remove(&victim),
                _ => return AddResult::Rejected(Reject::Full),
            }
        }
        self.changes += 1;
        self.ranks.insert((rank, hash));
        let entry = Entry { set, ends, rank };
        self.entries.insert(hash, entry);
        if is_new { AddResult::New } else { AddResult::Updated }
    }

    /// Drops what has ended; ranks anew when the day has turned.
    pub(super) fn expire(&mut self, now: Date) {
        let ended: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.ends <= now).map(|(hash, _)| *hash).collect();
        for hash in ended {
            self.remove(&hash);
        }
        if self.day != now.day() {
            self.day = now.day();
            self.rank_anew(now);
        }
    }

    fn rank_anew(&mut self, now: Date) {
        let hashes: Vec<_> = self.entries.keys().copied().collect();
        self.ranks.clear();
        for hash in hashes {
            let rank = self.rank(now, &hash);
            self.ranks.insert((rank, hash));
            if let Some(entry) = self.entries.get_mut(&hash) {
                entry.rank = rank;
            }
        }
    }

    fn rank(&self, now: Date, hash: &DestinationHash) -> [u8; 32] {
        distance(&routing_key(NetDbKey::from(*hash), now), &self.us)
    }

    fn remove(&mut self, hash: &DestinationHash) {
        if let Some(entry) = self.entries.remove(hash) {
            self.changes += 1;
            self.ranks.remove(&(entry.rank, *hash));
        }
    }
}

/// A LeaseSet that came under this key, if it is that key's, of now, and properly signed.
pub(crate) fn accept(now: Date, key: &NetDbKey, set: Unverified<LeaseSet2>) -> Result<LeaseSet2, Reject> {
    if NetDbKey::from(set.destination().hash()) != *key {
        return Err(Reject::WrongKey);
    }
    let set = set.verify().map_err(|_| Reject::BadSignature)?;
    check_times(now, &set)?;
    Ok(set)
}

fn check_times(now: Date, set: &LeaseSet2) -> Result<(), Reject> {
    let latest = now + config::MAX_LEASE_SPAN;
    let key_ended = |key: &ramson_wire::OfflineKey| key.expires().to_date() <= now;
    if end_of(set) <= now || set.offline().is_some_and(key_ended) {
        return Err(Reject::TooOld);
    }
    let too_long = set.leases().iter().any(|lease| lease.end > latest);
    if too_long || set.published() > now + config::MAX_FUTURE {
        return Err(Reject::FromFuture);
    }
    Ok(())
}
