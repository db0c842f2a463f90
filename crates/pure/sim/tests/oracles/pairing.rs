use std::time::Duration;

use ramson_crypto::rng;
use ramson_engine::{Command, DestinationConfig, IdentityId};
use ramson_sim::load::Load;
use ramson_sim::oracle::{Guesses, PAIRING};
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::{DestinationKeys, Now, Tick};

const ROUTERS: usize = 26;
/// The last ones, with two destinations each.
const HOSTS: usize = 10;
/// Applications start at any time until then.
const OPENED_UNTIL_MILLIS: u64 = 200_000;
const DURATION: Duration = Duration::from_secs(1_100);

/// A network in which routers host two destinations that have nothing to do with each other.
fn network(seed: u64, tamper: impl Fn() -> Box<dyn Tamper>) -> World<Load> {
    let mut world = World::new(seed, WorldConfig::default());
    let mut rng = world.draws("destinations");
    let mut openings = Vec::new();
    for router in 0..ROUTERS {
        if router >= ROUTERS - HOSTS {
            world.tamper(router, tamper());
            for id in [1, 2] {
                let at = Tick(0) + Duration::from_millis(rng::between(&mut rng, 20_000, OPENED_UNTIL_MILLIS));
                openings.push((at, router, IdentityId(id), DestinationKeys::generate(&mut rng)));
            }
        }
        world.add_router(router < 4, Load::default());
    }
    openings.sort_by_key(|(at, router, id, _)| (*at, *router, *id));
    for (at, router, id, keys) in openings {
        while world.step(at) {}
        let config = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
        world.user(router).unwrap().open(id, keys, config);
        world.wake_user(router);
    }
    let end = Tick(0) + DURATION;
    while world.step(end) {}
    world
}

/// The honest router in so many networks. An observer is right no more often than by chance and 5 %, and the scatter of so many pairs.
fn assert_unpaired(seeds: std::ops::Range<u64>) {
    let all: Vec<Vec<Guesses>> = seeds.map(|seed| network(seed, || Box::new(ramson_sim::tamper::Honest)).guesses()).collect();
    let sums = all.into_iter().reduce(|sums, more| sums.into_iter().zip(more).map(|(sum, one)| sum.and(one)).collect()).unwrap();
    assert_eq!(sums.len(), 3);
    for guesses in sums {
        assert!(guesses.pairs > 0 && guesses.share() <= guesses.most(), "{guesses:?}: {}", guesses.share());
    }
}

#[test]
fn honest_routers_are_not_seen_through() {
    assert_unpaired(1..3);
}

#[test]
#[ignore = "takes minutes"]
fn honest_routers_are_not_seen_through_in_forty_networks() {
    assert_unpaired(1..41);
}

/// Renews all its destinations together, again and again.
struct RenewsTogether {
    open: Vec<(IdentityId, DestinationKeys, DestinationConfig)>,
    next: Option<Tick>,
    phase: Duration,
}

impl RenewsTogether {
    const EVERY: Duration = Duration::from_secs(150);
}

impl Tamper for RenewsTogether {
    fn wishes(&mut self, now: Now, mut commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            if let Command::OpenDestination { id, keys, config, .. } = command {
                let keys = DestinationKeys::from_bytes(&keys.to_bytes()).unwrap();
                self.open.push((*id, keys, config.clone()));
                // Each router has a beat of its own.
                self.phase = Duration::from_millis(u64::from(now.tick.0.to_le_bytes()[3]) * 500);
            }
        }
        if self.open.len() == 2 && self.next.get_or_insert(now.tick + self.phase + Self::EVERY).0 <= now.tick.0 {
            self.next = Some(now.tick + Self::EVERY);
            for (id, keys, config) in &self.open {
                let keys = Box::new(DestinationKeys::from_bytes(&keys.to_bytes()).unwrap());
                commands.push(Command::CloseDestination { id: *id });
                commands.push(Command::OpenDestination { id: *id, name: "again".to_owned(), keys, config: config.clone() });
            }
        }
        commands
    }
}

#[test]
fn destinations_renewed_together_are_seen() {
    let tamper = || Box::new(RenewsTogether { open: Vec::new(), next: None, phase: Duration::ZERO }) as Box<dyn Tamper>;
    let mut world = network(1, tamper);
    world.question();
    assert!(
        world.violations().iter().any(|violation| violation.oracle == PAIRING),
        "{:?} {:?}",
        world.guesses(),
        world.violations()
    );
}
