//! A flood sized to what a router can do hurts as in life: its processor is busy with it, and what it does for itself waits.

use std::time::Duration;

use ramson_sim::measure::Measures;
use ramson_sim::scenario::{Fault, Flood, FloodOf, Pages, Scenario};

#[path = "common/replay.rs"]
mod replay;

/// The flood's victim.
const VICTIM: usize = 0;
const FROM_SECS: u64 = 60;
const TO_SECS: u64 = 90;

/// Small processors, so that a flood of some times their capacity fits through the lines.
fn flooded(times_capacity: u32) -> (Measures, u32) {
    let mut scenario = Scenario { routers: 8, floodfills: 3, duration_secs: 120, sample_secs: 5, ..Scenario::default() };
    scenario.cpu.scale_percent = 4_000;
    scenario.faults = vec![Fault::Flood(Flood {
        from_secs: FROM_SECS,
        to_secs: TO_SECS,
        of: FloodOf::Builds,
        times_capacity,
        routers: 1,
        of_users: false,
    })];
    let mut run = replay::begin(&scenario, 1);
    run.run_to(Duration::from_secs(FROM_SECS));
    let before = run.world.busy(VICTIM);
    run.run_to(Duration::from_secs(TO_SECS));
    let spent = run.world.busy(VICTIM) - before;
    let permille = spent.as_millis() * 1_000 / Duration::from_secs(TO_SECS - FROM_SECS).as_millis();
    (replay::finish(run), u32::try_from(permille).unwrap_or(u32::MAX))
}

/// How busy the busiest router was in the window that ended then, in thousandths.
fn busy_at(measures: &Measures, secs: u64) -> u64 {
    let at = Duration::from_secs(secs);
    measures.samples.iter().find(|sample| sample.at == at).map_or(0, |sample| sample.busy_permille.most)
}

/// Beyond what the victim takes on in a turn, more of it costs little more.
#[test]
fn a_larger_flood_costs_little_more_and_leaves_nothing_behind() {
    let (once, three, ten) = (flooded(1), flooded(3), flooded(10));
    let busy = format!("thousandths: {}, {}, {}", once.1, three.1, ten.1);
    assert!(once.1 > 200 && ten.1 > once.1 && ten.1 < 3 * once.1, "{busy}");
    for (measures, _) in [&once, &three, &ten] {
        assert!(measures.samples.iter().all(|sample| sample.routers_up == 8), "hostile ones aren't measured");
        assert!(busy_at(measures, FROM_SECS) < 50, "before");
        assert!(busy_at(measures, TO_SECS + 10) < 50, "after");
        let last = measures.samples.last();
        assert!(last.is_some_and(|sample| sample.routers_ready == sample.routers_up), "all are ready");
    }
}

/// Ten times what the victim can do, of each kind: it drops what is too much, and says why.
#[test]
fn what_is_too_much_is_dropped_under_its_name() {
    for (of, reason) in [
        (FloodOf::Handshakes, "handshake-queue"),
        (FloodOf::Netdb, "peer-share"),
        (FloodOf::Sessions, "strangers-garlic-queue"),
        (FloodOf::Transit, "tunnel-share"),
    ] {
        let mut scenario = Scenario { routers: 8, floodfills: 3, duration_secs: 75, sample_secs: 5, ..Scenario::default() };
        scenario.cpu.scale_percent = 4_000;
        scenario.load.pages = Some(Pages { sites: 2, visitors: 2, from_secs: 30, ..Pages::default() });
        let flood = Flood { from_secs: 40, to_secs: 50, of, times_capacity: 10, routers: 1, of_users: true };
        scenario.faults = vec![Fault::Flood(flood)];
        let mut run = replay::begin(&scenario, 1);
        run.run_to(Duration::from_secs(40));
        let measures = replay::finish(run);
        let dropped = |secs: u64| {
            let sample = measures.samples.iter().find(|sample| sample.at == Duration::from_secs(secs));
            sample.and_then(|sample| sample.drops.get(reason).copied()).unwrap_or(0)
        };
        assert!(dropped(50) > dropped(40) + 100, "{of:?}: {reason} {} before, {} after", dropped(40), dropped(50));
        let last = measures.samples.last();
        assert!(last.is_some_and(|sample| sample.routers_ready == sample.routers_up), "{of:?}: all are ready");
        let after = measures.pages.iter().filter(|page| page.started > Duration::from_secs(55));
        assert!(after.clone().count() > 0 && after.clone().all(|page| page.failure.is_none()), "{of:?}: pages come");
    }
}

#[test]
fn a_flood_of_users_hits_routers_with_users() {
    let mut scenario = Scenario { routers: 12, floodfills: 3, duration_secs: 30, sample_secs: 5, ..Scenario::default() };
    scenario.cpu.scale_percent = 4_000;
    // On the last four.
    scenario.load.pages = Some(Pages { sites: 2, visitors: 2, from_secs: 60, ..Pages::default() });
    scenario.faults = vec![Fault::Flood(Flood {
        from_secs: 25,
        to_secs: 30,
        of: FloodOf::Builds,
        times_capacity: 3,
        routers: 2,
        of_users: true,
    })];
    let mut run = replay::begin(&scenario, 1);
    run.run_to(Duration::from_secs(25));
    let before: Vec<Duration> = (0..12).map(|router| run.world.busy(router)).collect();
    run.run_to(Duration::from_secs(30));
    let busy = |router: &usize| run.world.busy(*router).saturating_sub(before[*router]) > Duration::from_secs(1);
    let victims: Vec<usize> = (0..12).filter(busy).collect();
    assert!(victims.len() == 2 && victims.iter().all(|router| *router >= 8), "{victims:?}");
}
