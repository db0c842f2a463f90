//! [`OfflineKey`]: a short-lived signing key, approved by a destination whose own key is kept elsewhere.

use std::fmt;

use bytes::Bytes;

use crate::certificate::{SIGNATURE_ED25519, signing_key_len};
use crate::codec::{DecodeError, DecodeErrorKind, Reader, Writer};
use crate::identity::SigningPublicKey;
use crate::signed::SignatureError;
use crate::time::Seconds32;

/// Expiration 4 (s) · signature type 2 · transient public key · signature by the destination's key over those three.
///
/// Errors: `Truncated`, `Unsupported` for a transient or destination key of unknown length. Source: Common structures,
/// "OfflineSignature"; proposal 123.
#[derive(Clone, PartialEq, Eq)]
pub struct OfflineKey {
    bytes: Bytes,
    expires: Seconds32,
    transient: SigningPublicKey,
    signed_len: usize,
}

impl OfflineKey {
    /// Reads the block; its signature is as long as `signer`'s signatures are.
    pub fn decode(r: &mut Reader<'_>, signer: &SigningPublicKey) -> Result<OfflineKey, DecodeError> {
        let mut ahead = r.clone();
        let unsupported = r.error(DecodeErrorKind::Unsupported, "OfflineKey type");
        let expires = Seconds32(ahead.u32("OfflineKey expiration")?);
        let code = ahead.u16("OfflineKey type")?;
        let key = ahead.take(signing_key_len(code).ok_or(unsupported)?, "OfflineKey key")?;
        let transient = match (code, <[u8; 32]>::try_from(key)) {
            (SIGNATURE_ED25519, Ok(key)) => SigningPublicKey::Ed25519(ramson_crypto::ed25519::PublicKey(key)),
            _ => SigningPublicKey::Unsupported { code },
        };
        let signed_len = 6 + key.len();
        let length = signed_len + signer.signature_len().ok_or(unsupported)?;
        Ok(OfflineKey { bytes: r.take_bytes(length, "OfflineKey")?, expires, transient, signed_len })
    }

    /// Checks that `signer`, the destination's key, approved the transient key. Whether it has expired is for the caller to see.
    pub fn verify(&self, signer: &SigningPublicKey) -> Result<(), SignatureError> {
        let (signed, signature) = self.bytes.split_at_checked(self.signed_len).ok_or(SignatureError::Bad)?;
        signer.verify(signed, signature)
    }

    /// The key that signs in the destination's place.
    pub fn transient(&self) -> &SigningPublicKey {
        &self.transient
    }

    /// Until when.
    pub fn expires(&self) -> Seconds32 {
        self.expires
    }

    /// Original bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Appends the block.
    pub fn encode(&self, w: &mut Writer) {
        w.bytes(&self.bytes);
    }

    /// Length of the block.
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for OfflineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfflineKey")
    }
}

/// Makes an offline block as a destination's owner would, for tests.
#[cfg(test)]
pub(crate) fn approve(
    owner: &ramson_crypto::ed25519::SigningKey,
    transient: &ramson_crypto::ed25519::PublicKey,
    expires: Seconds32,
) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(expires.0);
    w.u16(SIGNATURE_ED25519);
    w.bytes(&transient.0);
    let signature = owner.sign(w.as_slice());
    w.bytes(&signature.0);
    w.into_vec()
}
