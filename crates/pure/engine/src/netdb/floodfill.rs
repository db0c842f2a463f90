//! The floodfill's side: answers to stores and lookups of others, and flooding. What is served from here has come over the network;
//! no identity's state is looked at.

use std::time::Duration;

use bytes::Bytes;
use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, StoreReply};
use ramson_wire::{
    Codec, Date, DestinationHash, I2npMessage, LeaseSet2, MessageKind, NetDbKey, Now, RouterHash, RouterInfo, ids::routing_key,
};

use super::ahead::next_midnight;
use super::lease_sets::{LeaseSets, end_of};
use super::limits::{PeerLimits, Work};
use super::output::{NetDbOutput, ReplyPath, Via};
use super::routers::{AddResult, Reject};
use super::shared::Shared;
use super::{NetDb, config, message};

/// What a router serves to strangers, and what they may ask.
#[derive(Debug)]
pub(super) struct Floodfill {
    pub(super) lease_sets: LeaseSets,
    /// By peer.
    pub(super) peers: PeerLimits,
    /// By key.
    pub(super) floods: PeerLimits,
}

/// Token of a store that the end of a tunnel has taken up: no answer is wanted.
const TAKEN_TOKEN: u32 = u32::MAX;
const ZERO_KEY: NetDbKey = NetDbKey([0; 32]);

impl Floodfill {
    pub(super) fn new(config: &config::Config) -> Floodfill {
        Floodfill {
            lease_sets: LeaseSets::new(config.our_hash, config.limits.lease_sets),
            peers: PeerLimits::new(),
            floods: PeerLimits::new(),
        }
    }

    pub(super) fn expire(&mut self, now: Now) {
        self.lease_sets.expire(now.date);
        self.peers.forget_idle(now.tick);
        self.floods.forget_idle(now.tick);
    }
}

impl NetDb {
    /// Handles a DatabaseLookup. `from` is the peer that a direct message came from. Only floodfills answer.
    pub(crate) fn handle_lookup(&mut self, now: Now, from: Option<RouterHash>, via: Via, lookup: DatabaseLookup) {
        let from_tunnel = matches!(via, Via::Tunnel(_));
        if !self.shared.config.floodfill || from_tunnel || lookup.key == ZERO_KEY {
            return;
        }
        // Both the sender and whoever would get the answers have their share.
        let sender = from.filter(|_| via == Via::Direct).map(NetDbKey::from);
        let receiver = Some(NetDbKey::from(lookup.from));
        let peers = &mut self.floodfill.peers;
        let sender_may = sender == receiver || peers.take(now.tick, sender, Work::Lookup);
        if !sender_may || !peers.take(now.tick, receiver, Work::Lookup) {
            self.count(Reject::Throttled);
            return;
        }
        let message = self.answer(now, &lookup);
        self.shared.out.push_back(NetDbOutput::Reply {
            path: ReplyPath { gateway: lookup.from, tunnel: lookup.reply_tunnel },
            message,
            encrypt: lookup.reply_key,
        });
    }

    fn answer(&mut self, now: Now, lookup: &DatabaseLookup) -> I2npMessage {
        let kind = lookup.kind;
        let mut found = None;
        if matches!(kind, LookupKind::Any | LookupKind::RouterInfo) {
            found = self.served_router(now.date, &RouterHash(lookup.key.0)).map(|info| DatabaseStore::router_info(info, None));
        }
        if found.is_none() && matches!(kind, LookupKind::Any | LookupKind::LeaseSet) {
            let hash = DestinationHash(lookup.key.0);
            found = self.floodfill.lease_sets.get(now.date, &hash).map(|set| DatabaseStore::lease_set2(set, None));
        }
        match found {
            Some(store) => message::store(&mut *self.shared.rng, now, &store),
            None => self.name_others(now, lookup),
        }
    }

    fn served_router(&self, now: Date, hash: &RouterHash) -> Option<&RouterInfo> {
        let own = self.own.as_ref().filter(|own| own.hash() == *hash);
        let info = own.or_else(|| self.shared.routers.get(hash))?;
        let fresh = now.saturating_since(info.published()) <= config::MAX_SERVED_AGE;
        (fresh && !info.is_hidden()).then_some(info)
    }

    fn name_others(&mut self, now: Now, lookup: &DatabaseLookup) -> I2npMessage {
        let key = routing_key(lookup.key, now.date);
        let skip = |hash: &RouterHash| lookup.excluded.contains(hash) || *hash == lookup.from;
        let routers = &self.shared.routers;
        let named = if lookup.kind == LookupKind::Exploratory {
            routers.closest_others(&key, config::REPLY_ROUTERS, skip)
        } else {
            routers.closest_floodfills(&key, config::REPLY_FLOODFILLS, skip)
        };
        let us = self.shared.config.our_hash;
        message::search_reply(&mut *self.shared.rng, now, lookup.key, named, us)
    }

    /// Answers a store's token: also for what isn't kept, as all routers do.
    pub(super) fn confirm(&mut self, now: Now, reply: &StoreReply) {
        if reply.token == TAKEN_TOKEN {
            return;
        }
        let message = message::delivery_status(&mut *self.shared.rng, now, reply.token);
        self.shared.out.push_back(NetDbOutput::Reply {
            path: ReplyPath { gateway: reply.gateway, tunnel: reply.tunnel },
            message,
            encrypt: None,
        });
    }

    /// Keeps and floods the LeaseSet of a store that came as one to a floodfill.
    pub(super) fn serve_lease_set(
        &mut self,
        now: Now,
        key: NetDbKey,
        set: ramson_wire::Unverified<LeaseSet2>,
        flood: bool,
    ) -> AddResult {
        if !self.shared.config.floodfill {
            return AddResult::Rejected(Reject::Unsolicited);
        }
        let result = self.floodfill.lease_sets.add(now, &key, set);
        let hash = DestinationHash(key.0);
        if flood
            && result.is_change()
            && let Some(set) = self.floodfill.lease_sets.get(now.date, &hash)
        {
            let tomorrow = tomorrow_within(now.date, config::NEXT_DAY_LEASE_SET).filter(|tomorrow| end_of(set) > *tomorrow);
            let body = DatabaseStore::lease_set2(set, None);
            self.flood(now, &body, tomorrow);
        }
        result
    }

    /// Floods a RouterInfo that is new to us.
    pub(crate) fn flood_router(&mut self, now: Now, info: &RouterInfo) {
        if now.date.saturating_since(info.published()) <= config::MAX_SERVED_AGE {
            let tomorrow = tomorrow_within(now.date, config::NEXT_DAY_ROUTER_INFO);
            let body = DatabaseStore::router_info(info, None);
            self.flood(now, &body, tomorrow);
        }
    }

    /// Sends a new entry, without token, to the closest floodfills of today and, near midnight, of tomorrow. Not to the router that it is
    /// about. The peer that sent it isn't left out: with a token it isn't a flooding floodfill, but a publisher or the end of its tunnel.
    fn flood(&mut self, now: Now, body: &DatabaseStore, tomorrow: Option<Date>) {
        let key = body.key;
        let floods = &mut self.floodfill.floods;
        if !floods.take(now.tick, Some(key), Work::Flood) {
            return;
        }
        let skip = |hash: &RouterHash| NetDbKey::from(*hash) == key;
        let routers = &self.shared.routers;
        let today = routing_key(key, now.date);
        let mut targets = routers.closest_floodfills(&today, config::FLOOD_TO, skip);
        if let Some(tomorrow) = tomorrow {
            let next = routing_key(key, tomorrow);
            let next = routers.closest_floodfills(&next, config::FLOOD_NEXT_DAY_TO, skip);
            for hash in next {
                if !targets.contains(&hash) {
                    targets.push(hash);
                }
            }
        }
        let bytes = Bytes::from(body.to_bytes());
        for to in targets {
            push_copy(&mut self.shared, now, to, bytes.clone());
        }
    }
}

fn push_copy(shared: &mut Shared, now: Now, to: RouterHash, body: Bytes) {
    let kind = MessageKind::DATABASE_STORE;
    let message = message::wrap(&mut *shared.rng, now, kind, config::STORE_LIFE, body);
    shared.out.push_back(NetDbOutput::Direct { to, message });
}

/// The next midnight (UTC), if it is less than `window` away.
fn tomorrow_within(now: Date, window: Duration) -> Option<Date> {
    let midnight = next_midnight(now);
    (midnight.saturating_since(now) < window).then_some(midnight)
}
