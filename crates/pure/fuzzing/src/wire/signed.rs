//! RouterInfo and LeaseSet2: read, checked, and never taken for signed when they aren't.

use bytes::Bytes;
use ramson_crypto::ed25519::Signature;
use ramson_wire::lease_set::{MAX_KEYS, MAX_LEASE_SET_LEN, MAX_LEASES};
use ramson_wire::router_info::{MAX_ADDRESSES, MAX_ROUTER_INFO_LEN};
use ramson_wire::{Caps, Codec, LeaseSet2, OfflineKey, RouterInfo, SigningPublicKey, Unverified};

use crate::format::{Format, Length};

/// A structure before its check and, if it passed that, after.
pub struct Checked<T> {
    /// As parsed.
    pub parsed: Unverified<T>,
    /// As verified.
    pub verified: Option<T>,
}

/// What a router publishes.
pub const ROUTER_INFO: Format<Checked<RouterInfo>> = Format {
    decode: |bytes| {
        let parsed = Unverified::<RouterInfo>::parse(Bytes::copy_from_slice(bytes)).ok()?;
        Some(Checked { verified: parsed.clone().verify().ok(), parsed })
    },
    encode: |value| value.parsed.bytes().to_vec(),
    same: |a, b| a.verified == b.verified && a.parsed.bytes() == b.parsed.bytes(),
    len: |_| Length::AtMost(MAX_ROUTER_INFO_LEN),
    exact: true,
    holds: router_info_holds,
};

fn router_info_holds(bytes: &[u8], value: &Checked<RouterInfo>) {
    assert_eq!(value.parsed.bytes(), bytes, "signed structures keep their bytes");
    let Some(info) = &value.verified else { return };
    assert_eq!(info.bytes(), bytes, "verified something else");
    let (signed, signature) = bytes.split_at(bytes.len() - 64);
    let SigningPublicKey::Ed25519(key) = info.identity().signing_key() else {
        unreachable!("only Ed25519 verifies");
    };
    let signature: [u8; 64] = signature.try_into().unwrap();
    assert!(key.verify(signed, &Signature(signature)).is_ok(), "taken for signed");
    assert_eq!(info.hash(), value.parsed.hash());
    assert!(signed.starts_with(info.identity().bytes()));
    assert!(info.addresses().len() <= MAX_ADDRESSES);
    assert!(info.ntcp2_addresses().count() <= info.addresses().len());
    let caps = info.options().get("caps").unwrap_or_default();
    assert_eq!(*info.caps(), Caps::parse(caps));
    assert_eq!(Caps::parse(&info.caps().to_text()), *info.caps());
    for address in info.addresses() {
        super::structures::ROUTER_ADDRESS.check(&address.to_bytes());
    }
}

/// What a destination publishes.
pub const LEASE_SET: Format<Checked<LeaseSet2>> = Format {
    decode: |bytes| {
        let parsed = Unverified::<LeaseSet2>::parse(Bytes::copy_from_slice(bytes)).ok()?;
        Some(Checked { verified: parsed.clone().verify().ok(), parsed })
    },
    encode: |value| value.parsed.bytes().to_vec(),
    same: |a, b| a.verified == b.verified && a.parsed.bytes() == b.parsed.bytes(),
    len: |_| Length::AtMost(MAX_LEASE_SET_LEN),
    exact: true,
    holds: lease_set_holds,
};

fn lease_set_holds(bytes: &[u8], value: &Checked<LeaseSet2>) {
    assert_eq!(value.parsed.bytes(), bytes, "signed structures keep their bytes");
    let Some(set) = &value.verified else { return };
    assert_eq!(set.bytes(), bytes, "verified something else");
    let signer = set.offline().map_or(set.destination().signing_key(), OfflineKey::transient);
    let (signed, signature) = bytes.split_at(bytes.len() - signer.signature_len().unwrap());
    assert!(signer.verify(&[&[3], signed].concat(), signature).is_ok(), "taken for signed");
    if let Some(offline) = set.offline() {
        assert!(offline.verify(set.destination().signing_key()).is_ok(), "a transient key that nobody approved");
    }
    assert!((1..=MAX_KEYS).contains(&set.keys().count()));
    assert!(set.leases().len() <= MAX_LEASES);
    assert!(set.expires() >= set.published());
    let ours = set.keys().find(|(code, key)| *code == 4 && key.len() == 32);
    assert_eq!(set.x25519_key().map(|key| key.0.to_vec()), ours.map(|(_, key)| key.to_vec()));
}

/// Target: a RouterInfo.
pub fn router_info(data: &[u8]) {
    ROUTER_INFO.check(data);
}

/// Target: a LeaseSet2.
pub fn lease_set(data: &[u8]) {
    LEASE_SET.check(data);
}
