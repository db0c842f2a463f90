//! What the sessions of one identity hold, and a digest of it.

use ramson_crypto::x25519::PublicKey;
use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{SessionTag, Tick};

use super::limits::MAX_SESSIONS_PER_PEER;
use super::link::{MAX_AWAITED, MAX_OWED, MAX_SETS};
use super::state::{Outgoing, Session};
use super::tables::{OneTimeKeys, SessionId, TagOwner};
use super::tagset::{ReceiveSet, Secret};
use super::{SessionEvent, Sessions};
use crate::fingerprint::Digest;

/// Memory of a tree that may hold few entries: it has at least one node, with room for eleven.
pub(super) fn small_tree<T>(count: usize) -> usize {
    if count == 0 { 0 } else { entries::<T>(count).max(11 * size_of::<T>()) }
}

/// Sums over the links of all sessions.
#[derive(Default)]
pub(super) struct Held {
    pub(super) sets: Fullest,
    pub(super) owed: Fullest,
    pub(super) awaited: Fullest,
    tag_bytes: usize,
}

impl Held {
    /// The tags of a set, which are in the table too, and its keys.
    pub(super) fn set(&mut self, set: &ReceiveSet) {
        let (tags, keys) = set.waiting();
        self.tag_bytes += small_tree::<(u16, SessionTag)>(tags) + small_tree::<(u16, Secret)>(keys);
    }
}

impl Sessions {
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let mut held = Held::default();
        let mut bytes = entries::<(SessionId, Session)>(self.sessions.len()) + entries::<(Tick, SessionId)>(self.timers.len());
        for session in self.sessions.values() {
            if let Some(outgoing) = &session.outgoing {
                bytes += size_of::<Outgoing>();
                held.set(&outgoing.tags);
            }
            if let Some(link) = &session.link {
                link.hold(&mut held);
            }
        }
        visit(Bound::new("ratchet-sessions", self.sessions.len(), self.limits.sessions, bytes));
        let mut of_peer = Fullest::default();
        self.peers.values().for_each(|ids| of_peer.add(ids.len(), entries::<(PublicKey, Vec<SessionId>)>(1)));
        visit(of_peer.bound("ratchet-sessions-of-peer", MAX_SESSIONS_PER_PEER));
        visit(Bound::new("ratchet-pending", self.pending, self.limits.pending, 0));
        visit(held.sets.bound("ratchet-tag-sets", MAX_SETS));
        visit(held.owed.bound("ratchet-acks-owed", MAX_OWED));
        visit(held.awaited.bound("ratchet-acks-awaited", MAX_AWAITED));
        let bytes = entries::<(SessionTag, TagOwner)>(self.tags.len()) + held.tag_bytes;
        visit(Bound::new("ratchet-tags", self.tags.len(), self.limits.tags, bytes));
        let bytes = entries::<(SessionTag, (Tick, Secret))>(self.one_time.len() * 2);
        visit(Bound::new("ratchet-one-time-keys", self.one_time.len(), OneTimeKeys::LIMIT, bytes));
        let bytes = entries::<(Tick, PublicKey)>(self.replay.len() * 2);
        visit(Bound::new("ratchet-new-sessions-seen", self.replay.len(), self.limits.replay, bytes));
        visit(Bound::new("ratchet-events", self.events.len(), 0, self.events.len() * size_of::<SessionEvent>()));
    }

    /// What messages change.
    pub(crate) fn fingerprint(&self, digest: &mut Digest) {
        for (id, session) in &self.sessions {
            digest.add((
                id,
                session.established,
                session.heard,
                session.replaced,
                session.replied,
                session.due,
                session.due_tries,
            ));
            if let Some(outgoing) = &session.outgoing {
                digest.add((outgoing.tags.position(), outgoing.ack));
            }
            digest.add(session.responder.as_ref().map(|responder| responder.replies()));
            if let Some(link) = &session.link {
                link.fingerprint(digest);
            }
        }
        self.one_time.fingerprint(digest);
        digest.add((self.pending, self.tags.len()));
        digest.add((self.replay.len(), self.replay.newest()));
    }
}
