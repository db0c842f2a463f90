//! [`DestinationKeys`]: a destination with its private keys, as files and SAM hold them.

use std::fmt;

use ramson_crypto::{CryptoRng, ed25519};
use zeroize::Zeroizing;

use crate::base64;
use crate::certificate::{ENCRYPTION_ELGAMAL, ENCRYPTION_X25519};
use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader};
use crate::identity::{Destination, SigningPublicKey};

/// destination · encryption private key (256 bytes for type 0, 32 for type 4) · signing private key 32.
///
/// The encryption key is kept as it is but not in use: LeaseSets carry their own. Errors: `Truncated`, `Trailing`, `Unsupported` for
/// other signature types than Ed25519, other encryption types, and offline keys (whose mark is a signing key of zeros), `Invalid` if the
/// signing key isn't the destination's. Source: SAM v3, "Destination keys"; common structures, "PrivateKeyFile".
pub struct DestinationKeys {
    destination: Destination,
    encryption: Zeroizing<Vec<u8>>,
    signing: ed25519::SigningKey,
}

impl DestinationKeys {
    /// New keys. The destination's encryption field is of the unused type 0, its private key zeros.
    pub fn generate(rng: &mut dyn CryptoRng) -> DestinationKeys {
        let signing = ed25519::SigningKey::generate(rng);
        let destination = Destination::new(&signing.public(), rng);
        DestinationKeys { destination, encryption: Zeroizing::new(vec![0; 256]), signing }
    }

    /// The public part.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Signs LeaseSets and stream packets.
    pub fn signing_key(&self) -> &ed25519::SigningKey {
        &self.signing
    }

    /// Reads the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<DestinationKeys, DecodeError> {
        let mut r = Reader::new(bytes);
        let destination = Destination::decode(&mut r)?;
        let length = match destination.encryption_type() {
            ENCRYPTION_ELGAMAL => 256,
            ENCRYPTION_X25519 => 32,
            _ => return Err(r.error(DecodeErrorKind::Unsupported, "encryption key")),
        };
        let SigningPublicKey::Ed25519(public) = *destination.signing_key() else {
            return Err(r.error(DecodeErrorKind::Unsupported, "signing key"));
        };
        let encryption = Zeroizing::new(r.take(length, "encryption key")?.to_vec());
        let seed = Zeroizing::new(r.array::<32>("signing key")?);
        if *seed == [0; 32] {
            return Err(r.error(DecodeErrorKind::Unsupported, "offline keys"));
        }
        r.finish()?;
        let signing = ed25519::SigningKey::from_seed(&seed);
        if signing.public() != public {
            return Err(r.error(DecodeErrorKind::Invalid, "signing key"));
        }
        Ok(DestinationKeys { destination, encryption, signing })
    }

    /// Writes the binary form.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let length = self.destination.encoded_len() + self.encryption.len() + 32;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(self.destination.bytes());
        bytes.extend_from_slice(&self.encryption);
        bytes.extend_from_slice(self.signing.seed().as_slice());
        bytes
    }

    /// Reads the text that SAM clients keep.
    pub fn from_base64(text: &str) -> Result<DestinationKeys, DecodeError> {
        let bytes = Zeroizing::new(base64::decode(text)?);
        DestinationKeys::from_bytes(&bytes)
    }

    /// Writes that text.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(base64::encode(&self.to_bytes()))
    }
}

impl fmt::Debug for DestinationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DestinationKeys")
    }
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;

    use super::*;

    #[test]
    fn both_ways() {
        let keys = DestinationKeys::generate(&mut SeededRng::new([1; 32]));
        let bytes = keys.to_bytes();
        assert_eq!(bytes.len(), 391 + 256 + 32);
        let read = DestinationKeys::from_base64(&keys.to_base64()).unwrap();
        assert_eq!(read.destination(), keys.destination());
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(format!("{keys:?}"), "DestinationKeys");
    }

    #[test]
    fn refused_keys() {
        let bytes = DestinationKeys::generate(&mut SeededRng::new([2; 32])).to_bytes();
        let kind = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = bytes.to_vec();
            change(&mut changed);
            DestinationKeys::from_bytes(&changed).unwrap_err().kind
        };
        assert_eq!(kind(&|b| b[391 + 256..].fill(0)), DecodeErrorKind::Unsupported);
        assert_eq!(kind(&|b| b[391 + 256] ^= 1), DecodeErrorKind::Invalid);
        assert_eq!(kind(&|b| b.push(0)), DecodeErrorKind::Trailing);
        assert_eq!(kind(&|b| b.truncate(678)), DecodeErrorKind::Truncated);
        assert_eq!(kind(&|b| b[388] = 1), DecodeErrorKind::Unsupported);
        assert_eq!(kind(&|b| b[390] = 9), DecodeErrorKind::Unsupported);
    }

    #[test]
    fn keys_of_encryption_type_4() {
        let keys = DestinationKeys::generate(&mut SeededRng::new([3; 32]));
        let mut bytes = keys.to_bytes().to_vec();
        bytes[390] = 4;
        bytes.drain(391..391 + 224);
        let read = DestinationKeys::from_bytes(&bytes).unwrap();
        assert_eq!(*read.to_bytes(), bytes);
    }
}
