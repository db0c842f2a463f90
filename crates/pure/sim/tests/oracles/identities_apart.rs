use std::collections::BTreeSet;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_engine::{Command, IdentityId, RequestId};
use ramson_lane::LaneEvent;
use ramson_sim::oracle::IDENTITIES_APART;
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_sim::world::NET_ID;
use ramson_wire::i2np::DatabaseStore;
use ramson_wire::{
    Codec, DestinationHash, I2npMessage, Mapping, MessageId, MessageKind, Now, RouterIdentity, RouterInfo, RouterInfoBuilder,
};

use crate::network::{broken_inside, run_with, small};
use crate::replay::run;

/// Two sites and two visitors on each router.
fn crowded() -> Scenario {
    let mut scenario = Scenario { routers: 8, floodfills: 3, ..small() };
    scenario.load.pages = Some(Pages { sites: 16, visitors: 16, from_secs: 20, every_secs: 20, ..Pages::default() });
    scenario
}

#[test]
fn honest_routers_keep_them_apart() {
    let measures = run(&crowded(), 1);
    assert_eq!(measures.violations, []);
    assert!(measures.pages.len() > 10);
}

/// Has one destination look something up whenever a message comes through a tunnel, whomever it is for.
#[derive(Default)]
struct AsksForAnother {
    first: Option<IdentityId>,
    asked: u64,
}

impl Tamper for AsksForAnother {
    fn wishes(&mut self, _now: Now, commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            if let Command::OpenDestination { id, .. } = command {
                self.first.get_or_insert(*id);
            }
        }
        commands
    }

    fn besides(&mut self, _now: Now, event: &LaneEvent) -> Vec<Command> {
        let through_tunnel = matches!(event, LaneEvent::Message { message, .. } if message.kind == MessageKind::TUNNEL_DATA);
        let Some(id) = self.first.filter(|_| through_tunnel) else { return Vec::new() };
        self.asked += 1;
        let hash = DestinationHash([self.asked.to_be_bytes()[7]; 32]);
        vec![Command::LookupDestination { id, request: RequestId(self.asked), hash }]
    }
}

#[test]
fn a_destination_that_acts_for_another_is_seen() {
    let measures = run_with(&crowded(), [5], || Box::new(AsksForAnother::default()));
    assert_eq!(broken_inside(&measures), BTreeSet::from([IDENTITIES_APART]), "{:?}", measures.violations);
}

/// Keeps RouterInfos that come down any tunnel: each message is taken as one that came straight from the router that it is about.
struct KeepsWhatTunnelsBring(u32);

impl Tamper for KeepsWhatTunnelsBring {
    fn takes_besides(&mut self, now: Now, event: &LaneEvent) -> Vec<LaneEvent> {
        if !matches!(event, LaneEvent::Message { message, .. } if message.kind == MessageKind::TUNNEL_DATA) {
            return Vec::new();
        }
        self.0 += 1;
        let info = router_info(now);
        let body = DatabaseStore::router_info(&info, None).to_bytes();
        let message = I2npMessage::new(MessageKind::DATABASE_STORE, MessageId(self.0), now.date + Duration::from_secs(10), body);
        vec![LaneEvent::Message { from: Some(info.hash()), message }]
    }
}

/// Of a router that nobody can reach, as of now.
fn router_info(now: Now) -> RouterInfo {
    let mut rng = SeededRng::new([42; 32]);
    let signing = ed25519::SigningKey::generate(&mut rng);
    let encryption = x25519::PrivateKey::generate(&mut rng);
    let identity = RouterIdentity::new(&encryption.public(), &signing.public(), &mut rng);
    let mut options = Mapping::new();
    for (name, value) in [("caps", "LU"), ("netId", &*NET_ID.to_string()), ("router.version", "0.9.67")] {
        options.insert(name, value).unwrap();
    }
    RouterInfo::sign(&RouterInfoBuilder { identity, published: now.date, addresses: Vec::new(), options }, &signing).unwrap()
}

#[test]
fn a_router_info_kept_from_a_destinations_tunnel_is_seen() {
    let measures = run_with(&crowded(), [5], || Box::new(KeepsWhatTunnelsBring(0)));
    assert_eq!(broken_inside(&measures), BTreeSet::from([IDENTITIES_APART]), "{:?}", measures.violations);
    assert!(measures.violations.iter().all(|violation| violation.what.ends_with("changed the router")));
}
