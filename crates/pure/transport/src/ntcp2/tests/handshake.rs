//! Handshakes that succeed, and those that honest but odd routers make fail.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::{Event, Pair, Plan, SOURCE, START};
use crate::ntcp2::{CloseReason, Expired, Fault, HandshakeError, RefusedRouterInfo, TerminationReason};

#[test]
fn both_ends_learn_who_and_when() {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let mut pair = Pair::with(&alice, &bob, &bob.peer, SOURCE, [20, 0]);
    pair.run();
    assert_eq!(pair.alice.established(), Some(-20));
    assert_eq!(pair.bob.established(), Some(20));
    let Some(Event::Established { peer, router_info: Some(info), .. }) = pair.bob.events.first() else {
        panic!("{:?}", pair.bob.events)
    };
    assert_eq!((*peer, info.hash()), (alice.local.hash, alice.local.hash));
    assert_eq!(pair.bob.session.peer(), Some(alice.local.hash));
    assert_eq!(pair.alice.session.peer(), Some(bob.local.hash));
    // The responder's RouterInfo comes in its first frame, unasked.
    assert!(matches!(&pair.alice.events[1], Event::RouterInfo { info, flood: false } if info.hash() == bob.local.hash));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_segmentation_works(piece in 1usize..200, count in 0u32..6) {
        let mut pair = Pair::standard();
        pair.piece = piece;
        for id in 0..count {
            pair.alice.session.send(pair.now(), super::message(id, 300), crate::ntcp2::Class::Own).unwrap();
        }
        pair.run();
        prop_assert_eq!(pair.bob.messages().len(), usize::try_from(count).unwrap());
        prop_assert_eq!(pair.alice.router_infos(), 1);
        prop_assert!(pair.alice.closed().is_none() && pair.bob.closed().is_none());
    }
}

#[test]
fn skew_is_told_to_both_and_message_3_never_goes() {
    for skew in [-61, 61, 300, -500] {
        let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
        let mut pair = Pair::with(&alice, &bob, &bob.peer, SOURCE, [skew, 0]);
        pair.run();
        assert_eq!(pair.bob.closed(), Some(CloseReason::ClockSkew { secs: skew }));
        assert_eq!(pair.alice.closed(), Some(CloseReason::ClockSkew { secs: -skew }));
        assert!((64..=64 + 63).contains(&pair.bob.sent.len()), "message 2 went out");
        assert!(pair.alice.sent.len() <= 64 + 63, "message 3 didn't");
    }
}

#[test]
fn skew_of_a_minute_is_fine() {
    for skew in [-60, 60] {
        let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
        let mut pair = Pair::with(&alice, &bob, &bob.peer, SOURCE, [skew, 0]);
        pair.run();
        assert!(pair.bob.established().is_some() && pair.alice.established().is_some());
    }
}

#[test]
fn a_time_beyond_what_is_remembered_gets_no_answer() {
    for skew in [-601, 601, 100_000] {
        let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
        let mut pair = Pair::with(&alice, &bob, &bob.peer, SOURCE, [skew, 0]);
        pair.run_out();
        assert_eq!(pair.bob.closed(), Some(CloseReason::Handshake(HandshakeError::TooFarOff)));
        assert!(pair.bob.sent.is_empty());
    }
}

/// What the initiator's plan and source make the responder say, and what the initiator hears.
fn refused(plan: Plan, source: IpAddr) -> (Option<CloseReason>, Option<CloseReason>) {
    let (alice, bob) = (plan.build(), Plan::new(2).build());
    let mut pair = Pair::with(&alice, &bob, &bob.peer, source, [0, 0]);
    pair.run_out();
    assert!(pair.bob.established().is_none());
    (pair.bob.closed(), pair.alice.closed())
}

#[test]
fn router_infos_that_do_not_fit_are_refused_with_the_reason() {
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let cases = [
        (Plan { info_net_id: 98, ..Plan::new(1) }, SOURCE, RefusedRouterInfo::WrongNetwork, 13),
        (Plan { published: START - minutes(91), ..Plan::new(1) }, SOURCE, RefusedRouterInfo::TooOld, 13),
        (Plan { published: START + minutes(3), ..Plan::new(1) }, SOURCE, RefusedRouterInfo::FromFuture, 13),
        (Plan { wrong_key: true, ..Plan::new(1) }, SOURCE, RefusedRouterInfo::WrongStaticKey, 16),
        (Plan::new(1), IpAddr::V4(Ipv4Addr::new(127, 9, 0, 1)), RefusedRouterInfo::WrongHost, 17),
        (Plan::new(2), SOURCE, RefusedRouterInfo::Ourselves, 13),
    ];
    for (plan, source, refusal, code) in cases {
        let (bob, alice) = refused(plan, source);
        assert_eq!(bob, Some(CloseReason::RouterInfo(refusal)));
        assert_eq!(alice, Some(CloseReason::Terminated(TerminationReason::from_code(code))), "{refusal:?}");
        assert_eq!(alice.map(CloseReason::fault), Some(Fault::Peer));
    }
}

#[test]
fn unpublished_and_neighbouring_sources_are_taken() {
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, last));
    let cases = [
        (None, SOURCE),
        (Some(v6(1)), v6(2)),
        // Published in the other family only: nothing to compare.
        (Some(v6(1)), SOURCE),
        // Yggdrasil: a router and its subnet.
        (Some(IpAddr::V6(Ipv6Addr::new(0x0201, 7, 7, 7, 0, 0, 0, 1))), IpAddr::V6(Ipv6Addr::new(0x0301, 7, 7, 7, 9, 9, 9, 1))),
    ];
    for (host, source) in cases {
        let (alice, bob) = (Plan { host, ..Plan::new(1) }.build(), Plan::new(2).build());
        let mut pair = Pair::with(&alice, &bob, &bob.peer, source, [0, 0]);
        pair.run();
        assert!(pair.bob.established().is_some(), "{host:?} {source:?}: {:?}", pair.bob.events);
    }
}

#[test]
fn wrong_network_gets_no_answer() {
    let plan = Plan { net_id: 98, info_net_id: 98, ..Plan::new(1) };
    let (bob, _) = refused(plan, SOURCE);
    assert_eq!(bob, Some(CloseReason::Handshake(HandshakeError::WrongNetwork)));
}

#[test]
fn network_zero_in_message_1_is_unsaid() {
    let (alice, bob) = (Plan { net_id: 0, ..Plan::new(1) }.build(), Plan::new(2).build());
    let mut pair = Pair::new(&alice, &bob);
    pair.run();
    assert!(pair.bob.established().is_some());
}

#[test]
fn a_stale_static_key_of_the_responder_fails_quietly() {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let mut peer = bob.peer.clone();
    peer.static_key = alice.peer.static_key;
    let mut pair = Pair::with(&alice, &bob, &peer, SOURCE, [0, 0]);
    pair.run_out();
    assert_eq!(pair.bob.closed(), Some(CloseReason::Handshake(HandshakeError::RequestTag)));
    assert!(pair.alice.established().is_none() && pair.alice.closed().is_some());
    assert!(pair.bob.sent.is_empty());
}

#[test]
fn long_router_infos_pass_up_to_their_limit() {
    let (alice, bob) = (Plan { extra_bytes: 3_200, ..Plan::new(1) }.build(), Plan { extra_bytes: 3_200, ..Plan::new(2) }.build());
    assert!(alice.info.bytes().len() > 3_500);
    let mut pair = Pair::new(&alice, &bob);
    pair.run();
    assert!(pair.bob.established().is_some());
    assert_eq!(pair.alice.router_infos(), 1);
}

#[test]
fn own_router_info_over_the_limit_is_our_own_fault() {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let long = vec![0; 4097].into();
    let rng = Box::new(ramson_crypto::rng::SeededRng::new([3; 32]));
    let mut session = crate::ntcp2::Session::initiate(super::now_at(Duration::ZERO), &alice.local, &long, &bob.peer, rng);
    let Some(Event::Closed(reason)) = session.poll_event() else { panic!("not closed") };
    assert_eq!(reason.fault(), Fault::Local);
    assert!(!session.wants_write());
}

#[test]
fn silence_ends_after_ten_seconds() {
    let mut pair = Pair::standard();
    let deadline = pair.bob.session.deadline().unwrap();
    assert_eq!(deadline.saturating_since(pair.now().tick), Duration::from_secs(10));
    pair.bob.session.handle_timeout(super::now_at(Duration::from_millis(9_999)));
    pair.bob.collect();
    assert!(pair.bob.closed().is_none());
    pair.bob.session.handle_timeout(super::now_at(Duration::from_secs(10)));
    pair.bob.collect();
    assert_eq!(pair.bob.closed(), Some(CloseReason::Expired(Expired::Handshake)));
    assert_eq!(pair.bob.session.deadline(), None);
}
