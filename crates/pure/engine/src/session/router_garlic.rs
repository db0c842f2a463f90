//! Messages outside sessions: to routers (Noise N), and replies under a one-time key.
//!
//! To a router: ephemeral 32, plain ‖ payload + 16. The payload begins with a date. Source: ECIES-X25519 Encryption for Routers.
//! One-time: tag 8 ‖ payload + 16; i2pd wants a clove as the first block. Source: ECIES-X25519-AEAD-Ratchet, "Existing Session
//! Format"; proposal 154, "Database lookups from ECIES destinations".

use bytes::Bytes;
use ramson_crypto::noise::SymmetricState;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_crypto::{CryptoRng, aead};
use ramson_wire::garlic::GarlicClove;
use ramson_wire::{Now, SessionTag};

use super::handshake::tag_of;
use super::inbound::{date_is_acceptable, message_of, open_tagged};
use super::outbound::{finish_body, start_body};
use super::payload::{self, Blocks, Received};
use super::{SessionError, padding};

const PROTOCOL: &[u8] = b"Noise_N_25519_ChaChaPoly_SHA256";
/// Bytes around the payload to a router.
const ROUTER_OVERHEAD: usize = 32 + aead::TAG_LEN;
/// Bytes around the payload under a one-time key.
const ONE_TIME_OVERHEAD: usize = 8 + aead::TAG_LEN;

fn start(router: &PublicKey, ephemeral: &PublicKey) -> SymmetricState {
    let mut state = SymmetricState::new(PROTOCOL);
    state.mix_prologue(&[]);
    state.mix_hash(&router.0);
    state.mix_hash(&ephemeral.0);
    state
}

/// Writes `cloves` to the router with encryption key `to`: body of an I2NP Garlic message.
///
/// # Errors
/// `TooLarge`, `WeakKey`.
pub(crate) fn seal(now: Now, to: &PublicKey, cloves: &[GarlicClove], rng: &mut dyn CryptoRng) -> Result<Bytes, SessionError> {
    payload::check_size(cloves)?;
    let ephemeral = PrivateKey::generate(rng);
    let mut state = start(to, &ephemeral.public());
    state.mix_key(ephemeral.diffie_hellman(to).map_err(|_| SessionError::WeakKey)?.as_bytes());
    let payload = Blocks::handshake(Some(now.date.to_seconds_rounded()), cloves)
        .padded(&[], |len| padding::choose(len + ROUTER_OVERHEAD, rng));
    let mut body = start_body();
    body.extend_from_slice(&ephemeral.public().0);
    let at = body.len();
    body.extend_from_slice(&payload);
    state.encrypt_and_hash(&mut body, at);
    Ok(finish_body(body))
}

/// The key used once with which the body of an I2NP Garlic message to a router begins: what repetitions are known by, whatever the message
/// around is called.
pub(crate) fn ephemeral(body: &[u8]) -> Option<[u8; 32]> {
    message_of(body).ok()?.first_chunk().copied()
}

/// Opens the body of an I2NP Garlic message to our router. The date has the window of new sessions; the caller looks for repetitions by
/// [`ephemeral`].
///
/// # Errors
/// `Truncated`, `Undecryptable`, `Malformed`, `Clock`.
pub(crate) fn open(now: Now, own: &PrivateKey, body: &[u8]) -> Result<Vec<GarlicClove>, SessionError> {
    let mut message = message_of(body)?.to_vec();
    let (ephemeral, payload) = message.split_first_chunk_mut::<32>().ok_or(SessionError::Truncated)?;
    let ephemeral = PublicKey(*ephemeral);
    let mut state = start(&own.public(), &ephemeral);
    state.mix_key(own.diffie_hellman(&ephemeral).map_err(|_| SessionError::Undecryptable)?.as_bytes());
    state.decrypt_and_hash(payload).map_err(|_| SessionError::Undecryptable)?;
    let received = Received::parse(message, 32)?;
    let date = received.date.ok_or(SessionError::Malformed)?;
    if !date_is_acceptable(now, date) {
        return Err(SessionError::Clock);
    }
    Ok(received.cloves)
}

/// Writes `clove` under a one-time key: body of an I2NP Garlic message.
///
/// # Errors
/// `TooLarge`.
pub(crate) fn seal_one_time(
    key: &[u8; 32],
    tag: SessionTag,
    clove: &GarlicClove,
    rng: &mut dyn CryptoRng,
) -> Result<Bytes, SessionError> {
    let cloves = std::slice::from_ref(clove);
    payload::check_size(cloves)?;
    let payload = Blocks::handshake(None, cloves).padded(&[], |len| padding::choose(len + ONE_TIME_OVERHEAD, rng));
    let mut body = start_body();
    body.extend_from_slice(&tag.0);
    let at = body.len();
    body.extend_from_slice(&payload);
    aead::Key::new(key).seal_from(aead::nonce(0), &tag.0, &mut body, at);
    Ok(finish_body(body))
}

/// The tag with which a Garlic body begins, to find its one-time key by.
pub(crate) fn leading_tag(body: &[u8]) -> Option<SessionTag> {
    tag_of(message_of(body).ok()?)
}

/// Opens a body written under a one-time key.
///
/// # Errors
/// `Truncated`, `Undecryptable`, `Malformed`.
pub(crate) fn open_one_time(key: &[u8; 32], body: &[u8]) -> Result<Vec<GarlicClove>, SessionError> {
    let message = message_of(body)?.to_vec();
    let tag = tag_of(&message).ok_or(SessionError::Truncated)?;
    Ok(open_tagged(key, 0, &tag, message)?.cloves)
}
