//! A network from one seed: what is sent arrives, and the same seed gives the same run.

use std::time::Duration;

use ramson_sim::measure::Measures;
use ramson_sim::run::run;
use ramson_sim::scenario::{Bulk, Pages, Scenario, ShortLived};

fn busy_network() -> Scenario {
    let mut scenario = Scenario { routers: 12, floodfills: 4, duration_secs: 150, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 2, visitors: 4, from_secs: 20, ..Pages::default() });
    scenario.load.bulk = Some(Bulk { streams: 1, from_secs: 30, bytes: 1_000_000 });
    scenario.load.short_lived = Some(ShortLived { from_secs: 30, every_secs: 20, life_secs: 30, bytes: 5_000 });
    scenario
}

fn failures(measures: &Measures) -> usize {
    let visits = measures.pages.iter().chain(&measures.bulk).chain(&measures.short_lived);
    visits.filter(|visit| visit.failure.is_some()).count()
}

#[test]
fn what_is_sent_arrives() {
    let measures = run(&busy_network(), 1);
    assert!(measures.pages.len() > 30 && measures.bulk.len() == 1 && measures.short_lived.len() >= 3, "{measures:?}");
    assert_eq!(failures(&measures), 0, "{measures:?}");
    assert_eq!(measures.violations, []);
    assert!(measures.ready_after.iter().all(|after| after.is_some_and(|after| after < Duration::from_secs(30))));
}

#[test]
fn one_seed_gives_one_run() {
    let one = run(&busy_network(), 2);
    assert_eq!(one, run(&busy_network(), 2));
    assert_ne!(one.trace_hash, run(&busy_network(), 3).trace_hash);
}
