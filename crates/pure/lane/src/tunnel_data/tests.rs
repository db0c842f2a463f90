use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ramson_crypto::{
    rng::{self, SeededRng},
    sha256_parts,
};
use ramson_wire::{Date, I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick, TunnelDelivery, TunnelId};

use super::*;
use crate::DropReason;

const NOW: Now = Now { tick: Tick(0), date: Date(1_700_000_000_000) };

fn gateway(seed: u8) -> Gateway {
    Gateway::new(Box::new(SeededRng::new([seed; 32])))
}

fn message(id: u32, len: usize) -> I2npMessage {
    let body: Vec<u8> = (0..len).map(|at| u8::try_from((at * 7 + id as usize) % 251).unwrap()).collect();
    I2npMessage::new(MessageKind::DATA, MessageId(id), Date(1_700_000_060_000), body)
}

fn delivery(n: u32) -> TunnelDelivery {
    match n % 3 {
        0 => TunnelDelivery::Local,
        1 => TunnelDelivery::Router(RouterHash([3; 32])),
        _ => TunnelDelivery::Tunnel { gateway: RouterHash([4; 32]), tunnel: TunnelId::new(n + 1).unwrap() },
    }
}

/// A clear message around a payload of at most 1003 bytes.
fn clear(payload: &[u8]) -> [u8; MESSAGE_LEN] {
    let mut message = [1; MESSAGE_LEN];
    let start = MESSAGE_LEN - payload.len();
    message[start - 1] = 0;
    message[start..].copy_from_slice(payload);
    let checksum = sha256_parts(&[payload, &message[..16]]);
    message[16..20].copy_from_slice(&checksum[..4]);
    message
}

#[test]
fn every_size_comes_through() {
    for len in (0..2100).chain([5000, 20_000, 50_000, 62_000]) {
        for n in 0..3 {
            let (mut gateway, mut endpoint) = (gateway(1), Endpoint::new());
            let sent = message(9, len);
            gateway.push(delivery(n), &sent).unwrap();
            let expected = gateway.pending();
            let messages = gateway.flush();
            assert_eq!(messages.len(), expected);
            let mut got = Vec::new();
            for message in messages {
                got.extend(endpoint.handle(NOW, &message).unwrap());
            }
            assert_eq!(got, [(delivery(n), sent)], "{len}");
            assert_eq!(endpoint.buffered_bytes(), 0);
            assert!(gateway.is_empty());
        }
    }
}

#[test]
fn form_is_as_specified() {
    let mut gateway = gateway(2);
    gateway.push(TunnelDelivery::Local, &message(1, 10)).unwrap();
    let flushed = gateway.flush();
    let [clear] = &flushed[..] else { panic!() };
    let payload = 3 + 16 + 10;
    let start = MESSAGE_LEN - payload;
    assert!(clear[20..start - 1].iter().all(|byte| *byte != 0));
    assert_eq!(clear[start - 1], 0);
    assert_eq!(clear[start..start + 3], [0, 0, 26]);
    assert_eq!(clear[16..20], sha256_parts(&[&clear[start..], &clear[..16]])[..4]);
}

#[test]
fn small_messages_share_and_a_split_must_save_one() {
    let mut gateway = gateway(3);
    for id in 0..9 {
        gateway.push(TunnelDelivery::Local, &message(id, 90)).unwrap();
    }
    assert_eq!(gateway.flush().len(), 1); // 9 * 109 = 981
    // 500 and 600 bytes: a split wouldn't save anything.
    gateway.push(TunnelDelivery::Local, &message(1, 500)).unwrap();
    gateway.push(TunnelDelivery::Local, &message(2, 600)).unwrap();
    let messages = gateway.flush();
    assert_eq!(messages.len(), 2);
    assert_eq!(Endpoint::new().handle(NOW, &messages[1]).unwrap().len(), 1);
    // 500 and 1300 bytes: 3 messages without, 2 with a split.
    gateway.push(TunnelDelivery::Local, &message(1, 500)).unwrap();
    gateway.push(TunnelDelivery::Local, &message(2, 1300)).unwrap();
    assert_eq!(gateway.flush().len(), 2);
}

#[test]
fn what_needs_more_than_64_fragments_is_refused_whole() {
    let mut gateway = gateway(4);
    let most = 996 + 63 * 996 - 16;
    assert_eq!(gateway.push(TunnelDelivery::Local, &message(1, most + 1)), Err(TooLarge));
    assert!(gateway.is_empty());
    assert_eq!(gateway.push(TunnelDelivery::Local, &message(1, most)), Ok(()));
    assert_eq!(gateway.flush().len(), MAX_FRAGMENTS);
}

#[test]
fn a_changed_byte_fails_the_checksum() {
    let mut gateway = gateway(5);
    gateway.push(TunnelDelivery::Local, &message(1, 300)).unwrap();
    let good = gateway.flush().remove(0);
    for at in [0, 15, 17, 800, 1023] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(Endpoint::new().handle(NOW, &bad), Err(EndpointError::Checksum));
    }
    let mut bad = [1; MESSAGE_LEN];
    assert_eq!(Endpoint::new().handle(NOW, &bad), Err(EndpointError::NoPayload));
    bad[1023] = 0;
    assert!(Endpoint::new().handle(NOW, &bad).is_err());
}

#[test]
fn incomplete_messages_go_after_45_seconds() {
    let (mut gateway, mut endpoint) = (gateway(6), Endpoint::new());
    gateway.push(TunnelDelivery::Local, &message(1, 3000)).unwrap();
    let messages = gateway.flush();
    for message in &messages[1..] {
        assert_eq!(endpoint.handle(NOW, message).unwrap(), []);
    }
    assert_eq!(endpoint.deadline(), Some(Tick(0) + Duration::from_secs(45)));
    let late = Now { tick: Tick(0) + Duration::from_secs(45), ..NOW };
    assert_eq!(endpoint.handle(late, &messages[0]).unwrap(), []);
    assert_eq!(endpoint.take_drops(), BTreeMap::from([(DropReason::FragmentTimeout, 1)]));
    assert!(endpoint.buffered_bytes() < 1003);
}

#[test]
fn reassembly_is_bounded_in_messages_and_bytes() {
    let (mut gateway, mut endpoint) = (gateway(7), Endpoint::new());
    for id in 0..1000 {
        gateway.push(TunnelDelivery::Local, &message(id, 1200)).unwrap();
        for message in gateway.flush().iter().take(1) {
            endpoint.handle(NOW, message).unwrap();
        }
        assert!(endpoint.buffered_bytes() <= 64 * 1003);
    }
    assert_eq!(endpoint.take_drops()[&DropReason::ReassemblyLimit], 1000 - 64);
    let mut endpoint = Endpoint::new();
    for id in 0..30 {
        gateway.push(TunnelDelivery::Local, &message(id, 60_000)).unwrap();
        for message in gateway.flush().iter().skip(1) {
            endpoint.handle(NOW, message).unwrap();
            assert!(endpoint.buffered_bytes() <= 512 * 1024);
        }
    }
}

#[test]
fn contradicting_fragments_drop_the_message() {
    let follow = |number: u8, last: bool| {
        let flag = 0x80 | number << 1 | u8::from(last);
        [flag, 0, 0, 0, 5, 0, 1, 9]
    };
    for parts in [[follow(3, true), follow(4, false)], [follow(3, true), follow(4, true)], [follow(4, false), follow(3, true)]] {
        let mut endpoint = Endpoint::new();
        assert_eq!(endpoint.handle(NOW, &clear(&parts.concat())).unwrap(), []);
        assert_eq!(endpoint.take_drops(), BTreeMap::from([(DropReason::Malformed, 1)]));
        assert_eq!(endpoint.buffered_bytes(), 0);
    }
}

proptest! {
    /// Whatever the order, loss and duplication: what comes out went in, whole messages that were split come out at most
    /// once, and without loss all come out.
    #[test]
    fn reassembly_is_right_or_nothing(
        lens in proptest::collection::vec(0_usize..6000, 1..20),
        seed: [u8; 32],
        lossy: bool,
        copies: bool,
    ) {
        let mut rng = SeededRng::new(seed);
        let (mut gateway, mut endpoint) = (gateway(8), Endpoint::new());
        let mut sent = BTreeMap::new();
        let mut carried = Vec::new();
        for (id, len) in (0..).zip(lens) {
            gateway.push(delivery(id), &message(id, len)).unwrap();
            sent.insert(id, (delivery(id), message(id, len)));
            if id % 3 == 2 {
                carried.extend(gateway.flush());
            }
        }
        carried.extend(gateway.flush());
        if copies {
            carried.extend(carried.clone());
        }
        rng::shuffle(&mut rng, &mut carried);
        if lossy {
            carried.truncate(carried.len() * 3 / 4);
        }
        let mut got = BTreeMap::<u32, u32>::new();
        for message in &carried {
            for (to, whole) in endpoint.handle(NOW, message).unwrap() {
                let id = whole.id.0;
                prop_assert_eq!(&(to, whole), &sent[&id]);
                *got.entry(id).or_default() += 1;
            }
        }
        for (id, count) in &got {
            prop_assert!(*count == 1 || (copies && sent[id].1.body.len() < 1000));
        }
        if !lossy {
            prop_assert_eq!(got.len(), sent.len());
            prop_assert_eq!(endpoint.buffered_bytes(), 0);
        }
    }

    #[test]
    fn any_payload_is_taken_without_panic(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1003), 1..8)) {
        let mut endpoint = Endpoint::new();
        for payload in payloads {
            endpoint.handle(NOW, &clear(&payload)).unwrap();
        }
    }
}
