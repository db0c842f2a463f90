//! Messages waiting for the socket, in three classes, clear until a frame takes them.
//!
//! Order: control, own, transit. Own traffic is held back at its source by the lane's congestion signal long before its
//! limit here; what goes beyond is refused and counted, never dropped later. Transit is dropped by age
//! (CoDel: Nichols and Jacobson, "Controlling Queue Delay"), so that a queue that only bridges a burst loses nothing and a
//! standing one gets shorter; beyond its byte limit the oldest go first.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::i2np::MAX_BODY_LEN;
use ramson_wire::{I2npMessage, Now, Tick};

use super::blocks::HEADER_LEN;

/// Most bytes of control messages waiting; beyond, they are refused and counted.
pub const CONTROL_LIMIT_BYTES: usize = 256 * 1024;
/// Most bytes of own messages waiting; beyond, they are refused and counted.
pub const OWN_LIMIT_BYTES: usize = 1024 * 1024;
/// Most bytes of transit messages waiting; beyond, the oldest are dropped and counted.
pub const TRANSIT_LIMIT_BYTES: usize = 1024 * 1024;

/// Waiting time that transit may have for long: a fifth of a tunnel's usual round trip.
const TRANSIT_TARGET: Duration = Duration::from_millis(100);
/// How long transit must wait longer than that before the first is dropped: the order of a tunnel's round trip.
const TRANSIT_INTERVAL: Duration = Duration::from_secs(1);
/// Transit older than this is dropped whatever the rest of the queue does.
const TRANSIT_MAX_AGE: Duration = Duration::from_secs(2);
/// Transit so long past its expiration is dropped: other routers' clocks may be wrong by as much (Java and i2pd: 60 s).
const TRANSIT_EXPIRED_BY: Duration = Duration::from_secs(60);
/// A queue with no more than this isn't standing.
const TRANSIT_FLOOR_BYTES: usize = 4 * 1100;

/// What a message is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Short and urgent: RouterInfos, replies of builds.
    Control,
    /// Of our own tunnels and our netDb.
    Own,
    /// Relayed for others.
    Transit,
}

/// How much is waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// Messages.
    pub messages: usize,
    /// Bytes that they will take in frames.
    pub bytes: usize,
}

/// How much is waiting in each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Control messages and RouterInfos.
    pub control: Fill,
    /// Own messages.
    pub own: Fill,
    /// Transit messages.
    pub transit: Fill,
}

/// Messages that were not sent, by the limit that stopped them. Totals since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Control messages refused beyond [`CONTROL_LIMIT_BYTES`].
    pub control_refused: u64,
    /// Own messages refused beyond [`OWN_LIMIT_BYTES`].
    pub own_refused: u64,
    /// Messages refused for their size.
    pub too_large: u64,
    /// Transit dropped because it waited too long.
    pub transit_aged: u64,
    /// Transit dropped because its expiration passed here.
    pub transit_expired: u64,
    /// Transit dropped beyond [`TRANSIT_LIMIT_BYTES`].
    pub transit_overflow: u64,
    /// Transit dropped because all sessions together held too much.
    pub transit_shed: u64,
    /// Messages that were still waiting when the session closed.
    pub unsent: u64,
    /// RouterInfos received and not looked at, beyond the allowed rate or malformed.
    pub router_infos_ignored: u64,
}

/// Why a message wasn't queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue of its class is at its limit.
    #[error("send queue full")]
    Full,
    /// No frame can hold it, or no peer would take it.
    #[error("message too large")]
    TooLarge,
    /// The session is closed.
    #[error("session closed")]
    Closed,
}

/// Something to put in a frame.
pub(crate) enum Item {
    Message(I2npMessage),
    RouterInfo { bytes: Bytes, flood: bool },
}

impl Item {
    /// Bytes as a block. A RouterInfo goes with a DateTime block.
    fn len(&self) -> usize {
        match self {
            Self::Message(message) => HEADER_LEN + message.short_len(),
            Self::RouterInfo { bytes, .. } => HEADER_LEN + 4 + HEADER_LEN + 1 + bytes.len(),
        }
    }
}

/// First in, first out, with the sum of lengths.
#[derive(Default)]
struct Fifo {
    items: VecDeque<(Tick, Item)>,
    bytes: usize,
}

impl Fifo {
    fn push(&mut self, tick: Tick, item: Item) {
        self.bytes += item.len();
        self.items.push_back((tick, item));
    }

    fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.len());
        Some(item)
    }

    /// The first item, if it fits.
    fn pop_within(&mut self, room: usize) -> Option<Item> {
        let (_, first) = self.items.front()?;
        if first.len() > room { None } else { self.pop() }
    }

    fn fill(&self) -> Fill {
        Fill { messages: self.items.len(), bytes: self.bytes }
    }
}

/// CoDel's state: since when waiting times are too long, and when to drop next.
#[derive(Default)]
struct Codel {
    above_until: Option<Tick>,
    dropping: bool,
    next_drop: Tick,
    count: u32,
}

impl Codel {
    /// Whether the message at the head, which waited for `waited`, is to be dropped.
    fn drops(&mut self, now: Tick, waited: Duration, bytes: usize) -> bool {
        if !self.standing(now, waited, bytes) {
            self.dropping = false;
            return false;
        }
        if !self.dropping {
            self.dropping = true;
            // Soon after the last spell, go on near the rate that had worked.
            let recent = now.saturating_since(self.next_drop) < TRANSIT_INTERVAL * 16;
            self.count = if recent && self.count > 2 { self.count - 2 } else { 1 };
            self.next_drop = now + self.gap();
            return true;
        }
        if now < self.next_drop {
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.next_drop = self.next_drop + self.gap();
        true
    }

    fn standing(&mut self, now: Tick, waited: Duration, bytes: usize) -> bool {
        if waited < TRANSIT_TARGET || bytes <= TRANSIT_FLOOR_BYTES {
            self.above_until = None;
            return false;
        }
        now >= *self.above_until.get_or_insert(now + TRANSIT_INTERVAL)
    }

    fn gap(&self) -> Duration {
        TRANSIT_INTERVAL / self.count.isqrt().max(1)
    }
}

/// The three queues of one session.
#[derive(Default)]
pub(crate) struct SendQueues {
    control: Fifo,
    own: Fifo,
    transit: Fifo,
    codel: Codel,
    pub(crate) drops: Drops,
}

impl SendQueues {
    pub(crate) fn push(&mut self, now: Now, message: I2npMessage, class: Class) -> Result<(), SendError> {
        if message.body.len() > MAX_BODY_LEN {
            self.drops.too_large += 1;
            return Err(SendError::TooLarge);
        }
        self.push_item(now, Item::Message(message), class)
    }

    pub(crate) fn push_router_info(&mut self, now: Now, bytes: Bytes, flood: bool) -> Result<(), SendError> {
        if bytes.len() > super::blocks::MAX_ROUTER_INFO {
            self.drops.too_large += 1;
            return Err(SendError::TooLarge);
        }
        self.push_item(now, Item::RouterInfo { bytes, flood }, Class::Control)
    }

    fn push_item(&mut self, now: Now, item: Item, class: Class) -> Result<(), SendError> {
        match class {
            Class::Control if self.control.bytes + item.len() > CONTROL_LIMIT_BYTES => {
                self.drops.control_refused += 1;
                return Err(SendError::Full);
            }
            Class::Own if self.own.bytes + item.len() > OWN_LIMIT_BYTES => {
                self.drops.own_refused += 1;
                return Err(SendError::Full);
            }
            Class::Control => self.control.push(now.tick, item),
            Class::Own => self.own.push(now.tick, item),
            Class::Transit => {
                self.transit.push(now.tick, item);
                while self.transit.bytes > TRANSIT_LIMIT_BYTES {
                    self.transit.pop();
                    self.drops.transit_overflow += 1;
                }
            }
        }
        Ok(())
    }

    /// The next item in order of class, if it takes no more than `room` bytes.
    pub(crate) fn next(&mut self, now: Now, room: usize) -> Option<Item> {
        if !self.control.items.is_empty() {
            return self.control.pop_within(room);
        }
        if !self.own.items.is_empty() {
            return self.own.pop_within(room);
        }
        self.drop_aged(now);
        self.transit.pop_within(room)
    }

    /// Drops from the head of the transit queue what has waited too long, until a message may go.
    fn drop_aged(&mut self, now: Now) {
        while let Some((queued, item)) = self.transit.items.front() {
            let waited = now.tick.saturating_since(*queued);
            let expired = matches!(item, Item::Message(message) if message.expiration + TRANSIT_EXPIRED_BY < now.date);
            if expired {
                self.drops.transit_expired += 1;
            } else if waited > TRANSIT_MAX_AGE || self.codel.drops(now.tick, waited, self.transit.bytes) {
                self.drops.transit_aged += 1;
            } else {
                return;
            }
            self.transit.pop();
        }
    }

    /// Drops the oldest transit, about so many bytes of it, and says how many.
    pub(crate) fn shed_transit(&mut self, wanted: usize) -> usize {
        let before = self.transit.bytes;
        while before.saturating_sub(self.transit.bytes) < wanted && self.transit.pop().is_some() {
            self.drops.transit_shed += 1;
        }
        before.saturating_sub(self.transit.bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control.items.is_empty() && self.own.items.is_empty() && self.transit.items.is_empty()
    }

    pub(crate) fn queued(&self) -> Queued {
        Queued { control: self.control.fill(), own: self.own.fill(), transit: self.transit.fill() }
    }

    /// Empties the queues of a session that is over, counting what was in them.
    pub(crate) fn abandon(&mut self) {
        for fifo in [&mut self.control, &mut self.own, &mut self.transit] {
            self.drops.unsent = self.drops.unsent.saturating_add(u64::try_from(fifo.items.len()).unwrap_or(u64::MAX));
            *fifo = Fifo::default();
        }
    }
}
