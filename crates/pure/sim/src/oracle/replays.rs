//! What is repeated has no effect. A few connection attempts and messages of every run are repeated to who had them, as by somebody who
//! recorded them; nothing but drops may come of that.
//!
//! A message that is known to have come is repeated once. One that was sent may have been lost on its way: then its first repetition
//! is the first of it that comes, so only the second one is judged. Build requests and garlic are repeated with another message id
//! as well: everybody on the way can write a new one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{I2npMessage, MessageId, MessageKind, RouterHash, Tick};

/// Of tunnel messages that are seen, one of so many is repeated.
const ONE_OF: u32 = 48;
/// Likewise of other messages, of which there are fewer.
const ONE_OTHER_OF: u32 = 8;
/// Likewise of connections.
const ONE_GREETING_OF: u32 = 4;
/// How long after; all within the time for which messages are good.
const AFTER_MILLIS: (u64, u64) = (1_000, 12_000);
/// Waiting to be repeated to one router.
const MAX_WAITING: usize = 32;

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

    fn repeat(&mut self, at: Tick, router: usize, replay: Replay) -> Tick {
        let after = Duration::from_millis(rng::between(&mut self.rng, AFTER_MILLIS.0, AFTER_MILLIS.1));
        let draw = rng::below(&mut self.rng, u32::MAX);
        let waiting = self.waiting.entry(router).or_default();
        if waiting.len() < MAX_WAITING {
            waiting.insert((at + after, draw), replay);
        }
        at + after
    }

    /// The first bytes on a connection came.
    pub(crate) fn greeting(&mut self, at: Tick, router: usize, bytes: &[u8]) {
        if self.chosen(ONE_GREETING_OF) {
            let host: [u8; 2] = rng::bytes(&mut self.rng);
            let remote = SocketAddr::from(([11, 200, host[0], host[1]], 40_000));
            self.repeat(at, router, Replay::Greeting { bytes: Bytes::copy_from_slice(bytes), remote });
        }
    }

    /// A message came to a router's engine.
    pub(crate) fn received(&mut self, at: Tick, router: usize, from: Option<RouterHash>, message: &I2npMessage) {
        let one_of = if message.kind == MessageKind::TUNNEL_DATA { ONE_OF } else { ONE_OTHER_OF };
        let Some(from) = from.filter(|_| self.chosen(one_of)) else { return };
        let mut message = message.clone();
        let relabelled = matches!(message.kind, MessageKind::SHORT_TUNNEL_BUILD | MessageKind::GARLIC) && self.chosen(2);
        if relabelled {
            message.id = MessageId(rng::below(&mut self.rng, u32::MAX));
        }
        self.repeat(at, router, Replay::Message { from, message, judged: true });
    }

    /// A message goes to a router, which may relay it.
    pub(crate) fn sent(&mut self, at: Tick, router: usize, from: RouterHash, message: &I2npMessage) {
        if self.chosen(ONE_OF) {
            let again = |judged| Replay::Message { from, message: message.clone(), judged };
            let after = self.repeat(at, router, again(false));
            self.repeat(after, router, again(true));
        }
    }

    /// What is to be repeated now.
    pub(crate) fn due(&mut self, at: Tick, router: usize) -> Vec<Replay> {
        let Some(waiting) = self.waiting.get_mut(&router) else { return Vec::new() };
        let later = waiting.split_off(&(at, 0));
        std::mem::replace(waiting, later).into_values().collect()
    }
}
