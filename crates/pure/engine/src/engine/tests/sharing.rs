//! What the router tells of its load, and how it is limited.

use ramson_wire::{Bandwidth, Congestion};

use super::*;

/// What transit may have in a second.
const SHARE: u64 = 800_000;

fn congestion(bench: &Bench) -> Option<Congestion> {
    bench.engine.router_info().caps().congestion
}

/// Lets a minute pass with so much of the share in use.
fn minute(bench: &mut Bench, total: &mut u64, percent: u64) {
    for _ in 0..12 {
        bench.run(5_000);
        *total += 5 * SHARE * percent / 100;
        let stats = LaneStats { transit_bytes: *total, ..LaneStats::default() };
        bench.engine.handle_lane(bench.now, LaneEvent::Stats(stats));
        bench.drain();
    }
}

#[test]
fn the_letter_follows_the_mean_load_and_changes_seldom() {
    let mut bench = Bench::new(NET);
    assert_eq!(congestion(&bench), None);
    let mut total = 0;
    let mut letters = Vec::new();
    for at in 0..100 {
        // Well used, overloaded, and then quiet but for a burst.
        let percent = match at {
            0..30 => 80,
            30..60 => 97,
            75..77 => 100,
            _ => 10,
        };
        minute(&mut bench, &mut total, percent);
        let letter = congestion(&bench);
        if letters.last().is_none_or(|(_, last)| *last != letter) {
            letters.push((at, letter));
        }
    }
    let order: Vec<_> = letters.iter().map(|(_, letter)| *letter).collect();
    let (medium, high) = (Some(Congestion::Medium), Some(Congestion::High));
    assert!(order.starts_with(&[None, medium, high]) && order.ends_with(&[None]), "{letters:?}");
    assert!(letters[1].0 >= 14, "not at the start: {letters:?}");
    assert!(letters.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 14), "{letters:?}");
    assert!(letters.last().unwrap().0 < 100 && letters.len() <= 5, "a burst isn't told: {letters:?}");
    let shown = bench.engine.status(bench.now).sharing;
    assert_eq!((shown.class, shown.congestion, shown.accepts), ('P', None, true));
}

#[test]
fn who_relays_nothing_says_so_from_the_start() {
    let bench = Bench::new(NET);
    let limits = EngineLimits { transit: false, transit_bytes_per_sec: Some(20_000), ..EngineLimits::default() };
    let config = EngineConfig { limits, ..bench.engine.config.clone() };
    let snapshot = Snapshot::default();
    let engine = Engine::new(bench.now, config, secrets("us"), snapshot, Box::new(rng("other engine"))).unwrap();
    let caps = engine.router_info().caps();
    assert_eq!((caps.congestion, caps.bandwidth), (Some(Congestion::Reject), Some(Bandwidth::L)));
    assert_eq!(engine.router_info().options().get("caps"), Some("LfRG"));
    assert_eq!(engine.status(bench.now).sharing.congestion, Some('G'));
}

#[test]
fn memory_that_strangers_fill_is_told_and_let_go() {
    let mut bench = Bench::new(NET);
    bench.engine.config.limits.memory_bytes = 4_000_000;
    bench.run(10_000);
    let before = bench.engine.status(bench.now).sharing.memory_percent;
    assert!(before < 50, "{before} %");
    // Garlic that nobody opens, in the time of one call.
    for number in 0..250_u8 {
        let message = bench.message(MessageKind::GARLIC, vec![number; 40_000]);
        bench.engine.handle_lane(bench.now, LaneEvent::Message { from: Some(RouterHash([number; 32])), message });
    }
    bench.drain();
    let waiting = bench.engine.dear.len();
    bench.advance(bench.now.tick + Duration::from_secs(6));
    bench.engine.hold_memory(bench.now);
    let full = bench.engine.status(bench.now).sharing.memory_percent;
    assert!(bench.engine.dear.len() < waiting, "{waiting} waited");
    assert!(bench.engine.dear.dropped() > 0 && full >= 80, "{full} %");
}
