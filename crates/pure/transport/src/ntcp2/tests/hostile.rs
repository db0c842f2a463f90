//! What strangers and broken peers send.

use std::time::Duration;

use proptest::prelude::*;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{CryptoRng, Rng};

use super::{End, Event, Pair, Plan, SOURCE, Tamper, message, now_at};
use crate::ntcp2::{Class, CloseReason, Expired, HandshakeError, ReplayCache, Session};

/// A pair in which messages go both ways, with one byte changed; runs until both ends are closed.
fn tampered(tamper: Tamper, piece: usize) -> Pair {
    let mut pair = Pair::standard();
    pair.piece = piece;
    pair.tamper = Some(tamper);
    for id in 0..3 {
        pair.alice.session.send(pair.now(), message(id, 200), Class::Own).unwrap();
        pair.bob.session.send(pair.now(), message(id, 200), Class::Own).unwrap();
    }
    pair.run_out();
    pair
}

/// Everything that got through is as it was sent.
fn nothing_forged(end: &End) {
    for (count, got) in end.messages().into_iter().enumerate() {
        assert_eq!(*got, message(u32::try_from(count).unwrap(), 200));
    }
}

/// Else the watch over each session would show nothing.
#[test]
fn an_end_is_logged() {
    let pair = tampered(Tamper { from_initiator: true, at: 0, xor: 1 }, 100_000);
    assert!(pair.bob.leaks.heard("ramson_transport", tracing::Level::DEBUG));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_changed_byte_ends_the_session(
        from_initiator: bool, at in 0usize..1700, xor in 1u8..=255, piece in prop_oneof![Just(1usize), Just(50), Just(100_000)],
    ) {
        let pair = tampered(Tamper { from_initiator, at, xor }, piece);
        let (sender, receiver) =
            if from_initiator { (&pair.alice, &pair.bob) } else { (&pair.bob, &pair.alice) };
        nothing_forged(sender);
        nothing_forged(receiver);
        prop_assert!(pair.alice.closed().is_some() && pair.bob.closed().is_some());
        if at < sender.sent.len() {
            let orderly = matches!(
                receiver.closed(),
                Some(CloseReason::Terminated(_) | CloseReason::Expired(Expired::Idle))
            );
            prop_assert!(!orderly, "{:?}", receiver.closed());
        }
    }

    #[test]
    fn garbage_gets_silence_and_an_end(seed: [u8; 32], len in 0usize..2000, piece in 1usize..300) {
        let bob = Plan::new(2).build();
        let mut end = responder(&bob, seed);
        let mut bytes = vec![0; len];
        SeededRng::new(seed).child("garbage").fill_bytes(&mut bytes);
        for piece in bytes.chunks(piece) {
            end.feed(Duration::ZERO, piece);
        }
        prop_assert!(!end.session.wants_write());
        end.session.handle_timeout(now_at(Duration::from_secs(10)));
        end.collect();
        prop_assert!(end.closed().is_some());
        prop_assert!(end.replay.is_empty());
    }

    #[test]
    fn a_truncated_stream_ends_with_it(from_initiator: bool, keep in 0usize..1500) {
        let mut whole = Pair::standard();
        whole.run();
        let sent = if from_initiator { &whole.alice.sent } else { &whole.bob.sent };
        let cut = &sent[..keep.min(sent.len())];
        // The same random numbers, so the same bytes: one end is replayed against the other up to the cut.
        let mut pair = Pair::standard();
        let end = if from_initiator { &mut pair.bob } else { &mut pair.alice };
        end.write(Duration::ZERO, 100_000);
        end.feed(Duration::ZERO, cut);
        end.session.handle_eof(now_at(Duration::ZERO));
        end.collect();
        prop_assert!(end.closed().is_some());
    }
}

fn responder(router: &super::Router, seed: [u8; 32]) -> End {
    let rng: Box<dyn CryptoRng + Send> = Box::new(SeededRng::new(seed));
    End::new(Session::respond(now_at(Duration::ZERO), &router.local, SOURCE, rng), router)
}

#[test]
fn every_byte_of_the_handshake_counts() {
    // In steps, to keep the time of the test down; the property test above takes any byte.
    for from_initiator in [true, false] {
        for at in (0..1100).step_by(7) {
            let pair = tampered(Tamper { from_initiator, at, xor: 0x40 }, 100_000);
            nothing_forged(&pair.alice);
            nothing_forged(&pair.bob);
        }
    }
}

#[test]
fn a_changed_first_message_is_never_answered() {
    for at in 0..64 {
        let mut pair = Pair::standard();
        pair.tamper = Some(Tamper { from_initiator: true, at, xor: 1 });
        pair.run_out();
        let Some(CloseReason::Handshake(error)) = pair.bob.closed() else { panic!("{at}: {:?}", pair.bob.closed()) };
        assert!(matches!(error, HandshakeError::RequestTag | HandshakeError::HighBit), "{at}: {error:?}");
        assert!(pair.bob.sent.is_empty());
    }
}

#[test]
fn a_broken_first_message_is_closed_at_no_fixed_byte_or_time() {
    let bob = Plan::new(2).build();
    let (mut bytes, mut times) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for seed in 0..20 {
        let mut end = responder(&bob, [seed; 32]);
        end.feed(Duration::ZERO, &[0x55; 64]);
        assert!(end.closed().is_none(), "no end right behind byte 64");
        times.insert(end.session.deadline());
        let mut count = 0;
        while end.closed().is_none() {
            end.feed(Duration::ZERO, &[0]);
            count += 1;
        }
        assert!(count <= 256);
        bytes.insert(count);
    }
    assert!(bytes.len() > 10 && times.len() > 10);
}

#[test]
fn a_replayed_first_message_gets_no_answer() {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let mut pair = Pair::new(&alice, &bob);
    let request = pair.alice.write(Duration::ZERO, 10_000);
    let mut replay = std::mem::take(&mut pair.bob.replay);
    for (attempt, minutes) in [0, 4, 9, 11].into_iter().enumerate() {
        let elapsed = Duration::from_secs(minutes * 60);
        let rng = Box::new(SeededRng::new([8; 32]));
        let mut end = End::new(Session::respond(now_at(elapsed), &bob.local, SOURCE, rng), &bob);
        end.replay = replay;
        end.feed(elapsed, &request);
        assert_eq!(end.session.wants_write(), attempt == 0, "after {minutes} min");
        end.session.handle_timeout(now_at(elapsed + Duration::from_secs(10)));
        end.collect();
        let expected = match minutes {
            0 => CloseReason::Expired(Expired::Handshake),
            11 => CloseReason::Handshake(HandshakeError::TooFarOff),
            _ => CloseReason::Handshake(HandshakeError::Replayed),
        };
        assert_eq!(end.closed(), Some(expected));
        // What is too old to be answered needs no place in the cache.
        replay = if minutes < 9 { end.replay } else { ReplayCache::new() };
    }
}

#[test]
fn bytes_behind_message_1_are_refused() {
    let mut pair = Pair::standard();
    let mut request = pair.alice.write(Duration::ZERO, 10_000);
    request.push(0);
    pair.bob.feed(Duration::ZERO, &request);
    assert!(!pair.bob.session.wants_write());
    pair.run_out();
    assert_eq!(pair.bob.closed(), Some(CloseReason::Handshake(HandshakeError::UnexpectedBytes)));
}

#[test]
fn bytes_behind_message_2_are_refused() {
    let mut pair = Pair::standard();
    let request = pair.alice.write(Duration::ZERO, 10_000);
    pair.bob.feed(Duration::ZERO, &request);
    let mut created = pair.bob.write(Duration::ZERO, 10_000);
    created.push(0);
    pair.alice.feed(Duration::ZERO, &created);
    assert_eq!(pair.alice.closed(), Some(CloseReason::Handshake(HandshakeError::UnexpectedBytes)));
    assert!(!pair.alice.session.wants_write());
}

#[test]
fn a_flood_of_garbage_holds_nothing() {
    let bob = Plan::new(2).build();
    let mut end = responder(&bob, [4; 32]);
    for _ in 0..1000 {
        end.feed(Duration::ZERO, &[0xaa; 4096]);
    }
    assert!(matches!(&end.events[..], [Event::Closed(CloseReason::Handshake(_))]));
    assert!(!end.session.wants_write() && end.replay.is_empty());
}
