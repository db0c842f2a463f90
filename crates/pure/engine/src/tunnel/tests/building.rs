//! Tunnels of all lengths are built and carry messages; long records are answered.

use std::time::Duration;

use proptest::prelude::*;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{aead, x25519};
use ramson_wire::i2np::TunnelGateway;
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, TunnelDelivery, TunnelId, Writer};

use super::world::World;
use crate::identity::{IdentityId, Owner};
use crate::tunnel::PoolConfig;
use crate::tunnel::build::{self, Direction, Hop, Plan};
use crate::tunnel::hop::{self, Form, Role};
use crate::tunnel::record::{self, LONG_LEN};

const CLIENT: Owner = Owner::Identity(IdentityId(7));

fn lengths(length: u8, quantity: u8) -> PoolConfig {
    PoolConfig::even(length, quantity)
}

#[test]
fn one_to_seven_hops_both_ways() {
    for length in 1..=7 {
        let mut world = World::new(12, length);
        world.open(Owner::Router, lengths(length, 2));
        world.run(Duration::from_secs(2));
        let counts = world.creator().machine.counts(Owner::Router);
        assert_eq!((counts.inbound, counts.outbound), (2, 2), "{length} hops");

        for size in [10, 1000, 40_000] {
            let message = world.message(MessageKind::DATABASE_STORE, size);
            let target = world.hash(12);
            let now = world.now;
            world.creator().machine.send_through(now, Owner::Router, 1, TunnelDelivery::Router(target), message.clone()).unwrap();
            world.settle();
            assert_eq!(world.nodes[12].others.pop(), Some(message));

            let lease = world.creator().machine.leases(Owner::Router)[0];
            let message = world.message(MessageKind::GARLIC, size);
            world.send_into(lease.gateway, lease.tunnel, &message);
            assert_eq!(world.creator().received.pop(), Some((Owner::Router, message)));
        }
    }
}

/// A network that grew to 300 routers in 15 s: hops looked in vain for the RouterInfos of the last ones, whose tunnels never stood.
#[test]
fn a_router_that_nobody_knows_builds_its_first_tunnels() {
    for seed in 0..20 {
        let mut world = World::new(30, seed);
        world.creator().unknown = true;
        world.open(Owner::Router, PoolConfig::exploratory());
        world.run(Duration::from_secs(2));
        let counts = world.creator().machine.counts(Owner::Router);
        assert!(counts.inbound > 0 && counts.outbound > 0, "seed {seed}: {counts:?}");
    }
}

#[test]
fn clients_build_through_exploratory_tunnels_in_seconds() {
    let mut world = World::new(8, 3);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(2));
    let counts = world.creator().machine.counts(CLIENT);
    assert_eq!((counts.inbound, counts.outbound), (3, 3));
    let us = world.hash(0);
    // Nobody but the neighbours gets a build from us or for us, and no client build is sent to its gateway by us.
    let stats = world.creator().machine.stats();
    assert_eq!(stats.built, 10);
    let direct = world.builds.iter().filter(|(from, _, _)| *from == us).count();
    assert!(direct <= 7, "5 outbound builds and the first inbound ones, not {direct}");
    assert_eq!(world.creator().machine.leases(CLIENT).len(), 3);
    assert!(world.creator().machine.leases(CLIENT).iter().all(|lease| lease.gateway != us), "never without hops");
}

#[test]
fn a_pool_without_hops_only_if_asked() {
    let mut world = World::new(4, 4);
    world.open(CLIENT, lengths(0, 1));
    world.run(Duration::from_secs(1));
    let us = world.hash(0);
    let lease = world.creator().machine.leases(CLIENT)[0];
    assert_eq!(lease.gateway, us);
    let message = world.message(MessageKind::GARLIC, 99);
    world.send_into(lease.gateway, lease.tunnel, &message);
    assert_eq!(world.creator().received.pop(), Some((CLIENT, message)));
    let message = world.message(MessageKind::DATABASE_STORE, 99);
    let (now, target) = (world.now, world.hash(2));
    world.creator().machine.send_through(now, CLIENT, 0, TunnelDelivery::Router(target), message.clone()).unwrap();
    world.settle();
    assert_eq!(world.nodes[2].others.pop(), Some(message));
}

#[test]
fn clients_wait_for_a_path() {
    let mut world = World::new(8, 5);
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(5));
    assert!(world.builds.is_empty());
    assert_eq!(world.creator().machine.stats().started, 0);
}

#[test]
fn an_unreachable_router_ends_its_tunnels_at_connected_routers() {
    let mut world = World::new(8, 6);
    let (now, near) = (world.now, [world.hash(3), world.hash(5)]);
    world.creator().machine.set_reachable(false);
    for peer in near {
        world.creator().machine.handle_connected(now, peer);
    }
    let us = world.hash(0);
    world.filter = Box::new(move |from, to, _| *to != us || near.contains(from));
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(4));
    let counts = world.creator().machine.counts(CLIENT);
    assert_eq!((counts.inbound, counts.outbound), (3, 3));
}

/// A long request with one record for `router`, at `index` of 8.
fn long_request(
    router: &ramson_wire::RouterHash,
    key: &x25519::PublicKey,
    index: usize,
    clear: &[u8],
    rng: &mut SeededRng,
) -> (Vec<u8>, record::NoiseEnd) {
    let ephemeral = x25519::PrivateKey::generate(rng);
    let (sealed, noise) = record::seal_request(clear, router, key, &ephemeral).unwrap();
    assert_eq!(sealed.len(), LONG_LEN);
    let mut body = vec![8];
    for n in 0..8u8 {
        body.extend(if usize::from(n) == index { sealed.clone() } else { vec![n; LONG_LEN] });
    }
    (body, noise)
}

fn long_clear(next: &ramson_wire::RouterHash, flags: u8, minutes: u32) -> Vec<u8> {
    let mut w = Writer::new();
    w.u32(1001);
    w.u32(1002);
    w.bytes(&next.0);
    w.bytes(&[3; 32]);
    w.bytes(&[4; 32]);
    w.bytes(&[5; 32]);
    w.bytes(&[6; 16]);
    w.u8(flags);
    w.zeros(3);
    w.u32(minutes);
    w.u32(600);
    w.u32(77);
    w.zeros(464 - 168);
    w.into_vec()
}

#[test]
fn long_records_in_all_roles() {
    for (flags, role, kind) in [
        (0x80, Role::Gateway, MessageKind::VARIABLE_TUNNEL_BUILD),
        (0, Role::Participant, MessageKind::VARIABLE_TUNNEL_BUILD),
        (0x40, Role::Endpoint, MessageKind::VARIABLE_TUNNEL_BUILD_REPLY),
    ] {
        let mut world = World::new(3, 8);
        let mut rng = SeededRng::new([flags; 32]);
        let (hop, next, sender) = (world.hash(1), world.hash(2), world.hash(3));
        let key = world.nodes[1].key.public();
        let clear = long_clear(&next, flags, world.now.date.to_minutes());
        let (body, noise) = long_request(&hop, &key, 2, &clear, &mut rng);
        let opened = hop::open(Form::Long, &body, &hop, &world.nodes[1].key).unwrap();
        assert_eq!((opened.role, opened.receive.get(), opened.next), (role, 1001, next));

        let now = world.now;
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = std::sync::Arc::clone(&seen);
        world.filter = Box::new(move |_, to, message| {
            sink.lock().unwrap().push((*to, message.clone()));
            false
        });
        let request = I2npMessage::new(MessageKind::VARIABLE_TUNNEL_BUILD, MessageId(5), now.date, body);
        world.arrive(1, Some(sender), request);
        world.settle();
        assert_eq!(world.nodes[1].machine.transit_tunnels(), 1);
        let (to, mut message) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(to, next);
        if role == Role::Endpoint {
            assert_eq!(message.kind, MessageKind::TUNNEL_GATEWAY);
            let gateway = TunnelGateway::from_bytes(&message.body).unwrap();
            assert_eq!(gateway.tunnel.get(), 1002);
            message = I2npMessage::decode_long(&gateway.message).unwrap();
        }
        assert_eq!((message.kind, message.id), (kind, MessageId(77)));
        let records: Vec<Vec<u8>> = message.body[1..].chunks(LONG_LEN).map(<[u8]>::to_vec).collect();
        assert_eq!(records.len(), 8);
        let mut ours = records[2].clone();
        let reply = aead::Key::new(&noise.chain).open(aead::nonce(0), &noise.hash, &mut ours).unwrap();
        assert_eq!((reply.len(), reply[511]), (512, 0));
        let mut other = records[7].clone();
        ramson_aes::Key::new(&[5; 32]).cbc_decrypt(&[6; 16], &mut other).unwrap();
        assert_eq!(other, vec![7; LONG_LEN]);
    }
}

#[test]
fn a_request_looks_the_same_whatever_its_length() {
    let mut rng = SeededRng::new([1; 32]);
    let hops: Vec<Hop> = (0..7)
        .map(|n| Hop { router: ramson_wire::RouterHash([n; 32]), key: x25519::PrivateKey::generate(&mut rng).public() })
        .collect();
    let us = ramson_wire::RouterHash([99; 32]);
    for (direction, limit) in [(Direction::Inbound, 3), (Direction::Outbound, 4)] {
        for count in 1..=7 {
            let end = (us, TunnelId::new(5).unwrap());
            let plan = Plan { direction, hops: &hops[..count], end, reply: MessageId(1), us };
            let request = build::create(ramson_wire::Date(1_800_000_000_000), &plan, &mut rng).unwrap();
            let records = if count <= limit { 4 } else { 8 };
            assert_eq!(request.body.len(), 1 + records * 218);
            assert_eq!(usize::from(request.body[0]), records);
        }
    }
    let none = Plan { direction: Direction::Inbound, hops: &[], end: (us, TunnelId::new(5).unwrap()), reply: MessageId(1), us };
    assert!(build::create(ramson_wire::Date(0), &none, &mut rng).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn mutated_requests_and_replies_do_no_harm(at in 0usize..4000, value in 1u8..=255, cut in 0usize..2000, long: bool) {
        let mut rng = SeededRng::new([2; 32]);
        let key = x25519::PrivateKey::generate(&mut rng);
        let us = ramson_wire::RouterHash([8; 32]);
        let mut body = if long {
            long_request(&us, &key.public(), 1, &long_clear(&us, 0, 5), &mut rng).0
        } else {
            let hops = [Hop { router: us, key: key.public() }];
            let end = (us, TunnelId::new(5).unwrap());
            let plan = Plan { direction: Direction::Inbound, hops: &hops, end, reply: MessageId(1), us };
            let request = build::create(ramson_wire::Date(0), &plan, &mut rng).unwrap();
            let mut body = request.body.to_vec();
            let len = body.len();
            body[at % len] ^= value;
            let _ = request.secrets.open_reply(&body);
            body
        };
        let len = body.len();
        body[(at / 3) % len] ^= value;
        body.truncate(len - cut.min(len));
        for form in [Form::Short, Form::Long] {
            if let Ok(opened) = hop::open(form, &body, &us, &key) {
                opened.answer(0, &mut rng);
            }
        }
    }
}
