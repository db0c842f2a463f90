//! [`RouterIdentity`] and [`Destination`]: the keys by which routers and services are known.

use std::fmt;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, ed25519, rng, sha256, x25519};

use crate::certificate::{Certificate, ENCRYPTION_ELGAMAL, ENCRYPTION_X25519, SIGNATURE_ED25519, signature_len, signing_key_len};
use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::ids::{DestinationHash, RouterHash};
use crate::signed::SignatureError;
use crate::{base64, codec};

/// Length of the two key fields before the certificate.
const KEYS_LEN: usize = 384;
/// Length of the padding unit that is repeated, so that it compresses. Source: proposal 161.
const PADDING_UNIT: usize = 32;
/// Longest identity read: keys and a certificate that holds the excess of the largest known key twice over.
pub const MAX_IDENTITY_LEN: usize = 2048;

/// The key that signs for an identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SigningPublicKey {
    /// Type 7.
    Ed25519(ed25519::PublicKey),
    /// Any other type: parsed over, never verified.
    Unsupported {
        /// Signature type code.
        code: u16,
    },
}

impl SigningPublicKey {
    /// Signature type code.
    pub fn code(&self) -> u16 {
        match self {
            SigningPublicKey::Ed25519(_) => SIGNATURE_ED25519,
            SigningPublicKey::Unsupported { code } => *code,
        }
    }

    /// Length of this key's signatures, `None` for an unknown type.
    pub fn signature_len(&self) -> Option<usize> {
        signature_len(self.code())
    }

    /// Checks a signature. Errors: `Bad`, `Unsupported` for other types than Ed25519.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            SigningPublicKey::Ed25519(key) => {
                let signature = signature.try_into().map_err(|_| SignatureError::Bad)?;
                key.verify(message, &ed25519::Signature(signature)).map_err(|_| SignatureError::Bad)
            }
            SigningPublicKey::Unsupported { code } => Err(SignatureError::Unsupported { code: *code }),
        }
    }
}

impl fmt::Debug for SigningPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningPublicKey(type {})", self.code())
    }
}

/// Keys and certificate as they stand on the wire:
/// encryption key, left-aligned in 256 · padding · signing key, right-aligned to byte 384 · certificate.
///
/// The encryption field is 256 bytes and the signing field 128; shorter keys leave padding between them (X25519: bytes 0–31, Ed25519:
/// 352–383), longer ones continue in the certificate.
#[derive(Clone, PartialEq, Eq)]
struct KeysAndCert {
    bytes: Bytes,
    hash: [u8; 32],
    signing: SigningPublicKey,
    encryption_type: u16,
}

impl KeysAndCert {
    fn decode(r: &mut Reader<'_>) -> Result<KeysAndCert, DecodeError> {
        let mut ahead = r.clone();
        let keys: [u8; KEYS_LEN] = ahead.array("KeysAndCert")?;
        let certificate = Certificate::decode(&mut ahead)?;
        let (signature_type, encryption_type) = certificate.key_types()?;
        let length = KEYS_LEN + certificate.encoded_len();
        if length > MAX_IDENTITY_LEN {
            return Err(r.error(DecodeErrorKind::TooLong, "KeysAndCert"));
        }
        let excess = signing_key_len(signature_type).map_or(0, |n| n.saturating_sub(128));
        if certificate.kind() != 0 && certificate.payload().len() < 4 + excess {
            return Err(r.error(DecodeErrorKind::Truncated, "Certificate"));
        }
        let signing = match (signature_type, keys.last_chunk::<32>()) {
            (SIGNATURE_ED25519, Some(key)) => SigningPublicKey::Ed25519(ed25519::PublicKey(*key)),
            _ => SigningPublicKey::Unsupported { code: signature_type },
        };
        let bytes = r.take_bytes(length, "KeysAndCert")?;
        Ok(KeysAndCert { hash: sha256(&bytes), bytes, signing, encryption_type })
    }

    /// Builds the wire form; `encryption_key` is empty for a destination.
    fn build(encryption_key: &[u8], encryption_type: u16, signing: &ed25519::PublicKey, rng: &mut dyn CryptoRng) -> KeysAndCert {
        let unit: [u8; PADDING_UNIT] = rng::bytes(rng);
        let padding = KEYS_LEN - 32 - encryption_key.len();
        let mut w = Writer::with_capacity(KEYS_LEN + 7);
        w.bytes(encryption_key);
        for byte in unit.iter().cycle().take(padding) {
            w.u8(*byte);
        }
        w.bytes(&signing.0);
        w.put(&Certificate::key(SIGNATURE_ED25519, encryption_type));
        let bytes = Bytes::from(w.into_vec());
        KeysAndCert { hash: sha256(&bytes), bytes, signing: SigningPublicKey::Ed25519(*signing), encryption_type }
    }
}

/// A router's keys, 391 bytes: X25519 key 32 · padding 320 · Ed25519 key 32 · certificate 7. Keeps its original bytes.
///
/// Errors: `Truncated`, `Unsupported` for other keys than X25519 (type 4) and Ed25519 (type 7): such routers are gone from the network and
/// nobody can build tunnels through them. Source: Common structures, "RouterIdentity"; proposal 156.
#[derive(Clone, PartialEq, Eq)]
pub struct RouterIdentity {
    keys: KeysAndCert,
    encryption: x25519::PublicKey,
}

impl RouterIdentity {
    /// An identity with fresh padding: 32 random bytes, repeated, so that it compresses and yet is nobody else's (proposal 161).
    pub fn new(encryption: &x25519::PublicKey, signing: &ed25519::PublicKey, rng: &mut dyn CryptoRng) -> RouterIdentity {
        let keys = KeysAndCert::build(&encryption.0, ENCRYPTION_X25519, signing, rng);
        RouterIdentity { keys, encryption: *encryption }
    }

    /// Original bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.keys.bytes
    }

    /// SHA-256 of the bytes.
    pub fn hash(&self) -> RouterHash {
        RouterHash(self.keys.hash)
    }

    /// Key that signs the RouterInfo; always Ed25519.
    pub fn signing_key(&self) -> &SigningPublicKey {
        &self.keys.signing
    }

    /// Key for build records and router garlic.
    pub fn encryption_key(&self) -> x25519::PublicKey {
        self.encryption
    }
}

impl Codec for RouterIdentity {
    fn decode(r: &mut Reader<'_>) -> Result<RouterIdentity, DecodeError> {
        let at = r.clone();
        let keys = KeysAndCert::decode(r)?;
        let usable = keys.encryption_type == ENCRYPTION_X25519 && keys.signing.code() == SIGNATURE_ED25519;
        match keys.bytes.first_chunk::<32>().copied() {
            Some(key) if usable => Ok(RouterIdentity { encryption: x25519::PublicKey(key), keys }),
            _ => Err(at.error(DecodeErrorKind::Unsupported, "RouterIdentity")),
        }
    }

    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.keys.bytes);
    }

    fn encoded_len(&self) -> usize {
        self.keys.bytes.len()
    }
}

impl fmt::Debug for RouterIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouterIdentity")
    }
}

/// A service's or client's keys, 387 bytes and more: encryption field (unused since LeaseSet2) · padding · signing key · certificate.
/// Keeps its original bytes. Any signature and encryption type parses; only Ed25519 verifies.
///
/// Errors: `Truncated`, `Unsupported` for a certificate other than NULL and KEY, `TooLong` over [`MAX_IDENTITY_LEN`].
/// Source: Common structures, "Destination".
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    keys: KeysAndCert,
}

impl Destination {
    /// A destination of 391 bytes with encryption type 0, whose unused field is padding like the rest: 32 random bytes, repeated
    /// (proposal 161). Java I2P refuses other encryption types here.
    pub fn new(signing: &ed25519::PublicKey, rng: &mut dyn CryptoRng) -> Destination {
        Destination { keys: KeysAndCert::build(&[], ENCRYPTION_ELGAMAL, signing, rng) }
    }

    /// Original bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.keys.bytes
    }

    /// SHA-256 of the bytes.
    pub fn hash(&self) -> DestinationHash {
        DestinationHash(self.keys.hash)
    }

    /// Key that signs LeaseSets, stream packets and datagrams.
    pub fn signing_key(&self) -> &SigningPublicKey {
        &self.keys.signing
    }

    /// Encryption type code of the certificate.
    pub fn encryption_type(&self) -> u16 {
        self.keys.encryption_type
    }

    /// Text as in address books and SAM.
    pub fn to_base64(&self) -> String {
        base64::encode(&self.keys.bytes)
    }

    /// Reads the text. Errors: as for decoding, and `Text`.
    pub fn from_base64(text: &str) -> Result<Destination, DecodeError> {
        let bytes = base64::decode(text)?;
        codec::Codec::from_shared(&Bytes::from(bytes))
    }
}

impl Codec for Destination {
    fn decode(r: &mut Reader<'_>) -> Result<Destination, DecodeError> {
        Ok(Destination { keys: KeysAndCert::decode(r)? })
    }

    fn encode(&self, w: &mut Writer) {
        w.bytes(&self.keys.bytes);
    }

    fn encoded_len(&self) -> usize {
        self.keys.bytes.len()
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Destination")
    }
}
