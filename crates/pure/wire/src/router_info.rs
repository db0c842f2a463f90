//! [`RouterInfo`]: what a router publishes about itself.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ramson_crypto::ed25519;

use crate::caps::Caps;
use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::gzip;
use crate::identity::{RouterIdentity, SigningPublicKey};
use crate::ids::RouterHash;
use crate::mapping::Mapping;
use crate::router_address::{Ntcp2Address, RouterAddress};
use crate::signed::{SignError, SignatureError, Unverified};
use crate::time::Date;

/// Longest RouterInfo, uncompressed. Java I2P has the same limit; i2pd takes 3072 bytes, so ours should stay below that.
pub const MAX_ROUTER_INFO_LEN: usize = 4096;
/// Most addresses, as in Java I2P.
pub const MAX_ADDRESSES: usize = 16;

const SIGNATURE_LEN: usize = 64;
/// gzip header fields of the packed form: no time, no flags, unknown system.
const GZIP_LABEL: gzip::Label = [0, 0, 0, 0, 0, 0xff];

/// Identity, addresses and options of a router, signed by it; cheap to clone:
/// identity · published 8 (ms) · address count 1 · addresses · peer count 1 · peers 32 each · options (mapping) · signature 64.
///
/// The signature covers everything before it. Keeps the original bytes, which are what gets stored and flooded. Peers are skipped; no
/// router writes any. Errors: `TooLong` over [`MAX_ROUTER_INFO_LEN`] or [`MAX_ADDRESSES`], `Unsupported` identity, `Trailing`, `Truncated`
/// and those of [`Mapping`]. Source: Common structures, "RouterInfo".
#[derive(Clone)]
pub struct RouterInfo(Arc<Parsed>);

struct Parsed {
    bytes: Bytes,
    identity: RouterIdentity,
    published: Date,
    addresses: Vec<RouterAddress>,
    options: Mapping,
    caps: Caps,
    net_id: Option<u8>,
    version: Option<(u8, u8, u8)>,
    /// See [`RouterInfo::packed`].
    packed: OnceLock<Box<[u8]>>,
}

/// What goes into a RouterInfo of our own, to be signed by [`RouterInfo::sign`].
#[derive(Clone, Debug)]
pub struct RouterInfoBuilder {
    /// Our identity.
    pub identity: RouterIdentity,
    /// Time of signing.
    pub published: Date,
    /// At most [`MAX_ADDRESSES`].
    pub addresses: Vec<RouterAddress>,
    /// With `caps`, `netId` and `router.version` at least.
    pub options: Mapping,
}

impl Unverified<RouterInfo> {
    /// Parses without looking at the signature. Shares `bytes`: give it an allocation of its own if it will be kept.
    pub fn parse(bytes: Bytes) -> Result<Unverified<RouterInfo>, DecodeError> {
        Parsed::parse(bytes).map(|parsed| Unverified(RouterInfo(Arc::new(parsed))))
    }

    /// Checks the signature. Errors: `Bad`.
    pub fn verify(self) -> Result<RouterInfo, SignatureError> {
        let parsed = &self.0.0;
        let (signed, signature) = parsed.bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(SignatureError::Bad)?;
        parsed.identity.signing_key().verify(signed, signature)?;
        Ok(self.0)
    }

    /// Hash of the identity.
    pub fn hash(&self) -> RouterHash {
        self.0.hash()
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
        if bytes.len() > MAX_ROUTER_INFO_LEN {
            return Err(DecodeError::new(DecodeErrorKind::TooLong, "RouterInfo"));
        }
        let mut r = Reader::shared(&bytes);
        let identity = RouterIdentity::decode(&mut r)?;
        let published = Date(r.u64("RouterInfo published")?);
        let count = usize::from(r.u8("RouterInfo addresses")?);
        if count > MAX_ADDRESSES {
            return Err(r.error(DecodeErrorKind::TooLong, "RouterInfo addresses"));
        }
        let addresses = (0..count).map(|_| RouterAddress::decode(&mut r)).collect::<Result<_, _>>()?;
        let peers = r.u8("RouterInfo peers")?;
        r.take(usize::from(peers) * 32, "RouterInfo peers")?;
        let options = Mapping::decode(&mut r)?;
        r.take(SIGNATURE_LEN, "RouterInfo signature")?;
        r.finish()?;
        Ok(Parsed {
            caps: Caps::parse(options.get("caps").unwrap_or_default()),
            net_id: options.get("netId").and_then(|id| id.parse().ok()),
            version: options.get("router.version").and_then(parse_version),
            identity,
            published,
            addresses,
            options,
            bytes,
            packed: OnceLock::new(),
        })
    }
}

/// `0.9.68` as numbers; what follows a third number, like `-1`, is ignored.
fn parse_version(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.splitn(3, '.');
    let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let patch = parts.next()?;
    let digits = patch.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major, minor, digits.parse().ok()?))
}

impl RouterInfo {
    /// Memory that it takes, with the packed form, whether that was asked for or not.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let address = |address: &RouterAddress| size_of::<RouterAddress>() + address.style.len() + address.options.held_bytes();
        let read: usize = self.0.addresses.iter().map(address).sum();
        size_of::<Parsed>() + 2 * self.0.bytes.len() + self.0.options.held_bytes() + read
    }

    /// As a DatabaseStore carries it. Made once: a floodfill sends the same one again and again. Never what we were sent, in which
    /// somebody may have left a mark.
    pub(crate) fn packed(&self) -> &[u8] {
        self.0.packed.get_or_init(|| gzip::pack(GZIP_LABEL, &self.0.bytes).into_boxed_slice())
    }

    /// Signs a RouterInfo of our own. Errors: `WrongKey` if the key isn't the identity's, `TooLong` over a limit.
    pub fn sign(builder: &RouterInfoBuilder, key: &ed25519::SigningKey) -> Result<RouterInfo, SignError> {
        if *builder.identity.signing_key() != SigningPublicKey::Ed25519(key.public()) {
            return Err(SignError::WrongKey);
        }
        if builder.addresses.len() > MAX_ADDRESSES {
            return Err(SignError::TooLong);
        }
        let mut w = Writer::with_capacity(1024);
        w.put(&builder.identity);
        w.u64(builder.published.0);
        w.u8(u8::try_from(builder.addresses.len()).unwrap_or(0));
        for address in &builder.addresses {
            w.put(address);
        }
        w.u8(0);
        w.put(&builder.options);
        let signature = key.sign(w.as_slice());
        w.bytes(&signature.0);
        let parsed = Parsed::parse(Bytes::from(w.into_vec())).map_err(|error| match error.kind {
            DecodeErrorKind::TooLong => SignError::TooLong,
            _ => SignError::Invalid,
        })?;
        Ok(RouterInfo(Arc::new(parsed)))
    }

    /// Original bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Hash of the identity.
    pub fn hash(&self) -> RouterHash {
        self.0.identity.hash()
    }

    /// Keys of the router.
    pub fn identity(&self) -> &RouterIdentity {
        &self.0.identity
    }

    /// Time of signing.
    pub fn published(&self) -> Date {
        self.0.published
    }

    /// All addresses, of any transport.
    pub fn addresses(&self) -> &[RouterAddress] {
        &self.0.addresses
    }

    /// The addresses for NTCP2.
    pub fn ntcp2_addresses(&self) -> impl Iterator<Item = Ntcp2Address> + '_ {
        self.0.addresses.iter().filter_map(RouterAddress::ntcp2)
    }

    /// All options.
    pub fn options(&self) -> &Mapping {
        &self.0.options
    }

    /// Option `caps`.
    pub fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// Option `netId`; `None` if missing or not a number up to 255.
    pub fn net_id(&self) -> Option<u8> {
        self.0.net_id
    }

    /// Option `router.version`, the API version.
    pub fn version(&self) -> Option<(u8, u8, u8)> {
        self.0.version
    }

    /// Caps `f`.
    pub fn is_floodfill(&self) -> bool {
        self.0.caps.floodfill
    }

    /// Caps `R` without `U`.
    pub fn is_reachable(&self) -> bool {
        self.0.caps.reachable && !self.0.caps.unreachable
    }

    /// Caps `H`.
    pub fn is_hidden(&self) -> bool {
        self.0.caps.hidden
    }
}

impl PartialEq for RouterInfo {
    /// The same bytes.
    fn eq(&self, other: &RouterInfo) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for RouterInfo {}

impl fmt::Debug for RouterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouterInfo")
    }
}

#[cfg(test)]
mod tests;
