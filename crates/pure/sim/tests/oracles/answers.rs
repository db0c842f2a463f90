use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::x25519;
use ramson_engine::{Command, DestinationConfig, IdentityId};
use ramson_lane::{Class, LaneCommand, LaneEvent};
use ramson_leaks::Watched;
use ramson_sim::load::Load;
use ramson_sim::oracle::{ANSWERS, Answer};
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::i2np::{
    DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, LookupKind, StoreReply, TunnelData, TunnelGateway,
};
use ramson_wire::{
    Codec, Date, DestinationKeys, I2npMessage, Lease, LeaseSet2, LeaseSet2Builder, Mapping, MessageId, MessageKind, NetDbKey,
    Now, RouterHash, TunnelId,
};

use crate::network::{broken, run_with, small};
use crate::replay::{self, run};

/// Destinations on floodfills too.
fn on_floodfills() -> Scenario {
    let mut scenario = Scenario { routers: 8, floodfills: 4, ..small() };
    scenario.load.pages = Some(Pages { sites: 4, visitors: 4, from_secs: 20, every_secs: 10, ..Pages::default() });
    scenario
}

#[test]
fn honest_routers_tell_nothing() {
    let measures = run(&on_floodfills(), 1);
    assert_eq!(measures.violations, []);
    assert!(!measures.pages.is_empty());
}

/// Answers look-ups of its destinations itself, though it is no floodfill.
#[derive(Default)]
struct AnswersForItsOwn {
    own: BTreeSet<NetDbKey>,
    asked: Vec<(NetDbKey, RouterHash)>,
}

impl Tamper for AnswersForItsOwn {
    fn wishes(&mut self, _now: Now, commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            if let Command::OpenDestination { keys, .. } = command {
                self.own.insert(keys.destination().hash().into());
            }
        }
        commands
    }

    fn events(&mut self, _now: Now, events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        for event in &events {
            if let LaneEvent::Message { message, .. } = event
                && let Ok(lookup) = DatabaseLookup::from_bytes(&message.body)
                && message.kind == MessageKind::DATABASE_LOOKUP
                && self.own.contains(&lookup.key)
            {
                self.asked.push((lookup.key, lookup.from));
            }
        }
        events
    }

    fn commands(&mut self, now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for (key, from) in self.asked.drain(..) {
            let reply = DatabaseSearchReply { key, routers: Vec::new(), from }.to_bytes();
            let expiration = now.date + Duration::from_secs(10);
            let message = I2npMessage::new(MessageKind::DATABASE_SEARCH_REPLY, MessageId(1), expiration, reply);
            commands.push(LaneCommand::Send { to: from, message, class: Class::Own });
        }
        commands
    }
}

#[test]
fn an_answer_for_a_destination_is_seen() {
    let scenario = small();
    let last = scenario.routers - 1;
    let measures = run_with(&scenario, [last], || Box::new(AnswersForItsOwn::default()));
    assert_eq!(broken(&measures), BTreeSet::from([ANSWERS]), "{:?}", measures.violations);
}

/// The router that is asked: a floodfill, and one that isn't.
pub(super) const ASKED: [usize; 2] = [1, 6];

pub(super) fn keys() -> DestinationKeys {
    DestinationKeys::generate(&mut SeededRng::new([42; 32]))
}

/// A network, with or without a local destination on the router that will be asked. It has no hops, so that strangers get at it straight.
fn world(asked: usize, with: bool) -> Watched<World<Load>> {
    let mut world = replay::world(7, WorldConfig::default());
    for router in 0..8 {
        world.add_router(router < 4, Load::default());
    }
    world.run(Duration::from_secs(30));
    if with {
        let config = DestinationConfig { inbound_length: 0, outbound_length: 0, ..DestinationConfig::default() };
        world.user(asked).unwrap().open(IdentityId(1), keys(), config);
        world.wake_user(asked);
    }
    world.run(Duration::from_secs(30));
    world
}

/// Messages that a stranger may send to a router: everything that could have to do with a destination.
pub(super) fn probes(date: Date, tunnel: TunnelId) -> Vec<I2npMessage> {
    let (mut rng, us) = (SeededRng::new([9; 32]), RouterHash([5; 32]));
    let expiration = date + Duration::from_secs(20);
    let mut messages = Vec::new();
    let mut add = |kind, body: Vec<u8>| {
        let id = MessageId(u32::try_from(messages.len()).unwrap());
        messages.push(I2npMessage::new(kind, id, expiration, body));
    };
    let key = NetDbKey::from(keys().destination().hash());
    for kind in [LookupKind::Any, LookupKind::LeaseSet, LookupKind::RouterInfo, LookupKind::Exploratory] {
        for key in [key, NetDbKey(rng::bytes(&mut rng))] {
            let lookup = DatabaseLookup { key, from: us, reply_tunnel: None, kind, excluded: Vec::new(), reply_key: None };
            add(MessageKind::DATABASE_LOOKUP, lookup.to_bytes());
        }
    }
    let lease = Lease { gateway: us, tunnel, end: date + Duration::from_secs(300) };
    let builder = LeaseSet2Builder {
        destination: keys().destination().clone(),
        published: date.to_seconds_rounded(),
        lifetime: Duration::from_secs(300),
        unpublished: false,
        options: Mapping::default(),
        key: x25519::PrivateKey::generate(&mut rng).public(),
        more_keys: Vec::new(),
        leases: vec![lease],
    };
    let set = LeaseSet2::sign(&builder, keys().signing_key()).unwrap();
    let reply = Some(StoreReply { token: 77, tunnel: None, gateway: us });
    add(MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, reply).to_bytes());
    add(MessageKind::DELIVERY_STATUS, DeliveryStatus { id: MessageId(77), time: date }.to_bytes());
    let garlic = [120_u32.to_be_bytes().to_vec(), vec![3; 120]].concat();
    add(MessageKind::GARLIC, garlic.clone());
    add(MessageKind::TUNNEL_DATA, TunnelData { tunnel, data: Box::new([3; 1024]) }.to_bytes());
    let inner = I2npMessage::new(MessageKind::GARLIC, MessageId(99), expiration, garlic);
    add(MessageKind::TUNNEL_GATEWAY, TunnelGateway { tunnel, message: inner.encode_long().into() }.to_bytes());
    add(MessageKind::SHORT_TUNNEL_BUILD, [vec![4], vec![1; 4 * 218]].concat());
    messages
}

/// Answers to all probes, each of another stranger.
pub(super) fn answers(world: &mut World<Load>, asked: usize) -> Vec<Answer> {
    let (date, nowhere) = (world.date(), TunnelId::new(1).unwrap());
    let ask = |(number, probe)| world.ask(asked, RouterHash([100 + number; 32]), probe);
    (0_u8..).zip(probes(date, nowhere)).map(ask).collect()
}

#[test]
fn with_and_without_a_destination_answers_are_the_same() {
    for asked in ASKED {
        let [without, with] = [false, true].map(|with| answers(&mut world(asked, with), asked));
        assert_eq!(without, with);
        let answered = without.iter().filter(|answer| !answer.outputs.is_empty()).count();
        assert!(if asked == ASKED[0] { answered >= 9 } else { answered <= 1 }, "{without:?}");
    }
}
