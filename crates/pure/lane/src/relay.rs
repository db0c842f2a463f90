//! The table of transit tunnels, and the batch of one turn.
//!
//! Within a turn messages are only looked up, checked and collected; [`RelayTable::end_turn`] puts our layer on all of them at
//! once, because AES-CBC is serial within a message and several messages side by side are much faster.
//!
//! A transit message is either sent on or counted under one [`DropReason`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_aes::{LayerJob, LayerKeys, encrypt_batch};
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{
    Codec, I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick, TunnelDelivery, TunnelId,
    i2np::TunnelGateway,
};

use crate::{
    DropReason, LaneConfig, LaneStats, Relay, RelayRole,
    filter::DuplicateFilter,
    i2np,
    limits::{
        ENDPOINT_WINDOW, EXPIRED_BY, MAX_ENDPOINT_TARGETS, MAX_OWN_TUNNELS, MAX_REASSEMBLY_BYTES, MAX_TURN_MESSAGES,
        MAX_TURN_PASSES,
    },
    tunnel_data::{Endpoint, Gateway, MESSAGE_LEN},
};

mod share;

use share::Share;

/// Body of TunnelData: tunnel id 4, message 1024.
const BODY_LEN: usize = 4 + MESSAGE_LEN;
/// How long a TunnelData that begins here may travel: the default of Java's messages.
const TUNNEL_DATA_LIFE: Duration = Duration::from_secs(60);

/// What the lane does with a message for a tunnel id.
pub(crate) enum Taken {
    /// Waits for the end of the turn.
    Relayed,
    /// Goes up: an own tunnel.
    Own(I2npMessage),
    /// Not taken.
    Dropped(DropReason),
}

/// What comes out of a turn.
pub(crate) enum Forward {
    /// Send to another router; `endpoint` names our relay if a stranger's instructions chose the router.
    Send { to: RouterHash, message: I2npMessage, endpoint: Option<TunnelId> },
    /// For the engine: addressed to us.
    Up(I2npMessage),
}

struct Entry {
    role: RelayRole,
    keys: LayerKeys,
    previous: Option<RouterHash>,
    endpoint: Option<Box<EndpointState>>,
}

/// An endpoint's reassembly, and how many unconnected routers it had us dial in the present window.
#[derive(Default)]
struct EndpointState {
    endpoint: Endpoint,
    window: Tick,
    targets: u32,
}

/// A tunnel message of the turn: in `body` behind four bytes for the next hop's tunnel id.
struct Job {
    tunnel: TunnelId,
    body: Vec<u8>,
    expiration: ramson_wire::Date,
}

/// A message that goes into a tunnel at our gateway, with its long header.
struct Entering {
    id: MessageId,
    message: Bytes,
}

/// All tunnels that others built through us, and the ids of our own inbound endpoints.
pub(crate) struct RelayTable {
    local: RouterHash,
    max_relays: usize,
    relays: BTreeMap<TunnelId, Entry>,
    own: BTreeSet<TunnelId>,
    filter: DuplicateFilter,
    share: Share,
    /// Packs for one gateway at a time: it is empty between two of them.
    packer: Gateway,
    rng: SeededRng,
    batch: Vec<Job>,
    entering: BTreeMap<TunnelId, Vec<Entering>>,
    entering_count: usize,
    /// Endpoints with incomplete messages.
    assembling: BTreeSet<TunnelId>,
    assembling_bytes: usize,
}

impl RelayTable {
    pub(crate) fn new(now: Now, config: &LaneConfig, local: RouterHash, rng: &mut SeededRng) -> Self {
        Self {
            local,
            max_relays: config.max_relays,
            relays: BTreeMap::new(),
            own: BTreeSet::new(),
            filter: DuplicateFilter::new(now.tick, rng::bytes(rng)),
            share: Share::new(now.tick, config.transit_bytes_per_sec),
            packer: Gateway::new(Box::new(SeededRng::new(rng::bytes(rng)))),
            rng: SeededRng::new(rng::bytes(rng)),
            batch: Vec::new(),
            entering: BTreeMap::new(),
            entering_count: 0,
            assembling: BTreeSet::new(),
            assembling_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.relays.len()
    }

    pub(crate) fn install(&mut self, relay: Relay) -> Result<(), DropReason> {
        let Relay { tunnel, role, keys, previous, .. } = relay;
        if self.relays.len() >= self.max_relays || self.relays.contains_key(&tunnel) || self.own.contains(&tunnel) {
            return Err(DropReason::RelayLimit);
        }
        let endpoint = matches!(role, RelayRole::Endpoint).then(Box::default);
        self.relays.insert(tunnel, Entry { role, keys, previous, endpoint });
        Ok(())
    }

    pub(crate) fn remove(&mut self, tunnel: TunnelId, stats: &mut LaneStats) {
        self.collect_drops(tunnel, stats);
        let Some(entry) = self.relays.remove(&tunnel) else { return };
        if let Some(state) = entry.endpoint {
            self.assembling_bytes = self.assembling_bytes.saturating_sub(state.endpoint.buffered_bytes());
        }
        self.assembling.remove(&tunnel);
    }

    /// False if the table of own ids is full.
    pub(crate) fn install_own(&mut self, tunnel: TunnelId) -> bool {
        self.own.len() < MAX_OWN_TUNNELS && self.own.insert(tunnel)
    }

    pub(crate) fn remove_own(&mut self, tunnel: TunnelId) {
        self.own.remove(&tunnel);
    }

    /// Takes a TunnelData; `from` is the session it came on.
    pub(crate) fn tunnel_data(&mut self, now: Now, from: RouterHash, message: I2npMessage) -> Taken {
        let Some(tunnel) = i2np::tunnel_id(&message.body) else { return Taken::Dropped(DropReason::Malformed) };
        let Some(entry) = self.relays.get(&tunnel) else {
            return if self.own.contains(&tunnel) {
                Taken::Own(message)
            } else {
                Taken::Dropped(DropReason::UnknownTunnel)
            };
        };
        if matches!(entry.role, RelayRole::Gateway { .. }) {
            return Taken::Dropped(DropReason::UnknownTunnel);
        }
        if entry.previous.is_some_and(|previous| previous != from) {
            return Taken::Dropped(DropReason::WrongPrevious);
        }
        let Some(body) = message.body.first_chunk::<BODY_LEN>() else { return Taken::Dropped(DropReason::Malformed) };
        let Some(encrypted) = body.last_chunk::<MESSAGE_LEN>() else { return Taken::Dropped(DropReason::Malformed) };
        if message.expiration + EXPIRED_BY < now.date {
            return Taken::Dropped(DropReason::Expired);
        }
        if self.batch.len() >= MAX_TURN_MESSAGES {
            return Taken::Dropped(DropReason::TurnLimit);
        }
        // Last, so that what is dropped for another reason isn't remembered as seen.
        if !self.filter.insert(now.tick, tunnel, encrypted) {
            return Taken::Dropped(DropReason::DuplicateIv);
        }
        if !self.share.take(now.tick, BODY_LEN) {
            return Taken::Dropped(DropReason::TransitShare);
        }
        self.batch.push(Job { tunnel, body: body.to_vec(), expiration: message.expiration });
        Taken::Relayed
    }

    /// Takes a TunnelGateway, from a session or from ourselves.
    pub(crate) fn tunnel_gateway(&mut self, now: Now, from: Option<RouterHash>, message: I2npMessage) -> Taken {
        let Some(tunnel) = i2np::tunnel_id(&message.body) else { return Taken::Dropped(DropReason::Malformed) };
        if self.own.contains(&tunnel) {
            return Taken::Own(message);
        }
        let Some(entry) = self.relays.get(&tunnel).filter(|entry| matches!(entry.role, RelayRole::Gateway { .. }))
        else {
            return Taken::Dropped(DropReason::UnknownTunnel);
        };
        if entry.previous.is_some() && entry.previous != from {
            return Taken::Dropped(DropReason::WrongPrevious);
        }
        let Ok(body) = TunnelGateway::from_shared(&message.body) else { return Taken::Dropped(DropReason::Malformed) };
        let Some((id, expiration)) = i2np::long_header(&body.message) else {
            return Taken::Dropped(DropReason::Malformed);
        };
        if expiration.min(message.expiration) + EXPIRED_BY < now.date {
            return Taken::Dropped(DropReason::Expired);
        }
        if self.entering_count >= MAX_TURN_MESSAGES {
            return Taken::Dropped(DropReason::TurnLimit);
        }
        if !self.share.take(now.tick, body.message.len()) {
            return Taken::Dropped(DropReason::TransitShare);
        }
        self.entering_count = self.entering_count.saturating_add(1);
        self.entering.entry(tunnel).or_default().push(Entering { id, message: body.message });
        Taken::Relayed
    }

    /// True if the last turn left something for the next: a chain of our own tunnels longer than the passes of a turn.
    pub(crate) fn has_work(&self) -> bool {
        !self.batch.is_empty() || !self.entering.is_empty()
    }

    /// Puts our layer on all messages of the turn and says where they go.
    pub(crate) fn end_turn(&mut self, now: Now, stats: &mut LaneStats) -> Vec<Forward> {
        let mut forwards = Vec::with_capacity(self.batch.len());
        for _ in 0..MAX_TURN_PASSES {
            if !self.has_work() {
                break;
            }
            self.pack(now, stats);
            let mut batch = std::mem::take(&mut self.batch);
            self.encrypt(&mut batch);
            for job in batch.drain(..) {
                self.deliver(now, job, stats, &mut forwards);
            }
            if self.batch.is_empty() {
                self.batch = batch; // keeps the room
            }
        }
        forwards
    }

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

    /// Turns what entered our gateways into jobs of the batch.
    fn pack(&mut self, now: Now, stats: &mut LaneStats) {
        self.entering_count = 0;
        for (tunnel, messages) in std::mem::take(&mut self.entering) {
            if !self.relays.contains_key(&tunnel) {
                stats.drop(DropReason::UnknownTunnel, u64::try_from(messages.len()).unwrap_or(u64::MAX));
                continue;
            }
            for Entering { id, message } in messages {
                match self.packer.push_encoded(TunnelDelivery::Local, id, &message) {
                    Ok(()) => stats.gateway = stats.gateway.saturating_add(1),
                    Err(_) => stats.drop(DropReason::TooLarge, 1),
                }
            }
            for clear in self.packer.flush() {
                let mut body = Vec::with_capacity(BODY_LEN);
                body.extend_from_slice(&[0; 4]);
                body.extend_from_slice(&clear[..]);
                self.batch.push(Job { tunnel, body, expiration: now.date + TUNNEL_DATA_LIFE });
            }
        }
    }

    fn encrypt(&self, batch: &mut [Job]) {
        let mut jobs: Vec<LayerJob<'_>> = batch
            .iter_mut()
            .filter_map(|job| {
                let keys = &self.relays.get(&job.tunnel)?.keys;
                Some(LayerJob { keys, message: job.body.last_chunk_mut::<MESSAGE_LEN>()? })
            })
            .collect();
        encrypt_batch(&mut jobs);
    }

    fn deliver(&mut self, now: Now, mut job: Job, stats: &mut LaneStats, forwards: &mut Vec<Forward>) {
        let Some(entry) = self.relays.get(&job.tunnel) else {
            return stats.drop(DropReason::UnknownTunnel, 1);
        };
        let (next, next_tunnel, participant) = match entry.role {
            RelayRole::Participant { next, next_tunnel } => (next, next_tunnel, true),
            RelayRole::Gateway { next, next_tunnel } => (next, next_tunnel, false),
            RelayRole::Endpoint => return self.deliver_clear(now, &job, stats, forwards),
        };
        if next == self.local {
            return stats.drop(DropReason::NextIsSelf, 1);
        }
        if let Some(id) = job.body.first_chunk_mut::<4>() {
            *id = next_tunnel.get().to_be_bytes();
        }
        if participant {
            stats.participant = stats.participant.saturating_add(1);
        }
        count_bytes(stats, BODY_LEN);
        let message = I2npMessage {
            kind: MessageKind::TUNNEL_DATA,
            id: MessageId(u32::from_be_bytes(rng::bytes(&mut self.rng))),
            expiration: job.expiration,
            body: Bytes::from(job.body),
        };
        forwards.push(Forward::Send { to: next, message, endpoint: None });
    }

    /// An endpoint's message, clear after our layer.
    fn deliver_clear(&mut self, now: Now, job: &Job, stats: &mut LaneStats, forwards: &mut Vec<Forward>) {
        let state = self.relays.get_mut(&job.tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
        let (Some(state), Some(clear)) = (state, job.body.last_chunk::<MESSAGE_LEN>()) else { return };
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

    fn collect_drops(&mut self, tunnel: TunnelId, stats: &mut LaneStats) {
        let state = self.relays.get_mut(&tunnel).and_then(|entry| entry.endpoint.as_deref_mut());
        for (reason, n) in state.map(|state| state.endpoint.take_drops()).unwrap_or_default() {
            stats.drop(reason, n);
        }
    }
}

fn count_bytes(stats: &mut LaneStats, len: usize) {
    stats.transit_bytes = stats.transit_bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
}
