//! Adding, ending and timing sessions.

use ramson_crypto::x25519::PublicKey;
use ramson_wire::{Now, Tick};

use super::limits::{ANSWER_DELAY, ANSWER_TRIES, MAX_SESSIONS_PER_PEER, PENDING_LIFETIME, PENDING_PATIENCE};
use super::state::Session;
use super::tables::SessionId;
use super::{SessionError, SessionEvent, Sessions};
use crate::newcomers::{self, Candidate};

impl Sessions {
    /// Fires what is due; harmless when early.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.one_time.expire(now.tick);
        while self.timers.first().is_some_and(|(at, _)| *at <= now.tick) {
            let Some((_, id)) = self.timers.pop_first() else {
                break;
            };
            self.wake_session(now.tick, id);
        }
    }

    /// A number for a session to be added.
    pub(super) fn new_id(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }

    /// Adds a session; others make room.
    pub(super) fn add(&mut self, session: Session) {
        let peers = self.peers.get(&session.peer);
        if peers.is_some_and(|ids| ids.len() >= MAX_SESSIONS_PER_PEER) {
            let ids = peers.cloned().unwrap_or_default();
            let least = ids.iter().filter_map(|id| self.sessions.get(id)).min_by_key(|session| session.worth());
            if let Some(id) = least.map(|session| session.id) {
                self.remove(id);
            }
        }
        if self.sessions.len() >= self.limits.sessions {
            let candidate =
                |session: &Session| Candidate { key: session.id, newcomer: session.is_newcomer(), worth: session.worth() };
            if let Some(id) = newcomers::victim(self.limits.sessions, self.sessions.values().map(candidate)) {
                self.remove(id);
            }
        }
        let id = session.id;
        self.peers.entry(session.peer).or_default().push(id);
        self.pending += usize::from(session.is_pending());
        self.sessions.insert(id, session);
        self.schedule(id);
    }

    /// Ends a session and forgets its tags.
    pub(super) fn remove(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(&id) else {
            return;
        };
        session.clear(&mut self.tags);
        if let Some(at) = session.wake {
            self.timers.remove(&(at, id));
        }
        self.pending -= usize::from(session.is_pending());
        let Some(ids) = self.peers.get_mut(&session.peer) else {
            return;
        };
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            self.peers.remove(&session.peer);
            self.events.push_back(SessionEvent::Ended { peer: session.peer });
        }
    }

    /// Sessions with a peer, oldest first.
    pub(super) fn of_peer(&self, peer: &PublicKey) -> impl Iterator<Item = &Session> {
        self.peers.get(peer).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// Makes room for one more NS of ours to `to`. Younger ones are kept: in a burst it is the first whose reply comes first.
    pub(super) fn make_room_for_pending(&mut self, now: Tick, to: &PublicKey) -> Result<(), SessionError> {
        let to_peer = self.of_peer(to).filter(|session| session.is_pending()).count();
        let oldest = if to_peer >= self.limits.pending_per_peer {
            self.of_peer(to).filter(|session| session.is_pending()).min_by_key(|session| session.id)
        } else if self.pending >= self.limits.pending {
            self.sessions.values().find(|session| session.is_pending())
        } else {
            return Ok(());
        };
        match oldest.map(|session| (session.id, session.created)) {
            Some((id, created)) if now.saturating_since(created) > PENDING_PATIENCE => {
                self.remove(id);
                Ok(())
            }
            _ => Err(SessionError::AwaitingReply),
        }
    }

    /// Asks for an answer within a second, unless one is due already.
    pub(super) fn answer_soon(session: &mut Session, now: Tick) {
        if session.due.is_none() {
            session.due = Some(now + ANSWER_DELAY);
            session.due_tries = 0;
        }
    }

    /// Corrects a session's timer. Timers only move forward here; one that fires early finds nothing to do.
    pub(super) fn schedule(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let at = session.deadline();
        match session.wake {
            Some(wake) if wake <= at => {}
            old => {
                if let Some(wake) = old {
                    self.timers.remove(&(wake, id));
                }
                session.wake = Some(at);
                self.timers.insert((at, id));
            }
        }
    }

    fn wake_session(&mut self, now: Tick, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.wake = None;
        if session.expires() <= now {
            self.remove(id);
            return;
        }
        if session.created + PENDING_LIFETIME <= now
            && let Some(mut outgoing) = session.outgoing.take()
        {
            outgoing.tags.clear(&mut self.tags);
        }
        if let Some(link) = &mut session.link {
            link.expire(now, &mut self.tags);
        }
        if session.due.is_some_and(|due| due <= now) {
            if session.due_tries < ANSWER_TRIES {
                session.due_tries += 1;
                session.due = Some(now + ANSWER_DELAY * 2);
                self.events.push_back(SessionEvent::SendDue { to: session.peer });
            } else {
                session.due = None;
                if let Some(link) = &mut session.link {
                    link.forgive();
                }
            }
        }
        self.schedule(id);
    }
}
