//! Target: what a peer says behind its own keys. Blocks that are damaged, invented or misplaced are sealed as they should be:
//! in sessions, under keys for one use, and to routers.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::aead;
use ramson_crypto::meter::{self, Work};
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_engine::fuzz::{Garlic, GarlicEvent, Opened, open_to_router};
use ramson_wire::{
    CloveDelivery, DestinationHash, GarlicBlock, GarlicClove, I2npMessage, MessageId, MessageKind, Now, RouterHash, Seconds32,
    TunnelId, garlic,
};

use crate::engine::seal_to;
use crate::ops::Ops;
use crate::seeds::routers::START;

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const RAW: u8 = 0;
    pub const BLOCKS: u8 = 1;
    pub const REPEAT: u8 = 2;
    pub const SEND: u8 = 3;
    pub const ANSWER: u8 = 4;
    pub const TALK: u8 = 5;
    pub const ROUTER: u8 = 6;
    pub const ONE_TIME: u8 = 7;
    pub const PASS: u8 = 8;
    pub const COUNT: u8 = 9;
}

/// Blocks of [`op::BLOCKS`], by number.
pub mod block {
    #![allow(missing_docs, reason = "named by what they are")]
    pub const DATE: u8 = 0;
    pub const CLOVE: u8 = 1;
    pub const ACK: u8 = 2;
    pub const ACK_REQUEST: u8 = 3;
    pub const NEXT_KEY: u8 = 4;
    pub const NUMBER: u8 = 5;
    pub const TERMINATION: u8 = 6;
    pub const OPTIONS: u8 = 7;
    pub const PADDING: u8 = 8;
    pub const COUNT: u8 = 9;
}

/// What stands between the sessions of who is attacked and their owner. The sound one changes nothing.
pub trait Border {
    /// What became of a message with this payload.
    fn opened(&mut self, payload: &[u8], opened: Option<Opened>) -> Option<Opened> {
        let _ = payload;
        opened
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// Runs the target.
pub fn payloads(data: &[u8]) {
    payloads_with(data, &mut Sound);
}

/// [`payloads`] with a border of one's own.
pub fn payloads_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let [victim, hostile, honest] = [1, 2, 3].map(|seed| Garlic::new([seed; 32], seed));
    let keys = [1, 2, 3].map(|key| PrivateKey::from_bytes(&[key; 32]).public());
    let mut world =
        World { border, now: START, victim, hostile, honest, keys, last: None, asked: BTreeSet::new(), number: 0, tame: true };
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 200) {
        operations += 1;
        world.step(op, &mut ops);
        world.events();
        crate::within_bounds(&mut |visit| world.victim.bounds(visit));
    }
    world.end();
}

struct World<'a, B> {
    border: &'a mut B,
    now: Now,
    victim: Garlic,
    hostile: Garlic,
    honest: Garlic,
    /// Of the three, in this order.
    keys: [PublicKey; 3],
    last: Option<Bytes>,
    /// Confirmations that the victim waits for.
    asked: BTreeSet<u64>,
    number: u32,
    /// The hostile peer has said nothing yet that may cost it its session, and been there all the time.
    tame: bool,
}

fn clove(number: u32, now: Now, how: u8) -> GarlicClove {
    let expiration = Seconds32(now.date.to_seconds_floor().0 + 60).to_date();
    let message = I2npMessage::new(MessageKind::DATA, MessageId(number), expiration, vec![how; usize::from(how)]);
    let delivery = match how % 4 {
        0 => CloveDelivery::Local,
        1 => CloveDelivery::Destination(DestinationHash([how; 32])),
        2 => CloveDelivery::Router(RouterHash([how; 32])),
        _ => CloveDelivery::Tunnel { gateway: RouterHash([how; 32]), tunnel: TunnelId::new(9).unwrap() },
    };
    GarlicClove { delivery, message }
}

/// As an honest reader takes a payload; nothing if it must be refused.
fn read(now: Now, payload: &[u8], dated: bool) -> Option<Vec<GarlicClove>> {
    let blocks = garlic::parse_blocks(payload).ok()?;
    if dated {
        let Some(GarlicBlock::DateTime(date)) = blocks.first() else { return None };
        let (early, late) = (now.date - Duration::from_secs(300), now.date + Duration::from_secs(120));
        Some(()).filter(|()| (early..=late).contains(&date.to_date()))?;
    }
    let clove = |block| if let GarlicBlock::Clove(clove) = block { Some(clove) } else { None };
    Some(blocks.into_iter().filter_map(clove).collect())
}

/// Whether a payload changes a session beyond its being heard.
fn changes(payload: &[u8]) -> bool {
    let changes =
        |block| matches!(block, GarlicBlock::NextKey { .. } | GarlicBlock::MessageNumber(_) | GarlicBlock::Termination { .. });
    garlic::parse_blocks(payload).is_ok_and(|blocks| blocks.into_iter().any(changes))
}

impl<B: Border> World<'_, B> {
    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        match op {
            op::RAW => {
                let payload = ops.long_part();
                self.say(payload);
            }
            op::BLOCKS => {
                let payload = self.blocks(ops);
                self.say(&payload);
            }
            op::REPEAT => {
                if let Some(body) = self.last.clone() {
                    assert!(self.decrypt(&body).is_none(), "opened twice");
                }
            }
            op::SEND => self.send(),
            op::ANSWER => self.answer(ops.byte()),
            op::TALK => self.talk(),
            op::ROUTER => {
                let payload = self.blocks(ops);
                self.send_to_router(&payload);
            }
            op::ONE_TIME => {
                let payload = self.blocks(ops);
                self.one_time(&payload);
            }
            _ => {
                self.tame = false;
                self.pass(Duration::from_millis(u64::from(ops.number()) * 20));
            }
        }
    }

    /// Blocks as the operation says, nearly.
    fn blocks(&mut self, ops: &mut Ops<'_>) -> Vec<u8> {
        let mut blocks = Vec::new();
        for _ in 0..ops.byte() % 80 {
            let (kind, how) = (ops.byte() % block::COUNT, ops.byte());
            blocks.push(match kind {
                block::DATE => {
                    let date = self.now.date.to_seconds_floor().0;
                    GarlicBlock::DateTime(Seconds32(if how < 128 {
                        date + u32::from(how)
                    } else {
                        date - 4 * u32::from(how - 128)
                    }))
                }
                block::CLOVE => GarlicBlock::Clove(clove(self.number, self.now, how)),
                block::ACK => GarlicBlock::Ack((0..u16::from(how % 32)).map(|at| (u16::from(how / 32), at)).collect()),
                block::ACK_REQUEST => GarlicBlock::AckRequest,
                block::NEXT_KEY => {
                    let key = match how / 8 % 4 {
                        0 => None,
                        1 => Some(PublicKey([0; 32])),
                        _ => Some(PrivateKey::from_bytes(&[how; 32]).public()),
                    };
                    GarlicBlock::NextKey { flags: how % 8, id: u16::from(how / 32 % 4), key }
                }
                block::NUMBER => GarlicBlock::MessageNumber(u16::from(how)),
                block::TERMINATION => GarlicBlock::Termination { reason: how },
                block::OPTIONS => GarlicBlock::Options(vec![how; usize::from(how % 9)].into()),
                _ => GarlicBlock::Padding(usize::from(how)),
            });
        }
        let mut payload = garlic::encode_blocks(&blocks);
        ops.change(&mut payload);
        payload.extend_from_slice(ops.part());
        payload
    }

    /// What the victim makes of a message, at a price that nobody can raise.
    fn decrypt(&mut self, body: &Bytes) -> Option<Opened> {
        let _ = meter::take();
        let opened = self.victim.decrypt(self.now, body);
        let Work { key_agreements, key_generations, signatures, verifications, aead_calls, hmac_calls, hash_bytes, .. } =
            meter::take();
        assert!(key_agreements <= 2 && key_generations <= 1, "{key_agreements} agreements, {key_generations} new keys");
        assert!(signatures == 0 && verifications == 0 && aead_calls <= 2, "{aead_calls} openings");
        let len = u64::try_from(body.len()).unwrap();
        assert!(hmac_calls <= MAX_HMACS && hash_bytes <= len + 500, "{hmac_calls} HMACs, {hash_bytes} bytes hashed of {len}");
        opened
    }

    /// The hostile peer says it, where its sessions would.
    fn say(&mut self, payload: &[u8]) {
        let Some((body, new)) = self.hostile.encrypt_raw(self.now, &self.keys[0], payload) else { return };
        let expected = read(self.now, payload, new);
        let (before, tags) = (self.victim.fingerprint(), tags(&self.victim));
        let opened = self.decrypt(&body);
        match (self.border.opened(payload, opened), expected) {
            (Some(opened), Some(cloves)) => {
                assert_eq!(opened.peer, Some(self.keys[1]), "another sender");
                assert_eq!(opened.cloves, cloves, "other cloves");
                self.tame &= !changes(payload);
            }
            (Some(_), None) => panic!("a malformed message counts"),
            (None, Some(_)) => assert!(!self.tame, "a good message is refused"),
            (None, None) => {
                assert!(self::tags(&self.victim) + usize::from(!new) >= tags, "more than one tag is lost");
                assert!(!new || self.victim.fingerprint() == before, "a new session that is refused changed something");
                // A message that can't be read costs itself and no session.
                if self.tame && !new {
                    self.send();
                }
            }
        }
        self.last = Some(body);
    }

    /// The hostile peer writes as others do.
    fn send(&mut self) {
        self.number += 1;
        let cloves = [clove(self.number, self.now, 4)];
        let Some(sealed) = self.hostile.encrypt(self.now, &self.keys[0], &cloves, false) else { return };
        let opened = self.decrypt(&sealed.body);
        assert!(opened.is_some() || !self.tame, "the session is lost");
        assert!(opened.is_none_or(|opened| opened.cloves == cloves && opened.peer == Some(self.keys[1])), "another message");
    }

    /// The victim writes to the hostile peer, who may hear it or not.
    fn answer(&mut self, how: u8) {
        let cloves: Vec<GarlicClove> = (0..how % 2).map(|_| clove(self.number, self.now, how)).collect();
        let Some(sealed) = self.victim.encrypt(self.now, &self.keys[1], &cloves, how & 2 != 0) else { return };
        if let Some(ack) = sealed.ack {
            assert!(self.asked.insert(ack), "a name twice");
        }
        if how & 4 == 0 {
            self.hostile.decrypt(self.now, &sealed.body);
        }
    }

    /// Somebody else and the victim talk, whatever the hostile peer did.
    fn talk(&mut self) {
        self.number += 1;
        let cloves = [clove(self.number, self.now, 8)];
        let to_victim = self.honest.encrypt(self.now, &self.keys[0], &cloves, false).expect("a message");
        let opened = self.decrypt(&to_victim.body).expect("an honest message opens");
        assert_eq!((opened.peer, opened.cloves.as_slice()), (Some(self.keys[2]), cloves.as_slice()));
        let answer = self.victim.encrypt(self.now, &self.keys[2], &cloves, false).expect("an answer");
        let opened = self.honest.decrypt(self.now, &answer.body).expect("an answer opens");
        assert_eq!((opened.peer, opened.cloves.as_slice()), (Some(self.keys[0]), cloves.as_slice()));
    }

    fn send_to_router(&mut self, payload: &[u8]) {
        self.number += 1;
        let own = PrivateKey::from_bytes(&[9; 32]);
        let sealed = seal_to(&own.public(), self.number, &[], payload);
        assert_eq!(open_to_router(self.now, &own, &with_len(&sealed)), read(self.now, payload, true));
    }

    fn one_time(&mut self, payload: &[u8]) {
        self.number += 1;
        let tag = u64::from(self.number).to_le_bytes();
        self.victim.expect(self.now, tag, [7; 32]);
        let mut sealed = tag.to_vec();
        sealed.extend_from_slice(payload);
        aead::Key::new(&[7; 32]).seal_from(aead::nonce(0), &tag, &mut sealed, tag.len());
        let opened = self.decrypt(&with_len(&sealed));
        let expected = read(self.now, payload, false).map(|cloves| Opened { peer: None, cloves });
        assert_eq!(self.border.opened(payload, opened), expected);
    }

    fn pass(&mut self, time: Duration) {
        let end = Now { tick: self.now.tick + time, date: self.now.date + time };
        for side in [&mut self.victim, &mut self.hostile, &mut self.honest] {
            let mut calls = 0;
            while let Some(due) = side.deadline().filter(|due| *due <= end.tick) {
                calls += 1;
                assert!(calls < 3000, "due again and again");
                let tick = due.max(self.now.tick);
                side.handle_timeout(Now { tick, date: self.now.date + tick.saturating_since(self.now.tick) });
            }
        }
        self.now = end;
    }

    fn events(&mut self) {
        for from in [1, 2] {
            let side = if from == 1 { &mut self.hostile } else { &mut self.honest };
            let mut due = false;
            while let Some(event) = side.poll_event() {
                due |= matches!(event, GarlicEvent::SendDue(_));
            }
            match from {
                1 if due => self.send(),
                2 if due => self.talk(),
                _ => {}
            }
        }
        for events in 0.. {
            assert!(events < 1000, "events without end");
            match self.victim.poll_event() {
                Some(GarlicEvent::Acked(ack)) => assert!(self.asked.remove(&ack), "nobody asked, or it was said before"),
                Some(GarlicEvent::SendDue(to)) if to == self.keys[2] => {
                    let sealed = self.victim.encrypt(self.now, &to, &[], false).expect("a message");
                    self.honest.decrypt(self.now, &sealed.body).expect("an answer opens");
                }
                Some(GarlicEvent::SendDue(_)) => self.answer(0),
                Some(GarlicEvent::Ended(_)) => {}
                None => break,
            }
        }
    }

    /// When nothing came for long the past doesn't count.
    fn end(&mut self) {
        for _ in 0..2 {
            self.pass(Duration::from_secs(1000));
            self.events();
        }
        self.hostile = Garlic::new([2; 32], 4);
        self.tame = true;
        self.talk();
        self.send();
        self.answer(0);
        self.send();
        self.talk();
    }
}

/// Most HMACs for a message: tags of a window for each key that it may bring, and those of a handshake.
const MAX_HMACS: u64 = 400;

fn with_len(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).unwrap();
    [&len.to_be_bytes(), message].concat().into()
}

fn tags(side: &Garlic) -> usize {
    let mut tags = 0;
    side.bounds(&mut |bound| {
        if bound.name == "ratchet-tags" {
            tags = bound.fill;
        }
    });
    tags
}
