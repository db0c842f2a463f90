use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_lane::LaneEvent;
use ramson_sim::measure::Measures;
use ramson_sim::oracle::REPLAYS;
use ramson_sim::run::Run;
use ramson_sim::scenario::Scenario;
use ramson_sim::tamper::Tamper;
use ramson_wire::{I2npMessage, MessageKind, Now, Tick};

use crate::network::{broken, run_with, small};
use crate::replay::{begin, run};

#[test]
fn honest_routers_remember() {
    let measures = run(&Scenario { duration_secs: 900, ..small() }, 1);
    assert!(measures.pages.len() > 100);
}

fn seen(measures: &Measures, what: &str) -> bool {
    measures.violations.iter().any(|violation| violation.oracle == REPLAYS && violation.what.contains(what))
}

/// Takes each message for a new one: it writes another id on stores and look-ups, before it looks whether it had them.
#[derive(Default)]
struct Relabels(u32);

impl Tamper for Relabels {
    fn events(&mut self, _now: Now, mut events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        for event in &mut events {
            if let LaneEvent::Message { message, .. } = event
                && matches!(message.kind, MessageKind::DATABASE_STORE | MessageKind::DATABASE_LOOKUP)
            {
                self.0 += 1;
                message.id.0 = self.0;
            }
        }
        events
    }
}

#[test]
fn an_answer_to_a_repeated_message_is_seen() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(Relabels::default()));
    assert!(seen(&measures, "caused: send"), "{:?}", measures.violations);
}

/// Says something on connections for which the lane has nothing to say.
struct AnswersAnybody;

impl Tamper for AnswersAnybody {
    fn sent(&mut self, _now: Now, bytes: Bytes) -> Bytes {
        if bytes.is_empty() { Bytes::from_static(b"who is there?") } else { bytes }
    }
}

#[test]
fn an_answer_to_a_repeated_connection_attempt_is_seen() {
    let measures = run_with(&small(), 0..4, || Box::new(AnswersAnybody));
    assert!(seen(&measures, "connection attempt"), "{:?}", measures.violations);
    assert_eq!(broken(&measures).len(), 1);
}

/// Relays what it relayed before: what it knows tunnel messages by is another thing each time.
#[derive(Default)]
struct RelaysAgain(u32);

impl Tamper for RelaysAgain {
    fn comes_again(&mut self, _now: Now, mut message: I2npMessage) -> I2npMessage {
        if message.kind == MessageKind::TUNNEL_DATA {
            self.0 += 1;
            let mut body = message.body.to_vec();
            body[4..8].copy_from_slice(&self.0.to_be_bytes());
            message.body = body.into();
        }
        message
    }
}

#[test]
fn what_is_relayed_again_is_seen() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(RelaysAgain::default()));
    assert!(seen(&measures, "was relayed"), "{:?}", measures.violations);
}

/// Takes in again what entered its own tunnels without hops: it changes the id that the message inside is known by.
#[derive(Default)]
struct TakesAgain(BTreeSet<Bytes>);

impl Tamper for TakesAgain {
    fn events(&mut self, _now: Now, mut events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        for event in &mut events {
            if let LaneEvent::Message { message, .. } = event
                && message.kind == MessageKind::TUNNEL_GATEWAY
                && !self.0.insert(message.body.clone())
            {
                let mut body = message.body.to_vec();
                body[8] ^= 1;
                message.body = body.into();
            }
        }
        events
    }
}

#[test]
fn what_changes_by_a_repetition_is_seen() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(TakesAgain::default()));
    assert!(seen(&measures, "changed what is held"), "{:?}", measures.violations);
}

/// So long a router remembers that forgets too soon; what is repeated soon comes earlier, even the second time.
const REMEMBERS: Duration = Duration::from_secs(30);

/// Takes what it had a while ago for new.
#[derive(Default)]
struct ForgetsSoon {
    had: BTreeMap<Bytes, Tick>,
    forgotten: u32,
}

impl ForgetsSoon {
    fn had_long_ago(&mut self, now: Now, body: &Bytes) -> bool {
        let first = *self.had.entry(body.clone()).or_insert(now.tick);
        let long_ago = now.tick.saturating_since(first) > REMEMBERS;
        self.forgotten += u32::from(long_ago);
        long_ago
    }
}

/// At its engine: stores and look-ups.
#[derive(Default)]
struct ForgetsRequests(ForgetsSoon);

impl Tamper for ForgetsRequests {
    fn events(&mut self, now: Now, mut events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        for event in &mut events {
            if let LaneEvent::Message { message, .. } = event
                && matches!(message.kind, MessageKind::DATABASE_STORE | MessageKind::DATABASE_LOOKUP)
                && self.0.had_long_ago(now, &message.body)
            {
                message.id.0 = self.0.forgotten;
                message.expiration = now.date + Duration::from_secs(10);
            }
        }
        events
    }
}

/// At its lane: what it relayed. The first repetition of a message stands for the message.
#[derive(Default)]
struct ForgetsRelayed(ForgetsSoon);

impl Tamper for ForgetsRelayed {
    fn comes_again(&mut self, now: Now, mut message: I2npMessage) -> I2npMessage {
        if message.kind == MessageKind::TUNNEL_DATA && self.0.had_long_ago(now, &message.body) {
            let mut body = message.body.to_vec();
            body[4..8].copy_from_slice(&self.0.forgotten.to_be_bytes());
            message.body = body.into();
            message.expiration = now.date + Duration::from_secs(10);
        }
        message
    }
}

#[test]
fn an_answer_to_a_request_of_long_ago_is_seen() {
    let scenario = Scenario { duration_secs: 600, ..small() };
    // Few requests come straight, and only some of what comes is repeated so late.
    let is_seen = |seed| {
        let mut run = begin(&scenario, seed);
        for router in 0..scenario.routers {
            run.world.tamper(router, Box::new(ForgetsRequests::default()));
        }
        seen(&run.end(Run::finish), "caused: send")
    };
    assert!((1..7).any(is_seen));
}

#[test]
fn what_is_relayed_long_after_is_seen() {
    let scenario = Scenario { duration_secs: 600, ..small() };
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(ForgetsRelayed::default()));
    assert!(seen(&measures, "was relayed"), "{:?}", measures.violations);
}
