//! Mutated, repeated and invented bytes.

use super::*;
use crate::session::Classified;
use proptest::prelude::*;

proptest! {
    #[test]
    fn invented_bytes_change_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut pair = Pair::established();
        let tags = pair.b.tags.len();
        let mut body = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        body.extend(&bytes);
        prop_assert!(pair.b.decrypt(pair.now(), &body).is_err());
        prop_assert!(pair.b.decrypt(pair.now(), &bytes).is_err());
        prop_assert_eq!(pair.b.tags.len(), tags);
        prop_assert_eq!(pair.b.session_count(), 1);
        prop_assert_eq!(pair.b.replay.len(), 1);
        pair.a_to_b(9);
        pair.b_to_a(9);
    }

    /// Of each kind of message, any changed bit spoils at most that message.
    #[test]
    fn a_changed_bit_costs_one_message(at in 4_usize..300, bit in 0_u8..8) {
        let mut pair = Pair::new();
        let flip = |sealed: &Sealed| {
            let mut body = sealed.body.to_vec();
            let at = 4 + (at - 4) % (body.len() - 4);
            body[at] ^= 1 << bit;
            // The two top bits of an ephemeral key mean nothing: such a message is the same one.
            (body, at, bit)
        };
        let ns = pair.a_writes(1);
        let (body, byte, bit) = flip(&ns);
        let unused = byte == 4 + 31 && bit >= 6;
        prop_assert_eq!(pair.b.decrypt(pair.now(), &body).is_ok(), unused);
        prop_assert_eq!(pair.b.decrypt(pair.now(), &ns.body).is_ok(), !unused, "the true one still counts, once");
        let nsr = pair.b_writes(2);
        let (body, byte, bit) = flip(&nsr);
        let unused = byte == 4 + 8 + 31 && bit >= 6;
        prop_assert_eq!(pair.a.decrypt(pair.now(), &body).is_ok(), unused);
        pair.b_to_a(3);
        pair.a_to_b(4);
        let es = pair.a_writes(5);
        prop_assert!(pair.b.decrypt(pair.now(), &flip(&es).0).is_err());
        pair.a_to_b(6);
        pair.b_to_a(7);
    }

    #[test]
    fn a_changed_length_is_refused_or_harmless(len in any::<u32>()) {
        let mut pair = Pair::established();
        let es = pair.a_writes(5);
        let mut body = es.body.to_vec();
        body[..4].copy_from_slice(&len.to_be_bytes());
        let same = body == es.body;
        prop_assert_eq!(pair.b.decrypt(pair.now(), &body).is_ok(), same);
        pair.a_to_b(6);
    }
}

#[test]
fn classification_computes_nothing() {
    let mut pair = Pair::new();
    let ns = pair.a_writes(1);
    assert_eq!(pair.b.classify(&ns.body), Classified::MaybeNewSession);
    pair.b_reads(&ns).unwrap();
    let nsr = pair.b_writes(2);
    assert_eq!(pair.a.classify(&nsr.body), Classified::Tagged);
    assert_eq!(pair.a.classify(&[0; 3]), Classified::Garbage);
    assert_eq!(pair.a.classify(&[0, 0, 0, 50, 1]), Classified::Garbage);
}

/// Many strangers: every table keeps its limit, and who talks with us goes on.
#[test]
fn strangers_fill_no_table() {
    let limits = Limits { sessions: 40, pending: 10, tags: 1500, replay: 50, ..Limits::default() };
    let mut pair = Pair::with_limits(limits).establish();
    let to = pair.b.public_key();
    for stranger in 0..200_u8 {
        let key = PrivateKey::from_bytes(&[stranger.wrapping_add(20); 32]);
        let mut other = Sessions::new(key, Box::new(SeededRng::new([stranger; 32])));
        for _ in 0..2 {
            let ns = other.encrypt(pair.now(), &to, &[clove(1, 10)], false).unwrap();
            pair.b.decrypt(pair.now(), &ns.body).unwrap();
        }
        if stranger % 2 == 0 {
            let _ = pair.b.encrypt(pair.now(), &other.public_key(), &[], false);
        }
        let unanswered = PrivateKey::from_bytes(&[stranger; 32]).public();
        let _ = pair.a.encrypt(pair.now(), &unanswered, &[], false);
        assert!(pair.b.session_count() <= 40 && pair.b.tags.len() <= 1500 && pair.b.replay.len() <= 50);
        assert!(pair.a.session_count() <= 40);
        assert!(pair.a.sessions.values().filter(|session| session.is_pending()).count() <= 10);
        consistent(&pair.a);
        consistent(&pair.b);
        pair.pass(Duration::from_millis(100));
    }
    assert!(!pair.a_to_b(1).new_session);
    assert!(!pair.b_to_a(2).new_session);
}

#[test]
fn a_weak_key_is_refused() {
    let mut pair = Pair::new();
    let refused = pair.a.encrypt(pair.now(), &PublicKey([0; 32]), &[], false);
    assert_eq!(refused.unwrap_err(), SessionError::WeakKey);
    assert_eq!((pair.a.session_count(), pair.a.tags.len()), (0, 0));
    let large = [clove(1, 40_000), clove(2, 40_000)];
    let to = pair.b.public_key();
    assert_eq!(pair.a.encrypt(pair.now(), &to, &large, false).unwrap_err(), SessionError::TooLarge);
}
