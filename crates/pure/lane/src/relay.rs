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
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, Now, RouterHash, TunnelDelivery, TunnelId, i2np::TunnelGateway};

use crate::{
    DropReason, LaneConfig, LaneStats, Relay, RelayRole,
    bucket::Bucket,
    filter::DuplicateFilter,
    i2np,
    limits::{EXPIRED_BY, MAX_OWN_TUNNELS, MAX_TURN_MESSAGES, MAX_TURN_PASSES},
    tunnel_data::{Gateway, MESSAGE_LEN},
};

mod bounds;
mod endpoint;
mod shares;

use endpoint::EndpointState;

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
    share: Bucket,
    endpoint: Option<Box<EndpointState>>,
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
    share: Bucket,
    bytes_per_sec: Option<u64>,
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
            share: shares::of_all(config.transit_bytes_per_sec),
            bytes_per_sec: config.transit_bytes_per_sec,
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
        let share = shares::of_tunnel(self.bytes_per_sec);
        self.relays.insert(tunnel, Entry { role, keys, previous, share, endpoint });
        Ok(())
    }

    pub(crate) fn remove(&mut self, tunnel: TunnelId, stats: &mut LaneStats) {
        self.collect_drops(tunnel, stats);
        let Some(entry) = self.relays.remove(&tunnel) else {
            return;
        };
        if let Some(state) = entry.endpoint {
            self.assembling_bytes = self.assembling_bytes.saturating_sub(state.endpoint.buffered_bytes());
        }
        self.assembling.remove(&tunnel);
    }

    /// False if the table of own ids is full, or a relay has the id.
    pub(crate) fn install_own(&mut self, tunnel: TunnelId) -> bool {
        if self.own.contains(&tunnel) {
            return true;
        }
        let free = self.own.len() < MAX_OWN_TUNNELS && !self.relays.contains_key(&tunnel);
        free && self.own.insert(tunnel)
    }

    pub(crate) fn remove_own(&mut self, tunnel: TunnelId) {
        self.own.remove(&tunnel);
    }

    /// Takes a TunnelData; `from` is the session it came on.
    pub(crate) fn tunnel_data(&mut self, now: Now, from: RouterHash, message: I2npMessage) -> Taken {
        let Some(tunnel) = i2np::tunnel_id(&message.body) else {
            return Taken::Dropped(DropReason::Malformed);
        };
        let Some(entry) = self.relays.get(&tunnel) else {
            return if self.own.contains(&tunnel) {
                self.own_data(now, tunnel, message)
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
        let Some(body) = message.body.first_chunk::<BODY_LEN>() else {
            return Taken::Dropped(DropReason::Malformed);
        };
        let Some(encrypted) = body.last_chunk::<MESSAGE_LEN>() else {
            return Taken::Dropped(DropReason::Malformed);
        };
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
        if let Err(reason) = self.take_share(now.tick, tunnel, BODY_LEN) {
            return Taken::Dropped(reason);
        }
        self.batch.push(Job { tunnel, body: body.to_vec(), expiration: message.expiration });
        Taken::Relayed
    }

    /// For an endpoint of ours, if it wasn't there before.
    fn own_data(&mut self, now: Now, tunnel: TunnelId, message: I2npMessage) -> Taken {
        match message.body.first_chunk::<BODY_LEN>().and_then(|body| body.last_chunk::<MESSAGE_LEN>()) {
            None => Taken::Dropped(DropReason::Malformed),
            Some(encrypted) if self.filter.insert(now.tick, tunnel, encrypted) => Taken::Own(message),
            Some(_) => Taken::Dropped(DropReason::DuplicateIv),
        }
    }

    /// Takes a TunnelGateway, from a session or from ourselves.
    pub(crate) fn tunnel_gateway(&mut self, now: Now, from: Option<RouterHash>, message: I2npMessage) -> Taken {
        let Some(tunnel) = i2np::tunnel_id(&message.body) else {
            return Taken::Dropped(DropReason::Malformed);
        };
        if self.own.contains(&tunnel) {
            return Taken::Own(message);
        }
        let Some(entry) = self.relays.get(&tunnel).filter(|entry| matches!(entry.role, RelayRole::Gateway { .. })) else {
            return Taken::Dropped(DropReason::UnknownTunnel);
        };
        if entry.previous.is_some() && entry.previous != from {
            return Taken::Dropped(DropReason::WrongPrevious);
        }
        let Ok(body) = TunnelGateway::from_shared(&message.body) else {
            return Taken::Dropped(DropReason::Malformed);
        };
        let Some((id, expiration)) = i2np::long_header(&body.message) else {
            return Taken::Dropped(DropReason::Malformed);
        };
        if expiration.min(message.expiration) + EXPIRED_BY < now.date {
            return Taken::Dropped(DropReason::Expired);
        }
        if self.entering_count >= MAX_TURN_MESSAGES {
            return Taken::Dropped(DropReason::TurnLimit);
        }
        if !self.filter.insert_entering(now.tick, tunnel, &body.message) {
            return Taken::Dropped(DropReason::RepeatedEntering);
        }
        if let Err(reason) = self.take_share(now.tick, tunnel, body.message.len()) {
            return Taken::Dropped(reason);
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
}

fn count_bytes(stats: &mut LaneStats, len: usize) {
    stats.transit_bytes = stats.transit_bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
}
