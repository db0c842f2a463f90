//! Whose key is it: the destinations behind the static keys of sessions.

use std::collections::{BTreeMap, BTreeSet};

use ramson_crypto::x25519;
use ramson_wire::DestinationHash;
use ramson_wire::bounds::{Bound, entries};

/// Anyone can write a stranger's key into his own LeaseSet, so a LeaseSet alone proves nothing once two name the same key. A destination
/// whose LeaseSet came through a session of that key has proven to own it.
#[derive(Default)]
struct Claims {
    by: BTreeSet<DestinationHash>,
    proven: Option<DestinationHash>,
}

/// Keys of verified LeaseSets. As large as the table of peers at most: each names one key.
#[derive(Default)]
pub(super) struct KeyOwners {
    claims: BTreeMap<x25519::PublicKey, Claims>,
}

impl KeyOwners {
    /// This destination's LeaseSet names this key.
    pub(super) fn claim(&mut self, key: x25519::PublicKey, hash: DestinationHash) {
        self.claims.entry(key).or_default().by.insert(hash);
    }

    /// The owner of the key says that it is this destination. Counts only if its LeaseSet says the same.
    pub(super) fn prove(&mut self, key: &x25519::PublicKey, hash: DestinationHash) {
        if let Some(claims) = self.claims.get_mut(key).filter(|claims| claims.by.contains(&hash)) {
            claims.proven = Some(hash);
        }
    }

    /// The LeaseSet is gone, or names another key.
    pub(super) fn release(&mut self, key: &x25519::PublicKey, hash: &DestinationHash) {
        let Some(claims) = self.claims.get_mut(key) else {
            return;
        };
        claims.by.remove(hash);
        claims.proven = claims.proven.filter(|proven| proven != hash);
        if claims.by.is_empty() {
            self.claims.remove(key);
        }
    }

    /// The one destination that the key can be of; `None` if that is in doubt.
    pub(super) fn owner_of(&self, key: &x25519::PublicKey) -> Option<DestinationHash> {
        let claims = self.claims.get(key)?;
        let mut by = claims.by.iter().copied();
        claims.proven.or_else(|| by.next().filter(|_| by.next().is_none()))
    }

    /// All destinations that the key may be of.
    pub(super) fn possible(&self, key: &x25519::PublicKey) -> Vec<DestinationHash> {
        self.claims.get(key).map(|claims| claims.by.iter().copied().collect()).unwrap_or_default()
    }

    /// The owners that are proven.
    pub(super) fn proven(&self) -> impl Iterator<Item = (&x25519::PublicKey, &DestinationHash)> {
        self.claims.iter().filter_map(|(key, claims)| Some((key, claims.proven.as_ref()?)))
    }

    pub(super) fn bound(&self, limit: usize) -> Bound {
        let bytes = entries::<(x25519::PublicKey, Claims)>(self.claims.len());
        Bound::new("destination-key-owners", self.claims.len(), limit, bytes)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: x25519::PublicKey = x25519::PublicKey([1; 32]);
    const OWNER: DestinationHash = DestinationHash([2; 32]);
    const THIEF: DestinationHash = DestinationHash([3; 32]);

    #[test]
    fn a_copied_key_takes_nothing_from_its_owner() {
        let mut owners = KeyOwners::default();
        owners.claim(KEY, OWNER);
        assert_eq!(owners.owner_of(&KEY), Some(OWNER));
        owners.claim(KEY, THIEF);
        assert_eq!(owners.owner_of(&KEY), None, "in doubt");
        owners.prove(&KEY, DestinationHash([4; 32]));
        assert_eq!(owners.owner_of(&KEY), None, "who doesn't name the key can't own it");
        owners.prove(&KEY, OWNER);
        assert_eq!(owners.owner_of(&KEY), Some(OWNER));
        owners.claim(KEY, THIEF);
        assert_eq!(owners.owner_of(&KEY), Some(OWNER));
        assert_eq!(owners.possible(&KEY), [OWNER, THIEF]);
    }

    #[test]
    fn what_is_released_leaves_nothing() {
        let mut owners = KeyOwners::default();
        owners.claim(KEY, OWNER);
        owners.claim(KEY, THIEF);
        owners.prove(&KEY, OWNER);
        owners.release(&KEY, &OWNER);
        assert_eq!(owners.owner_of(&KEY), Some(THIEF));
        owners.release(&KEY, &THIEF);
        assert_eq!((owners.owner_of(&KEY), owners.len()), (None, 0));
    }
}
