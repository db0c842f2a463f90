//! The rates of all sockets together. What is beyond them isn't dropped: it waits, at the peer or in its session's queue.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ramson_wire::{Now, Tick};

use super::Lane;
use crate::{ConnId, LaneConfig, bucket::Bucket, limits::RELEASED_AT_ONCE, timers::Timer};

/// What may come at once: short, since what is taken quickly waits in other queues on the way.
const DEPTH: Duration = Duration::from_millis(500);

/// A frame may be larger than what is there: the next ones wait for it.
const DEBT: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Pace {
    reading: Bucket,
    writing: Bucket,
    /// Connections with something to write, that the rate held back, in the order in which it did.
    held: VecDeque<ConnId>,
    is_held: BTreeSet<ConnId>,
}

impl Pace {
    pub(super) fn new(config: &LaneConfig) -> Self {
        Self {
            reading: Bucket::new(config.in_bytes_per_sec, DEPTH).with_debt(DEBT),
            writing: Bucket::new(config.out_bytes_per_sec, DEPTH).with_debt(DEBT),
            held: VecDeque::new(),
            is_held: BTreeSet::new(),
        }
    }

    pub(super) fn read(&mut self, now: Tick, bytes: usize) {
        self.reading.spend(now, bytes);
    }

    pub(super) fn wrote(&mut self, now: Tick, bytes: usize) {
        self.writing.spend(now, bytes);
    }

    /// How much one with something to write may write now. What is only transit leaves half to our own.
    pub(super) fn may_write(&self, now: Tick, ours: bool) -> usize {
        let waits = if ours { self.writing.is_out(now) } else { self.writing.is_low(now) };
        if waits { 0 } else { self.writing.room(now) }
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        if self.is_held.remove(&conn) {
            self.held.retain(|held| *held != conn);
        }
    }
}

impl Lane {
    /// Bytes that the driver may read now from all sockets together.
    pub fn read_room(&self, now: Now) -> usize {
        if self.pace.reading.is_out(now.tick) { 0 } else { self.pace.reading.room(now.tick) }
    }

    /// When there is room to read again, after there was none.
    pub fn read_again_at(&self) -> Tick {
        self.pace.reading.quarter_at()
    }

    /// The connection waits until the rate allows it.
    pub(super) fn hold(&mut self, conn: ConnId, ours: bool) {
        if self.pace.is_held.insert(conn) {
            self.pace.held.push_back(conn);
        }
        let writing = &self.pace.writing;
        self.timers.at_latest(Timer::Pace, if ours { writing.quarter_at() } else { writing.half_at() });
    }

    /// The rate allows more: some of those held may try again.
    pub(super) fn release(&mut self, now: Tick) {
        for _ in 0..RELEASED_AT_ONCE {
            let Some(conn) = self.pace.held.pop_front() else { return };
            self.pace.is_held.remove(&conn);
            if let Some(entry) = self.conns.get_mut(&conn) {
                entry.announced = true;
                self.writable.insert(conn);
            }
        }
        if !self.pace.held.is_empty() {
            // After those have written.
            self.timers.at_latest(Timer::Pace, now.max(self.pace.writing.half_at()) + Duration::from_millis(1));
        }
    }
}
