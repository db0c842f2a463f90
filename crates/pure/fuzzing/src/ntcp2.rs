//! Targets of `ramson-transport`: NTCP2 sessions, above all before they know who the peer is.

pub mod peer;
pub mod watched;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_transport::ntcp2::{Class, PeerAddress, ReplayCache, Session, TerminationReason};
use ramson_wire::{I2npMessage, MessageId, MessageKind};

use crate::ops::Ops;
use crate::seeds::routers::{NET_ID, Router, START, router};
use peer::{Initiator, Keys, Responder, request_options};
use watched::{Border, Sound, Watched};

/// Operations of the targets, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const RAW: u8 = 0;
    pub const REQUEST: u8 = 1;
    pub const CONFIRM: u8 = 2;
    pub const FRAME: u8 = 3;
    pub const PASS: u8 = 4;
    pub const SEND: u8 = 5;
    pub const CLOSE: u8 = 6;
    pub const REPLAY: u8 = 7;
    pub const BROKEN_FRAME: u8 = 8;
    pub const ROUTER_INFO: u8 = 9;
    pub const COUNT: u8 = 10;
}

/// A block: type, size, data.
pub fn block(kind: u8, data: &[u8]) -> Vec<u8> {
    let size = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind], size.as_slice(), data].concat()
}

/// The block of a router's RouterInfo.
pub fn router_info_block(router: &Router) -> Vec<u8> {
    block(2, &[&[0], router.info.bytes().as_ref()].concat())
}

/// Whether a payload begins with that block, with or without the flag to flood it.
fn is_router_info_of(router: &Router, payload: &[u8]) -> bool {
    let block = router_info_block(router);
    payload.get(..3) == block.get(..3) && payload.get(4..).is_some_and(|rest| rest.starts_with(&block[4..]))
}

/// The messages of a payload, as far as it can be read: a second reader, to compare.
fn messages_of(mut payload: &[u8]) -> (Vec<I2npMessage>, bool) {
    let mut messages = Vec::new();
    while let Some((head, rest)) = payload.split_at_checked(3) {
        let size = usize::from(u16::from_be_bytes([head[1], head[2]]));
        let Some((data, behind)) = rest.split_at_checked(size) else {
            return (messages, false);
        };
        match head[0] {
            3 => match I2npMessage::decode_short(data) {
                Ok(message) => messages.push(message),
                Err(_) => return (messages, false),
            },
            4 | 254 => return (messages, behind.is_empty() && head[0] == 254),
            _ => {}
        }
        payload = behind;
    }
    (messages, payload.is_empty())
}

/// The hostile side of a session with a responder.
struct Dialer {
    /// Who it is.
    own: Rc<Router>,
    target: Rc<Router>,
    handshake: Option<Initiator>,
    keys: Option<Keys>,
    first: Vec<u8>,
    /// Bytes that aren't a handshake were sent.
    garbage: bool,
    /// Message 1 was such that it may be answered.
    answerable: bool,
    /// Message 3 proved who it is.
    proven: bool,
    /// What message 1 announced.
    payload: Vec<u8>,
    /// Messages in frames that were in order.
    sent: Vec<I2npMessage>,
    /// Length of the frame that is coming.
    frame_length: Option<usize>,
}

impl Dialer {
    fn new() -> Self {
        Self {
            own: router(2),
            target: router(1),
            handshake: None,
            keys: None,
            first: Vec::new(),
            garbage: false,
            answerable: false,
            proven: false,
            payload: Vec::new(),
            sent: Vec::new(),
            frame_length: None,
        }
    }

    /// Message 1: right, but for what the operation changes in its options.
    fn request(&mut self, ops: &mut Ops<'_>) -> Vec<u8> {
        let padding = vec![9; usize::from(ops.byte())];
        let honest = router_info_block(&self.own);
        self.payload = match ops.byte() % 5 {
            0 | 1 => honest,
            2 => [honest.as_slice(), ops.part()].concat(),
            3 => {
                let mut changed = honest;
                ops.change(&mut changed);
                changed
            }
            _ => ops.long_part().to_vec(),
        };
        let part_2 = (self.payload.len() + 16).min(7000);
        self.payload.truncate(part_2 - 16);
        let mut options = request_options(NET_ID, padding.len(), part_2, START.date.to_seconds_rounded().0);
        ops.change(&mut options);
        let (handshake, message) = Initiator::request(&self.target.local, 5, &options, &padding);
        self.handshake = Some(handshake);
        let known = options[0] == NET_ID || options[0] == 0;
        if self.first.is_empty() {
            self.answerable = !self.garbage && known && options[1] == 2;
            self.first.clone_from(&message);
        } else {
            self.garbage = true;
        }
        message
    }

    /// Message 3, if message 2 came.
    fn confirm(&mut self, answer: &[u8], with_own_key: bool) -> Option<Vec<u8>> {
        let mut handshake = self.handshake.take()?;
        handshake.created(answer)?;
        let stranger = router(3);
        let key = if with_own_key { &self.own.local.static_key } else { &stranger.local.static_key };
        let (keys, message) = handshake.confirm(key, &self.payload);
        self.keys = Some(keys);
        self.proven = with_own_key && !self.garbage && is_router_info_of(&self.own, &self.payload);
        Some(message)
    }

    /// A genuine frame.
    fn frame(&mut self, blocks: &[u8]) -> Vec<u8> {
        let Some(keys) = &mut self.keys else { return Vec::new() };
        self.sent.extend(messages_of(blocks).0);
        keys.to_responder.seal(blocks)
    }

    /// Reads what the session wrote after the handshake: all of it must be genuine frames.
    fn read(&mut self, written: &mut Vec<u8>) {
        if let Some(keys) = &mut self.keys {
            let frames = keys.to_initiator.open(written, &mut self.frame_length).expect("frames are genuine");
            assert!(frames.iter().all(|frame| well_formed(frame)), "a payload that can't be read");
        }
    }
}

/// Blocks one behind the other, up to the end.
fn well_formed(mut payload: &[u8]) -> bool {
    while let [_, high, low, rest @ ..] = payload {
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(behind) = rest.get(size..) else { return false };
        payload = behind;
    }
    payload.is_empty()
}

fn message(len: usize) -> I2npMessage {
    let expiration = START.date + Duration::from_secs(3600);
    I2npMessage::new(MessageKind::DATA, MessageId(5), expiration, vec![7; len])
}

fn send(session: &mut Session, now: ramson_wire::Now, ops: &mut Ops<'_>) {
    let class = [Class::Control, Class::Own, Class::Transit][usize::from(ops.byte() % 3)];
    let len = usize::from(ops.number());
    for _ in 0..=ops.byte() % 40 {
        let _refused = session.send(now, message(len), class);
    }
}

/// Target: a responder, from the first byte.
pub fn responder(data: &[u8]) {
    responder_with(data, &mut Sound);
}

/// [`responder`] with a border of one's own.
pub fn responder_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let (mut dialer, mut replay) = (Dialer::new(), ReplayCache::new());
    dial(&mut ops, &mut dialer, &mut replay, border, false);
}

/// Target: the data phase, after a handshake in order.
pub fn data_phase(data: &[u8]) {
    data_phase_with(data, &mut Sound);
}

/// [`data_phase`] with a border of one's own.
pub fn data_phase_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let (mut dialer, mut replay) = (Dialer::new(), ReplayCache::new());
    dial(&mut ops, &mut dialer, &mut replay, border, true);
}

fn dial(ops: &mut Ops<'_>, dialer: &mut Dialer, replay: &mut ReplayCache, border: &mut impl Border, shake_hands: bool) {
    let rng = Box::new(SeededRng::new([4; 32]));
    let session = Session::respond(START, &dialer.target.local, dialer.own.address.ip(), rng);
    let info = dialer.target.info.bytes().clone();
    let mut watched = Watched::new(START, session, &info, replay, border);
    if shake_hands {
        let first = dialer.request(&mut Ops::new(&[]));
        watched.bytes(&first);
        let third = dialer.confirm(&std::mem::take(&mut watched.written), true).expect("an answer");
        watched.bytes(&third);
        assert_eq!(watched.established, Some(dialer.own.hash()));
    }
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 200) {
        operations += 1;
        let again = step(op, ops, dialer, &mut watched);
        check_responder(dialer, &mut watched);
        if again {
            break;
        }
    }
    watched.eof();
    watched.bytes(&[0; 40]);
    watched.pass(Duration::from_secs(1000));
    check_responder(dialer, &mut watched);
    let first = std::mem::take(&mut dialer.first);
    if watched.established.is_some() {
        replayed(&first, dialer, replay, border, &info);
    }
}

/// The first message of a session that stood, on another connection.
fn replayed(first: &[u8], dialer: &Dialer, replay: &mut ReplayCache, border: &mut impl Border, info: &Bytes) {
    let rng = Box::new(SeededRng::new([5; 32]));
    let session = Session::respond(START, &dialer.target.local, dialer.own.address.ip(), rng);
    let mut watched = Watched::new(START, session, info, replay, border);
    watched.bytes(first);
    assert!(watched.written.is_empty(), "a replayed message is answered");
}

fn step<B: Border>(op: u8, ops: &mut Ops<'_>, dialer: &mut Dialer, watched: &mut Watched<'_, B>) -> bool {
    match op {
        op::RAW => {
            let bytes = ops.part();
            dialer.garbage |= !bytes.is_empty();
            watched.bytes(bytes);
        }
        op::REQUEST => {
            let piece = usize::from(ops.byte());
            let message = dialer.request(ops);
            watched.pieces(&message, piece);
        }
        op::CONFIRM => {
            let (piece, own) = (usize::from(ops.byte()), ops.byte() != 1);
            let answer = if dialer.keys.is_none() { std::mem::take(&mut watched.written) } else { Vec::new() };
            if let Some(message) = dialer.confirm(&answer, own) {
                watched.pieces(&message, piece);
            }
        }
        op::FRAME => {
            let piece = usize::from(ops.byte());
            let frame = dialer.frame(ops.long_part());
            watched.pieces(&frame, piece);
        }
        op::PASS => watched.pass(Duration::from_millis(u64::from(ops.number()) * 10)),
        op::SEND => watched.call(|session, now| send(session, now, ops)),
        op::CLOSE => {
            watched.call(|session, now| session.close(now, TerminationReason::Normal));
            assert!(watched.closed.is_some());
        }
        op::BROKEN_FRAME => {
            let sent = dialer.sent.len();
            let mut frame = dialer.frame(ops.part());
            let honest = frame.clone();
            ops.change(&mut frame);
            if frame != honest {
                dialer.sent.truncate(sent);
                dialer.garbage = true;
            }
            watched.bytes(&frame);
        }
        op::ROUTER_INFO => {
            let mut bytes = router_info_block(&router(ops.byte()));
            ops.change(&mut bytes);
            let frame = dialer.frame(&bytes);
            watched.bytes(&frame);
        }
        _ => return true,
    }
    false
}

fn check_responder<B>(dialer: &mut Dialer, watched: &mut Watched<'_, B>) {
    assert!(dialer.answerable || watched.written.is_empty(), "an answer to a stranger");
    assert!(watched.established.is_none_or(|peer| dialer.proven && peer == dialer.own.hash()), "established with whom?");
    assert!(dialer.sent.starts_with(&watched.messages), "a message that nobody sent");
    if watched.established.is_some() {
        dialer.read(&mut watched.written);
    }
}

/// Target: an initiator, and who answers isn't nice.
pub fn initiator(data: &[u8]) {
    initiator_with(data, &mut Sound);
}

/// [`initiator`] with a border of one's own.
pub fn initiator_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let (own, target) = (router(2), router(1));
    let peer = PeerAddress { hash: target.hash(), static_key: target.local.static_key.public(), iv: target.local.iv };
    let mut replay = ReplayCache::new();
    let rng = Box::new(SeededRng::new([4; 32]));
    let session = Session::initiate(START, &own.local, own.info.bytes(), &peer, rng);
    let mut watched = Watched::new(START, session, own.info.bytes(), &mut replay, border);
    let mut answering = Answering {
        own: target,
        handshake: None,
        keys: None,
        genuine: false,
        honest: false,
        garbage: false,
        sent: Vec::new(),
        frame_length: None,
    };
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 200) {
        operations += 1;
        answering.step(op, &mut ops, &mut watched, &own);
        assert!(
            watched.established.is_none_or(|peer| answering.genuine && peer == answering.own.hash()),
            "established with whom?"
        );
        assert!(answering.sent.starts_with(&watched.messages), "a message that nobody sent");
    }
    watched.eof();
    watched.pass(Duration::from_secs(1000));
}

/// The hostile side of a session with an initiator.
struct Answering {
    own: Rc<Router>,
    handshake: Option<Responder>,
    keys: Option<Keys>,
    /// Message 2 was made with the right keys.
    genuine: bool,
    /// And in order.
    honest: bool,
    /// Bytes that aren't a handshake were sent.
    garbage: bool,
    sent: Vec<I2npMessage>,
    frame_length: Option<usize>,
}

impl Answering {
    fn step<B: Border>(&mut self, op: u8, ops: &mut Ops<'_>, watched: &mut Watched<'_, B>, initiator: &Router) {
        match op {
            op::RAW => {
                let bytes = ops.part();
                self.garbage |= !bytes.is_empty();
                watched.bytes(bytes);
            }
            op::REQUEST => self.create(ops, watched),
            op::CONFIRM => self.confirmed(watched, initiator),
            op::FRAME | op::ROUTER_INFO | op::BROKEN_FRAME => {
                let piece = usize::from(ops.byte());
                let blocks = ops.long_part();
                let Some(keys) = &mut self.keys else { return };
                self.sent.extend(messages_of(blocks).0);
                let mut frame = keys.to_initiator.seal(blocks);
                if op == op::BROKEN_FRAME {
                    ops.change(&mut frame);
                }
                watched.pieces(&frame, piece);
                let frames = keys.to_responder.open(&mut watched.written, &mut self.frame_length).expect("frames are genuine");
                assert!(frames.iter().all(|frame| well_formed(frame)), "a payload that can't be read");
            }
            op::PASS => watched.pass(Duration::from_millis(u64::from(ops.number()) * 10)),
            op::SEND => watched.call(|session, now| send(session, now, ops)),
            _ => watched.call(|session, now| session.close(now, TerminationReason::Other(ops.byte()))),
        }
    }

    /// Message 2: right, but for what the operation changes.
    fn create<B: Border>(&mut self, ops: &mut Ops<'_>, watched: &mut Watched<'_, B>) {
        let piece = usize::from(ops.byte());
        let padding = vec![9; usize::from(ops.byte())];
        let mut options = [0; 16];
        options[2..4].copy_from_slice(&u16::try_from(padding.len()).unwrap_or(0).to_be_bytes());
        options[8..12].copy_from_slice(&START.date.to_seconds_rounded().0.to_be_bytes());
        let right = options;
        ops.change(&mut options);
        if self.genuine || watched.closed.is_some() {
            return;
        }
        let request = std::mem::take(&mut watched.written);
        let mut handshake = Responder::requested(&self.own.local, &request).expect("message 1 is in order");
        let said = handshake.options;
        assert_eq!((said[0], said[1]), (NET_ID, 2));
        assert_eq!(usize::from(u16::from_be_bytes([said[2], said[3]])) + 64, request.len(), "the padding is another");
        let mut message = handshake.create(&self.own.local, &options, &padding);
        let genuine = message.clone();
        ops.change(&mut message);
        // What is claimed of the padding decides where it ends, and what stands in the handshake hash.
        self.honest = !self.garbage && options == right && message == genuine;
        self.handshake = Some(handshake);
        self.genuine = true;
        watched.pieces(&message, piece);
    }

    /// Message 3, if it came, says who dials.
    fn confirmed<B: Border>(&mut self, watched: &mut Watched<'_, B>, initiator: &Router) {
        if watched.established.is_none() || self.keys.is_some() {
            return;
        }
        let Some(handshake) = self.handshake.take() else { return };
        let part_2 = usize::from(u16::from_be_bytes([handshake.options[4], handshake.options[5]]));
        let message: Vec<u8> = watched.written.drain(..48 + part_2).collect();
        let confirmed = handshake.confirmed(&message);
        assert!(confirmed.is_some() || !self.honest, "message 3 can't be read");
        let Some((keys, key, payload)) = confirmed else { return };
        assert_eq!(key.0, initiator.local.static_key.public().0);
        assert!(payload.starts_with(&router_info_block(initiator)), "another RouterInfo");
        self.keys = Some(keys);
    }
}
