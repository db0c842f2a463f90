use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use curve25519_elligator2::{MapToPointVariant, MontgomeryPoint, RFC9380};
use ed25519_dalek::Signer;
use proptest::prelude::*;

use crate::rng::{SeededRng, bytes};
use crate::{CryptoError, aead, chacha20, ed25519, elligator2, kdf, sha256, sha256_parts, siphash, x25519};

proptest! {
    #[test]
    fn x25519_agrees_with_dalek(private: [u8; 32], peer: [u8; 32]) {
        let ours = x25519::PrivateKey::from_bytes(&private);
        prop_assert_eq!(*ours.to_bytes(), private);
        prop_assert_eq!(ours.public().0, x25519_dalek::x25519(private, x25519_dalek::X25519_BASEPOINT_BYTES));
        let shared = ours.diffie_hellman(&x25519::PublicKey(peer)).unwrap();
        prop_assert_eq!(shared.as_bytes(), &x25519_dalek::x25519(private, peer));
    }

    #[test]
    fn elligator2_decodes_as_curve25519_elligator2(string: [u8; 32]) {
        prop_assert_eq!(elligator2::decode(&string).0, MontgomeryPoint::map_to_point(&string).0);
    }

    #[test]
    fn elligator2_encodes_as_curve25519_elligator2(private: [u8; 32], tweak: u8) {
        let key = x25519::PrivateKey::from_bytes(&private).public();
        // The other one takes the form that the private key says, ours the one that bit 0 says.
        let ours = [tweak & !1, tweak | 1].map(|tweak| elligator2::encode_with(&key, tweak));
        let theirs: Option<[u8; 32]> = RFC9380::to_representative(&private, tweak).into();
        prop_assert_eq!(ours.map(|form| form.is_some()), [theirs.is_some(); 2]);
        prop_assert!(ours.contains(&theirs));
        for form in ours.into_iter().flatten() {
            prop_assert_eq!(MontgomeryPoint::map_to_point(&form).0, key.0);
        }
    }

    #[test]
    fn ed25519_agrees_with_dalek(seed: [u8; 32], message: Vec<u8>, flip in 0_usize..96 * 8) {
        let ours = ed25519::SigningKey::from_seed(&seed);
        let theirs = ed25519_dalek::SigningKey::from_bytes(&seed);
        prop_assert_eq!(*ours.seed(), seed);
        prop_assert_eq!(ours.public().0, theirs.verifying_key().to_bytes());
        let signature = ours.sign(&message);
        prop_assert_eq!(signature.0, theirs.sign(&message).to_bytes());
        prop_assert_eq!(ours.public().verify(&message, &signature), Ok(()));

        // One flipped bit anywhere in key or signature.
        let (mut key, mut signature) = (ours.public(), signature);
        let byte = flip / 8;
        if byte < 32 { key.0[byte] ^= 1 << (flip % 8) } else { signature.0[byte - 32] ^= 1 << (flip % 8) }
        prop_assert_eq!(key.verify(&message, &signature), Err(CryptoError::BadSignature));
    }

    #[test]
    fn aead_agrees_with_rustcrypto(key: [u8; 32], nonce: [u8; 12], ad: Vec<u8>, text: Vec<u8>, head: Vec<u8>) {
        let ours = aead::Key::new(&key);
        let theirs = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
        let expected = theirs.encrypt(&nonce.into(), Payload { msg: &text, aad: &ad }).unwrap();

        let mut sealed = text.clone();
        ours.seal(nonce, &ad, &mut sealed);
        prop_assert_eq!(&sealed, &expected);

        let mut framed = [head.clone(), text.clone()].concat();
        ours.seal_from(nonce, &ad, &mut framed, head.len());
        prop_assert_eq!(&framed, &[head, expected].concat());

        // The same cipher as the raw one, whose block 0 makes the Poly1305 key.
        let mut raw = text.clone();
        chacha20::apply(&key, &nonce, 1, &mut raw);
        prop_assert_eq!(&raw, &sealed[..text.len()]);

        prop_assert_eq!(ours.open(nonce, &ad, &mut sealed).unwrap(), &text[..]);
    }

    #[test]
    fn aead_refuses_any_change(key: [u8; 32], nonce: [u8; 12], ad: Vec<u8>, text: Vec<u8>, at: prop::sample::Index) {
        let ours = aead::Key::new(&key);
        let mut sealed = text;
        ours.seal(nonce, &ad, &mut sealed);
        let mut longer = sealed.clone();
        longer.push(0);
        let mut other_ad = ad.clone();
        other_ad.push(0);
        prop_assert_eq!(ours.open(nonce, &other_ad, &mut sealed.clone()).err(), Some(CryptoError::BadTag));
        prop_assert_eq!(ours.open(nonce, &ad, &mut longer), Err(CryptoError::BadTag));
        let cut = sealed.len() - 1;
        prop_assert_eq!(ours.open(nonce, &ad, &mut sealed.clone()[..cut]).err(), Some(CryptoError::BadTag));
        let at = at.index(sealed.len());
        sealed[at] ^= 1;
        prop_assert_eq!(ours.open(nonce, &ad, &mut sealed), Err(CryptoError::BadTag));
    }

    #[test]
    fn hashes_agree_with_aws_lc(key: Vec<u8>, data: Vec<u8>, info: Vec<u8>, cut: prop::sample::Index) {
        use aws_lc_rs::{digest, hkdf, hmac};
        let cut = cut.index(data.len() + 1);
        prop_assert_eq!(sha256(&data).to_vec(), digest::digest(&digest::SHA256, &data).as_ref().to_vec());
        prop_assert_eq!(sha256(&data), sha256_parts(&[&data[..cut], &data[cut..]]));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data);
        prop_assert_eq!(kdf::hmac_sha256(&key, &data).to_vec(), tag.as_ref().to_vec());

        let mut expected = [0; 64];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &key)
            .extract(&data)
            .expand(&[&info], Length(64))
            .unwrap()
            .fill(&mut expected)
            .unwrap();
        prop_assert_eq!(kdf::hkdf::<64>(&key, &data, &info), expected);
        let (first, second) = kdf::hkdf_pair(&key, &data, &info);
        prop_assert_eq!([first, second].concat(), expected.to_vec());
        prop_assert_eq!(kdf::hkdf::<32>(&key, &data, &info), first);
    }

    #[test]
    #[expect(deprecated, reason = "std's SipHasher is SipHash-2-4, the one thing wanted here")]
    fn siphash_agrees_with_std(key: [u8; 16], data: Vec<u8>) {
        use std::hash::Hasher;
        let half = |range: std::ops::Range<usize>| u64::from_le_bytes(key[range].try_into().unwrap());
        let mut theirs = std::hash::SipHasher::new_with_keys(half(0..8), half(8..16));
        theirs.write(&data);
        prop_assert_eq!(siphash::siphash24(&key, &data), theirs.finish().to_le_bytes());
    }

    #[test]
    fn chacha20_twice_is_the_identity(key: [u8; 32], nonce: [u8; 12], counter: u32, text: Vec<u8>) {
        let mut buf = text.clone();
        chacha20::apply(&key, &nonce, counter, &mut buf);
        chacha20::apply(&key, &nonce, counter, &mut buf);
        prop_assert_eq!(buf, text);
    }

    #[test]
    fn every_string_decodes_to_a_key_whose_representatives_decode_back(string: [u8; 32], seed: [u8; 32]) {
        let key = elligator2::decode(&string);
        // The image of the map is what has representatives.
        let again = elligator2::encode(&key, &mut SeededRng::new(seed)).unwrap();
        prop_assert_eq!(elligator2::decode(&again), key);
        let mut masked = string;
        masked[31] ^= 0xc0;
        prop_assert_eq!(elligator2::decode(&masked), key);
    }
}

struct Length(usize);

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn generated_ephemeral_keys_are_clean_and_vary_in_form_and_top_bits() {
    let mut rng = SeededRng::new([1; 32]);
    let (mut top, mut first) = ([0; 4], None);
    for _ in 0..200 {
        let (private, representative) = elligator2::generate(&mut rng);
        assert_eq!(elligator2::decode(&representative), private.public());
        top[usize::from(representative[31] >> 6)] += 1;
        first = Some(private);
    }
    assert!(top.iter().all(|&n| n > 25), "{top:?}");

    let key = first.unwrap().public();
    let forms: std::collections::BTreeSet<[u8; 32]> = (0..64)
        .map(|_| {
            let mut form = elligator2::encode(&key, &mut rng).unwrap();
            form[31] &= 0x3f;
            form
        })
        .collect();
    assert_eq!(forms.len(), 2);
}

#[test]
fn about_half_of_all_keys_have_a_representative() {
    let mut rng = SeededRng::new([2; 32]);
    let found = (0..1000)
        .filter(|_| {
            let key = x25519::PrivateKey::generate(&mut rng).public();
            elligator2::encode(&key, &mut rng).is_some()
        })
        .count();
    assert!((430..570).contains(&found), "{found}");
}

#[test]
fn points_of_small_order_are_weak_keys() {
    let private = x25519::PrivateKey::from_bytes(&bytes(&mut SeededRng::new([6; 32])));
    // u = 0, u = 1, u = p, and a point of order 8 (cr.yp.to/ecdh.html).
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    let mut one = [0; 32];
    one[0] = 1;
    let order_8 = super::hex_array("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    for weak in [[0; 32], one, p, order_8] {
        let shared = private.diffie_hellman(&x25519::PublicKey(weak));
        assert_eq!(shared.err(), Some(CryptoError::WeakKey));
    }
}

#[test]
fn signature_scalar_must_be_reduced() {
    let key = ed25519::SigningKey::from_seed(&[8; 32]);
    let mut signature = key.sign(b"message");
    // s + L, with L = 2^252 + 27742317777372353535851937790883648493.
    let order: [u8; 32] = super::hex_array("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (s, l) in signature.0[32..].iter_mut().zip(order) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(key.public().verify(b"message", &signature), Err(CryptoError::BadSignature));
}

#[test]
fn short_or_empty_texts_do_not_open() {
    let key = aead::Key::new(&[1; 32]);
    for len in 0..aead::TAG_LEN {
        assert_eq!(key.open(aead::nonce(0), &[], &mut vec![0; len]), Err(CryptoError::BadTag));
    }
    let mut empty = Vec::new();
    key.seal(aead::nonce(0), &[], &mut empty);
    assert_eq!(empty.len(), aead::TAG_LEN);
    assert_eq!(key.open(aead::nonce(0), &[], &mut empty).unwrap(), &[] as &[u8]);
}
