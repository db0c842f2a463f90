//! Two sessions of one router: see the text of [`super`] for who stays, and why.

use std::time::Duration;

use ramson_transport::ntcp2::TerminationReason;
use ramson_wire::{Now, RouterHash};

use super::{Lane, connections::Plan};
use crate::{
    ConnId,
    limits::{DRAIN_TIME, SIMULTANEOUS},
};

impl Lane {
    /// A session was established beside the active one.
    pub(super) fn second_session(&mut self, now: Now, peer: RouterHash, active: ConnId, conn: ConnId, inbound: bool) {
        if !inbound {
            // Ours ended its handshake although a session stands: the peer sees an inbound one, which replaces the other.
            return self.replace_active(now, peer, conn);
        }
        let simultaneous = self
            .conns
            .get(&active)
            .is_some_and(|old| !old.inbound && old.established.is_some_and(|at| now.tick.saturating_since(at) < SIMULTANEOUS));
        if simultaneous {
            let plan = if self.local.hash < peer { (DRAIN_TIME, Plan::End) } else { (DRAIN_TIME / 2, Plan::Promote) };
            self.set_second(now, peer, conn, plan);
        } else {
            self.replace_active(now, peer, conn);
        }
    }

    /// Makes `conn` the active session and the present one the second, to be ended.
    fn replace_active(&mut self, now: Now, peer: RouterHash, conn: ConnId) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        if entry.second == Some(conn) {
            entry.second = None;
        }
        let Some(old) = entry.active.replace(conn) else {
            return;
        };
        self.set_second(now, peer, old, (DRAIN_TIME, Plan::End));
    }

    fn set_second(&mut self, now: Now, peer: RouterHash, conn: ConnId, (after, plan): (Duration, Plan)) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let older = entry.second.replace(conn);
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.plan = Some((now.tick + after, plan));
        }
        self.refresh(conn);
        if let Some(older) = older {
            self.close(now, older, TerminationReason::Normal);
        }
    }

    /// The second session becomes the active one.
    pub(super) fn promote(&mut self, now: Now, conn: ConnId) {
        let peer = self.conns.get(&conn).and_then(|entry| entry.peer);
        if let Some(peer) = peer
            && self.peers.get(&peer).is_some_and(|entry| entry.second == Some(conn))
        {
            self.replace_active(now, peer, conn);
        }
    }
}
