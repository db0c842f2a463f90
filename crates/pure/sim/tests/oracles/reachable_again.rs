use std::time::Duration;

use ramson_sim::oracle::REACHABLE_AGAIN;
use ramson_sim::scenario::{Expect, Fault, Links, Partition, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_wire::Now;

use crate::network::{broken, run_with, small};
use crate::replay::run;

const PARTITION: Partition = Partition { from_secs: 50, to_secs: 80, share_permille: 400 };

/// Connections break now and then as well: those of before would do otherwise.
fn parted() -> Scenario {
    let links = Links { resets_per_hour: 400, ..Links::default() };
    let expect = Expect { reachable_again_within_secs: Some(60), ..Expect::default() };
    Scenario { duration_secs: 145, faults: vec![Fault::Partition(PARTITION)], expect, links, ..small() }
}

/// Dials nobody any more once the network was parted.
struct GivesUp {
    began: Option<Now>,
}

impl GivesUp {
    fn gave_up(&mut self, now: Now) -> bool {
        let began = self.began.get_or_insert(now).tick;
        now.tick.saturating_since(began) > Duration::from_secs(PARTITION.from_secs)
    }
}

impl Tamper for GivesUp {
    fn dials(&mut self, now: Now) -> bool {
        !self.gave_up(now)
    }
}

#[test]
fn honest_routers_come_back() {
    let measures = run(&parted(), 1);
    assert_eq!(measures.violations, []);
    assert_eq!(measures.reachable_again.len(), 2);
}

#[test]
fn a_router_that_gives_up_is_seen() {
    let scenario = parted();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(GivesUp { began: None }));
    assert!(broken(&measures).contains(REACHABLE_AGAIN), "{:?} {:?}", measures.violations, measures.reachable_again);
}
