//! The symmetric state of a Noise handshake with X25519, ChaCha20-Poly1305 and SHA-256.
//!
//! I2P's handshakes are XK (NTCP2, SSU2), IK (ratchet) and N (tunnel build records, messages to routers), each with
//! steps no Noise library has: padding and headers mixed into the hash, ephemeral keys hidden on the wire, extra derivations from the
//! chaining key. So the patterns are spelled out where they are used and share only this state.
//! Source: The Noise Protocol Framework, "The SymmetricState object".

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::aead::{self, nonce};
use crate::kdf::hkdf_pair;
use crate::{CryptoError, opaque_debug, sha256, sha256_parts};

/// Handshake hash `h`, chaining key `ck`, cipher key `k` (after the first [`mix_key`](Self::mix_key)) and nonce `n`.
///
/// The one secret type with `Clone`: an initiator of the ratchet answers each of several replies from the state after its own message.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SymmetricState {
    hash: [u8; 32],
    chaining_key: [u8; 32],
    key: Option<Zeroizing<[u8; 32]>>,
    counter: u64,
}

impl SymmetricState {
    /// `h = ck =` the protocol name, padded with zeros to 32 bytes, or its SHA-256 if it is longer.
    /// Every I2P handshake goes on with `mix_prologue(&[])`.
    #[must_use]
    pub fn new(protocol_name: &[u8]) -> Self {
        let mut hash = [0; 32];
        match hash.get_mut(..protocol_name.len()) {
            Some(start) => start.copy_from_slice(protocol_name),
            None => hash = sha256(protocol_name),
        }
        Self { hash, chaining_key: hash, key: None, counter: 0 }
    }

    /// Hashes the prologue, which must be done once even if it is empty.
    pub fn mix_prologue(&mut self, prologue: &[u8]) {
        self.mix_hash(prologue);
    }

    /// `h = SHA-256(h ‖ data)`.
    pub fn mix_hash(&mut self, data: &[u8]) {
        self.hash = sha256_parts(&[&self.hash, data]);
    }

    /// `ck, k = HKDF(ck, ikm)`, `n = 0`.
    pub fn mix_key(&mut self, ikm: &[u8]) {
        let (chaining_key, key) = hkdf_pair(&self.chaining_key, ikm, &[]);
        self.chaining_key = chaining_key;
        self.key = Some(Zeroizing::new(key));
        self.counter = 0;
    }

    /// Encrypts `buf[start..]` in place with `h` as associated data, appends the tag, and hashes the ciphertext.
    /// Before the first `mix_key` there is no key and the text stays clear, as Noise has it.
    pub fn encrypt_and_hash(&mut self, buf: &mut Vec<u8>, start: usize) {
        if let Some(key) = &self.key {
            aead::Key::new(key).seal_from(nonce(self.counter), &self.hash, buf, start);
            self.counter += 1;
        }
        self.mix_hash(buf.get(start..).unwrap_or_default());
    }

    /// Opens `buf` = ciphertext ‖ tag in place with `h` as associated data, hashes the ciphertext, and returns the
    /// plaintext part. Before the first `mix_key` there is no key and the text is clear, as Noise has it.
    ///
    /// # Errors
    /// `BadTag`; the state is unchanged then, the contents of `buf` are lost.
    pub fn decrypt_and_hash<'a>(&mut self, buf: &'a mut [u8]) -> Result<&'a mut [u8], CryptoError> {
        let next = sha256_parts(&[&self.hash, buf]);
        let text = match &self.key {
            Some(key) => aead::Key::new(key).open(nonce(self.counter), &self.hash, buf)?,
            None => {
                self.hash = next;
                return Ok(buf);
            }
        };
        self.counter += 1;
        self.hash = next;
        Ok(text)
    }

    /// The handshake hash `h`.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The chaining key `ck`, a secret.
    #[must_use]
    pub fn chaining_key(&self) -> &[u8; 32] {
        &self.chaining_key
    }

    /// The two transport keys: initiator to responder, responder to initiator.
    #[must_use]
    pub fn split(&self) -> ([u8; 32], [u8; 32]) {
        self.derive(&[])
    }

    /// `HKDF(ck, "", info)` as two keys, for the derivations beside [`split`](Self::split).
    #[must_use]
    pub fn derive(&self, info: &[u8]) -> ([u8; 32], [u8; 32]) {
        hkdf_pair(&self.chaining_key, &[], info)
    }
}

opaque_debug!(SymmetricState);
