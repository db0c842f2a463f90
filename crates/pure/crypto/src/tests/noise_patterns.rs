//! The plain Noise patterns XK, IK and N, spelled out over our state as the protocols do, against snow.

use proptest::prelude::*;
use snow::{Builder, HandshakeState};

use crate::CryptoError;
use crate::noise::SymmetricState;
use crate::x25519::{PrivateKey, PublicKey};

/// One token of a message pattern.
#[derive(Clone, Copy)]
enum Token {
    E,
    S,
    Ee,
    Es,
    Se,
    Ss,
}
use Token::{E, Ee, Es, S, Se, Ss};

/// A pattern whose initiator knows the responder's static key.
struct Pattern {
    name: &'static str,
    messages: &'static [&'static [Token]],
}

const XK: Pattern = Pattern { name: "Noise_XK_25519_ChaChaPoly_SHA256", messages: &[&[E, Es], &[E, Ee], &[S, Se]] };
const IK: Pattern = Pattern { name: "Noise_IK_25519_ChaChaPoly_SHA256", messages: &[&[E, Es, S, Ss], &[E, Ee, Se]] };
const N: Pattern = Pattern { name: "Noise_N_25519_ChaChaPoly_SHA256", messages: &[&[E, Es]] };

/// One side of a handshake over our state.
struct Side {
    state: SymmetricState,
    initiator: bool,
    static_key: PrivateKey,
    ephemeral: PrivateKey,
    remote_static: Option<PublicKey>,
    remote_ephemeral: Option<PublicKey>,
}

impl Side {
    fn new(pattern: &Pattern, prologue: &[u8], keys: [&[u8; 32]; 2], remote_static: Option<PublicKey>) -> Self {
        let mut state = SymmetricState::new(pattern.name.as_bytes());
        let static_key = PrivateKey::from_bytes(keys[0]);
        state.mix_prologue(prologue);
        state.mix_hash(&remote_static.unwrap_or(static_key.public()).0);
        Self {
            state,
            initiator: remote_static.is_some(),
            static_key,
            ephemeral: PrivateKey::from_bytes(keys[1]),
            remote_static,
            remote_ephemeral: None,
        }
    }

    fn agree(&mut self, token: Token) {
        let (own_static, remote_static) = match (token, self.initiator) {
            (Ss, _) => (true, true),
            (Es, true) | (Se, false) => (false, true),
            (Se, true) | (Es, false) => (true, false),
            _ => (false, false),
        };
        let own = if own_static { &self.static_key } else { &self.ephemeral };
        let remote = if remote_static { self.remote_static } else { self.remote_ephemeral };
        let shared = own.diffie_hellman(&remote.unwrap()).unwrap();
        self.state.mix_key(shared.as_bytes());
    }

    fn write(&mut self, tokens: &[Token], payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &token in tokens {
            let start = out.len();
            match token {
                E => {
                    out.extend_from_slice(&self.ephemeral.public().0);
                    self.state.mix_hash(&self.ephemeral.public().0);
                }
                S => {
                    out.extend_from_slice(&self.static_key.public().0);
                    self.state.encrypt_and_hash(&mut out, start);
                }
                _ => self.agree(token),
            }
        }
        let start = out.len();
        out.extend_from_slice(payload);
        self.state.encrypt_and_hash(&mut out, start);
        out
    }

    fn read(&mut self, tokens: &[Token], mut message: Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        for &token in tokens {
            match token {
                E => {
                    let rest = message.split_off(32);
                    self.remote_ephemeral = Some(PublicKey(message.try_into().unwrap()));
                    message = rest;
                    self.state.mix_hash(&self.remote_ephemeral.unwrap().0);
                }
                S => {
                    let rest = message.split_off(48);
                    let key = self.state.decrypt_and_hash(&mut message)?;
                    self.remote_static = Some(PublicKey((&*key).try_into().unwrap()));
                    message = rest;
                }
                _ => self.agree(token),
            }
        }
        Ok(self.state.decrypt_and_hash(&mut message)?.to_vec())
    }
}

/// The four private keys of a handshake.
#[derive(Debug, Clone)]
struct Keys {
    initiator: [[u8; 32]; 2],
    responder: [[u8; 32]; 2],
}

fn snow_side(pattern: &Pattern, prologue: &[u8], keys: &[[u8; 32]; 2], remote: Option<&PublicKey>) -> HandshakeState {
    let builder =
        Builder::new(pattern.name.parse().unwrap()).prologue(prologue).unwrap().fixed_ephemeral_key_for_testing_only(&keys[1]);
    match remote {
        // Pattern N has no static key of the initiator.
        Some(remote) if pattern.messages.len() == 1 => builder.remote_public_key(&remote.0).unwrap().build_initiator().unwrap(),
        Some(remote) => {
            builder.local_private_key(&keys[0]).unwrap().remote_public_key(&remote.0).unwrap().build_initiator().unwrap()
        }
        None => builder.local_private_key(&keys[0]).unwrap().build_responder().unwrap(),
    }
}

/// Both of our sides and both of snow's give the same messages, hashes and keys.
fn run(pattern: &Pattern, prologue: &[u8], keys: &Keys, payload: &[u8]) {
    let responder_key = PrivateKey::from_bytes(&keys.responder[0]).public();
    let [i_static, i_ephemeral] = &keys.initiator;
    let [r_static, r_ephemeral] = &keys.responder;
    let mut ours = [
        Side::new(pattern, prologue, [i_static, i_ephemeral], Some(responder_key)),
        Side::new(pattern, prologue, [r_static, r_ephemeral], None),
    ];
    let mut theirs = [
        snow_side(pattern, prologue, &keys.initiator, Some(&responder_key)),
        snow_side(pattern, prologue, &keys.responder, None),
    ];
    let mut buf = vec![0; 65535];
    for (number, tokens) in pattern.messages.iter().enumerate() {
        let (from, to) = (number % 2, 1 - number % 2);
        let message = ours[from].write(tokens, payload);
        let len = theirs[from].write_message(payload, &mut buf).unwrap();
        assert_eq!(message, buf[..len]);
        let len = theirs[to].read_message(&message, &mut buf).unwrap();
        assert_eq!(&buf[..len], payload);
        assert_eq!(ours[to].read(tokens, message).unwrap(), payload);
        for side in [0, 1] {
            assert_eq!(ours[side].state.hash()[..], *theirs[side].get_handshake_hash());
        }
    }
    let split = theirs[0].dangerously_get_raw_split();
    assert_eq!(ours[0].state.split(), split);
    assert_eq!(ours[1].state.split(), split);
    assert_eq!(ours[0].state.chaining_key(), ours[1].state.chaining_key());
    assert_eq!(ours[0].state.derive(b"ask"), ours[1].state.derive(b"ask"));
    assert_ne!(ours[0].state.derive(b"ask"), split);
}

fn keys() -> impl Strategy<Value = Keys> {
    any::<([[u8; 32]; 2], [[u8; 32]; 2])>().prop_map(|(initiator, responder)| Keys { initiator, responder })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn patterns_equal_snow(keys in keys(), prologue: Vec<u8>, payload: Vec<u8>) {
        for pattern in [XK, IK, N] {
            run(&pattern, &prologue, &keys, &payload);
        }
    }
}

#[test]
fn a_failed_decryption_leaves_the_state() {
    let mut alice = SymmetricState::new(N.name.as_bytes());
    alice.mix_key(&[1; 32]);
    let mut bob = alice.clone();
    let mut first = b"first".to_vec();
    alice.encrypt_and_hash(&mut first, 0);
    let mut second = b"head second".to_vec();
    alice.encrypt_and_hash(&mut second, 5);
    assert_eq!(&second[..5], b"head ");

    let before = *bob.hash();
    let mut damaged = first.clone();
    damaged[0] ^= 1;
    assert_eq!(bob.decrypt_and_hash(&mut damaged), Err(CryptoError::BadTag));
    assert_eq!(bob.decrypt_and_hash(&mut [0; 15]), Err(CryptoError::BadTag));
    assert_eq!(bob.hash(), &before);
    assert_eq!(bob.decrypt_and_hash(&mut first).unwrap(), b"first");
    assert_eq!(bob.decrypt_and_hash(&mut second[5..]).unwrap(), b"second");
    assert_eq!(alice.hash(), bob.hash());
    assert_ne!(bob.hash(), &before);
}

#[test]
fn without_a_key_the_text_is_clear_and_hashed() {
    let mut alice = SymmetricState::new(XK.name.as_bytes());
    let mut bob = alice.clone();
    let mut text = b"clear".to_vec();
    alice.encrypt_and_hash(&mut text, 0);
    assert_eq!(text, b"clear");
    assert_eq!(bob.decrypt_and_hash(&mut text).unwrap(), b"clear");
    assert_eq!(alice.hash(), bob.hash());
    assert_eq!(alice.hash(), &crate::sha256_parts(&[XK.name.as_bytes(), b"clear"]));
}
