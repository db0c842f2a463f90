//! Derived vectors, see `source` in each file.

use ramson_crypto::x25519;
use ramson_wire::{MessageId, RouterHash, TunnelId};
use serde_json::Value;

use crate::tunnel::build::{HopRequest, Secrets};
use crate::tunnel::hop::{self, Form, Role};
use crate::tunnel::record::{self, ShortKeys};

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap()).collect()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn build() -> Value {
    file(include_str!("../../../testdata/derived-short-build.json"))
}

fn secret(value: &Value) -> x25519::PrivateKey {
    x25519::PrivateKey::from_bytes(&bytes(value))
}

fn sealed(v: &Value, hop: &str, endpoint: bool) -> (Vec<u8>, record::NoiseEnd, ShortKeys) {
    let field = |name: &str| &v[format!("{hop}_{name}")];
    let hash = RouterHash(bytes(field("hash")));
    let (record, noise) =
        record::seal_request(&hex(field("clear")), &hash, &secret(field("sk")).public(), &secret(field("eph_sk"))).unwrap();
    let keys = ShortKeys::derive(&noise.chain, endpoint);
    (record, noise, keys)
}

#[test]
fn records_and_keys() {
    let v = build();
    for (hop, endpoint) in [("hop0", false), ("hop1", true)] {
        let (record, noise, keys) = sealed(&v, hop, endpoint);
        assert_eq!(record, hex(&v[format!("{hop}_record_before_layering")]));
        assert_eq!(noise.hash, bytes(&v[format!("{hop}_h")]));
        let expected = &v[format!("{hop}_keys")];
        assert_eq!(keys.reply, bytes(&expected["reply_key"]));
        assert_eq!(keys.layer, bytes(&expected["layer_key"]));
        assert_eq!(keys.iv, bytes(&expected["iv_key"]));
        if endpoint {
            assert_eq!(keys.garlic_tag.0, bytes(&expected["garlic_tag"]));
            assert_eq!(keys.garlic_key, bytes(&expected["garlic_key"]));
        }
    }
}

#[test]
fn clear_text() {
    let v = build();
    let request = HopRequest {
        receive: TunnelId::new(1001).unwrap(),
        next: (RouterHash(bytes(&v["hop1_hash"])), TunnelId::new(1002).unwrap()),
        gateway: false,
        endpoint: false,
        minutes: 0x01b0_5515,
        next_message: MessageId(0x1111_1111),
    };
    assert_eq!(request.encode(), hex(&v["hop0_clear"]));
}

#[test]
fn hops_take_their_turns() {
    let v = build();
    let mut rng = ramson_crypto::rng::SeededRng::new([1; 32]);
    let (hash0, hash1) = (RouterHash(bytes(&v["hop0_hash"])), RouterHash(bytes(&v["hop1_hash"])));

    let opened = hop::open(Form::Short, &hex(&v["message_to_hop0"]), &hash0, &secret(&v["hop0_sk"])).unwrap();
    assert_eq!(opened.receive.get(), 1001);
    assert_eq!((opened.next, opened.next_tunnel.get()), (hash1, 1002));
    assert_eq!((opened.role, opened.next_message.0), (Role::Participant, 0x1111_1111));
    let answered = opened.answer(0, &mut rng);
    assert!(answered.garlic.is_none());
    // Our filling of the reply is random, so the record of hop 0 (index 2) differs; the others are exact.
    let expected = hex(&v["message_hop0_to_hop1_accept0"]);
    let same = |range: std::ops::Range<usize>| assert_eq!(answered.body.get(range.clone()), expected.get(range));
    same(0..1 + 2 * 218);
    same(1 + 3 * 218..1 + 4 * 218);

    let opened = hop::open(Form::Short, &expected, &hash1, &secret(&v["hop1_sk"])).unwrap();
    assert_eq!((opened.role, opened.next_tunnel.get(), opened.next_message.0), (Role::Endpoint, 2001, 0x2222_2222));
    let answered = opened.answer(30, &mut rng);
    let expected = hex(&v["reply_after_hop1_reject30"]);
    assert_eq!(answered.body.get(1 + 218..), expected.get(1 + 218..));
    let (tag, key) = answered.garlic.unwrap();
    assert_eq!(tag.0, bytes(&v["hop1_keys"]["garlic_tag"]));
    assert_eq!(key, bytes(&v["hop1_keys"]["garlic_key"]));
}

#[test]
fn the_creator_reads_the_answers() {
    let v = build();
    let (hash0, hash1) = (RouterHash(bytes(&v["hop0_hash"])), RouterHash(bytes(&v["hop1_hash"])));
    let hop = |name: &str, hash, index, endpoint| {
        let (_, noise, keys) = sealed(&v, name, endpoint);
        (hash, index, keys, noise)
    };
    let secrets = Secrets::for_test(vec![hop("hop0", hash0, 2, false), hop("hop1", hash1, 0, true)], 4);
    let answers = secrets.open_reply(&hex(&v["reply_after_hop1_reject30"])).unwrap();
    assert_eq!(answers.iter().map(|answer| answer.code).collect::<Vec<_>>(), [0, 30]);
    assert_eq!(answers.iter().map(|answer| answer.router).collect::<Vec<_>>(), [hash0, hash1]);
}

#[test]
fn a_tunnel_layer() {
    let v = file(include_str!("../../../testdata/derived-tunnel-layer.json"));
    let keys = ramson_aes::LayerKeys::new(&bytes(&v["layer_key"]), &bytes(&v["iv_key"]));
    let plain: [u8; 1024] = bytes(&v["plain_iv_plus_1008"]);
    let mut message = plain;
    keys.encrypt(&mut message);
    assert_eq!(message.to_vec(), hex(&v["after_hop"]));
    keys.decrypt(&mut message);
    assert_eq!(message, plain);
}
