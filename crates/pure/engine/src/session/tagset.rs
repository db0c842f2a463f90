//! Tag sets: the chain of session tags and the chain of message keys that belong to one direction of a session.
//!
//! Source: ECIES-X25519-AEAD-Ratchet, "Session Tag Ratchet" and "Symmetric Key Ratchet".

use std::collections::BTreeMap;

use ramson_crypto::kdf::hkdf_pair;
use ramson_wire::{SessionTag, Tick};
use zeroize::Zeroizing;

use super::tables::{SessionId, SetName, TagTable};

/// 32 secret bytes, wiped on drop.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// Tags of one set that may be used, by agreement of all routers below 65,535 (two are kept back because i2pd counts
/// before it takes).
pub(super) const MAX_TAGS: u16 = 65_533;

/// HKDF to two secrets.
pub(super) fn pair(salt: &[u8], ikm: &[u8], info: &[u8]) -> (Secret, Secret) {
    let (first, second) = hkdf_pair(salt, ikm, info);
    (Zeroizing::new(first), Zeroizing::new(second))
}

/// Both chains of a tag set and the root of the next one.
pub(super) struct Chains {
    next_root: Secret,
    tag_chain: Secret,
    tag_constant: Secret,
    key_chain: Secret,
}

impl Chains {
    /// `DH_INITIALIZE(root, k)`.
    pub(super) fn new(root: &[u8; 32], k: &[u8; 32]) -> Chains {
        let (next_root, chain) = pair(root, k, b"KDFDHRatchetStep");
        let (tags, key_chain) = pair(&*chain, &[], b"TagAndKeyGenKeys");
        let (tag_chain, tag_constant) = pair(&*tags, &[], b"STInitialization");
        Chains { next_root, tag_chain, tag_constant, key_chain }
    }

    /// Root from which the next set of this direction starts.
    pub(super) fn next_root(&self) -> &[u8; 32] {
        &self.next_root
    }

    /// The next tag of the chain.
    pub(super) fn tag(&mut self) -> SessionTag {
        let (chain, out) = pair(&*self.tag_chain, &*self.tag_constant, b"SessionTagKeyGen");
        self.tag_chain = chain;
        let mut tag = [0; 8];
        tag.copy_from_slice(out.first_chunk::<8>().unwrap_or(&[0; 8]));
        SessionTag(tag)
    }

    /// The next key of the chain.
    pub(super) fn key(&mut self) -> Secret {
        let (chain, key) = pair(&*self.key_chain, &[], b"SymmetricRatchet");
        self.key_chain = chain;
        key
    }
}

/// The set we send with: each message takes the next tag and key.
pub(super) struct SendSet {
    /// Number of the set: 0 from the handshake, then one more per DH ratchet step.
    pub(super) id: u16,
    chains: Chains,
    next: u16,
}

impl SendSet {
    /// An unused set.
    pub(super) fn new(id: u16, chains: Chains) -> SendSet {
        SendSet { id, chains, next: 0 }
    }

    /// Messages sent with this set so far.
    pub(super) fn used(&self) -> u16 {
        self.next
    }

    /// True when nothing more can be sent with this set.
    pub(super) fn is_exhausted(&self) -> bool {
        self.next >= MAX_TAGS
    }

    /// The next message's number, tag and key; `None` when exhausted.
    pub(super) fn take(&mut self) -> Option<(u16, SessionTag, Secret)> {
        if self.is_exhausted() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some((number, self.chains.tag(), self.chains.key()))
    }

    /// See [`Chains::next_root`].
    pub(super) fn next_root(&self) -> &[u8; 32] {
        self.chains.next_root()
    }
}

/// A set we receive with. Tags of a window around the highest number seen are in the [`TagTable`]; keys that were passed over wait
/// for their message as long as its tag does.
pub(super) struct ReceiveSet {
    name: SetName,
    chains: Chains,
    tags: BTreeMap<u16, SessionTag>,
    keys: BTreeMap<u16, Secret>,
    tags_made: u16,
    keys_made: u16,
    /// When an old set is forgotten.
    pub(super) expires: Option<Tick>,
}

impl ReceiveSet {
    /// A set without tags in the table yet.
    pub(super) fn new(name: SetName, chains: Chains) -> ReceiveSet {
        ReceiveSet { name, chains, tags: BTreeMap::new(), keys: BTreeMap::new(), tags_made: 0, keys_made: 0, expires: None }
    }

    /// See [`Chains::next_root`].
    pub(super) fn next_root(&self) -> &[u8; 32] {
        self.chains.next_root()
    }

    /// Puts tags below number `end` into the table, as far as it has room.
    pub(super) fn extend(&mut self, end: u32, owner: SessionId, table: &mut TagTable) {
        let end = u16::try_from(end).unwrap_or(MAX_TAGS).min(MAX_TAGS);
        while self.tags_made < end && table.has_room() {
            let number = self.tags_made;
            let tag = self.chains.tag();
            if table.insert(tag, owner, self.name, number) {
                self.tags.insert(number, tag);
            }
            self.tags_made += 1;
        }
    }

    /// The key of a message whose tag was found (and taken from the table). The tag is used up whatever comes of the message.
    pub(super) fn take_key(&mut self, number: u16) -> Option<Secret> {
        self.tags.remove(&number)?;
        if number < self.keys_made {
            return self.keys.remove(&number);
        }
        loop {
            let key = self.chains.key();
            let made = self.keys_made;
            self.keys_made = made.checked_add(1)?;
            if made == number {
                return Some(key);
            }
            if self.tags.contains_key(&made) {
                self.keys.insert(made, key);
            }
        }
    }

    /// The same key, without using it up.
    pub(super) fn peek_key(&self, number: u16) -> Option<Secret> {
        if number < self.keys_made {
            return self.keys.get(&number).cloned();
        }
        let mut chain = self.chains.key_chain.clone();
        for _ in self.keys_made..number {
            chain = pair(&*chain, &[], b"SymmetricRatchet").0;
        }
        Some(pair(&*chain, &[], b"SymmetricRatchet").1)
    }

    /// Marks a tag as used in a set that has no keys of its own (replies).
    pub(super) fn take_tag(&mut self, number: u16) {
        self.tags.remove(&number);
    }

    /// Forgets messages numbered below `start`.
    pub(super) fn trim_below(&mut self, start: u16, table: &mut TagTable) {
        while let Some(entry) = self.tags.first_entry() {
            if *entry.key() >= start {
                break;
            }
            let (number, tag) = entry.remove_entry();
            self.keys.remove(&number);
            table.remove(&tag);
        }
    }

    /// Forgets messages numbered above `last`: the sender said that it sent none.
    pub(super) fn trim_above(&mut self, last: u16, table: &mut TagTable) {
        while let Some(entry) = self.tags.last_entry() {
            if *entry.key() <= last {
                break;
            }
            let (number, tag) = entry.remove_entry();
            self.keys.remove(&number);
            table.remove(&tag);
        }
    }

    /// Tags and keys that wait for their messages.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.tags.len(), self.keys.len())
    }

    /// Differs after any tag was made, used or forgotten.
    pub(super) fn position(&self) -> (u16, u16, usize, usize, Option<u16>) {
        let lowest = self.tags.first_key_value().map(|(number, _)| *number);
        (self.tags_made, self.keys_made, self.tags.len(), self.keys.len(), lowest)
    }

    /// Takes all tags out of the table.
    pub(super) fn clear(&mut self, table: &mut TagTable) {
        self.trim_below(u16::MAX, table);
    }
}
