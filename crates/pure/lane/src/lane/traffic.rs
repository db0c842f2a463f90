//! Messages: up to the engine, into the relay table, out again.

use ramson_transport::ntcp2::Class;
use ramson_wire::{I2npMessage, MessageKind, Now, RouterHash, Tick};

use super::Lane;
use crate::{
    ConnId, DropReason, LaneEvent,
    limits::{SWEEP_INTERVAL, UP_BURST, UP_EVERY},
    relay::{Forward, Taken},
    timers::Timer,
};

/// Messages for the engine that one source may bring: what it doesn't bring costs the engine nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// When all of it is there again.
    full_at: Tick,
}

impl Allowance {
    fn take(&mut self, now: Tick) -> bool {
        let from = self.full_at.max(now);
        if from.saturating_since(now) > UP_EVERY * (UP_BURST - 1) {
            return false;
        }
        self.full_at = from + UP_EVERY;
        true
    }
}

impl Lane {
    /// A message came on a session.
    pub(super) fn message(&mut self, now: Now, conn: ConnId, message: I2npMessage) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        let Some(from) = entry.peer else { return };
        let in_tunnel = [MessageKind::TUNNEL_DATA, MessageKind::TUNNEL_GATEWAY].contains(&message.kind);
        if !in_tunnel && !entry.up.take(now.tick) {
            return self.stats.drop(DropReason::PeerShare, 1);
        }
        self.message_of(now, from, message);
    }

    /// A message as if a session with `from` had brought it.
    #[cfg(feature = "testing")]
    pub fn handle_message(&mut self, now: Now, from: RouterHash, message: I2npMessage) {
        self.message_of(now, from, message);
    }

    fn message_of(&mut self, now: Now, from: RouterHash, message: I2npMessage) {
        let taken = if message.kind == MessageKind::TUNNEL_DATA {
            self.table.tunnel_data(now, from, message)
        } else if message.kind == MessageKind::TUNNEL_GATEWAY {
            self.table.tunnel_gateway(now, Some(from), message)
        } else {
            return self.event(LaneEvent::Message { from: Some(from), message });
        };
        match taken {
            Taken::Relayed => {}
            Taken::Own(message) => {
                // Anybody may send to a gateway of ours.
                if message.kind == MessageKind::TUNNEL_DATA {
                    self.note_ours(now.tick, from);
                }
                self.event(LaneEvent::Message { from: Some(from), message });
            }
            Taken::Dropped(reason) => self.stats.drop(reason, 1),
        }
    }

    /// A message of ours to ourselves: into a tunnel whose gateway we are, or up.
    pub(super) fn loop_back(&mut self, now: Now, message: I2npMessage) {
        if message.kind == MessageKind::TUNNEL_DATA {
            return self.stats.drop(DropReason::NextIsSelf, 1);
        }
        if message.kind != MessageKind::TUNNEL_GATEWAY {
            return self.event(LaneEvent::Message { from: None, message });
        }
        match self.table.tunnel_gateway(now, None, message) {
            // May come outside of a turn.
            Taken::Relayed => self.timers.at_latest(Timer::Turn, now.tick),
            Taken::Own(message) => self.event(LaneEvent::Message { from: None, message }),
            Taken::Dropped(reason) => self.stats.drop(reason, 1),
        }
    }

    /// Transforms what the turn has collected and sends it on.
    pub(super) fn relay_turn(&mut self, now: Now) {
        if self.table.has_work() {
            for forward in self.table.end_turn(now, &mut self.stats) {
                match forward {
                    Forward::Send { to, message, endpoint } => self.send(now, to, message, Class::Transit, endpoint),
                    Forward::Up(message) => self.up(now.tick, message),
                }
            }
        }
        self.timers.set(Timer::Turn, self.table.has_work().then_some(now.tick));
        if self.table.is_assembling() {
            self.sweep_later(now.tick);
        }
    }

    /// Out of a transit tunnel's end, addressed to us.
    fn up(&mut self, now: Tick, message: I2npMessage) {
        let in_tunnel = [MessageKind::TUNNEL_DATA, MessageKind::TUNNEL_GATEWAY].contains(&message.kind);
        if in_tunnel || self.unknown_up.take(now) {
            self.event(LaneEvent::Message { from: None, message });
        } else {
            self.stats.drop(DropReason::PeerShare, 1);
        }
    }

    pub(super) fn sweep_later(&mut self, now: Tick) {
        self.timers.at_latest(Timer::Sweep, now + SWEEP_INTERVAL);
    }
}
