//! What the lane holds.

use ramson_transport::ntcp2::{CONTROL_LIMIT_BYTES, Fill, OWN_LIMIT_BYTES, Session, TRANSIT_LIMIT_BYTES};
use ramson_wire::I2npMessage;
use ramson_wire::bounds::{Bound, Fullest, entries};

use super::Lane;
use super::connections::{Conn, Stage};
use crate::limits::{MAX_HANDSHAKE_BYTES, MAX_PENDING_BYTES, MAX_PENDING_MESSAGES, MAX_PENDING_TOTAL, MAX_WANTED};
use crate::timers::Timer;
use crate::{ConnId, LaneConfig, LaneOutput};

/// Two timers, of a connection and a router, and an entry of each table.
const PEER_BYTES: usize = 2 * (size_of::<Timer>() + 16) + size_of::<super::Peer>();

/// Connections at which no more are taken or dialed: two for each session, since one may be replaced, and handshakes.
pub(super) fn enough_connections(config: &LaneConfig) -> usize {
    config.max_sessions.saturating_mul(2).saturating_add(config.max_pending_inbound)
}

/// Routers without a session: those that have messages waiting, and those dialed without any.
fn max_unconnected(config: &LaneConfig) -> usize {
    config.max_sessions.max(MAX_WANTED)
}

/// A dial that goes on to the next address, or a second round, doesn't ask again.
fn most_connections(config: &LaneConfig) -> usize {
    enough_connections(config).saturating_add(max_unconnected(config))
}

impl Lane {
    /// Tells all that is held, against its limits. Ask when outputs are drained: the limit on them is none.
    pub fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let config = &self.config;
        visit(Bound::new("lane-outputs", self.outputs.len(), 0, self.outputs.len() * size_of::<LaneOutput>()));
        let unconnected = self.peers.len().saturating_sub(self.connected);
        visit(Bound::new("lane-sessions", self.connected, config.max_sessions, self.connected * PEER_BYTES));
        visit(Bound::new("lane-wanted-peers", unconnected, max_unconnected(config), unconnected * PEER_BYTES));
        self.inbound.bounds(config, visit);
        visit(Bound::new("lane-handshake-turns", self.handshakes.len(), config.max_pending_inbound, 0));
        visit(Bound::new("lane-held-back", self.pace.held(), most_connections(config), 0));
        visit(self.backoffs.bound());
        visit(self.replay.bound());
        self.pending_bounds(visit);
        self.connection_bounds(visit);
        self.table.bounds(visit);
    }

    fn pending_bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut messages, mut bytes) = (Fullest::default(), Fullest::default());
        for peer in self.peers.values() {
            let (count, held) = peer.waiting();
            messages.add(count, count * size_of::<I2npMessage>());
            bytes.add(held, held);
        }
        visit(messages.bound("lane-pending-messages", MAX_PENDING_MESSAGES));
        visit(bytes.bound("lane-pending-bytes", MAX_PENDING_BYTES));
        visit(Bound::new("lane-pending-bytes-in-all", self.pending_bytes, MAX_PENDING_TOTAL, 0));
    }

    fn connection_bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut control, mut own, mut transit) = (Fullest::default(), Fullest::default(), Fullest::default());
        let mut unread = Fullest::default();
        let mut held = entries::<(ConnId, Conn)>(self.conns.len());
        for conn in self.conns.values() {
            let Stage::Session(session) = &conn.stage else {
                continue;
            };
            let queued = Session::queued(session);
            for (all, fill) in [(&mut control, queued.control), (&mut own, queued.own), (&mut transit, queued.transit)] {
                let Fill { messages, bytes } = fill;
                all.add(bytes, bytes + messages * size_of::<I2npMessage>());
            }
            held += session.held_bytes() + conn.unread.capacity();
            unread.add(conn.unread.len(), 0);
        }
        visit(control.bound("session-control-bytes", CONTROL_LIMIT_BYTES));
        visit(own.bound("session-own-bytes", OWN_LIMIT_BYTES));
        visit(transit.bound("session-transit-bytes", TRANSIT_LIMIT_BYTES));
        visit(unread.bound("handshake-unread-bytes", MAX_HANDSHAKE_BYTES));
        visit(Bound::new("lane-connections", self.conns.len(), most_connections(&self.config), held));
    }
}
