//! The published formulae, computed by an independent script: `testdata/derived-ratchet-*.json`.

use ramson_crypto::kdf::hkdf;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_crypto::{CryptoRng, aead};
use serde_json::Value;

use crate::session::handshake::{Initiator, NEW_SESSION_PAYLOAD, Responder, tag_of};
use crate::session::tagset::{Chains, SendSet};

fn load(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

fn assert_chains(mut chains: Chains, tags: &Value, keys: Option<&Value>) {
    for (at, tag) in tags.as_array().unwrap().iter().enumerate() {
        assert_eq!(chains.tag().0.to_vec(), bytes(tag));
        if let Some(keys) = keys {
            assert_eq!(*chains.key(), key(&keys[at]));
        }
    }
}

#[test]
fn tag_set() {
    let v = load(include_str!("../../../testdata/derived-ratchet-tagset.json"));
    let chains = Chains::new(&key(&v["root_key"]), &key(&v["k"]));
    assert_eq!(*chains.next_root(), key(&v["next_root_key"]));
    let root = *chains.next_root();
    assert_chains(chains, &v["tags"], Some(&v["keys"]));

    let step = &v["dh_ratchet"];
    assert_eq!(root, key(&step["new_root_in"]));
    let alice = PrivateKey::from_bytes(&key(&step["alice_sk"]));
    let bob = PrivateKey::from_bytes(&key(&step["bob_sk"]));
    let shared = alice.diffie_hellman(&bob.public()).unwrap();
    assert_eq!(*shared.as_bytes(), key(&step["shared"]));
    let tagset_key = hkdf::<32>(shared.as_bytes(), &[], b"XDHRatchetTagSet");
    assert_eq!(tagset_key, key(&step["tagset_key"]));
    let chains = Chains::new(&root, &tagset_key);
    assert_eq!(*chains.next_root(), key(&step["next_root_key"]));
    assert_chains(chains, &step["tags"], Some(&step["keys"]));
}

#[test]
fn new_session_and_reply() {
    let v = load(include_str!("../../../testdata/derived-ratchet-session.json"));
    let private = |name: &str| PrivateKey::from_bytes(&key(&v[name]));
    let (alice, bob) = (private("alice_static_sk"), private("bob_static_sk"));
    assert_eq!(alice.public().0, key(&v["alice_static_pk"]));
    assert_eq!(private("alice_eph_sk").public().0, key(&v["alice_eph_pk"]));

    let mut ns = Vec::new();
    let ephemeral = (private("alice_eph_sk"), key(&v["alice_eph_elligator"]));
    let initiator = Initiator::write(&alice, &bob.public(), ephemeral, &bytes(&v["ns_payload"]), &mut ns).unwrap();
    assert_eq!(ns, bytes(&v["ns"]));

    let mut responder = Responder::read(&bob, &mut ns).unwrap().unwrap();
    let payload = bytes(&v["ns_payload"]);
    assert_eq!(ns[NEW_SESSION_PAYLOAD..][..payload.len()], payload);
    assert_eq!(responder.peer, alice.public());

    let mut nsr = Vec::new();
    let draw = || (private("bob_eph_sk"), key(&v["bob_eph_elligator"]));
    let at_bob = responder.write_reply(draw, &bytes(&v["nsr_payload"]), &mut nsr).unwrap();
    assert_eq!(nsr, bytes(&v["nsr"]));
    assert_eq!(initiator.reply_chains().tag().0.to_vec(), bytes(&v["nsr_tag"]));
    assert_eq!(tag_of(&nsr), Some(initiator.reply_chains().tag()));

    // A second reply has another tag and leads to the same keys.
    let mut second = Vec::new();
    responder.write_reply(|| unreachable!(), b"more", &mut second).unwrap();
    let (_, _, payload) = initiator.read_reply(&alice, &mut second).unwrap();
    assert_eq!(payload, b"more");

    let (at_alice, _, payload) = initiator.read_reply(&alice, &mut nsr).unwrap();
    assert_eq!(payload, bytes(&v["nsr_payload"]));
    assert_chains(at_alice.to_responder(), &v["tags_ab"], None);
    assert_chains(at_bob.to_responder(), &v["tags_ab"], None);
    assert_chains(at_alice.to_initiator(), &v["tags_ba"], None);
    assert_chains(at_bob.to_initiator(), &v["tags_ba"], None);

    let mut send = SendSet::new(0, at_alice.to_responder());
    for name in ["es_ab_0", "es_ab_1"] {
        let (number, tag, key) = send.take().unwrap();
        let mut message = tag.0.to_vec();
        message.extend_from_slice(&bytes(&v["es_payload"]));
        aead::Key::new(&key).seal_from(aead::nonce(u64::from(number)), &tag.0, &mut message, 8);
        assert_eq!(message, bytes(&v[name]));
    }
}

/// An unbound NS as a sender without a static key writes it.
pub(super) fn unbound(to: &PublicKey, payload: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
    let (ephemeral, representative) = ramson_crypto::elligator2::generate(rng);
    let mut state = ramson_crypto::noise::SymmetricState::new(b"Noise_IKelg2+hs2_25519_ChaChaPoly_SHA256");
    state.mix_prologue(&[]);
    state.mix_hash(&to.0);
    state.mix_hash(&ephemeral.public().0);
    state.mix_key(ephemeral.diffie_hellman(to).unwrap().as_bytes());
    let mut out = representative.to_vec();
    out.extend_from_slice(&[0; 32]);
    state.encrypt_and_hash(&mut out, 32);
    let at = out.len();
    out.extend_from_slice(payload);
    state.encrypt_and_hash(&mut out, at);
    out
}
