//! What a stream has received: order, gaps, and what waits for the reader.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::rings::{CHOKE_FILL, StreamRings, UNCHOKE_FILL};

/// Packets this far beyond the next expected one are dropped. Ours are up to 1500, i2pd's 512, Java's 128.
pub(super) const MAX_SPAN: u32 = 2048;
/// Bytes held besides the receive ring: early packets and such that the ring has no room for. At 1 MB/s and one second a packet lost twice
/// makes three round trips' data wait. All streams together have `max_received_bytes`, of which an idle stream takes nothing.
pub(super) const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;
/// Room taken by a packet besides its payload.
const PACKET_COST: usize = 128;

#[derive(Debug)]
struct Held {
    payload: Bytes,
    close: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next in order, nothing missing.
    InOrder,
    /// Kept; something before it is missing, or it filled a gap.
    OutOfOrder,
    /// Received before.
    Duplicate,
    /// No room: not acked, so it will come again.
    NoRoom,
}

#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// The next sequence in order.
    next: u32,
    /// One past the highest sequence received.
    end: u32,
    early: BTreeMap<u32, Held>,
    /// Sequences between `next` and `end` not received.
    missing: BTreeSet<u32>,
    /// In order, but not yet in the ring.
    waiting: VecDeque<Held>,
    held_bytes: usize,
    /// The peer's CLOSE is in order and all data before it is in the ring.
    closed: bool,
}

impl Receiver {
    pub(super) fn started(&self) -> bool {
        self.next > 0
    }

    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Bytes held besides the ring.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes packet `sequence`. `tight`: memory is short, so nothing is kept that the reader's ring can't hold at once.
    pub(super) fn take(&mut self, sequence: u32, payload: Bytes, close: bool, rings: &StreamRings, tight: bool) -> Arrival {
        if self.closed || sequence < self.next || self.early.contains_key(&sequence) {
            return Arrival::Duplicate;
        }
        let cost = payload.len() + PACKET_COST;
        let at_once = sequence == self.next && self.waiting.is_empty() && rings.unread() <= UNCHOKE_FILL;
        if tight && !at_once {
            return Arrival::NoRoom;
        }
        if sequence - self.next >= MAX_SPAN || self.held_bytes + cost > MAX_HELD_BYTES {
            return Arrival::NoRoom;
        }
        let held = Held { payload, close };
        let gapless = self.missing.is_empty();
        if sequence >= self.end {
            self.missing.extend(self.end..sequence);
            self.end = sequence + 1;
        } else {
            self.missing.remove(&sequence);
        }
        if sequence > self.next {
            self.held_bytes += cost;
            self.early.insert(sequence, held);
            return Arrival::OutOfOrder;
        }
        self.next += 1;
        self.held_bytes += cost;
        self.waiting.push_back(held);
        while let Some(held) = self.early.remove(&self.next) {
            self.next += 1;
            self.waiting.push_back(held);
        }
        self.flush(rings);
        if gapless { Arrival::InOrder } else { Arrival::OutOfOrder }
    }

    /// Moves what is in order into the ring, as far as there is room.
    pub(super) fn flush(&mut self, rings: &StreamRings) {
        while let Some(held) = self.waiting.front() {
            if !held.payload.is_empty() && !rings.deliver(&held.payload) {
                return;
            }
            self.held_bytes = self.held_bytes.saturating_sub(held.payload.len() + PACKET_COST);
            let close = held.close;
            self.waiting.pop_front();
            if close {
                rings.set_end_of_data();
                self.closed = true;
                self.drop_all();
                return;
            }
        }
    }

    /// Frees what is held; nothing will be delivered any more.
    pub(super) fn drop_all(&mut self) {
        self.waiting.clear();
        self.early.clear();
        self.held_bytes = 0;
    }

    /// Whether the reader is so far behind that the peer should stop.
    pub(super) fn full(&self, rings: &StreamRings) -> bool {
        !self.waiting.is_empty() || rings.unread() >= CHOKE_FILL
    }

    /// Whether nothing later has come.
    pub(super) fn is_newest(&self, sequence: u32) -> bool {
        sequence.checked_add(1) == Some(self.end)
    }

    /// How many packets are missing.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Differs after any packet.
    pub(super) fn position(&self) -> (u32, u32, usize, usize, usize, bool) {
        (self.next, self.end, self.missing.len(), self.early.len(), self.held_bytes, self.closed)
    }

    /// Whether data waits that the ring had no room for.
    pub(super) fn waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Fills `nacks` with at most `limit` missing sequences; returns the ackThrough that goes with them.
    pub(super) fn acks(&self, limit: usize, nacks: &mut Vec<u32>) -> u32 {
        nacks.clear();
        let mut through = self.end;
        for &sequence in &self.missing {
            if nacks.len() == limit {
                through = sequence;
                break;
            }
            nacks.push(sequence);
        }
        through.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn read(rings: &StreamRings) -> Vec<u8> {
        let mut buf = vec![0; 1 << 20];
        match rings.try_read(&mut buf) {
            Poll::Ready(Ok(count)) => buf[..count].to_vec(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn gaps_are_nacked_and_filled() {
        let rings = StreamRings::new();
        let mut receiver = Receiver::default();
        let byte = |n: u8| Bytes::from(vec![n]);
        let mut nacks = Vec::new();
        assert_eq!(receiver.take(0, byte(0), false, &rings, false), Arrival::InOrder);
        assert_eq!(receiver.take(3, byte(3), true, &rings, false), Arrival::OutOfOrder);
        assert_eq!(receiver.acks(255, &mut nacks), 3);
        assert_eq!(nacks, [1, 2]);
        assert_eq!(receiver.acks(1, &mut nacks), 1);
        assert_eq!(nacks, [1]);
        assert_eq!(receiver.acks(0, &mut nacks), 0);
        assert_eq!(receiver.take(3, byte(9), false, &rings, false), Arrival::Duplicate);
        assert_eq!(receiver.take(2, byte(2), false, &rings, false), Arrival::OutOfOrder);
        assert!(!receiver.closed());
        assert_eq!(receiver.take(1, byte(1), false, &rings, false), Arrival::OutOfOrder);
        assert_eq!(receiver.acks(255, &mut nacks), 3);
        assert!(nacks.is_empty() && receiver.closed());
        assert_eq!(read(&rings), [0, 1, 2, 3]);
        assert_eq!(receiver.take(9, byte(1), false, &rings, false), Arrival::Duplicate);
    }

    #[test]
    fn what_the_ring_cannot_hold_waits_and_is_bounded() {
        let rings = StreamRings::new();
        let mut receiver = Receiver::default();
        let mut taken = 0usize;
        for sequence in 0..3000 {
            match receiver.take(sequence, Bytes::from(vec![1; 1812]), false, &rings, false) {
                Arrival::InOrder => taken += 1812,
                other => {
                    assert_eq!(other, Arrival::NoRoom);
                    break;
                }
            }
        }
        assert!(receiver.full(&rings) && receiver.waiting());
        assert!(taken > 2_500_000 && taken < 4_500_000);
        let mut got = 0;
        loop {
            let bytes = read(&rings).len();
            if bytes == 0 {
                break;
            }
            got += bytes;
            receiver.flush(&rings);
        }
        assert_eq!(got, taken);
    }
}
