//! A run that never was, with all that a report can tell about.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::{Measures, Sample, Spread, Violation, Visit};
use crate::scenario::Scenario;

pub(super) const SCENARIO: &str = r#"
about = "20 % of routers leave per 10 minutes, then the network falls apart; <all> of it must \"heal\""
routers = 30
floodfills = 8
[load.pages]
[load.bulk]
streams = 3
[[faults]]
kind = "churn"
from-secs = 150
to-secs = 330
[[faults]]
kind = "clock-jump"
at-secs = 240
by-ms = 90000
[[faults]]
kind = "partition"
from-secs = 400
to-secs = 440
[expect]
ready-within-secs = 60
pages-permille = 990
page-median-ms = 3000
bulk-permille = 1000
builds-permille = 600
lookups-permille = 950
reachable-again-within-secs = 120
memory-per-router-bytes = 40000000
"#;

pub(super) fn scenario() -> Scenario {
    Scenario::from_toml(SCENARIO, "scenarios/made-up.toml").unwrap()
}

/// Numbers that look drawn.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

pub(super) fn measures() -> Measures {
    let mut drawn = Drawn(7);
    let troubled = |secs: u64| (150..340).contains(&secs) || (400..455).contains(&secs);
    let (mut samples, mut last) = (Vec::new(), Sample::default());
    for secs in (0..=600).step_by(5) {
        let (good, up) = if troubled(secs) { (500, 25) } else { (860, 30) };
        last.at = Duration::from_secs(secs);
        last.routers_up = 30.min(usize::try_from(secs).unwrap() * 2).min(up + usize::try_from(drawn.below(3)).unwrap());
        last.routers_ready =
            last.routers_up.saturating_sub(usize::try_from(drawn.below(4)).unwrap() + if secs < 25 { 20 } else { 0 });
        let tried = if secs == 350 { 0 } else { 10 + drawn.below(40) };
        last.builds_tried += tried;
        last.builds_accepted += tried * (good + drawn.below(100)) / 1_000;
        let asked = 20 + drawn.below(30);
        last.lookups_asked += asked;
        last.lookups_found += asked * (good + 80 + drawn.below(60)) / 1_000;
        last.delivered_bytes += if secs < 60 { 0 } else { 5 * (200_000 + drawn.below(150_000)) * good / 1_000 };
        last.wire_bytes += 5 * (2_000_000 + drawn.below(1_000_000));
        for (reason, rate) in [
            ("expired build", 4),
            ("no such tunnel", 9),
            ("replayed", 1),
            ("queue full", 6),
            ("bad record", 1),
            ("late", 2),
            ("unknown tag", 3),
            ("odd", 1),
        ] {
            let rate = if troubled(secs) { rate * 5 } else { rate };
            *last.drops.entry(reason).or_insert(0) += drawn.below(rate + 1);
        }
        let memory = 4_000_000 + secs * 20_000;
        last.memory = Spread::of((0..30).map(|router| memory + router * 300_000 + drawn.below(900_000)).collect());
        last.busy_permille = Spread::of((0..30).map(|router| 10 + router * 3 + drawn.below(60)).collect());
        samples.push(last.clone());
    }
    let visit = |drawn: &mut Drawn, at_ms: u64, bytes: u64| {
        let started = Duration::from_millis(at_ms);
        let lost = troubled(at_ms / 1_000) && drawn.below(6) == 0;
        let took = if lost { 60_000 } else { 300 + drawn.below(900) + drawn.below(30) * drawn.below(30) * drawn.below(20) };
        let failure = lost.then(|| if at_ms.is_multiple_of(2) { "no LeaseSet" } else { "timed out after 60 s" }.to_owned());
        Visit { started, ended: started + Duration::from_millis(took), bytes, failure }
    };
    let pages = (0..400).map(|index| visit(&mut drawn, 60_000 + index * 1_331, 1_000 + index * 240)).collect();
    let bulk = (0..3).map(|index| visit(&mut drawn, 60_000 + index, 5_000_000)).collect();
    let ready =
        |drawn: &mut Drawn| Some(Duration::from_millis(3_000 + drawn.below(8_000) + drawn.below(20) * drawn.below(1_000)));
    let mut ready_after: Vec<_> = (0..33).map(|_| ready(&mut drawn)).collect();
    ready_after.push(None);
    let violation =
        Violation { oracle: "delivery", at: Duration::from_secs(77), what: "4 bytes & more <than> were sent".to_owned() };
    Measures {
        seed: 42,
        routers: 34,
        simulated: Duration::from_secs(600),
        steps: 12_345_678,
        trace_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        samples,
        ready_after,
        pages,
        bulk,
        short_lived: Vec::new(),
        excused: 3,
        reachable_again: (0..4).map(|index| Some(Duration::from_secs(10 * index))).collect(),
        violations: vec![violation],
    }
}

/// Nothing at all.
pub(super) fn empty() -> Measures {
    Measures { samples: vec![Sample { drops: BTreeMap::new(), ..Sample::default() }], ..Measures::default() }
}
