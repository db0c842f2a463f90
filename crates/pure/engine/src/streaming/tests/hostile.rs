//! Packets that nobody should send.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use ramson_crypto::rng::SeededRng;

use super::opening::log;
use super::pair::*;
use crate::streaming::packet::{self, Head, Packet, hash_as_nacks};
use crate::streaming::*;

fn syn(from: &Host, to: DestinationHash, id: u32) -> Bytes {
    let nacks = hash_as_nacks(&to);
    let head = Head {
        receive_id: id,
        nacks: &nacks,
        flags: packet::SYN | packet::SIGNED | packet::FROM | packet::NO_ACK,
        max_size: Some(1812),
        ..Head::default()
    };
    head.write_signed(&from.signer, |_| {}).0
}

fn incoming(packet: Bytes, proven_sender: Option<DestinationHash>) -> Incoming {
    Incoming { from_port: 0, to_port: 0, packet, proven_sender }
}

#[test]
fn flood_of_first_packets_is_bounded_and_passes() {
    let mut pair = Pair::new(1, Link { loss: 1000, ..Link::default() });
    let rng = SeededRng::new([1; 32]);
    let to = pair.hosts[1].hash;
    for round in 0..600u32 {
        let stranger = host(&rng, &format!("{round}"), StreamingConfig::default());
        pair.inject(1, incoming(syn(&stranger, to, round + 1), None));
    }
    assert_eq!(pair.hosts[1].streaming.len(), 256);
    pair.run(Duration::from_secs(61));
    assert_eq!(pair.hosts[1].streaming.len(), 0);
    pair.link.loss = 0;
    pair.hosts[1].incoming.clear();
    transfer(&mut pair, [1000, 1000], Duration::from_secs(5));
}

#[test]
fn streams_of_one_peer_are_bounded() {
    let mut pair = Pair::new(2, Link::default());
    let to = pair.hosts[1].hash;
    for id in 0..400u32 {
        let first = syn(&pair.hosts[0], to, id + 1);
        let proven_sender = Some(pair.hosts[0].hash);
        pair.inject(1, incoming(first, proven_sender));
    }
    assert_eq!(pair.hosts[1].streaming.len(), 256);
}

#[test]
fn wrong_or_unproven_first_packets_open_nothing() {
    let mut pair = Pair::new(3, Link::default());
    let to = pair.hosts[1].hash;
    let other = pair.hosts[0].hash;
    pair.inject(1, incoming(syn(&pair.hosts[0], other, 1), Some(other)));
    let mut forged = syn(&pair.hosts[0], to, 2).to_vec();
    *forged.last_mut().unwrap() ^= 1;
    pair.inject(1, incoming(forged.into(), None));
    pair.inject(1, incoming(syn(&pair.hosts[0], to, 3), Some(to)));
    assert!(pair.hosts[1].streaming.is_empty());
    assert_eq!(pair.hosts[1].sent, 0);
    pair.inject(1, incoming(syn(&pair.hosts[0], to, 4), None));
    assert_eq!(pair.hosts[1].streaming.len(), 1);
    let rng = SeededRng::new([3; 32]);
    pair.hosts[1] = host(&rng, "client", StreamingConfig { accept: false, ..StreamingConfig::default() });
    let to = pair.hosts[1].hash;
    pair.inject(1, incoming(syn(&pair.hosts[0], to, 5), None));
    assert!(pair.hosts[1].streaming.is_empty());
    assert_eq!(pair.hosts[1].sent, 0);
}

#[test]
fn strays_are_reset_within_a_rate_and_only_if_proven() {
    let mut pair = Pair::new(4, Link::default());
    let log = log(&mut pair);
    let peer = pair.hosts[0].hash;
    let stray = |id| Bytes::from(Head { send_id: id, receive_id: 7, sequence: 3, ..Head::default() }.write(0));
    for id in 1..100 {
        pair.inject(1, incoming(stray(id), None));
    }
    pair.run(Duration::from_secs(60));
    for id in 1..100 {
        pair.inject(1, incoming(stray(id), Some(peer)));
    }
    assert_eq!(pair.hosts[1].sent, 20);
    let reset = Packet::parse(&log.borrow()[0].1).unwrap();
    assert!(reset.has(packet::RESET) && reset.verify(&pair.hosts[1].destination, pair.now.date));
    assert_eq!((reset.send_id, reset.receive_id), (7, 1));
}

#[test]
fn ping_is_answered_once_proven() {
    let mut pair = Pair::new(5, Link::default());
    let log = log(&mut pair);
    let flags = packet::ECHO | packet::SIGNED | packet::FROM;
    let head = Head { send_id: 99, flags, ..Head::default() };
    let ping = head.write_signed(&pair.hosts[0].signer, |out| out.extend_from_slice(&[6; 40])).0;
    let mut forged = ping.to_vec();
    forged[450] ^= 1;
    pair.inject(1, incoming(forged.into(), None));
    assert_eq!(pair.hosts[1].sent, 0);
    pair.inject(1, incoming(ping, None));
    let pong = Packet::parse(&log.borrow()[0].1).unwrap();
    assert_eq!((pong.send_id, pong.receive_id, pong.flags), (0, 99, packet::ECHO));
    assert_eq!(pong.payload.as_ref(), [6; 32]);
}

#[test]
fn early_packets_are_bounded() {
    let mut pair = Pair::new(6, Link::default());
    for id in 1..10_000 {
        let head = Head { receive_id: id, sequence: 1, ..Head::default() };
        pair.inject(1, incoming(head.write(0).into(), None));
    }
    assert!(pair.hosts[1].streaming.early.len() <= 64);
    pair.run(Duration::from_secs(25));
    assert_eq!(pair.hosts[1].streaming.early.len(), 0);
    assert_eq!(pair.hosts[1].streaming.deadline(), None);
}

#[test]
fn received_bytes_of_all_streams_are_bounded() {
    let mut pair = Pair::new(7, Link::default());
    let rng = SeededRng::new([7; 32]);
    let config = StreamingConfig { max_received_bytes: 1 << 20, ..StreamingConfig::default() };
    pair.hosts[1] = host(&rng, "b", config);
    let mut writers: Vec<End> = Vec::new();
    for _ in 0..20 {
        let (id, rings) = pair.connect(0);
        writers.push(End::new(0, id, &rings, 1_000_000));
    }
    for _ in 0..200 {
        for writer in &mut writers {
            writer.write(usize::MAX);
            pair.news(0, writer.id, &writer.rings);
        }
        pair.run(Duration::from_millis(100));
    }
    let streaming = &pair.hosts[1].streaming;
    let unread = streaming.unread.load(std::sync::atomic::Ordering::Relaxed);
    assert!(streaming.held + unread < (1 << 20) + 20 * 66_000 + 300_000, "{} {unread}", streaming.held);
    drop(pair.hosts[1].incoming.drain(..));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mutated_packets_never_panic(
        seed in 0u8..8,
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new(seed, Link { proven: false, ..Link::default() });
        let log = log(&mut pair);
        let (id, rings) = pair.connect(0);
        let mut writer = End::new(0, id, &rings, 20_000);
        writer.write(usize::MAX);
        pair.news(0, id, &rings);
        pair.run(Duration::from_millis(45));
        let packets: Vec<(usize, Bytes)> = log.borrow().clone();
        for (at, value, vouched) in hits {
            let (from, packet) = &packets[at.index(packets.len())];
            let mut bytes = packet.to_vec();
            // The header is where it hurts most.
            let place = if value & 1 == 0 { at.index(bytes.len()) } else { at.index(22.min(bytes.len())) };
            bytes[place] = value;
            if value % 5 == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            let proven_sender = vouched.then(|| pair.hosts[*from].hash);
            pair.inject(1 - from, incoming(bytes.into(), proven_sender));
        }
        pair.run(Duration::from_secs(30));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = Pair::new(1, Link::default());
        pair.inject(0, incoming(bytes.into(), None));
        pair.run(Duration::from_secs(1));
    }
}
