//! When the engine asks for a reseed.

use super::*;

const HOUR: u64 = 3_600;

/// Seconds, of the next ones, in which it asks.
fn asked(bench: &mut Bench, secs: u64) -> Vec<u64> {
    bench.events.clear();
    let asks = |bench: &mut Bench| {
        bench.run(1_000);
        std::mem::take(&mut bench.events).iter().any(|event| matches!(event, Event::ReseedWanted))
    };
    (0..secs).filter(|_| asks(bench)).collect()
}

fn infos(count: u8, floodfill: bool) -> Vec<bytes::Bytes> {
    let bench = Bench::new(NET);
    let info = |number: u8| {
        let addresses = vec![SocketAddr::from(([10, 3, number, 1], 12_345))];
        let config = EngineConfig { floodfill, addresses, ..bench.engine.config.clone() };
        own_router::sign(&secrets(&format!("router {number}")), bench.now.date, &config).unwrap().bytes().clone()
    };
    (0..count).map(info).collect()
}

fn reseed(bench: &mut Bench, routers: Vec<bytes::Bytes>) {
    bench.engine.handle_command(bench.now, Command::Reseed { routers });
    bench.drain();
}

fn connected(bench: &mut Bench, peer: RouterHash, connected: bool) {
    let event = match connected {
        true => LaneEvent::Connected { peer, inbound: true, clock_skew_secs: 0 },
        false => LaneEvent::Disconnected { peer },
    };
    bench.engine.handle_lane(bench.now, event);
    bench.drain();
}

#[test]
fn it_asks_ever_less_often_until_it_knows_enough_and_reaches_somebody() {
    let mut bench = Bench::new(NET);
    let times = asked(&mut bench, 5 * HOUR);
    assert!((8..16).contains(&times.len()) && (9..15).contains(&times[0]), "{times:?}");
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[0] < 40 && waits.iter().all(|wait| *wait <= HOUR) && waits[waits.len() - 1] > HOUR / 2, "{waits:?}");

    // Enough routers, and none of them reached.
    reseed(&mut bench, infos(6, true));
    assert!(!asked(&mut bench, 2 * HOUR).is_empty());
    connected(&mut bench, STRANGERS_GATEWAY, true);
    assert_eq!(asked(&mut bench, 3 * HOUR), [0; 0]);

    // Nothing of the long waits of before is left.
    connected(&mut bench, STRANGERS_GATEWAY, false);
    let again = asked(&mut bench, 300);
    assert!(again.len() >= 3 && again[0] <= 60, "{again:?}");
}

#[test]
fn routers_without_a_floodfill_are_not_enough() {
    let now = Bench::new(NET).now;
    let config = Bench::new(NET).engine.config.clone();
    for (floodfill, enough) in [(false, false), (true, true)] {
        let snapshot = Snapshot { reseed: infos(8, floodfill), ..Snapshot::default() };
        let engine = Engine::new(now, config.clone(), secrets("us"), snapshot, Box::new(rng("engine"))).unwrap();
        let mut bench = Bench { engine, ..Bench::new(NET) };
        connected(&mut bench, STRANGERS_GATEWAY, true);
        assert_eq!(asked(&mut bench, 60).is_empty(), enough);
    }
}

#[test]
fn a_reseed_that_comes_late_may_be_a_week_old_and_goes_to_the_disk() {
    let mut bench = Bench::new(NET);
    bench.saved.clear();
    let old = infos(8, true);
    bench.run(6 * 24 * HOUR * 1_000);
    reseed(&mut bench, old);
    assert_eq!(bench.engine.netdb.floodfill_count(), 9);
    assert_eq!(bench.saved.len(), 8);
}
