//! Any order of sending, loss, repetition, damage and time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Send { from_a: bool, ack: bool, cloves: u8 },
    Deliver { to_a: bool, which: u16 },
    Lose { to_a: bool, which: u16 },
    Repeat { to_a: bool, which: u16 },
    Damage { to_a: bool, which: u16, at: u16 },
    Pass { ms: u32 },
}

fn op() -> impl Strategy<Value = Op> {
    let side = any::<bool>;
    prop_oneof![
        8 => (side(), any::<bool>(), 0_u8..3).prop_map(|(from_a, ack, cloves)| Op::Send { from_a, ack, cloves }),
        8 => (side(), prop_oneof![3 => Just(0), 1 => any::<u16>()]).prop_map(|(to_a, which)| Op::Deliver { to_a, which }),
        1 => (side(), any::<u16>()).prop_map(|(to_a, which)| Op::Lose { to_a, which }),
        1 => (side(), any::<u16>()).prop_map(|(to_a, which)| Op::Repeat { to_a, which }),
        1 => (side(), any::<u16>(), any::<u16>()).prop_map(|(to_a, which, at)| Op::Damage { to_a, which, at }),
        2 => prop_oneof![5 => 0_u32..2_000, 1 => 0_u32..200_000].prop_map(|ms| Op::Pass { ms }),
    ]
}

#[derive(Clone)]
struct Flying {
    number: u32,
    body: Vec<u8>,
    cloves: Vec<GarlicClove>,
    ack: Option<AckId>,
}

/// Index 0: what goes to a.
struct World {
    pair: Pair,
    flying: [Vec<Flying>; 2],
    arrived: BTreeSet<u32>,
    /// Message of each acknowledgement that was asked for, by the asking side.
    asked: [BTreeMap<AckId, u32>; 2],
    sent: u32,
}

impl World {
    fn sides(&mut self, to_a: bool) -> (&mut Sessions, PublicKey) {
        let (a, b) = self.pair.keys();
        if to_a { (&mut self.pair.a, b) } else { (&mut self.pair.b, a) }
    }

    fn send(&mut self, from_a: bool, ack: bool, cloves: u8) {
        self.sent += 1;
        let (number, now) = (self.sent, self.pair.now());
        let cloves: Vec<GarlicClove> = (0..cloves).map(|at| clove(number, 10 + usize::from(at) * 700)).collect();
        let (sender, to) = self.sides(from_a);
        let Ok(sealed) = sender.encrypt(now, &to, &cloves, ack) else {
            return;
        };
        let flying = Flying { number, body: sealed.body.to_vec(), cloves, ack: sealed.ack };
        if let Some(ack) = flying.ack {
            self.asked[usize::from(from_a)].insert(ack, number);
        }
        self.flying[usize::from(from_a)].push(flying);
    }

    /// Opens a message; it must be right and new.
    fn open(&mut self, to_a: bool, message: &Flying) -> Result<(), TestCaseError> {
        let now = self.pair.now();
        let (receiver, from) = self.sides(to_a);
        let opened = receiver.decrypt(now, &message.body);
        self.events()?;
        if let Ok(opened) = opened {
            prop_assert_eq!(opened.peer, Some(from));
            prop_assert_eq!(&opened.cloves, &message.cloves);
            prop_assert!(self.arrived.insert(message.number), "opened twice");
        }
        // The acknowledgements of a message may only be known after it arrived.
        self.events()
    }

    fn events(&mut self) -> Result<(), TestCaseError> {
        for is_a in [true, false] {
            let happened = events(self.sides(is_a).0);
            for event in happened {
                match event {
                    SessionEvent::Acked(ack) => {
                        let number = self.asked[usize::from(is_a)].remove(&ack);
                        prop_assert!(number.is_some_and(|number| self.arrived.contains(&number)), "not arrived");
                    }
                    SessionEvent::SendDue { .. } => self.send(is_a, false, 0),
                    SessionEvent::Ended { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn pick(&mut self, to_a: bool, which: u16, take: bool) -> Option<Flying> {
        let flying = &mut self.flying[usize::from(!to_a)];
        let at = usize::from(which) % flying.len().max(1);
        if at >= flying.len() {
            None
        } else if take {
            Some(flying.remove(at))
        } else {
            Some(flying[at].clone())
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Send { from_a, ack, cloves } => self.send(from_a, ack, cloves),
            Op::Deliver { to_a, which } => {
                if let Some(message) = self.pick(to_a, which, true) {
                    self.open(to_a, &message)?;
                }
            }
            Op::Lose { to_a, which } => drop(self.pick(to_a, which, true)),
            Op::Repeat { to_a, which } => {
                if let Some(message) = self.pick(to_a, which, false) {
                    self.open(to_a, &message)?;
                    let now = self.pair.now();
                    prop_assert!(self.sides(to_a).0.decrypt(now, &message.body).is_err());
                }
            }
            Op::Damage { to_a, which, at } => {
                if let Some(mut message) = self.pick(to_a, which, true) {
                    // Not byte 31 and 39, whose top bits may mean nothing.
                    let at = 4 + usize::from(at) % 30.min(message.body.len() - 4);
                    message.body[at] ^= 1;
                    let now = self.pair.now();
                    prop_assert!(self.sides(to_a).0.decrypt(now, &message.body).is_err());
                }
            }
            Op::Pass { ms } => self.pair.pass(Duration::from_millis(u64::from(ms))),
        }
        self.events()?;
        for side in [&self.pair.a, &self.pair.b] {
            prop_assert!(side.session_count() <= 10 && side.tags.len() <= 2000);
            consistent(side);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn messages_open_once_and_rightly(ops in proptest::collection::vec(op(), 1..300), ratchet_after in 5_u16..60) {
        let limits = Limits { ratchet_after, first_window: 24, window: 64, tags: 2000, ..Limits::default() };
        let mut world = World {
            pair: Pair::with_limits(limits),
            flying: [Vec::new(), Vec::new()],
            arrived: BTreeSet::new(),
            asked: [BTreeMap::new(), BTreeMap::new()],
            sent: 0,
        };
        for op in &ops {
            world.apply(op)?;
        }
        // All is lost for a while: then everything works again.
        world.flying = [Vec::new(), Vec::new()];
        world.pair.pass(Duration::from_secs(200));
        for number in 0..30 {
            world.pair.a_to_b(number);
            world.pair.b_to_a(number);
        }
        world.pair.pass(Duration::from_secs(700));
        prop_assert_eq!((world.pair.a.tags.len(), world.pair.b.tags.len()), (0, 0));
        prop_assert_eq!((world.pair.a.session_count(), world.pair.b.session_count()), (0, 0));
    }
}
