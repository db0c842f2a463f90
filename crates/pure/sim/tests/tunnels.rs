//! Own tunnels in networks where some hops do harm, where a router is alone, and over restarts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_engine::{DestinationConfig, IdentityId, Owner};
use ramson_lane::LaneCommand;
use ramson_sim::load::Load;
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::{DestinationKeys, Now, RouterHash};
use replay::Sound;

#[path = "common/replay.rs"]
mod replay;

const MINUTE: Duration = Duration::from_secs(60);
const SITE: IdentityId = IdentityId(1);
const OWNER: Owner = Owner::Identity(SITE);

fn opened(world: &mut World<Load>, router: usize) {
    let keys = DestinationKeys::generate(&mut SeededRng::new([1; 32]));
    let config = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
    world.user(router).unwrap().open(SITE, keys, config);
    world.wake_user(router);
}

fn network(seed: u64, routers: usize, tampered: impl Fn(usize) -> Option<Box<dyn Tamper>>) -> Sound {
    let mut world = Sound(replay::world(seed, WorldConfig::default()));
    for router in 0..routers {
        if let Some(tamper) = tampered(router) {
            world.tamper(router, tamper);
        }
        world.add_router(router < 4, Load::default());
    }
    world
}

fn hash(world: &World<Load>, router: usize) -> RouterHash {
    world.status(router).unwrap().hash
}

/// Agrees to each tunnel, and carries nothing through it.
struct AgreesAndDrops;

impl Tamper for AgreesAndDrops {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        commands.retain(|command| !matches!(command, LaneCommand::Install(_)));
        commands
    }
}

/// A fifth of all routers.
#[test]
fn routers_that_agree_and_drop_are_found_out() {
    let (routers, host) = (20, 19);
    let drops = |router: usize| router % 5 == 4 && router != host;
    let mut world = network(1, routers, |router| drops(router).then(|| Box::new(AgreesAndDrops) as Box<dyn Tamper>));
    world.run(MINUTE);
    opened(&mut world, host);
    assert!(world.run_until(MINUTE * 2, |world| world.is_ready(host, SITE)), "it comes up");
    let bad: BTreeSet<RouterHash> = (0..routers).filter(|router| drops(*router)).map(|router| hash(&world, router)).collect();
    let (mut through_bad, mut all) = (0, 0);
    world.run(MINUTE * 4);
    for _ in 0..16 {
        world.run(Duration::from_secs(15));
        let sides = world.tunnel_hops(host, OWNER);
        assert!(sides.iter().all(|side| !side.is_empty()), "never without tunnels");
        for hops in sides.iter().flatten() {
            all += 1;
            through_bad += usize::from(hops.iter().any(|hop| bad.contains(hop)));
        }
    }
    // By lot half of all tunnels of three hops had one of them.
    assert!(through_bad * 5 < all, "{through_bad} of {all} tunnels");
    let avoided = bad.iter().filter(|router| world.avoids(host, router)).count();
    let wronged = (0..routers).filter(|router| !drops(*router) && world.avoids(host, &hash(&world, *router))).count();
    assert!(avoided >= 2 && avoided > wronged, "{avoided} of {} found out, {wronged} wronged", bad.len());
}

fn tried(world: &World<Load>, router: usize) -> u64 {
    world.status(router).unwrap().builds.tried
}

/// Its side of the network is cut off, and later isn't.
#[test]
fn a_router_that_is_alone_hardly_builds_and_comes_back_at_once() {
    let (routers, alone) = (10, 9);
    let mut world = network(2, routers, |_| None);
    opened(&mut world, alone);
    world.run(MINUTE * 2);
    let ready = |world: &World<Load>| {
        [Owner::Router, OWNER].iter().all(|owner| world.tunnel_hops(alone, *owner).iter().all(|side| side.len() >= 2))
    };
    assert!(ready(&world));
    world.set_side(alone, 1);
    world.run(MINUTE * 15);
    let before = tried(&world, alone);
    world.run(MINUTE * 20);
    let builds = tried(&world, alone) - before;
    assert!((3..30).contains(&builds), "{builds} builds in twenty minutes");
    world.set_side(alone, 0);
    assert!(world.run_until(MINUTE * 4, ready), "{:?}", world.status(alone).map(|status| status.tunnels));
}

/// Stopped in order, then killed: profiles and who stands next to it are what they were.
#[test]
fn a_restart_keeps_profiles_and_who_stands_next() {
    let (routers, host, gone) = (14, 13, 6);
    let mut world = network(3, routers, |_| None);
    opened(&mut world, host);
    world.run(MINUTE);
    let gone_hash = hash(&world, gone);
    world.crash(gone, true);
    assert!(world.run_until(MINUTE * 10, |world| world.avoids(host, &gone_hash)), "it is missed");
    let sets = |world: &World<Load>| {
        [Owner::Router, OWNER].map(|owner| world.next_to(host, owner).map(|side| side.into_iter().collect::<BTreeSet<_>>()))
    };
    let before = sets(&world);
    assert!(before.iter().flatten().all(|side| side.len() >= 6));
    world.stop(host);
    assert!(world.run_until(MINUTE, |world| !world.is_up(host)));
    world.restart(host);
    assert!(world.avoids(host, &gone_hash), "what was known of it is known");
    world.run(Duration::from_secs(40));
    for (before, after) in before.iter().flatten().zip(sets(&world).iter().flatten()) {
        assert!(before.is_subset(after), "{} of {} kept", before.intersection(after).count(), before.len());
    }
    world.run(MINUTE);
    let before = sets(&world);
    world.crash(host, false);
    world.run(Duration::from_secs(5));
    world.restart(host);
    world.run(Duration::from_secs(40));
    for (before, after) in before.iter().flatten().zip(sets(&world).iter().flatten()) {
        assert!(before.is_subset(after), "a crash loses none of them either");
    }
}
