//! Handshakes of strangers: key agreements and signatures, the dearest thing that anybody can have a lane do.
//!
//! What comes on an inbound connection before its session stands is kept unread and waits for its turn; standing sessions and our own
//! dials don't wait. A turn of the driver takes [`HANDSHAKES_PER_TURN`] of them, in the order in which they came.

use std::collections::VecDeque;
use std::time::Duration;

use ramson_transport::ntcp2::TerminationReason;
use ramson_wire::Now;

use super::{Lane, connections::Conn};
use crate::{
    ConnId, DropReason,
    limits::{HANDSHAKE_PATIENCE, HANDSHAKES_PER_TURN, MAX_HANDSHAKE_BYTES},
    timers::Timer,
};

/// Connections with bytes of a handshake, each once.
#[derive(Default)]
pub(super) struct Handshakes {
    turns: VecDeque<ConnId>,
}

impl Handshakes {
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }
}

impl Lane {
    /// Keeps the bytes of an inbound handshake for its turn; false if the connection is no such thing.
    pub(super) fn keep_for_turn(&mut self, now: Now, conn: ConnId, bytes: &[u8]) -> bool {
        let Some(entry) = self.conns.get_mut(&conn).filter(|entry| entry.inbound && entry.established.is_none()) else {
            return false;
        };
        if entry.unread.len().saturating_add(bytes.len()) > MAX_HANDSHAKE_BYTES {
            self.stats.drop(DropReason::HandshakeQueue, 1);
            self.close(now, conn, TerminationReason::Normal);
            return true;
        }
        if entry.unread.is_empty() {
            self.handshakes.turns.push_back(conn);
            self.timers.at_latest(Timer::Handshakes, now.tick);
        }
        entry.unread.extend_from_slice(bytes);
        true
    }

    /// Takes some of them on.
    pub(super) fn shake_hands(&mut self, now: Now) {
        for _ in 0..HANDSHAKES_PER_TURN {
            let Some(conn) = self.handshakes.turns.pop_front() else { return };
            let unread = self.conns.get_mut(&conn).map(|entry| std::mem::take(&mut entry.unread)).unwrap_or_default();
            self.read_session(now, conn, &unread);
            if self.conns.get_mut(&conn).and_then(Conn::session).is_some_and(|session| session.is_draining()) {
                self.inbound.fails(conn);
            }
        }
        if !self.handshakes.turns.is_empty() {
            // In the next turn, not again in this one.
            self.timers.at_latest(Timer::Handshakes, now.tick + Duration::from_nanos(1));
        }
    }

    /// The handshake is over, or the connection: nothing of it is read any more.
    pub(super) fn forget_handshake(&mut self, conn: ConnId) {
        self.inbound.over(conn);
        let unread = self.conns.get_mut(&conn).map(|entry| std::mem::take(&mut entry.unread));
        if unread.is_some_and(|unread| !unread.is_empty()) {
            self.handshakes.turns.retain(|waiting| *waiting != conn);
        }
    }

    /// Gives up an inbound handshake that failed already, or else the oldest one if it took its time, so that those who say nothing, or
    /// nothing useful, don't hold all places.
    pub(super) fn give_up_handshake(&mut self, now: Now) {
        let slow = |conn: &ConnId| {
            let since = self.conns.get(conn).map(|entry| entry.since);
            since.is_some_and(|since| now.tick.saturating_since(since) >= HANDSHAKE_PATIENCE)
        };
        let Some(conn) = self.inbound.failed().or_else(|| self.inbound.oldest().filter(slow)) else { return };
        self.stats.drop(DropReason::HandshakeQueue, 1);
        self.close(now, conn, TerminationReason::Normal);
        self.forget(conn);
    }
}
