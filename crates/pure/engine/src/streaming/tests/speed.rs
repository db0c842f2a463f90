//! What a stream gets out of a way, and what it leaves to others. The numbers are printed; those asserted have some margin.

#![expect(clippy::print_stdout, reason = "the numbers are read by whoever runs it")]

use std::time::Duration;

use super::road::*;

const BOTH_OURS: [Kind; 2] = [Kind::Ours; 2];
const FROM_I2PD: [Kind; 2] = [Kind::I2pd, Kind::Ours];
const TO_I2PD: [Kind; 2] = [Kind::Ours, Kind::I2pd];
const BOTH_I2PD: [Kind; 2] = [Kind::I2pd; 2];

/// What flows took in a time, in bytes a second, and what the hop saw then.
struct Seen {
    rates: Vec<usize>,
    /// In 1/1000 of the packets.
    drops: usize,
    /// Milliseconds in the hop's queue: the mean, and what one packet in twenty exceeds.
    mean_wait: u64,
    high_wait: u64,
}

fn see(road: &mut Road, warm: u64, secs: u64) -> Seen {
    road.run(Duration::from_secs(warm));
    let before: Vec<usize> = (0..road.len()).map(|flow| road.received(flow)).collect();
    road.waits.clear();
    let (passed, dropped) = (road.passed, road.dropped);
    road.run(Duration::from_secs(secs));
    let rates = (0..road.len()).map(|flow| (road.received(flow) - before[flow]) / usize::try_from(secs).unwrap()).collect();
    let (passed, dropped) = (road.passed - passed, road.dropped - dropped);
    road.waits.sort_unstable();
    let count = road.waits.len().max(1);
    let mean = road.waits.iter().sum::<u64>() / u64::try_from(count).unwrap();
    let high = road.waits.get(count * 19 / 20).copied().unwrap_or(0);
    Seen { rates, drops: dropped * 1000 / (passed + dropped).max(1), mean_wait: mean / 1000, high_wait: high / 1000 }
}

fn show(what: &str, road: &Road, seen: &Seen) {
    let Seen { rates, drops, mean_wait, high_wait } = seen;
    let kilo: Vec<usize> = rates.iter().map(|rate| rate / 1000).collect();
    println!("{what}: {kilo:?} kB/s, {drops}/1000 dropped, queue {mean_wait} ms, high {high_wait} ms; {}", road.state(0));
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_far_and_lossy_way_is_used() {
    for (seed, jitter) in [(1, 0), (2, 40), (3, 0), (4, 40)] {
        let mut road = Road::new(seed, Way { loss: 10, jitter: millis(jitter), ..Way::new(1000, 3_000_000) });
        road.add(BOTH_OURS, [ENDLESS, 0]);
        let seen = see(&mut road, 20, 20);
        show(&format!("far, 1 % loss, jitter {jitter}"), &road, &seen);
        assert!(seen.rates[0] > 1_000_000);
    }
}

#[test]
fn a_narrow_hop_is_filled_without_a_long_queue() {
    for (rtt, queue) in [(300, 500), (300, 5000), (1000, 2000)] {
        let mut way = Way::new(rtt, 100_000);
        way.hop.queue = millis(queue);
        let mut road = Road::new(5, way);
        road.add(BOTH_OURS, [ENDLESS, 0]);
        let start = see(&mut road, 0, 15);
        show(&format!("narrow, {rtt} ms, start"), &road, &start);
        let seen = see(&mut road, 0, 45);
        show(&format!("narrow, {rtt} ms"), &road, &seen);
        assert!(seen.rates[0] > 50_000 && start.drops < 150 && seen.drops < 30);
        assert!(seen.high_wait < 2 * rtt && start.high_wait < 2 * rtt + 1000);
    }
}

/// Such as a relay that gives transit so much and no more: nothing waits there, so nothing but loss tells.
#[test]
fn a_hop_that_drops_what_is_too_much_loses_little() {
    for rtt in [300, 1000] {
        let mut way = Way::new(rtt, 100_000);
        way.hop.burst = 200_000;
        let mut road = Road::new(6, way);
        road.add(BOTH_OURS, [ENDLESS, 0]);
        let seen = see(&mut road, 0, 60);
        show(&format!("policed, {rtt} ms, start"), &road, &seen);
        let seen = see(&mut road, 0, 60);
        show(&format!("policed, {rtt} ms"), &road, &seen);
        assert!(seen.rates[0] > 10_000);
    }
}

#[test]
fn a_shared_hop_is_left_to_i2pd_by_two_fifths() {
    for (rtt, rate) in [(200, 100_000), (200, 1_000_000), (600, 300_000), (1000, 1_000_000)] {
        for jitter in [0, 20] {
            let mut shares = [0; 2];
            for (at, other) in [BOTH_OURS, BOTH_I2PD].into_iter().enumerate() {
                let mut road = Road::new(7, Way { jitter: millis(jitter), ..Way::new(rtt, rate) });
                road.add(BOTH_I2PD, [ENDLESS, 0]);
                road.run(Duration::from_secs(10));
                road.add(other, [ENDLESS, 0]);
                let seen = see(&mut road, 20, 60);
                shares[at] = seen.rates[1] * 100 / (seen.rates[0] + seen.rates[1]).max(1);
                show(
                    &format!("shared with {:?}, {rtt} ms, {rate}, jitter {jitter}, takes {} %", other[0], shares[at]),
                    &road,
                    &seen,
                );
            }
            assert!(shares[0] <= 66, "{rtt} ms, {rate}, jitter {jitter}");
        }
    }
}

/// One stream and ten at once, each with its own endpoints.
#[test]
fn no_mix_is_slower_than_i2pd_alone() {
    for (rtt, rate, loss, jitter) in
        [(4, 3_000_000, 0, 0), (1000, 3_000_000, 0, 20), (1000, 3_000_000, 10, 20), (200, 1_000_000, 10, 10)]
    {
        for streams in [1, 10] {
            let mut sums = Vec::new();
            for kinds in [BOTH_I2PD, BOTH_OURS, TO_I2PD, FROM_I2PD] {
                let mut road = Road::new(8, Way { loss, jitter: millis(jitter), ..Way::new(rtt, rate) });
                for _ in 0..streams {
                    road.add(kinds, [ENDLESS, 0]);
                }
                let seen = see(&mut road, 0, 20);
                sums.push(seen.rates.iter().sum::<usize>());
                let what = format!(
                    "mix {kinds:?} x {streams}, {rtt} ms, {rate}, loss {loss}: {} kB/s in all",
                    sums[sums.len() - 1] / 1000
                );
                println!("{what}, {} acks; {}", road.acks, road.state(0));
            }
        }
    }
}

#[test]
fn a_small_page_is_as_quick_as_with_i2pd() {
    for (rtt, loss) in [(4, 0), (1000, 0), (1000, 10)] {
        let mut means = Vec::new();
        for kinds in [BOTH_I2PD, BOTH_OURS, TO_I2PD, FROM_I2PD] {
            let mut sum = Duration::ZERO;
            for seed in 0..20 {
                let mut road = Road::new(seed, Way { loss, ..Way::new(rtt, 3_000_000) });
                let flow = road.add(kinds, [300, 20_000]);
                road.run(Duration::from_secs(40));
                sum += road.took(flow).unwrap_or(Duration::from_secs(40));
            }
            means.push(sum / 20);
        }
        println!(
            "page, {rtt} ms, loss {loss}: i2pd {:?}, ours {:?}, asked by ours {:?}, by i2pd {:?}",
            means[0], means[1], means[2], means[3]
        );
    }
}
