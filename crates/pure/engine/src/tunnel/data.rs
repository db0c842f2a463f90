//! Messages through own tunnels.

use ramson_crypto::rng;
use ramson_lane::{Class, LaneCommand};
use ramson_wire::i2np::{TunnelData, TunnelGateway};
use ramson_wire::{Codec, I2npMessage, MessageKind, Now, RouterHash, TunnelDelivery};
use std::time::Duration;

use super::build;
use super::garlic::KeyUse;
use super::pool::OutboundKey;
use super::recent::Seen;
use super::{TunnelOutput, Tunnels};
use crate::identity::Owner;

/// Expiration of tunnel messages, some random part more.
const DATA_LIFE_MS: (u64, u64) = (10_000, 12_000);

/// What comes this long past its expiration is dropped, as by the lane.
const EXPIRED_BY: Duration = Duration::from_secs(60);

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    /// The router to which it goes from us: the tunnel's first hop.
    pub(crate) first_hop: RouterHash,
}

/// Why a message can't be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SendError {
    /// The owner has no outbound tunnel now.
    #[error("no outbound tunnel")]
    NoTunnel,
    /// A tunnel can't carry so much.
    #[error("message too large for a tunnel")]
    TooLarge,
    /// Local delivery makes no sense outbound.
    #[error("no target outside")]
    NoTarget,
}

impl Tunnels {
    /// Sends a message through an outbound tunnel of the owner. Equal hints take the same tunnel while it lives, which keeps messages to
    /// one destination in order. The tunnel messages leave with the next [`Tunnels::poll_output`].
    pub(crate) fn send_through(
        &mut self,
        now: Now,
        owner: Owner,
        hint: u64,
        delivery: TunnelDelivery,
        message: I2npMessage,
    ) -> Result<Sent, SendError> {
        self.now = now;
        let pool = self.pools.get(&owner).ok_or(SendError::NoTunnel)?;
        let key = pool.pick_outbound(now.tick, hint).ok_or(SendError::NoTunnel)?;
        self.push_outbound(now, owner, key, delivery, message)
    }

    /// The first hop that messages with this hint take now. It tells which session's congestion matters.
    pub(crate) fn first_hop(&self, owner: Owner, hint: u64) -> Option<RouterHash> {
        let pool = self.pools.get(&owner)?;
        let tunnel = pool.outbound.get(&pool.pick_outbound(self.now.tick, hint)?)?;
        tunnel.life.routers.first().copied()
    }

    pub(super) fn push_outbound(
        &mut self,
        now: Now,
        owner: Owner,
        key: OutboundKey,
        delivery: TunnelDelivery,
        message: I2npMessage,
    ) -> Result<Sent, SendError> {
        let tunnel = self.pools.get_mut(&owner).and_then(|pool| pool.outbound.get_mut(&key)).ok_or(SendError::NoTunnel)?;
        if delivery == TunnelDelivery::Local {
            return Err(SendError::NoTarget);
        }
        let Some(first_hop) = tunnel.life.routers.first().copied() else {
            return self.send_directly(now, delivery, message);
        };
        tunnel.gateway.push(delivery, &message).map_err(|_| SendError::TooLarge)?;
        self.dirty.insert((owner, key));
        Ok(Sent { first_hop })
    }

    /// A tunnel without hops.
    fn send_directly(&mut self, now: Now, delivery: TunnelDelivery, message: I2npMessage) -> Result<Sent, SendError> {
        let (to, message) = match delivery {
            TunnelDelivery::Local => return Err(SendError::NoTarget),
            TunnelDelivery::Router(to) => (to, message),
            TunnelDelivery::Tunnel { gateway, tunnel } => {
                let body = TunnelGateway { tunnel, message: message.encode_long().into() }.to_bytes();
                (gateway, self.own_message(now, MessageKind::TUNNEL_GATEWAY, body))
            }
        };
        self.outputs.push_back(TunnelOutput::Lane(LaneCommand::Send { to, message, class: Class::Own }));
        Ok(Sent { first_hop: to })
    }

    fn own_message(&mut self, now: Now, kind: MessageKind, body: Vec<u8>) -> I2npMessage {
        let life = rng::between(&mut *self.rng, DATA_LIFE_MS.0, DATA_LIFE_MS.1);
        let expiration = now.date + Duration::from_millis(life);
        I2npMessage { kind, id: build::message_id(&mut *self.rng), expiration, body: body.into() }
    }

    /// Turns what was pushed into tunnel messages.
    pub(super) fn flush(&mut self) {
        while let Some((owner, key)) = self.dirty.pop_first() {
            let Some(tunnel) = self.pools.get_mut(&owner).and_then(|pool| pool.outbound.get_mut(&key)) else {
                continue;
            };
            let (Some(to), Some(id)) = (tunnel.life.routers.first().copied(), tunnel.first_tunnel) else {
                continue;
            };
            let mut ready = tunnel.gateway.flush();
            tunnel.life.carry(ready.len());
            for data in &mut ready {
                tunnel.life.decrypt(data);
            }
            for data in ready {
                let body = TunnelData { tunnel: id, data }.to_bytes();
                let message = self.own_message(self.now, MessageKind::TUNNEL_DATA, body);
                self.outputs.push_back(TunnelOutput::Lane(LaneCommand::Send { to, message, class: Class::Own }));
            }
        }
    }

    /// TunnelData for one of our endpoints.
    pub(super) fn receive_data(&mut self, now: Now, from: Option<RouterHash>, message: &I2npMessage) {
        let Ok(TunnelData { tunnel: id, mut data }) = TunnelData::from_bytes(&message.body) else {
            self.stats.dropped += 1;
            return;
        };
        let owner = self.own_ids.get(&id).copied();
        let tunnel = owner.and_then(|owner| self.pools.get_mut(&owner)).and_then(|pool| pool.inbound.get_mut(&id));
        let (Some(owner), Some(tunnel)) = (owner, tunnel) else {
            self.stats.dropped += 1;
            return;
        };
        if from.is_none() || tunnel.life.routers.last() != from.as_ref() {
            self.stats.dropped += 1;
            return;
        }
        tunnel.life.decrypt(&mut data);
        let Ok(messages) = tunnel.endpoint.handle(now, &data) else {
            self.stats.dropped += 1;
            return;
        };
        tunnel.life.carry(1);
        for (delivery, message) in messages {
            if delivery == TunnelDelivery::Local {
                self.receive(now, owner, message);
            } else {
                self.stats.dropped += 1; // nobody may use us as an endpoint into the network
            }
        }
    }

    /// TunnelGateway: only for an endpoint that is its own gateway.
    pub(super) fn receive_gateway(&mut self, now: Now, message: &I2npMessage) {
        let Ok(TunnelGateway { tunnel: id, message }) = TunnelGateway::from_bytes(&message.body) else {
            self.stats.dropped += 1;
            return;
        };
        let owner = self.own_ids.get(&id).copied();
        let tunnel = owner.and_then(|owner| self.pools.get(&owner)?.inbound.get(&id));
        let inner = I2npMessage::decode_long(&message);
        match (owner, tunnel, inner) {
            (Some(owner), Some(tunnel), Ok(inner)) if tunnel.life.routers.is_empty() => self.receive(now, owner, inner),
            _ => self.stats.dropped += 1,
        }
    }

    /// A whole message out of an inbound tunnel.
    fn receive(&mut self, now: Now, owner: Owner, message: I2npMessage) {
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        // What the filter forgets is too old by then.
        let expired = message.expiration + EXPIRED_BY < now.date;
        if expired || pool.duplicates.see(now.tick, (message.id.0, message.expiration.0)) == Seen::Before {
            self.stats.dropped += 1;
            return;
        }
        match message.kind {
            MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY => self.handle_outbound_reply(now, owner, message.id, &message.body),
            MessageKind::GARLIC => match self.one_time.open(owner, &message.body) {
                None => self.outputs.push_back(TunnelOutput::Received { owner, message }),
                Some((KeyUse::Reply, Some(inner))) if inner.kind == MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY => {
                    self.handle_outbound_reply(now, owner, inner.id, &inner.body);
                }
                Some((KeyUse::Probe, Some(inner))) if inner.kind == MessageKind::DELIVERY_STATUS => {
                    self.handle_probe(now, owner, &inner.body);
                }
                Some(_) => self.stats.dropped += 1,
            },
            MessageKind::DATABASE_STORE | MessageKind::DATABASE_SEARCH_REPLY | MessageKind::DELIVERY_STATUS => {
                self.outputs.push_back(TunnelOutput::Received { owner, message });
            }
            // Nothing else has business in an inbound tunnel: relaying through us, or lookups that would show whose it is.
            _ => self.stats.dropped += 1,
        }
    }
}
