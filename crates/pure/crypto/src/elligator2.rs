//! Elligator2: public keys that look like random bytes, in the ephemeral keys of ratchet New Session messages.
//!
//! About half of all keys have a representative, so keys for this are drawn until one does. A representative is a
//! field element of at most (p − 1) / 2 with two square roots to choose from and two unused top bits; both are random
//! here, and the top bits are masked when decoding.
//!
//! Torsion: [`generate`] makes *clean* points, of prime order, as X25519 does and as the Java router and i2pd do.
//! Somebody who decodes many representatives can therefore tell them from random strings, which would need points with a random small-order
//! component ("dirty", as obfs4 makes them). But a router that alone does better is told from all
//! others by the first message whose point isn't of prime order, and the last hop of a tunnel sees these messages. So we do
//! as the network does. It also keeps `private.public()` equal to the decoded representative, which is what the transcript hashes.
//!
//! Source: ECIES-X25519-AEAD-Ratchet, "Elligator2"; Bernstein, Hamburg, Krasnova, Lange: "Elligator", section 5.

use rand_core::CryptoRng;

use crate::x25519::{PrivateKey, PublicKey};
use crate::{count, rng};

/// A new key pair that has a representative, and one of its representatives, ready for the wire.
#[must_use]
pub fn generate(rng: &mut dyn CryptoRng) -> (PrivateKey, [u8; 32]) {
    loop {
        let private = PrivateKey::generate(rng);
        if let Some(representative) = encode(&private.public(), rng) {
            return (private, representative);
        }
    }
}

/// A representative of `key`, with random form and random top bits, or `None` for the half of all keys that have none.
#[must_use]
pub fn encode(key: &PublicKey, rng: &mut dyn CryptoRng) -> Option<[u8; 32]> {
    let [tweak] = rng::bytes(rng);
    encode_with(key, tweak)
}

/// The key of a representative. Every string is one; the top two bits don't count.
#[must_use]
pub fn decode(representative: &[u8; 32]) -> PublicKey {
    count!(elligator_decodings: 1);
    PublicKey(elligator2::from_representative(representative))
}

/// Bit 0 of `tweak` chooses the form, bits 6 and 7 become the top bits.
pub(crate) fn encode_with(key: &PublicKey, tweak: u8) -> Option<[u8; 32]> {
    count!(elligator_encodings: 1);
    elligator2::to_representative(&key.0, tweak)
}
