//! The network in which routers are broken.

use std::collections::BTreeSet;

use ramson_sim::measure::Measures;
use ramson_sim::oracle::JAVA;
use ramson_sim::run::Run;
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;

use crate::replay::begin;

/// A few routers with sites and visitors.
pub(super) fn small() -> Scenario {
    let mut scenario = Scenario { routers: 12, floodfills: 4, duration_secs: 60, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 2, visitors: 4, from_secs: 20, every_secs: 5, ..Pages::default() });
    scenario
}

/// Runs it with some routers tampered with.
pub(super) fn run_with(
    scenario: &Scenario,
    routers: impl IntoIterator<Item = usize>,
    tamper: impl Fn() -> Box<dyn Tamper>,
) -> Measures {
    let mut run = begin(scenario, 1);
    for router in routers {
        run.world.tamper(router, tamper());
    }
    run.end(Run::finish)
}

/// The rules that were broken.
pub(super) fn broken(measures: &Measures) -> BTreeSet<&'static str> {
    measures.violations.iter().map(|violation| violation.oracle).collect()
}

/// Likewise, but for what a strict peer says: whoever is broken in one way may ask or repeat too much besides.
pub(super) fn broken_inside(measures: &Measures) -> BTreeSet<&'static str> {
    let mut broken = broken(measures);
    broken.remove(JAVA);
    broken
}
