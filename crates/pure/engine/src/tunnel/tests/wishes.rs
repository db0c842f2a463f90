//! What an owner asks of its pool: lengths that vary, tunnels in reserve, fewer while idle; and how soon what fails is replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_wire::{MessageKind, RouterHash};

use super::world::World;
use crate::identity::{IdentityId, Owner};
use crate::profile::Tier;
use crate::tunnel::pool::MAX_FAILS;
use crate::tunnel::{Direction, PoolConfig, TransitPolicy};

const CLIENT: Owner = Owner::Identity(IdentityId(1));

fn built(hops: u16, seed: u8, config: PoolConfig) -> World {
    let mut world = World::new(hops, seed);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, config);
    world.run(Duration::from_secs(5));
    world
}

#[test]
fn lengths_vary_as_asked() {
    let mut rng = SeededRng::new([1; 32]);
    let mut lengths = |length, variance| -> BTreeSet<usize> {
        let config = PoolConfig { inbound_variance: variance, ..PoolConfig::even(length, 1) };
        (0..200).map(|_| config.length(Direction::Inbound, &mut rng)).collect()
    };
    assert_eq!(lengths(3, 0), [3].into());
    assert_eq!(lengths(3, 2), [3, 4, 5].into());
    assert_eq!(lengths(3, -1), [2, 3, 4].into());
    assert_eq!(lengths(1, -3), [1, 2, 3, 4].into(), "none gets without hops by it");
    assert_eq!(lengths(6, 5), [6, 7].into());
    assert_eq!(lengths(0, 3), [0].into(), "who wants none gets none");
    let config = PoolConfig { outbound_variance: 2, ..PoolConfig::even(1, 6) };
    let mut world = built(20, 1, config);
    let [inbound, outbound] = world.creator().machine.hops_of(CLIENT);
    assert!(inbound.iter().all(|hops| hops.len() == 1));
    assert!(outbound.iter().map(Vec::len).collect::<BTreeSet<_>>().len() > 1, "{outbound:?}");
}

#[test]
fn tunnels_in_reserve_are_used_when_others_fail() {
    let config = PoolConfig { inbound_backups: 2, outbound_backups: 2, ..PoolConfig::even(2, 2) };
    let mut world = built(20, 2, config);
    let now = world.now;
    let machine = &mut world.creator().machine;
    let counts = machine.counts(CLIENT);
    assert_eq!((counts.inbound, counts.outbound), (4, 4));
    let published = machine.leases(CLIENT);
    assert_eq!(published.len(), 2);
    let used = |machine: &crate::tunnel::Tunnels| -> BTreeSet<_> {
        (0..100).filter_map(|hint| machine.pools[&CLIENT].pick_outbound(now.tick, hint)).collect()
    };
    let before = used(machine);
    assert_eq!(before.len(), 2);
    let pool = machine.pools.get_mut(&CLIENT).unwrap();
    for key in &before {
        pool.outbound.get_mut(key).unwrap().life.fails = MAX_FAILS;
    }
    let ids: BTreeSet<_> = published.iter().map(|lease| lease.tunnel).collect();
    for tunnel in pool.inbound.values_mut().filter(|tunnel| ids.contains(&tunnel.gateway_tunnel)) {
        tunnel.life.fails = MAX_FAILS;
    }
    let after = used(machine);
    assert!(after.len() == 2 && after.is_disjoint(&before));
    let published = machine.leases(CLIENT);
    assert!(published[..2].iter().all(|lease| !ids.contains(&lease.tunnel)), "those in reserve come first");
}

#[test]
fn an_idle_pool_shrinks_and_comes_back() {
    let mut world = built(20, 3, PoolConfig::client());
    let now = world.now;
    world.creator().machine.limit_pool(now, CLIENT, Some(0));
    let before = world.creator().machine.stats().built;
    world.run(Duration::from_secs(620));
    let counts = world.creator().machine.counts(CLIENT);
    assert!((1..=2).contains(&counts.inbound) && (1..=2).contains(&counts.outbound), "{counts:?}");
    let builds = world.creator().machine.stats().built - before;
    assert!(builds < 12, "{builds} with the router's own");
    let now = world.now;
    world.creator().machine.limit_pool(now, CLIENT, None);
    world.run(Duration::from_secs(5));
    let counts = world.creator().machine.counts(CLIENT);
    assert!(counts.inbound >= 3 && counts.outbound >= 3, "{counts:?}");
}

/// A hop begins to drop what it carries. How long the pool goes on to use it, and that there are as many tunnels all the while.
#[test]
fn what_fails_is_replaced_within_a_minute() {
    for seed in 0..6 {
        let mut world = built(12, 10 + seed, PoolConfig::client());
        world.run(Duration::from_secs(30));
        let bad = world.creator().machine.hops_of(CLIENT).concat()[0][0];
        let carried = [MessageKind::TUNNEL_DATA, MessageKind::TUNNEL_GATEWAY];
        world.filter = Box::new(move |_, to, message| *to != bad || !carried.contains(&message.kind));
        world.run(Duration::from_secs(75));
        for hops in world.creator().machine.hops_of(CLIENT) {
            let through = hops.iter().filter(|hops| hops.contains(&bad)).count();
            assert!(through * 3 <= hops.len() && hops.len() - through >= 2, "seed {seed}: {through} of {}", hops.len());
        }
    }
}

/// A fifth refuse everything.
#[test]
fn routers_that_refuse_are_asked_less() {
    let mut world = World::new(20, 5);
    for n in 1..5 {
        world.nodes[n].machine.set_transit(TransitPolicy { accept: false, ..TransitPolicy::default() });
    }
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(60));
    let early = world.creator().machine.stats();
    world.run(Duration::from_secs(1_200));
    let late = world.creator().machine.stats();
    let counts = world.creator().machine.counts(CLIENT);
    assert!(counts.inbound >= 3 && counts.outbound >= 3, "{counts:?}");
    let tick = world.now.tick;
    let refusing: Vec<RouterHash> = (1..5).map(|n| world.hash(n)).collect();
    let avoided = refusing.iter().filter(|router| world.nodes[0].machine.profiles().tier(tick, router) == Tier::Failing);
    assert!(avoided.count() >= 1, "all of them would be asked again just now");
    // By lot half of all tunnels of three hops would meet one.
    let (built, rejected) = (late.built - early.built, late.rejected - early.rejected);
    assert!(built > 15 && rejected * 3 < built, "{rejected} refused, {built} built");
}

/// Nothing comes back from anybody: an hour of it costs few builds, and the first word ends it.
#[test]
fn a_router_that_hears_nobody_hardly_builds() {
    let mut world = built(20, 6, PoolConfig::client());
    world.filter = Box::new(|_, _, _| false);
    world.run(Duration::from_secs(1_200));
    let before = world.creator().machine.stats().started;
    world.run(Duration::from_secs(3_600));
    let builds = world.creator().machine.stats().started - before;
    assert!((15..60).contains(&builds), "{builds} builds in an hour");
    world.filter = Box::new(|_, _, _| true);
    let (now, peer) = (world.now, world.hash(4));
    world.creator().machine.handle_connected(now, peer);
    world.run(Duration::from_secs(20));
    for owner in [Owner::Router, CLIENT] {
        let counts = world.creator().machine.counts(owner);
        assert!(counts.inbound >= 2 && counts.outbound >= 2, "{counts:?}");
    }
}
