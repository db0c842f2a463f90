//! Key files: the router's own and those of destinations. Each has a copy beside it, `NAME.copy`, which is used when the file is broken.

mod copies;

use std::ops::RangeInclusive;
use std::path::Path;

use ramson_crypto::{CryptoRng, ed25519, rng, sha256, x25519};
use ramson_engine::RouterSecrets;
use ramson_wire::{Codec, DestinationKeys, RouterIdentity, SigningPublicKey};
use zeroize::Zeroizing;

use crate::entropy;
use crate::error::StartError;
use copies::{create, load};

/// First bytes of the router's key file; the digit is the layout's version.
const MAGIC: &[u8] = b"ramson router keys 1\n";
const CHECKSUM_LEN: usize = 32;
const SECRETS_LEN: usize = 32 + 32 + 32 + 16 + 2;
/// Ports to draw from, as other routers do: above those of well-known services, below those that systems hand out.
const PORTS: RangeInclusive<u16> = 9151..=30777;

/// The router's keys and port, made at the first start and kept from then on.
pub(crate) struct RouterKeys {
    pub(crate) secrets: RouterSecrets,
    /// Used when the configuration names no port.
    pub(crate) port: u16,
}

impl RouterKeys {
    /// Reads the file, or makes it with fresh keys. If it is broken and has no copy that is an error, and it stays as it is.
    pub(crate) fn load_or_create(path: &Path, rng: &mut dyn CryptoRng) -> Result<Self, StartError> {
        if let Some(keys) = load(path, Self::decode)? {
            return Ok(keys);
        }
        let keys = Self::generate(rng);
        create(path, &keys.encode())?;
        Ok(keys)
    }

    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        let signing_key = ed25519::SigningKey::generate(rng);
        let encryption_key = x25519::PrivateKey::generate(rng);
        let identity = RouterIdentity::new(&encryption_key.public(), &signing_key.public(), rng);
        let port = rng::between(rng, u64::from(*PORTS.start()), u64::from(*PORTS.end()));
        let secrets = RouterSecrets {
            identity,
            signing_key,
            encryption_key,
            ntcp2_key: x25519::PrivateKey::generate(rng),
            ntcp2_iv: rng::bytes(rng),
        };
        Self { secrets, port: u16::try_from(port).unwrap_or(*PORTS.start()) }
    }

    /// Layout: magic · signing seed 32 · encryption key 32 · NTCP2 static key 32 · NTCP2 IV 16 · port 2 ·
    /// router identity · SHA-256 of all before.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&*self.secrets.signing_key.seed());
        bytes.extend_from_slice(&*self.secrets.encryption_key.to_bytes());
        bytes.extend_from_slice(&*self.secrets.ntcp2_key.to_bytes());
        bytes.extend_from_slice(&self.secrets.ntcp2_iv);
        bytes.extend_from_slice(&self.port.to_be_bytes());
        bytes.extend_from_slice(&self.secrets.identity.to_bytes());
        let checksum = sha256(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let body_len = bytes.len().checked_sub(CHECKSUM_LEN).ok_or("it is too short")?;
        let (body, checksum) = bytes.split_at(body_len);
        if !body.starts_with(MAGIC) {
            return Err("it is no key file of this version");
        }
        if sha256(body) != checksum {
            return Err("its checksum does not match");
        }
        let rest = body.get(MAGIC.len()..).unwrap_or_default();
        let (secrets, identity) = rest.split_at_checked(SECRETS_LEN).ok_or("it is too short")?;
        let identity = RouterIdentity::from_bytes(identity).map_err(|_| "its router identity is malformed")?;
        let mut fields = secrets;
        let signing_key = ed25519::SigningKey::from_seed(take(&mut fields)?);
        let encryption_key = x25519::PrivateKey::from_bytes(take(&mut fields)?);
        let ntcp2_key = x25519::PrivateKey::from_bytes(take(&mut fields)?);
        let ntcp2_iv = *take(&mut fields)?;
        let port = u16::from_be_bytes(*take(&mut fields)?);
        // Nobody would believe what such a router signs.
        let signs = *identity.signing_key() == SigningPublicKey::Ed25519(signing_key.public());
        if !signs || identity.encryption_key() != encryption_key.public() {
            return Err("its router identity is one of other keys");
        }
        let secrets = RouterSecrets { identity, signing_key, encryption_key, ntcp2_key, ntcp2_iv };
        Ok(Self { secrets, port })
    }
}

fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Result<&'a [u8; N], &'static str> {
    let (head, rest) = from.split_first_chunk().ok_or("it is too short")?;
    *from = rest;
    Ok(head)
}

/// Reads a destination's key file, or makes it. Layout: the private-key format of SAM and of other routers'
/// `.dat` files (destination, encryption key, signing key), as raw bytes.
pub fn load_or_create_destination(path: &Path) -> Result<DestinationKeys, StartError> {
    let decode = |bytes: &[u8]| DestinationKeys::from_bytes(bytes).map_err(|_| "it is not a destination with its private keys");
    if let Some(keys) = load(path, decode)? {
        return Ok(keys);
    }
    let keys = new_destination()?;
    create(path, &keys.to_bytes())?;
    Ok(keys)
}

/// Fresh keys that live in memory only.
pub fn new_destination() -> Result<DestinationKeys, StartError> {
    let mut rng = entropy::generator()?;
    Ok(DestinationKeys::generate(&mut *rng))
}

#[cfg(test)]
mod tests {
    use super::copies::beside;
    use super::*;
    use crate::testing::watched_folder;
    use ramson_crypto::rng::SeededRng;

    fn keys() -> RouterKeys {
        RouterKeys::generate(&mut SeededRng::new([7; 32]))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let keys = keys();
        let again = RouterKeys::decode(&keys.encode()).unwrap();
        assert_eq!(again.secrets.identity.hash(), keys.secrets.identity.hash());
        assert_eq!(again.encode(), keys.encode());
    }

    #[test]
    fn a_torn_or_changed_file_is_refused() {
        let whole = keys().encode();
        for len in 0..whole.len() {
            assert!(RouterKeys::decode(&whole[..len]).is_err());
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(RouterKeys::decode(&changed).is_err());
        }
    }

    #[test]
    fn keys_of_another_identity_are_refused() {
        let whole = keys().encode();
        for at in [MAGIC.len(), MAGIC.len() + 32] {
            let mut changed = whole[..whole.len() - CHECKSUM_LEN].to_vec();
            changed[at + 5] ^= 1;
            let checksum = sha256(&changed);
            changed.extend_from_slice(&checksum);
            assert_eq!(RouterKeys::decode(&changed).err(), Some("its router identity is one of other keys"));
        }
    }

    #[test]
    fn a_broken_file_is_set_right_from_its_copy() {
        let folder = watched_folder();
        let path = folder.path().join("router.keys");
        let mut rng = SeededRng::new([1; 32]);
        let first = RouterKeys::load_or_create(&path, &mut rng).unwrap().encode();
        for broken in [&first[..0], &first[..40], &first[..first.len() - 1], &[0; 500]] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(RouterKeys::load_or_create(&path, &mut rng).unwrap().encode(), first);
            assert_eq!(std::fs::read(&path).unwrap(), *first);
            assert_eq!(std::fs::read(beside(&path, "broken")).unwrap(), broken);
        }
        // Who puts keys there means them.
        let other = keys().encode();
        std::fs::write(&path, &*other).unwrap();
        assert_eq!(RouterKeys::load_or_create(&path, &mut rng).unwrap().encode(), other);
        assert_eq!(std::fs::read(beside(&path, "copy")).unwrap(), *other);
        // And who takes them away wants new ones; those that were are kept.
        std::fs::remove_file(&path).unwrap();
        assert_ne!(RouterKeys::load_or_create(&path, &mut rng).unwrap().encode(), other);
        assert_eq!(std::fs::read(beside(&path, "old")).unwrap(), *other);
    }

    #[test]
    fn a_broken_file_without_a_copy_is_left_alone() {
        let folder = watched_folder();
        let path = folder.path().join("router.keys");
        std::fs::write(&path, b"ramson router keys 1\nxx").unwrap();
        let mut rng = SeededRng::new([1; 32]);
        assert!(matches!(RouterKeys::load_or_create(&path, &mut rng), Err(StartError::BrokenKeys { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"ramson router keys 1\nxx");
    }
}
