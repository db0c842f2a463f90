//! Target: ratchet sessions of two identities and a stranger, whose messages are lost, repeated, reordered and damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_engine::fuzz::{Garlic, GarlicEvent, Opened};
use ramson_wire::{CloveDelivery, GarlicClove, I2npMessage, MessageId, MessageKind, Now, Tick};

use crate::ops::Ops;
use crate::seeds::routers::START;

/// Operations, by number. Each names a side first.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const SEND: u8 = 0;
    pub const DELIVER: u8 = 1;
    pub const NEWEST: u8 = 2;
    pub const REPEAT: u8 = 3;
    pub const DAMAGE: u8 = 4;
    pub const LOSE: u8 = 5;
    pub const PASS: u8 = 6;
    pub const GARBAGE: u8 = 7;
    pub const ONE_TIME: u8 = 8;
    pub const TALK: u8 = 9;
    pub const COUNT: u8 = 10;
}

/// What stands between sessions and their owner. The sound one changes nothing.
pub trait Border {
    /// What became of a message.
    fn opened(&mut self, body: &Bytes, opened: Option<Opened>) -> Option<Opened> {
        let _ = body;
        opened
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// Who writes to whom.
const SIDES: usize = 3;

#[derive(Clone)]
struct Flying {
    number: u32,
    from: usize,
    to: usize,
    body: Bytes,
    cloves: Vec<GarlicClove>,
}

struct World<'a, B> {
    border: &'a mut B,
    now: Now,
    sides: Vec<Garlic>,
    keys: Vec<PublicKey>,
    flying: Vec<Flying>,
    sent: u32,
    arrived: BTreeSet<u32>,
    asked: Vec<BTreeMap<u64, u32>>,
}

/// Runs the target.
pub fn sessions(data: &[u8]) {
    sessions_with(data, &mut Sound);
}

/// [`sessions`] with a border of one's own.
pub fn sessions_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let secrets = [[1; 32], [2; 32], [3; 32]];
    let mut world = World {
        border,
        now: START,
        sides: secrets.iter().zip(1..).map(|(key, seed)| Garlic::new(*key, seed)).collect(),
        keys: secrets.iter().map(|key| PrivateKey::from_bytes(key).public()).collect(),
        flying: Vec::new(),
        sent: 0,
        arrived: BTreeSet::new(),
        asked: vec![BTreeMap::new(); SIDES],
    };
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 200) {
        operations += 1;
        world.step(op, &mut ops);
        world.check();
    }
    world.end();
}

fn clove(number: u32, len: usize) -> GarlicClove {
    let expiration = ramson_wire::Date(START.date.0 / 1000 * 1000 + 60_000);
    let message = I2npMessage::new(MessageKind::DATA, MessageId(number), expiration, vec![number.to_be_bytes()[3]; len]);
    GarlicClove { delivery: CloveDelivery::Local, message }
}

impl<B: Border> World<'_, B> {
    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let side = ops.byte();
        let (from, to) = match side % 6 {
            0 | 1 => (0, 1),
            2 | 3 => (1, 0),
            4 => (2, 0),
            _ => (0, 2),
        };
        match op {
            op::SEND => self.send(from, to, ops.byte()),
            op::DELIVER => {
                if let Some(message) = self.take(side) {
                    self.open(&message);
                }
            }
            op::NEWEST => {
                if let Some(message) = self.flying.pop() {
                    self.open(&message);
                }
            }
            op::REPEAT => {
                if let Some(message) = self.take(side) {
                    self.open(&message);
                    let again = self.sides[message.to].decrypt(self.now, &message.body);
                    assert!(self.border.opened(&message.body, again).is_none(), "opened twice");
                }
            }
            op::DAMAGE => self.damage(side, ops),
            op::LOSE => drop(self.take(side)),
            op::PASS => self.pass(Duration::from_millis(u64::from(ops.number()) * if side.is_multiple_of(2) { 1 } else { 20 })),
            op::GARBAGE => {
                let body = Bytes::copy_from_slice(ops.long_part());
                assert!(self.sides[to].decrypt(self.now, &body).is_none(), "garbage opens");
            }
            op::ONE_TIME => {
                for tag in 0..=ops.byte() {
                    self.sides[to].expect(self.now, [tag; 8], [side; 32]);
                }
            }
            _ => {
                for _ in 0..ops.byte() % 32 {
                    self.send(from, to, 1);
                    if let Some(message) = self.flying.pop() {
                        self.open(&message);
                    }
                }
            }
        }
        self.events();
    }

    fn send(&mut self, from: usize, to: usize, how: u8) {
        self.sent += 1;
        let number = self.sent;
        let cloves: Vec<GarlicClove> = (0..how % 3).map(|at| clove(number, 10 + usize::from(at) * 700)).collect();
        let Some(sealed) = self.sides[from].encrypt(self.now, &self.keys[to], &cloves, how >= 128) else { return };
        assert!(sealed.body.len() < 65_536);
        if let Some(ack) = sealed.ack {
            assert!(self.asked[from].insert(ack, number).is_none(), "a name twice");
        }
        self.flying.push(Flying { number, from, to, body: sealed.body, cloves });
    }

    fn take(&mut self, which: u8) -> Option<Flying> {
        let at = usize::from(which).checked_rem(self.flying.len())?;
        Some(self.flying.remove(at))
    }

    fn open(&mut self, message: &Flying) {
        let opened = self.sides[message.to].decrypt(self.now, &message.body);
        if let Some(opened) = self.border.opened(&message.body, opened) {
            assert_eq!(opened.peer, Some(self.keys[message.from]), "another sender");
            assert_eq!(opened.cloves, message.cloves, "other cloves");
            assert!(self.arrived.insert(message.number), "opened twice");
        }
        self.events();
    }

    fn damage(&mut self, which: u8, ops: &mut Ops<'_>) {
        let Some(message) = self.take(which) else { return };
        let mut body = message.body.to_vec();
        ops.change(&mut body);
        // Bytes 31 and 39 behind the length have bits that may mean nothing.
        let same = |at: usize| body.get(at) == message.body.get(at);
        let whole = body == message.body || !same(4 + 31) || !same(4 + 39);
        let damaged = Bytes::from(body);
        let opened = self.sides[message.to].decrypt(self.now, &damaged);
        if self.border.opened(&damaged, opened).is_some() {
            assert!(whole, "a damaged message opens");
            self.arrived.insert(message.number);
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.tick + time;
        for side in 0..SIDES {
            let mut calls = 0;
            while let Some(due) = self.sides[side].deadline().filter(|due| *due <= end) {
                calls += 1;
                assert!(calls < 3000, "due again and again");
                let at = due.max(self.now.tick);
                let date = self.now.date + at.saturating_since(self.now.tick);
                self.sides[side].handle_timeout(Now { tick: at, date });
            }
        }
        let passed = end.saturating_since(self.now.tick);
        self.now = Now { tick: Tick(end.0), date: self.now.date + passed };
    }

    fn events(&mut self) {
        for side in 0..SIDES {
            for events in 0.. {
                assert!(events < 5000, "events without end");
                let Some(event) = self.sides[side].poll_event() else { break };
                match event {
                    GarlicEvent::Acked(ack) => {
                        let number = self.asked[side].remove(&ack).expect("nobody asked, or it was said before");
                        assert!(self.arrived.contains(&number), "confirmed and not arrived");
                    }
                    GarlicEvent::SendDue(to) => {
                        let to = self.keys.iter().position(|key| *key == to).expect("a peer");
                        self.send(side, to, 0);
                    }
                    GarlicEvent::Ended(peer) => assert!(self.keys.contains(&peer)),
                }
            }
        }
        self.flying.truncate(200);
    }

    fn check(&self) {
        for side in &self.sides {
            crate::within_bounds(&mut |visit| side.bounds(visit));
        }
    }

    /// When nothing comes for long, everything is forgotten; and then it works again.
    fn end(&mut self) {
        self.flying.clear();
        self.pass(Duration::from_secs(1000));
        self.events();
        self.flying.clear();
        self.pass(Duration::from_secs(1000));
        self.events();
        for side in &self.sides {
            side.bounds(&mut |bound| {
                assert!(bound.fill == 0 || bound.name == "ratchet-new-sessions-seen", "{}: {} are kept", bound.name, bound.fill);
            });
        }
        for (from, to) in [(0, 1), (1, 0), (0, 1)] {
            self.send(from, to, 1);
            let message = self.flying.pop().expect("a message");
            self.open(&message);
            assert!(self.arrived.contains(&message.number), "nothing gets through any more");
        }
    }
}
