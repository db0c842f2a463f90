//! What others seal for a router's key, by Noise N: build records, and garlic to routers. Written here once more, since a judge who opens
//! with the judged one's own hands would not notice what both do wrong.

use ramson_crypto::noise::SymmetricState;
use ramson_crypto::x25519::{PrivateKey, PublicKey};

const PROTOCOL: &[u8] = b"Noise_N_25519_ChaChaPoly_SHA256";

fn start(to: &PublicKey, ephemeral: &PublicKey) -> SymmetricState {
    let mut state = SymmetricState::new(PROTOCOL);
    state.mix_prologue(&[]);
    state.mix_hash(&to.0);
    state.mix_hash(&ephemeral.0);
    state
}

/// Opens a key of 32 bytes and what is sealed behind it.
pub(super) fn open(sealed: &[u8], key: &PrivateKey) -> Option<Vec<u8>> {
    let (ephemeral, sealed) = sealed.split_first_chunk::<32>()?;
    let ephemeral = PublicKey(*ephemeral);
    let mut state = start(&key.public(), &ephemeral);
    state.mix_key(key.diffie_hellman(&ephemeral).ok()?.as_bytes());
    let mut text = sealed.to_vec();
    Some(state.decrypt_and_hash(&mut text).ok()?.to_vec())
}

/// The other way round.
#[cfg(test)]
pub(super) fn seal(clear: &[u8], to: &PublicKey, rng: &mut dyn ramson_crypto::CryptoRng) -> Vec<u8> {
    let ephemeral = PrivateKey::generate(rng);
    let mut state = start(to, &ephemeral.public());
    state.mix_key(ephemeral.diffie_hellman(to).unwrap().as_bytes());
    let mut sealed = ephemeral.public().0.to_vec();
    sealed.extend_from_slice(clear);
    state.encrypt_and_hash(&mut sealed, 32);
    sealed
}
