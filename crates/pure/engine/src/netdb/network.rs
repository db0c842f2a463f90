//! What comes from the network: stores, answers, confirmations, and news of sessions. [`NetDb::handle_lookup`] is in `floodfill`.

use ramson_wire::i2np::{DatabaseSearchReply, DatabaseStore, StoreEntry};
use ramson_wire::{LeaseSet2, MessageId, NetDbKey, Now, RouterHash, Unverified};

use super::NetDb;
use super::lease_sets::accept;
use super::limits::Work;
use super::lookup::Kind;
use super::output::Via;
use super::routers::{AddResult, Reject, Source};
use super::shared::Shared;
use crate::identity::{IdentityId, Owner};

impl NetDb {
    /// A session with a peer came up: a connected floodfill can be asked directly whatever it publishes. What rests because nobody could
    /// be reached goes on at the first one.
    pub(crate) fn handle_connected(&mut self, now: Now, peer: RouterHash) {
        let was_alone = self.shared.connected.is_empty();
        self.shared.connected.insert(peer);
        self.shared.routers.note_reached(&peer);
        if was_alone {
            self.exploring.revive(&mut self.shared, now);
            self.router.revive(&mut self.shared, now);
            for identity in self.identities.values_mut() {
                identity.revive(&mut self.shared, now);
            }
            self.settle(now);
        }
    }

    /// A session ended.
    pub(crate) fn handle_disconnected(&mut self, peer: &RouterHash) {
        self.shared.connected.remove(peer);
    }

    /// A peer can't be reached: what was sent straight to it goes elsewhere at once.
    pub(crate) fn handle_send_failed(&mut self, now: Now, peer: RouterHash) {
        self.shared.routers.note_failed(now.tick, peer);
        self.router.handle_send_failed(&mut self.shared, now, &peer);
        self.settle(now);
    }

    /// A DatabaseStore. `from` is the peer that a direct message came from.
    pub(crate) fn handle_store(&mut self, now: Now, from: Option<RouterHash>, via: Via, store: DatabaseStore) {
        match via {
            Via::Tunnel(Owner::Identity(id)) => self.store_to_identity(now, id, store),
            Via::Tunnel(Owner::Router) => self.store_to_router(now, None, None, store),
            Via::Direct => self.store_from_network(now, from, store),
            Via::Garlic => self.store_from_network(now, None, store),
        }
        self.settle(now);
    }

    /// What comes down an identity's tunnel is only an answer to that identity.
    fn store_to_identity(&mut self, now: Now, id: IdentityId, store: DatabaseStore) {
        let Some(identity) = self.identities.get_mut(&id) else {
            return;
        };
        let StoreEntry::LeaseSet2(set) = store.entry else {
            self.count(Reject::Unsolicited);
            return;
        };
        if identity.awaits_own(&store.key, None) {
            match set.clone().verify() {
                Ok(own) if NetDbKey::from(own.destination().hash()) == store.key => {
                    identity.found_own(&mut self.shared, now, own.published());
                }
                _ => self.count(Reject::BadSignature),
            }
        }
        let awaited = self.identities.get(&id);
        if awaited.is_some_and(|identity| identity.awaits_lease_set(&store.key)) {
            self.answer_identity(now, id, &store.key, set);
        }
    }

    /// Nothing is kept here: who asked keeps what it uses.
    fn answer_identity(&mut self, now: Now, id: IdentityId, key: &NetDbKey, set: Unverified<LeaseSet2>) {
        let Some(identity) = self.identities.get_mut(&id) else {
            return;
        };
        match accept(now.date, key, set) {
            Ok(set) => identity.found_lease_set(&mut self.shared, now, &set),
            Err(reject) => {
                identity.bad_answer(&mut self.shared, now, (Kind::LeaseSet, *key), None);
                self.count(reject);
            }
        }
    }

    fn store_from_network(&mut self, now: Now, from: Option<RouterHash>, store: DatabaseStore) {
        // Who was asked may answer, whatever else it sends. An answer has no token.
        let asked = |from: RouterHash| self.router.asks_directly(&store.key, &from);
        let awaited = store.reply.is_none() && from.is_some_and(asked);
        let peer = from.map(NetDbKey::from);
        if !awaited && !self.floodfill.peers.take(now.tick, peer, Work::Store) {
            self.count(Reject::Throttled);
            return;
        }
        if let Some(reply) = &store.reply {
            self.confirm(now, reply);
        }
        let flood = store.reply.is_some();
        match store.entry {
            StoreEntry::RouterInfo(_) => self.store_to_router(now, from, Some(flood), store),
            StoreEntry::LeaseSet2(set) => {
                let result = self.serve_lease_set(now, store.key, set, flood);
                self.note(result);
            }
            StoreEntry::Other { .. } | StoreEntry::Malformed { .. } => {
                self.count(Reject::Unsupported);
            }
        }
    }

    /// Adds a RouterInfo if it was asked for, is the sender's own, or we serve as a floodfill. `flood` is `None` for answers.
    fn store_to_router(&mut self, now: Now, from: Option<RouterHash>, flood: Option<bool>, store: DatabaseStore) {
        let StoreEntry::RouterInfo(info) = store.entry else {
            return;
        };
        if self.router.awaits_own(&store.key, from.as_ref()) {
            match info.verify() {
                Ok(own) if NetDbKey::from(own.hash()) == store.key => {
                    self.router.found_own(&mut self.shared, now, own.published())
                }
                _ => self.count(Reject::BadSignature),
            }
            return;
        }
        let hash = info.hash();
        let serves = self.shared.config.floodfill && flood.is_some();
        let source = match self.router.wanted_as(&store.key) {
            Some(source) => source,
            None if from == Some(hash) => Source::Handshake,
            None if serves => Source::Stranger,
            None => {
                self.count(Reject::Unsolicited);
                return;
            }
        };
        let Shared { routers, config, .. } = &mut self.shared;
        let result = routers.add_unverified(now, config, &store.key, info, source);
        let result = self.router_added(now, hash, result);
        if matches!(result, AddResult::Rejected(_)) {
            let shared = &mut self.shared;
            let goal = (Kind::Router, store.key);
            match (flood, from) {
                (None, _) => self.router.bad_answer(shared, now, goal, None),
                (Some(_), Some(from)) => self.router.bad_answer(shared, now, goal, Some(&from)),
                // In garlic: nobody is asked to answer so.
                (Some(_), None) => {}
            }
        }
        if serves
            && flood == Some(true)
            && result.is_change()
            && let Some(info) = self.shared.routers.get(&hash).cloned()
        {
            self.flood_router(now, &info);
        }
    }

    /// An answer that came down a tunnel in clear, though each question asks for a sealed one: a stranger's.
    pub(crate) fn refuse_clear_answer(&mut self) {
        self.count(Reject::Unsolicited);
    }

    /// A DatabaseSearchReply: down a tunnel of `owner`, or for [`Owner::Router`] straight to us.
    pub(crate) fn handle_search_reply(&mut self, now: Now, owner: Owner, reply: &DatabaseSearchReply) {
        match owner {
            Owner::Router => self.router.handle_search_reply(&mut self.shared, now, reply),
            Owner::Identity(id) => {
                if let Some(identity) = self.identities.get_mut(&id) {
                    identity.handle_search_reply(&mut self.shared, now, reply);
                }
            }
        }
        self.settle(now);
    }

    /// A DeliveryStatus, by the way of [`Self::handle_search_reply`]; false if it isn't for the netDb.
    pub(crate) fn handle_delivery_status(&mut self, now: Now, owner: Owner, id: MessageId) -> bool {
        match owner {
            Owner::Router => self.router.handle_delivery_status(&mut self.shared, now, id),
            Owner::Identity(identity) => {
                self.identities.get_mut(&identity).is_some_and(|state| state.handle_delivery_status(&mut self.shared, now, id))
            }
        }
    }
}
