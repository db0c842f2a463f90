//! What a message holds, without taking it: for who looks over an identity's shoulder. Nothing is used up or remembered.

use bytes::Bytes;
use ramson_crypto::aead::{self, TAG_LEN};
use ramson_crypto::x25519::PublicKey;

use super::Sessions;
use super::handshake::{NEW_SESSION_PAYLOAD, REPLY_PAYLOAD, Responder, tag_of};
use super::inbound::message_of;
use super::tables::{SetName, TagOwner};

/// Which message of a session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekedKind {
    /// New Session.
    New,
    /// New Session Reply.
    Reply,
    /// Existing Session.
    Existing,
}

/// A garlic message to an identity, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Which it is.
    pub kind: PeekedKind,
    /// The static key of its sender, if that is known.
    pub peer: Option<PublicKey>,
    /// Its length, sealed.
    pub len: usize,
    /// Its blocks.
    pub payload: Bytes,
}

impl Sessions {
    /// What a message in a session holds; nothing if it can't be opened.
    pub(crate) fn peek(&self, garlic_body: &[u8]) -> Option<Peeked> {
        let mut message = message_of(garlic_body).ok()?.to_vec();
        let len = message.len();
        let tag = tag_of(&message).filter(|tag| !self.one_time.contains(tag))?;
        let (kind, peer, start) = match self.tags.get(&tag) {
            Some(TagOwner { session, set: SetName::Reply, .. }) => {
                let session = self.sessions.get(&session)?;
                session.outgoing.as_ref()?.handshake.read_reply(&self.own, &mut message).ok()?;
                (PeekedKind::Reply, Some(session.peer), REPLY_PAYLOAD)
            }
            Some(TagOwner { session, set: SetName::Existing(set), number }) => {
                let session = self.sessions.get(&session)?;
                let key = session.link.as_ref()?.peek(set)?.peek_key(number)?;
                let text = message.get_mut(tag.0.len()..)?;
                aead::Key::new(&key).open(aead::nonce(u64::from(number)), &tag.0, text).ok()?;
                (PeekedKind::Existing, Some(session.peer), tag.0.len())
            }
            None => {
                let responder = Responder::read(&self.own, &mut message).ok()?;
                (PeekedKind::New, responder.map(|responder| responder.peer), NEW_SESSION_PAYLOAD)
            }
        };
        let payload = Bytes::from(message).slice(start..len.checked_sub(TAG_LEN).filter(|end| *end >= start)?);
        Some(Peeked { kind, peer, len, payload })
    }
}
