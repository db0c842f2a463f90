//! What several floodfills didn't know, so that it isn't asked for again at once.
//!
//! The router also looks for what answers to its identities name. What it doesn't find for one of them is nothing that it knows of
//! for another: a floodfill that names one invented router to two destinations would else see that they share something.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{NetDbKey, Tick};

use super::config;
use crate::fingerprint::Digest;
use crate::identity::Owner;

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Tick,
    failures: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Negative {
    owner: Owner,
    entries: BTreeMap<(NetDbKey, Owner), Entry>,
}

impl Negative {
    pub(super) fn new(owner: Owner) -> Negative {
        Negative { owner, entries: BTreeMap::new() }
    }

    pub(super) fn bound(&self) -> Bound {
        let limit = match self.owner {
            Owner::Router => config::MAX_NEGATIVE + config::MAX_NEGATIVE_FOR_IDENTITY * config::MAX_IDENTITIES,
            Owner::Identity(_) => config::MAX_NEGATIVE,
        };
        Bound::new("netdb-negative", self.entries.len(), limit, entries::<((NetDbKey, Owner), Entry)>(self.entries.len()))
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        self.entries.keys().for_each(|key| digest.add(key));
    }

    /// Whether it was in vain a moment ago.
    pub(super) fn holds(&self, now: Tick, whose: Owner, key: &NetDbKey) -> bool {
        self.entries.get(&(*key, whose)).is_some_and(|entry| entry.until > now)
    }

    /// It was looked for in vain: not again for a while that grows with each time.
    pub(super) fn note(&mut self, now: Tick, whose: Owner, key: NetDbKey) {
        self.make_room(whose, &key);
        let entry = self.entries.entry((key, whose)).or_insert(Entry { until: now, failures: 0 });
        entry.failures = entry.failures.saturating_add(1);
        let doublings = entry.failures.saturating_sub(config::NEGATIVE_SHORT).min(16);
        let pause = config::NEGATIVE_FOR.saturating_mul(1 << doublings).min(config::NEGATIVE_LONGEST);
        entry.until = now + pause;
    }

    fn make_room(&mut self, whose: Owner, key: &NetDbKey) {
        let limit = if whose == self.owner { config::MAX_NEGATIVE } else { config::MAX_NEGATIVE_FOR_IDENTITY };
        let of_owner = || self.entries.iter().filter(|((_, owner), _)| *owner == whose);
        if self.entries.contains_key(&(*key, whose)) || of_owner().count() < limit {
            return;
        }
        let first = of_owner().min_by_key(|(_, entry)| entry.until).map(|(id, _)| *id);
        if let Some(first) = first {
            self.entries.remove(&first);
        }
    }

    /// It was found.
    pub(super) fn found(&mut self, key: &NetDbKey) {
        while let Some(id) =
            self.entries.range((*key, Owner::Router)..).next().map(|(id, _)| *id).filter(|(found, _)| found == key)
        {
            self.entries.remove(&id);
        }
    }

    /// An identity is gone.
    pub(super) fn forget(&mut self, whose: Owner) {
        self.entries.retain(|(_, owner), _| *owner != whose);
    }

    /// Forgets failures of long ago.
    pub(super) fn expire(&mut self, now: Tick) {
        let remembered = |until: Tick| until + Duration::from_secs(60) > now;
        self.entries.retain(|_, entry| remembered(entry.until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityId;

    const START: Tick = Tick(1_000_000_000);
    const A: Owner = Owner::Identity(IdentityId(1));
    const B: Owner = Owner::Identity(IdentityId(2));

    /// How long a key isn't asked for after each of so many failures, in seconds.
    fn pauses(failures: usize) -> Vec<u64> {
        let (mut negative, key) = (Negative::new(A), NetDbKey([7; 32]));
        let mut now = START;
        let one = |_| {
            negative.note(now, A, key);
            let pause = (0..100).find(|secs| !negative.holds(now + Duration::from_secs(*secs), A, &key)).unwrap();
            now = now + Duration::from_secs(pause);
            pause
        };
        (0..failures).map(one).collect()
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pauses(11), [1, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn failures_are_forgotten_after_a_minute_or_when_it_is_found() {
        let (mut negative, key) = (Negative::new(A), NetDbKey([7; 32]));
        (0..5).for_each(|_| negative.note(START, A, key));
        negative.expire(START + Duration::from_secs(63));
        assert!(!negative.entries.is_empty());
        negative.expire(START + Duration::from_secs(64));
        assert!(negative.entries.is_empty());
        negative.note(START, A, key);
        negative.found(&key);
        assert!(!negative.holds(START, A, &key));
    }

    #[test]
    fn what_one_identity_does_is_nothing_to_another() {
        let mut negative = Negative::new(Owner::Router);
        let key = |number: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_be_bytes());
            NetDbKey(key)
        };
        negative.note(START, B, key(0));
        assert!(!negative.holds(START, A, &key(0)) && !negative.holds(START, Owner::Router, &key(0)));
        for number in 0..1_000 {
            negative.note(START, A, key(number));
            negative.note(START, Owner::Router, key(number));
        }
        assert_eq!(negative.entries.len(), 1 + config::MAX_NEGATIVE_FOR_IDENTITY + config::MAX_NEGATIVE);
        assert!(negative.holds(START, B, &key(0)));
        negative.forget(A);
        assert_eq!(negative.entries.len(), 1 + config::MAX_NEGATIVE);
    }
}
