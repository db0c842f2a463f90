//! Destinations whose own key is kept elsewhere: a short-lived key signs for them.

use bytes::Bytes;
use ramson_crypto::ed25519::SigningKey;
use ramson_crypto::rng::SeededRng;

use super::pair::*;
use crate::streaming::packet::{self, Packet, hash_as_nacks};
use crate::streaming::*;

const NOW_SECS: u32 = 1_700_000_000;

fn transient(label: &str) -> SigningKey {
    SigningKey::generate(&mut SeededRng::new([9; 32]).child(label))
}

/// A packet with an offline block, which `approver` signed.
fn signed(
    approver: &Host,
    from: Option<&Destination>,
    head: ([u32; 2], u16),
    nacks: &[u32],
    expires: u32,
    key: &SigningKey,
) -> Bytes {
    let ([send_id, receive_id], flags) = head;
    let mut options = from.map(|from| from.bytes().to_vec()).unwrap_or_default();
    let mut block = expires.to_be_bytes().to_vec();
    block.extend([0, 7]);
    block.extend(key.public().0);
    let approval = approver.signer.sign(&block);
    options.extend(block);
    options.extend(approval);
    let mut out = Vec::new();
    for field in [send_id, receive_id, 0, 0] {
        out.extend(field.to_be_bytes());
    }
    out.push(u8::try_from(nacks.len()).unwrap());
    nacks.iter().for_each(|nack| out.extend(nack.to_be_bytes()));
    out.push(0);
    out.extend((flags | packet::SIGNED | packet::OFFLINE).to_be_bytes());
    out.extend(u16::try_from(options.len() + 64).unwrap().to_be_bytes());
    out.extend(options);
    let at = out.len();
    out.extend([0; 64]);
    out.extend(b"hello");
    let signature = key.sign(&out).0;
    out[at..at + 64].copy_from_slice(&signature);
    out.into()
}

fn first(pair: &Pair, approver: usize, id: u32, expires: u32, key: &SigningKey) -> Incoming {
    let nacks = hash_as_nacks(&pair.hosts[1].hash);
    let flags = packet::SYN | packet::FROM | packet::NO_ACK;
    let from = &pair.hosts[0].destination;
    let packet = signed(&pair.hosts[approver], Some(from), ([0, id], flags), &nacks, expires, key);
    Incoming { from_port: 1, to_port: 2, packet, proven_sender: None }
}

#[test]
fn a_key_that_the_destination_approved_opens_streams_until_it_expires() {
    let mut pair = Pair::new(1, Link::default());
    let key = transient("key");
    let good = first(&pair, 0, 1, NOW_SECS + 60, &key);
    let expired = first(&pair, 0, 2, NOW_SECS, &key);
    let foreign = first(&pair, 1, 3, NOW_SECS + 60, &key);
    let mut forged = first(&pair, 0, 4, NOW_SECS + 60, &key);
    let mut bytes = forged.packet.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.packet = bytes.into();
    for packet in [expired, foreign, forged] {
        pair.inject(1, packet);
        assert!(pair.hosts[1].streaming.is_empty());
    }
    pair.inject(1, good);
    assert_eq!(pair.hosts[1].streaming.len(), 1);
}

#[test]
fn later_packets_repeat_the_block_without_the_destination() {
    let pair = Pair::new(2, Link::default());
    let (key, date) = (transient("key"), pair.now.date);
    let bytes = signed(&pair.hosts[0], None, ([5, 6], packet::CLOSE), &[], NOW_SECS + 60, &key);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.payload.as_ref(), b"hello");
    assert!(packet.verify(&pair.hosts[0].destination, date));
    assert!(!packet.verify(&pair.hosts[1].destination, date), "another destination's approval");
    let cut = Packet::parse(&bytes.slice(..bytes.len() - 5)).unwrap();
    assert!(!cut.verify(&pair.hosts[0].destination, date));
}
