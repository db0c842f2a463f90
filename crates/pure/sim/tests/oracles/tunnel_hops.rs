use ramson_engine::EngineConfig;
use ramson_lane::{LaneCommand, LaneConfig, RelayRole};
use ramson_sim::oracle::TUNNEL_HOPS;
use ramson_sim::scenario::Scenario;
use ramson_sim::tamper::Tamper;
use ramson_wire::Now;

use crate::network::{broken, run_with, small};
use crate::replay::run;

/// Six networks of two routers each.
fn shared_subnets() -> Scenario {
    Scenario { addresses_per_subnet: 2, ..small() }
}

/// Takes no heed of networks.
struct IgnoresSubnets;

impl Tamper for IgnoresSubnets {
    fn configure(&mut self, engine: &mut EngineConfig, _lane: &mut LaneConfig) {
        engine.ignore_subnets = true;
    }
}

#[test]
fn honest_routers_choose_hops_apart() {
    let measures = run(&shared_subnets(), 1);
    assert_eq!(measures.violations, []);
    assert!(!measures.pages.is_empty());
}

#[test]
fn two_hops_of_one_subnet_are_seen() {
    let measures = run_with(&shared_subnets(), [3], || Box::new(IgnoresSubnets));
    assert!(broken(&measures).contains(TUNNEL_HOPS), "{:?}", measures.violations);
}

/// Sends what it relays back to where it came from.
struct SendsBack;

impl Tamper for SendsBack {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for command in &mut commands {
            if let LaneCommand::Install(relay) = command
                && let (RelayRole::Participant { next, .. }, Some(previous)) = (&mut relay.role, relay.previous)
            {
                *next = previous;
            }
        }
        commands
    }
}

#[test]
fn a_router_twice_is_seen() {
    let measures = run_with(&small(), [3], || Box::new(SendsBack));
    assert!(
        measures.violations.iter().any(|violation| violation.what.starts_with("a router twice")),
        "{:?}",
        measures.violations
    );
}
