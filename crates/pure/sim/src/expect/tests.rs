use super::*;
use crate::measure::{Spread, Violation};
use crate::scenario::{Bulk, Expect, Fault, Flood, FloodOf, Pages, Partition, ShortLived};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// 300 s: settling until 60, a fault from 100 to 140, grace until 160.
fn scenario(expect: Expect) -> Scenario {
    let fault = Fault::Partition(Partition { from_secs: 100, to_secs: 140, share_permille: 500 });
    let mut scenario = Scenario { duration_secs: 300, faults: vec![fault], ..Scenario::default() };
    scenario.expect = Expect { settle_secs: 60, grace_secs: 20, ..expect };
    scenario.load.pages = Some(Pages::default());
    scenario.load.bulk = Some(Bulk { streams: 4, ..Bulk::default() });
    scenario.load.short_lived = Some(ShortLived::default());
    scenario.check().unwrap();
    scenario
}

fn visit(started: u64, took_ms: u64, good: bool) -> Visit {
    let started = secs(started);
    let failure = (!good).then(|| "timed out".to_owned());
    Visit { started, ended: started + Duration::from_millis(took_ms), bytes: 100_000, failure }
}

/// The outcome of the only expectation: what was measured, and whether it is held.
fn only(expect: Expect, measures: &Measures) -> (Option<u64>, bool) {
    let outcomes = judge(&scenario(expect), measures);
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!((outcomes[0].name, outcomes[0].held), ("oracle-violations", true));
    (outcomes[1].measured, outcomes[1].held)
}

#[test]
fn violations_are_always_judged() {
    let mut measures = Measures::default();
    let outcomes = judge(&Scenario::default(), &measures);
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].measured, outcomes[0].held), (Some(0), true));
    measures.violations.push(Violation { oracle: "bytes", at: secs(1), what: "other ones".to_owned() });
    let outcomes = judge(&Scenario::default(), &measures);
    assert_eq!((outcomes[0].measured, outcomes[0].held), (Some(1), false));
}

#[test]
fn of_nothing_nothing_is_held() {
    let expect = Expect {
        ready_within_secs: Some(60),
        pages_permille: Some(0),
        pages_in_faults_permille: Some(0),
        page_median_ms: Some(1),
        bulk_permille: Some(1),
        bulk_kbytes_per_sec: Some(0),
        short_lived_permille: Some(0),
        builds_permille: Some(0),
        lookups_permille: Some(0),
        lease_sets_soon_permille: Some(0),
        reachable_again_within_secs: Some(1),
        memory_per_router_bytes: Some(1),
        ..Expect::default()
    };
    let outcomes = judge(&scenario(expect), &Measures::default());
    assert_eq!(outcomes.len(), 13);
    let held: Vec<_> = outcomes.iter().filter(|outcome| outcome.held).map(|outcome| outcome.name).collect();
    assert_eq!(held, ["oracle-violations"]);
}

#[test]
fn routers_are_ready_in_time() {
    let half = Some(Duration::from_millis(59_001));
    let expect = |ready_permille, secs| Expect { ready_permille, ready_within_secs: Some(secs), ..Expect::default() };
    let measures = Measures { ready_after: vec![half, Some(secs(3)), Some(secs(2))], ..Measures::default() };
    assert_eq!(only(expect(1_000, 60), &measures), (Some(60), true));
    assert_eq!(only(expect(1_000, 59), &measures), (Some(60), false));
    assert_eq!(only(expect(666, 5), &measures), (Some(3), true));
    let measures = Measures { ready_after: vec![half, None], ..Measures::default() };
    assert_eq!(only(expect(1_000, 300), &measures), (None, false));
    assert_eq!(only(expect(500, 300), &measures), (Some(60), true));
}

#[test]
fn pages_in_calm_succeed() {
    let expect = |permille| Expect { pages_permille: Some(permille), ..Expect::default() };
    // Settling, into the fault, in it, in its grace: none of them counts.
    let mut pages: Vec<_> = [(59, 1_000), (99, 1_000), (120, 1), (159, 500)].map(|(at, took)| visit(at, took, false)).into();
    pages.extend([visit(61, 1_000, true), visit(161, 1_000, true), visit(170, 1_000, false)]);
    let measures = Measures { pages, ..Measures::default() };
    assert_eq!(only(expect(666), &measures), (Some(666), true));
    assert_eq!(only(expect(667), &measures), (Some(666), false));
}

#[test]
fn pages_in_faults_succeed() {
    let expect = |permille| Expect { pages_in_faults_permille: Some(permille), ..Expect::default() };
    let mut pages: Vec<_> = [59, 70, 200].map(|at| visit(at, 1_000, false)).into();
    pages.extend([visit(99, 1_000, true), visit(130, 10, true), visit(159, 10, true), visit(139, 500, false)]);
    let measures = Measures { pages, ..Measures::default() };
    assert_eq!(only(expect(750), &measures), (Some(750), true));
    assert_eq!(only(expect(751), &measures), (Some(750), false));
}

#[test]
fn pages_are_fast() {
    let expect = |ms| Expect { page_median_ms: Some(ms), ..Expect::default() };
    let pages =
        vec![visit(61, 100, true), visit(170, 300, true), visit(180, 9_000, true), visit(120, 1, true), visit(190, 1, false)];
    let measures = Measures { pages, ..Measures::default() };
    assert_eq!(only(expect(300), &measures), (Some(300), true));
    assert_eq!(only(expect(299), &measures), (Some(300), false));
}

#[test]
fn streams_deliver_and_those_that_hang_count() {
    let expect = |permille| Expect { bulk_permille: Some(permille), ..Expect::default() };
    let bulk = vec![visit(60, 5_000, true), visit(60, 5_000, true), visit(60, 5_000, true)];
    let measures = Measures { bulk: bulk.clone(), ..Measures::default() };
    assert_eq!(only(expect(750), &measures), (Some(750), true));
    assert_eq!(only(expect(1_000), &measures), (Some(750), false));
    let measures = Measures { bulk: [bulk, vec![visit(60, 1, false)]].concat(), ..Measures::default() };
    assert_eq!(only(expect(1_000), &measures), (Some(750), false));
}

#[test]
fn streams_are_fast() {
    let expect = |rate| Expect { bulk_kbytes_per_sec: Some(rate), ..Expect::default() };
    let bulk = vec![visit(60, 1_000, true), visit(60, 500, true), visit(60, 4_000, true), visit(60, 1, false)];
    let measures = Measures { bulk, ..Measures::default() };
    assert_eq!(only(expect(100), &measures), (Some(100), true));
    assert_eq!(only(expect(101), &measures), (Some(100), false));
}

#[test]
fn short_lived_destinations_are_visited() {
    let expect = |permille| Expect { short_lived_permille: Some(permille), ..Expect::default() };
    let short_lived = vec![visit(61, 10, true), visit(120, 10, false), visit(170, 10, false)];
    let measures = Measures { short_lived, ..Measures::default() };
    assert_eq!(only(expect(500), &measures), (Some(500), true));
    assert_eq!(only(expect(501), &measures), (Some(500), false));
}

/// Totals rise by 100 tried every 20 s, and as many good ones as are given.
fn samples(good: [u64; 15], set: impl Fn(&mut Sample, u64, u64)) -> Measures {
    let mut total = 0;
    let sample = |(index, good): (u64, u64)| {
        total += good;
        let mut sample = Sample { at: secs(20 * index), ..Sample::default() };
        set(&mut sample, 100 * index, total);
        sample
    };
    Measures { samples: (0..).zip(good).map(sample).collect(), ..Measures::default() }
}

/// Good in calm: 61 to 99 s and from 161 s on.
const GOOD: [u64; 15] = [0, 0, 0, 0, 80, 0, 0, 0, 0, 80, 80, 80, 80, 80, 80];

#[test]
fn tunnels_in_calm_are_accepted() {
    let expect = |permille| Expect { builds_permille: Some(permille), ..Expect::default() };
    let measures = samples(GOOD, |sample, tried, good| (sample.builds_tried, sample.builds_accepted) = (tried, good));
    assert_eq!(only(expect(800), &measures), (Some(800), true));
    assert_eq!(only(expect(801), &measures), (Some(800), false));
}

#[test]
fn lookups_in_calm_find() {
    let expect = |permille| Expect { lookups_permille: Some(permille), ..Expect::default() };
    let measures = samples(GOOD, |sample, asked, found| (sample.lookups_asked, sample.lookups_found) = (asked, found));
    assert_eq!(only(expect(800), &measures), (Some(800), true));
    assert_eq!(only(expect(801), &measures), (Some(800), false));
}

#[test]
fn lease_sets_are_found_soon() {
    let expect = |permille| Expect { lease_sets_soon_permille: Some(permille), ..Expect::default() };
    let measures = samples(GOOD, |sample, sought, soon| (sample.lease_sets_sought, sample.lease_sets_soon) = (sought, soon));
    assert_eq!(only(expect(800), &measures), (Some(800), true));
    assert_eq!(only(expect(801), &measures), (Some(800), false));
}

#[test]
fn destinations_are_reachable_again() {
    let expect = |secs| Expect { reachable_again_within_secs: Some(secs), ..Expect::default() };
    let measures = Measures { reachable_again: vec![Some(secs(3)), Some(secs(30))], ..Measures::default() };
    assert_eq!(only(expect(30), &measures), (Some(30), true));
    assert_eq!(only(expect(29), &measures), (Some(30), false));
    let measures = Measures { reachable_again: vec![Some(secs(3)), None], ..Measures::default() };
    assert_eq!(only(expect(300), &measures), (None, false));
}

#[test]
fn memory_stays_within_bounds() {
    let expect = |bytes| Expect { memory_per_router_bytes: Some(bytes), ..Expect::default() };
    let memory = |most| Sample { memory: Spread { most, ..Spread::default() }, ..Sample::default() };
    let measures = Measures { samples: vec![memory(1_000), memory(2_000), memory(1_500)], ..Measures::default() };
    assert_eq!(only(expect(2_000), &measures), (Some(2_000), true));
    assert_eq!(only(expect(1_999), &measures), (Some(2_000), false));
    let measures = Measures { samples: vec![memory(0)], ..Measures::default() };
    assert_eq!(only(expect(2_000), &measures), (None, false));
}

#[test]
fn a_flood_is_measured_against_calm() {
    let flood =
        Fault::Flood(Flood { from_secs: 100, to_secs: 140, of: FloodOf::Builds, times_capacity: 3, routers: 1, of_users: false });
    let expect = Expect {
        settle_secs: 60,
        grace_secs: 20,
        flood_goodput_permille: Some(500),
        flood_builds_permille: Some(500),
        ..Expect::default()
    };
    let mut scenario = Scenario { duration_secs: 300, faults: vec![flood], expect, ..Scenario::default() };
    scenario.load.pages = Some(Pages::default());
    scenario.check().unwrap();
    // In a second 1,000 bytes and two builds, of which one succeeds; in the flood 600 bytes and two, of which 0.2 do.
    let sample = |at: u64| {
        let flooded = at.clamp(100, 140) - 100;
        let calm = at - flooded;
        Sample {
            at: secs(at),
            delivered_bytes: calm * 1_000 + flooded * 600,
            builds_tried: at * 2,
            builds_accepted: calm + flooded / 5,
            ..Sample::default()
        }
    };
    let measures = Measures { samples: (0..=30).map(|step| sample(step * 10)).collect(), ..Measures::default() };
    let outcomes = judge(&scenario, &measures);
    let of = |name: &str| outcomes.iter().find(|outcome| outcome.name == name).map(|outcome| (outcome.measured, outcome.held));
    assert_eq!(of("flood-goodput-permille"), Some((Some(600), true)));
    assert_eq!(of("flood-builds-permille"), Some((Some(200), false)));
    scenario.faults.clear();
    assert!(scenario.check().unwrap_err().to_string().contains("flood-goodput-permille"));
}
