//! Routers stop, crash, come back, reseed; their clocks jump; and each draws from streams of its own.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_engine::{DestinationConfig, EngineConfig, IdentityId};
use ramson_lane::LaneConfig;
use ramson_sim::load::{Failure, Load, Wish};
use ramson_sim::measure::Measures;
use ramson_sim::scenario::{Churn, Fault, Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::DestinationKeys;
use replay::Sound;

#[path = "common/replay.rs"]
mod replay;

const MINUTE: Duration = Duration::from_secs(60);
const SITE: IdentityId = IdentityId(1);
const VISITOR: IdentityId = IdentityId(2);

/// So many routers, the first two of them floodfills, after a time.
fn network(seed: u64, routers: usize, config: WorldConfig, time: Duration) -> Sound {
    let mut world = Sound(replay::world(seed, config));
    for router in 0..routers {
        world.add_router(router < 2, Load::default());
    }
    world.run(time);
    world
}

/// Takes no heed of networks.
struct IgnoresSubnets;

impl Tamper for IgnoresSubnets {
    fn configure(&mut self, engine: &mut EngineConfig, _lane: &mut LaneConfig) {
        engine.ignore_subnets = true;
    }
}

/// Else the tests here would see only what they ask for.
#[test]
#[should_panic(expected = "tunnel-hops")]
fn what_an_oracle_sees_fails_a_test() {
    let config = WorldConfig { routers_per_subnet: 2, ..WorldConfig::default() };
    let mut world = network(1, 0, config, Duration::ZERO);
    for router in 0..8 {
        world.tamper(router, Box::new(IgnoresSubnets));
        world.add_router(router < 2, Load::default());
    }
    world.run(MINUTE);
}

fn known(world: &World<Load>, router: usize) -> usize {
    world.status(router).map_or(0, |status| status.routers)
}

/// Routers that a router knew, and how many of them it knows at once when it starts again.
fn known_before_and_after(seed: u64, end: impl Fn(&mut World<Load>, usize)) -> (usize, usize) {
    let mut world = network(seed, 8, WorldConfig::default(), Duration::from_secs(20));
    for _ in 0..3 {
        world.add_router(false, Load::default());
    }
    assert!(world.run_until(Duration::from_secs(8), |world| known(world, 0) > 8), "seed {seed}");
    let before = known(&world, 0);
    end(&mut world, 0);
    assert!(world.run_until(Duration::from_secs(1), |world| !world.is_up(0)), "seed {seed}");
    world.run(Duration::from_secs(1));
    world.restart(0);
    (before, known(&world, 0))
}

/// Somebody came, and no batch was due since.
#[test]
fn a_clean_stop_loses_nothing_that_a_crash_loses() {
    for seed in 0..5 {
        let (before, after) = known_before_and_after(seed, World::stop);
        assert!(after >= before, "seed {seed}: {before} known, {after} after a clean stop");
        for silent in [false, true] {
            let (before, after) = known_before_and_after(seed, |world, router| world.crash(router, silent));
            assert!(after < before, "seed {seed}: {before} known, {after} after a crash");
        }
    }
}

/// A large page is on its way when its site's router ends. Whether its visitor knows ten seconds later.
fn is_told(seed: u64, end: impl Fn(&mut World<Load>, usize)) -> bool {
    let (site, visitor) = (15, 14);
    let mut world = network(seed, 16, WorldConfig::default(), MINUTE);
    let mut rng = SeededRng::new([1; 32]);
    let keys = DestinationKeys::generate(&mut rng);
    let to = keys.destination().hash();
    let published = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
    let own = DestinationKeys::generate(&mut rng);
    for (router, id, keys, config) in [(site, SITE, keys, published), (visitor, VISITOR, own, DestinationConfig::default())] {
        world.user(router).unwrap().open(id, keys, config);
        world.wake_user(router);
    }
    let ready = |world: &World<Load>| world.is_ready(site, SITE) && world.is_ready(visitor, VISITOR);
    assert!(world.run_until(MINUTE, ready), "seed {seed}");
    world.user(visitor).unwrap().fetch(Wish { id: VISITOR, to, tag: 1, size: 50_000_000, upload: 0, patience: MINUTE * 10 });
    world.wake_user(visitor);
    world.run(Duration::from_secs(15));
    assert!(world.user(visitor).unwrap().delivered() > 0, "seed {seed}: it is on its way");
    end(&mut world, site);
    world.run(Duration::from_secs(10));
    let fetched = world.user(visitor).unwrap().take_fetched().pop();
    fetched.is_some_and(|fetched| matches!(fetched.failure, Some(Failure::Lost(_))))
}

/// Not all of them: some visitors' tunnels lead through the router that ends. Of forty 25 and 27 were told, so of sixteen six or more
/// but once in some hundred changes.
#[test]
fn at_a_clean_stop_peers_are_told() {
    let told = (0..16).filter(|seed| is_told(*seed, World::stop)).count();
    assert!(told >= 6, "{told} of 16");
    for seed in 0..2 {
        assert!(!is_told(seed, |world, router| world.crash(router, true)), "seed {seed}: nobody tells");
    }
}

/// A router is alone with a reseed without floodfills, until a later one has some.
#[test]
fn a_router_without_floodfills_reseeds_again() {
    for seed in 0..3 {
        let mut world = network(seed, 8, WorldConfig::default(), MINUTE);
        world.set_reseed_floodfills(0);
        let newcomer = world.add_router(false, Load::default());
        world.set_side(newcomer, 1);
        let floodfills = |world: &World<Load>| world.status(newcomer).map(|status| (status.routers > 4, status.floodfills));
        world.run(MINUTE);
        assert_eq!(floodfills(&world), Some((true, 0)), "seed {seed}");
        world.set_reseed_floodfills(20);
        world.run(MINUTE * 2);
        assert_eq!(floodfills(&world), Some((true, 2)), "seed {seed}");
        world.set_side(newcomer, 0);
        assert!(world.run_until(MINUTE * 3, World::all_ready), "seed {seed}: {:?}", world.progress(newcomer));
    }
}

/// What a router publishes is dated by its own clock.
#[test]
fn a_clock_that_jumps_is_the_routers_clock() {
    let config = WorldConfig { skew_millis: (0, 0), ..WorldConfig::default() };
    let published = |world: &World<Load>, router| world.router_info(router).map(|info| info.published().0);
    for (router, millis) in [(0, 0), (1, 30_000), (2, -30_000)] {
        let mut world = network(3, 3, config.clone(), MINUTE);
        world.jump_clock(router, millis);
        let before = published(&world, router);
        assert!(world.run_until(MINUTE * 40, |world| published(world, router) != before), "it is signed anew");
        let ahead =
            published(&world, router).map(|date| i64::try_from(date).unwrap_or(0) - i64::try_from(world.date().0).unwrap_or(0));
        assert!(ahead.is_some_and(|ahead| (ahead - millis).abs() <= 2_000), "{ahead:?} instead of {millis}");
    }
}

#[test]
fn clocks_are_wrong_by_what_was_asked_for() {
    let config = WorldConfig { skew_millis: (-90_000, 90_000), ..WorldConfig::default() };
    let world = network(4, 20, config, Duration::ZERO);
    let date = i64::try_from(world.date().0).unwrap_or(0);
    let published = (0..20).filter_map(|router| world.router_info(router)).map(|info| info.published().0);
    let ahead: Vec<i64> = published.map(|published| i64::try_from(published).unwrap_or(0) - date).collect();
    assert!(ahead.len() == 20 && ahead.iter().all(|ahead| ahead.abs() < 92_000), "{ahead:?}");
    assert!(ahead.iter().any(|ahead| *ahead > 30_000) && ahead.iter().any(|ahead| *ahead < -30_000), "{ahead:?}");
}

/// Keys, addresses and dates of routers have streams of their own: one more router changes nothing for those before it.
#[test]
fn a_router_draws_the_same_whoever_else_is_there() {
    let infos = |routers| {
        let world = network(5, routers, WorldConfig::default(), Duration::ZERO);
        (0..3).map(|router| world.router_info(router).map(|info| info.bytes().clone())).collect::<Vec<_>>()
    };
    let few = infos(3);
    assert!(few.iter().all(Option::is_some));
    assert_eq!(few, infos(9));
}

/// Everybody leaves and comes back some time, sites and visitors too.
fn churned(seed: u64) -> Measures {
    let mut scenario = Scenario { routers: 10, floodfills: 4, duration_secs: 480, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 2, visitors: 4, from_secs: 30, every_secs: 5, ..Pages::default() });
    let churn = Churn {
        from_secs: 60,
        to_secs: 300,
        leave_permille_per_10_minutes: 4_000,
        crash_permille: 300,
        stop_permille: 400,
        return_permille: 1_000,
    };
    scenario.faults = vec![Fault::Churn(churn)];
    replay::run(&scenario, seed)
}

#[test]
fn whoever_leaves_sites_are_reached_again() {
    for seed in 1..4 {
        let measures = churned(seed);
        assert!(measures.excused > 0, "seed {seed}: users' routers left too");
        assert!(measures.reachable_again.iter().all(Option::is_some), "seed {seed}: {:?}", measures.reachable_again);
        let last = measures.samples.last().map(|sample| (sample.routers_up, sample.routers_ready));
        assert!(last.is_some_and(|(up, ready)| up == 10 && ready == up), "seed {seed}: {last:?}");
    }
}
