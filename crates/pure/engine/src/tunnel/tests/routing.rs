//! Who gets what through own tunnels, and how hops are chosen.

use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519;
use ramson_wire::i2np::{TunnelData, TunnelGateway};
use ramson_wire::{Codec, I2npMessage, Mapping, MessageId, MessageKind, RouterHash, TunnelDelivery};

use super::world::{NET, World, router_info, router_info_at};
use crate::identity::{IdentityId, Owner};
use crate::profile::Profiles;
use crate::tunnel::PoolConfig;
use crate::tunnel::build::Direction;
use crate::tunnel::data::SendError;
use crate::tunnel::nearest::Nearest;
use crate::tunnel::select::{Candidates, Rules, Wish, subnet};

const CLIENT: Owner = Owner::Identity(IdentityId(1));

fn built() -> World {
    let mut world = World::new(10, 1);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(3));
    world
}

#[test]
fn hints_keep_their_tunnel() {
    let mut world = built();
    let now = world.now;
    let machine = &mut world.creator().machine;
    let first: Vec<_> = (0..50).map(|hint| machine.first_hop(CLIENT, hint)).collect();
    assert!(first.iter().collect::<BTreeSet<_>>().len() > 1, "spread over tunnels");
    for (hint, hop) in (0..50).zip(&first) {
        let message = I2npMessage::new(MessageKind::GARLIC, MessageId(1), now.date, vec![1]);
        let sent = machine.send_through(now, CLIENT, hint, TunnelDelivery::Router(RouterHash([1; 32])), message).unwrap();
        assert_eq!(Some(sent.first_hop), *hop);
    }
}

#[test]
fn messages_of_one_turn_share_tunnel_messages_and_keep_their_order() {
    let mut world = built();
    let (now, target) = (world.now, world.hash(10));
    let messages: Vec<I2npMessage> = (0..20).map(|_| world.message(MessageKind::DATABASE_STORE, 200)).collect();
    for message in &messages {
        world.creator().machine.send_through(now, CLIENT, 5, TunnelDelivery::Router(target), message.clone()).unwrap();
    }
    let mut sent = 0;
    let mut commands = Vec::new();
    while let Some(output) = world.creator().machine.poll_output() {
        sent += 1;
        commands.push(output);
    }
    assert!(sent <= 7, "{sent} tunnel messages for 20 of 216 bytes");
    for command in commands {
        let crate::tunnel::TunnelOutput::Lane(ramson_lane::LaneCommand::Send { to, message, .. }) = command else { panic!() };
        let n = (0..11).find(|n| world.hash(*n) == to).unwrap();
        let us = world.hash(0);
        world.arrive(n, Some(us), message);
        world.settle();
    }
    assert_eq!(world.nodes[10].others, messages);
}

#[test]
fn errors_of_sending() {
    let mut world = built();
    let now = world.now;
    let other = Owner::Identity(IdentityId(2));
    let target = TunnelDelivery::Router(RouterHash([1; 32]));
    let small = world.message(MessageKind::GARLIC, 10);
    let large = world.message(MessageKind::GARLIC, 65_000);
    let machine = &mut world.creator().machine;
    assert_eq!(machine.send_through(now, other, 0, target, small.clone()), Err(SendError::NoTunnel));
    assert_eq!(machine.send_through(now, CLIENT, 0, target, large), Err(SendError::TooLarge));
    assert_eq!(machine.send_through(now, CLIENT, 0, TunnelDelivery::Local, small), Err(SendError::NoTarget));
}

#[test]
fn only_the_last_hop_may_send_into_an_endpoint() {
    let mut world = built();
    let now = world.now;
    let id = *world.creator().machine.own_ids.iter().find(|(_, owner)| **owner == CLIENT).unwrap().0;
    let stranger = world.hash(9);
    let before = world.creator().machine.stats().dropped;
    let data = TunnelData { tunnel: id, data: Box::new([7; 1024]) }.to_bytes();
    let data = I2npMessage::new(MessageKind::TUNNEL_DATA, MessageId(1), now.date, data);
    let inner = world.message(MessageKind::GARLIC, 10);
    let gateway = TunnelGateway { tunnel: id, message: inner.encode_long().into() }.to_bytes();
    let gateway = I2npMessage::new(MessageKind::TUNNEL_GATEWAY, MessageId(2), now.date, gateway);
    let machine = &mut world.creator().machine;
    assert!(machine.handle_message(now, None, data).is_none());
    assert!(machine.handle_message(now, Some(stranger), gateway).is_none());
    assert_eq!(world.creator().machine.stats().dropped, before + 2);
    assert!(world.creator().received.is_empty());
}

#[test]
fn repeated_and_forbidden_messages_stop_at_the_endpoint() {
    let mut world = built();
    let lease = world.creator().machine.leases(CLIENT)[0];
    let message = world.message(MessageKind::GARLIC, 100);
    for _ in 0..3 {
        world.send_into(lease.gateway, lease.tunnel, &message);
    }
    for kind in [MessageKind::DATABASE_LOOKUP, MessageKind::DATA, MessageKind::SHORT_TUNNEL_BUILD, MessageKind::TUNNEL_GATEWAY] {
        let message = world.message(kind, 100);
        world.send_into(lease.gateway, lease.tunnel, &message);
    }
    let mut old = world.message(MessageKind::GARLIC, 100);
    old.expiration = world.now.date - Duration::from_secs(61);
    world.send_into(lease.gateway, lease.tunnel, &old);
    assert_eq!(world.creator().received, vec![(CLIENT, message)]);
    assert_eq!(world.creator().machine.stats().dropped, 7);
}

fn rules() -> Rules {
    Rules { net_id: NET, ipv4: true, ipv6: false, ignore_subnets: false, us: RouterHash([0; 32]), our_subnets: Vec::new() }
}

#[test]
fn eligibility() {
    let mut rng = SeededRng::new([1; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let mut eligible = |age_minutes: u64, change: fn(&mut Mapping)| {
        let published = date - Duration::from_secs(age_minutes * 60);
        let list = vec![router_info(1, &key, published, change, &mut rng)];
        let mut candidates = Candidates::default();
        candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list), &rules());
        candidates.len() == 1
    };
    assert!(eligible(0, |_| {}));
    assert!(!eligible(0, |options| options.insert("netId", "2").unwrap()));
    assert!(!eligible(0, |options| options.insert("router.version", "0.9.58").unwrap()));
    assert!(!eligible(0, |options| options.insert("caps", "XRH").unwrap()));
    assert!(!eligible(0, |options| options.insert("caps", "XRG").unwrap()));
    assert!(!eligible(5, |options| options.insert("caps", "XRE").unwrap()));
    assert!(eligible(20, |options| options.insert("caps", "XRE").unwrap()));
    assert!(eligible(0, |options| options.insert("caps", "XRD").unwrap()));
    assert!(!eligible(40 * 60, |_| {}));
}

#[test]
fn reserved_addresses_count_only_in_closed_networks() {
    let mut rng = SeededRng::new([1; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let public = |options: &mut Mapping| options.insert("netId", "2").unwrap();
    let list = vec![router_info(1, &key, date, public, &mut rng)];
    let mut candidates = Candidates::default();
    let rules = Rules { net_id: 2, ..rules() };
    candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list), &rules);
    assert_eq!(candidates.len(), 0);
}

/// Candidates 1..=count; those with equal `n % subnets` share a /16.
fn candidates(count: u16, family: Option<&str>) -> Candidates {
    let mut rng = SeededRng::new([4; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let change = |options: &mut Mapping| {
        if let Some(family) = family {
            options.insert("family", family).unwrap();
        }
    };
    let list = (1..=count).map(|n| router_info(n, &key, date, change, &mut rng)).collect();
    let mut candidates = Candidates::default();
    candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list), &rules());
    candidates
}

fn select(
    candidates: &Candidates,
    nearest: &mut Nearest,
    used: &[RouterHash],
    length: usize,
    seed: u8,
) -> Option<Vec<RouterHash>> {
    select_for(candidates, nearest, used, length, seed, false)
}

fn select_for(
    candidates: &Candidates,
    nearest: &mut Nearest,
    used: &[RouterHash],
    length: usize,
    seed: u8,
    direct: bool,
) -> Option<Vec<RouterHash>> {
    let mut wish = Wish {
        now: ramson_wire::Tick(1),
        date: ramson_wire::Date(1_800_000_000_000),
        length,
        direction: Direction::Outbound,
        rules: &rules(),
        nearest,
        order_key: [3; 16],
        profiles: &Profiles::new(),
        proven: true,
        agreed: &|_| false,
        uses: &|candidate| used.iter().filter(|used| **used == candidate.hop.router).count(),
        most_uses: 1,
        most_next: 1,
        direct,
        next_to_us: &|_| true,
        paced: &|_| true,
    };
    let hops = candidates.select(&mut wish, &mut SeededRng::new([seed; 32]))?;
    Some(hops.iter().map(|hop| hop.router).collect())
}

#[test]
fn chosen_hops_keep_the_rules() {
    let candidates = candidates(100, None);
    let mut nearest = Nearest::default();
    let mut near = BTreeSet::new();
    let mut orders: Vec<Vec<RouterHash>> = Vec::new();
    for seed in 0..200 {
        let hops = select(&candidates, &mut nearest, &[], 3, seed).unwrap();
        assert_eq!(hops.iter().collect::<BTreeSet<_>>().len(), 3);
        near.insert(hops[0]);
        orders.push(hops);
    }
    assert_eq!(near.len(), 6, "the kept ones");
    for a in &orders {
        for b in &orders {
            let swapped = a[1] == b[2] && a[2] == b[1];
            assert!(!swapped, "the same routers always stand in the same order");
        }
    }
    let kept: Vec<RouterHash> = near.iter().copied().collect();
    assert!(select(&candidates, &mut nearest, &kept, 3, 1).is_none(), "no other one because they all have their share");
    let hops = select(&candidates, &mut nearest, &kept[1..], 3, 1).unwrap();
    assert_eq!(hops[0], kept[0]);
}

/// So many routers with IPv4, with both families and with IPv6 alone, as a router sees them that dials these.
fn mixed(counts: [u8; 3], ipv4: bool, ipv6: bool) -> (Candidates, [Vec<RouterHash>; 3]) {
    let mut rng = SeededRng::new([4; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let mut list = Vec::new();
    let mut hashes = [Vec::new(), Vec::new(), Vec::new()];
    for (kind, count) in counts.into_iter().enumerate() {
        for n in 0..count {
            let tag = u8::try_from(kind).unwrap() * 50 + n;
            let v4 = format!("10.{tag}.0.1:9{tag:03}").parse().unwrap();
            let v6 = format!("[2a00:{tag}::1]:9{tag:03}").parse().unwrap();
            let hosts = [vec![v4], vec![v4, v6], vec![v6]];
            let info = router_info_at(&hosts[kind], &key, date, |_| {}, &mut rng);
            hashes[kind].push(info.hash());
            list.push(info);
        }
    }
    let rules = Rules { ipv4, ipv6, ..rules() };
    let mut candidates = Candidates::default();
    candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list), &rules);
    (candidates, hashes)
}

#[test]
fn neighbours_share_an_ip_family() {
    // With IPv6 alone: both families next to us, IPv4 from there on.
    let (candidates, [v4, both, _]) = mixed([8, 4, 8], false, true);
    let mut far = BTreeSet::new();
    for seed in 0..100 {
        let hops = select(&candidates, &mut Nearest::default(), &[], 3, seed).unwrap();
        assert!(both.contains(&hops[0]));
        assert!(hops[1..].iter().all(|hop| both.contains(hop) || v4.contains(hop)));
        far.insert(hops[2]);
        let direct = select_for(&candidates, &mut Nearest::default(), &[], 3, seed, true).unwrap();
        assert!(direct.iter().all(|hop| both.contains(hop)), "we and the far end reach each other");
    }
    assert!(far.iter().any(|hop| v4.contains(hop)));
    // With IPv4, alone or not: never a router that others can't get to.
    for ipv6 in [false, true] {
        let (candidates, [.., v6]) = mixed([4, 4, 8], true, ipv6);
        assert_eq!(candidates.len(), 8);
        for seed in 0..50 {
            let hops = select(&candidates, &mut Nearest::default(), &[], 3, seed).unwrap();
            assert!(hops.iter().all(|hop| !v6.contains(hop)));
        }
    }
    // Nobody leads to IPv4, or there is none.
    for ipv4 in [false, true] {
        let (candidates, [.., v6]) = mixed([if ipv4 { 0 } else { 5 }, 0, 5], ipv4, true);
        assert_eq!(candidates.len(), 5);
        let hops = select(&candidates, &mut Nearest::default(), &[], 3, 1).unwrap();
        assert!(hops.iter().all(|hop| v6.contains(hop)));
    }
    assert_eq!(mixed([0, 0, 5], true, false).0.len(), 0);
}

#[test]
fn one_family_gives_one_hop() {
    let candidates = candidates(30, Some("kin"));
    assert!(select(&candidates, &mut Nearest::default(), &[], 1, 1).is_some());
    assert!(select(&candidates, &mut Nearest::default(), &[], 2, 1).is_none());
}

#[test]
fn one_subnet_gives_one_hop() {
    // Routers 256 and 512 + 2 apart share 10.2 with others; four in one /16 are not enough for two hops.
    let mut rng = SeededRng::new([4; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let same = [2u16, 256, 512 + 6, 768 + 4];
    let list: Vec<_> = same.iter().map(|n| router_info(*n, &key, date, |_| {}, &mut rng)).collect();
    let mut candidates = Candidates::default();
    candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list), &rules());
    assert_eq!(candidates.len(), 4);
    assert!(select(&candidates, &mut Nearest::default(), &[], 2, 1).is_none());
}

#[test]
fn in_the_public_network_one_port_gives_one_hop() {
    let key = x25519::PrivateKey::generate(&mut SeededRng::new([4; 32])).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let hosts = [([8, 1, 0, 1], 9_000), ([8, 2, 0, 1], 9_000), ([8, 3, 0, 1], 9_001)];
    let clashes = |net_id: u8| {
        let change = |options: &mut Mapping| options.insert("netId", &net_id.to_string()).unwrap();
        let mut rng = SeededRng::new([5; 32]);
        let list = hosts.map(|host| router_info_at(&[host.into()], &key, date, change, &mut rng));
        let mut candidates = Candidates::default();
        let rules = Rules { net_id, ..rules() };
        candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list.to_vec()), &rules);
        let [first, same_port, other_port] = list.map(|info| info.hash());
        let clash = |other| candidates.get(&first).unwrap().clashes(candidates.get(&other).unwrap(), false);
        [clash(same_port), clash(other_port)]
    };
    assert_eq!(clashes(2), [true, false]);
    assert_eq!(clashes(NET), [false, false]);
}

#[test]
fn our_own_subnet_gives_no_hop() {
    let mut rng = SeededRng::new([4; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    let date = ramson_wire::Date(1_800_000_000_000);
    let list: Vec<_> = [1u16, 2, 258].iter().map(|n| router_info(*n, &key, date, |_| {}, &mut rng)).collect();
    let host = list[0].ntcp2_addresses().find_map(|address| address.host).unwrap();
    let eligible = |ignore_subnets| {
        let rules = Rules { our_subnets: vec![subnet(host.ip())], ignore_subnets, ..rules() };
        let mut candidates = Candidates::default();
        candidates.refresh(ramson_wire::Tick(1), date, &super::world::Known(list.clone()), &rules);
        candidates.len()
    };
    assert_eq!(eligible(true), 3);
    assert_eq!(eligible(false), 2);
}
