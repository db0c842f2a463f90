//! One valid structure and more for every decoder.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};

use super::*;
use crate::i2np::{LookupKind, ReplyKey, StoreReply};
use crate::{
    CloveDelivery, Date, LeaseSet2Builder, MessageId, MessageKind, RouterHash, Seconds32, SessionTag, TunnelDelivery, offline,
};

thread_local! {
    /// The samples, made once.
    pub(super) static ALL: Vec<(&'static str, Vec<u8>)> = all();
}

pub(super) fn router_info() -> RouterInfo {
    let bytes = include_bytes!("../../testdata/i2pd/router-1.info");
    Unverified::<RouterInfo>::parse(Bytes::from_static(bytes)).unwrap().verify().unwrap()
}

fn tunnel(id: u32) -> TunnelId {
    TunnelId::new(id).unwrap()
}

fn message() -> I2npMessage {
    I2npMessage::new(MessageKind::DATA, MessageId(7), Date(1_700_000_000_000), vec![1, 2, 3])
}

fn lease() -> Lease {
    Lease { gateway: RouterHash([1; 32]), tunnel: tunnel(9), end: Date(1_700_000_500_000) }
}

fn lease_set(keys: &DestinationKeys) -> LeaseSet2 {
    let builder = LeaseSet2Builder {
        destination: keys.destination().clone(),
        published: Seconds32(1_700_000_000),
        lifetime: Duration::from_secs(600),
        unpublished: false,
        options: Mapping::new(),
        key: x25519::PublicKey([8; 32]),
        more_keys: vec![(0, vec![1; 256])],
        leases: vec![lease(); 3],
    };
    LeaseSet2::sign(&builder, keys.signing_key()).unwrap()
}

fn blocks() -> Vec<GarlicBlock> {
    vec![
        GarlicBlock::DateTime(Seconds32(5)),
        GarlicBlock::NextKey { flags: 1, id: 3, key: Some(x25519::PublicKey([4; 32])) },
        GarlicBlock::Ack(vec![(1, 2), (3, 4)]),
        GarlicBlock::AckRequest,
        GarlicBlock::Clove(GarlicClove { delivery: CloveDelivery::Local, message: message() }),
        GarlicBlock::Clove(clove()),
        GarlicBlock::Padding(5),
    ]
}

fn clove() -> GarlicClove {
    let delivery = CloveDelivery::Tunnel { gateway: RouterHash([3; 32]), tunnel: tunnel(4) };
    GarlicClove { delivery, message: message() }
}

fn lookup() -> DatabaseLookup {
    DatabaseLookup {
        key: NetDbKey([1; 32]),
        from: RouterHash([2; 32]),
        reply_tunnel: TunnelId::new(3),
        kind: LookupKind::LeaseSet,
        excluded: vec![RouterHash([4; 32]); 2],
        reply_key: Some(ReplyKey { key: [5; 32], tag: SessionTag([6; 8]) }),
    }
}

/// (name of the decoder, canonical bytes).
pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut samples = structures();
    samples.extend(messages());
    samples.extend(stores());
    samples.extend(tunnel_parts());
    samples
}

fn structures() -> Vec<(&'static str, Vec<u8>)> {
    let mut rng = SeededRng::new([9; 32]);
    let keys = DestinationKeys::generate(&mut rng);
    let info = router_info();
    let transient = ed25519::SigningKey::generate(&mut rng).public();
    vec![
        ("mapping", info.options().to_bytes()),
        ("mapping", vec![0, 0]),
        ("certificate", Certificate::key(7, 4).to_bytes()),
        ("certificate", vec![0, 0, 0]),
        ("router identity", info.identity().to_bytes()),
        ("destination", keys.destination().to_bytes()),
        ("destination", [[7; 384].as_slice(), &[0, 0, 0]].concat()),
        ("router address", info.addresses()[0].to_bytes()),
        ("lease", lease().to_bytes()),
        ("tunnel id", vec![0, 0, 0, 1]),
        ("netdb key", vec![5; 32]),
        ("router info", info.bytes().to_vec()),
        ("router info", include_bytes!("../../testdata/i2pd/router-2.info").to_vec()),
        ("lease set", lease_set(&keys).bytes().to_vec()),
        ("offline key", offline::approve(keys.signing_key(), &transient, Seconds32(9))),
        ("payload", payload::encode(1, 2, payload::STREAMING, b"hello")),
        ("payload", payload::encode(1, 2, payload::STREAMING, &[7; 3000])),
        ("destination keys", keys.to_bytes().to_vec()),
        ("base64", base64::encode(b"any bytes").into_bytes()),
        ("base32", base32::encode(b"any bytes").into_bytes()),
    ]
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let gateway = TunnelGateway { tunnel: tunnel(5), message: Bytes::from(message().encode_long()) };
    let routers = vec![RouterHash([2; 32]); 3];
    let search = DatabaseSearchReply { key: NetDbKey([1; 32]), routers, from: RouterHash([3; 32]) };
    let tunnel_data = TunnelData { tunnel: tunnel(5), data: Box::new([3; 1024]) };
    vec![
        ("long message", message().encode_long()),
        ("short message", message().encode_short()),
        ("database lookup", lookup().to_bytes()),
        ("database search reply", search.to_bytes()),
        ("delivery status", DeliveryStatus { id: MessageId(1), time: Date(2) }.to_bytes()),
        ("garlic", Garlic(Bytes::from_static(&[7; 40])).to_bytes()),
        ("data", Data(Bytes::from_static(&[7; 40])).to_bytes()),
        ("tunnel data", tunnel_data.to_bytes()),
        ("tunnel gateway", gateway.to_bytes()),
        ("short build", ShortBuild(vec![[1; 218]; 4]).to_bytes()),
        ("variable build", VariableBuild(vec![[1; 528]; 5]).to_bytes()),
        ("garlic block", blocks()[2].to_bytes()),
        ("garlic clove", clove().to_bytes()),
        ("garlic blocks", garlic::encode_blocks(&blocks())),
    ]
}

fn stores() -> Vec<(&'static str, Vec<u8>)> {
    let keys = DestinationKeys::generate(&mut SeededRng::new([8; 32]));
    let reply = StoreReply { token: 9, tunnel: TunnelId::new(4), gateway: RouterHash([3; 32]) };
    let entry = StoreEntry::Other { kind: 5, data: Bytes::from_static(&[1, 2, 3]) };
    let stores = [
        DatabaseStore::router_info(&router_info(), Some(reply)),
        DatabaseStore::lease_set2(&lease_set(&keys), None),
        DatabaseStore { key: NetDbKey([1; 32]), reply: None, entry },
    ];
    stores.iter().map(|store| ("database store", store.to_bytes())).collect()
}

fn tunnel_parts() -> Vec<(&'static str, Vec<u8>)> {
    let delivery = TunnelDelivery::Tunnel { gateway: RouterHash([1; 32]), tunnel: tunnel(2) };
    let first = FragmentHeader::First { delivery, message_id: Some(MessageId(3)), size: 900 };
    let follow = FragmentHeader::Follow { number: 1, last: true, message_id: MessageId(3), size: 900 };
    let vector = include_str!("../../testdata/derived-short-build.json");
    let mut long_request = vec![1; 152];
    long_request.extend([0; 312]);
    vec![
        ("fragment header", first.to_bytes()),
        ("fragment header", follow.to_bytes()),
        ("short request", crate::vectors::hex(vector, "hop0_clear")),
        ("short reply", ShortReply { options: Mapping::new(), code: 30 }.to_bytes()),
        ("long request", long_request),
    ]
}
