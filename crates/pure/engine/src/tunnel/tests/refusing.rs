//! What gets no tunnel: refusals, lost replies, replays, wrong times, floods.

use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_wire::{I2npMessage, MessageId, MessageKind, RouterHash, TunnelId};

use super::world::World;
use crate::identity::{IdentityId, Owner};
use crate::profile::Tier;
use crate::tunnel::build::{self, Direction, Hop, Plan};
use crate::tunnel::transit::{MAX_QUEUE, MAX_QUEUE_PER_SENDER};
use crate::tunnel::{PoolConfig, TransitPolicy};

#[test]
fn refusals_are_answered_and_remembered() {
    let mut world = World::new(8, 1);
    for node in &mut world.nodes[1..] {
        node.machine.set_transit(TransitPolicy { accept: false, ..TransitPolicy::default() });
    }
    world.open(Owner::Router, PoolConfig::exploratory());
    world.run(Duration::from_secs(10));
    let stats = world.creator().machine.stats();
    assert_eq!((stats.built, stats.no_reply), (0, 0));
    assert!(stats.rejected >= 4);
    assert!(stats.started < 60, "{} tries in 10 s", stats.started);
    let tick = world.now.tick;
    let bad = (1..9).filter(|n| world.nodes[0].machine.profiles().tier(tick, &world.hash(*n)) == Tier::Failing);
    assert!(bad.count() >= 4);
    assert!(world.nodes[1..].iter().all(|node| node.machine.transit_tunnels() == 0));
    let refused: u64 = world.nodes[1..].iter().map(|node| node.machine.transit_stats().rejected).sum();
    assert!(refused >= 8);
    for node in &mut world.nodes[1..] {
        node.machine.set_transit(TransitPolicy::default());
    }
    world.run(Duration::from_secs(60));
    let counts = world.creator().machine.counts(Owner::Router);
    assert!(counts.inbound >= 2 && counts.outbound >= 2, "comes back");
}

#[test]
fn lost_replies_are_given_up_and_tried_again() {
    let mut world = World::new(8, 2);
    let us = world.hash(0);
    world.filter = Box::new(move |_, to, _| *to != us);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.run(Duration::from_secs(30));
    let stats = world.creator().machine.stats();
    assert_eq!(stats.built, 0);
    assert!(stats.no_reply >= 4 && stats.started < 60, "{stats:?}");
    world.filter = Box::new(|_, _, _| true);
    world.run(Duration::from_secs(40));
    let counts = world.creator().machine.counts(Owner::Router);
    assert!(counts.inbound >= 2 && counts.outbound >= 2);
}

#[test]
fn a_first_hop_that_cannot_be_reached_fails_its_builds_at_once() {
    let mut world = World::new(8, 3);
    world.filter = Box::new(|_, _, _| false);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.run(Duration::from_millis(300));
    let (now, first) = (world.now, world.builds[0].1);
    assert_eq!(world.creator().machine.stats().no_reply, 0);
    world.creator().machine.handle_connect_failed(now, first);
    assert!(world.creator().machine.stats().no_reply >= 1);
    assert_eq!(world.creator().machine.profiles().tier(now.tick, &first), Tier::Failing);
}

/// A request for node 1 as the gateway of an inbound tunnel.
fn request(world: &World, seed: u8, shift_secs: i64) -> I2npMessage {
    let mut rng = SeededRng::new([seed; 32]);
    let hops: Vec<Hop> = [1, 2].iter().map(|n| Hop { router: world.hash(*n), key: world.nodes[*n].key.public() }).collect();
    let us = world.hash(0);
    let end = (us, TunnelId::new(5).unwrap());
    let plan = Plan { direction: Direction::Inbound, hops: &hops, end, reply: MessageId(1), us };
    let date = ramson_wire::Date(world.now.date.0.checked_add_signed(shift_secs * 1000).unwrap());
    let body = build::create(date, &plan, &mut rng).unwrap().body;
    I2npMessage::new(MessageKind::SHORT_TUNNEL_BUILD, MessageId(9), world.now.date, body)
}

#[test]
fn a_replayed_request_has_no_effect() {
    let mut world = World::new(3, 4);
    let request = request(&world, 1, 0);
    let from = Some(world.hash(3));
    world.arrive(1, from, request.clone());
    world.settle();
    assert_eq!(world.nodes[1].machine.transit_tunnels(), 1);
    let sent = world.builds.len();
    for _ in 0..3 {
        world.arrive(1, from, request.clone());
        world.settle();
    }
    let stats = world.nodes[1].machine.transit_stats();
    assert_eq!((stats.accepted, stats.rejected, stats.dropped_replay), (1, 0, 3));
    assert_eq!(world.builds.len(), sent, "nothing goes on");
}

#[test]
fn only_timely_requests() {
    for (shift, timely) in [(0, true), (-7 * 60, true), (-10 * 60, false), (4 * 60, true), (7 * 60, false)] {
        let mut world = World::new(3, 5);
        let request = request(&world, 2, shift);
        let from = Some(world.hash(3));
        world.arrive(1, from, request);
        world.settle();
        let stats = world.nodes[1].machine.transit_stats();
        assert_eq!((stats.accepted, stats.dropped_time), if timely { (1, 0) } else { (0, 1) }, "{shift} s");
    }
}

#[test]
fn a_floods_share_is_bounded() {
    let mut world = World::new(3, 6);
    let (now, victim) = (world.now, 1);
    let first = request(&world, 1, 0);
    let flood = |n: u16, world: &mut World| {
        let [a, b] = n.to_be_bytes();
        let mut from = [a; 32];
        from[1] = b;
        world.nodes[victim].machine.handle_message(now, Some(RouterHash(from)), first.clone());
    };
    for _ in 0..1000 {
        flood(1, &mut world);
    }
    assert_eq!(world.nodes[victim].machine.waiting_requests(), MAX_QUEUE_PER_SENDER);
    for n in 2..3000 {
        flood(n, &mut world);
    }
    assert_eq!(world.nodes[victim].machine.waiting_requests(), MAX_QUEUE);
    let stats = world.nodes[victim].machine.transit_stats();
    assert!(stats.dropped_rate > 0 && stats.dropped_queue > 0);
    // Old ones are dropped unopened.
    let later = ramson_wire::Now { tick: now.tick + Duration::from_secs(10), date: now.date + Duration::from_secs(10) };
    world.nodes[victim].machine.work(later, 1000);
    assert_eq!(world.nodes[victim].machine.waiting_requests(), 0);
    assert_eq!(world.nodes[victim].machine.transit_stats().accepted, 0);
}

#[test]
fn the_number_of_transit_tunnels_is_bounded_and_they_end() {
    let mut world = World::new(3, 7);
    world.nodes[1].machine.set_transit(TransitPolicy { max_tunnels: 5, ..TransitPolicy::default() });
    let from = Some(world.hash(3));
    for seed in 0..12 {
        let request = request(&world, seed, 0);
        world.arrive(1, from, request);
        world.settle();
    }
    let stats = world.nodes[1].machine.transit_stats();
    assert_eq!((stats.accepted, stats.rejected), (5, 7));
    let after = Duration::from_secs(661);
    let later = ramson_wire::Now { tick: world.now.tick + after, date: world.now.date + after };
    world.nodes[1].machine.work(later, 1);
    assert_eq!(world.nodes[1].machine.transit_tunnels(), 0);
}

#[test]
fn requests_that_make_no_sense_are_dropped() {
    let mut world = World::new(3, 8);
    let good = request(&world, 1, 0);
    // Not a record for us.
    let from = Some(world.hash(3));
    world.arrive(3, from, good.clone());
    // The second record's hop learns from whom it comes, and it isn't its next one, which is the creator.
    let us = Some(world.hash(0));
    world.filter = Box::new(|_, _, _| false);
    world.arrive(1, from, good);
    world.settle();
    let (_, _, for_two) = world.builds.pop().unwrap();
    world.arrive(2, us, for_two.clone());
    world.arrive(2, None, for_two);
    world.settle();
    assert_eq!(world.nodes[3].machine.transit_stats().dropped_unreadable, 1);
    assert_eq!(world.nodes[2].machine.transit_stats().dropped_unreadable, 2);
    assert_eq!(world.nodes[2].machine.transit_tunnels(), 0);
}

/// Some replies come after the build was given up: these refusals were once counted a second time.
#[test]
fn a_refusal_that_comes_late_is_one_build_without_reply() {
    let mut world = World::new(8, 21);
    for node in &mut world.nodes[1..] {
        node.machine.set_transit(TransitPolicy { accept: false, ..TransitPolicy::default() });
    }
    world.faults.delay = 5_000;
    world.open(Owner::Router, PoolConfig::exploratory());
    world.run(Duration::from_secs(60));
    let machine = &world.creator().machine;
    let stats = machine.stats();
    assert!(stats.rejected > 0 && stats.no_reply > 0, "{stats:?}");
    assert_eq!(stats.started, stats.rejected + stats.no_reply + machine.pending_builds());
}

#[test]
fn many_flooding_senders_leave_room_for_another() {
    let mut world = World::new(3, 22);
    let now = world.now;
    let request = request(&world, 1, 0);
    let push = |world: &mut World, sender: u8| {
        world.nodes[1].machine.handle_message(now, Some(RouterHash([sender; 32])), request.clone());
    };
    for _ in 0..MAX_QUEUE_PER_SENDER {
        for sender in 1..50 {
            push(&mut world, sender);
        }
    }
    assert_eq!(world.nodes[1].machine.waiting_requests(), MAX_QUEUE);
    let waits = |world: &World, sender: u8| world.nodes[1].machine.waiting_requests_of(RouterHash([sender; 32]));
    assert_eq!(waits(&world, 99), 0);
    push(&mut world, 99);
    assert_eq!(waits(&world, 99), 1);
    assert_eq!(world.nodes[1].machine.waiting_requests(), MAX_QUEUE);
    assert!((1..50).all(|sender| (2..=3).contains(&waits(&world, sender))), "each has its share");
}

#[test]
fn identities_learn_of_a_dead_first_hop_each_at_its_own_time() {
    let mut world = World::new(4, 23);
    world.open(Owner::Router, PoolConfig::exploratory());
    let owners: Vec<Owner> = (0..8).map(|n| Owner::Identity(IdentityId(n))).collect();
    let config =
        PoolConfig { outbound_length: 1, inbound_length: 1, outbound_quantity: 4, inbound_quantity: 1, ..PoolConfig::client() };
    owners.iter().for_each(|owner| world.open(*owner, config));
    world.run(Duration::from_secs(20));
    let (now, start) = (world.now, world.now.tick);
    let dead = (1..5)
        .map(|n| world.hash(n))
        .max_by_key(|hop| owners.iter().filter(|owner| world.nodes[0].machine.outbound_through(**owner, hop) > 0).count());
    let dead = dead.unwrap();
    let through = |world: &World, owner: Owner| world.nodes[0].machine.outbound_through(owner, &dead);
    let hit: Vec<Owner> = owners.iter().copied().filter(|owner| through(&world, *owner) > 0).collect();
    assert!(hit.len() >= 4, "{}", hit.len());
    world.creator().machine.handle_connect_failed(now, dead);
    assert!(hit.iter().all(|owner| through(&world, *owner) > 0), "not at once");
    let mut times = std::collections::BTreeMap::new();
    for _ in 0..60 {
        world.run(Duration::from_millis(100));
        for owner in hit.iter().filter(|owner| through(&world, **owner) == 0) {
            times.entry(*owner).or_insert(world.now.tick.saturating_since(start));
        }
    }
    assert_eq!(times.len(), hit.len(), "all of them at last");
    let moments: std::collections::BTreeSet<Duration> = times.values().copied().collect();
    assert!(moments.len() * 2 > hit.len(), "{times:?}");
    let (first, last) = (moments.first().unwrap(), moments.last().unwrap());
    assert!(*last - *first >= Duration::from_secs(1), "{times:?}");
}
