use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519;
use ramson_engine::Command;
use ramson_lane::{Class, LaneCommand};
use ramson_sim::oracle::OWN_NAME;
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, TunnelGateway};
use ramson_wire::{
    Codec, DestinationHash, DestinationKeys, I2npMessage, Lease, LeaseSet2, LeaseSet2Builder, Mapping, MessageId, MessageKind,
    Now, RouterHash, TunnelId,
};

use crate::network::{broken_inside, run_with, small};
use crate::replay::run;

const NOBODY: RouterHash = RouterHash([5; 32]);

/// Destinations of which floodfills are told by their own tunnels, since some live on floodfills.
fn on_floodfills() -> Scenario {
    let mut scenario = Scenario { routers: 8, floodfills: 4, duration_secs: 120, ..small() };
    scenario.load.pages = Some(Pages { sites: 8, visitors: 8, from_secs: 20, every_secs: 10, ..Pages::default() });
    scenario
}

#[test]
fn honest_routers_act_for_destinations_through_tunnels_only() {
    for seed in 1..4 {
        assert_eq!(run(&on_floodfills(), seed).violations, []);
    }
}

/// What is seen of a broken router; no other rule about its inside is broken.
fn seen(router: usize, tamper: impl Fn() -> Box<dyn Tamper>) -> String {
    let measures = run_with(&small(), [router], tamper);
    assert_eq!(broken_inside(&measures), BTreeSet::from([OWN_NAME]), "{:?}", measures.violations);
    measures.violations.into_iter().map(|violation| violation.what + "\n").collect()
}

/// A router with a site, and one with a visitor.
const OF_SITE: usize = 11;
const OF_VISITOR: usize = 7;

/// Builds no tunnels in one direction, whatever is asked.
struct WithoutHops {
    inbound: bool,
}

impl Tamper for WithoutHops {
    fn wishes(&mut self, _now: Now, mut commands: Vec<Command>) -> Vec<Command> {
        for command in &mut commands {
            if let Command::OpenDestination { config, .. } = command {
                *(if self.inbound { &mut config.inbound_length } else { &mut config.outbound_length }) = 0;
            }
        }
        commands
    }
}

#[test]
fn garlic_sent_straight_for_a_destination_is_seen() {
    let of_site = seen(OF_SITE, || Box::new(WithoutHops { inbound: false }));
    assert!(of_site.contains("stores the LeaseSet") && of_site.contains("looks up"), "{of_site}");
    let of_visitor = seen(OF_VISITOR, || Box::new(WithoutHops { inbound: false }));
    assert!(of_visitor.contains("looks up"), "{of_visitor}");
}

#[test]
fn tunnels_that_begin_at_their_owner_are_seen() {
    let of_site = seen(OF_SITE, || Box::new(WithoutHops { inbound: true }));
    assert!(["in a lease", "to be told", "given an answer"].iter().all(|what| of_site.contains(what)), "{of_site}");
    let of_visitor = seen(OF_VISITOR, || Box::new(WithoutHops { inbound: true }));
    assert!(of_visitor.contains("given an answer"), "{of_visitor}");
}

/// What a router may say straight besides, of its own destination or what that wants.
type Says = fn(Now, &DestinationKeys, DestinationHash) -> I2npMessage;

/// Says something to a router that it has to do with, once it knows of a destination.
struct SaysStraight {
    what: Says,
    keys: Option<DestinationKeys>,
    wanted: Option<DestinationHash>,
}

impl SaysStraight {
    fn boxed(what: Says) -> Box<dyn Tamper> {
        Box::new(Self { what, keys: None, wanted: None })
    }
}

impl Tamper for SaysStraight {
    fn wishes(&mut self, _now: Now, commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            match command {
                Command::OpenDestination { keys, .. } => self.keys = DestinationKeys::from_bytes(&keys.to_bytes()).ok(),
                Command::Connect { to, .. } => self.wanted = Some(*to),
                _ => {}
            }
        }
        commands
    }

    fn commands(&mut self, now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        let to = commands.iter().find_map(|command| match command {
            LaneCommand::Send { to, .. } => Some(*to),
            _ => None,
        });
        if let (Some(to), Some(keys)) = (to, &self.keys) {
            let wanted = self.wanted.unwrap_or(keys.destination().hash());
            let message = (self.what)(now, keys, wanted);
            commands.push(LaneCommand::Send { to, message, class: Class::Own });
        }
        commands
    }
}

fn message(now: Now, kind: MessageKind, body: Vec<u8>) -> I2npMessage {
    I2npMessage::new(kind, MessageId(1), now.date + Duration::from_secs(10), body)
}

fn store(now: Now, keys: &DestinationKeys, _wanted: DestinationHash) -> I2npMessage {
    let tunnel = TunnelId::new(7).unwrap();
    let builder = LeaseSet2Builder {
        destination: keys.destination().clone(),
        published: now.date.to_seconds_rounded(),
        lifetime: Duration::from_secs(300),
        unpublished: false,
        options: Mapping::default(),
        key: x25519::PrivateKey::generate(&mut SeededRng::new([9; 32])).public(),
        more_keys: Vec::new(),
        leases: vec![Lease { gateway: NOBODY, tunnel, end: now.date + Duration::from_secs(300) }],
    };
    let set = LeaseSet2::sign(&builder, keys.signing_key()).unwrap();
    message(now, MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, None).to_bytes())
}

/// As an answer to nobody's question.
fn store_through_a_gateway(now: Now, keys: &DestinationKeys, wanted: DestinationHash) -> I2npMessage {
    let inner = store(now, keys, wanted).encode_long().into();
    let gateway = TunnelGateway { tunnel: TunnelId::new(7).unwrap(), message: inner };
    message(now, MessageKind::TUNNEL_GATEWAY, gateway.to_bytes())
}

/// What the destination wants, or itself; as if a router were sought.
fn lookup(now: Now, _keys: &DestinationKeys, wanted: DestinationHash) -> I2npMessage {
    let (key, kind) = (wanted.into(), LookupKind::RouterInfo);
    let lookup = DatabaseLookup { key, from: NOBODY, reply_tunnel: None, kind, excluded: Vec::new(), reply_key: None };
    message(now, MessageKind::DATABASE_LOOKUP, lookup.to_bytes())
}

/// Of something else.
fn lookup_of_a_lease_set(now: Now, _keys: &DestinationKeys, _wanted: DestinationHash) -> I2npMessage {
    let (key, kind) = (DestinationHash([77; 32]).into(), LookupKind::LeaseSet);
    let lookup = DatabaseLookup { key, from: NOBODY, reply_tunnel: None, kind, excluded: Vec::new(), reply_key: None };
    message(now, MessageKind::DATABASE_LOOKUP, lookup.to_bytes())
}

#[test]
fn bare_messages_for_a_destination_are_seen() {
    for what in [store, store_through_a_gateway] {
        assert!(seen(OF_SITE, || SaysStraight::boxed(what)).contains("stores the LeaseSet"));
    }
    for router in [OF_SITE, OF_VISITOR] {
        assert!(seen(router, || SaysStraight::boxed(lookup)).contains("RouterInfo"));
    }
    assert!(seen(OF_VISITOR, || SaysStraight::boxed(lookup_of_a_lease_set)).contains("LeaseSet"));
}
