//! One session: what it consists of, and the questions about its age and use.

use ramson_crypto::x25519::PublicKey;
use ramson_wire::Tick;

use super::AckId;
use super::handshake::{Initiator, Responder};
use super::limits::{
    Limits, MAX_REPLIES, PENDING_LIFETIME, RECEIVE_LIFETIME, REPLACE_GRACE, REPLY_TIME, RESTART_AGE, RESTART_SILENCE,
    SEND_LIFETIME, SETTLED_AGE, SIMULTANEOUS,
};
use super::link::Link;
use super::tables::{SessionId, TagTable};
use super::tagset::ReceiveSet;

/// What an initiator keeps to read replies, late ones too.
pub(super) struct Outgoing {
    pub(super) handshake: Initiator,
    pub(super) tags: ReceiveSet,
    pub(super) ack: Option<AckId>,
    /// Ephemeral key of the reply that made the session's tag sets.
    pub(super) answered: Option<PublicKey>,
}

/// See [`super`] for the states.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) peer: PublicKey,
    /// When its NS was sent or received.
    pub(super) created: Tick,
    /// When the peer was last heard in it.
    pub(super) heard: Tick,
    /// We began it.
    pub(super) ours: bool,
    /// Both directions are known to work.
    pub(super) established: bool,
    /// The peer began another one, at this time.
    pub(super) replaced: Option<Tick>,
    pub(super) outgoing: Option<Box<Outgoing>>,
    pub(super) responder: Option<Box<Responder>>,
    /// When the first reply was sent.
    pub(super) replied: Option<Tick>,
    pub(super) link: Option<Box<Link>>,
    /// When the owner has to be asked to send something.
    pub(super) due: Option<Tick>,
    /// How often it was asked.
    pub(super) due_tries: u8,
    /// Its entry in the timers.
    pub(super) wake: Option<Tick>,
}

impl Session {
    /// A session without keys yet.
    pub(super) fn new(id: SessionId, peer: PublicKey, now: Tick, ours: bool) -> Session {
        Session {
            id,
            peer,
            created: now,
            heard: now,
            ours,
            established: false,
            replaced: None,
            outgoing: None,
            responder: None,
            replied: None,
            link: None,
            due: None,
            due_tries: 0,
            wake: None,
        }
    }

    /// Our NS has no reply.
    pub(super) fn is_pending(&self) -> bool {
        self.ours && !self.established
    }

    /// It may be used for an ES.
    pub(super) fn can_send(&self, now: Tick) -> bool {
        let silent = now.saturating_since(self.heard);
        let old = now.saturating_since(self.created) > RESTART_AGE;
        self.established
            && self.replaced.is_none()
            && !(old && silent > RESTART_SILENCE)
            && silent <= SEND_LIFETIME
            && self.link.as_ref().is_some_and(|link| !link.send.is_exhausted() && !link.is_outrun(now, self.heard))
    }

    /// More shouldn't be sent on it before something is known to have arrived. A peer would refuse to replace it while it is young.
    pub(super) fn is_full(&self, now: Tick) -> bool {
        let young = now.saturating_since(self.created) <= RESTART_AGE;
        self.link.as_ref().is_some_and(|link| link.is_full(young))
    }

    /// It may be used for an NSR.
    pub(super) fn can_reply(&self, now: Tick) -> bool {
        let waited = now.saturating_since(self.replied.unwrap_or(now));
        !self.established
            && now.saturating_since(self.created) < PENDING_LIFETIME
            && waited < REPLY_TIME
            && self.responder.as_ref().is_some_and(|responder| responder.replies() < MAX_REPLIES)
    }

    /// A further NS of the peer doesn't replace it: it works and is young. (Java and i2pd look at the age alone, so that a peer who restarts
    /// with its keys waits for two minutes.)
    pub(super) fn withstands_new_session(&self, now: Tick, limits: &Limits) -> bool {
        self.established
            && self.replaced.is_none()
            && now.saturating_since(self.created) <= RESTART_AGE
            && now.saturating_since(self.heard) < limits.replace_silence
    }

    /// The peer was heard in it.
    pub(super) fn hear(&mut self, now: Tick) {
        self.heard = now;
        if self.replaced.is_some_and(|at| now.saturating_since(at) > REPLACE_GRACE) {
            self.replaced = None;
        }
    }

    /// Of two sessions that can be sent on, true if this one is chosen. Both ends judge alike, so they come to use the same one.
    pub(super) fn is_preferred_to(&self, other: &Session, own: &PublicKey) -> bool {
        let (first, last) = (self.created.min(other.created), self.created.max(other.created));
        if self.ours != other.ours && last.saturating_since(first) < SIMULTANEOUS {
            return self.ours == (*own < self.peer);
        }
        (self.created, self.id) > (other.created, other.id)
    }

    /// It has something to say that can't wait for another session's message.
    pub(super) fn is_urgent(&self, now: Tick) -> bool {
        self.due.is_some_and(|due| due <= now || self.due_tries > 0)
    }

    /// Nothing shows yet that somebody needs it: strangers can open any number of such.
    pub(super) fn is_newcomer(&self) -> bool {
        !(self.established && (self.ours || self.heard.saturating_since(self.created) >= SETTLED_AGE))
    }

    /// How little is lost with it when room is needed: the smallest goes first.
    pub(super) fn worth(&self) -> (u8, Tick, SessionId) {
        let class = match (self.established, self.ours) {
            (true, _) => 3,
            (false, true) => 2,
            (false, false) => u8::from(self.replied.is_some()),
        };
        (class, self.heard, self.id)
    }

    /// When it ends if nothing is heard.
    pub(super) fn expires(&self) -> Tick {
        if self.established { self.heard + RECEIVE_LIFETIME } else { self.created + PENDING_LIFETIME }
    }

    /// When it has to be looked at next.
    pub(super) fn deadline(&self) -> Tick {
        let late_replies = self.outgoing.as_ref().map(|_| self.created + PENDING_LIFETIME);
        let old_sets = self.link.as_ref().and_then(|link| link.deadline());
        [self.due, late_replies, old_sets].into_iter().flatten().fold(self.expires(), Tick::min)
    }

    /// Takes all of its tags out of the table.
    pub(super) fn clear(&mut self, table: &mut TagTable) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.tags.clear(table);
        }
        if let Some(link) = &mut self.link {
            link.clear(table);
        }
    }
}
