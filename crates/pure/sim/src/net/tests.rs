//! A pair of routers on a line: bytes arrive in order and whole, at the pace of lines, losses and readers.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::*;

const A: usize = 0;
const B: usize = 1;

fn address() -> SocketAddr {
    SocketAddr::from(([60, 1, 2, 3], 9_999))
}

/// One connection from A to B, whose readers are the test.
struct Pair {
    net: Net,
    schedule: Schedule<Happening>,
    ends: [EndId; 2],
    stands: bool,
    refused: bool,
    /// What arrived at an end, and when.
    arrivals: Vec<(Tick, usize)>,
}

impl Pair {
    fn new(config: LinkConfig) -> Self {
        let mut net = Net::new(SeededRng::new([1; 32]), config);
        let mut schedule = Schedule::new(SeededRng::new([2; 32]));
        net.add_router();
        net.add_router();
        net.listen(address(), B);
        let dialed = net.dial(&mut schedule, Tick(0), (A, 0), ConnId(1), address(), true).unwrap();
        let ends = [dialed, (dialed.0, 1)];
        let mut pair = Self { net, schedule, ends, stands: false, refused: false, arrivals: Vec::new() };
        pair.run(Duration::from_secs(60), |_| {});
        assert!(pair.stands);
        pair
    }

    /// A dials B again. Whether that stands after a time, and whether it was refused.
    fn dials_again(&mut self, time: Duration) -> (bool, bool) {
        (self.stands, self.refused) = (false, false);
        let now = self.schedule.now();
        if let Some(dialed) = self.net.dial(&mut self.schedule, now, (A, 0), ConnId(3), address(), true) {
            self.ends = [dialed, (dialed.0, 1)];
        }
        self.run(time, |_| {});
        (self.stands, self.refused)
    }

    /// Lets the network go on; `look` comes after each happening.
    fn run(&mut self, time: Duration, mut look: impl FnMut(&mut Self)) {
        let end = self.schedule.now() + time;
        while let Some(happening) = self.schedule.next(end) {
            let Happening::Net(happening) = happening else { continue };
            match happening {
                NetHappening::Syn { link, tries } => {
                    if self.net.syn(&mut self.schedule, link, tries).is_some() {
                        self.net.accepted((link, 1), ConnId(2));
                    }
                }
                NetHappening::Standing { .. } => self.stands = true,
                NetHappening::Refused { .. } => self.refused = true,
                NetHappening::Bytes { to, bytes } => {
                    self.arrivals.push((self.schedule.now(), bytes.len()));
                    self.net.arrived(&mut self.schedule, to, bytes);
                }
                NetHappening::Through { to, bytes } => drop(self.net.came(&mut self.schedule, to, bytes)),
                NetHappening::Retry { to } => drop(self.net.retry(&mut self.schedule, to)),
                NetHappening::GaveUp { at } => {
                    let now = self.schedule.now();
                    self.net.gave_up(now, at);
                }
                NetHappening::Acknowledged { at } => {
                    let now = self.schedule.now();
                    self.net.pump(&mut self.schedule, now, at);
                }
            }
            look(self);
        }
    }

    /// All that can be read at an end now; true at the end of the stream.
    fn read(&mut self, side: usize, into: &mut Vec<u8>) -> bool {
        loop {
            match self.net.read(&mut self.schedule, self.ends[side], 10_000) {
                Read::Bytes(bytes) => into.extend_from_slice(&bytes),
                Read::Eof => return true,
                Read::Nothing => return false,
            }
        }
    }

    /// Sends so many bytes from A to B, as fast as it goes. What came, and how long that took.
    fn transfer(&mut self, size: usize) -> (Vec<u8>, Duration) {
        let (begin, mut sent, mut came, mut last) = (self.schedule.now(), 0, Vec::new(), self.schedule.now());
        let bytes = pattern(size);
        let feed = |pair: &mut Self, sent: &mut usize| {
            let room = pair.net.room(pair.ends[A]).min(size - *sent);
            let piece = Bytes::copy_from_slice(&bytes[*sent..*sent + room]);
            *sent += room;
            if !piece.is_empty() {
                let (now, end) = (pair.schedule.now(), pair.ends[A]);
                pair.net.write(&mut pair.schedule, now, end, piece);
            }
        };
        feed(self, &mut sent);
        self.run(Duration::from_secs(600), |pair| {
            feed(pair, &mut sent);
            let before = came.len();
            pair.read(B, &mut came);
            if came.len() > before {
                last = pair.schedule.now();
            }
        });
        (came, last.saturating_since(begin))
    }
}

/// How long single bytes take from A to B, one a second.
fn delays(config: LinkConfig) -> Vec<Duration> {
    let mut pair = Pair::new(config);
    let send = |_| {
        pair.arrivals.clear();
        let (now, end) = (pair.schedule.now(), pair.ends[A]);
        pair.net.write(&mut pair.schedule, now, end, Bytes::from_static(b"x"));
        pair.run(Duration::from_secs(1), |pair| {
            pair.read(B, &mut Vec::new());
        });
        assert_eq!(pair.arrivals.len(), 1);
        pair.arrivals[0].0.saturating_since(now)
    };
    (0..200).map(send).collect()
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| u8::try_from((index * 7 + index / 251) % 256).unwrap()).collect()
}

fn quick() -> LinkConfig {
    LinkConfig { latency_micros: (20_000, 20_000), bytes_per_sec: (1_000_000, 1_000_000), ..LinkConfig::default() }
}

#[test]
fn bytes_arrive_in_order_and_whole() {
    for config in [quick(), LinkConfig { loss_permille: 30, reorder_permille: 100, ..quick() }] {
        let (came, _) = Pair::new(config).transfer(500_000);
        assert!(came == pattern(500_000));
    }
}

#[test]
fn lines_have_a_rate_and_losses_cost_time() {
    let (_, took) = Pair::new(quick()).transfer(1_000_000);
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&took), "{took:?}");
    let (_, lossy) = Pair::new(LinkConfig { loss_permille: 30, ..quick() }).transfer(1_000_000);
    assert!(lossy > took * 2, "{lossy:?}");
    let (_, far) = Pair::new(LinkConfig { latency_micros: (400_000, 400_000), ..quick() }).transfer(1_000_000);
    assert!(far > took * 2, "{far:?}");
}

#[test]
fn a_stream_is_cut_anywhere() {
    let mut pair = Pair::new(quick());
    let _ = pair.transfer(1_000_000);
    let sizes: BTreeSet<usize> = pair.arrivals.iter().map(|(_, size)| *size).collect();
    assert!(sizes.len() > 50 && sizes.iter().any(|size| *size < 100) && sizes.iter().any(|size| *size > 5_000), "{sizes:?}");
}

#[test]
fn jitter_and_reordering_make_delays_vary() {
    let calm = || LinkConfig { jitter_micros: 0, ..quick() };
    let steady = delays(calm());
    let base = steady[0];
    assert!(base >= Duration::from_millis(20) && steady.iter().all(|delay| *delay == base));
    let millis = |delays: &[Duration]| -> Vec<u128> { delays.iter().map(|delay| (*delay - base).as_millis()).collect() };
    let jitter = millis(&delays(LinkConfig { jitter_micros: 10_000, ..quick() }));
    assert!(jitter.iter().all(|more| *more <= 10) && jitter.contains(&0) && jitter.contains(&9), "{jitter:?}");
    let overtaken = millis(&delays(LinkConfig { reorder_permille: 250, ..calm() }));
    let late = overtaken.iter().filter(|more| **more == 20).count();
    assert!((30..70).contains(&late) && overtaken.iter().all(|more| [0, 20].contains(more)), "{overtaken:?}");
}

#[test]
fn packets_are_as_large_as_the_links_let_them() {
    let took = |mtu, loss_permille| Pair::new(LinkConfig { mtu, loss_permille, ..quick() }).transfer(1_000_000).1;
    assert!(took(9_000, 0) < took(1_280, 0), "it begins with ten packets");
    assert!(took(9_000, 10) * 2 < took(1_280, 10), "fewer can get lost");
}

#[test]
fn each_router_has_a_line_of_its_own_rate() {
    let mut net = Net::new(SeededRng::new([1; 32]), LinkConfig { bytes_per_sec: (100_000, 1_000_000), ..quick() });
    (0..50).for_each(|_| net.add_router());
    let rates: BTreeSet<u64> = net.lines.iter().map(|line| line.bytes_per_sec).collect();
    assert!(rates.len() == 50 && rates.iter().all(|rate| (100_000..=1_000_000).contains(rate)));
}

#[test]
fn who_dials_tries_again_while_nothing_comes_through() {
    let mut net = Net::new(SeededRng::new([1; 32]), LinkConfig { loss_permille: 500, ..quick() });
    let mut schedule = Schedule::new(SeededRng::new([2; 32]));
    (0..2).for_each(|_| net.add_router());
    let address = SocketAddr::from(([60, 1, 2, 3], 9_999));
    net.listen(address, B);
    let (mut stood, mut late, mut refused) = (0, 0, 0);
    for number in 0..100 {
        let begin = schedule.now();
        net.dial(&mut schedule, begin, (A, 0), ConnId(number), address, number % 10 > 0);
        while let Some(Happening::Net(happening)) = schedule.next(begin + Duration::from_secs(60)) {
            match happening {
                NetHappening::Syn { link, tries } => drop(net.syn(&mut schedule, link, tries)),
                NetHappening::Standing { .. } => {
                    stood += 1;
                    late += u32::from(schedule.now().saturating_since(begin) > Duration::from_secs(1));
                }
                NetHappening::Refused { .. } => refused += 1,
                _ => {}
            }
        }
    }
    assert_eq!(refused, 10, "where nobody listens");
    assert!(stood > 80 && late > 25, "{stood} of 90, {late} of them at a later try");
}

#[test]
fn who_does_not_read_holds_the_sender_back() {
    let mut pair = Pair::new(quick());
    let mut written = 0;
    for _ in 0..1_000 {
        let room = pair.net.room(pair.ends[A]);
        written += room;
        let (now, end) = (pair.schedule.now(), pair.ends[A]);
        pair.net.write(&mut pair.schedule, now, end, vec![1; room].into());
        pair.run(Duration::from_millis(100), |_| {});
    }
    assert!(written < 500_000, "{written} bytes for a reader who sleeps");
    let mut came = Vec::new();
    for _ in 0..1_000 {
        pair.read(B, &mut came);
        pair.run(Duration::from_millis(100), |_| {});
    }
    assert_eq!(came.len(), written);
}

#[test]
fn a_cut_network_holds_up_what_is_under_way() {
    let mut pair = Pair::new(quick());
    pair.net.set_side(B, 1);
    let (now, end) = (pair.schedule.now(), pair.ends[A]);
    pair.net.write(&mut pair.schedule, now, end, pattern(10_000).into());
    pair.net.close(&mut pair.schedule, end);
    let mut came = Vec::new();
    pair.run(Duration::from_secs(30), |pair| assert!(!pair.read(B, &mut came)));
    assert!(came.is_empty());
    pair.net.set_side(B, 0);
    pair.run(Duration::from_secs(30), |_| {});
    assert!(pair.read(B, &mut came), "the end comes after the bytes");
    assert!(came == pattern(10_000));
}

#[test]
fn a_reset_ends_both_ends_and_a_silent_death_none() {
    let mut pair = Pair::new(quick());
    pair.net.reset_one(&mut pair.schedule, A, 5);
    pair.run(Duration::from_secs(1), |_| {});
    let mut nothing = Vec::new();
    assert!(pair.read(A, &mut nothing) && pair.read(B, &mut nothing));

    let mut pair = Pair::new(quick());
    let (now, end) = (pair.schedule.now(), pair.ends[A]);
    pair.net.write(&mut pair.schedule, now, end, pattern(100_000).into());
    pair.run(Duration::from_millis(25), |_| {});
    assert!(!pair.arrivals.is_empty());
    pair.net.reset_one(&mut pair.schedule, A, 5);
    pair.run(Duration::from_secs(1), |_| {});
    assert!(pair.read(B, &mut nothing) && nothing.is_empty(), "what was under way is lost, and what was unread");

    let mut pair = Pair::new(quick());
    pair.net.gone(&mut pair.schedule, B, true);
    pair.run(Duration::from_secs(60), |_| {});
    assert!(!pair.read(A, &mut nothing), "nobody tells");

    let mut pair = Pair::new(quick());
    pair.net.gone(&mut pair.schedule, B, false);
    pair.run(Duration::from_secs(60), |_| {});
    assert!(pair.read(A, &mut nothing) && nothing.is_empty());
}

#[test]
fn a_machine_that_is_off_answers_no_dial() {
    let (soon, long) = (Duration::from_secs(2), Duration::from_secs(10));
    let mut pair = Pair::new(quick());
    pair.net.gone(&mut pair.schedule, B, false);
    assert_eq!(pair.dials_again(soon), (false, true), "its machine says that nobody listens");

    let mut pair = Pair::new(quick());
    pair.net.gone(&mut pair.schedule, B, true);
    assert_eq!(pair.dials_again(long), (false, false));
    pair.net.listen(address(), B);
    pair.run(long, |_| {});
    assert!(pair.stands, "it is on again while somebody still asks");

    let mut pair = Pair::new(quick());
    pair.net.gone(&mut pair.schedule, B, true);
    assert_eq!(pair.dials_again(long), (false, false));
    pair.net.close(&mut pair.schedule, pair.ends[A]);
    pair.net.listen(address(), B);
    pair.run(long * 6, |_| {});
    assert!(!pair.stands, "who gave up asks no more");
    assert!(pair.dials_again(soon).0);
}

#[test]
fn who_hears_nothing_for_long_gives_up() {
    let mut nothing = Vec::new();
    for cut in [false, true] {
        let mut pair = Pair::new(quick());
        if cut {
            pair.net.set_side(B, 1);
        } else {
            pair.net.gone(&mut pair.schedule, B, true);
        }
        pair.run(Duration::from_secs(2_000), |_| {});
        assert!(!pair.read(A, &mut nothing), "it sent nothing that could be lost");
        let (now, end) = (pair.schedule.now(), pair.ends[A]);
        pair.net.write(&mut pair.schedule, now, end, pattern(1_000).into());
        pair.run(Duration::from_secs(50), |_| {});
        assert!(!pair.read(A, &mut nothing), "it tries on");
        pair.run(Duration::from_secs(20), |_| {});
        assert!(pair.read(A, &mut nothing) && !pair.read(B, &mut nothing));
    }
    // Cut for a shorter time, twice.
    let mut pair = Pair::new(quick());
    for _ in 0..2 {
        let (now, end) = (pair.schedule.now(), pair.ends[A]);
        pair.net.set_side(B, 1);
        pair.net.write(&mut pair.schedule, now, end, pattern(1_000).into());
        pair.run(Duration::from_secs(40), |_| {});
        pair.net.set_side(B, 0);
        pair.run(Duration::from_secs(10), |_| {});
        assert!(!pair.read(A, &mut nothing));
    }
    pair.run(Duration::from_secs(2_000), |_| {});
    assert!(!pair.read(A, &mut nothing) && nothing.is_empty());
    assert!(!pair.read(B, &mut nothing) && nothing.len() == 2_000);
}

/// What comes from far and was sent first reserves no line until it is there.
#[test]
fn one_connection_does_not_hold_up_another() {
    let mut net = Net::new(SeededRng::new([5; 32]), LinkConfig { latency_micros: (10_000, 400_000), ..quick() });
    let mut schedule = Schedule::new(SeededRng::new([6; 32]));
    (0..12).for_each(|_| net.add_router());
    net.listen(address(), 0);
    let ends: Vec<EndId> =
        (1..12).map(|router| net.dial(&mut schedule, Tick(0), (router, 0), ConnId(1), address(), true).unwrap()).collect();
    let latencies: Vec<Duration> = ends.iter().map(|(link, _)| net.links[link].latency).collect();
    // The farthest writes first.
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(latencies[*index]));
    for index in &order {
        net.write(&mut schedule, Tick(0), ends[*index], Bytes::from_static(b"x"));
    }
    let mut came = BTreeMap::new();
    while let Some(happening) = schedule.next(Tick(0) + Duration::from_secs(2)) {
        let to = match happening {
            Happening::Net(NetHappening::Bytes { to, bytes }) => net.arrived(&mut schedule, to, bytes).map(|_| to).or(Some(to)),
            Happening::Net(NetHappening::Through { to, bytes }) => net.came(&mut schedule, to, bytes).map(|_| to).or(Some(to)),
            _ => None,
        };
        to.map(|to| came.insert(to.0, schedule.now()));
    }
    for (end, latency) in ends.iter().zip(latencies) {
        let took = came[&end.0].saturating_since(Tick(0));
        assert!(took < latency + Duration::from_millis(5), "{took:?} over {latency:?}");
    }
}
