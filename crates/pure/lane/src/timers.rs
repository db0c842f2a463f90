//! The lane's deadlines: one table, in an order that doesn't depend on when they were set.

use std::collections::{BTreeMap, BTreeSet};

use ramson_wire::{RouterHash, Tick, TunnelId};

use crate::ConnId;

/// What a deadline is for. Of equal deadlines the first in this order fires first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection: connect time, the session's own deadline, draining, closing.
    Conn(ConnId),
    /// An unconnected router: wanted, between rounds.
    Peer(RouterHash),
    /// A transit tunnel ends.
    Relay(TunnelId),
    /// An own tunnel ends.
    Own(TunnelId),
    /// Incomplete messages of transit endpoints.
    Sweep,
    /// What was left of a turn.
    Turn,
    /// Inbound handshakes wait for their turn.
    Handshakes,
    /// The rate of all sockets allows more.
    Pace,
    /// Silent sessions and memory.
    Tidy,
    /// Statistics.
    Stats,
}

/// Deadlines by timer and by time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    when: BTreeMap<Timer, Tick>,
    order: BTreeSet<(Tick, Timer)>,
}

impl Timers {
    /// Sets, moves or clears a timer.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Tick>) {
        let old = match at {
            Some(at) => self.when.insert(timer, at),
            None => self.when.remove(&timer),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, timer));
        }
        if let Some(at) = at {
            self.order.insert((at, timer));
        }
    }

    /// Sets a timer unless it is set to something earlier.
    pub(crate) fn at_latest(&mut self, timer: Timer, at: Tick) {
        if self.when.get(&timer).is_none_or(|old| *old > at) {
            self.set(timer, Some(at));
        }
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.when.len()
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out the first timer that is due.
    pub(crate) fn pop_due(&mut self, now: Tick) -> Option<Timer> {
        let (at, timer) = self.order.first().copied()?;
        if at > now {
            return None;
        }
        self.set(timer, None);
        Some(timer)
    }
}
