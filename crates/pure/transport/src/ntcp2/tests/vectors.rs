//! The published formulae, byte by byte, through the states that run in production.

use ramson_crypto::{sha256, x25519};
use ramson_wire::{Date, RouterHash, Seconds32};
use serde_json::Value;

use crate::ntcp2::frames::{Opener, Sealer};
use crate::ntcp2::handshake::initiator::{self, RequestSent};
use crate::ntcp2::handshake::responder::{self, RequestHead};
use crate::ntcp2::handshake::{CreatedOptions, DataKeys, DirectionKeys, RequestOptions};
use crate::ntcp2::{LocalIdentity, PeerAddress, ReplayCache};

struct Vectors(Value);

impl Vectors {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("../../../testdata/derived-ntcp2.json")).unwrap())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        unhex(self.0[name].as_str().unwrap())
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn private(&self, name: &str) -> x25519::PrivateKey {
        x25519::PrivateKey::from_bytes(&self.array(name))
    }

    fn local(&self, hash: [u8; 32], static_key: &str) -> LocalIdentity {
        let static_key = self.private(static_key);
        LocalIdentity { hash: RouterHash(hash), static_key, iv: self.array("bob_iv_i"), net_id: 2 }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap();
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

fn check_direction(vectors: &Vectors, keys: &DirectionKeys, aead: &str, sip: &str) {
    assert_eq!(keys.aead.to_vec(), vectors.bytes(aead));
    assert_eq!(keys.sip.to_vec(), vectors.bytes(sip));
}

fn check_keys(vectors: &Vectors, keys: &DataKeys) {
    check_direction(vectors, &keys.to_responder, "k_ab", "sip_ab");
    check_direction(vectors, &keys.to_initiator, "k_ba", "sip_ba");
}

#[test]
fn handshake_and_frames_match() {
    let vectors = Vectors::load();
    let alice = vectors.local([9; 32], "alice_static_sk");
    let bob = vectors.local(vectors.array("bob_router_hash"), "bob_static_sk");
    assert_eq!(bob.static_key.public().0.to_vec(), vectors.bytes("bob_static_pk"));
    let peer = PeerAddress { hash: bob.hash, static_key: bob.static_key.public(), iv: bob.iv };
    let (message_1, message_2) = (vectors.bytes("msg1"), vectors.bytes("msg2"));

    let choices = initiator::Choices { ephemeral: vectors.private("alice_eph_sk"), padding: message_1[64..].to_vec() };
    let time_1 = RequestOptions::from_bytes(vectors.array("msg1_options")).time;
    let payload = vectors.bytes("msg3_part2_plain");
    let (sent, written) = RequestSent::start(&alice, &peer, payload.clone(), choices, time_1).unwrap();
    assert_eq!(written, message_1);

    let mut head = *message_1.first_chunk().unwrap();
    let now = Date(u64::from(time_1.0) * 1000);
    let request = RequestHead::open(&bob, &mut head, now, &mut ReplayCache::new()).unwrap();
    assert_eq!(request.options.to_bytes().to_vec(), vectors.bytes("msg1_options"));
    let choices = responder::Choices { ephemeral: vectors.private("bob_eph_sk"), padding: message_2[64..].to_vec() };
    let time_2: Seconds32 = CreatedOptions::from_bytes(vectors.array("msg2_options")).time;
    let (awaiting, written) = request.create(&bob, &message_1[64..], choices, time_2).unwrap();
    assert_eq!(written, message_2);

    let mut head = *message_2.first_chunk().unwrap();
    let created = sent.created_head(&mut head).unwrap();
    assert_eq!(created.options.to_bytes().to_vec(), vectors.bytes("msg2_options"));
    let (alice_keys, mut message_3) = created.confirm(&alice, &message_2[64..]).unwrap();
    assert_eq!(message_3, vectors.bytes("msg3"));
    check_keys(&vectors, &alice_keys);

    assert_eq!(awaiting.message_len(), message_3.len());
    let confirmed = awaiting.confirmed(&mut message_3).unwrap();
    check_keys(&vectors, &confirmed.keys);
    assert_eq!(confirmed.static_key, alice.static_key.public());
    assert_eq!(confirmed.payload, payload);
    check_frames(&vectors, &alice_keys.to_responder);
}

fn check_frames(vectors: &Vectors, keys: &DirectionKeys) {
    let (mut sealer, mut opener) = (Sealer::new(keys), Opener::new(keys));
    let plain = vectors.bytes("frame_plain");
    for frame in vectors.0["frames_ab"].as_array().unwrap() {
        let expected = unhex(frame.as_str().unwrap());
        let mut out = Vec::new();
        let start = Sealer::begin(&mut out);
        out.extend_from_slice(&plain);
        sealer.finish(&mut out, start).unwrap();
        assert_eq!(out, expected);
        assert_eq!(opener.length([out[0], out[1]]), Some(out.len() - 2));
        let mut frame = out.split_off(2);
        opener.open(&mut frame).unwrap();
        assert_eq!(frame, plain);
    }
}

#[test]
fn protocol_name_gives_the_known_constants() {
    let rows: Value = serde_json::from_str(include_str!("../../../testdata/noise-init.json")).unwrap();
    let row = &rows["rows"]["ntcp2"];
    let responder = x25519::PublicKey([5; 32]);
    let state = crate::ntcp2::handshake::start(&responder);
    assert_eq!(state.chaining_key().to_vec(), unhex(row["ck0"].as_str().unwrap()));
    let mut hash = unhex(row["h_after_null_prologue"].as_str().unwrap());
    hash.extend_from_slice(&responder.0);
    assert_eq!(*state.hash(), sha256(&hash));
    assert_eq!(row["name"].as_str().unwrap().as_bytes(), crate::ntcp2::handshake::PROTOCOL_NAME);
}
