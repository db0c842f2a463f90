//! What holds for all decoders: no bytes make them panic, what they accept re-encodes to a fixed point, and valid structures come back
//! as they were.

use bytes::Bytes;
use proptest::prelude::*;

use crate::codec::Codec;
use crate::i2np::{
    Data, DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, Garlic, ShortBuild, StoreEntry, TunnelData,
    TunnelGateway, VariableBuild,
};
use crate::tunnel::build::{LongRequest, ShortReply, ShortRequest};
use crate::{
    Certificate, Destination, DestinationKeys, FragmentHeader, GarlicBlock, GarlicClove, I2npMessage, Lease, LeaseSet2, Mapping,
    NetDbKey, OfflineKey, Reader, RouterAddress, RouterIdentity, RouterInfo, SigningPublicKey, TunnelId, Unverified, Writer,
    base32, base64, garlic, payload,
};

mod generated;
mod samples;

/// Decodes and, if that works, encodes again.
type Recode = fn(&[u8]) -> Option<Vec<u8>>;

fn recode<T: Codec>(bytes: &[u8]) -> Option<Vec<u8>> {
    let value = T::from_bytes(bytes).ok()?;
    let again = value.to_bytes();
    assert_eq!(again.len(), value.encoded_len());
    let shared = T::from_shared(&Bytes::copy_from_slice(bytes)).unwrap();
    assert_eq!(shared.to_bytes(), again);
    Some(again)
}

fn recode_text(text: &[u8], decode: fn(&str) -> Option<Vec<u8>>, encode: fn(&[u8]) -> String) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    decode(text).map(|bytes| encode(&bytes).into_bytes())
}

/// Every top-level decoder of the crate.
const DECODERS: &[(&str, Recode)] = &[
    ("mapping", recode::<Mapping>),
    ("certificate", recode::<Certificate>),
    ("router identity", recode::<RouterIdentity>),
    ("destination", recode::<Destination>),
    ("router address", recode::<RouterAddress>),
    ("lease", recode::<Lease>),
    ("tunnel id", recode::<TunnelId>),
    ("netdb key", recode::<NetDbKey>),
    ("router info", |bytes| {
        let info = Unverified::<RouterInfo>::parse(Bytes::copy_from_slice(bytes)).ok()?;
        info.0.ntcp2_addresses().for_each(drop);
        let _checked_or_not = info.clone().verify();
        Some(info.bytes().to_vec())
    }),
    ("lease set", |bytes| {
        let set = Unverified::<LeaseSet2>::parse(Bytes::copy_from_slice(bytes)).ok()?;
        let _checked_or_not = set.clone().verify();
        let _maybe = set.0.x25519_key();
        Some(set.bytes().to_vec())
    }),
    ("offline key", |bytes| {
        let any = SigningPublicKey::Unsupported { code: 7 };
        let mut w = Writer::new();
        OfflineKey::decode(&mut Reader::new(bytes), &any).ok()?.encode(&mut w);
        Some(w.into_vec())
    }),
    ("long message", |bytes| I2npMessage::decode_long(bytes).ok().map(|m| m.encode_long())),
    ("short message", |bytes| I2npMessage::decode_short(bytes).ok().map(|m| m.encode_short())),
    ("database store", |bytes| DatabaseStore::from_bytes(bytes).ok().map(|store| store.to_bytes())),
    ("database lookup", recode::<DatabaseLookup>),
    ("database search reply", recode::<DatabaseSearchReply>),
    ("delivery status", recode::<DeliveryStatus>),
    ("garlic", recode::<Garlic>),
    ("data", recode::<Data>),
    ("tunnel data", recode::<TunnelData>),
    ("tunnel gateway", recode::<TunnelGateway>),
    ("short build", recode::<ShortBuild>),
    ("variable build", recode::<VariableBuild>),
    ("garlic block", recode::<GarlicBlock>),
    ("garlic clove", recode::<GarlicClove>),
    ("garlic blocks", |bytes| garlic::parse_blocks(bytes).ok().map(|blocks| garlic::encode_blocks(&blocks))),
    ("fragment header", recode::<FragmentHeader>),
    ("short request", recode::<ShortRequest>),
    ("short reply", recode::<ShortReply>),
    ("long request", recode::<LongRequest>),
    ("payload", |bytes| {
        let p = payload::decode(bytes, 10_000).ok()?;
        assert!(p.data.len() <= 10_000);
        Some(payload::encode(p.from_port, p.to_port, p.protocol, &p.data))
    }),
    ("destination keys", |bytes| DestinationKeys::from_bytes(bytes).ok().map(|keys| keys.to_bytes().to_vec())),
    ("base64", |text| recode_text(text, |t| base64::decode(t).ok(), base64::encode)),
    ("base32", |text| recode_text(text, |t| base32::decode(t).ok(), base32::encode)),
];

/// Accepted bytes encode to something that is accepted and encodes to itself.
fn check(name: &str, decoder: Recode, bytes: &[u8]) {
    if let Some(once) = decoder(bytes) {
        let twice = decoder(&once);
        assert_eq!(twice.as_ref(), Some(&once), "{name}");
    }
}

fn decoder(name: &str) -> Recode {
    DECODERS.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn every_decoder_has_a_sample_that_comes_back_the_same() {
    let samples = samples::all();
    for (name, decoder) in DECODERS {
        let mut known = samples.iter().filter(|sample| sample.0 == *name).peekable();
        assert!(known.peek().is_some(), "no sample of {name}");
        for (_, bytes) in known {
            assert_eq!(decoder(bytes).as_ref(), Some(bytes), "{name}");
        }
    }
}

#[test]
fn every_prefix_of_every_sample_is_decoded_or_refused() {
    for (name, bytes) in samples::all() {
        for cut in (0..bytes.len()).filter(|cut| *cut < 600 || cut % 13 == 0) {
            check(name, decoder(name), &bytes[..cut]);
        }
    }
}

/// Changes of a valid structure as an attacker or a bad line would make them.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let byte = prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()];
    prop_oneof![
        4 => (index(), byte).prop_map(|(i, byte)| Change::Set(i, byte)),
        1 => index().prop_map(Change::Cut),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(i, bytes)| Change::Insert(i, bytes)),
        1 => index().prop_map(Change::Remove),
        1 => (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match change {
        Change::Set(i, byte) => bytes[i.index(length)] = *byte,
        Change::Cut(i) => bytes.truncate(i.index(length)),
        Change::Insert(i, more) => {
            let at = i.index(length);
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(i) => drop(bytes.remove(i.index(length))),
        Change::Swap(a, b) => bytes.swap(a.index(length), b.index(length)),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        for (name, decoder) in DECODERS {
            check(name, *decoder, &bytes);
        }
    }

    #[test]
    fn small_values_never_panic(bytes in prop::collection::vec(0u8..12, 0..600)) {
        for (name, decoder) in DECODERS {
            check(name, *decoder, &bytes);
        }
    }

    #[test]
    fn changed_samples_never_panic(changes in prop::collection::vec(change(), 1..5)) {
        samples::ALL.with(|samples| {
            for (name, bytes) in samples {
                let mut bytes = bytes.clone();
                changes.iter().for_each(|change| apply(&mut bytes, change));
                check(name, decoder(name), &bytes);
            }
        });
    }

    #[test]
    fn changed_router_infos_in_stores_never_verify(changes in prop::collection::vec(change(), 1..3)) {
        let original = samples::router_info();
        let mut bytes = original.bytes().to_vec();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        let verified = Unverified::<RouterInfo>::parse(Bytes::from(bytes)).map(|info| info.verify());
        if let Ok(Ok(info)) = verified {
            prop_assert_eq!(info, original);
        }
    }
}

#[test]
fn a_malformed_entry_is_no_router_info() {
    let store = DatabaseStore::router_info(&samples::router_info(), None).to_bytes();
    let cut = DatabaseStore::from_bytes(&store[..store.len() - 1]).unwrap();
    assert!(matches!(cut.entry, StoreEntry::Malformed { .. }));
}
