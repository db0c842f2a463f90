//! Any order of sending, closing, waiting and trouble on the way between two sessions.
//!
//! The way is what TCP is: it cuts, delays, stops for a while or breaks off, but neither loses nor reorders; whoever sits on it
//! can change bits. Both ends are driven as the lane does it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use ramson_crypto::CryptoRng;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{Date, I2npMessage};

use super::{End, Event, Plan, SOURCE, message, now_at};
use crate::ntcp2::{Class, CloseReason, Queued, Session, TerminationReason};

/// Cases of each property in the usual run, and in the long one.
const CASES: u32 = 96;
const LONG_CASES: u32 = 4_000;
/// What a socket takes before its other end reads.
const SOCKET_BYTES: usize = 64 * 1024;
/// After the last fault both ends have everything, or are closed, within this: the longest drain and frame limits, and delays.
const RECOVERY: Duration = Duration::from_secs(45);
/// All sessions are closed and hold nothing after this without use: the longest idle limit, and the same.
const SILENCE: Duration = Duration::from_secs(330 + 45);

#[derive(Debug, Clone)]
enum Op {
    Send {
        side: usize,
        class: Class,
        len: usize,
    },
    Info {
        side: usize,
    },
    Pass {
        millis: u64,
    },
    /// What `side` sent stands still on the way, or moves on.
    Hold {
        side: usize,
        on: bool,
    },
    Delay {
        side: usize,
        millis: u64,
    },
    Cut {
        most: usize,
    },
    Close {
        side: usize,
        code: u8,
    },
    CloseBoth,
    Reset,
    /// A bit of what is on the way from `side`.
    Flip {
        side: usize,
        at: prop::sample::Index,
        bit: u8,
    },
    Jump {
        side: usize,
        secs: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let side = || 0..2usize;
    let class = prop_oneof![Just(Class::Control), Just(Class::Own), Just(Class::Transit)];
    let len = prop_oneof![6 => 0..1500usize, 1 => 0..62_000usize];
    let millis = prop_oneof![8 => 0..500u64, 3 => 0..8_000u64, 1 => 0..200_000u64];
    prop_oneof![
        24 => (side(), class, len).prop_map(|(side, class, len)| Op::Send { side, class, len }),
        1 => side().prop_map(|side| Op::Info { side }),
        16 => millis.prop_map(|millis| Op::Pass { millis }),
        4 => (side(), any::<bool>()).prop_map(|(side, on)| Op::Hold { side, on }),
        2 => (side(), 0..1500u64).prop_map(|(side, millis)| Op::Delay { side, millis }),
        2 => prop_oneof![Just(1), 2..3000usize].prop_map(|most| Op::Cut { most }),
        1 => (side(), any::<u8>()).prop_map(|(side, code)| Op::Close { side, code }),
        1 => Just(Op::CloseBoth),
        1 => Just(Op::Reset),
        1 => (side(), any::<prop::sample::Index>(), 0..8u8).prop_map(|(side, at, bit)| Op::Flip { side, at, bit }),
        1 => (side(), -100..100i64).prop_map(|(side, secs)| Op::Jump { side, secs }),
    ]
}

/// One direction of the connection.
#[derive(Default)]
struct Way {
    /// What is on its way, with the moment from which it can be read.
    bytes: VecDeque<(Duration, Vec<u8>)>,
    /// The sender has closed its end.
    ended: bool,
    /// The reader was told.
    told: bool,
    held: bool,
    delay: Duration,
    /// Place of the first changed bit among `bytes`.
    flipped: Option<usize>,
    /// Messages that had come when the changed bit was read.
    clean: Option<usize>,
}

impl Way {
    fn len(&self) -> usize {
        self.bytes.iter().map(|(_, piece)| piece.len()).sum()
    }

    /// The next piece, of `most` bytes at the most, and whether it begins with the changed bit: what is read before it is good.
    fn take(&mut self, elapsed: Duration, most: usize) -> Option<(Vec<u8>, bool)> {
        let (due, piece) = self.bytes.front_mut()?;
        if self.held || *due > elapsed {
            return None;
        }
        let good = self.flipped.filter(|at| *at > 0).unwrap_or(usize::MAX);
        let bad = self.flipped == Some(0);
        let rest = piece.split_off(most.min(piece.len()).min(good));
        let taken = std::mem::replace(piece, rest);
        if piece.is_empty() {
            self.bytes.pop_front();
        }
        self.flipped = self.flipped.and_then(|at| at.checked_sub(taken.len()));
        Some((taken, bad))
    }
}

/// What one side was given to send, by its message id.
type Given = BTreeMap<u32, (Class, I2npMessage)>;

struct World {
    elapsed: Duration,
    /// The initiator and the responder.
    ends: [End; 2],
    /// From the end of the same number.
    ways: [Way; 2],
    given: [Given; 2],
    cut: usize,
    rng: SeededRng,
    count: u32,
    disturbed: bool,
}

impl World {
    fn new(seed: u8) -> Self {
        let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
        let rng = SeededRng::new([seed; 32]);
        let child = |label: &str| -> Box<dyn CryptoRng + Send> { Box::new(rng.child(label)) };
        let now = now_at(Duration::ZERO);
        let initiator = Session::initiate(now, &alice.local, alice.info.bytes(), &bob.peer, child("alice"));
        let responder = Session::respond(now, &bob.local, SOURCE, child("bob"));
        Self {
            elapsed: Duration::ZERO,
            ends: [End::new(initiator, &alice), End::new(responder, &bob)],
            ways: [Way::default(), Way::default()],
            given: [Given::new(), Given::new()],
            cut: 2000,
            rng: rng.child("wire"),
            count: 0,
            disturbed: false,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Send { side, class, len } => {
                self.count += 1;
                let message = message(self.count, len);
                let now = self.ends[side].now(self.elapsed);
                if self.ends[side].session.send(now, message.clone(), class).is_ok() {
                    self.given[side].insert(self.count, (class, message));
                }
            }
            Op::Info { side } => {
                let now = self.ends[side].now(self.elapsed);
                let info = self.ends[side].router_info.clone();
                let _closed_or_full = self.ends[side].session.send_router_info(now, info, false);
            }
            Op::Pass { millis } => self.pass(Duration::from_millis(millis)),
            Op::Hold { side, on } => self.ways[side].held = on,
            Op::Delay { side, millis } => self.ways[side].delay = Duration::from_millis(millis),
            Op::Cut { most } => self.cut = most,
            Op::Close { side, code } => self.close(side, TerminationReason::from_code(code)),
            Op::CloseBoth => (0..2).for_each(|side| self.close(side, TerminationReason::Normal)),
            Op::Reset => {
                self.disturbed = true;
                for side in 0..2 {
                    self.ways[side] = Way { ended: true, clean: self.ways[side].clean, ..Way::default() };
                }
            }
            Op::Flip { side, at, bit } => self.flip(side, at, bit),
            Op::Jump { side, secs } => {
                self.disturbed = true;
                self.ends[side].skew = secs;
            }
        }
        self.turn();
    }

    fn close(&mut self, side: usize, reason: TerminationReason) {
        self.disturbed = true;
        let now = self.ends[side].now(self.elapsed);
        self.ends[side].session.close(now, reason);
        self.ends[side].collect();
    }

    fn flip(&mut self, side: usize, at: prop::sample::Index, bit: u8) {
        let way = &mut self.ways[side];
        if way.len() == 0 || way.flipped.is_some() {
            return;
        }
        self.disturbed = true;
        let mut at = at.index(way.len());
        way.flipped = Some(at);
        for (_, piece) in &mut way.bytes {
            if let Some(byte) = piece.get_mut(at) {
                *byte ^= 1 << bit;
                return;
            }
            at -= piece.len();
        }
    }

    /// All that can happen now.
    fn turn(&mut self) {
        loop {
            let mut moved = false;
            for side in 0..2 {
                moved |= self.write(side);
                moved |= self.read(side);
            }
            if !moved {
                break;
            }
        }
        self.check();
    }

    /// What `side` has to send, as far as the socket takes it; then the end of the stream.
    fn write(&mut self, side: usize) -> bool {
        let (end, way) = (&mut self.ends[side], &mut self.ways[side]);
        if way.ended {
            return false;
        }
        let mut moved = false;
        while end.session.wants_write() && way.len() < SOCKET_BYTES {
            let bytes = end.write(self.elapsed, 16_000);
            way.bytes.push_back((self.elapsed + way.delay, bytes));
            moved = true;
        }
        if end.closed().is_some() && !end.session.wants_write() {
            way.ended = true;
            moved = true;
        }
        moved
    }

    /// What has come from `side`.
    fn read(&mut self, side: usize) -> bool {
        let mut moved = false;
        loop {
            let most = rng::between(&mut self.rng, 1, u64::try_from(self.cut).unwrap());
            let taken = self.ways[side].take(self.elapsed, usize::try_from(most).unwrap());
            let Some((piece, bad)) = taken else { break };
            let reader = &mut self.ends[1 - side];
            if bad {
                self.ways[side].clean = Some(reader.messages().len());
            }
            reader.feed(self.elapsed, &piece);
            moved = true;
        }
        let way = &mut self.ways[side];
        if way.ended && !way.told && way.bytes.is_empty() && !way.held {
            way.told = true;
            let reader = &mut self.ends[1 - side];
            let now = reader.now(self.elapsed);
            reader.session.handle_eof(now);
            reader.collect();
            moved = true;
        }
        moved
    }

    fn pass(&mut self, time: Duration) {
        let until = self.elapsed + time;
        let start = now_at(Duration::ZERO).tick;
        while self.elapsed < until {
            self.turn();
            let deadlines = self.ends.iter().filter_map(|end| end.session.deadline()).map(|at| at.saturating_since(start));
            let arrivals = self.ways.iter().filter(|way| !way.held).filter_map(|way| way.bytes.front()).map(|(due, _)| *due);
            let later = deadlines.chain(arrivals).filter(|at| *at > self.elapsed);
            self.elapsed = later.fold(until, Duration::min);
            for end in &mut self.ends {
                let now = end.now(self.elapsed);
                end.session.handle_timeout(now);
                end.collect();
                let next = end.session.deadline();
                assert!(next.is_none_or(|at| at > now.tick), "a deadline that has passed stays");
            }
        }
        self.turn();
    }

    /// What holds at any moment.
    fn check(&self) {
        for side in 0..2 {
            let (end, given) = (&self.ends[side], &self.given[1 - side]);
            for got in end.messages() {
                assert!(given.get(&got.id.0).is_some_and(|(_, sent)| sent == got), "altered, or never sent");
            }
            self.check_urgency(side);
            if let Some(clean) = self.ways[1 - side].clean {
                assert_eq!(end.messages().len(), clean, "delivered behind a changed bit");
            }
            let held = end.session.held();
            assert!(held.iter().all(|len| *len <= 70_000), "{held:?}");
            if end.closed().is_some() {
                assert_eq!(end.session.queued(), Queued::default());
                assert_eq!(end.session.deadline(), None);
                assert_eq!(held[0], 0);
            }
        }
    }

    /// A message never comes before one that was queued earlier and is more urgent.
    fn check_urgency(&self, side: usize) {
        let given = &self.given[1 - side];
        let mut earliest = [u32::MAX; 3];
        for got in self.ends[side].messages().into_iter().rev() {
            let class = given.get(&got.id.0).expect("never sent").0;
            let place = usize::from(class as u8);
            assert!(earliest[..=place].iter().all(|later| *later > got.id.0), "{} was overtaken", got.id.0);
            earliest[place] = got.id.0;
        }
    }

    /// Control and own messages that were taken and have not come.
    fn missing(&self, side: usize) -> usize {
        let came = self.ends[1 - side].messages();
        let (mut taken, mut transit) = (0, 0);
        for (class, _) in self.given[side].values() {
            taken += 1;
            transit += usize::from(*class == Class::Transit);
        }
        let drops = self.ends[side].session.drops();
        let dropped = usize::try_from(drops.transit_aged + drops.transit_expired + drops.transit_overflow).unwrap();
        assert!(dropped <= transit);
        taken - dropped - came.len()
    }
}

/// Operations, then the end of all faults: everything arrives or both know why not, and at last nothing is held.
fn run(seed: u8, ops: &[Op]) {
    let mut world = World::new(seed);
    for op in ops {
        world.apply(op);
    }
    for way in &mut world.ways {
        way.held = false;
        way.delay = Duration::from_millis(50);
    }
    world.pass(RECOVERY);
    let closed = [world.ends[0].closed(), world.ends[1].closed()];
    match closed {
        [None, None] => assert_eq!([world.missing(0), world.missing(1)], [0, 0]),
        [Some(_), Some(_)] => {}
        _ => panic!("one side only: {closed:?}"),
    }
    if !world.disturbed && closed.iter().flatten().any(|reason| matches!(reason, CloseReason::Violated(_))) {
        panic!("nobody broke a rule: {closed:?}");
    }
    world.pass(SILENCE);
    for (end, way) in world.ends.iter().zip(&world.ways) {
        assert!(end.closed().is_some() && (way.ended || !end.session.wants_write()));
        let established = end.events.iter().filter(|event| matches!(event, Event::Established { .. })).count();
        assert!(established <= 1);
    }
    world.check();
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]
    #[test]
    fn all_arrives_in_order_or_both_know_why(seed in any::<u8>(), ops in ops()) {
        run(seed, &ops);
    }

    #[test]
    fn clocks_decide_who_talks(skew in -700i64..700, seed in any::<u8>()) {
        skewed(skew, seed);
    }

    #[test]
    fn a_recorded_first_message_is_never_answered(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), 0u64..400), 1..12)) {
        replayed(&steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LONG_CASES) })]
    #[test]
    #[ignore = "takes a minute"]
    fn all_arrives_in_order_or_both_know_why_long(seed in any::<u8>(), ops in prop::collection::vec(op(), 1..200)) {
        run(seed, &ops);
    }
}

/// Established within a minute, answered within ten, and padded within the limits that others accept.
fn skewed(skew: i64, seed: u8) {
    let mut world = World::new(seed);
    world.ends[1].skew = -skew;
    world.pass(Duration::from_secs(60));
    let [alice, bob] = &world.ends;
    let talks = skew.abs() <= 60;
    assert_eq!([alice.established(), bob.established()], [talks.then_some(-skew), talks.then_some(skew)]);
    assert_eq!(!bob.sent.is_empty(), skew.abs() <= 600);
    if !talks {
        assert!((64..=64 + 63).contains(&alice.sent.len()), "{}", alice.sent.len());
        assert!(bob.sent.is_empty() || (64..=64 + 63).contains(&bob.sent.len()), "{}", bob.sent.len());
        assert!(alice.closed().is_some() && bob.closed().is_some());
    }
}

/// First messages at random times, new or recorded.
fn replayed(steps: &[(bool, prop::sample::Index, u64)]) {
    let (alice, bob) = (Plan::new(1).build(), Plan::new(2).build());
    let (mut seen, mut elapsed) = (Vec::<Vec<u8>>::new(), Duration::ZERO);
    let mut cache = crate::ntcp2::ReplayCache::new();
    for (count, (new, which, secs)) in steps.iter().enumerate() {
        elapsed += Duration::from_secs(*secs);
        let now = now_at(elapsed);
        let rng = SeededRng::new([u8::try_from(count).unwrap(); 32]);
        let new = *new || seen.is_empty();
        if new {
            let child = Box::new(rng.child("alice"));
            let mut end = End::new(Session::initiate(now, &alice.local, alice.info.bytes(), &bob.peer, child), &alice);
            seen.push(end.write(elapsed, 10_000));
        }
        let request = if new { seen.last().unwrap() } else { which.get(&seen) };
        let mut end = End::new(Session::respond(now, &bob.local, SOURCE, Box::new(rng.child("bob"))), &bob);
        end.replay = cache;
        end.feed(elapsed, request);
        assert_eq!(end.session.wants_write(), new);
        cache = end.replay;
        assert!(cache.len() <= seen.len());
    }
}

#[test]
fn a_wall_clock_is_not_needed_to_close() {
    let mut world = World::new(1);
    world.ends[0].skew = 0;
    world.pass(Duration::from_secs(1));
    world.apply(&Op::CloseBoth);
    world.pass(Duration::from_secs(1));
    let normal = TerminationReason::Normal;
    for end in &world.ends {
        assert_eq!(end.closed(), Some(CloseReason::Requested(normal)));
        assert_ne!(end.now(world.elapsed).date, Date(0));
    }
}
