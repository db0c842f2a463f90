//! Where a message goes: by its kind, and by the way it came.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ramson_lane::LaneCommand;
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::i2np::{DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, ReplyKey};
use ramson_wire::{CloveDelivery, Codec, I2npMessage, MessageKind, NetDbKey, Now, RouterHash, RouterInfo, SessionTag, Tick};
use zeroize::Zeroizing;

use super::Engine;
use super::dear::DearSource;
use crate::destination::garlic_body;
use crate::identity::{IdentityId, Owner};
use crate::netdb::{self, LookupRequest, Source, Via};
use crate::session::{Classified, router_garlic};
use crate::tunnel::TransitPolicy;

/// Messages of strangers opened in one call, and build requests opened in one call: own work waits at most this long.
const DEAR_BUDGET: usize = 4;
const BUILD_BUDGET: usize = 8;

/// Answers to the router's own look-ups, each expected once under its key.
#[derive(Default)]
pub(super) struct RouterReplies {
    keys: BTreeMap<SessionTag, (Zeroizing<[u8; 32]>, NetDbKey)>,
    order: VecDeque<(Tick, SessionTag)>,
}

impl RouterReplies {
    /// Answers awaited. Beyond: the oldest isn't any more.
    const MAX: usize = 512;
    const LIFE: Duration = Duration::from_secs(60);

    pub(super) fn expect(&mut self, now: Tick, reply: &ReplyKey, asked: NetDbKey) {
        if self.order.len() >= Self::MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        self.keys.insert(reply.tag, (Zeroizing::new(reply.key), asked));
        self.order.push_back((now + Self::LIFE, reply.tag));
    }

    pub(super) fn bound(&self) -> Bound {
        let bytes = entries::<(SessionTag, [u8; 32])>(self.keys.len()) + self.order.capacity() * size_of::<(Tick, SessionTag)>();
        // A router explores as long as it lives.
        Bound::new("engine-replies", self.order.len(), Self::MAX, bytes)
    }

    fn take(&mut self, tag: &SessionTag) -> Option<(Zeroizing<[u8; 32]>, NetDbKey)> {
        self.keys.remove(tag)
    }

    pub(super) fn expire(&mut self, now: Tick) {
        while self.order.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, tag)) = self.order.pop_front() {
                self.keys.remove(&tag);
            }
        }
    }
}

impl Engine {
    /// From the lane: straight from a peer, or (`None`) out of a transit tunnel's end, addressed to us.
    pub(super) fn handle_message(&mut self, now: Now, from: Option<RouterHash>, message: I2npMessage) {
        if self.repetitions.is_message(now.tick, &message) {
            return;
        }
        let Some(message) = self.tunnels.handle_message(now, from, message) else {
            return;
        };
        match message.kind {
            MessageKind::GARLIC => self.dear.push(DearSource::Router(from), message),
            _ => self.handle_netdb(now, from, Via::Direct, message),
        }
    }

    /// Opens some of what waits.
    pub(super) fn work(&mut self, now: Now) {
        let limits = &self.config.limits;
        self.tunnels.set_transit(TransitPolicy {
            accept: limits.transit,
            max_tunnels: limits.max_transit_tunnels,
            load_percent: self.transit_load.percent(now.tick).max(self.memory_percent()),
        });
        self.tunnels.work(now, BUILD_BUDGET);
        for _ in 0..DEAR_BUDGET {
            let Some((source, message)) = self.dear.pop() else {
                return;
            };
            match source {
                DearSource::Router(from) => self.open_router_garlic(now, from, &message),
                DearSource::Identity(id) => {
                    self.with_destination(id, |destination| destination.handle_garlic(now, garlic_body(&message)));
                }
            }
        }
    }

    /// Garlic to the router's own key: look-ups and stores to us as a floodfill, and build requests.
    fn open_router_garlic(&mut self, now: Now, from: Option<RouterHash>, message: &I2npMessage) {
        if self.repetitions.was_opened(garlic_body(message)) {
            return;
        }
        let cloves = match router_garlic::open(now, &self.encryption_key, garlic_body(message)) {
            Ok(cloves) => cloves,
            Err(error) => {
                tracing::debug!(%error, "a garlic message to this router can't be opened");
                return;
            }
        };
        self.repetitions.opened(now.tick, garlic_body(message));
        for clove in cloves {
            // Nobody is forwarded for.
            if clove.delivery != CloveDelivery::Local {
                continue;
            }
            // A build request that came wrapped is handled as if it came bare from the same sender.
            let Some(message) = self.tunnels.handle_message(now, from, clove.message) else {
                continue;
            };
            self.handle_netdb(now, from, Via::Garlic, message);
        }
    }

    /// Out of an inbound tunnel of `owner`.
    pub(super) fn handle_from_tunnel(&mut self, now: Now, owner: Owner, message: I2npMessage) {
        if let Owner::Identity(id) = owner
            && !self.applications.takes(now.tick, id, message.body.len())
        {
            return;
        }
        match (owner, message.kind) {
            (Owner::Router, MessageKind::GARLIC) => self.open_router_reply(now, &message),
            (Owner::Identity(id), MessageKind::GARLIC) => self.garlic_for(now, id, message),
            (_, MessageKind::DATABASE_STORE | MessageKind::DATABASE_SEARCH_REPLY) => self.netdb.refuse_clear_answer(),
            _ => self.handle_netdb(now, None, Via::Tunnel(owner), message),
        }
    }

    fn open_router_reply(&mut self, now: Now, message: &I2npMessage) {
        let body = garlic_body(message);
        let Some((key, asked)) = router_garlic::leading_tag(body).and_then(|tag| self.replies.take(&tag)) else {
            return;
        };
        match router_garlic::open_one_time(&key, body) {
            Ok(cloves) => {
                for clove in cloves.into_iter().filter(|clove| netdb::is_answer(&asked, &clove.message)) {
                    self.handle_netdb(now, None, Via::Tunnel(Owner::Router), clove.message);
                }
            }
            Err(error) => tracing::debug!(%error, "a reply to this router can't be opened"),
        }
    }

    /// Sealed to a destination: what needs no key agreement is opened at once.
    pub(super) fn garlic_for(&mut self, now: Now, id: IdentityId, message: I2npMessage) {
        let Some(destination) = self.destinations.get_mut(&id) else {
            return;
        };
        match destination.classify(garlic_body(&message)) {
            Classified::Tagged => destination.handle_garlic(now, garlic_body(&message)),
            Classified::MaybeNewSession => self.dear.push(DearSource::Identity(id), message),
            Classified::Garbage => {}
        }
    }

    /// A netDb message, however it came. Others are nothing that a router or destination takes.
    pub(super) fn handle_netdb(&mut self, now: Now, from: Option<RouterHash>, via: Via, message: I2npMessage) {
        // Answers count where their question was asked: straight to us, for the router.
        let owner = match via {
            Via::Tunnel(owner) => owner,
            Via::Direct | Via::Garlic => Owner::Router,
        };
        let body = &message.body;
        let result = match message.kind {
            MessageKind::DATABASE_STORE => {
                DatabaseStore::from_bytes(body).map(|store| self.netdb.handle_store(now, from, via, store))
            }
            MessageKind::DATABASE_LOOKUP if !matches!(via, Via::Tunnel(_)) => {
                DatabaseLookup::from_bytes(body).map(|lookup| self.netdb.handle_lookup(now, from, via, lookup))
            }
            MessageKind::DATABASE_SEARCH_REPLY => {
                DatabaseSearchReply::from_bytes(body).map(|reply| self.netdb.handle_search_reply(now, owner, &reply))
            }
            MessageKind::DELIVERY_STATUS => DeliveryStatus::from_bytes(body).map(|status| {
                self.netdb.handle_delivery_status(now, owner, status.id);
            }),
            _ => return,
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a netDb message can't be read");
        }
    }

    /// A peer's RouterInfo in a handshake or block. One that asks to be flooded is a store without a reply.
    pub(super) fn router_info_came(&mut self, now: Now, info: RouterInfo, from: RouterHash, flood: bool) {
        let source = if info.hash() == from { Source::Handshake } else { Source::Stranger };
        if source == Source::Stranger && !self.config.floodfill {
            // As with a store that nobody asked for: who isn't a floodfill picks the routers it knows.
            return;
        }
        let result = self.netdb.add_router(now, info.clone(), source);
        if flood && self.config.floodfill && result.is_change() {
            self.netdb.flood_router(now, &info);
        }
    }

    /// The lane has messages for a router without a session.
    pub(super) fn peer_wanted(&mut self, now: Now, peer: RouterHash) {
        match self.netdb.get(&peer) {
            Some(info) => {
                let info = info.clone();
                self.lane(LaneCommand::Connect { info });
            }
            None => match self.lookups.for_peer(peer) {
                Some(request) => self.netdb.lookup_router(now, peer, request),
                None => self.lane(LaneCommand::NoPeer { peer }),
            },
        }
    }

    /// The end of a look-up that [`Self::peer_wanted`] started.
    pub(super) fn peer_found(&mut self, request: LookupRequest, info: Option<RouterInfo>) {
        let Some(peer) = self.lookups.take_peer(request) else {
            return;
        };
        match info {
            Some(info) => self.lane(LaneCommand::Connect { info }),
            None => self.lane(LaneCommand::NoPeer { peer }),
        }
    }
}
