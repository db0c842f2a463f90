//! [`LeaseSet2`]: where a destination can be reached for the next minutes, and with which keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{ed25519, x25519};

use crate::certificate::ENCRYPTION_X25519;
use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::identity::{Destination, SigningPublicKey};
use crate::ids::{RouterHash, TunnelId};
use crate::mapping::Mapping;
use crate::offline::OfflineKey;
use crate::signed::{SignError, SignatureError, Unverified};
use crate::time::{Date, Seconds32};

/// Longest LeaseSet2. i2pd takes 8192 bytes where it knows post-quantum keys, else 4096.
pub const MAX_LEASE_SET_LEN: usize = 8192;
/// Most leases. Source: Common structures, "LeaseSet2".
pub const MAX_LEASES: usize = 16;
/// Most encryption keys read. Java I2P refuses more than 8, so we write no more than that.
pub const MAX_KEYS: usize = 16;
/// Most encryption keys written.
const MAX_OWN_KEYS: usize = 8;

/// netDb store type of a LeaseSet2; also the first byte under its signature.
const STORE_TYPE: u8 = 3;
const FLAG_OFFLINE: u16 = 1;
const FLAG_UNPUBLISHED: u16 = 2;

/// One way in: gateway 32 · tunnel id 4 · end 4 (s), 40 bytes. Source: Common structures, "Lease2".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Router at the tunnel's start.
    pub gateway: RouterHash,
    /// The tunnel there.
    pub tunnel: TunnelId,
    /// When the tunnel ends; whole seconds on the wire, rounded down.
    pub end: Date,
}

impl Codec for Lease {
    fn decode(r: &mut Reader<'_>) -> Result<Lease, DecodeError> {
        let gateway = RouterHash::decode(r)?;
        let tunnel = TunnelId::decode(r)?;
        Ok(Lease { gateway, tunnel, end: Seconds32(r.u32("Lease2 end")?).to_date() })
    }

    fn encode(&self, w: &mut Writer) {
        w.put(&self.gateway);
        w.put(&self.tunnel);
        w.u32(self.end.to_seconds_floor().0);
    }

    fn encoded_len(&self) -> usize {
        40
    }
}

/// Leases and keys of a destination, signed by it; cheap to clone:
/// destination · published 4 (s) · expires 2 (s after published) · flags 2 · [offline block] · options (mapping) · key count 1 · keys
/// (type 2 · length 2 · key) · lease count 1 · leases 40 each · signature.
///
/// Flags: bit 0 offline block present, bit 1 unpublished, bit 2 published encrypted elsewhere. The signature covers the byte 3 and then
/// everything before it; with an offline block it is the transient key's. Keys of unknown types are kept and skipped by their length.
/// Keeps the original bytes.
///
/// Errors: `Truncated`, `Trailing`, `TooLong` over [`MAX_LEASE_SET_LEN`], [`MAX_LEASES`] or [`MAX_KEYS`], `Invalid` without a key or for a
/// lease of tunnel 0, `Unsupported` for signatures of unknown length, and those of [`Mapping`].
/// Source: Common structures, "LeaseSet2".
#[derive(Clone)]
pub struct LeaseSet2(Arc<Parsed>);

struct Parsed {
    bytes: Bytes,
    destination: Destination,
    published: Seconds32,
    expires_after: u16,
    flags: u16,
    offline: Option<OfflineKey>,
    options: Mapping,
    keys: Vec<(u16, Bytes)>,
    leases: Vec<Lease>,
    signed_len: usize,
}

/// What goes into a LeaseSet2 of our own, to be signed by [`LeaseSet2::sign`].
#[derive(Clone, Debug)]
pub struct LeaseSet2Builder {
    /// Whose.
    pub destination: Destination,
    /// Time of signing, in seconds: floodfills drop what isn't newer than the last one.
    pub published: Seconds32,
    /// How long it counts, whole seconds up to 65535. Receivers refuse more than about 12 minutes.
    pub lifetime: Duration,
    /// Not to be stored at floodfills, only given to peers.
    pub unpublished: bool,
    /// Usually empty; service records otherwise.
    pub options: Mapping,
    /// The key for garlic messages; type 4.
    pub key: x25519::PublicKey,
    /// Further keys (type, bytes), less preferred.
    pub more_keys: Vec<(u16, Vec<u8>)>,
    /// At most [`MAX_LEASES`].
    pub leases: Vec<Lease>,
}

impl Unverified<LeaseSet2> {
    /// Parses without looking at the signature. Shares `bytes`: give it an allocation of its own if it will be kept.
    pub fn parse(bytes: Bytes) -> Result<Unverified<LeaseSet2>, DecodeError> {
        Parsed::parse(bytes).map(|parsed| Unverified(LeaseSet2(Arc::new(parsed))))
    }

    /// Checks the signature, and with an offline block also the destination's approval of the transient key (not its expiration: see
    /// [`LeaseSet2::offline`]). Errors: `Bad`, `Unsupported`.
    pub fn verify(self) -> Result<LeaseSet2, SignatureError> {
        let parsed = &self.0.0;
        let mut key = parsed.destination.signing_key();
        if let Some(offline) = &parsed.offline {
            offline.verify(key)?;
            key = offline.transient();
        }
        let (signed, signature) = parsed.bytes.split_at_checked(parsed.signed_len).ok_or(SignatureError::Bad)?;
        key.verify(&[&[STORE_TYPE], signed].concat(), signature)?;
        Ok(self.0)
    }

    /// Whose it claims to be.
    pub fn destination(&self) -> &Destination {
        self.0.destination()
    }

    /// Original bytes.
    pub fn bytes(&self) -> &Bytes {
        self.0.bytes()
    }

    /// Claimed time of signing, to drop what is old before checking.
    pub fn published(&self) -> Date {
        self.0.published()
    }
}

impl Parsed {
    fn parse(bytes: Bytes) -> Result<Parsed, DecodeError> {
        if bytes.len() > MAX_LEASE_SET_LEN {
            return Err(DecodeError::new(DecodeErrorKind::TooLong, "LeaseSet2"));
        }
        let mut r = Reader::shared(&bytes);
        let destination = Destination::decode(&mut r)?;
        let published = Seconds32(r.u32("LeaseSet2 published")?);
        let expires_after = r.u16("LeaseSet2 expires")?;
        let flags = r.u16("LeaseSet2 flags")?;
        let has_offline = flags & FLAG_OFFLINE != 0;
        let offline = has_offline.then(|| OfflineKey::decode(&mut r, destination.signing_key())).transpose()?;
        let options = Mapping::decode(&mut r)?;
        let keys = parse_keys(&mut r)?;
        let count = usize::from(r.u8("LeaseSet2 leases")?);
        if count > MAX_LEASES {
            return Err(r.error(DecodeErrorKind::TooLong, "LeaseSet2 leases"));
        }
        let leases = (0..count).map(|_| Lease::decode(&mut r)).collect::<Result<_, _>>()?;
        let signed_len = r.offset();
        let signer = offline.as_ref().map_or(destination.signing_key(), OfflineKey::transient);
        let unsupported = r.error(DecodeErrorKind::Unsupported, "LeaseSet2 signature");
        r.take(signer.signature_len().ok_or(unsupported)?, "LeaseSet2 signature")?;
        r.finish()?;
        Ok(Parsed { destination, published, expires_after, flags, offline, options, keys, leases, signed_len, bytes })
    }
}

fn parse_keys(r: &mut Reader<'_>) -> Result<Vec<(u16, Bytes)>, DecodeError> {
    let count = usize::from(r.u8("LeaseSet2 keys")?);
    if count == 0 {
        return Err(r.error(DecodeErrorKind::Invalid, "LeaseSet2 keys"));
    }
    if count > MAX_KEYS {
        return Err(r.error(DecodeErrorKind::TooLong, "LeaseSet2 keys"));
    }
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let code = r.u16("LeaseSet2 key type")?;
        let length = r.u16("LeaseSet2 key length")?;
        keys.push((code, r.take_bytes(usize::from(length), "LeaseSet2 key")?));
    }
    Ok(keys)
}

impl LeaseSet2 {
    /// Memory that it takes, estimated: what is read out of the bytes takes about as much again.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        size_of::<Parsed>() + 2 * self.0.bytes.len()
    }

    /// Signs a LeaseSet2 of our own with the destination's key. Errors: `WrongKey`, `TooLong` over a limit, `Invalid` for a lifetime over
    /// 65535 s.
    pub fn sign(builder: &LeaseSet2Builder, key: &ed25519::SigningKey) -> Result<LeaseSet2, SignError> {
        if *builder.destination.signing_key() != SigningPublicKey::Ed25519(key.public()) {
            return Err(SignError::WrongKey);
        }
        let keys = builder.more_keys.len() + 1;
        let long_key = builder.more_keys.iter().any(|(_, key)| key.len() > MAX_LEASE_SET_LEN);
        if builder.leases.len() > MAX_LEASES || keys > MAX_OWN_KEYS || long_key {
            return Err(SignError::TooLong);
        }
        let mut w = Writer::with_capacity(1024);
        w.u8(STORE_TYPE);
        w.put(&builder.destination);
        w.u32(builder.published.0);
        w.u16(u16::try_from(builder.lifetime.as_secs()).map_err(|_| SignError::Invalid)?);
        w.u16(if builder.unpublished { FLAG_UNPUBLISHED } else { 0 });
        w.put(&builder.options);
        w.u8(u8::try_from(keys).unwrap_or(0));
        w.u16(ENCRYPTION_X25519);
        w.prefixed16(&builder.key.0);
        for (code, key) in &builder.more_keys {
            w.u16(*code);
            w.prefixed16(key);
        }
        w.u8(u8::try_from(builder.leases.len()).unwrap_or(0));
        for lease in &builder.leases {
            w.put(lease);
        }
        let signature = key.sign(w.as_slice());
        w.bytes(&signature.0);
        let bytes = w.as_slice().get(1..).map(Bytes::copy_from_slice).unwrap_or_default();
        let parsed = Parsed::parse(bytes).map_err(|error| match error.kind {
            DecodeErrorKind::TooLong => SignError::TooLong,
            _ => SignError::Invalid,
        })?;
        Ok(LeaseSet2(Arc::new(parsed)))
    }

    /// Original bytes, without the store type.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Whose it is.
    pub fn destination(&self) -> &Destination {
        &self.0.destination
    }

    /// Time of signing.
    pub fn published(&self) -> Date {
        self.0.published.to_date()
    }

    /// Until when the whole set counts.
    pub fn expires(&self) -> Date {
        self.published() + Duration::from_secs(u64::from(self.0.expires_after))
    }

    /// True if it isn't to be stored at floodfills.
    pub fn is_unpublished(&self) -> bool {
        self.0.flags & FLAG_UNPUBLISHED != 0
    }

    /// The transient key that signed, if not the destination's own; its expiration is for the caller to see.
    pub fn offline(&self) -> Option<&OfflineKey> {
        self.0.offline.as_ref()
    }

    /// Options, such as service records.
    pub fn options(&self) -> &Mapping {
        &self.0.options
    }

    /// Encryption keys by type code, the owner's favourite first.
    pub fn keys(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.0.keys.iter().map(|(code, key)| (*code, key.as_ref()))
    }

    /// The key of type 4 for garlic messages.
    pub fn x25519_key(&self) -> Option<x25519::PublicKey> {
        let (_, key) = self.keys().find(|(code, key)| *code == ENCRYPTION_X25519 && key.len() == 32)?;
        key.try_into().ok().map(x25519::PublicKey)
    }

    /// The ways in.
    pub fn leases(&self) -> &[Lease] {
        &self.0.leases
    }
}

impl PartialEq for LeaseSet2 {
    /// The same bytes.
    fn eq(&self, other: &LeaseSet2) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for LeaseSet2 {}

impl fmt::Debug for LeaseSet2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseSet2")
    }
}

#[cfg(test)]
mod tests;
