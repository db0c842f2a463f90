//! X25519 key agreement (RFC 7748).

use aws_lc_rs::agreement;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{CryptoError, count, opaque_debug, rng};

/// A u-coordinate, 32 bytes little-endian, as it is on the wire. Any 32 bytes are a key; the top bit is ignored
/// in key agreement but kept here, since transcripts hash what was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The bytes as on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A private scalar, kept as given and clamped in use, with its public key.
///
/// Making one costs a fixed-base multiplication (about a third of a key agreement): keep the object.
pub struct PrivateKey {
    bytes: Zeroizing<[u8; 32]>,
    agreement: agreement::PrivateKey,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key out of `rng`.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_bytes(&Zeroizing::new(rng::bytes(rng)))
    }

    /// The key of these 32 bytes; every value is one.
    #[must_use]
    #[expect(clippy::expect_used, reason = "neither call can refuse 32 bytes: clamping makes any of them a valid scalar")]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        count!(key_generations: 1);
        let agreement =
            agreement::PrivateKey::from_private_key(&agreement::X25519, bytes).expect("32 bytes are an X25519 scalar");
        let computed = agreement.compute_public_key().expect("an X25519 scalar has a public key");
        let mut public = [0; 32];
        public.copy_from_slice(computed.as_ref());
        Self { bytes: Zeroizing::new(*bytes), agreement, public: PublicKey(public) }
    }

    /// The bytes the key was made from.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.bytes.clone()
    }

    /// The public key, computed once at birth.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret shared with the owner of `peer`.
    ///
    /// # Errors
    /// `WeakKey` if the secret is all zero, which only a point of small order gives: such a peer would know
    /// the secret without our key.
    pub fn diffie_hellman(&self, peer: &PublicKey) -> Result<SharedSecret, CryptoError> {
        count!(key_agreements: 1);
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, &peer.0);
        agreement::agree(&self.agreement, peer, CryptoError::WeakKey, |secret| {
            let secret = secret.first_chunk::<32>().ok_or(CryptoError::WeakKey)?;
            Ok(SharedSecret(Zeroizing::new(*secret)))
        })
    }
}

/// The result of a key agreement: 32 bytes, to go through a key derivation before any other use.
pub struct SharedSecret(Zeroizing<[u8; 32]>);

impl SharedSecret {
    /// The secret bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

opaque_debug!(PublicKey, PrivateKey, SharedSecret);
