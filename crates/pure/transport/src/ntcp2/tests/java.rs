//! What a session writes, read by a peer as strict as Java I2P (`NTCP2Payload`, `InboundEstablishState`, `OutboundNTCP2State`): nothing
//! behind padding, nothing but padding behind a termination, message 3 in its one order, lengths within its limits.

use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519;

use super::{Pair, Plan, SOURCE, message, now_at};
use crate::ntcp2::frames::Opener;
use crate::ntcp2::handshake::HEAD_LEN;
use crate::ntcp2::handshake::initiator::{self, RequestSent};
use crate::ntcp2::handshake::responder::{self, RequestHead};
use crate::ntcp2::{Class, Context, ReplayCache, Session, TerminationReason};

const DATE_TIME: u8 = 0;
const OPTIONS: u8 = 1;
const ROUTER_INFO: u8 = 2;
const I2NP: u8 = 3;
const TERMINATION: u8 = 4;
const PADDING: u8 = 254;

/// The blocks of a payload, as Java takes them: type and content. None: it closes.
fn read(mut payload: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut blocks = Vec::new();
    while let Some(([kind, high, low], rest)) = payload.split_first_chunk() {
        let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        let before = blocks.last().map(|(kind, _): &(u8, &[u8])| *kind);
        let allowed = match before {
            Some(PADDING) => false,
            Some(TERMINATION) => *kind == PADDING,
            _ => true,
        };
        let sound = match *kind {
            DATE_TIME => data.len() == 4,
            OPTIONS => data.len() >= 12,
            ROUTER_INFO => data.len() > 391,
            I2NP | TERMINATION => data.len() >= 9,
            PADDING => true,
            _ => false,
        };
        if !allowed || !sound {
            return None;
        }
        blocks.push((*kind, data));
        payload = behind;
    }
    payload.is_empty().then_some(blocks)
}

fn kinds(payload: &[u8]) -> Option<Vec<u8>> {
    Some(read(payload)?.into_iter().map(|(kind, _)| kind).collect())
}

#[test]
fn the_strict_peer_is_strict() {
    assert_eq!(kinds(&[0, 0, 4, 1, 2, 3, 4, 254, 0, 1, 9]), Some(vec![DATE_TIME, PADDING]));
    for bad in [&[254, 0, 0, 0, 0, 4, 1, 2, 3, 4][..], &[0, 0, 3, 1, 2, 3], &[99, 0, 0], &[3, 0, 9, 1], &[0, 0]] {
        assert_eq!(kinds(bad), None, "{bad:?}");
    }
    let end = [&[4, 0, 9][..], &[0; 9]].concat();
    assert_eq!(kinds(&[&end[..], &[254, 0, 0]].concat()), Some(vec![TERMINATION, PADDING]));
    assert_eq!(kinds(&[&end[..], &end].concat()), None);
}

/// Messages 1 and 3 of an initiator with this seed, by a responder that takes apart what it gets; then a frame of each kind.
fn initiator(seed: u8) -> usize {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let mut now = now_at(Duration::ZERO);
    let rng = SeededRng::new([seed; 32]);
    let mut session = Session::initiate(now, &alice.local, alice.info.bytes(), &bob.peer, Box::new(rng.child("alice")));
    let mut written = Vec::new();
    session.write_into(now, &mut written, 10_000);
    assert!((HEAD_LEN..=HEAD_LEN + 63).contains(&written.len()), "message 1 has {} bytes", written.len());
    let mut head = *written.first_chunk().unwrap();
    let request = RequestHead::open(&bob.local, &mut head, now.date, &mut ReplayCache::new()).unwrap();
    assert_eq!(usize::from(request.options.padding_len), written.len() - HEAD_LEN);
    assert!((459..=6000).contains(&request.options.part_2_len));
    let choices = responder::Choices { ephemeral: x25519::PrivateKey::generate(&mut rng.child("bob")), padding: vec![0; 9] };
    let time = now.date.to_seconds_rounded();
    let (awaiting, answer) = request.create(&bob.local, &written[HEAD_LEN..], choices, time).unwrap();

    let mut replay = ReplayCache::new();
    let mut context = Context { replay: &mut replay, router_info: alice.info.bytes() };
    session.send(now, message(1, 700), Class::Own).unwrap();
    session.handle_bytes(now, &answer, &mut context);
    let mut message_3 = Vec::new();
    session.write_into(now, &mut message_3, 10_000);
    assert_eq!(message_3.len(), awaiting.message_len(), "message 3 is a write of its own");
    let confirmed = awaiting.confirmed(&mut message_3).unwrap();
    let blocks = read(&confirmed.payload).expect("message 3 can be read");
    let [(ROUTER_INFO, info), (OPTIONS, options), (PADDING, padding)] = blocks[..] else {
        panic!("message 3 has {:?}", kinds(&confirmed.payload))
    };
    assert_eq!((info[0], &info[1..]), (0, alice.info.bytes().as_ref()));
    assert_eq!(options, [0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(padding.len() <= 63);

    let mut opener = Opener::new(&confirmed.keys.to_responder);
    let mut written = Vec::new();
    session.send(now, message(2, 10), Class::Own).unwrap();
    session.send_router_info(now, alice.info.bytes().clone(), true).unwrap();
    now = now_at(Duration::from_secs(1));
    session.write_into(now, &mut written, 10_000);
    session.close(now, TerminationReason::Normal);
    session.write_into(now, &mut written, 10_000);
    let frames = frames(&mut opener, written);
    assert_eq!(frames, [vec![DATE_TIME, ROUTER_INFO, I2NP, I2NP, PADDING], vec![TERMINATION, PADDING]]);
    padding.len()
}

/// Opens all frames and gives the blocks of each.
fn frames(opener: &mut Opener, mut bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(masked) = bytes.first_chunk().copied() {
        let len = opener.length(masked).unwrap();
        let mut frame: Vec<u8> = bytes.drain(..2 + len).skip(2).collect();
        opener.open(&mut frame).unwrap();
        frames.push(kinds(&frame).expect("a frame can be read"));
    }
    frames
}

#[test]
fn an_initiator_writes_what_java_takes() {
    let paddings: Vec<usize> = (0..60).map(initiator).collect();
    assert!(paddings.iter().any(|len| *len > 45) && paddings.iter().any(|len| *len < 15), "{paddings:?}");
}

/// Message 2 and the first frame of a responder.
#[test]
fn a_responder_writes_what_java_takes() {
    for seed in 0..60 {
        let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
        let (now, rng) = (now_at(Duration::ZERO), SeededRng::new([seed; 32]));
        let payload = [&[ROUTER_INFO][..], &u16::try_from(alice.info.bytes().len() + 1).unwrap().to_be_bytes(), &[0]].concat();
        let payload = [payload, alice.info.bytes().to_vec()].concat();
        let choices = initiator::Choices { ephemeral: x25519::PrivateKey::generate(&mut rng.child("a")), padding: Vec::new() };
        let (sent, message_1) =
            RequestSent::start(&alice.local, &bob.peer, payload, choices, now.date.to_seconds_rounded()).unwrap();
        let mut session = Session::respond(now, &bob.local, SOURCE, Box::new(rng.child("bob")));
        let mut replay = ReplayCache::new();
        let mut context = Context { replay: &mut replay, router_info: bob.info.bytes() };
        session.handle_bytes(now, &message_1, &mut context);
        let mut written = Vec::new();
        session.write_into(now, &mut written, 10_000);
        assert!((HEAD_LEN..=HEAD_LEN + 63).contains(&written.len()), "message 2 has {} bytes", written.len());
        let mut head = *written.first_chunk().unwrap();
        let created = sent.created_head(&mut head).unwrap();
        let (keys, message_3) = created.confirm(&alice.local, &written[HEAD_LEN..]).unwrap();
        session.handle_bytes(now, &message_3, &mut context);
        let mut written = Vec::new();
        session.write_into(now, &mut written, 10_000);
        let frames = frames(&mut Opener::new(&keys.to_initiator), written);
        assert_eq!(frames, [vec![DATE_TIME, ROUTER_INFO, PADDING]]);
    }
}

/// Java closes when something comes behind message 1 or 2 before it answered.
#[test]
fn nothing_goes_behind_a_message_of_the_handshake() {
    let mut pair = Pair::standard();
    pair.alice.session.send(pair.now(), message(1, 700), Class::Own).unwrap();
    let elapsed = pair.elapsed;
    assert!(pair.alice.write(elapsed, 10_000).len() <= HEAD_LEN + 63);
    assert!(pair.alice.write(elapsed, 10_000).is_empty());
}
