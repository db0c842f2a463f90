//! [`Certificate`] and the tables of key types.

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};

/// Signature type code of Ed25519, the only one we sign with and verify.
pub const SIGNATURE_ED25519: u16 = 7;
/// Encryption type code of ElGamal-2048: in destinations a field nobody uses any more.
pub const ENCRYPTION_ELGAMAL: u16 = 0;
/// Encryption type code of X25519.
pub const ENCRYPTION_X25519: u16 = 4;

const NULL: u8 = 0;
const KEY: u8 = 5;

/// Length of a signing public key by type code, `None` for codes we don't know.
/// Source: Common structures, "SigningPublicKey".
pub fn signing_key_len(code: u16) -> Option<usize> {
    Some(match code {
        0 => 128,
        1 => 64,
        2 => 96,
        3 => 132,
        4 => 256,
        5 => 384,
        6 => 512,
        7 | 8 | 11 => 32,
        _ => return None,
    })
}

/// Length of a signature by type code, `None` for codes we don't know. Source: Common structures, "Signature".
pub fn signature_len(code: u16) -> Option<usize> {
    Some(match code {
        0 => 40,
        1 | 7 | 8 | 11 => 64,
        2 => 96,
        3 => 132,
        4 => 256,
        5 => 384,
        6 => 512,
        _ => return None,
    })
}

/// Length of a signing private key by type code, `None` for codes we don't know. Source: Common structures, "SigningPrivateKey".
pub fn signing_private_len(code: u16) -> Option<usize> {
    Some(match code {
        0 => 20,
        1 | 7 | 8 | 11 => 32,
        2 => 48,
        3 => 66,
        4 => 512,
        5 => 768,
        6 => 1024,
        _ => return None,
    })
}

/// What an identity says about its keys: type 1 · length 2 · payload.
///
/// Types: 0 NULL (empty; DSA-SHA1 and ElGamal) and 5 KEY (signature type 2 · encryption type 2 · excess key bytes); 1 hashcash, 2 hidden,
/// 3 signed and 4 multiple were never in use but parse. Errors: `Truncated`, `Invalid` for a NULL certificate with payload.
/// Source: Common structures, "Certificate", "Key Certificates".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    kind: u8,
    payload: Vec<u8>,
}

impl Certificate {
    /// A KEY certificate without excess key bytes, 7 bytes.
    pub fn key(signature_type: u16, encryption_type: u16) -> Certificate {
        let mut w = Writer::with_capacity(4);
        w.u16(signature_type);
        w.u16(encryption_type);
        Certificate { kind: KEY, payload: w.into_vec() }
    }

    /// Type code.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// What follows the length.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Signature and encryption type codes. Errors: `Truncated` KEY payload, `Unsupported` for other types than NULL and KEY.
    pub fn key_types(&self) -> Result<(u16, u16), DecodeError> {
        match self.kind {
            NULL => Ok((0, ENCRYPTION_ELGAMAL)),
            KEY => {
                let mut r = Reader::new(&self.payload);
                Ok((r.u16("signature type")?, r.u16("encryption type")?))
            }
            _ => Err(DecodeError::new(DecodeErrorKind::Unsupported, "Certificate type")),
        }
    }
}

impl Codec for Certificate {
    fn decode(r: &mut Reader<'_>) -> Result<Certificate, DecodeError> {
        let kind = r.u8("Certificate type")?;
        let payload = r.prefixed16("Certificate")?.to_vec();
        if kind == NULL && !payload.is_empty() {
            return Err(r.error(DecodeErrorKind::Invalid, "Certificate"));
        }
        Ok(Certificate { kind, payload })
    }

    fn encode(&self, w: &mut Writer) {
        w.u8(self.kind);
        w.prefixed16(&self.payload);
    }

    fn encoded_len(&self) -> usize {
        3 + self.payload.len()
    }
}
