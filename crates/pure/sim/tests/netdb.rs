//! The netDb of a whole network: LeaseSets are found past floodfills that serve nobody, and who starts with a few routers gets to know
//! the others.

use std::time::Duration;

use ramson_lane::LaneEvent;
use ramson_sim::scenario::{Pages, Scenario, ShortLived};
use ramson_sim::tamper::Tamper;
use ramson_wire::{MessageKind, Now};
use replay::{begin, finish};

#[path = "common/replay.rs"]
mod replay;

/// A floodfill that takes stores and questions, and neither confirms nor answers. As a hop it does what it should.
struct ServesNobody;

impl Tamper for ServesNobody {
    fn events(&mut self, _now: Now, events: Vec<LaneEvent>) -> Vec<LaneEvent> {
        let serves = |event: &LaneEvent| match event {
            LaneEvent::Message { message, .. } => {
                let kinds = [MessageKind::GARLIC, MessageKind::DATABASE_STORE, MessageKind::DATABASE_LOOKUP];
                !kinds.contains(&message.kind)
            }
            _ => true,
        };
        events.into_iter().filter(serves).collect()
    }
}

#[test]
fn lease_sets_are_found_past_floodfills_that_serve_nobody() {
    let (mut sought, mut soon) = (0, 0);
    for seed in 0..3 {
        let mut scenario = Scenario { routers: 14, floodfills: 6, duration_secs: 180, ..Scenario::default() };
        scenario.load.pages = Some(Pages { sites: 2, visitors: 3, from_secs: 30, ..Pages::default() });
        scenario.load.short_lived = Some(ShortLived { from_secs: 60, every_secs: 10, life_secs: 20, bytes: 2_000 });
        let mut run = begin(&scenario, seed);
        for floodfill in [1, 4] {
            run.world.tamper(floodfill, Box::new(ServesNobody));
        }
        let measures = finish(run);
        let failed = measures.pages.iter().chain(&measures.short_lived).filter(|visit| visit.failure.is_some()).count();
        assert!(failed == 0 && measures.short_lived.len() >= 5, "seed {seed}: {failed} of {:?}", measures.short_lived);
        let last = measures.samples.last().unwrap();
        (sought, soon) = (sought + last.lease_sets_sought, soon + last.lease_sets_soon);
    }
    assert!(sought >= 30 && soon * 100 >= sought * 95, "{soon} of {sought}");
}

/// The first one begins without knowing anybody, each of the others with those before it.
#[test]
fn routers_get_to_know_those_that_came_later() {
    let mut scenario = Scenario { routers: 24, floodfills: 8, duration_secs: 600, ..Scenario::default() };
    scenario.load.pages = None;
    let mut run = begin(&scenario, 1);
    run.run_to(Duration::from_secs(590));
    let status = |router| run.world.status(router).unwrap();
    let known: Vec<_> = (0..24).map(|router| (status(router).routers, status(router).floodfills)).collect();
    assert!(known.iter().all(|(routers, floodfills)| *routers >= 21 && *floodfills >= 7), "{known:?}");
    let _ = finish(run);
}
