//! Seeds of the decoders.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_wire::i2np::{
    Data, DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, Garlic, LookupKind, ReplyKey, ShortBuild,
    StoreEntry, StoreReply, TunnelData, TunnelGateway, VariableBuild,
};
use ramson_wire::tunnel::build::{ShortReply, ShortRequest, long_reply};
use ramson_wire::{
    Certificate, CloveDelivery, Codec, Date, DestinationKeys, FragmentHeader, GarlicBlock, GarlicClove, I2npMessage, Lease,
    LeaseSet2, LeaseSet2Builder, Mapping, MessageId, MessageKind, NetDbKey, RouterHash, RouterInfo, Seconds32, SessionTag,
    TunnelDelivery, TunnelId, Unverified, Writer, base32, base64, garlic, payload,
};

use super::{Seeds, hex, named};
use crate::wire::chosen;

/// RouterInfos that i2pd made.
const I2PD: [&[u8]; 2] =
    [include_bytes!("../../../wire/testdata/i2pd/router-1.info"), include_bytes!("../../../wire/testdata/i2pd/router-2.info")];
/// A tunnel build as the specification describes it, by an implementation of our own.
const SHORT_BUILD: &str = include_str!("../../../wire/testdata/derived-short-build.json");

/// A RouterInfo that i2pd made.
pub fn i2pd_router() -> RouterInfo {
    Unverified::<RouterInfo>::parse(Bytes::from_static(I2PD[0])).unwrap().verify().unwrap()
}

fn rng() -> SeededRng {
    SeededRng::new([9; 32])
}

/// A destination of ours.
pub fn keys() -> DestinationKeys {
    DestinationKeys::generate(&mut rng())
}

fn tunnel(id: u32) -> TunnelId {
    TunnelId::new(id).unwrap()
}

fn message() -> I2npMessage {
    I2npMessage::new(MessageKind::DATA, MessageId(7), Date(1_700_000_000_000), Data(Bytes::from_static(&[5; 9])).to_bytes())
}

fn lease() -> Lease {
    Lease { gateway: RouterHash([1; 32]), tunnel: tunnel(9), end: Date(1_700_000_500_000) }
}

fn options(pairs: &[(&str, &str)]) -> Mapping {
    let mut mapping = Mapping::new();
    for (name, value) in pairs {
        mapping.insert(name, value).unwrap();
    }
    mapping
}

/// A LeaseSet2 of ours.
pub fn lease_set_of(keys: &DestinationKeys, leases: usize) -> LeaseSet2 {
    let builder = LeaseSet2Builder {
        destination: keys.destination().clone(),
        published: Seconds32(1_700_000_000),
        lifetime: Duration::from_secs(600),
        unpublished: leases == 1,
        options: if leases == 2 { options(&[("_smtp._tcp", "1 1 0 25 é")]) } else { Mapping::new() },
        key: x25519::PublicKey([8; 32]),
        more_keys: if leases == 3 { vec![(0, vec![1; 256]), (6, vec![2; 800])] } else { Vec::new() },
        leases: vec![lease(); leases],
    };
    LeaseSet2::sign(&builder, keys.signing_key()).unwrap()
}

/// As a destination's owner makes it who keeps the key elsewhere.
fn approval(owner: &ed25519::SigningKey, transient: &ed25519::PublicKey) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(1_800_000_000);
    w.u16(7);
    w.bytes(&transient.0);
    let signature = owner.sign(w.as_slice());
    w.bytes(&signature.0);
    w.into_vec()
}

/// A LeaseSet2 that a transient key signed.
fn offline_lease_set() -> Vec<u8> {
    let keys = keys();
    let transient = ed25519::SigningKey::from_seed(&[3; 32]);
    let mut w = Writer::new();
    w.u8(3);
    w.put(keys.destination());
    w.u32(1_700_000_000);
    w.u16(600);
    w.u16(1);
    w.bytes(&approval(keys.signing_key(), &transient.public()));
    w.put(&Mapping::new());
    w.u8(1);
    w.u16(4);
    w.prefixed16(&[8; 32]);
    w.u8(1);
    w.put(&lease());
    let signature = transient.sign(w.as_slice());
    w.bytes(&signature.0);
    w.into_vec().split_off(1)
}

/// Seeds of the target `router_info`.
pub fn router_info() -> Seeds {
    let mut hidden = super::routers::router(7).info.bytes().to_vec();
    hidden.truncate(4096);
    named(vec![("i2pd", I2PD[0].to_vec()), ("i2pd", I2PD[1].to_vec()), ("ramson", hidden)])
}

/// Seeds of the target `lease_set`.
pub fn lease_set() -> Seeds {
    let keys = keys();
    let ours = |leases| lease_set_of(&keys, leases).bytes().to_vec();
    named(vec![
        ("unpublished", ours(1)),
        ("service-record", ours(2)),
        ("three-keys", ours(3)),
        ("sixteen", ours(16)),
        ("offline", offline_lease_set()),
    ])
}

/// Seeds of the target `identity`.
pub fn identity() -> Seeds {
    let keys = keys();
    let info = i2pd_router();
    let transient = ed25519::SigningKey::generate(&mut rng()).public();
    // ECDSA-P521: a key of 132 bytes, of which 4 are in the certificate.
    let mut long = vec![7; 384];
    long.extend([5, 0, 8, 0, 3, 0, 0, 1, 2, 3, 4]);
    named(vec![
        ("certificate", chosen(0, &Certificate::key(7, 4).to_bytes())),
        ("certificate-null", chosen(0, &[0, 0, 0])),
        ("router", chosen(1, info.identity().bytes())),
        ("destination", chosen(2, keys.destination().bytes())),
        ("destination-dsa", chosen(2, &[[7; 384].as_slice(), &[0, 0, 0]].concat())),
        ("destination-p521", chosen(2, &long)),
        ("offline", chosen(3, &approval(keys.signing_key(), &transient))),
        ("lease", chosen(4, &lease().to_bytes())),
    ])
}

/// Seeds of the target `mapping`.
pub fn mapping() -> Seeds {
    let long = options(&[("a", &"x".repeat(200)), ("b", &"y".repeat(200)), ("é", "ü")]);
    named(vec![
        ("i2pd", i2pd_router().options().to_bytes()),
        ("empty", vec![0, 0]),
        ("long", long.to_bytes()),
        ("out-of-order", b"\x00\x0c\x01b=\x011;\x01a=\x012;".to_vec()),
        ("twice", b"\x00\x0c\x01a=\x011;\x01a=\x012;".to_vec()),
    ])
}

/// Seeds of the target `router_address`.
pub fn router_address() -> Seeds {
    let mut parts: Vec<_> = i2pd_router().addresses().iter().map(|address| ("i2pd", address.to_bytes())).collect();
    parts.extend(super::routers::router(7).info.addresses().iter().map(|address| ("ramson", address.to_bytes())));
    let key = base64::encode(&[9; 32]);
    for (name, more) in [("six", [("caps", "6"), ("v", "1,2")]), ("named", [("host", "example.org"), ("v", "2")])] {
        let mut options = options(&more);
        options.insert("s", &key).unwrap();
        options.insert("port", "4567").unwrap();
        parts.push((name, ramson_wire::RouterAddress { cost: 9, style: "NTCP2".to_owned(), options }.to_bytes()));
    }
    let v6 = options(&[("host", "2001:db8::1"), ("i", &base64::encode(&[4; 16])), ("port", "65535"), ("s", &key), ("v", "2")]);
    parts.push(("published-six", ramson_wire::RouterAddress { cost: 9, style: "NTCP2".to_owned(), options: v6 }.to_bytes()));
    let odd = ramson_wire::RouterAddress { cost: 9, style: "é2".to_owned(), options: Mapping::new() };
    parts.push(("odd-style", odd.to_bytes()));
    named(parts)
}

/// Seeds of the target `destination_keys`.
pub fn destination_keys() -> Seeds {
    named(vec![("ours", keys().to_bytes().to_vec())])
}

/// Seeds of the target `text`.
pub fn text() -> Seeds {
    let hash = keys().destination().hash();
    named(vec![
        ("base64", chosen(0, base64::encode(b"any bytes\xff\xfe").as_bytes())),
        ("base64-hash", chosen(0, base64::encode(&hash.0).as_bytes())),
        ("base32", chosen(1, base32::encode(b"any bytes").as_bytes())),
        ("base32-upper", chosen(1, b"MFXHSIDC")),
        ("name", chosen(2, hash.to_b32().as_bytes())),
    ])
}

/// Seeds of the target `packed_payload`.
pub fn packed_payload() -> Seeds {
    named(vec![
        ("streaming", payload::encode(1, 2, payload::STREAMING, b"hello")),
        ("datagram", payload::encode(1, 2, payload::DATAGRAM, &[7; 3000])),
        ("empty", payload::encode(0, 65535, payload::RAW, &[])),
        ("long", payload::encode(7, 8, payload::RAW, &[0; 30_000])),
        ("vector", hex(include_str!("../../../wire/testdata/derived-i2cp-payload.json"), "gzip_stored")),
    ])
}

fn lookup(reply: bool) -> DatabaseLookup {
    DatabaseLookup {
        key: NetDbKey([1; 32]),
        from: RouterHash([2; 32]),
        reply_tunnel: if reply { TunnelId::new(3) } else { None },
        kind: if reply { LookupKind::LeaseSet } else { LookupKind::Exploratory },
        excluded: vec![RouterHash([4; 32]); 2],
        reply_key: reply.then_some(ReplyKey { key: [5; 32], tag: SessionTag([6; 8]) }),
    }
}

/// Bodies by their kind.
pub fn bodies() -> Vec<(&'static str, MessageKind, Vec<u8>)> {
    let search = DatabaseSearchReply { key: NetDbKey([1; 32]), routers: vec![RouterHash([2; 32]); 3], from: RouterHash([3; 32]) };
    let gateway = TunnelGateway { tunnel: tunnel(5), message: Bytes::from(message().encode_long()) };
    vec![
        ("search-reply", MessageKind::DATABASE_SEARCH_REPLY, search.to_bytes()),
        ("status", MessageKind::DELIVERY_STATUS, DeliveryStatus { id: MessageId(1), time: Date(2) }.to_bytes()),
        ("garlic", MessageKind::GARLIC, Garlic(Bytes::from_static(&[7; 40])).to_bytes()),
        ("tunnel-data", MessageKind::TUNNEL_DATA, TunnelData { tunnel: tunnel(5), data: Box::new([3; 1024]) }.to_bytes()),
        ("gateway", MessageKind::TUNNEL_GATEWAY, gateway.to_bytes()),
        ("data", MessageKind::DATA, Data(Bytes::from_static(&[7; 40])).to_bytes()),
        ("variable-build", MessageKind::VARIABLE_TUNNEL_BUILD, VariableBuild(vec![[1; 528]; 2]).to_bytes()),
        ("short-build", MessageKind::SHORT_TUNNEL_BUILD, ShortBuild(vec![[1; 218]; 4]).to_bytes()),
    ]
}

/// Seeds of the target `small_bodies`.
pub fn small_bodies() -> Seeds {
    let parts = bodies().into_iter().enumerate();
    named(parts.map(|(at, (name, _, body))| (name, chosen(u8::try_from(at).unwrap_or(0), &body))).collect())
}

fn stores() -> Vec<(&'static str, Vec<u8>)> {
    let keys = keys();
    let reply = StoreReply { token: 9, tunnel: TunnelId::new(4), gateway: RouterHash([3; 32]) };
    let entry = StoreEntry::Other { kind: 5, data: Bytes::from_static(&[1, 2, 3]) };
    vec![
        ("i2pd", DatabaseStore::router_info(&i2pd_router(), Some(reply)).to_bytes()),
        ("lease-set", DatabaseStore::lease_set2(&lease_set_of(&keys, 2), None).to_bytes()),
        ("encrypted", DatabaseStore { key: NetDbKey([1; 32]), reply: None, entry }.to_bytes()),
    ]
}

/// Seeds of the target `database_store`.
pub fn database_store() -> Seeds {
    named(stores())
}

/// Seeds of the target `database_lookup`.
pub fn database_lookup() -> Seeds {
    let alone = DatabaseLookup { excluded: Vec::new(), reply_tunnel: None, ..lookup(true) };
    named(vec![("tunnel", lookup(true).to_bytes()), ("direct", lookup(false).to_bytes()), ("no-exclusions", alone.to_bytes())])
}

/// Seeds of the target `i2np_message`.
pub fn i2np_message() -> Seeds {
    let mut all = bodies();
    all.extend(stores().into_iter().map(|(name, body)| (name, MessageKind::DATABASE_STORE, body)));
    all.push(("lookup", MessageKind::DATABASE_LOOKUP, lookup(true).to_bytes()));
    let mut parts = Vec::new();
    for (number, (name, kind, body)) in (0..).zip(all) {
        let message = I2npMessage::new(kind, MessageId(number), Date(1_700_000_000_000), body);
        parts.push((name, if number % 2 == 0 { chosen(0, &message.encode_long()) } else { chosen(1, &message.encode_short()) }));
    }
    named(parts)
}

/// Blocks of every kind.
pub fn blocks() -> Vec<GarlicBlock> {
    let delivery = CloveDelivery::Tunnel { gateway: RouterHash([3; 32]), tunnel: tunnel(4) };
    vec![
        GarlicBlock::DateTime(Seconds32(5)),
        GarlicBlock::NextKey { flags: 1, id: 3, key: Some(x25519::PublicKey([4; 32])) },
        GarlicBlock::Ack(vec![(1, 2), (3, 4)]),
        GarlicBlock::AckRequest,
        GarlicBlock::Options(Bytes::from_static(&[1, 2])),
        GarlicBlock::MessageNumber(7),
        GarlicBlock::Termination { reason: 1 },
        GarlicBlock::Clove(GarlicClove { delivery: CloveDelivery::Local, message: message() }),
        GarlicBlock::Clove(GarlicClove { delivery, message: message() }),
        GarlicBlock::Unknown { kind: 99, data: Bytes::from_static(&[1]) },
        GarlicBlock::Padding(5),
    ]
}

/// Seeds of the target `garlic_blocks`.
pub fn garlic_blocks() -> Seeds {
    let cloves = [CloveDelivery::Destination(keys().destination().hash()), CloveDelivery::Router(RouterHash([3; 32]))];
    let mut parts = vec![("all", chosen(1, &garlic::encode_blocks(&blocks()))), ("none", chosen(1, &[]))];
    for delivery in cloves {
        parts.push(("clove", chosen(0, &GarlicClove { delivery, message: message() }.to_bytes())));
    }
    named(parts)
}

/// Seeds of the target `build_records`.
pub fn build_records() -> Seeds {
    let mut long = vec![1; 184];
    long.push(0x40);
    long.extend([1; 15]);
    long.extend([0; 264]);
    let reply = ShortReply { options: options(&[("b", "100")]), code: 30 };
    let mut with_options = ShortRequest::from_bytes(&hex(SHORT_BUILD, "hop1_clear")).unwrap();
    with_options.options = options(&[("m", "10"), ("r", "100")]);
    named(vec![
        ("with-options", chosen(0, &with_options.to_bytes())),
        ("request", chosen(0, &hex(SHORT_BUILD, "hop0_clear"))),
        ("request", chosen(0, &hex(SHORT_BUILD, "hop1_clear"))),
        ("reply", chosen(1, &reply.to_bytes())),
        ("long-request", chosen(2, &long)),
        ("long-reply", chosen(2, &long_reply(30, &mut rng()))),
    ])
}

/// Seeds of the target `fragment_header`.
pub fn fragment_header() -> Seeds {
    let deliveries = [
        TunnelDelivery::Local,
        TunnelDelivery::Router(RouterHash([1; 32])),
        TunnelDelivery::Tunnel { gateway: RouterHash([1; 32]), tunnel: tunnel(2) },
    ];
    let mut parts = Vec::new();
    for delivery in deliveries {
        parts.push(("first", FragmentHeader::First { delivery, message_id: Some(MessageId(3)), size: 900 }.to_bytes()));
        parts.push(("whole", FragmentHeader::First { delivery, message_id: None, size: 60 }.to_bytes()));
    }
    parts.push(("follow", FragmentHeader::Follow { number: 63, last: true, message_id: MessageId(3), size: 900 }.to_bytes()));
    parts.push(("delayed", vec![0x14, 77, 2, 9, 9, 0, 5]));
    named(parts)
}
