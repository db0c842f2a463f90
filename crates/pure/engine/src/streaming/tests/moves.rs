//! When a stream asks for another path, and what the next stream to a peer knows of it.

#![expect(clippy::print_stdout, reason = "the numbers are read by whoever runs it")]

use std::time::Duration;

use super::pair::*;
use crate::streaming::*;

const ROUND_TRIP: Duration = Duration::from_millis(500);

/// A stream from the first host that has been sending for a while.
fn busy(seed: u8, loss: u32) -> (Pair, End, End) {
    let link = Link { latency: ROUND_TRIP / 2, gap: Duration::from_millis(5), loss, ..Link::default() };
    let mut pair = Pair::new(seed, link);
    let (id, rings) = pair.connect(0);
    let mut writer = End::new(0, id, &rings, usize::MAX);
    pair.run(Duration::from_secs(2));
    let (id, rings) = pair.hosts[1].incoming.pop().unwrap();
    let mut reader = End::new(1, id, &rings, 0);
    work(&mut pair, &mut writer, &mut reader, Duration::from_secs(20), |_| false);
    (pair, writer, reader)
}

/// Goes on until `stop` or for so long; returns the time taken.
fn work(pair: &mut Pair, writer: &mut End, reader: &mut End, time: Duration, stop: impl Fn(&Pair) -> bool) -> Duration {
    let began = pair.now.tick;
    while pair.now.tick < began + time && !stop(pair) {
        writer.write(writer.written + 65_536);
        reader.read(65_536);
        pair.news(0, writer.id, &writer.rings);
        pair.news(1, reader.id, &reader.rings);
        pair.step(pair.now.tick + Duration::from_millis(10));
    }
    pair.now.tick.saturating_since(began)
}

#[test]
fn a_dead_path_is_left_within_three_round_trips() {
    for side in [0, 1] {
        let (mut pair, mut writer, mut reader) = busy(1, 0);
        let before = pair.hosts[side].resent;
        pair.filter = Box::new(move |from, _| from != side);
        let time = work(&mut pair, &mut writer, &mut reader, 10 * ROUND_TRIP, |pair| pair.hosts[side].resent > before);
        println!("side {side}: another path after {time:?}");
        assert!(time < 3 * ROUND_TRIP, "side {side}: {time:?}");
    }
}

#[test]
fn single_losses_do_not_move_a_stream() {
    let (pair, ..) = busy(2, 10);
    assert!(pair.lost > 20, "{}", pair.lost);
    assert_eq!((pair.hosts[0].resent, pair.hosts[1].resent), (0, 0));
}

#[test]
fn the_next_stream_to_a_peer_starts_with_what_the_last_one_found() {
    let mut pair = Pair::new(3, Link { latency: ROUND_TRIP / 2, ..Link::default() });
    let limit = Duration::from_secs(60);
    let times = [0; 3].map(|_| transfer(&mut pair, [10, 120_000], limit));
    println!("three pages: {times:?}");
    assert!(times[1] + ROUND_TRIP / 2 < times[0]);
    assert!(times[2] <= times[1]);
    pair.run(Duration::from_secs(660));
    let forgotten = transfer(&mut pair, [10, 120_000], limit);
    assert!(forgotten + ROUND_TRIP / 4 > times[0], "{forgotten:?}");
}

#[test]
fn streams_beyond_a_peers_limit_are_reset_then_ignored() {
    let mut pair = Pair::new(4, Link::default());
    let each = OpenLimits { minute: 2, ..OpenLimits::default() };
    let rules = StreamRules { each, ..StreamRules::default() };
    let config = StreamingConfig { rules, ..StreamingConfig::default() };
    pair.hosts[1] = host(&ramson_crypto::rng::SeededRng::new([7; 32]), "server", config);
    for port in 0..8 {
        pair.connect_from_port(0, port);
        pair.run(Duration::from_secs(1));
    }
    assert_eq!(pair.hosts[1].incoming.len(), 2);
    let resets = pair.hosts[0].closed.values().filter(|reason| **reason == CloseReason::Reset).count();
    assert_eq!(resets, 3);
    // First packets come again for a minute.
    pair.run(Duration::from_secs(200));
    let before = pair.hosts[1].incoming.len();
    pair.connect_from_port(0, 99);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.hosts[1].incoming.len(), before + 1);
}
