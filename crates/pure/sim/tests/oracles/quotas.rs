//! The answers of a router as a router, and those of a destination on it: what fills the one takes nothing from the other.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::{DestinationConfig, IdentityId};
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_leaks::Watched;
use ramson_sim::load::{Load, Wish};
use ramson_sim::oracle::ANSWERS;
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::i2np::{DatabaseLookup, DatabaseSearchReply, LookupKind, TunnelGateway};
use ramson_wire::{Codec, DestinationKeys, I2npMessage, MessageId, MessageKind, NetDbKey, Now, RouterHash, Tick, TunnelId};

use crate::answers::{ASKED, answers, keys, probes};
use crate::network::{broken, run_with, small};
use crate::replay;

/// From there visitors come, each a destination of its own.
const VISITORS_AT: usize = 7;
const VISITORS: u32 = 20;
/// Messages of a flood of each kind.
const FLOOD: u32 = 700;
/// Look-ups of one stranger, and of all whose sender isn't known: more than a router answers at once.
const BURST: u32 = 80;
const BURST_OF_UNKNOWN: u32 = 450;

/// Names and kinds of what came of each question.
type Answers = Vec<Vec<(&'static str, u64)>>;

/// Keeps what is meant for one router and doesn't send it.
struct Holds {
    kind: MessageKind,
    to: RouterHash,
    held: Rc<RefCell<Vec<I2npMessage>>>,
}

impl Tamper for Holds {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        commands.retain(|command| match command {
            LaneCommand::Send { to, message, .. } if *to == self.to && message.kind == self.kind => {
                self.held.borrow_mut().push(message.clone());
                false
            }
            _ => true,
        });
        commands
    }
}

/// A network, the router in it that will be asked, and what it is going to be asked.
struct Scene {
    world: Watched<World<Load>>,
    asked: usize,
    /// First messages of visitors of its destination, each with a stream, as they come to the destination's gateway.
    letters: Vec<I2npMessage>,
    /// Build requests, each with the router that sends it.
    requests: Vec<(RouterHash, I2npMessage)>,
}

fn open(world: &mut World<Load>, router: usize, id: u32, keys: DestinationKeys, hops: u8, publish: bool) {
    let config = DestinationConfig {
        inbound_length: hops,
        outbound_length: hops,
        publish,
        accept: publish,
        ..DestinationConfig::default()
    };
    world.user(router).unwrap().open(IdentityId(id), keys, config);
    world.wake_user(router);
}

impl Scene {
    /// `broken`: what the router that is asked does with its quotas.
    fn new(asked: usize, broken: Option<Box<dyn Tamper>>) -> Self {
        let mut world = replay::world(7, WorldConfig::default());
        let mut rng = SeededRng::new([8; 32]);
        for router in 0..8 {
            world.add_router(router < 4, Load::default());
        }
        if let Some(broken) = broken {
            world.tamper(asked, broken);
        }
        world.run(Duration::from_secs(30));
        // Without hops, so that strangers get at it straight.
        open(&mut world, asked, 1, keys(), 0, true);
        (0..VISITORS).for_each(|id| open(&mut world, VISITORS_AT, 1 + id, DestinationKeys::generate(&mut rng), 0, false));
        world.run(Duration::from_secs(30));
        let to = world.router_info(asked).unwrap().hash();
        let held = |world: &mut World<Load>, router, kind| {
            let held = Rc::<RefCell<Vec<_>>>::default();
            world.tamper(router, Box::new(Holds { kind, to, held: Rc::clone(&held) }));
            held
        };
        let letters = held(&mut world, VISITORS_AT, MessageKind::TUNNEL_GATEWAY);
        let patience = Duration::from_secs(60);
        for id in (1..=VISITORS).map(IdentityId) {
            let wish = Wish { id, to: keys().destination().hash(), tag: 0, size: 1_000, upload: 0, patience };
            world.user(VISITORS_AT).unwrap().fetch(wish);
        }
        world.wake_user(VISITORS_AT);
        let builders: Vec<usize> = (2..6).collect();
        let requests: Vec<_> = builders.iter().map(|router| held(&mut world, *router, MessageKind::SHORT_TUNNEL_BUILD)).collect();
        for router in &builders {
            (1..5).for_each(|id| open(&mut world, *router, id, DestinationKeys::generate(&mut rng), 1, false));
        }
        world.run(Duration::from_secs(5));
        let of = |router: &usize| world.router_info(*router).unwrap().hash();
        let requests = builders.iter().map(of).zip(requests);
        let requests = requests.flat_map(|(from, held)| held.take().into_iter().map(move |message| (from, message))).collect();
        let letters = letters.take();
        Self { world, asked, letters, requests }
    }

    /// The tunnel of the destination.
    fn tunnel(&self) -> TunnelId {
        TunnelGateway::from_bytes(&self.letters[0].body).unwrap().tunnel
    }

    /// Messages of all kinds through the tunnel of the destination, and half of its visitors.
    fn fill_destination(&mut self) {
        let (tunnel, date, mut rng) = (self.tunnel(), self.world.date(), SeededRng::new([3; 32]));
        let expiration = date + Duration::from_secs(20);
        for number in 0..FLOOD {
            let key = NetDbKey(rng::bytes(&mut rng));
            let named = (0..16).map(|_| RouterHash(rng::bytes(&mut rng))).collect();
            let reply = DatabaseSearchReply { key, routers: named, from: RouterHash(rng::bytes(&mut rng)) };
            let bodies = [
                (MessageKind::GARLIC, garbage(&mut rng)),
                (MessageKind::DATABASE_LOOKUP, lookup(key, RouterHash([9; 32])).to_bytes()),
                (MessageKind::DATABASE_SEARCH_REPLY, reply.to_bytes()),
            ];
            for (kind, body) in bodies {
                let inner = I2npMessage::new(kind, MessageId(rng::below(&mut rng, u32::MAX)), expiration, body);
                self.through(tunnel, inner);
            }
            // The last ones of them go through no tunnel.
            self.through(tunnel, probes(date, tunnel).swap_remove(number as usize % 11));
        }
        for letter in self.letters.split_off(self.letters.len() / 2) {
            self.world.ask(self.asked, RouterHash([9; 32]), letter);
        }
    }

    fn through(&mut self, tunnel: TunnelId, inner: I2npMessage) {
        let body = TunnelGateway { tunnel, message: inner.encode_long().into() }.to_bytes();
        let outer = I2npMessage::new(MessageKind::TUNNEL_GATEWAY, inner.id, inner.expiration, body);
        self.world.ask(self.asked, RouterHash([9; 32]), outer);
    }

    /// All that a router may be asked, again and again, by strangers and by nobody knows whom.
    fn fill_router(&mut self) {
        let (nowhere, mut rng) = (TunnelId::new(1).unwrap(), SeededRng::new([4; 32]));
        let date = self.world.date();
        let expiration = date + Duration::from_secs(20);
        for number in 0..FLOOD {
            let stranger = RouterHash([(number % 50).to_be_bytes()[3]; 32]);
            let key = NetDbKey(rng::bytes(&mut rng));
            let kinds = [
                (MessageKind::GARLIC, garbage(&mut rng)),
                (MessageKind::DATABASE_LOOKUP, lookup(key, stranger).to_bytes()),
                (MessageKind::SHORT_TUNNEL_BUILD, [vec![4], (0..109).flat_map(|_| rng::bytes::<8>(&mut rng)).collect()].concat()),
            ];
            for (kind, body) in kinds {
                let message = I2npMessage::new(kind, MessageId(rng::below(&mut rng, u32::MAX)), expiration, body);
                self.world.ask(self.asked, (number % 3 > 0).then_some(stranger), message);
            }
            let mut probe = probes(date, nowhere).swap_remove(number as usize % 14);
            probe.id = MessageId(rng::below(&mut rng, u32::MAX));
            self.world.ask(self.asked, stranger, probe);
        }
    }

    /// What the router answers as a router: to each kind of question, how often it answers, and to those who want a tunnel.
    fn of_router(&mut self) -> Answers {
        let mut found: Answers = answers(&mut self.world, self.asked).iter().map(|answer| names(&answer.outputs)).collect();
        let mut rng = SeededRng::new([5; 32]);
        let stranger = RouterHash([77; 32]);
        for number in 0..BURST + BURST_OF_UNKNOWN {
            let from = (number < BURST).then_some(stranger);
            let asker = from.unwrap_or_else(|| RouterHash(rng::bytes(&mut rng)));
            let body = lookup(NetDbKey(rng::bytes(&mut rng)), asker).to_bytes();
            let expiration = self.world.date() + Duration::from_secs(10);
            let question = I2npMessage::new(MessageKind::DATABASE_LOOKUP, MessageId(number), expiration, body);
            found.push(names(&self.world.ask(self.asked, from, question).outputs));
        }
        for (from, request) in std::mem::take(&mut self.requests) {
            found.push(names(&self.world.ask(self.asked, from, request).outputs));
        }
        found
    }

    /// What the destination answers to visitors; then whether another one there is published soon.
    fn of_destination(&mut self) -> (Answers, bool) {
        let from = self.world.router_info(VISITORS_AT).unwrap().hash();
        let letters = std::mem::take(&mut self.letters);
        let answers = letters.into_iter().map(|letter| names(&self.world.ask(self.asked, from, letter).outputs)).collect();
        let id = IdentityId(2);
        open(&mut self.world, self.asked, id.0, DestinationKeys::generate(&mut SeededRng::new([6; 32])), 0, true);
        let asked = self.asked;
        let published = self.world.run_until(Duration::from_secs(2), |world| world.is_ready(asked, id));
        (answers, published)
    }
}

fn garbage(rng: &mut SeededRng) -> Vec<u8> {
    let mut body = 200_u32.to_be_bytes().to_vec();
    (0..25).for_each(|_| body.extend(rng::bytes::<8>(rng)));
    body
}

fn lookup(key: NetDbKey, from: RouterHash) -> DatabaseLookup {
    DatabaseLookup { key, from, reply_tunnel: None, kind: LookupKind::RouterInfo, excluded: Vec::new(), reply_key: None }
}

/// How much is in an answer is random in part.
fn names(outputs: &[(&'static str, u64, usize)]) -> Vec<(&'static str, u64)> {
    outputs.iter().map(|(name, detail, _)| (*name, *detail)).collect()
}

/// Has one quota for all that comes, whomever it is for.
#[derive(Default)]
struct OneQuota {
    since: Tick,
    taken: u32,
}

impl Tamper for OneQuota {
    fn events(&mut self, now: Now, mut events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        if now.tick.saturating_since(self.since) > Duration::from_secs(1) {
            (self.since, self.taken) = (now.tick, 0);
        }
        events.retain(|event| {
            let message = matches!(event, LaneEvent::Message { .. });
            self.taken += u32::from(message);
            !message || self.taken < 2 * FLOOD
        });
        events
    }
}

/// Answers of a router, without and with its destination flooded.
fn of_router(asked: usize, broken: fn() -> Option<Box<dyn Tamper>>) -> [Answers; 2] {
    [false, true].map(|fills| {
        let mut scene = Scene::new(asked, broken());
        if fills {
            scene.fill_destination();
        }
        scene.of_router()
    })
}

/// Answers of a destination, without and with its router flooded.
fn of_destination(asked: usize, broken: fn() -> Option<Box<dyn Tamper>>) -> [(Answers, bool); 2] {
    [false, true].map(|fills| {
        let mut scene = Scene::new(asked, broken());
        if fills {
            scene.fill_router();
        }
        scene.of_destination()
    })
}

fn honest() -> Option<Box<dyn Tamper>> {
    None
}

fn one_quota() -> Option<Box<dyn Tamper>> {
    Some(Box::<OneQuota>::default())
}

fn count(answers: &Answers, output: (&'static str, u64)) -> usize {
    answers.iter().flatten().filter(|other| **other == output).count()
}

#[test]
fn a_flood_of_a_destination_takes_nothing_from_its_router() {
    for asked in ASKED {
        let [calm, filled] = of_router(asked, honest);
        assert_eq!(calm, filled);
        // The router's own quotas were reached: 60 look-ups of one stranger, 400 of unknown ones.
        let replies = count(&calm, ("send", u64::from(MessageKind::DATABASE_SEARCH_REPLY.0)));
        assert!(if asked == ASKED[0] { (460..470).contains(&replies) } else { replies == 0 }, "{replies} replies");
        assert!(count(&calm, ("command", 0)) >= 3, "tunnels are taken: {:?}", calm.last());
    }
}

#[test]
fn a_flood_of_a_router_takes_nothing_from_its_destination() {
    for asked in ASKED {
        let [calm, filled] = of_destination(asked, honest);
        assert_eq!(calm, filled);
        assert_eq!(count(&calm.0, ("incoming stream", 0)), VISITORS as usize);
        let answered = calm.0.iter().filter(|answer| !answer.is_empty()).count();
        assert!(
            answered >= VISITORS as usize && calm.1,
            "each is answered, and another one is published: {answered}, {}",
            calm.1
        );
    }
}

#[test]
fn one_quota_for_both_sides_is_seen_after_each_run() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::<OneQuota>::default());
    assert_eq!(broken(&measures), BTreeSet::from([ANSWERS]), "{:?}", measures.violations);
    let sides = ["the router gave", "its destination gave"];
    let seen = |side: &&str| measures.violations.iter().any(|violation| violation.what.contains(*side));
    assert!(sides.iter().all(seen), "{:?}", measures.violations);
}

#[test]
fn one_quota_for_both_sides_is_seen_from_both() {
    for asked in ASKED {
        let [calm, filled] = of_router(asked, one_quota);
        assert_ne!(calm, filled, "at the router");
        let [calm, filled] = of_destination(asked, one_quota);
        assert_ne!(calm.0, filled.0, "at its destination");
    }
}
