use bytes::Bytes;
use ramson_lane::LaneEvent;
use ramson_sim::measure::Measures;
use ramson_sim::oracle::REPLAYS;
use ramson_sim::tamper::Tamper;
use ramson_wire::{MessageKind, Now};

use crate::network::{broken, run_with, small};

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
