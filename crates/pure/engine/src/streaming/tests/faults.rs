//! Two hosts that open, use and close streams in any order while the way between them loses, doubles, reorders or holds packets, old
//! packets come again, and hosts restart. What is read is what was written on that stream; when the faults are over it goes on or
//! both sides know that it is over; and at last nothing is held.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use ramson_crypto::rng::SeededRng;

use super::pair::*;
use crate::streaming::*;

/// Cases in the usual run, and in the long one.
const CASES: u32 = 48;
const LONG_CASES: u32 = 2_000;
/// Everything written has come this long after the last fault, or the stream is over: twice the longest time between two tries, and the
/// transfer.
const PROGRESS: Duration = Duration::from_secs(2 * 45 + 30);
/// Both sides know that a stream is over this long after one of them does: a look at an idle stream, and its tries.
const NOTICE: Duration = Duration::from_secs(300);
/// All is forgotten after this: lingering streams, then graves.
const SILENCE: Duration = Duration::from_secs(400 + 620);
/// First packets of streams that are over are known this long; later no packet comes again, as sessions take none twice.
const MEMORY: Duration = Duration::from_secs(600);
const MAX_STREAMS: usize = 6;

#[derive(Debug, Clone)]
enum Op {
    Connect {
        host: usize,
    },
    Write {
        end: usize,
        bytes: usize,
    },
    Read {
        end: usize,
        bytes: usize,
    },
    Close {
        end: usize,
    },
    /// Both ends at once.
    CloseBoth {
        end: usize,
    },
    Reset {
        end: usize,
    },
    Drop {
        end: usize,
    },
    Block {
        host: usize,
        on: bool,
    },
    Link {
        loss: u32,
        repeats: u32,
        late: u32,
        latency: u64,
        jitter: u64,
    },
    /// Nothing gets through.
    Cut,
    Restart {
        host: usize,
    },
    /// A packet that left long ago comes again.
    Echo {
        which: prop::sample::Index,
    },
    Wait {
        millis: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let end = || 0..2 * MAX_STREAMS;
    let host = || 0..2usize;
    let link = (0..200u32, 0..100u32, 0..100u32, 1..400u64, prop_oneof![4 => 0..50u64, 1 => 0..3_000u64]);
    prop_oneof![
        4 => host().prop_map(|host| Op::Connect { host }),
        12 => (end(), 1..80_000usize).prop_map(|(end, bytes)| Op::Write { end, bytes }),
        10 => (end(), 1..100_000usize).prop_map(|(end, bytes)| Op::Read { end, bytes }),
        3 => end().prop_map(|end| Op::Close { end }),
        1 => end().prop_map(|end| Op::CloseBoth { end }),
        1 => end().prop_map(|end| Op::Reset { end }),
        1 => end().prop_map(|end| Op::Drop { end }),
        1 => (host(), any::<bool>()).prop_map(|(host, on)| Op::Block { host, on }),
        4 => link.prop_map(|(loss, repeats, late, latency, jitter)| Op::Link { loss, repeats, late, latency, jitter }),
        1 => Just(Op::Cut),
        1 => host().prop_map(|host| Op::Restart { host }),
        4 => any::<prop::sample::Index>().prop_map(|which| Op::Echo { which }),
        14 => prop_oneof![8 => 1..2_000u64, 2 => 1..20_000u64, 1 => 1..150_000u64].prop_map(|millis| Op::Wait { millis }),
    ]
}

/// One end of a stream, with what its application did.
struct Side {
    end: End,
    /// The stream: who opened it, and from which port.
    stream: (usize, u16),
    /// The host's life.
    life: u32,
    /// The application lets the stream go, or its host restarted.
    gone: bool,
    /// It asked for the stream's end.
    closing: bool,
}

struct World {
    pair: Pair,
    began: Tick,
    sides: Vec<Side>,
    lives: [u32; 2],
    next_port: u16,
    rng: SeededRng,
}

impl World {
    /// With `same_ids` both hosts draw the same numbers for their streams.
    fn new(seed: u8, same_ids: bool) -> World {
        let pair = Pair::new(seed, Link { latency: Duration::from_millis(80), ..Link::default() });
        let rng = SeededRng::new([seed; 32]).child("faults");
        let began = pair.now.tick;
        let mut world = World { pair, began, sides: Vec::new(), lives: [0, 0], next_port: 100, rng };
        if same_ids {
            for host in &mut world.pair.hosts {
                let rng = Box::new(world.rng.child("ids"));
                host.streaming = Streaming::new(Arc::clone(&host.signer), StreamingConfig::default(), rng);
            }
        }
        world
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Connect { host } => self.connect(host),
            Op::Write { end, bytes } => self.on(end, |side| side.end.write(side.end.written + bytes)),
            Op::Read { end, bytes } => self.on(end, |side| side.end.read(bytes)),
            Op::Close { end } => self.close(end),
            Op::CloseBoth { end } => {
                let stream = self.sides.get(end).map(|side| side.stream);
                (0..self.sides.len())
                    .filter(|at| Some(self.sides[*at].stream) == stream)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|at| self.close(at));
            }
            Op::Reset { end } => self.on(end, |side| {
                side.closing = true;
                side.end.rings.reset();
            }),
            Op::Drop { end } => {
                self.on(end, |side| side.end.rings.detach());
                self.sides.get_mut(end).into_iter().for_each(|side| side.gone = true);
            }
            Op::Block { host, on } => self.block(host, on),
            Op::Link { loss, repeats, late, latency, jitter } => {
                let (latency, jitter) = (Duration::from_millis(latency), Duration::from_millis(jitter));
                self.pair.link = Link { loss, repeats, late, latency, jitter, ..Link::default() };
            }
            Op::Cut => self.pair.link.loss = 1000,
            Op::Restart { host } => self.restart(host),
            Op::Echo { which } => {
                if !self.pair.history.is_empty() && self.pair.now.tick < self.began + MEMORY {
                    let (from, packet) = which.get(&self.pair.history).clone();
                    self.pair.inject(1 - from, packet);
                }
            }
            Op::Wait { millis } => self.pair.run(Duration::from_millis(millis)),
        }
        self.adopt();
        self.check();
    }

    fn connect(&mut self, host: usize) {
        if self.sides.iter().filter(|side| !side.gone).count() >= 2 * MAX_STREAMS {
            return;
        }
        self.next_port += 1;
        let (id, rings) = self.pair.connect_from_port(host, self.next_port);
        self.add(host, id, &rings, (host, self.next_port));
    }

    /// What each direction of each stream carries differs from all others.
    fn add(&mut self, host: usize, id: StreamId, rings: &Arc<StreamRings>, stream: (usize, u16)) {
        let salt = |writer: usize| u64::from(stream.1) * 4 + u64::try_from(stream.0 * 2 + writer).unwrap();
        let mut end = End::new(host, id, rings, usize::MAX);
        (end.write_salt, end.read_salt) = (salt(host), salt(1 - host));
        self.sides.push(Side { end, stream, life: self.lives[host], gone: false, closing: false });
    }

    fn adopt(&mut self) {
        for host in 0..2 {
            for (id, rings) in std::mem::take(&mut self.pair.hosts[host].incoming) {
                let stream = (1 - host, self.pair.hosts[host].ports[&id]);
                let known = |side: &Side| side.end.host == host && side.stream == stream && side.life == self.lives[host];
                assert!(!self.sides.iter().any(known), "one stream was opened twice");
                self.add(host, id, &rings, stream);
            }
        }
    }

    fn on(&mut self, at: usize, act: impl FnOnce(&mut Side)) {
        let Some(side) = self.sides.get_mut(at).filter(|side| !side.gone) else { return };
        act(side);
        let (host, id, rings) = (side.end.host, side.end.id, Arc::clone(&side.end.rings));
        self.pair.news(host, id, &rings);
    }

    fn close(&mut self, at: usize) {
        self.on(at, |side| {
            side.closing = true;
            side.end.rings.shutdown();
        });
    }

    fn block(&mut self, host: usize, on: bool) {
        let to = self.pair.hosts[1 - host].hash;
        self.pair.hosts[host].streaming.set_blocked(self.pair.now, to, on);
        self.pair.drain();
    }

    fn restart(&mut self, host: usize) {
        self.lives[host] += 1;
        let life = self.lives[host];
        let config = StreamingConfig { first_incoming: StreamId::first_incoming(life), ..StreamingConfig::default() };
        let rng = Box::new(self.rng.child(&format!("{host} {life}")));
        let host_state = &mut self.pair.hosts[host];
        host_state.streaming = Streaming::new(Arc::clone(&host_state.signer), config, rng);
        self.sides.iter_mut().filter(|side| side.end.host == host).for_each(|side| side.gone = true);
    }

    fn check(&self) {
        for host in &self.pair.hosts {
            let streaming = &host.streaming;
            assert_eq!(streaming.by_name.len(), streaming.len());
            assert_eq!(streaming.by_peer.len(), streaming.len());
            assert!(streaming.timers.len() <= streaming.len());
            assert_eq!(streaming.half_open, streaming.streams.values().filter(|stream| stream.counted_half_open).count());
            assert_eq!(streaming.held, streaming.streams.values().map(|stream| stream.counted_bytes).sum::<usize>());
        }
        for side in self.sides.iter().filter(|side| side.end.end == Some(Ok(()))) {
            // The end was announced after all that was written.
            let writer = |other: &&Side| other.stream == side.stream && other.end.host != side.end.host;
            let mut written = self.sides.iter().filter(writer).map(|other| other.end.written);
            assert!(written.any(|written| written == side.end.read), "{} bytes, and the end", side.end.read);
        }
    }

    fn is_over(&self, side: &Side) -> bool {
        side.gone || self.pair.hosts[side.end.host].closed.contains_key(&side.end.id)
    }

    /// The two ends of streams that stand on both sides, and that nobody gave up.
    fn standing(&self) -> Vec<(usize, usize)> {
        let live = |side: &Side| !side.closing && !self.is_over(side);
        let mut found = Vec::new();
        for (a, opener) in self.sides.iter().enumerate() {
            let connected = self.pair.hosts[opener.end.host].connected.contains(&opener.end.id);
            if opener.stream.0 != opener.end.host || !connected || !live(opener) {
                continue;
            }
            let other = |side: &Side| side.stream == opener.stream && side.end.host != opener.end.host && live(side);
            found.extend(self.sides.iter().position(other).map(|b| (a, b)));
        }
        found
    }

    fn read_all(&mut self, time: Duration) {
        let until = self.pair.now.tick + time;
        while self.pair.now.tick < until {
            for at in 0..self.sides.len() {
                self.on(at, |side| side.end.read(100_000));
            }
            self.pair.run(Duration::from_millis(250));
            self.adopt();
        }
        self.check();
    }

    fn recover(&mut self) {
        self.pair.link = Link { latency: Duration::from_millis(80), ..Link::default() };
        (0..2).for_each(|host| self.block(host, false));
        let standing = self.standing();
        self.read_all(PROGRESS);
        let mut broken = Vec::new();
        for (a, b) in standing {
            if self.is_over(&self.sides[a]) || self.is_over(&self.sides[b]) {
                broken.push((a, b));
                continue;
            }
            let ends = [&self.sides[a].end, &self.sides[b].end];
            let state = format!("{} of {}, {} of {}", ends[1].read, ends[0].written, ends[0].read, ends[1].written);
            assert!(ends[1].read == ends[0].written && ends[0].read == ends[1].written, "stuck: {state}");
        }
        self.read_all(NOTICE);
        for (a, b) in broken {
            assert!(self.is_over(&self.sides[a]) && self.is_over(&self.sides[b]), "only one side knows");
        }
    }

    fn end(&mut self) {
        (0..self.sides.len()).for_each(|at| self.close(at));
        self.read_all(NOTICE);
        let reasons: BTreeMap<StreamId, CloseReason> = self.pair.hosts.iter().flat_map(|host| host.closed.clone()).collect();
        for side in &self.sides {
            assert!(side.gone || reasons.contains_key(&side.end.id), "it never ends");
        }
        self.pair.run(SILENCE);
        for host in &self.pair.hosts {
            let streaming = &host.streaming;
            assert!(streaming.is_empty() && streaming.foreign.is_empty() && streaming.timers.is_empty());
            assert_eq!((streaming.half_open, streaming.held, streaming.deadline()), (0, 0, None));
        }
        self.sides.clear();
        for host in &self.pair.hosts {
            assert_eq!(host.streaming.unread.load(std::sync::atomic::Ordering::Relaxed), 0);
        }
    }
}

fn run(seed: u8, same_ids: bool, ops: &[Op]) {
    let mut world = World::new(seed, same_ids);
    for op in ops {
        world.apply(op);
    }
    world.recover();
    world.end();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]
    #[test]
    fn streams_go_on_or_end(seed in any::<u8>(), same_ids in any::<bool>(), ops in prop::collection::vec(op(), 1..80)) {
        run(seed, same_ids, &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LONG_CASES) })]
    #[test]
    #[ignore = "takes minutes"]
    fn streams_go_on_or_end_long(seed in any::<u8>(), same_ids in any::<bool>(), ops in prop::collection::vec(op(), 1..250)) {
        run(seed, same_ids, &ops);
    }
}
