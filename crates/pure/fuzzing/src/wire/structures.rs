//! Identities, mappings, addresses, keys, texts.

use ramson_wire::identity::MAX_IDENTITY_LEN;
use ramson_wire::mapping::MAX_PAIRS;
use ramson_wire::{
    Certificate, Codec, Destination, DestinationHash, DestinationKeys, Lease, Mapping, OfflineKey, Reader, RouterAddress,
    RouterHash, RouterIdentity, SigningPublicKey, Writer, base32, base64, payload,
};

use super::choice;
use crate::format::{Format, Length};

/// Certificate.
pub const CERTIFICATE: Format<Certificate> = Format::codec(true);
/// A router's keys.
pub const ROUTER_IDENTITY: Format<RouterIdentity> = Format::codec(true);
/// A destination's keys; their text form is another way to the same.
pub const DESTINATION: Format<Destination> = Format {
    holds: |bytes, destination| {
        assert!(bytes.len() <= MAX_IDENTITY_LEN);
        assert_eq!(destination.bytes(), bytes);
        let text = destination.to_base64();
        assert_eq!(Destination::from_base64(&text).as_ref(), Ok(destination), "the text form differs");
        let name = destination.hash().to_b32();
        assert_eq!(DestinationHash::from_b32(&name), Ok(destination.hash()));
    },
    ..Format::codec(true)
};
/// The approval of a transient key, by an Ed25519 destination.
pub const OFFLINE_KEY: Format<OfflineKey> = Format {
    decode: |bytes| OfflineKey::decode(&mut Reader::new(bytes), &SigningPublicKey::Unsupported { code: 7 }).ok(),
    encode: |key| {
        let mut w = Writer::new();
        key.encode(&mut w);
        w.into_vec()
    },
    same: OfflineKey::eq,
    len: |key| Length::Exactly(key.encoded_len()),
    exact: true,
    holds: |_, key| assert!(key.verify(&SigningPublicKey::Unsupported { code: 7 }).is_err(), "a key type that we can't check"),
};
/// A lease.
pub const LEASE: Format<Lease> = Format::codec(true);

/// Target: certificates, identities, destinations, offline keys, leases.
pub fn identity(data: &[u8]) {
    match choice(data, 5) {
        Some((0, rest)) => drop(CERTIFICATE.check(rest)),
        Some((1, rest)) => drop(ROUTER_IDENTITY.check(rest)),
        Some((2, rest)) => drop(DESTINATION.check(rest)),
        Some((3, rest)) => drop(OFFLINE_KEY.check(rest)),
        Some((_, rest)) => drop(LEASE.check(rest)),
        None => {}
    }
}

/// Names and values. Names that come twice, or out of order, make the bytes differ.
pub const MAPPING: Format<Mapping> = Format {
    holds: |bytes, mapping| {
        assert!(mapping.len() <= MAX_PAIRS);
        assert_eq!(mapping.is_empty(), mapping.iter().count() == 0);
        assert!(mapping.encoded_len() <= bytes.len());
        let mut copy = Mapping::new();
        for (name, value) in mapping.iter() {
            assert_eq!(mapping.get(name), Some(value));
            copy.insert(name, value).unwrap();
        }
        assert!(copy == *mapping, "one by one it's another");
        for (name, _) in mapping.iter() {
            copy.remove(name);
        }
        assert!(copy.is_empty());
    },
    ..Format::codec(false)
};

/// Target: a mapping.
pub fn mapping(data: &[u8]) {
    MAPPING.check(data);
}

/// An address of any transport; its expiration isn't kept. As one for NTCP2 it comes back from its canonical form.
pub const ROUTER_ADDRESS: Format<RouterAddress> = Format {
    holds: |_, address| {
        let Some(ntcp2) = address.ntcp2() else { return };
        assert_eq!(address.style, "NTCP2");
        assert!(ntcp2.host.is_none_or(|host| host.port() != 0), "nobody listens on port 0");
        let again = ntcp2.to_address(address.cost).ntcp2().unwrap();
        assert_eq!(again.static_key.0, ntcp2.static_key.0);
        if ntcp2.is_published() {
            assert_eq!((again.host, again.iv), (ntcp2.host, ntcp2.iv));
        }
    },
    ..Format::codec(false)
};

/// Target: an address.
pub fn router_address(data: &[u8]) {
    ROUTER_ADDRESS.check(data);
}

/// A destination with its private key, as in key files and SAM.
pub const DESTINATION_KEYS: Format<DestinationKeys> = Format {
    decode: |bytes| DestinationKeys::from_bytes(bytes).ok(),
    encode: |keys| keys.to_bytes().to_vec(),
    same: |a, b| a.destination() == b.destination() && a.signing_key().seed() == b.signing_key().seed(),
    len: |_| Length::Any,
    exact: false,
    holds: |_, keys| {
        let text = keys.to_base64();
        let again = DestinationKeys::from_base64(&text).unwrap();
        assert!(again.destination() == keys.destination() && again.to_bytes() == keys.to_bytes());
        let public = SigningPublicKey::Ed25519(keys.signing_key().public());
        assert!(*keys.destination().signing_key() == public, "the private key is another's");
    },
};

/// Target: keys.
pub fn destination_keys(data: &[u8]) {
    DESTINATION_KEYS.check(data);
}

/// What a text stands for.
pub type Text = Vec<u8>;

/// I2P's base64.
pub const BASE64: Format<Text> = Format {
    decode: |text| base64::decode(std::str::from_utf8(text).ok()?).ok(),
    encode: |bytes| base64::encode(bytes).into_bytes(),
    same: Text::eq,
    len: |bytes| Length::Exactly(bytes.len().div_ceil(3) * 4),
    exact: true,
    holds: |text, bytes| {
        let hash = std::str::from_utf8(text).ok().and_then(|text| RouterHash::from_base64(text).ok());
        assert_eq!(hash.map(|hash| hash.0.to_vec()), (bytes.len() == 32).then(|| bytes.clone()));
    },
};

/// I2P's base32.
pub const BASE32: Format<Text> = Format {
    decode: |text| base32::decode(std::str::from_utf8(text).ok()?).ok(),
    encode: |bytes| base32::encode(bytes).into_bytes(),
    same: Text::eq,
    len: |bytes| Length::Exactly((bytes.len() * 8).div_ceil(5)),
    exact: false,
    holds: |text, bytes| {
        assert_eq!(base32::encode(bytes).into_bytes(), text.to_ascii_lowercase(), "two texts for the same bytes")
    },
};

/// The name of a destination by its hash.
pub const B32_NAME: Format<DestinationHash> = Format {
    decode: |text| DestinationHash::from_b32(std::str::from_utf8(text).ok()?).ok(),
    encode: |hash| hash.to_b32().into_bytes(),
    same: DestinationHash::eq,
    len: |_| Length::Exactly(60),
    exact: false,
    holds: |text, hash| assert!(hash.to_b32().into_bytes().starts_with(&text.to_ascii_lowercase()), "two names for one hash"),
};

/// Target: texts.
pub fn text(data: &[u8]) {
    match choice(data, 3) {
        Some((0, rest)) => drop(BASE64.check(rest)),
        Some((1, rest)) => drop(BASE32.check(rest)),
        Some((_, rest)) => drop(B32_NAME.check(rest)),
        None => {}
    }
}

/// Most bytes that the payload target inflates to.
const INFLATED: usize = 20_000;

/// What an application sends, in gzip: others may have packed it in another way.
pub const PAYLOAD: Format<payload::Payload> = Format {
    decode: |bytes| payload::decode(bytes, INFLATED).ok(),
    encode: |payload| payload::encode(payload.from_port, payload.to_port, payload.protocol, &payload.data),
    same: payload::Payload::eq,
    len: |payload| Length::AtMost(payload.data.len() + payload.data.len() / 1000 + 64),
    exact: false,
    holds: |bytes, payload| {
        assert!(payload.data.len() <= INFLATED, "more than allowed");
        for limit in [0, payload.data.len().saturating_sub(1)] {
            let less = payload::decode(bytes, limit);
            assert!(less.is_err() || payload.data.len() <= limit, "the limit was passed");
        }
    },
};

/// Target: a packed payload.
pub fn packed_payload(data: &[u8]) {
    PAYLOAD.check(data);
}
