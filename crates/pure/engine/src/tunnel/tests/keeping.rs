//! Pools keep what they are asked for while tunnels end and routers fail.

use std::time::Duration;

use ramson_wire::MessageKind;

use super::world::World;
use crate::identity::{IdentityId, Owner};
use crate::profile::Tier;
use crate::tunnel::pool::Life;
use crate::tunnel::{Direction, PoolConfig, Tunnels};

const CLIENT: Owner = Owner::Identity(IdentityId(1));

#[test]
fn quantities_hold_for_half_an_hour_while_hops_fail() {
    let mut world = World::new(20, 1);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(5));
    let (mut short, mut none, mut samples) = (0, 0, 0);
    for minute in 0..30 {
        // Each minute one more router is dead, and the one of three minutes ago comes back.
        let n = 1 + minute % 20;
        world.nodes[n].dead = true;
        if minute >= 3 {
            world.nodes[1 + (minute - 3) % 20].dead = false;
        }
        for _ in 0..6 {
            world.run(Duration::from_secs(10));
            let counts = world.creator().machine.counts(CLIENT);
            samples += 1;
            short += usize::from(counts.inbound < 3 || counts.outbound < 3);
            none += usize::from(counts.inbound == 0 || counts.outbound == 0);
            assert!(counts.inbound <= 8 && counts.outbound <= 8, "{counts:?}");
        }
    }
    assert_eq!(none, 0);
    assert!(short * 10 < samples, "short in {short} of {samples} samples");
    let stats = world.creator().machine.stats();
    assert!(stats.tests > 100 && stats.tests_failed > 0, "{stats:?}");
    assert!(stats.started < 600, "{stats:?}");
}

#[test]
fn tunnels_are_replaced_apart_before_they_end() {
    let mut world = World::new(20, 2);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(5));
    let first = world.creator().machine.stats().built;
    world.run(Duration::from_secs(410));
    assert_eq!(world.creator().machine.stats().built, first, "nothing is replaced earlier than 180 s before the end");
    let mut least = usize::MAX;
    for _ in 0..30 {
        world.run(Duration::from_secs(10));
        let machine = &world.creator().machine;
        let fresh = machine.leases(CLIENT).len();
        least = least.min(fresh).min(machine.counts(CLIENT).outbound);
    }
    assert!(least >= 3, "{least}");
    assert!(world.creator().machine.stats().built >= 2 * first);
    assert_eq!(world.creator().machine.stats().no_reply, 0);
}

#[test]
fn a_closed_pool_leaves_nothing() {
    let mut world = World::new(10, 3);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(3));
    let now = world.now;
    world.creator().machine.close_pool(now, CLIENT);
    world.run(Duration::from_secs(3));
    let counts = world.creator().machine.counts(CLIENT);
    assert_eq!((counts.inbound, counts.outbound), (0, 0));
    assert!(world.creator().machine.leases(CLIENT).is_empty());
    assert_eq!(world.creator().machine.own_ids.len(), world.creator().machine.counts(Owner::Router).inbound + 1);
}

#[test]
fn two_runs_of_one_seed_are_equal() {
    let run = || {
        let mut world = World::new(9, 9);
        world.open(Owner::Router, PoolConfig::exploratory());
        world.open(CLIENT, PoolConfig::client());
        world.run(Duration::from_secs(120));
        world.builds.iter().map(|(_, to, message)| (*to, message.body.clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_large_network_is_spared() {
    let mut world = World::new(60, 4);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(5));
    let counts = world.creator().machine.counts(CLIENT);
    assert_eq!((counts.inbound, counts.outbound), (3, 3));
    world.run(Duration::from_secs(1200));
    let counts = world.creator().machine.counts(CLIENT);
    assert!(counts.inbound >= 3 && counts.outbound >= 3);
    // The neighbours are few and stay the same: six for each direction of the two pools.
    let us = world.hash(0);
    let first: std::collections::BTreeSet<_> =
        world.builds.iter().filter(|(from, _, _)| *from == us).map(|(_, to, _)| *to).collect();
    assert!(first.len() <= 12 + 4, "{} first hops", first.len());
    // No router is in two of a pool's tunnels of one direction.
    let pool = &world.creator().machine.pools[&CLIENT];
    for direction in [Direction::Inbound, Direction::Outbound] {
        let hops: Vec<_> = pool.lives(direction).flat_map(|life| life.routers.clone()).collect();
        let different: std::collections::BTreeSet<_> = hops.iter().collect();
        assert_eq!(different.len(), hops.len());
    }
}

#[test]
fn a_hop_that_agrees_and_then_drops_is_found_out() {
    let mut world = World::new(10, 5);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(5));
    let bad = world.creator().machine.first_hop(CLIENT, 1).unwrap();
    let carried = [MessageKind::TUNNEL_DATA, MessageKind::TUNNEL_GATEWAY];
    world.filter = Box::new(move |_, to, message| *to != bad || !carried.contains(&message.kind));
    world.run(Duration::from_secs(400));
    let tick = world.now.tick;
    let machine = &world.creator().machine;
    assert_eq!(machine.profiles().tier(tick, &bad), Tier::Failing);
    assert!(machine.stats().tests_failed >= 2);
    let pool = &machine.pools[&CLIENT];
    let lives = pool.lives(Direction::Outbound);
    assert_eq!(lives.filter(|life| life.routers.contains(&bad)).count(), 0);
    let counts = machine.counts(CLIENT);
    assert!(counts.inbound >= 3 && counts.outbound >= 3, "{counts:?}");
}

#[test]
fn a_pool_keeps_a_bounded_number_of_tunnels() {
    let mut world = World::new(3, 9);
    world.open(CLIENT, PoolConfig { inbound_length: 0, outbound_length: 0, ..PoolConfig::client() });
    world.run(Duration::from_secs(5));
    let now = world.now;
    let machine = &mut world.creator().machine;
    let first = machine.pools[&CLIENT].inbound.keys().copied().next().unwrap();
    for _ in 0..200 {
        let life = |machine: &mut Tunnels| Life::new(now, Vec::new(), Vec::new(), &mut *machine.rng);
        let (inbound, outbound) = (life(machine), life(machine));
        let id = machine.add_inbound(CLIENT, inbound, None);
        machine.add_outbound(CLIENT, outbound, None);
        if let Some(tunnel) = machine.pools.get_mut(&CLIENT).unwrap().inbound.get_mut(&id) {
            tunnel.life.given_up = true;
        }
    }
    let pool = &machine.pools[&CLIENT];
    assert_eq!((pool.inbound.len(), pool.outbound.len()), (64, 64));
    assert!(pool.inbound.contains_key(&first), "those given up go first");
    assert_eq!(machine.own_ids.len(), 64);
    machine.bounds(&mut |bound| assert!(bound.fill <= bound.limit || bound.name == "tunnel-outputs", "{bound:?}"));
}
