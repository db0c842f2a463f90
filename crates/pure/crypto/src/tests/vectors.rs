use super::{field, field_array, hex, hex_array, json};
use crate::noise::SymmetricState;
use crate::{CryptoError, aead, chacha20, ed25519, elligator2, kdf, rng, sha256, siphash, x25519};

/// FIPS 180-4 examples.
#[test]
fn sha256_examples() {
    let abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let empty = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(sha256(b"abc")[..], abc);
    assert_eq!(sha256(b"")[..], empty);
}

/// RFC 5869, appendix A, test cases 1 to 3.
#[test]
fn hkdf_rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    assert_eq!(
        kdf::hkdf::<42>(&range(0x00, 0x0c), &[0x0b; 22], &range(0xf0, 0xf9))[..],
        hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    );
    assert_eq!(
        kdf::hkdf::<82>(&range(0x60, 0xaf), &range(0x00, 0x4f), &range(0xb0, 0xff))[..],
        hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87")
    );
    assert_eq!(
        kdf::hkdf::<42>(&[], &[0x0b; 22], &[])[..],
        hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    );
}

/// RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
#[test]
fn hmac_rfc_4231() {
    assert_eq!(
        kdf::hmac_sha256(&[0x0b; 20], b"Hi There")[..],
        hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    );
    assert_eq!(
        kdf::hmac_sha256(b"Jefe", b"what do ya want for nothing?")[..],
        hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    );
    assert_eq!(
        kdf::hmac_sha256(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")[..],
        hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    );
}

/// RFC 8439, 2.8.2.
#[test]
fn aead_rfc_8439() {
    let v = json(include_str!("../../testdata/chacha20poly1305.json"));
    let key = aead::Key::new(&field_array(&v, "key"));
    let text = v["plaintext_ascii"].as_str().unwrap().as_bytes();
    let mut buf = text.to_vec();
    key.seal(field_array(&v, "nonce"), &field(&v, "ad"), &mut buf);
    assert_eq!(buf, [field(&v, "ciphertext"), field(&v, "tag")].concat());
    let opened = key.open(field_array(&v, "nonce"), &field(&v, "ad"), &mut buf);
    assert_eq!(opened.unwrap(), text);
}

/// RFC 8439, 2.4.2.
#[test]
fn chacha20_rfc_8439() {
    let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let mut buf = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                    sunscreen would be it."
        .to_vec();
    chacha20::apply(&key, &hex_array("000000000000004a00000000"), 1, &mut buf);
    assert_eq!(
        buf,
        hex("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357
             1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736
             5af90bbf74a35be6b40b8eedf2785e42874d")
    );
}

#[test]
fn nonce_counts_little_endian_after_four_zero_bytes() {
    assert_eq!(aead::nonce(0x0102_0304_0506_0708), [0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
}

/// RFC 7748, 5.2 (whose second input has the unused top bit set) and 6.1.
#[test]
fn x25519_rfc_7748() {
    for (scalar, point, shared) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        let private = x25519::PrivateKey::from_bytes(&hex_array(scalar));
        let secret = private.diffie_hellman(&x25519::PublicKey(hex_array(point))).unwrap();
        assert_eq!(secret.as_bytes()[..], hex(shared));
    }
    let private = |text| x25519::PrivateKey::from_bytes(&hex_array(text));
    let alice = private("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let bob = private("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(alice.public().0[..], hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    assert_eq!(bob.public().0[..], hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    assert_eq!(alice.diffie_hellman(&bob.public()).unwrap().as_bytes()[..], shared);
    assert_eq!(bob.diffie_hellman(&alice.public()).unwrap().as_bytes()[..], shared);
}

/// RFC 8032, 7.1, TEST 1 and TEST 1024.
#[test]
fn ed25519_rfc_8032() {
    let key = ed25519::SigningKey::from_seed(&hex_array("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
    assert_eq!(key.public().0[..], hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    assert_eq!(
        key.sign(b"").0[..],
        hex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
    );

    let v = json(include_str!("../../testdata/ed25519.json"));
    let key = ed25519::SigningKey::from_seed(&field_array(&v, "seed"));
    let message = field(&v, "message");
    assert_eq!(key.public().0[..], field(&v, "public"));
    assert_eq!(key.sign(&message).0[..], field(&v, "signature"));
    let signature = ed25519::Signature(field_array(&v, "signature"));
    assert_eq!(key.public().verify(&message, &signature), Ok(()));
    assert_eq!(key.public().verify(&message[1..], &signature), Err(CryptoError::BadSignature));
}

#[test]
fn siphash_reference() {
    let v = json(include_str!("../../testdata/siphash24.json"));
    let out = siphash::siphash24(&field_array(&v, "key"), &field(&v, "message"));
    assert_eq!(out[..], field(&v, "out_le"));
}

/// `derived-ntcp2`: keys of the first direction, and the masked lengths of two frames with 23 bytes each.
/// Derived: computed from the published formulae with an independent script, not captured from a router.
#[test]
fn length_masks_of_ntcp2() {
    let mut mask =
        siphash::LengthMask::new(hex_array("3c557b9b3d14a3ad"), hex_array("40c076027293e161"), hex_array("bc18fd236a22563e"));
    assert_eq!((23 ^ mask.next()).to_be_bytes()[..], hex("7454"));
    assert_eq!((23 ^ mask.next()).to_be_bytes()[..], hex("d723"));
}

#[test]
fn elligator2_vectors() {
    let v = json(include_str!("../../testdata/elligator2.json"));
    for row in v["encode"].as_array().unwrap() {
        // Rows keep a key above p; ours are below it, as every computed key is.
        let key = x25519::PublicKey(field_array(row, "decoded_key"));
        let high = row["high_y"].as_bool().unwrap();
        let encoded: [u8; 32] = field_array(row, "encoded");
        assert_eq!(elligator2::encode_with(&key, u8::from(high)), Some(encoded));
        assert_eq!(elligator2::decode(&encoded), key);
        for top in [0x40, 0x80, 0xc0] {
            let mut on_the_wire = encoded;
            on_the_wire[31] |= top;
            assert_eq!(elligator2::encode_with(&key, u8::from(high) | top), Some(on_the_wire));
            assert_eq!(elligator2::decode(&on_the_wire), key);
        }
    }
    for row in v["decode"].as_array().unwrap() {
        let encoded = field_array(row, "encoded");
        assert_eq!(elligator2::decode(&encoded).0[..], field(row, "key"));
    }
    let mut rng = rng::SeededRng::new([1; 32]);
    for row in v["not_encodable"].as_array().unwrap() {
        let key = x25519::PublicKey(hex_array(row.as_str().unwrap()));
        assert_eq!(elligator2::encode(&key, &mut rng), None);
    }
}

#[test]
fn noise_names_of_i2p() {
    let v = json(include_str!("../../testdata/noise-init.json"));
    for row in v["rows"].as_object().unwrap().values() {
        let mut state = SymmetricState::new(row["name"].as_str().unwrap().as_bytes());
        assert_eq!(state.chaining_key()[..], field(row, "ck0"));
        assert_eq!(state.hash(), state.chaining_key());
        state.mix_prologue(&[]);
        assert_eq!(state.hash()[..], field(row, "h_after_null_prologue"));
        assert_eq!(state.chaining_key()[..], field(row, "ck0"));
    }
}
