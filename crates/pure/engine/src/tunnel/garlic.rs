//! Garlic around tunnel messages: sealed once with a key that only we and one other know, or for a router's encryption key. Both hold
//! one clove for local delivery. The forms are those of [`router_garlic`]; here is who may open what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, x25519};
use ramson_wire::bounds::{Bound, by_identity, entries};
use ramson_wire::garlic::{CloveDelivery, GarlicClove};
use ramson_wire::{I2npMessage, MessageKind, Now, SessionTag, Tick};
use zeroize::Zeroizing;

use super::build;
use crate::identity::Owner;
use crate::session::SessionError;
use crate::session::router_garlic;

/// Most one-time keys kept. A new one drops the one that ends first.
pub(crate) const MAX_KEYS: usize = 2048;
/// Expiration of the garlic itself.
const LIFE: Duration = Duration::from_secs(20);

fn wrap(now: Now, body: Bytes, rng: &mut dyn CryptoRng) -> I2npMessage {
    I2npMessage { kind: MessageKind::GARLIC, id: build::message_id(rng), expiration: now.date + LIFE, body }
}

fn clove(message: I2npMessage) -> GarlicClove {
    GarlicClove { delivery: CloveDelivery::Local, message }
}

/// Seals a message under a one-time key.
pub(crate) fn seal_one_time(
    now: Now,
    (tag, key): (SessionTag, &[u8; 32]),
    message: I2npMessage,
    rng: &mut dyn CryptoRng,
) -> Result<I2npMessage, SessionError> {
    let body = router_garlic::seal_one_time(key, tag, &clove(message), rng)?;
    Ok(wrap(now, body, rng))
}

/// Seals a message for a router.
pub(crate) fn seal_for_router(
    now: Now,
    to: &x25519::PublicKey,
    message: I2npMessage,
    rng: &mut dyn CryptoRng,
) -> Result<I2npMessage, SessionError> {
    let body = router_garlic::seal(now, to, &[clove(message)], rng)?;
    Ok(wrap(now, body, rng))
}

/// What a one-time key was made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyUse {
    /// The reply of an outbound endpoint.
    Reply,
    /// A test of own tunnels.
    Probe,
}

struct Entry {
    key: Zeroizing<[u8; 32]>,
    owner: Owner,
    purpose: KeyUse,
    until: Tick,
}

/// Keys of messages that we expect, each good for one message through a tunnel of its owner.
#[derive(Default)]
pub(crate) struct OneTimeKeys {
    keys: BTreeMap<SessionTag, Entry>,
    ends: BTreeSet<(Tick, SessionTag)>,
}

impl OneTimeKeys {
    pub(crate) fn insert(&mut self, (tag, key): (SessionTag, [u8; 32]), owner: Owner, purpose: KeyUse, until: Tick) {
        if self.keys.len() >= MAX_KEYS
            && let Some((_, oldest)) = self.ends.pop_first()
        {
            self.keys.remove(&oldest);
        }
        if let Some(old) = self.keys.insert(tag, Entry { key: Zeroizing::new(key), owner, purpose, until }) {
            self.ends.remove(&(old.until, tag));
        }
        self.ends.insert((until, tag));
    }

    /// Opens a garlic body if it is under one of our keys: the use, and the message or nothing if it is spoiled. The key is used up.
    pub(crate) fn open(&mut self, owner: Owner, body: &[u8]) -> Option<(KeyUse, Option<I2npMessage>)> {
        let tag = router_garlic::leading_tag(body)?;
        if self.keys.get(&tag)?.owner != owner {
            return None;
        }
        let entry = self.keys.remove(&tag)?;
        self.ends.remove(&(entry.until, tag));
        let mut cloves = router_garlic::open_one_time(&entry.key, body).unwrap_or_default();
        let message = cloves.pop().filter(|clove| cloves.is_empty() && clove.delivery == CloveDelivery::Local);
        Some((entry.purpose, message.map(|clove| clove.message)))
    }

    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<(SessionTag, Entry)>(self.keys.len()) + entries::<(Tick, SessionTag)>(self.ends.len());
        // A router that is alone has some too: it goes on to ask.
        visit(Bound::new("tunnel-one-time-keys-in-all", self.keys.len(), MAX_KEYS, bytes).lasting());
        by_identity("tunnel-one-time-keys", MAX_KEYS, self.keys.values().filter_map(|entry| entry.owner.number()), visit);
    }

    /// Tags of an owner's keys.
    pub(crate) fn of_owner(&self, owner: Owner) -> impl Iterator<Item = &SessionTag> {
        self.keys.iter().filter(move |(_, entry)| entry.owner == owner).map(|(tag, _)| tag)
    }

    pub(crate) fn expire(&mut self, now: Tick) {
        while let Some((until, tag)) = self.ends.first().copied() {
            if until > now {
                return;
            }
            self.ends.remove(&(until, tag));
            self.keys.remove(&tag);
        }
    }

    pub(crate) fn forget(&mut self, owner: Owner) {
        self.keys.retain(|_, entry| entry.owner != owner);
        self.ends.retain(|(_, tag)| self.keys.contains_key(tag));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;
    use ramson_wire::{Date, MessageId};

    use super::*;
    use crate::identity::IdentityId;

    #[test]
    fn a_key_opens_one_message_of_its_owner() {
        let now = Now { tick: Tick(1), date: Date(1_800_000_000_000) };
        let mut rng = SeededRng::new([1; 32]);
        let (tag, key) = (SessionTag([5; 8]), [6; 32]);
        let inner = I2npMessage::new(MessageKind::DATA, MessageId(3), Date(1_800_000_000_000), vec![1, 2]);
        let sealed = seal_one_time(now, (tag, &key), inner.clone(), &mut rng).unwrap();
        let mut keys = OneTimeKeys::default();
        keys.insert((tag, key), Owner::Router, KeyUse::Probe, Tick(10));
        assert!(keys.open(Owner::Identity(IdentityId(1)), &sealed.body).is_none());
        assert_eq!(keys.open(Owner::Router, &sealed.body), Some((KeyUse::Probe, Some(inner))));
        assert_eq!(keys.open(Owner::Router, &sealed.body), None);

        let mut spoiled = sealed.body.to_vec();
        spoiled[30] ^= 1;
        keys.insert((tag, key), Owner::Router, KeyUse::Probe, Tick(10));
        assert_eq!(keys.open(Owner::Router, &spoiled), Some((KeyUse::Probe, None)));
    }

    #[test]
    fn keys_are_bounded_and_end() {
        let mut keys = OneTimeKeys::default();
        for n in 0..3000u64 {
            keys.insert((SessionTag(n.to_be_bytes()), [0; 32]), Owner::Router, KeyUse::Reply, Tick(100 + n));
        }
        assert_eq!(keys.len(), MAX_KEYS);
        keys.expire(Tick(3000));
        assert_eq!(keys.len(), 99);
        keys.forget(Owner::Router);
        assert_eq!(keys.len(), 0);
    }
}
