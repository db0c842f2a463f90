//! Draining the parts until none wants anything: what one wants is mostly another's input.

use bytes::Bytes;
use ramson_crypto::rng;
use ramson_lane::{Class, LaneCommand};
use ramson_wire::i2np::TunnelGateway;
use ramson_wire::{
    CloveDelivery, Codec, GarlicClove, I2npMessage, MessageId, MessageKind, Now, RouterHash, RouterInfo, TunnelDelivery,
};

use super::Engine;
use crate::identity::{IdentityId, Owner};
use crate::interface::{Event, Output, Record};
use crate::netdb::{LookupRequest, LookupResult, NetDb, NetDbOutput, Paths, PublicationState, ReplyPath};
use crate::session::router_garlic;
use crate::tunnel::{HopSource, TunnelOutput};

/// The netDb as the tunnels' source of hops.
pub(super) struct Hops<'a>(pub(super) &'a NetDb);

impl HopSource for Hops<'_> {
    fn count(&self) -> usize {
        self.0.router_count()
    }

    fn for_each(&self, visit: &mut dyn FnMut(&RouterInfo)) {
        self.0.routers().for_each(visit);
    }
}

impl Engine {
    /// Moves everything that any part wants to where it belongs.
    ///
    /// Ends: each round hands over what the last one made, and no part answers an output of another with more than it was given.
    /// Tunnels come last in a round, so that messages of one turn share tunnel messages.
    pub(super) fn settle(&mut self, now: Now) {
        loop {
            let mut moved = self.drain_destinations(now);
            while let Some(output) = self.netdb.poll_output() {
                self.handle_netdb_output(now, output);
                moved = true;
            }
            if moved {
                continue;
            }
            while let Some(output) = self.tunnels.poll_output() {
                self.handle_tunnel_output(now, output);
                moved = true;
            }
            if std::mem::take(&mut self.congestion_changed) {
                self.tell_congestion(now);
                moved = true;
            }
            if !moved {
                break;
            }
        }
        self.report_progress();
    }

    fn drain_destinations(&mut self, now: Now) -> bool {
        let mut moved = false;
        let ids: Vec<IdentityId> = self.destinations.keys().copied().collect();
        for id in ids {
            while let Some(output) = self.destinations.get_mut(&id).and_then(|destination| destination.poll_output()) {
                self.handle_destination(now, id, output);
                moved = true;
            }
        }
        moved
    }

    fn handle_tunnel_output(&mut self, now: Now, output: TunnelOutput) {
        match output {
            TunnelOutput::Lane(command) => self.lane(command),
            TunnelOutput::Received { owner, message, .. } => self.handle_from_tunnel(now, owner, message),
            TunnelOutput::PoolChanged { owner } => self.pool_changed(now, owner),
            TunnelOutput::Store(record) => self.outputs.push_back(Output::Store(record)),
            TunnelOutput::Meet { peer } => {
                if let Some(info) = self.netdb.get(&peer).cloned() {
                    self.lane(LaneCommand::Connect { info });
                }
            }
        }
    }

    fn pool_changed(&mut self, now: Now, owner: Owner) {
        let leases = self.tunnels.leases(owner);
        let path = |lease: &crate::tunnel::InboundLease| ReplyPath { gateway: lease.gateway, tunnel: Some(lease.tunnel) };
        let paths = Paths { outbound: self.tunnels.counts(owner).outbound > 0, inbound: leases.iter().map(path).collect() };
        self.netdb.set_paths(now, owner, paths);
        if let Owner::Identity(id) = owner {
            self.with_destination(id, |destination| destination.set_leases(now, leases));
            self.congestion_changed = true;
            self.check_ready(id);
        }
    }

    fn handle_netdb_output(&mut self, now: Now, output: NetDbOutput) {
        match output {
            NetDbOutput::Direct { to, message } => self.lane(LaneCommand::Send { to, message, class: Class::Own }),
            NetDbOutput::ThroughTunnel { owner, to, message, wrap } => self.send_through(now, owner, to, message, wrap),
            NetDbOutput::Reply { path, message, encrypt } => {
                let message = match encrypt {
                    Some(key) => {
                        let clove = GarlicClove { delivery: CloveDelivery::Local, message };
                        router_garlic::seal_one_time(&key.key, key.tag, &clove, &mut self.rng)
                            .ok()
                            .map(|body| self.garlic(now, body))
                    }
                    None => Some(message),
                };
                if let Some(message) = message {
                    self.reply(path, message);
                }
            }
            NetDbOutput::ExpectReply { owner: Owner::Router, asked, key } => self.replies.expect(now.tick, &key, asked),
            NetDbOutput::ExpectReply { owner: Owner::Identity(id), asked, key } => {
                self.with_destination(id, |destination| destination.expect_reply(now, &key, asked));
            }
            NetDbOutput::LookupDone { owner, request, result } => self.lookup_done(now, owner, request, result),
            NetDbOutput::Publication { owner, state } => {
                tracing::debug!(?state, "a publication moved on");
                if let Owner::Identity(id) = owner {
                    self.check_ready(id);
                }
            }
            NetDbOutput::Store { key, value: Some(bytes) } => {
                self.outputs.push_back(Output::Store(Record::Router { hash: key, bytes }))
            }
            NetDbOutput::Store { key, value: None } => self.outputs.push_back(Output::Store(Record::RouterGone { hash: key })),
        }
    }

    /// What a look-up found goes to whom it was made for.
    fn lookup_done(&mut self, now: Now, owner: Owner, request: LookupRequest, result: LookupResult) {
        if let LookupResult::Failed(failure) = &result {
            tracing::debug!(?failure, "a look-up found nothing");
        }
        match (owner, result) {
            (Owner::Router, LookupResult::Router(info)) => self.peer_found(request, Some(info)),
            (Owner::Router, _) => self.peer_found(request, None),
            (Owner::Identity(id), LookupResult::LeaseSet(set)) => self.lease_set_found(now, id, request, Some(set)),
            (Owner::Identity(id), _) => self.lease_set_found(now, id, request, None),
        }
    }

    /// Sends a netDb message to a router through a tunnel of its owner, sealed to that router if `wrap`.
    fn send_through(&mut self, now: Now, owner: Owner, to: RouterHash, message: I2npMessage, wrap: bool) {
        let message = if wrap {
            let Some(key) = self.netdb.get(&to).map(|info| info.identity().encryption_key()) else {
                return;
            };
            let clove = GarlicClove { delivery: CloveDelivery::Local, message };
            match router_garlic::seal(now, &key, &[clove], &mut self.rng) {
                Ok(body) => self.garlic(now, body),
                Err(error) => {
                    tracing::debug!(%error, "a message to a floodfill can't be sealed");
                    return;
                }
            }
        } else {
            message
        };
        let hint = u64::from_be_bytes(rng::bytes(&mut self.rng));
        if let Err(error) = self.tunnels.send_through(now, owner, hint, TunnelDelivery::Router(to), message) {
            tracing::debug!(%error, "a netDb message can't be sent");
        }
    }

    fn reply(&mut self, path: ReplyPath, message: I2npMessage) {
        let message = match path.tunnel {
            Some(tunnel) => {
                let body = Bytes::from(TunnelGateway { tunnel, message: message.encode_long().into() }.to_bytes());
                I2npMessage::new(MessageKind::TUNNEL_GATEWAY, self.message_id(), message.expiration, body)
            }
            None => message,
        };
        self.lane(LaneCommand::Send { to: path.gateway, message, class: Class::Own });
    }

    fn garlic(&mut self, now: Now, body: Bytes) -> I2npMessage {
        let expiration = now.date + std::time::Duration::from_secs(30);
        I2npMessage::new(MessageKind::GARLIC, self.message_id(), expiration, body)
    }

    fn message_id(&mut self) -> MessageId {
        MessageId(u32::from_be_bytes(rng::bytes(&mut self.rng)))
    }

    fn tell_congestion(&mut self, now: Now) {
        let (tunnels, congested, applications) = (&self.tunnels, &self.congested, &self.applications);
        for (id, destination) in &mut self.destinations {
            let (owner, held) = (Owner::Identity(*id), applications.is_held(*id));
            let is_congested = |hint| tunnels.first_hop(owner, hint).is_some_and(|hop| congested.contains(&hop));
            destination.set_congestion(now, |hint| held || is_congested(hint));
        }
    }

    /// Says once that a destination can be used.
    fn check_ready(&mut self, id: IdentityId) {
        let Some(destination) = self.destinations.get(&id) else {
            return;
        };
        let owner = Owner::Identity(id);
        let counts = self.tunnels.counts(owner);
        let published = self.netdb.published(owner).is_some_and(|state| state >= PublicationState::Stored);
        let usable = counts.inbound > 0 && counts.outbound > 0 && destination.has_lease_set();
        if usable && (published || !destination.config.publish) && self.ready.insert(id) {
            self.event(Event::DestinationReady { id });
        }
    }
}
