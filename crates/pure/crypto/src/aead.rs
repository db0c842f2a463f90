//! ChaCha20-Poly1305 (RFC 8439).

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::{CryptoError, count, opaque_debug};

/// Length of the authentication tag that follows the ciphertext, in bytes.
pub const TAG_LEN: usize = 16;

/// A prepared key, wiped on drop. The caller answers for never using a nonce twice.
pub struct Key(LessSafeKey);

impl Key {
    /// Prepares `key`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the only refusal is a wrong key length")]
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes are a ChaCha20-Poly1305 key");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts the whole of `buf` in place and appends the tag.
    pub fn seal(&self, nonce: [u8; 12], ad: &[u8], buf: &mut Vec<u8>) {
        self.seal_from(nonce, ad, buf, 0);
    }

    /// Encrypts `buf[start..]` in place and appends the tag; what stands before `start` (a header, say) is left alone.
    /// A `start` beyond the end means an empty plaintext.
    #[expect(clippy::expect_used, reason = "the only refusal is a plaintext of 256 GiB or more")]
    pub fn seal_from(&self, nonce: [u8; 12], ad: &[u8], buf: &mut Vec<u8>, start: usize) {
        let text = buf.get_mut(start..).unwrap_or_default();
        count!(aead_calls: 1, aead_bytes: text.len());
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(ad), text)
            .expect("plaintext is below 256 GiB");
        buf.extend_from_slice(tag.as_ref());
    }

    /// Opens `buf` = ciphertext ‖ tag in place and returns the plaintext part.
    ///
    /// # Errors
    /// `BadTag`, also when `buf` is shorter than a tag. The contents of `buf` are lost then:
    /// keep a copy to try another key.
    pub fn open<'a>(&self, nonce: [u8; 12], ad: &[u8], buf: &'a mut [u8]) -> Result<&'a mut [u8], CryptoError> {
        count!(aead_calls: 1, aead_bytes: buf.len().saturating_sub(TAG_LEN));
        self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(ad), buf).map_err(|_| CryptoError::BadTag)
    }
}

opaque_debug!(Key);

/// The nonce of message number `counter`: 4 zero bytes ‖ counter 8, little-endian.
/// Source: Noise Protocol Framework, "Cipher functions"; NTCP2, SSU2 and ECIES use the same.
#[must_use]
pub fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}
