//! Writing messages: choice of the session, then ES, NSR or NS.

#[cfg(feature = "fuzzing")]
mod raw;

use bytes::Bytes;
use ramson_crypto::aead;
use ramson_crypto::x25519::PublicKey;
use ramson_wire::Now;
use ramson_wire::garlic::GarlicClove;

use super::handshake::{Initiator, NEW_SESSION_OVERHEAD, REPLY_OVERHEAD, draw_ephemeral};
use super::limits::REPLY_WINDOW;
use super::link::Link;
use super::payload::{self, Blocks};
use super::state::{Outgoing, Session};
use super::tables::{SessionId, SetName};
use super::tagset::ReceiveSet;
use super::{AckId, Readiness, Sealed, SessionError, Sessions, padding};

/// Bytes of an ES around its payload.
const EXISTING_OVERHEAD: usize = 8 + aead::TAG_LEN;

/// What the next message to a peer is.
enum Way {
    Existing(SessionId),
    Reply(SessionId),
    New,
}

impl Sessions {
    /// Writes a message with `cloves` (none: only what is due) to the owner of key `to`. `ack_request` asks the peer to confirm it, see
    /// [`Sealed::ack`].
    ///
    /// # Errors
    /// `TooLarge`; for a new session `WeakKey` and `AwaitingReply` (limits). Nothing is changed then.
    pub(crate) fn encrypt(
        &mut self,
        now: Now,
        to: &PublicKey,
        cloves: &[GarlicClove],
        ack_request: bool,
    ) -> Result<Sealed, SessionError> {
        payload::check_size(cloves)?;
        match self.way(now, to) {
            Way::Existing(id) => self.seal_existing(now, id, cloves, ack_request),
            Way::Reply(id) => self.seal_reply(now, id, cloves),
            Way::New => self.seal_new(now, to, cloves, ack_request),
        }
    }

    /// What [`Sessions::encrypt`] to `to` would write now.
    pub(crate) fn readiness(&self, now: Now, to: &PublicKey) -> Readiness {
        if !matches!(self.way(now, to), Way::New) {
            return Readiness::Ready;
        }
        match self.of_peer(to).filter(|session| session.is_pending()).map(|session| session.created).max() {
            Some(last) => Readiness::AwaitingReply { last },
            None => Readiness::NewSession,
        }
    }

    /// Whether the session with `to` is full, see [`Sealed::full`].
    pub(crate) fn is_full(&self, now: Now, to: &PublicKey) -> bool {
        match self.way(now, to) {
            Way::Existing(id) => self.sessions.get(&id).is_some_and(|session| session.is_full(now.tick)),
            Way::Reply(_) | Way::New => false,
        }
    }

    fn way(&self, now: Now, to: &PublicKey) -> Way {
        let tick = now.tick;
        let usable = |session: &&Session| session.can_send(tick) || session.can_reply(tick);
        let way = |session: &Session| {
            if session.can_send(tick) { Way::Existing(session.id) } else { Way::Reply(session.id) }
        };
        if let Some(urgent) = self.of_peer(to).filter(usable).find(|session| session.is_urgent(tick)) {
            return way(urgent);
        }
        let own = self.own.public();
        let prefer = |a, b| {
            if Session::is_preferred_to(b, a, &own) { b } else { a }
        };
        let existing = self.of_peer(to).filter(|session| session.can_send(tick)).reduce(prefer);
        let reply = || self.of_peer(to).filter(|session| session.can_reply(tick)).last();
        existing.or_else(reply).map_or(Way::New, way)
    }

    fn draw_ack(&mut self) -> AckId {
        self.next_ack += 1;
        AckId(self.next_ack)
    }

    fn seal_existing(
        &mut self,
        now: Now,
        id: SessionId,
        cloves: &[GarlicClove],
        ack_request: bool,
    ) -> Result<Sealed, SessionError> {
        let ack = ack_request.then(|| self.draw_ack());
        let session = self.sessions.get_mut(&id).ok_or(SessionError::UnknownTag)?;
        let full = session.is_full(now.tick);
        let link = session.link.as_mut().ok_or(SessionError::UnknownTag)?;
        link.step_if_due(&self.limits, &mut *self.rng);
        let (number, tag, key) = link.send.take().ok_or(SessionError::UnknownTag)?;
        let asks = ack_request || full || link.should_ask();
        if asks {
            link.await_ack(now.tick, number, ack);
        }
        let extras = link.take_extras();
        session.due = None;
        let rng = &mut *self.rng;
        let blocks = Blocks { date: None, cloves, ack_request: asks, extras: Some(&extras) };
        let mut prefix = start_body();
        prefix.extend_from_slice(&tag.0);
        let mut body = blocks.padded(&prefix, |len| padding::choose(len + EXISTING_OVERHEAD, rng));
        aead::Key::new(&key).seal_from(aead::nonce(u64::from(number)), &tag.0, &mut body, prefix.len());
        self.schedule(id);
        let full = self.sessions.get(&id).is_some_and(|session| session.is_full(now.tick));
        Ok(Sealed { body: finish_body(body), new_session: false, full, ack })
    }

    fn seal_reply(&mut self, now: Now, id: SessionId, cloves: &[GarlicClove]) -> Result<Sealed, SessionError> {
        let rng = &mut *self.rng;
        let payload = Blocks::handshake(None, cloves).padded(&[], |len| padding::choose(len + REPLY_OVERHEAD, rng));
        self.write_reply(now, id, &payload)
    }

    fn write_reply(&mut self, now: Now, id: SessionId, payload: &[u8]) -> Result<Sealed, SessionError> {
        let rng = &mut *self.rng;
        let session = self.sessions.get_mut(&id).ok_or(SessionError::UnknownTag)?;
        let responder = session.responder.as_mut().ok_or(SessionError::UnknownTag)?;
        let mut body = start_body();
        let split = responder.write_reply(|| draw_ephemeral(rng), payload, &mut body).map_err(|_| SessionError::WeakKey)?;
        session.replied.get_or_insert(now.tick);
        session.due = None;
        if session.link.is_none() {
            let link = Link::new(id, split.to_initiator(), split.to_responder(), &self.limits, &mut self.tags);
            session.link = Some(Box::new(link));
        }
        self.schedule(id);
        Ok(Sealed { body: finish_body(body), new_session: false, full: false, ack: None })
    }

    fn seal_new(&mut self, now: Now, to: &PublicKey, cloves: &[GarlicClove], ack_request: bool) -> Result<Sealed, SessionError> {
        self.make_room_for_pending(now.tick, to)?;
        let date = now.date.to_seconds_rounded();
        let rng = &mut *self.rng;
        let payload =
            Blocks::handshake(Some(date), cloves).padded(&[], |len| padding::choose_new_session(len + NEW_SESSION_OVERHEAD, rng));
        self.write_new(now, to, &payload, ack_request)
    }

    fn write_new(&mut self, now: Now, to: &PublicKey, payload: &[u8], ack_request: bool) -> Result<Sealed, SessionError> {
        let mut body = start_body();
        let ephemeral = draw_ephemeral(&mut *self.rng);
        let handshake = Initiator::write(&self.own, to, ephemeral, payload, &mut body).map_err(|_| SessionError::WeakKey)?;
        let ack = ack_request.then(|| self.draw_ack());
        let id = self.new_id();
        let mut session = Session::new(id, *to, now.tick, true);
        let mut tags = ReceiveSet::new(SetName::Reply, handshake.reply_chains());
        tags.extend(u32::from(REPLY_WINDOW), id, &mut self.tags);
        session.outgoing = Some(Box::new(Outgoing { handshake, tags, ack, answered: None }));
        self.add(session);
        Ok(Sealed { body: finish_body(body), new_session: true, full: false, ack })
    }
}

/// Begins an I2NP Garlic body with room for its length.
pub(super) fn start_body() -> Vec<u8> {
    vec![0; 4]
}

/// Fills the length in.
pub(super) fn finish_body(mut body: Vec<u8>) -> Bytes {
    let len = u32::try_from(body.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(field) = body.first_chunk_mut::<4>() {
        *field = len.to_be_bytes();
    }
    Bytes::from(body)
}
