//! LeaseSets by destination: one such store per identity, and a separate one for what we hold as a floodfill.

use std::collections::{BTreeMap, BTreeSet};

use ramson_wire::{
    Date, DestinationHash, LeaseSet2, NetDbKey, Now, RouterHash, Unverified, distance,
    ids::routing_key,
};

use super::config;
use super::routers::{AddResult, Reject};

/// What goes first when the store is full.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// What ends first: an identity's cache.
    Longest,
    /// What is farthest from this router by routing key: a floodfill's store.
    Closest(RouterHash),
}

#[derive(Debug)]
struct Entry {
    set: LeaseSet2,
    ends: Date,
    rank: [u8; 32],
}

/// Verified LeaseSets, bounded.
#[derive(Debug)]
pub(super) struct LeaseSets {
    entries: BTreeMap<DestinationHash, Entry>,
    /// Greatest rank goes first.
    ranks: BTreeSet<([u8; 32], DestinationHash)>,
    keep: Keep,
    limit: usize,
    day: u64,
}

/// When the last lease ends, or the LeaseSet itself if that is earlier.
pub(super) fn end_of(set: &LeaseSet2) -> Date {
    let last = set.leases().iter().map(|lease| lease.end).max();
    last.unwrap_or(Date(0)).min(set.expires())
}

impl LeaseSets {
    pub(super) fn new(keep: Keep, limit: usize) -> LeaseSets {
        LeaseSets {
            entries: BTreeMap::new(),
            ranks: BTreeSet::new(),
            keep,
            limit,
            day: 0,
        }
    }

    /// The LeaseSet of a destination, unless it has ended.
    pub(super) fn get(&self, now: Date, hash: &DestinationHash) -> Option<&LeaseSet2> {
        let entry = self.entries.get(hash)?;
        (entry.ends > now).then_some(&entry.set)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Checks what costs little, then the signature, then stores. Newer is what has a later `published`.
    pub(super) fn add(
        &mut self,
        now: Now,
        key: &NetDbKey,
        set: Unverified<LeaseSet2>,
    ) -> AddResult {
        let hash = set.destination().hash();
        if NetDbKey::from(hash) != *key {
            return AddResult::Rejected(Reject::WrongKey);
        }
        if let Some(known) = self.entries.get(&hash)
            && known.set.published() >= set.published()
        {
            return AddResult::Known;
        }
        match set.verify() {
            Ok(set) => self.add_verified(now, set),
            Err(_) => AddResult::Rejected(Reject::BadSignature),
        }
    }

    /// Likewise for one that is verified.
    pub(super) fn add_verified(&mut self, now: Now, set: LeaseSet2) -> AddResult {
        let hash = set.destination().hash();
        if let Err(reject) = check_times(now.date, &set) {
            return AddResult::Rejected(reject);
        }
        if matches!(self.keep, Keep::Closest(_)) && set.is_unpublished() {
            return AddResult::Rejected(Reject::Unpublished);
        }
        let known = self.entries.get(&hash);
        if known.is_some_and(|known| known.set.published() >= set.published()) {
            return AddResult::Known;
        }
        let is_new = known.is_none();
        let ends = end_of(&set);
        let rank = self.rank(now.date, &hash, ends);
        self.remove(&hash);
        if self.entries.len() >= self.limit {
            match self.ranks.last().copied() {
                Some((worst, victim)) if worst > rank => self.remove(&victim),
                _ => return AddResult::Rejected(Reject::Full),
            }
        }
        self.ranks.insert((rank, hash));
        let entry = Entry { set, ends, rank };
        self.entries.insert(hash, entry);
        if is_new {
            AddResult::New
        } else {
            AddResult::Updated
        }
    }

    /// Drops what has ended; ranks anew when the day has turned.
    pub(super) fn expire(&mut self, now: Date) {
        let ended: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.ends <= now)
            .map(|(hash, _)| *hash)
            .collect();
        for hash in ended {
            self.remove(&hash);
        }
        if self.day != now.day() {
            self.day = now.day();
            self.rank_anew(now);
        }
    }

    fn rank_anew(&mut self, now: Date) {
        let ends: Vec<_> = self.entries.iter().map(|(h, e)| (*h, e.ends)).collect();
        self.ranks.clear();
        for (hash, ends) in ends {
            let rank = self.rank(now, &hash, ends);
            self.ranks.insert((rank, hash));
            if let Some(entry) = self.entries.get_mut(&hash) {
                entry.rank = rank;
            }
        }
    }

    fn rank(&self, now: Date, hash: &DestinationHash, ends: Date) -> [u8; 32] {
        match self.keep {
            Keep::Closest(us) => distance(&routing_key(NetDbKey::from(*hash), now), &us),
            Keep::Longest => {
                let mut rank = [0; 32];
                for (to, from) in rank.iter_mut().zip((u64::MAX - ends.0).to_be_bytes()) {
                    *to = from;
                }
                rank
            }
        }
    }

    fn remove(&mut self, hash: &DestinationHash) {
        if let Some(entry) = self.entries.remove(hash) {
            self.ranks.remove(&(entry.rank, *hash));
        }
    }
}

fn check_times(now: Date, set: &LeaseSet2) -> Result<(), Reject> {
    let latest = now + config::MAX_LEASE_SPAN;
    if end_of(set) <= now {
        return Err(Reject::TooOld);
    }
    let too_long = set.leases().iter().any(|lease| lease.end > latest);
    if too_long || set.published() > now + config::MAX_FUTURE {
        return Err(Reject::FromFuture);
    }
    Ok(())
}
