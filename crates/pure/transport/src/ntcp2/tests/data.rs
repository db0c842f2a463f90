//! The data phase: queues, frames, blocks, ends.

use std::time::Duration;

use bytes::Bytes;

use super::{End, Pair, Plan, message, now_at};
use crate::ntcp2::{Class, CloseReason, Expired, SendError, TerminationReason};
use crate::ntcp2::{OWN_LIMIT_BYTES, TRANSIT_LIMIT_BYTES};

const SECOND: Duration = Duration::from_secs(1);

fn ids(end: &End) -> Vec<u32> {
    end.messages().iter().map(|message| message.id.0).collect()
}

#[test]
fn messages_cross_whole_and_in_order_of_class() {
    let mut pair = Pair::established();
    let now = pair.now();
    pair.alice.session.send(now, message(1, 1028), Class::Transit).unwrap();
    pair.alice.session.send(now, message(2, 62_000), Class::Own).unwrap();
    pair.alice.session.send(now, message(3, 0), Class::Control).unwrap();
    pair.alice.session.send(now, message(4, 1028), Class::Transit).unwrap();
    pair.bob.session.send(now, message(5, 10), Class::Own).unwrap();
    pair.run();
    assert_eq!(ids(&pair.bob), [3, 2, 1, 4]);
    assert_eq!(ids(&pair.alice), [5]);
    for got in pair.bob.messages() {
        assert_eq!(*got, message(got.id.0, got.body.len()));
    }
    assert!(!pair.alice.session.wants_write());
}

#[test]
fn messages_queued_before_the_handshake_ends_are_sent() {
    let mut pair = Pair::standard();
    pair.alice.session.send(pair.now(), message(1, 100), Class::Own).unwrap();
    assert_eq!(pair.alice.session.queued().own.messages, 1);
    pair.run();
    assert_eq!(ids(&pair.bob), [1]);
}

#[test]
fn writing_stops_at_the_limit() {
    let mut pair = Pair::established();
    for id in 0..100 {
        pair.alice.session.send(pair.now(), message(id, 1028), Class::Own).unwrap();
    }
    let before = pair.alice.session.queued().own.messages;
    let out = pair.alice.write(Duration::ZERO, 5_000);
    assert!((4_000..5_000 + 1_100).contains(&out.len()), "{}", out.len());
    let left = pair.alice.session.queued().own.messages;
    assert!((1..=5).contains(&(before - left)));
    assert!(pair.alice.session.wants_write());
    let out = pair.alice.write(Duration::ZERO, 64 * 1024);
    assert!(out.len() < 66 * 1024 && out.len() > 62 * 1024);
}

#[test]
fn own_traffic_beyond_the_limit_is_refused_and_counted() {
    let mut pair = Pair::established();
    let mut sent = 0;
    let refused = loop {
        match pair.alice.session.send(pair.now(), message(1, 10_000), Class::Own) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SendError::Full);
    assert!(pair.alice.session.queued().own.bytes <= OWN_LIMIT_BYTES);
    assert_eq!(pair.alice.session.drops().own_refused, 1);
    pair.run();
    assert_eq!(pair.bob.messages().len(), sent);
    let too_large = pair.alice.session.send(pair.now(), message(1, 62_709), Class::Own);
    assert_eq!(too_large, Err(SendError::TooLarge));
}

#[test]
fn a_burst_of_transit_is_kept_and_a_standing_queue_shrinks() {
    let mut pair = Pair::established();
    for id in 0..200 {
        pair.alice.session.send(pair.now(), message(id, 1028), Class::Transit).unwrap();
    }
    pair.elapsed = Duration::from_millis(90);
    pair.run();
    assert_eq!(pair.bob.messages().len(), 200);
    assert_eq!(pair.alice.session.drops().transit_aged, 0);
    // Twice as much comes in as goes out.
    for id in 0..1000 {
        pair.elapsed += Duration::from_millis(10);
        let now = pair.now();
        pair.alice.session.send(now, message(id, 1028), Class::Transit).unwrap();
        pair.alice.session.send(now, message(id, 1028), Class::Transit).unwrap();
        let bytes = pair.alice.write(pair.elapsed, 1);
        pair.bob.feed(pair.elapsed, &bytes);
    }
    let drops = pair.alice.session.drops();
    assert!(drops.transit_aged > 100, "{drops:?}");
    assert_eq!(drops.own_refused + drops.transit_overflow, 0);
    let waiting = pair.alice.session.queued().transit.messages;
    assert!(waiting < 450, "{waiting}: what comes in two seconds, and a little");
}

#[test]
fn transit_beyond_its_bytes_drops_the_oldest() {
    let mut pair = Pair::established();
    for id in 0..300 {
        pair.alice.session.send(pair.now(), message(id, 10_000), Class::Transit).unwrap();
    }
    assert!(pair.alice.session.queued().transit.bytes <= TRANSIT_LIMIT_BYTES);
    assert!(pair.alice.session.drops().transit_overflow > 100);
    pair.run();
    assert_eq!(ids(&pair.bob).last(), Some(&299));
}

#[test]
fn expired_transit_is_dropped() {
    let mut pair = Pair::established();
    // Clocks that are wrong by 20 s, as routers' clocks may be, made lookups of 20 s expire on their way through a whole network.
    let (mut skewed, mut old) = (message(1, 1028), message(2, 1028));
    skewed.expiration = pair.now().date - SECOND * 59;
    old.expiration = pair.now().date - SECOND * 61;
    pair.alice.session.send(pair.now(), skewed, Class::Transit).unwrap();
    pair.alice.session.send(pair.now(), old, Class::Transit).unwrap();
    pair.run();
    assert_eq!(ids(&pair.bob), [1]);
    assert_eq!(pair.alice.session.drops().transit_expired, 1);
    assert!(!pair.alice.session.wants_write());
}

#[test]
fn router_infos_cross_with_their_flag_and_no_more_than_allowed() {
    let mut pair = Pair::established();
    let info = Plan::new(3).build().info;
    pair.alice.session.send_router_info(pair.now(), info.bytes().clone(), true).unwrap();
    pair.run();
    let flooded = |event: &super::Event| matches!(event, super::Event::RouterInfo { flood: true, info: got } if got.bytes() == info.bytes());
    assert!(pair.bob.events.iter().any(flooded));
    for _ in 0..40 {
        pair.alice.session.send_router_info(pair.now(), info.bytes().clone(), false).unwrap();
        pair.run();
    }
    assert_eq!(pair.bob.router_infos(), 16);
    assert_eq!(pair.bob.session.drops().router_infos_ignored, 25);
    pair.elapsed += SECOND * 61;
    pair.alice.session.send_router_info(pair.now(), info.bytes().clone(), false).unwrap();
    pair.run();
    assert_eq!(pair.bob.router_infos(), 17);
}

#[test]
fn a_forged_router_info_ends_the_session_and_a_strange_one_does_not() {
    let mut pair = Pair::established();
    pair.alice.session.send_router_info(pair.now(), Bytes::from(vec![9; 500]), false).unwrap();
    pair.run();
    assert!(pair.bob.closed().is_none());
    let mut forged = Plan::new(3).build().info.bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    pair.alice.session.send_router_info(pair.now(), Bytes::from(forged), false).unwrap();
    pair.run();
    let reason = TerminationReason::BadRouterInfoSignature;
    assert_eq!(pair.bob.closed(), Some(CloseReason::Violated(reason)));
    assert_eq!(pair.alice.closed(), Some(CloseReason::Terminated(reason)));
}

#[test]
fn every_reason_reaches_the_peer() {
    for code in 0..=255 {
        let mut pair = Pair::established();
        let reason = TerminationReason::from_code(code);
        pair.alice.session.close(pair.now(), reason);
        pair.run();
        assert_eq!(pair.alice.closed(), Some(CloseReason::Requested(reason)));
        assert_eq!(pair.bob.closed(), Some(CloseReason::Terminated(reason)));
    }
}

#[test]
fn closing_counts_what_was_not_sent_and_takes_nothing_more() {
    let mut pair = Pair::established();
    pair.alice.session.send(pair.now(), message(1, 10), Class::Own).unwrap();
    pair.alice.session.close(pair.now(), TerminationReason::RouterShutdown);
    assert_eq!(pair.alice.session.drops().unsent, 1);
    assert_eq!(pair.alice.session.send(pair.now(), message(1, 10), Class::Own), Err(SendError::Closed));
    pair.run();
    assert!(pair.bob.messages().is_empty());
}

#[test]
fn closing_during_the_handshake_is_silent() {
    let mut pair = Pair::standard();
    let request = pair.alice.write(Duration::ZERO, 10_000);
    pair.bob.feed(Duration::ZERO, &request);
    pair.bob.session.close(pair.now(), TerminationReason::RouterShutdown);
    pair.run();
    assert_eq!(pair.alice.closed(), Some(CloseReason::Eof { established: false }));
}

#[test]
fn idle_sessions_end_at_a_random_time() {
    let mut pair = Pair::established();
    let deadline = pair.alice.session.deadline().unwrap().saturating_since(pair.now().tick);
    assert!((SECOND * 270..=SECOND * 330).contains(&deadline));
    // A message postpones the end on both sides.
    pair.elapsed = SECOND * 200;
    pair.alice.session.send(pair.now(), message(1, 10), Class::Own).unwrap();
    pair.run();
    for end in [&pair.alice, &pair.bob] {
        assert!(end.session.deadline().unwrap() >= now_at(SECOND * 470).tick);
    }
    pair.run_out();
    let idle = CloseReason::Expired(Expired::Idle);
    let told = CloseReason::Terminated(TerminationReason::IdleTimeout);
    let ends = [pair.alice.closed().unwrap(), pair.bob.closed().unwrap()];
    assert!(ends == [idle, told] || ends == [told, idle], "{ends:?}");
}

#[test]
fn a_socket_that_takes_nothing_ends_the_session() {
    let mut pair = Pair::established();
    pair.alice.session.send(pair.now(), message(1, 10), Class::Own).unwrap();
    assert_eq!(pair.alice.session.deadline(), Some(now_at(SECOND * 30).tick));
    pair.alice.session.handle_timeout(now_at(SECOND * 30));
    pair.alice.collect();
    assert_eq!(pair.alice.closed(), Some(CloseReason::Expired(Expired::Stalled)));
}

#[test]
fn a_frame_must_end_in_time() {
    let mut pair = Pair::established();
    pair.alice.session.send(pair.now(), message(1, 1000), Class::Own).unwrap();
    let frame = pair.alice.write(Duration::ZERO, 10_000);
    pair.bob.feed(Duration::ZERO, &frame[..frame.len() - 1]);
    pair.bob.session.handle_timeout(now_at(SECOND * 30));
    pair.bob.collect();
    assert_eq!(pair.bob.closed(), Some(CloseReason::Expired(Expired::IntraFrame)));
    assert!(pair.bob.session.wants_write(), "it says why");
}

#[test]
fn a_clock_that_runs_away_ends_the_session() {
    let mut pair = Pair::established();
    pair.alice.skew = 100;
    let info = Plan::new(3).build().info.bytes().clone();
    pair.alice.session.send_router_info(pair.now(), info, false).unwrap();
    pair.run();
    assert_eq!(pair.bob.closed(), Some(CloseReason::ClockSkew { secs: 100 }));
    assert_eq!(pair.alice.closed(), Some(CloseReason::Terminated(TerminationReason::ClockSkew)));
}

#[test]
fn nonces_are_never_used_twice() {
    let mut pair = Pair::established();
    pair.alice.session.limit_nonces(2);
    for id in 0..4 {
        let _closed = pair.alice.session.send(pair.now(), message(id, 10), Class::Own);
        pair.run();
    }
    assert_eq!(ids(&pair.bob), [0, 1]);
    assert_eq!(pair.alice.closed(), Some(CloseReason::NonceLimit));
}

#[test]
fn end_of_stream_is_reported_once() {
    let mut pair = Pair::established();
    for _ in 0..3 {
        pair.alice.session.handle_eof(pair.now());
        pair.alice.session.handle_timeout(pair.now());
        pair.alice.feed(Duration::ZERO, &[1, 2, 3]);
    }
    assert_eq!(pair.alice.closed(), Some(CloseReason::Eof { established: true }));
}
