//! Tables of one identity: tags to sessions, one-time keys, and the replay filter of new sessions. All bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ramson_crypto::x25519::PublicKey;
use ramson_wire::{NetDbKey, SessionTag, Tick};

use super::tagset::Secret;
use crate::fingerprint::Digest;

/// Number of a session within one [`Sessions`](super::Sessions), never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(pub(super) u64);

/// Which receive set of a session a tag belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SetName {
    /// Tags of new session replies.
    Reply,
    /// Tag set with this id.
    Existing(u16),
}

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagOwner {
    pub(super) session: SessionId,
    pub(super) set: SetName,
    pub(super) number: u16,
}

/// All tags that a received message may begin with. Limit: given at birth; a full table takes no more, so look-ahead windows stop
/// growing and idle sessions free their part when they expire.
pub(super) struct TagTable {
    tags: BTreeMap<SessionTag, TagOwner>,
    limit: usize,
}

impl TagTable {
    pub(super) fn new(limit: usize) -> TagTable {
        TagTable { tags: BTreeMap::new(), limit }
    }

    pub(super) fn has_room(&self) -> bool {
        self.tags.len() < self.limit
    }

    /// No more room for large windows.
    pub(super) fn is_crowded(&self) -> bool {
        self.tags.len() >= self.limit / 2
    }

    /// Adds a tag. A tag that stands for something else already keeps its meaning (chance 2^-64), then false is returned.
    pub(super) fn insert(&mut self, tag: SessionTag, session: SessionId, set: SetName, number: u16) -> bool {
        if self.tags.contains_key(&tag) {
            return false;
        }
        self.tags.insert(tag, TagOwner { session, set, number });
        true
    }

    pub(super) fn get(&self, tag: &SessionTag) -> Option<TagOwner> {
        self.tags.get(tag).copied()
    }

    pub(super) fn remove(&mut self, tag: &SessionTag) -> Option<TagOwner> {
        self.tags.remove(tag)
    }

    pub(super) fn len(&self) -> usize {
        self.tags.len()
    }
}

/// Keys for one reply each, and what was asked with them. Limit: [`OneTimeKeys::LIMIT`], the one that expires first is dropped for a new one.
#[derive(Default)]
pub(super) struct OneTimeKeys {
    keys: BTreeMap<SessionTag, (Tick, Secret, NetDbKey)>,
    order: BTreeSet<(Tick, SessionTag)>,
}

impl OneTimeKeys {
    pub(super) const LIMIT: usize = 1024;
    /// How long a reply is waited for; i2pd keeps its keys as long.
    const LIFETIME: Duration = Duration::from_secs(180);

    pub(super) fn insert(&mut self, now: Tick, tag: SessionTag, key: Secret, asked: NetDbKey) {
        self.take(&tag);
        if self.keys.len() >= Self::LIMIT
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.keys.remove(&oldest);
        }
        let expires = now + Self::LIFETIME;
        self.keys.insert(tag, (expires, key, asked));
        self.order.insert((expires, tag));
    }

    pub(super) fn contains(&self, tag: &SessionTag) -> bool {
        self.keys.contains_key(tag)
    }

    pub(super) fn take(&mut self, tag: &SessionTag) -> Option<(Secret, NetDbKey)> {
        let (expires, key, asked) = self.keys.remove(tag)?;
        self.order.remove(&(expires, *tag));
        Some((key, asked))
    }

    pub(super) fn expire(&mut self, now: Tick) {
        while self.order.first().is_some_and(|(expires, _)| *expires <= now) {
            if let Some((_, tag)) = self.order.pop_first() {
                self.keys.remove(&tag);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.order.first().map(|(expires, _)| *expires)
    }

    /// Number, oldest and newest: one of them differs after any change.
    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((self.keys.len(), self.order.first(), self.order.last()));
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Ephemeral keys of new sessions already taken, as decoded keys: several representatives stand for one key, so the wire bytes
/// would let a replay through. Limit: given at birth, the oldest is forgotten first. Keys enter only after the message was
/// authenticated, so garbage can't push others out.
pub(super) struct ReplayFilter {
    seen: BTreeSet<PublicKey>,
    order: VecDeque<(Tick, PublicKey)>,
    limit: usize,
}

impl ReplayFilter {
    /// A message is refused by its date before this has passed: both sides of the clock window.
    const LIFETIME: Duration = Duration::from_secs(7 * 60);

    pub(super) fn new(limit: usize) -> ReplayFilter {
        ReplayFilter { seen: BTreeSet::new(), order: VecDeque::new(), limit }
    }

    pub(super) fn contains(&self, key: &PublicKey) -> bool {
        self.seen.contains(key)
    }

    pub(super) fn insert(&mut self, now: Tick, key: PublicKey) {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| now.saturating_since(*at) > Self::LIFETIME || self.order.len() >= self.limit)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.seen.remove(&old);
            }
        }
        if self.seen.insert(key) {
            self.order.push_back((now, key));
        }
    }

    /// The last one taken.
    pub(super) fn newest(&self) -> Option<&(Tick, PublicKey)> {
        self.order.back()
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }
}
