//! Tunnel messages seen before.
//!
//! A hop that resends a message, or sends a slightly changed copy, could follow it through the network. What it can't change
//! without destroying the rest is IV XOR first cipher block, so that is remembered for at least ten minutes (a tunnel's life),
//! together with the tunnel, as a keyed hash. What enters a tunnel at its gateway has no such trace: it is known by its header, which the
//! tunnel before could change, so that there the receiver has to look.
//!
//! **Form.** Two generations of ten minutes. A generation is a list of segments; a segment is an array of buckets of sixteen 32-bit
//! marks (one cache line). 32 bits of a SipHash-2-4 choose the bucket, the other 32 are the mark; a full bucket spills
//! into the next three. So a look-up touches about one cache line a segment, and memory follows traffic from 16 KiB up.
//!
//! **False positives.** A look-up compares with at most 64 marks a segment (16 as long as nothing spills), so with at most
//! 16 in each of two generations at most 64 · 32 · 2⁻³² = 4.8·10⁻⁷. 10,000 tunnels within the default transit share
//! (800 kB/s, 800 messages a second) fill 480,000 marks in ten minutes: 8 segments a generation, at most 2.4·10⁻⁷.
//!
//! **Limit.** 3,600,000 marks a generation, which is 6,000 messages a second (49 Mbit/s): 20 MiB. Beyond it generations turn
//! early and the time covered shrinks with the rate: memory doesn't grow, nothing is dropped for it, and
//! [`DuplicateFilter::early_turns`] tells.

use std::{fmt, time::Duration};

use ramson_crypto::siphash::siphash24;
use ramson_wire::bounds::Bound;
use ramson_wire::{Tick, TunnelId};

use crate::tunnel_data::MESSAGE_LEN;

/// Shortest time a message is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(600);
/// What names a message with a long header: kind 1, id 4, expiration 8.
const NAMING: usize = 13;
/// Most segments in a generation.
const MAX_SEGMENTS: usize = 16;
/// Marks in a bucket: 64 bytes.
const BUCKET: usize = 16;
/// Buckets a mark may spill over, with its own.
const SPILL: usize = 4;
/// Buckets of the first segment; each further one has twice as many up to the largest.
const SMALLEST: usize = 1 << 8;
/// Buckets of the largest segments: 2 MiB.
const LARGEST: usize = 1 << 15;
/// A segment is full with this many marks a bucket: then the next is begun.
const LOAD: usize = 11;

/// Remembers messages of all tunnels of a table.
pub struct DuplicateFilter {
    key: [u8; 16],
    current: Generation,
    previous: Generation,
    /// When the current generation began.
    since: Tick,
    early_turns: u64,
}

impl fmt::Debug for DuplicateFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplicateFilter").field("segments", &self.current.segments.len()).finish_non_exhaustive()
    }
}

impl DuplicateFilter {
    /// An empty filter; `key` is random, so that nobody outside can aim at a bucket.
    pub fn new(now: Tick, key: [u8; 16]) -> Self {
        Self { key, current: Generation::default(), previous: Generation::default(), since: now, early_turns: 0 }
    }

    /// Remembers an encrypted tunnel message as it came in on `tunnel`; false if it was seen before.
    pub fn insert(&mut self, now: Tick, tunnel: TunnelId, message: &[u8; MESSAGE_LEN]) -> bool {
        let mut input = [0_u8; 20];
        for (at, byte) in input.iter_mut().enumerate() {
            *byte = match at.checked_sub(16) {
                Some(place) => tunnel.get().to_be_bytes().get(place).copied().unwrap_or(0),
                None => message.get(at).copied().unwrap_or(0) ^ message.get(at + 16).copied().unwrap_or(0),
            };
        }
        self.remember(now, &input)
    }

    /// Remembers a message that is to enter a tunnel at its gateway, by kind, id and expiration; false if it was seen before.
    pub fn insert_entering(&mut self, now: Tick, tunnel: TunnelId, message: &[u8]) -> bool {
        let mut input = [0_u8; 4 + NAMING];
        let name = tunnel.get().to_be_bytes().into_iter().chain(message.iter().copied());
        input.iter_mut().zip(name).for_each(|(to, from)| *to = from);
        self.remember(now, &input)
    }

    fn remember(&mut self, now: Tick, input: &[u8]) -> bool {
        self.turn(now);
        let [a, b, c, d, e, f, g, h] = siphash24(&self.key, input);
        let place = u32::from_le_bytes([a, b, c, d]);
        let mark = u32::from_le_bytes([e, f, g, h]).max(1);
        if self.previous.contains(place, mark) || self.current.contains(place, mark) {
            return false;
        }
        if !self.current.insert(place, mark) {
            self.early_turns = self.early_turns.saturating_add(1);
            self.next_generation(now);
            self.current.insert(place, mark);
        }
        true
    }

    /// What it holds: arrays, full or not.
    pub fn bound(&self) -> Bound {
        let segments = || self.previous.segments.iter().chain(&self.current.segments);
        let bytes = segments().map(|segment| segment.buckets.len() * size_of::<[u32; BUCKET]>()).sum();
        Bound::new("relay-duplicate-segments", segments().count(), MAX_SEGMENTS * 2, bytes).lasting()
    }

    /// How often a generation was full before its time.
    pub fn early_turns(&self) -> u64 {
        self.early_turns
    }

    fn turn(&mut self, now: Tick) {
        let age = now.saturating_since(self.since);
        if age >= REMEMBERED * 2 {
            self.current = Generation::default();
        }
        if age >= REMEMBERED {
            self.next_generation(now);
        }
    }

    fn next_generation(&mut self, now: Tick) {
        self.previous = std::mem::take(&mut self.current);
        self.since = now;
    }
}

#[derive(Default)]
struct Generation {
    segments: Vec<Segment>,
}

impl Generation {
    fn contains(&self, place: u32, mark: u32) -> bool {
        self.segments.iter().any(|segment| segment.contains(place, mark))
    }

    /// False if all segments are full.
    fn insert(&mut self, place: u32, mark: u32) -> bool {
        if self.segments.last_mut().is_some_and(|segment| segment.insert(place, mark)) {
            return true;
        }
        if self.segments.len() >= MAX_SEGMENTS {
            return false;
        }
        let buckets = SMALLEST.checked_shl(u32::try_from(self.segments.len()).unwrap_or(0)).unwrap_or(LARGEST);
        let mut segment = Segment::new(buckets.min(LARGEST));
        let inserted = segment.insert(place, mark);
        self.segments.push(segment);
        inserted
    }
}

struct Segment {
    buckets: Vec<[u32; BUCKET]>,
    marks: usize,
}

impl Segment {
    /// `buckets` is a power of two.
    fn new(buckets: usize) -> Self {
        Self { buckets: vec![[0; BUCKET]; buckets], marks: 0 }
    }

    fn at(&self, place: u32, step: usize) -> usize {
        let place = usize::try_from(place).unwrap_or(0);
        place.wrapping_add(step) & self.buckets.len().wrapping_sub(1)
    }

    fn contains(&self, place: u32, mark: u32) -> bool {
        for step in 0..SPILL {
            let Some(bucket) = self.buckets.get(self.at(place, step)) else {
                return false;
            };
            if bucket.contains(&mark) {
                return true;
            }
            // Marks are never taken out: one that isn't in a bucket with room was never spilled past it.
            if bucket.contains(&0) {
                return false;
            }
        }
        false
    }

    fn insert(&mut self, place: u32, mark: u32) -> bool {
        if self.marks >= self.buckets.len().saturating_mul(LOAD) {
            return false;
        }
        for step in 0..SPILL {
            let at = self.at(place, step);
            let free = self.buckets.get_mut(at).and_then(|bucket| bucket.iter_mut().find(|slot| **slot == 0));
            if let Some(slot) = free {
                *slot = mark;
                self.marks = self.marks.saturating_add(1);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u64) -> [u8; MESSAGE_LEN] {
        let mut message = [7; MESSAGE_LEN];
        message[..8].copy_from_slice(&n.to_le_bytes());
        message
    }

    fn tunnel(n: u32) -> TunnelId {
        TunnelId::new(n).unwrap()
    }

    #[test]
    fn a_copy_is_seen_for_ten_minutes_and_in_its_tunnel_only() {
        let mut filter = DuplicateFilter::new(Tick(0), [1; 16]);
        let start = Tick(0) + Duration::from_secs(599);
        assert!(filter.insert(start, tunnel(1), &message(1)));
        assert!(!filter.insert(start, tunnel(1), &message(1)));
        assert!(filter.insert(start, tunnel(2), &message(1)));
        assert!(!filter.insert(start + REMEMBERED, tunnel(1), &message(1)));
        assert!(filter.insert(start + REMEMBERED * 3, tunnel(1), &message(1)));
    }

    #[test]
    fn what_enters_a_tunnel_twice_is_seen() {
        let mut filter = DuplicateFilter::new(Tick(0), [1; 16]);
        assert!(filter.insert_entering(Tick(0), tunnel(1), &message(1)));
        assert!(!filter.insert_entering(Tick(0), tunnel(1), &message(1)));
        assert!(filter.insert_entering(Tick(0), tunnel(2), &message(1)));
        assert!(filter.insert_entering(Tick(0), tunnel(1), &[7; 12]));
        assert!(!filter.insert_entering(Tick(0), tunnel(1), &[7; 12]));
    }

    #[test]
    fn changing_iv_and_first_block_alike_is_seen() {
        let mut filter = DuplicateFilter::new(Tick(0), [1; 16]);
        let mut copy = message(1);
        assert!(filter.insert(Tick(0), tunnel(1), &copy));
        copy[3] ^= 0x55;
        copy[19] ^= 0x55;
        assert!(!filter.insert(Tick(0), tunnel(1), &copy));
    }

    #[test]
    fn ten_minutes_of_the_default_share_have_no_false_positive() {
        let mut filter = DuplicateFilter::new(Tick(0), [3; 16]);
        let refused = (0..480_000).filter(|n| !filter.insert(Tick(0), tunnel(1), &message(*n))).count();
        assert_eq!(refused, 0);
        assert!((0..480_000).step_by(97).all(|n| !filter.insert(Tick(0), tunnel(1), &message(n))));
        assert!(filter.current.segments.len() <= 8);
        assert_eq!(filter.early_turns(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut filter = DuplicateFilter::new(Tick(0), [3; 16]);
        let total = 4_200_000_u64;
        for n in 0..total {
            filter.insert(Tick(0), tunnel(1), &message(n));
        }
        assert_eq!(filter.early_turns(), 1);
        assert!(filter.current.segments.len() <= MAX_SEGMENTS);
        assert!((total - 1000..total).all(|n| !filter.insert(Tick(0), tunnel(1), &message(n))));
    }
}
