//! What is repeated has no effect. A few connection attempts and messages of every run are repeated to who had them, as by somebody who
//! recorded them; nothing but drops may come of that.
//!
//! A message that is known to have come is repeated once. One that was sent may have been lost on its way: then its first repetition
//! is the first of it that comes, so only the second one is judged.
//!
//! Most are repeated soon, while the message is good; some minutes later, when only what a router remembers tells that it came before.
//! Half of them come from another router, unless the protocol takes them from one only, as it does tunnel messages. Build requests and
//! garlic are repeated under another message id as well, and then, or late, with another expiration: everybody on the way can write new
//! ones, and what they hold is known by itself. Other messages aren't rewritten: a bare look-up under a new id is a new message.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick};

/// Of tunnel messages that are seen, one of so many is repeated.
const ONE_OF: u32 = 48;
/// Likewise of other messages, of which there are fewer.
const ONE_OTHER_OF: u32 = 8;
/// Likewise of connections.
const ONE_GREETING_OF: u32 = 4;
/// How long after; all within the time for which messages are good.
const AFTER_MILLIS: (u64, u64) = (1_000, 12_000);
/// One of so many is late.
const ONE_LATE_OF: u32 = 4;
/// Up to one of these times: routers remember for ten minutes at least.
const LATE_MILLIS: [u64; 3] = [40_000, 150_000, 540_000];
/// What was rewritten is good for so long.
const GOOD: Duration = Duration::from_secs(10);
/// Messages expire within so long of now, before or after, by clocks that routers live with.
const TIMELY: Duration = Duration::from_secs(90);
/// Waiting to be repeated to one router.
const MAX_WAITING: usize = 32;
/// So many of them may be late ones.
const MAX_LATE: usize = 16;

/// To be given to a router again.
pub(crate) enum Replay {
    /// As a new connection from there.
    Greeting { bytes: Bytes, remote: SocketAddr },
    /// On the session with that router. `judged`: it was there before.
    Message { from: RouterHash, message: I2npMessage, judged: bool },
}

/// See the module.
pub(crate) struct Replays {
    rng: SeededRng,
    waiting: BTreeMap<usize, BTreeMap<(Tick, u32), Replay>>,
}

impl Replays {
    pub(crate) fn new(rng: SeededRng) -> Self {
        Self { rng, waiting: BTreeMap::new() }
    }

    /// A router starts anew: what came before it doesn't remember, and need not.
    pub(crate) fn starts(&mut self, router: usize) {
        self.waiting.remove(&router);
    }

    fn chosen(&mut self, one_of: u32) -> bool {
        rng::below(&mut self.rng, one_of) == 0
    }

    /// How long after something it is repeated, and whether that is late.
    fn wait(&mut self) -> (Duration, bool) {
        let late = self.chosen(ONE_LATE_OF);
        let (least, most) = if late {
            let draw = usize::try_from(rng::below(&mut self.rng, 3)).unwrap_or(0);
            (AFTER_MILLIS.1, LATE_MILLIS.get(draw).copied().unwrap_or(AFTER_MILLIS.1))
        } else {
            AFTER_MILLIS
        };
        (Duration::from_millis(rng::between(&mut self.rng, least, most)), late)
    }

    fn repeat(&mut self, at: Tick, router: usize, late: bool, replay: Replay) {
        let draw = rng::below(&mut self.rng, u32::MAX);
        if self.has_room(router, late) {
            self.waiting.entry(router).or_default().insert((at, draw), replay);
        }
    }

    fn has_room(&self, router: usize, late: bool) -> bool {
        self.waiting.get(&router).is_none_or(|waiting| waiting.len() < if late { MAX_LATE } else { MAX_WAITING })
    }

    /// The first bytes on a connection came.
    pub(crate) fn greeting(&mut self, at: Tick, router: usize, bytes: &[u8]) {
        if self.chosen(ONE_GREETING_OF) {
            let host: [u8; 2] = rng::bytes(&mut self.rng);
            let remote = SocketAddr::from(([11, 200, host[0], host[1]], 40_000));
            let (after, late) = self.wait();
            self.repeat(at + after, router, late, Replay::Greeting { bytes: Bytes::copy_from_slice(bytes), remote });
        }
    }

    /// A message came to a router's engine, at this time by its clock. There are these routers.
    pub(crate) fn received(
        &mut self,
        at: Now,
        router: usize,
        from: Option<RouterHash>,
        message: &I2npMessage,
        all: &[RouterHash],
    ) {
        let one_of = if message.kind == MessageKind::TUNNEL_DATA { ONE_OF } else { ONE_OTHER_OF };
        // What comes as from another time may be refused at first, and be good later.
        let timely = message.expiration + TIMELY > at.date && message.expiration < at.date + TIMELY;
        let Some(from) = from.filter(|_| self.chosen(one_of) && timely) else { return };
        let mut message = message.clone();
        let (after, late) = self.wait();
        let known_by_itself = matches!(message.kind, MessageKind::SHORT_TUNNEL_BUILD | MessageKind::GARLIC);
        let relabelled = known_by_itself && self.chosen(2);
        if relabelled {
            message.id = MessageId(rng::below(&mut self.rng, u32::MAX));
        }
        if relabelled || known_by_itself && late {
            message.expiration = at.date + after + GOOD;
        }
        let from = if message.kind == MessageKind::TUNNEL_DATA { from } else { self.sender(router, from, all) };
        self.repeat(at.tick + after, router, late, Replay::Message { from, message, judged: true });
    }

    /// Who repeats to a router what came from there.
    fn sender(&mut self, router: usize, from: RouterHash, all: &[RouterHash]) -> RouterHash {
        let draw = rng::below(&mut self.rng, u32::try_from(all.len()).unwrap_or(0));
        let other = usize::try_from(draw).unwrap_or(0);
        if other == router || !self.chosen(2) { from } else { all.get(other).copied().unwrap_or(from) }
    }

    /// A message goes to a router, which may relay it.
    pub(crate) fn sent(&mut self, at: Tick, router: usize, from: RouterHash, message: &I2npMessage) {
        if self.chosen(ONE_OF) {
            let soon = at + Duration::from_millis(rng::between(&mut self.rng, AFTER_MILLIS.0, AFTER_MILLIS.1));
            self.repeat(soon, router, false, Replay::Message { from, message: message.clone(), judged: false });
        }
    }

    /// What is to be repeated now. What was sent in a router's name comes once more, and that is judged.
    pub(crate) fn due(&mut self, at: Tick, router: usize) -> Vec<Replay> {
        let Some(waiting) = self.waiting.get_mut(&router) else { return Vec::new() };
        let later = waiting.split_off(&(at, 0));
        let due: Vec<Replay> = std::mem::replace(waiting, later).into_values().collect();
        for replay in &due {
            if let Replay::Message { from, message, judged: false } = replay {
                let (after, late) = self.wait();
                self.repeat(at + after, router, late, Replay::Message { from: *from, message: message.clone(), judged: true });
            }
        }
        due
    }
}
