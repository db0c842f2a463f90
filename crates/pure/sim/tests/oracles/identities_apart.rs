use std::collections::BTreeSet;

use ramson_engine::{Command, IdentityId, RequestId};
use ramson_lane::LaneEvent;
use ramson_sim::oracle::IDENTITIES_APART;
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_wire::{DestinationHash, MessageKind, Now};

use crate::network::{broken, run_with, small};
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
    assert_eq!(broken(&measures), BTreeSet::from([IDENTITIES_APART]), "{:?}", measures.violations);
}
