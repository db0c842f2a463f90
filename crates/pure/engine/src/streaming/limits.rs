//! What one identity remembers beside its streams, all of it bounded: rates, packets that came before their stream,
//! streams that are over, and what the path to a peer was like.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{DestinationHash, Tick};

use super::Incoming;

/// Tokens that refill with time.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: u64,
    most: u64,
    refill: Duration,
    since: Tick,
}

impl Bucket {
    /// Full at first; one token each `refill`.
    pub(super) fn new(most: u64, refill: Duration) -> Self {
        Self { tokens: most, most, refill, since: Tick(0) }
    }

    pub(super) fn take(&mut self, now: Tick) -> bool {
        let refill = u64::try_from(self.refill.as_nanos()).unwrap_or(u64::MAX).max(1);
        let passed = now.0.saturating_sub(self.since.0) / refill;
        self.tokens = self.tokens.saturating_add(passed).min(self.most);
        self.since = Tick(self.since.0.saturating_add(passed.saturating_mul(refill)));
        let granted = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        granted
    }
}

/// Streams whose packets may wait for their first one.
const MAX_EARLY_STREAMS: usize = 64;
/// Packets that wait for one first packet.
const MAX_EARLY_PACKETS: usize = 8;
/// How long they wait. i2pd 10 s.
const EARLY_TIME: Duration = Duration::from_secs(10);

/// Packets that came before their stream's first one, by who was proven to have sent them and their id for the stream.
/// Full: the newcomer is dropped, it will be sent again.
#[derive(Debug, Default)]
pub(super) struct Early {
    streams: BTreeMap<(Option<DestinationHash>, u32), (Tick, Vec<Incoming>)>,
}

impl Early {
    pub(super) fn keep(&mut self, now: Tick, id: u32, packet: Incoming) {
        let key = (packet.proven_sender, id);
        if !self.streams.contains_key(&key) && self.streams.len() >= MAX_EARLY_STREAMS {
            return;
        }
        let (_, packets) = self.streams.entry(key).or_insert_with(|| (now, Vec::new()));
        if packets.len() < MAX_EARLY_PACKETS {
            packets.push(packet);
        }
    }

    pub(super) fn take(&mut self, peer: DestinationHash, id: u32) -> Vec<Incoming> {
        let mut packets = Vec::new();
        for key in [(Some(peer), id), (None, id)] {
            packets.extend(self.streams.remove(&key).map(|(_, kept)| kept).unwrap_or_default());
        }
        packets
    }

    pub(super) fn sweep(&mut self, now: Tick) {
        self.streams.retain(|_, (since, _)| now.saturating_since(*since) < EARLY_TIME);
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// By whom and for which stream, and how many.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&(Option<DestinationHash>, u32), usize)> {
        self.streams.iter().map(|(key, (_, packets))| (key, packets.len()))
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let mut packets = Fullest::default();
        for (_, kept) in self.streams.values() {
            packets.add(kept.len(), kept.iter().map(|packet| size_of::<Incoming>() + packet.packet.len()).sum());
        }
        visit(Bound::new("streaming-early-streams", self.streams.len(), MAX_EARLY_STREAMS, 0));
        visit(packets.bound("streaming-early-packets", MAX_EARLY_PACKETS));
    }
}

/// How long an ended stream is remembered.
const GRAVE_TIME: Duration = Duration::from_secs(600);
/// How many are.
pub(super) const MAX_GRAVES: usize = 4096;
/// Answers given in the name of an ended stream, and the least time between them.
const MAX_ANSWERS: u8 = 16;
const ANSWER_GAP: Duration = Duration::from_millis(200);

/// A stream that is over: enough to answer what the peer sends again, and to know its first packet.
#[derive(Debug, Clone)]
pub(super) struct Grave {
    pub(super) peer: DestinationHash,
    pub(super) remote: u32,
    pub(super) incoming: bool,
    pub(super) ports: (u16, u16),
    pub(super) ack_through: u32,
    /// It didn't end well, so RESET is the answer.
    pub(super) reset: bool,
    pub(super) answers: u8,
    pub(super) answered: Tick,
}

/// The streams that are over, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Graves {
    by_id: BTreeMap<u32, Grave>,
    by_age: BTreeMap<(Tick, u32), ()>,
}

impl Graves {
    pub(super) fn contains(&self, local: u32) -> bool {
        self.by_id.contains_key(&local)
    }

    /// Whether RESET is the answer for this one.
    pub(super) fn reset(&self, local: u32) -> bool {
        self.by_id.get(&local).is_some_and(|grave| grave.reset)
    }

    /// Returns the one that had to go, if any.
    pub(super) fn add(&mut self, now: Tick, local: u32, grave: Grave) -> Option<Grave> {
        self.by_id.insert(local, grave);
        self.by_age.insert((now, local), ());
        if self.by_id.len() > MAX_GRAVES { self.pop() } else { None }
    }

    fn pop(&mut self) -> Option<Grave> {
        let ((_, local), ()) = self.by_age.pop_first()?;
        self.by_id.remove(&local)
    }

    /// The stream to answer for, as long as it has answers left.
    pub(super) fn answer(&mut self, now: Tick, local: u32, peer: Option<DestinationHash>, remote: u32) -> Option<Grave> {
        let grave = self.by_id.get_mut(&local)?;
        let foreign = grave.remote != remote || peer.is_some_and(|peer| peer != grave.peer);
        let too_soon = now.saturating_since(grave.answered) < ANSWER_GAP;
        if foreign || too_soon || grave.answers >= MAX_ANSWERS {
            return None;
        }
        grave.answers += 1;
        grave.answered = now;
        Some(grave.clone())
    }

    /// Forgets the old; returns one at a time.
    pub(super) fn sweep(&mut self, now: Tick) -> Option<Grave> {
        let (&(since, _), ()) = self.by_age.first_key_value()?;
        if now.saturating_since(since) < GRAVE_TIME {
            return None;
        }
        self.pop()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The one that ended last.
    pub(super) fn newest(&self) -> Option<&(Tick, u32)> {
        self.by_age.last_key_value().map(|(key, ())| key)
    }

    pub(super) fn bound(&self) -> Bound {
        let bytes = entries::<(u32, Grave)>(self.by_id.len()) + entries::<(Tick, u32)>(self.by_age.len());
        Bound::new("streaming-graves", self.by_id.len(), MAX_GRAVES, bytes)
    }
}

/// As long as Java's.
const MEMORY_TIME: Duration = Duration::from_secs(600);
const MAX_MEMORIES: usize = 256;

/// Round trip and window of streams that ended lately, by peer, so that the next one needn't learn them.
#[derive(Debug, Default)]
pub(super) struct Memory {
    peers: BTreeMap<DestinationHash, (Tick, Duration, u32)>,
}

impl Memory {
    pub(super) fn get(&self, now: Tick, peer: DestinationHash) -> Option<(Duration, u32)> {
        let (since, rtt, window) = self.peers.get(&peer)?;
        (now.saturating_since(*since) < MEMORY_TIME).then_some((*rtt, *window))
    }

    pub(super) fn put(&mut self, now: Tick, peer: DestinationHash, rtt: Duration, window: u32, is_limit: bool) {
        // A short stream's window tells nothing against a longer one's.
        let known = self.get(now, peer).filter(|_| !is_limit).map_or(0, |(_, known)| known);
        if self.peers.len() >= MAX_MEMORIES && !self.peers.contains_key(&peer) {
            self.sweep(now);
            if self.peers.len() >= MAX_MEMORIES {
                return;
            }
        }
        self.peers.insert(peer, (now, rtt, window.max(known)));
    }

    pub(super) fn sweep(&mut self, now: Tick) {
        self.peers.retain(|_, (since, ..)| now.saturating_since(*since) < MEMORY_TIME);
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn bound(&self) -> Bound {
        let bytes = entries::<(DestinationHash, (Tick, Duration, u32))>(self.peers.len());
        Bound::new("streaming-memories", self.peers.len(), MAX_MEMORIES, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_refills_with_time_only() {
        let mut bucket = Bucket::new(2, Duration::from_secs(1));
        let at = |ms: u64| Tick(1_000_000_000_000 + ms * 1_000_000);
        assert!(bucket.take(at(0)) && bucket.take(at(0)) && !bucket.take(at(999)));
        assert!(bucket.take(at(1000)) && !bucket.take(at(1500)));
        assert!(bucket.take(at(9000)) && bucket.take(at(9000)) && !bucket.take(at(9000)));
    }
}
