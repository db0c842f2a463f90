//! Whole transfers over good and bad links.

use std::time::Duration;

use super::pair::*;
use crate::streaming::*;

fn finished(pair: &mut Pair) {
    pair.run(Duration::from_secs(400));
    for host in &pair.hosts {
        assert!(host.streaming.is_empty());
        assert!(host.closed.values().all(|reason| *reason == CloseReason::Finished), "{:?}", host.closed);
    }
}

#[test]
fn clean_link_carries_both_ways() {
    let mut pair = Pair::new(1, Link::default());
    let taken = transfer(&mut pair, [4_000_000, 4_000_000], Duration::from_secs(60));
    assert_eq!(pair.hosts[0].resent + pair.hosts[1].resent, 0);
    assert!(taken < Duration::from_secs(2));
    finished(&mut pair);
}

#[test]
fn loss_reordering_and_repetition_change_no_byte() {
    for seed in 0..8 {
        let link = Link {
            latency: Duration::from_millis(40),
            jitter: Duration::from_millis(6),
            loss: 50,
            repeats: 20,
            late: 20,
            proven: seed % 2 == 0,
            ..Link::default()
        };
        let mut pair = Pair::new(seed, link);
        let taken = transfer(&mut pair, [3_000_000, 3_000_000], Duration::from_secs(600));
        assert!(taken < Duration::from_secs(60));
        finished(&mut pair);
    }
}

#[test]
fn far_and_lossy_path_is_used() {
    let link = Link { latency: Duration::from_millis(1000), jitter: Duration::from_millis(200), loss: 50, ..Link::default() };
    for seed in 20..24 {
        let mut pair = Pair::new(seed, link);
        let taken = transfer(&mut pair, [3_000_000, 10], Duration::from_secs(1000));
        assert!(taken < Duration::from_secs(120), "{taken:?}");
        finished(&mut pair);
    }
}

#[test]
fn narrow_link_is_filled_without_flooding_it() {
    // 1,000 packets a second, 100 of queue.
    let link = Link { latency: Duration::from_millis(50), gap: Duration::from_millis(1), queue: 100, ..Link::default() };
    let mut pair = Pair::new(10, link);
    let taken = transfer(&mut pair, [10_000_000, 10], Duration::from_secs(100));
    assert!(taken < Duration::from_secs(10));
    assert!(pair.lost < 600, "{}", pair.lost);
    finished(&mut pair);
}

#[test]
fn near_link_is_fast() {
    let link = Link { latency: Duration::from_millis(2), gap: Duration::from_micros(30), queue: 2000, ..Link::default() };
    let mut pair = Pair::new(11, link);
    let taken = transfer(&mut pair, [30_000_000, 10], Duration::from_secs(100));
    assert!(taken < Duration::from_secs(2));
    finished(&mut pair);
}
