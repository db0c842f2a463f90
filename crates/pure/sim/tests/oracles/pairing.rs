use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng;
use ramson_engine::{Command, DestinationConfig, IdentityId, RequestId};
use ramson_lane::{Fault, LaneEvent};
use ramson_leaks::Watched;
use ramson_sim::load::{Load, Wish};
use ramson_sim::oracle::{Guesses, PAIRING};
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::{DestinationHash, DestinationKeys, Now, RouterHash, Tick};

use crate::replay;

const ROUTERS: usize = 26;
/// The last ones, with two destinations each.
const HOSTS: usize = 10;
/// Applications start at any time until then.
const OPENED_UNTIL_MILLIS: u64 = 200_000;
/// Visits begin so long after.
const SETTLED: Duration = Duration::from_secs(60);
const DURATION: Duration = Duration::from_secs(1_100);

/// Each destination visits another one after a time between these, again and again.
const VISITS_MILLIS: (u64, u64) = (40_000, 120_000);

/// A network in which routers host two destinations that have nothing to do with each other. They visit each other, or only publish.
/// `tamper` is told which host it is for, and all other routers.
fn network(seed: u64, visiting: bool, tamper: impl Fn(usize, &[RouterHash]) -> Box<dyn Tamper>) -> Watched<World<Load>> {
    let mut world = replay::world(seed, WorldConfig::default());
    let mut rng = world.draws("destinations");
    let mut openings = Vec::new();
    let mut others = Vec::new();
    for router in 0..ROUTERS {
        if router >= ROUTERS - HOSTS {
            world.tamper(router, tamper(router, &others));
            for id in [1, 2] {
                let at = Tick(0) + Duration::from_millis(rng::between(&mut rng, 20_000, OPENED_UNTIL_MILLIS));
                openings.push((at, router, IdentityId(id), DestinationKeys::generate(&mut rng)));
            }
        }
        world.add_router(router < 4, Load::default());
        if router < ROUTERS - HOSTS {
            others.extend(world.router_info(router).map(|info| info.hash()));
        }
    }
    let homes: Vec<_> = openings.iter().map(|(_, router, id, keys)| (*router, *id, keys.destination().hash())).collect();
    let mut visits: BTreeSet<_> = openings.iter().zip(0..).map(|((at, ..), visitor)| (*at + SETTLED, visitor)).collect();
    openings.sort_by_key(|(at, router, id, _)| (*at, *router, *id));
    for (at, router, id, keys) in openings {
        while world.step(at) {}
        let config = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
        world.user(router).unwrap().open(id, keys, config);
        world.wake_user(router);
    }
    let end = Tick(0) + DURATION;
    while let Some((at, visitor)) = visits.pop_first().filter(|(at, _)| visiting && *at < end) {
        while world.step(at) {}
        visits.insert((at + Duration::from_millis(rng::between(&mut rng, VISITS_MILLIS.0, VISITS_MILLIS.1)), visitor));
        let (router, id, _) = homes[visitor];
        let draw = rng::below(&mut rng, u32::try_from(homes.len()).unwrap() - 1);
        let to = homes[(visitor + 1 + draw as usize) % homes.len()].2;
        let wish = Wish { id, to, tag: 0, size: 1_000, upload: 0, patience: Duration::from_secs(30) };
        world.user(router).unwrap().fetch(wish);
        world.wake_user(router);
    }
    while world.step(end) {}
    world
}

/// What an observer says of so many networks.
fn guesses(seeds: std::ops::Range<u64>, tamper: impl Fn(usize, &[RouterHash]) -> Box<dyn Tamper>) -> Vec<Guesses> {
    let all = seeds.map(|seed| network(seed, true, &tamper).guesses());
    all.reduce(|sums, more| sums.into_iter().zip(more).map(|(sum, one)| sum.and(one)).collect()).unwrap()
}

/// The honest router in so many networks. An observer is right no more often than is allowed for that many pairs.
#[expect(clippy::print_stdout, reason = "numbers for whoever runs the long test")]
fn assert_unpaired(seeds: std::ops::Range<u64>, most: fn(&Guesses) -> u64) {
    let sums = guesses(seeds, |_, _| Box::new(ramson_sim::tamper::Honest));
    assert_eq!(sums.len(), 7);
    for guesses in sums {
        println!("{guesses:?}: {} of {}", guesses.share(), most(&guesses));
        assert!(guesses.pairs > 0 && guesses.share() <= most(&guesses), "{guesses:?}: {}", guesses.share());
    }
}

#[test]
fn honest_routers_are_not_seen_through() {
    assert_unpaired(1..3, Guesses::most);
}

#[test]
#[ignore = "takes minutes"]
fn honest_routers_are_not_seen_through_in_forty_networks() {
    // Of all pairs together, without any allowance for chance.
    assert_unpaired(1..41, |_| Guesses::ALLOWED);
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

/// What a router may look up besides: in which round, for its two destinations.
type Besides = fn(u8, &[(IdentityId, DestinationHash)]) -> Vec<(IdentityId, DestinationHash)>;

/// Both destinations at once.
fn both(round: u8, open: &[(IdentityId, DestinationHash)]) -> Vec<(IdentityId, DestinationHash)> {
    open.iter().map(|(id, own)| (*id, DestinationHash([round ^ own.0[0]; 32]))).collect()
}

/// What one destination looked up the other one does later.
fn the_same(round: u8, open: &[(IdentityId, DestinationHash)]) -> Vec<(IdentityId, DestinationHash)> {
    let key = (round / 2) ^ open[0].1.0[0];
    vec![(open[usize::from(round % 2)].0, DestinationHash([key; 32]))]
}

/// The first destination looks whether the other one is there.
fn the_other(_round: u8, open: &[(IdentityId, DestinationHash)]) -> Vec<(IdentityId, DestinationHash)> {
    vec![(open[0].0, open[1].1)]
}

/// Looks up what nobody asked for, again and again.
struct LooksUp {
    what: Besides,
    open: Vec<(IdentityId, DestinationHash)>,
    round: u8,
    next: Option<Tick>,
}

impl LooksUp {
    const EVERY: Duration = Duration::from_secs(100);

    fn boxed(what: Besides) -> Box<dyn Tamper> {
        Box::new(Self { what, open: Vec::new(), round: 0, next: None })
    }
}

impl Tamper for LooksUp {
    fn wishes(&mut self, now: Now, mut commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            if let Command::OpenDestination { id, keys, .. } = command {
                self.open.push((*id, keys.destination().hash()));
            }
        }
        if self.open.len() == 2 && *self.next.get_or_insert(now.tick + Self::EVERY) <= now.tick {
            self.next = Some(now.tick + Self::EVERY);
            self.round += 1;
            for (id, hash) in (self.what)(self.round, &self.open) {
                commands.push(Command::LookupDestination { id, request: RequestId(u64::from(self.round)), hash });
            }
        }
        commands
    }
}

/// By which traits a network of such routers is seen through.
fn seen_by(tamper: impl Fn(usize, &[RouterHash]) -> Box<dyn Tamper>) -> BTreeSet<&'static str> {
    let mut world = network(1, false, tamper);
    world.question();
    let found = world.violations().iter().any(|violation| violation.oracle == PAIRING);
    let by: BTreeSet<_> =
        world.guesses().iter().filter(|guesses| guesses.share() > guesses.most()).map(|guesses| guesses.by).collect();
    assert_eq!(found, !by.is_empty(), "{:?} {:?}", world.guesses(), world.violations());
    by
}

#[test]
fn look_ups_of_two_destinations_at_once_are_seen() {
    assert!(seen_by(|_, _| LooksUp::boxed(both)).contains("times of look-ups"));
}

#[test]
fn look_ups_of_the_same_keys_are_seen() {
    assert!(seen_by(|_, _| LooksUp::boxed(the_same)).contains("keys of look-ups"));
}

#[test]
fn look_ups_of_one_destination_through_tunnels_of_another_are_seen() {
    assert!(seen_by(|_, _| LooksUp::boxed(the_other)).contains("look-ups of the other"));
}

#[test]
fn destinations_renewed_together_are_seen() {
    let seen = seen_by(|_, _| Box::new(RenewsTogether { open: Vec::new(), next: None, phase: Duration::ZERO }));
    assert!(seen.contains("times") && seen.contains("ends"), "{seen:?}");
}

/// Takes all routers but a few for unreachable, so that all its destinations come to the same ones.
struct KnowsFew {
    shunned: Vec<RouterHash>,
    next: Tick,
}

impl KnowsFew {
    /// Of all others, counted from a place of its own. Two routers have few of them in common.
    const FEW: [usize; 4] = [0, 1, 4, 9];
    /// Sooner than routers are forgiven.
    const EVERY: Duration = Duration::from_secs(30);

    fn boxed(host: usize, others: &[RouterHash]) -> Box<dyn Tamper> {
        let place = |index: usize| (index + others.len() - host % others.len()) % others.len();
        let shunned = others.iter().enumerate().filter(|(index, _)| !Self::FEW.contains(&place(*index)));
        Box::new(Self { shunned: shunned.map(|(_, other)| *other).collect(), next: Tick(0) })
    }
}

impl Tamper for KnowsFew {
    fn takes_besides(&mut self, now: Now, _event: &LaneEvent) -> Vec<LaneEvent> {
        if now.tick < self.next {
            return Vec::new();
        }
        self.next = now.tick + Self::EVERY;
        self.shunned.iter().map(|peer| LaneEvent::ConnectFailed { peer: *peer, fault: Fault::Peer }).collect()
    }
}

#[test]
fn destinations_that_use_the_same_hops_are_seen() {
    let guesses = guesses(1..5, KnowsFew::boxed);
    let seen: Vec<_> = guesses.iter().filter(|guesses| guesses.share() > guesses.most()).map(|guesses| guesses.by).collect();
    assert_eq!(seen, ["routers", "routers of look-ups"], "{guesses:?}");
}
