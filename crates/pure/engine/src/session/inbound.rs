//! Opening messages: by tag, else as a new session.

use ramson_crypto::aead;
use ramson_crypto::x25519::PublicKey;
use ramson_wire::{Now, Seconds32, SessionTag};

use super::handshake::{NEW_SESSION_OVERHEAD, NEW_SESSION_PAYLOAD, REPLY_PAYLOAD, Responder, ephemeral_of, tag_of};
use super::limits::{CLOCK_AHEAD, CLOCK_BEHIND, REPLY_WINDOW};
use super::link::Link;
use super::payload::Received;
use super::state::Session;
use super::tables::{SessionId, SetName, TagOwner};
use super::{Classified, Opened, SessionError, SessionEvent, Sessions};

/// The shortest NS has a DateTime block of 7 bytes.
const MIN_NEW_SESSION: usize = NEW_SESSION_OVERHEAD + 7;

/// The message inside an I2NP Garlic body: length 4 ‖ message. Bytes behind it are ignored.
pub(super) fn message_of(body: &[u8]) -> Result<&[u8], SessionError> {
    let (len, rest) = body.split_first_chunk::<4>().ok_or(SessionError::Truncated)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| SessionError::Truncated)?;
    rest.get(..len).ok_or(SessionError::Truncated)
}

/// True if a new session may bear this date.
pub(super) fn date_is_acceptable(now: Now, date: Seconds32) -> bool {
    let date = date.to_date();
    date >= now.date - CLOCK_BEHIND && date <= now.date + CLOCK_AHEAD
}

impl Sessions {
    /// What opening `garlic_body` costs, without doing it.
    pub(crate) fn classify(&self, garlic_body: &[u8]) -> Classified {
        let Ok(message) = message_of(garlic_body) else {
            return Classified::Garbage;
        };
        let Some(tag) = tag_of(message) else {
            return Classified::Garbage;
        };
        if self.one_time.contains(&tag) || self.tags.get(&tag).is_some() {
            Classified::Tagged
        } else if message.len() >= MIN_NEW_SESSION {
            Classified::MaybeNewSession
        } else {
            Classified::Garbage
        }
    }

    /// Opens the body of an I2NP Garlic message.
    ///
    /// # Errors
    /// Any [`SessionError`] but those of writing. A tag is used up even if its message can't be opened; nothing else changes.
    pub(crate) fn decrypt(&mut self, now: Now, garlic_body: &[u8]) -> Result<Opened, SessionError> {
        let message = message_of(garlic_body)?;
        let tag = tag_of(message).ok_or(SessionError::Truncated)?;
        let message = message.to_vec();
        if let Some((key, asked)) = self.one_time.take(&tag) {
            let received = open_tagged(&key, 0, &tag, message)?;
            return Ok(Opened { peer: None, asked: Some(asked), cloves: received.cloves });
        }
        match self.tags.remove(&tag) {
            Some(TagOwner { session, set: SetName::Reply, number }) => self.open_reply(now, session, number, message),
            Some(TagOwner { session, set: SetName::Existing(set), number }) => {
                self.open_existing(now, session, (set, number), &tag, message)
            }
            None if message.len() < MIN_NEW_SESSION => Err(SessionError::UnknownTag),
            None => self.open_new(now, message),
        }
    }

    fn open_existing(
        &mut self,
        now: Now,
        id: SessionId,
        (set, number): (u16, u16),
        tag: &SessionTag,
        message: Vec<u8>,
    ) -> Result<Opened, SessionError> {
        let session = self.sessions.get_mut(&id).ok_or(SessionError::UnknownTag)?;
        let link = session.link.as_mut().ok_or(SessionError::UnknownTag)?;
        let key = link.set(set).and_then(|set| set.take_key(number)).ok_or(SessionError::UnknownTag)?;
        let received = open_tagged(&key, number, tag, message)?;
        link.message_received(set, number, &self.limits, &mut self.tags);
        session.hear(now.tick);
        let peer = session.peer;
        if !session.established {
            session.established = true;
            session.responder = None;
            session.due = None;
        }
        self.apply_blocks(now, id, (set, number), &received);
        if received.termination {
            self.remove(id);
        }
        self.schedule(id);
        Ok(Opened { peer: Some(peer), asked: None, cloves: received.cloves })
    }

    /// The blocks that only an ES may carry.
    fn apply_blocks(&mut self, now: Now, id: SessionId, (set, number): (u16, u16), received: &Received) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(link) = session.link.as_mut() else {
            return;
        };
        for (set, number) in &received.acks {
            if let Some(ack) = link.acked(*set, *number) {
                self.events.push_back(SessionEvent::Acked(ack));
            }
        }
        if let Some(last) = received.previous {
            link.previous_number(set, last, &mut self.tags);
        }
        let mut answer = false;
        for block in &received.keys {
            answer |= link.next_key(now.tick, block, set, &self.limits, &mut self.tags, &mut *self.rng);
        }
        if received.ack_request {
            link.owe_ack(set, number);
            answer = true;
        }
        if answer {
            Self::answer_soon(session, now.tick);
        }
    }

    fn open_reply(&mut self, now: Now, id: SessionId, number: u16, mut message: Vec<u8>) -> Result<Opened, SessionError> {
        let session = self.sessions.get_mut(&id).ok_or(SessionError::UnknownTag)?;
        let outgoing = session.outgoing.as_mut().ok_or(SessionError::UnknownTag)?;
        outgoing.tags.take_tag(number);
        let (split, ephemeral, _) =
            outgoing.handshake.read_reply(&self.own, &mut message).map_err(|_| SessionError::Undecryptable)?;
        let received = Received::parse(message, REPLY_PAYLOAD)?;
        outgoing.tags.extend(u32::from(number) + 1 + u32::from(REPLY_WINDOW), id, &mut self.tags);
        if let Some(ack) = outgoing.ack.take() {
            self.events.push_back(SessionEvent::Acked(ack));
        }
        // The first reply makes the tag sets; a later one may have another ephemeral key and is only read.
        if session.link.is_none() {
            let link = Link::new(id, split.to_responder(), split.to_initiator(), &self.limits, &mut self.tags);
            session.link = Some(Box::new(link));
            session.established = true;
            outgoing.answered = Some(ephemeral);
            self.pending -= 1;
        }
        // One with another key may be of a peer who restarted and had our NS repeated: it has no tags of ours, so the session may be dead.
        if outgoing.answered == Some(ephemeral) {
            session.hear(now.tick);
        }
        let peer = session.peer;
        self.schedule(id);
        Ok(Opened { peer: Some(peer), asked: None, cloves: received.cloves })
    }

    fn open_new(&mut self, now: Now, mut message: Vec<u8>) -> Result<Opened, SessionError> {
        let ephemeral = ephemeral_of(&message).ok_or(SessionError::Truncated)?;
        if self.replay.contains(&ephemeral) {
            return Err(SessionError::Replayed);
        }
        let bound = Responder::read(&self.own, &mut message).map_err(|_| SessionError::Undecryptable)?;
        let received = Received::parse(message, NEW_SESSION_PAYLOAD)?;
        let date = received.date.ok_or(SessionError::Malformed)?;
        if !date_is_acceptable(now, date) {
            return Err(SessionError::Clock);
        }
        self.replay.insert(now.tick, ephemeral);
        let peer = bound.as_ref().map(|responder| responder.peer);
        if let Some(responder) = bound {
            self.take_new(now, responder);
        }
        Ok(Opened { peer, asked: None, cloves: received.cloves })
    }

    /// Makes a session to reply in, unless there is one that works.
    fn take_new(&mut self, now: Now, responder: Responder) {
        let peer: PublicKey = responder.peer;
        if self.of_peer(&peer).any(|session| session.withstands_new_session(now.tick, &self.limits)) {
            return;
        }
        for id in self.peers.get(&peer).cloned().unwrap_or_default() {
            if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.established) {
                session.replaced.get_or_insert(now.tick);
            }
        }
        let mut session = Session::new(self.new_id(), peer, now.tick, false);
        session.responder = Some(Box::new(responder));
        Self::answer_soon(&mut session, now.tick);
        self.add(session);
    }
}

/// Opens tag 8 ‖ ciphertext ‖ authenticator, with the tag as associated data.
pub(super) fn open_tagged(key: &[u8; 32], number: u16, tag: &SessionTag, mut message: Vec<u8>) -> Result<Received, SessionError> {
    let text = message.get_mut(tag.0.len()..).ok_or(SessionError::Truncated)?;
    aead::Key::new(key).open(aead::nonce(u64::from(number)), &tag.0, text).map_err(|_| SessionError::Undecryptable)?;
    Received::parse(message, tag.0.len())
}
