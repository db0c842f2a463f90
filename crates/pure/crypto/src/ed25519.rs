//! Ed25519 signatures (RFC 8032), without context or prehash: I2P signature type 7.

use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{CryptoError, count, opaque_debug, rng};

/// A verifying key, 32 bytes. Whether they are a curve point shows at verification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The bytes as on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks `signature` over `message`: cofactorless, with `s` below the group order.
    ///
    /// # Errors
    /// `BadSignature`, also when the key is no curve point.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), CryptoError> {
        count!(verifications: 1);
        signature::UnparsedPublicKey::new(&signature::ED25519, &self.0)
            .verify(message, &signature.0)
            .map_err(|_| CryptoError::BadSignature)
    }
}

/// A signature, `R ‖ s`, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// The bytes as on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// A signing key with its expanded form and public key.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key out of `rng`.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_seed(&Zeroizing::new(rng::bytes(rng)))
    }

    /// The key of this seed (RFC 8032 calls it the private key); every value is one.
    #[must_use]
    #[expect(clippy::expect_used, reason = "every 32-byte seed is hashed into a valid scalar")]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        count!(signing_keys: 1);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are an Ed25519 seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { seed: Zeroizing::new(*seed), pair, public: PublicKey(public) }
    }

    /// The seed the key was made from.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The verifying key, computed once at birth.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs `message`; the same message gives the same signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        count!(signatures: 1);
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        Signature(bytes)
    }
}

opaque_debug!(PublicKey, Signature, SigningKey);
