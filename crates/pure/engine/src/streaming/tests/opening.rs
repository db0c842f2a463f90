//! How streams begin.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::pair::*;
use crate::streaming::packet::{self, Packet};
use crate::streaming::*;

pub(super) type Log = Rc<RefCell<Vec<(usize, Bytes)>>>;

pub(super) fn log(pair: &mut Pair) -> Log {
    let log = Log::default();
    let copy = Rc::clone(&log);
    pair.filter = Box::new(move |from, packet| {
        copy.borrow_mut().push((from, packet.clone()));
        true
    });
    log
}

pub(super) fn text(rings: &StreamRings) -> String {
    let mut buf = vec![0; 1000];
    match rings.try_read(&mut buf) {
        Poll::Ready(Ok(count)) => String::from_utf8(buf[..count].to_vec()).unwrap(),
        Poll::Ready(Err(reason)) => format!("{reason:?}"),
        Poll::Pending => "pending".into(),
    }
}

#[test]
fn request_rides_in_the_first_packet() {
    let mut pair = Pair::new(1, Link::default());
    let log = log(&mut pair);
    let rings = Arc::new(StreamRings::new());
    assert_eq!(rings.try_write(b"GET /"), Poll::Ready(Ok(5)));
    pair.connect_with(0, &rings);
    let first = Packet::parse(&log.borrow()[0].1).unwrap();
    assert_eq!(first.payload.as_ref(), b"GET /");
    assert_eq!((first.sequence, first.send_id), (0, 0));
    assert_eq!(first.flags, packet::SYN | packet::SIGNED | packet::FROM | packet::MAX_SIZE | packet::NO_ACK);
    assert_eq!(first.nacks().count(), 8);
    assert!(first.is_for(&pair.hosts[1].hash) && !first.is_for(&pair.hosts[0].hash));
    assert!(first.verify(&pair.hosts[0].destination, pair.now.date) && !first.verify(&pair.hosts[1].destination, pair.now.date));
    pair.run(Duration::from_millis(15));
    assert_eq!(text(&pair.hosts[1].incoming[0].1), "GET /");
    pair.run(Duration::from_millis(15));
    assert_eq!(pair.hosts[0].connected.len(), 1);
    assert_eq!(rings.status(), StreamStatus::Open);
    let answer = Packet::parse(&log.borrow()[1].1).unwrap();
    assert_eq!(answer.flags, packet::SYN | packet::SIGNED | packet::FROM | packet::MAX_SIZE);
    assert_eq!((answer.ack_through, answer.nacks().count()), (0, 0));
}

#[test]
fn first_packet_waits_a_little_for_the_first_write() {
    let mut pair = Pair::new(2, Link::default());
    let (id, rings) = pair.connect(0);
    pair.run(Duration::from_millis(50));
    assert_eq!(pair.hosts[0].sent, 0);
    assert_eq!(rings.try_write(b"hello"), Poll::Ready(Ok(5)));
    pair.news(0, id, &rings);
    assert_eq!(pair.hosts[0].sent, 1);
    let (_, silent) = pair.connect(0);
    pair.run(Duration::from_millis(200));
    assert_eq!(silent.status(), StreamStatus::Open, "opened without data");
    assert_eq!(pair.hosts[1].incoming.len(), 2);
}

#[test]
fn smaller_payload_limit_holds_both_ways() {
    let mut pair = Pair::new(3, Link::default());
    let rng = ramson_crypto::rng::SeededRng::new([9; 32]);
    pair.hosts[1] = host(&rng, "b", StreamingConfig { max_payload: 1730, ..StreamingConfig::default() });
    let log = log(&mut pair);
    transfer(&mut pair, [100_000, 100_000], Duration::from_secs(5));
    let log = log.borrow();
    let largest = |from: usize| {
        let of = log.iter().filter(|(sender, _)| *sender == from).map(|(_, packet)| Packet::parse(packet).unwrap());
        of.filter(|packet| !packet.has(packet::SYN)).map(|packet| packet.payload.len()).max()
    };
    assert_eq!((largest(0), largest(1)), (Some(1730), Some(1730)));
}

#[test]
fn replayed_first_packet_opens_no_second_stream() {
    let mut pair = Pair::new(4, Link::default());
    let log = log(&mut pair);
    transfer(&mut pair, [100, 100], Duration::from_secs(5));
    let first = log.borrow()[0].1.clone();
    let replay = Incoming { from_port: 1, to_port: 2, packet: first, proven_sender: None };
    pair.inject(1, replay.clone());
    pair.run(Duration::from_secs(100));
    pair.inject(1, replay);
    assert!(pair.hosts[1].streaming.is_empty() && pair.hosts[1].incoming.is_empty());
    assert_eq!(pair.hosts[1].closed.len(), 1);
}

#[test]
fn data_that_overtakes_the_first_packet_is_kept() {
    let mut pair = Pair::new(5, Link::default());
    let log = log(&mut pair);
    let rings = Arc::new(StreamRings::new());
    assert!(rings.try_write(b"one ").is_ready());
    pair.connect_with(0, &rings);
    let first = Packet::parse(&log.borrow()[0].1).unwrap();
    let head = packet::Head { receive_id: first.receive_id, sequence: 1, ..packet::Head::default() };
    let mut follower = head.write(0);
    follower.extend_from_slice(b"two");
    let proven_sender = Some(pair.hosts[0].hash);
    pair.inject(1, Incoming { from_port: 1, to_port: 2, packet: follower.into(), proven_sender });
    assert!(pair.hosts[1].incoming.is_empty());
    pair.run(Duration::from_millis(20));
    assert_eq!(text(&pair.hosts[1].incoming[0].1), "one two");
}

#[test]
fn lost_answer_is_given_again() {
    let mut pair = Pair::new(6, Link::default());
    let mut left = 1;
    pair.filter = Box::new(move |from, _| {
        let lose = from == 1 && left > 0;
        left -= i32::from(lose);
        !lose
    });
    let taken = transfer(&mut pair, [10_000, 50_000], Duration::from_secs(30));
    assert!(taken < Duration::from_secs(6), "{taken:?}");
}

#[test]
fn nobody_answers() {
    let mut pair = Pair::new(7, Link { loss: 1000, ..Link::default() });
    let (id, rings) = pair.connect(0);
    pair.run(Duration::from_secs(59));
    assert_eq!(rings.status(), StreamStatus::Connecting);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.hosts[0].closed[&id], CloseReason::ConnectTimeout);
    assert_eq!(text(&rings), "ConnectTimeout");
    assert!((3..8).contains(&pair.hosts[0].sent), "{}", pair.hosts[0].sent);
}

#[test]
fn unreachable_destination_fails_at_once() {
    let mut pair = Pair::new(8, Link::default());
    let to = pair.hosts[1].hash;
    pair.hosts[0].streaming.set_blocked(pair.now, to, true);
    let (id, rings) = pair.connect(0);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.hosts[0].sent, 0);
    pair.hosts[0].streaming.set_unreachable(pair.now, to);
    pair.drain();
    assert_eq!(pair.hosts[0].closed[&id], CloseReason::Unreachable);
    assert_eq!(text(&rings), "Unreachable");
}

#[test]
fn blocked_destination_holds_data_and_resumes() {
    let mut pair = Pair::new(9, Link::default());
    let to = pair.hosts[1].hash;
    pair.hosts[0].streaming.set_blocked(pair.now, to, true);
    let (id, rings) = pair.connect(0);
    assert!(rings.try_write(&[5; 50_000]).is_ready());
    pair.news(0, id, &rings);
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.hosts[0].sent, 0);
    pair.hosts[0].streaming.set_blocked(pair.now, to, false);
    pair.drain();
    pair.run(Duration::from_millis(12));
    pair.hosts[0].streaming.set_blocked(pair.now, to, true);
    pair.run(Duration::from_secs(100));
    let server = Arc::clone(&pair.hosts[1].incoming[0].1);
    let mut buf = vec![0; 100_000];
    let Poll::Ready(Ok(before)) = server.try_read(&mut buf) else { panic!("first packet") };
    assert!(before < 50_000);
    pair.hosts[0].streaming.set_blocked(pair.now, to, false);
    pair.drain();
    pair.run(Duration::from_secs(2));
    assert_eq!(server.try_read(&mut buf), Poll::Ready(Ok(50_000 - before)));
}

#[test]
fn destination_talks_to_itself() {
    let mut pair = Pair::new(10, Link::default());
    let rings = Arc::new(StreamRings::new());
    assert!(rings.try_write(b"me").is_ready());
    let own = pair.hosts[0].destination.clone();
    pair.hosts[0].streaming.connect(pair.now, StreamId(77), own, 1, 2, Arc::clone(&rings));
    pair.drain();
    pair.run(Duration::from_secs(1));
    let (id, server) = pair.hosts[0].incoming[0].clone();
    assert_eq!(text(&server), "me");
    assert!(server.try_write(b"too").is_ready());
    server.shutdown();
    pair.news(0, id, &server);
    rings.shutdown();
    pair.news(0, StreamId(77), &rings);
    pair.run(Duration::from_secs(1));
    assert_eq!(text(&rings), "too");
    assert_eq!(pair.hosts[0].closed.len(), 2);
}
