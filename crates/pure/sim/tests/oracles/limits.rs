use std::time::Duration;

use ramson_engine::{Command, EngineConfig};
use ramson_lane::{LaneCommand, LaneConfig, LaneEvent};
use ramson_sim::measure::Measures;
use ramson_sim::oracle::{FREED, LIMITS};
use ramson_sim::scenario::{Scenario, ShortLived};
use ramson_sim::tamper::Tamper;
use ramson_wire::Now;

use crate::network::{broken, run_with, small};
use crate::replay::run;

/// With destinations that come and go.
fn coming_and_going() -> Scenario {
    let mut scenario = Scenario { duration_secs: 100, ..small() };
    scenario.load.short_lived = Some(ShortLived { from_secs: 20, every_secs: 10, life_secs: 15, bytes: 1_000 });
    scenario
}

#[test]
fn honest_routers_hold_nothing_for_nobody() {
    let measures = run(&coming_and_going(), 1);
    assert_eq!(measures.violations, []);
    assert!(measures.short_lived.len() > 3);
}

/// Forgets to close destinations.
struct KeepsDestinations;

impl Tamper for KeepsDestinations {
    fn wishes(&mut self, _now: Now, mut commands: Vec<Command>) -> Vec<Command> {
        commands.retain(|command| !matches!(command, Command::CloseDestination { .. }));
        commands
    }
}

#[test]
fn what_is_kept_for_a_closed_destination_is_seen() {
    let scenario = small();
    let last = scenario.routers - 1;
    let measures = run_with(&scenario, [last], || Box::new(KeepsDestinations));
    assert!(broken(&measures).contains(FREED), "{:?}", measures.violations);
}

/// Takes so many tunnels of others, whatever was registered.
struct Takes(usize);

impl Tamper for Takes {
    fn configure(&mut self, _engine: &mut EngineConfig, lane: &mut LaneConfig) {
        lane.max_relays = self.0;
    }
}

#[test]
fn more_than_the_registered_limit_is_seen() {
    let scenario = small();
    let modest = run_with(&scenario, 0..scenario.routers, || Box::new(Takes(20)));
    assert_eq!(modest.violations, []);
    let measures = run_with(&scenario, [3], || Box::new(Takes(20)));
    assert!(broken(&measures).contains(LIMITS), "{:?}", measures.violations);
}

/// Never hears that a session ended.
struct KeepsPeers;

impl Tamper for KeepsPeers {
    fn events(&mut self, _now: Now, mut events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        events.retain(|event| !matches!(event, LaneEvent::Disconnected { .. }));
        events
    }
}

/// Relays for others an hour longer than they asked for.
struct KeepsRelays;

impl Tamper for KeepsRelays {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for command in &mut commands {
            if let LaneCommand::Install(relay) = command {
                relay.expires = relay.expires + Duration::from_secs(3_600);
            }
        }
        commands
    }
}

fn kept_alone(measures: &Measures, what: &str) -> bool {
    let text = format!("of {what} though it is alone");
    measures.violations.iter().any(|violation| violation.oracle == FREED && violation.what.ends_with(&text))
}

#[test]
fn what_is_kept_for_nobody_is_seen() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(KeepsPeers));
    assert!(kept_alone(&measures, "engine-connected"), "{:?}", measures.violations);
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(KeepsRelays));
    assert!(kept_alone(&measures, "relays"), "{:?}", measures.violations);
}
