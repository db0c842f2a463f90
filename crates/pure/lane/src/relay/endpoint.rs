//! Our transit endpoints: messages put together and sent where their instructions say.

use ramson_wire::{I2npMessage, MessageKind, Now, Tick, TunnelDelivery, TunnelId};

use super::{Forward, Job, RelayTable, Taken, count_bytes};
use crate::{
    DropReason, LaneStats, i2np,
    limits::{ENDPOINT_WINDOW, EXPIRED_BY, MAX_ENDPOINT_TARGETS, MAX_REASSEMBLY_BYTES},
    tunnel_data::{Endpoint, MESSAGE_LEN},
};

/// An endpoint's reassembly, and how many unconnected routers it had us dial in the present window.
#[derive(Default)]
pub(super) struct EndpointState {
    pub(super) endpoint: Endpoint,
    window: Tick,
    targets: u32,
}

impl RelayTable {
    /// Whether this endpoint may have us dial one more unconnected router.
    pub(crate) fn allow_target(&mut self, now: Tick, tunnel: TunnelId) -> bool {
        let Some(state) = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut()) else {
            return true;
        };
        if now.saturating_since(state.window) >= ENDPOINT_WINDOW {
            state.window = now;
            state.targets = 0;
        }
        state.targets = state.targets.saturating_add(1);
        state.targets <= MAX_ENDPOINT_TARGETS
    }

    /// Drops incomplete messages that waited too long; false if none are left.
    pub(crate) fn sweep(&mut self, now: Tick, stats: &mut LaneStats) -> bool {
        for tunnel in self.assembling.clone() {
            let state = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
            let Some(state) = state else { continue };
            let before = state.endpoint.buffered_bytes();
            state.endpoint.expire(now);
            let after = state.endpoint.buffered_bytes();
            let idle = state.endpoint.deadline().is_none();
            self.assembling_bytes = self.assembling_bytes.saturating_sub(before).saturating_add(after);
            self.collect_drops(tunnel, stats);
            if idle {
                self.assembling.remove(&tunnel);
            }
        }
        self.is_assembling()
    }

    pub(crate) fn is_assembling(&self) -> bool {
        !self.assembling.is_empty()
    }

    /// An endpoint's message, clear after our layer.
    pub(super) fn deliver_clear(&mut self, now: Now, job: &Job, stats: &mut LaneStats, forwards: &mut Vec<Forward>) {
        let state = self.relays.get_mut(&job.tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
        let (Some(state), Some(clear)) = (state, job.body.last_chunk::<MESSAGE_LEN>()) else {
            return;
        };
        let before = state.endpoint.buffered_bytes();
        let result = state.endpoint.handle(now, clear);
        let after = state.endpoint.buffered_bytes();
        let waiting = state.endpoint.deadline().is_some();
        self.assembling_bytes = self.assembling_bytes.saturating_sub(before).saturating_add(after);
        if waiting {
            self.assembling.insert(job.tunnel);
            self.hold_memory(job.tunnel);
        } else {
            self.assembling.remove(&job.tunnel);
        }
        self.collect_drops(job.tunnel, stats);
        match result {
            Err(error) => stats.drop(error.into(), 1),
            Ok(messages) => {
                for (delivery, message) in messages {
                    self.deliver_whole(now, job.tunnel, delivery, message, stats, forwards);
                }
            }
        }
    }

    /// Over the limit on all reassembly, the tunnel that went over it pays with its oldest messages.
    fn hold_memory(&mut self, tunnel: TunnelId) {
        let state = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
        let Some(state) = state else { return };
        while self.assembling_bytes > MAX_REASSEMBLY_BYTES {
            let before = state.endpoint.buffered_bytes();
            if !state.endpoint.drop_oldest() {
                break;
            }
            let freed = before.saturating_sub(state.endpoint.buffered_bytes());
            self.assembling_bytes = self.assembling_bytes.saturating_sub(freed);
        }
    }

    /// Drops incomplete messages, those of the tunnel that has most first; bytes that are free now.
    pub(crate) fn forget_incomplete(&mut self, wanted: usize, stats: &mut LaneStats) -> usize {
        let mut freed = 0_usize;
        while freed < wanted {
            let held = |tunnel: &TunnelId| {
                let state = self.relays.get(tunnel).and_then(|entry| entry.endpoint.as_deref());
                state.map_or(0, |state| state.endpoint.buffered_bytes())
            };
            let Some(tunnel) = self.assembling.iter().copied().max_by_key(held) else { break };
            let Some(state) = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut()) else { break };
            let before = state.endpoint.buffered_bytes();
            if !state.endpoint.drop_oldest() {
                break;
            }
            let after = state.endpoint.buffered_bytes();
            if state.endpoint.deadline().is_none() {
                self.assembling.remove(&tunnel);
            }
            self.collect_drops(tunnel, stats);
            self.assembling_bytes = self.assembling_bytes.saturating_sub(before).saturating_add(after);
            freed = freed.saturating_add(before.saturating_sub(after));
        }
        freed
    }

    fn deliver_whole(
        &mut self,
        now: Now,
        tunnel: TunnelId,
        delivery: TunnelDelivery,
        message: I2npMessage,
        stats: &mut LaneStats,
        forwards: &mut Vec<Forward>,
    ) {
        if message.expiration + EXPIRED_BY < now.date {
            return stats.drop(DropReason::Expired, 1);
        }
        let (to, message) = match delivery {
            TunnelDelivery::Local => return stats.drop(DropReason::LocalDelivery, 1),
            TunnelDelivery::Router(to) => (to, message),
            TunnelDelivery::Tunnel { gateway, tunnel } => (gateway, i2np::tunnel_gateway(&mut self.rng, tunnel, &message)),
        };
        let len = message.body.len();
        if to != self.local {
            forwards.push(Forward::Send { to, message, endpoint: Some(tunnel) });
        } else if message.kind == MessageKind::TUNNEL_DATA {
            return stats.drop(DropReason::ForbiddenKind, 1);
        } else if message.kind == MessageKind::TUNNEL_GATEWAY {
            match self.tunnel_gateway(now, None, message) {
                Taken::Relayed => {}
                Taken::Own(message) => forwards.push(Forward::Up(message)),
                Taken::Dropped(reason) => return stats.drop(reason, 1),
            }
        } else {
            forwards.push(Forward::Up(message));
        }
        stats.endpoint = stats.endpoint.saturating_add(1);
        count_bytes(stats, len);
    }

    /// Counts what an endpoint dropped.
    pub(super) fn collect_drops(&mut self, tunnel: TunnelId, stats: &mut LaneStats) {
        let state = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
        for (reason, n) in state.map(|state| state.endpoint.take_drops()).unwrap_or_default() {
            stats.drop(reason, n);
        }
    }
}
