//! New Session (NS) and New Session Reply (NSR): the Noise IK handshake with hidden ephemeral keys.
//!
//! NS: ephemeral 32 (Elligator2) ‖ initiator's static key 32 + 16, or zeros if unbound ‖ payload + 16.
//! NSR: tag 8 ‖ ephemeral 32 (Elligator2) ‖ tag of nothing 16 ‖ payload + 16.
//! Source: ECIES-X25519-AEAD-Ratchet, "New Session", "New Session Reply". In all of this the initiator is Alice, the responder Bob.

use ramson_crypto::kdf::hkdf;
use ramson_crypto::noise::SymmetricState;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_crypto::{CryptoError, CryptoRng, aead, elligator2};
use ramson_wire::SessionTag;
use zeroize::Zeroizing;

use super::tagset::{Chains, Secret, SendSet};

/// Bytes of an NS around its payload.
pub(super) const NEW_SESSION_OVERHEAD: usize = 32 + 48 + 16;
/// Where an NS's payload begins.
pub(super) const NEW_SESSION_PAYLOAD: usize = 32 + 48;
/// Where an NSR's payload begins.
pub(super) const REPLY_PAYLOAD: usize = 8 + 32 + 16;
/// Bytes of an NSR around its payload.
pub(super) const REPLY_OVERHEAD: usize = 8 + 32 + 16 + 16;

const PROTOCOL: &[u8] = b"Noise_IKelg2+hs2_25519_ChaChaPoly_SHA256";

/// The state before the first message: `e` is hashed decoded, not as on the wire.
fn start(responder: &PublicKey, ephemeral: &PublicKey) -> SymmetricState {
    let mut state = SymmetricState::new(PROTOCOL);
    state.mix_prologue(&[]);
    state.mix_hash(&responder.0);
    state.mix_hash(&ephemeral.0);
    state
}

/// Chains of the tags of replies to the NS after which `state` stands.
fn reply_chains(state: &SymmetricState) -> Chains {
    let key = Zeroizing::new(hkdf::<32>(state.chaining_key(), &[], b"SessionReplyTags"));
    Chains::new(state.chaining_key(), &key)
}

/// What both sides have after the first reply.
pub(super) struct Split {
    root: Secret,
    to_responder: Secret,
    to_initiator: Secret,
}

impl Split {
    fn of(state: &SymmetricState) -> Split {
        let (to_responder, to_initiator) = state.split();
        Split {
            root: Zeroizing::new(*state.chaining_key()),
            to_responder: Zeroizing::new(to_responder),
            to_initiator: Zeroizing::new(to_initiator),
        }
    }

    /// Chains for what the initiator sends.
    pub(super) fn to_responder(&self) -> Chains {
        Chains::new(&self.root, &self.to_responder)
    }

    /// Chains for what the responder sends.
    pub(super) fn to_initiator(&self) -> Chains {
        Chains::new(&self.root, &self.to_initiator)
    }

    fn payload_key(&self) -> aead::Key {
        aead::Key::new(&Zeroizing::new(hkdf::<32>(&*self.to_initiator, &[], b"AttachPayloadKDF")))
    }
}

/// An ephemeral key and its representative.
pub(super) type Ephemeral = (PrivateKey, [u8; 32]);

/// The initiator after its NS.
pub(super) struct Initiator {
    state: SymmetricState,
    ephemeral: PrivateKey,
}

impl Initiator {
    /// Writes an NS behind what `out` holds.
    pub(super) fn write(
        own: &PrivateKey,
        to: &PublicKey,
        (ephemeral, representative): Ephemeral,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Initiator, CryptoError> {
        let mut state = start(to, &ephemeral.public());
        state.mix_key(ephemeral.diffie_hellman(to)?.as_bytes());
        let static_secret = own.diffie_hellman(to)?;
        out.extend_from_slice(&representative);
        let at = out.len();
        out.extend_from_slice(&own.public().0);
        state.encrypt_and_hash(out, at);
        state.mix_key(static_secret.as_bytes());
        let at = out.len();
        out.extend_from_slice(payload);
        state.encrypt_and_hash(out, at);
        Ok(Initiator { state, ephemeral })
    }

    /// Chains of the tags of replies.
    pub(super) fn reply_chains(&self) -> Chains {
        reply_chains(&self.state)
    }

    /// Opens an NSR, of which there may be several with one or different ephemeral keys, which it gives back. `message` starts with the
    /// tag.
    pub(super) fn read_reply<'a>(
        &self,
        own: &PrivateKey,
        message: &'a mut [u8],
    ) -> Result<(Split, PublicKey, &'a mut [u8]), CryptoError> {
        let (tag, rest) = message.split_first_chunk_mut::<8>().ok_or(CryptoError::BadTag)?;
        let (representative, rest) = rest.split_first_chunk_mut::<32>().ok_or(CryptoError::BadTag)?;
        let (mac, payload) = rest.split_first_chunk_mut::<{ aead::TAG_LEN }>().ok_or(CryptoError::BadTag)?;
        let ephemeral = elligator2::decode(representative);
        let mut state = self.state.clone();
        state.mix_hash(tag);
        state.mix_hash(&ephemeral.0);
        state.mix_key(self.ephemeral.diffie_hellman(&ephemeral)?.as_bytes());
        state.mix_key(own.diffie_hellman(&ephemeral)?.as_bytes());
        state.decrypt_and_hash(mac)?;
        let split = Split::of(&state);
        let payload = split.payload_key().open(aead::nonce(0), state.hash(), payload)?;
        Ok((split, ephemeral, payload))
    }
}

/// The responder after an NS.
pub(super) struct Responder {
    state: SymmetricState,
    /// The initiator's static key.
    pub(super) peer: PublicKey,
    ephemeral: PublicKey,
    tags: SendSet,
    reply: Option<Reply>,
}

/// Kept for further replies: they repeat the ephemeral key, so that all of them lead to the same tag sets.
struct Reply {
    representative: [u8; 32],
    ephemeral: PublicKey,
    ephemeral_secret: Secret,
    static_secret: Secret,
}

impl Responder {
    /// Opens an NS in place: its payload is clear text then. `None` if the initiator didn't bind itself. Costs one key agreement,
    /// two if it was meant for us.
    pub(super) fn read(own: &PrivateKey, message: &mut [u8]) -> Result<Option<Responder>, CryptoError> {
        let (representative, rest) = message.split_first_chunk_mut::<32>().ok_or(CryptoError::BadTag)?;
        let (static_part, payload) = rest.split_first_chunk_mut::<48>().ok_or(CryptoError::BadTag)?;
        let ephemeral = elligator2::decode(representative);
        let mut state = start(&own.public(), &ephemeral);
        state.mix_key(own.diffie_hellman(&ephemeral)?.as_bytes());
        let key = state.decrypt_and_hash(static_part)?;
        let peer = PublicKey(*key.first_chunk::<32>().ok_or(CryptoError::BadTag)?);
        if peer.0 == [0; 32] {
            state.decrypt_and_hash(payload)?;
            return Ok(None);
        }
        state.mix_key(own.diffie_hellman(&peer)?.as_bytes());
        state.decrypt_and_hash(payload)?;
        let tags = SendSet::new(0, reply_chains(&state));
        Ok(Some(Responder { state, peer, ephemeral, tags, reply: None }))
    }

    /// Replies written so far.
    pub(super) fn replies(&self) -> u16 {
        self.tags.used()
    }

    /// Writes an NSR behind what `out` holds; the returned split is the same for each. `fresh` draws the ephemeral key for the first.
    pub(super) fn write_reply(
        &mut self,
        fresh: impl FnOnce() -> Ephemeral,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Split, CryptoError> {
        let reply = match &mut self.reply {
            Some(reply) => reply,
            none => none.insert(Reply::new(fresh(), &self.ephemeral, &self.peer)?),
        };
        let (_, tag, _) = self.tags.take().ok_or(CryptoError::BadKey)?;
        out.extend_from_slice(&tag.0);
        out.extend_from_slice(&reply.representative);
        let mut state = self.state.clone();
        state.mix_hash(&tag.0);
        state.mix_hash(&reply.ephemeral.0);
        state.mix_key(&*reply.ephemeral_secret);
        state.mix_key(&*reply.static_secret);
        let at = out.len();
        state.encrypt_and_hash(out, at);
        let split = Split::of(&state);
        let at = out.len();
        out.extend_from_slice(payload);
        split.payload_key().seal_from(aead::nonce(0), state.hash(), out, at);
        Ok(split)
    }
}

impl Reply {
    fn new((key, representative): Ephemeral, ephemeral: &PublicKey, peer: &PublicKey) -> Result<Reply, CryptoError> {
        Ok(Reply {
            representative,
            ephemeral: key.public(),
            ephemeral_secret: Zeroizing::new(*key.diffie_hellman(ephemeral)?.as_bytes()),
            static_secret: Zeroizing::new(*key.diffie_hellman(peer)?.as_bytes()),
        })
    }
}

/// The ephemeral key of an NS, as hashed: what the replay filter remembers.
pub(super) fn ephemeral_of(message: &[u8]) -> Option<PublicKey> {
    message.first_chunk::<32>().map(elligator2::decode)
}

/// Draws an ephemeral key that has a representative.
pub(super) fn draw_ephemeral(rng: &mut dyn CryptoRng) -> Ephemeral {
    elligator2::generate(rng)
}

/// The first 8 bytes of a message.
pub(super) fn tag_of(message: &[u8]) -> Option<SessionTag> {
    message.first_chunk::<8>().copied().map(SessionTag)
}
