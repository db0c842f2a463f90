//! Two identities over tunnels: messages are late, out of order, doubled, lost, recorded and sent again, and either side forgets
//! everything but its key. The owner of each side does what its contract asks: it spaces new sessions and sends what is due.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use ramson_crypto::rng::{self, SeededRng};

use super::super::limits::REPLY_WINDOW;
use super::super::{NEW_SESSION_SPACING, Readiness};
use super::*;

/// Cases in the usual run, and in the long one.
const CASES: u32 = 64;
const LONG_CASES: u32 = 3_000;
/// Every message arrives again this long after the last fault, while both sides have something to say twice a second: the times in
/// which a peer's new session is taken for a late one, and that for which an outrun session is waited for.
const RECOVERY: Duration = Duration::from_secs(60);
/// All is forgotten this long after the last message.
const SILENCE: Duration = Duration::from_secs(601 + 180);
/// The clock between two looks at the link.
const STEP_MS: u64 = 50;

#[derive(Clone, Debug)]
enum Op {
    Send {
        side: usize,
        ack: bool,
        cloves: u8,
    },
    Pass {
        ms: u64,
    },
    Burst {
        side: usize,
        count: u8,
    },
    Link {
        side: usize,
        link: Link,
    },
    /// A message that was sent before comes again.
    Replay {
        side: usize,
        which: prop::sample::Index,
    },
    Restart {
        side: usize,
    },
}

/// What happens to messages on their way, shares in 1/100.
#[derive(Clone, Copy, Debug)]
struct Link {
    loss: u32,
    doubled: u32,
    delay: u64,
    jitter: u64,
}

const GOOD: Link = Link { loss: 0, doubled: 0, delay: 100, jitter: 0 };

fn op() -> impl Strategy<Value = Op> {
    let side = || 0..2usize;
    let loss = prop_oneof![4 => 0..30u32, 1 => Just(100)];
    let link = (loss, 0..20u32, 0..400u64, prop_oneof![3 => 0..300u64, 1 => 0..20_000u64]);
    let link = link.prop_map(|(loss, doubled, delay, jitter)| Link { loss, doubled, delay, jitter });
    prop_oneof![
        8 => (side(), any::<bool>(), 0..3u8).prop_map(|(side, ack, cloves)| Op::Send { side, ack, cloves }),
        8 => prop_oneof![6 => 0..1_000u64, 2 => 0..20_000u64, 1 => 0..200_000u64].prop_map(|ms| Op::Pass { ms }),
        2 => (side(), any::<u8>()).prop_map(|(side, count)| Op::Burst { side, count }),
        3 => (side(), link).prop_map(|(side, link)| Op::Link { side, link }),
        2 => (side(), any::<prop::sample::Index>()).prop_map(|(side, which)| Op::Replay { side, which }),
        1 => side().prop_map(|side| Op::Restart { side }),
    ]
}

#[derive(Clone)]
struct Flying {
    number: u32,
    body: Bytes,
    cloves: Vec<GarlicClove>,
}

struct World {
    ms: u64,
    sides: [Sessions; 2],
    limits: Limits,
    /// How often each side forgot everything.
    lives: [u32; 2],
    links: [Link; 2],
    /// From the side of the same number, by the time of arrival.
    flying: [BTreeMap<(u64, u64), Flying>; 2],
    sent: [Vec<Flying>; 2],
    /// Message and the receiver's life.
    arrived: BTreeSet<(u32, u32)>,
    asked: [BTreeMap<AckId, u32>; 2],
    count: u64,
    rng: SeededRng,
    _leaks: Watch,
}

impl World {
    fn new(seed: u8, limits: Limits) -> World {
        let rng = SeededRng::new([seed; 32]);
        let side = |n: usize| Sessions::with_limits(key(n), limits.clone(), Box::new(rng.child(&format!("side {n}"))));
        World {
            ms: 1_000_000,
            sides: [side(0), side(1)],
            limits: limits.clone(),
            lives: [0, 0],
            links: [GOOD; 2],
            flying: [BTreeMap::new(), BTreeMap::new()],
            sent: [Vec::new(), Vec::new()],
            arrived: BTreeSet::new(),
            asked: [BTreeMap::new(), BTreeMap::new()],
            count: 0,
            rng: rng.child("link"),
            _leaks: watch_thread(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Send { side, ack, cloves } => {
                self.send(side, ack, cloves);
            }
            Op::Pass { ms } => self.pass(ms),
            Op::Burst { side, count } => (0..count).for_each(|_| {
                self.send(side, false, 1);
            }),
            Op::Link { side, link } => self.links[side] = link,
            Op::Replay { side, which } => {
                if !self.sent[side].is_empty() {
                    let message = which.get(&self.sent[side]).clone();
                    self.open(1 - side, &message);
                }
            }
            Op::Restart { side } => self.restart(side),
        }
        self.check();
    }

    fn restart(&mut self, side: usize) {
        self.lives[side] += 1;
        let rng = self.rng.child(&format!("side {side} life {}", self.lives[side]));
        self.sides[side] = Sessions::with_limits(key(side), self.limits.clone(), Box::new(rng));
        self.asked[side].clear();
    }

    /// Writes a message, unless it has to wait for the answer to a new session.
    fn send(&mut self, side: usize, ack: bool, cloves: u8) -> Option<u32> {
        let (now, to) = (at(self.ms), key(1 - side).public());
        if let Readiness::AwaitingReply { last } = self.sides[side].readiness(now, &to)
            && now.tick.saturating_since(last) < NEW_SESSION_SPACING
        {
            return None;
        }
        self.count += 1;
        let number = u32::try_from(self.count).unwrap();
        let cloves: Vec<GarlicClove> = (0..cloves).map(|at| clove(number, 10 + usize::from(at) * 700)).collect();
        let sealed = self.sides[side].encrypt(now, &to, &cloves, ack).ok()?;
        if let Some(ack) = sealed.ack {
            self.asked[side].insert(ack, number);
        }
        let message = Flying { number, body: sealed.body, cloves };
        self.fly(side, message);
        Some(number)
    }

    fn chance(&mut self, share: u32) -> bool {
        rng::below(&mut self.rng, 100) < share
    }

    fn fly(&mut self, side: usize, message: Flying) {
        let link = self.links[side];
        if self.sent[side].len() < 500 {
            self.sent[side].push(message.clone());
        }
        if self.chance(link.loss) {
            return;
        }
        for _ in 0..if self.chance(link.doubled) { 2 } else { 1 } {
            let due = self.ms + link.delay + rng::between(&mut self.rng, 0, link.jitter);
            self.count += 1;
            self.flying[side].insert((due, self.count), message.clone());
        }
    }

    /// Whatever comes is as it was sent, from whom it was, and once in a life of the receiver.
    fn open(&mut self, to: usize, message: &Flying) {
        let now = at(self.ms);
        let opened = self.sides[to].decrypt(now, &message.body);
        if let Ok(opened) = opened {
            assert_eq!(opened.peer, Some(key(1 - to).public()));
            assert_eq!(opened.cloves, message.cloves);
            assert!(self.arrived.insert((message.number, self.lives[to])), "opened twice");
        }
        self.events();
    }

    fn events(&mut self) {
        for side in 0..2 {
            for event in events(&mut self.sides[side]) {
                match event {
                    SessionEvent::Acked(ack) => {
                        let number = self.asked[side].remove(&ack).expect("acknowledged twice, or never asked");
                        assert!(self.arrived.iter().any(|(arrived, _)| *arrived == number), "it hasn't arrived");
                    }
                    SessionEvent::SendDue { .. } => {
                        self.send(side, false, 0);
                    }
                    SessionEvent::Ended { .. } => {}
                }
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            let arrival = self.flying.iter().filter_map(|flying| flying.keys().next()).map(|(due, _)| *due).min();
            let timer = self.sides.iter().filter_map(Sessions::deadline).map(|due| due.0.div_ceil(1_000_000)).min();
            let next = arrival.into_iter().chain(timer).fold(end, u64::min);
            self.ms = next.max(self.ms + 1).min(end);
            for side in 0..2 {
                self.sides[side].handle_timeout(at(self.ms));
                while let Some(entry) = self.flying[side].first_entry().filter(|entry| entry.key().0 <= self.ms) {
                    let message = entry.remove();
                    self.open(1 - side, &message);
                }
            }
            self.events();
        }
    }

    fn check(&self) {
        for side in &self.sides {
            consistent(side);
            let window = usize::from(self.limits.window);
            let most = side.session_count() * (6 * window + 2 * usize::from(REPLY_WINDOW));
            assert!(side.tags.len() <= most.min(self.limits.tags), "{} tags", side.tags.len());
            assert!(side.session_count() <= 10 && side.replay.len() <= self.limits.replay);
        }
    }

    /// Both talk for the time in which they must have recovered; then everything arrives, both ways.
    fn recover(&mut self) {
        self.links = [GOOD; 2];
        self.talk(RECOVERY);
        let sent = self.talk(Duration::from_secs(10));
        self.pass(2_000);
        assert!(sent.len() >= 36, "held back: {}", sent.len());
        for (number, to) in &sent {
            assert!(self.arrived.contains(&(*number, self.lives[*to])), "{number} to {to} of {sent:?} was lost");
        }
    }

    fn talk(&mut self, time: Duration) -> Vec<(u32, usize)> {
        let mut sent = Vec::new();
        let end = self.ms + u64::try_from(time.as_millis()).unwrap();
        while self.ms < end {
            for side in 0..2 {
                sent.extend(self.send(side, false, 1).map(|number| (number, 1 - side)));
            }
            self.pass(STEP_MS * 10);
        }
        sent
    }
}

fn key(side: usize) -> PrivateKey {
    PrivateKey::from_bytes(&[u8::try_from(side + 1).unwrap(); 32])
}

/// The peer restarts, gets our first message again and answers it: it has no tags for what we send in the session that its earlier
/// life answered. Each of its answers once made that session look alive.
#[test]
fn answers_of_a_restarted_peer_do_not_keep_a_dead_session() {
    let mut world = World::new(0, Limits::default());
    world.apply(&Op::Send { side: 1, ack: false, cloves: 0 });
    world.apply(&Op::Pass { ms: 1_300 });
    assert!(world.sides[1].sessions.values().all(|session| session.established), "answered");
    world.restart(0);
    let first = world.sent[1][0].clone();
    world.open(0, &first);
    world.recover();
}

fn run(seed: u8, ratchet_after: u16, ops: &[Op]) {
    let mut world = World::new(seed, Limits { ratchet_after, ..Limits::default() });
    for op in ops {
        world.apply(op);
    }
    // What is still under way may come at any time later.
    world.recover();
    world.check();
    world.flying = [BTreeMap::new(), BTreeMap::new()];
    world.pass(u64::try_from(SILENCE.as_millis()).unwrap());
    for side in &world.sides {
        assert_eq!((side.session_count(), side.tags.len(), side.deadline()), (0, 0, None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]
    #[test]
    fn sessions_recover_from_anything(seed in any::<u8>(), ratchet_after in 5..60u16, ops in prop::collection::vec(op(), 1..80)) {
        run(seed, ratchet_after, &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LONG_CASES) })]
    #[test]
    #[ignore = "takes minutes"]
    fn sessions_recover_from_anything_long(seed in any::<u8>(), ratchet_after in 5..60u16, ops in prop::collection::vec(op(), 1..300)) {
        run(seed, ratchet_after, &ops);
    }
}
