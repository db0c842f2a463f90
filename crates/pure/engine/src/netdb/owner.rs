//! What belongs to one owner: its lookups, negative cache, publication and tunnels. Nothing here is seen by another.

use std::collections::BTreeMap;

use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::i2np::DatabaseSearchReply;
use ramson_wire::{Date, LeaseSet2, MessageId, NetDbKey, Now, RouterHash, RouterInfo, Tick};

use super::config;
use super::lookup::{self, Goal, Kind, Lookup, Step};
use super::output::{LookupFailure, LookupRequest, LookupResult, NetDbOutput, Paths, PublicationState};
use super::publish::{Entry, Publication};
use super::shared::{Prefer, Shared};
use crate::fingerprint::Digest;
use crate::identity::Owner;

/// See the module.
#[derive(Debug)]
pub(super) struct OwnerState {
    owner: Owner,
    lookups: BTreeMap<(Kind, NetDbKey), Lookup>,
    max_lookups: usize,
    negative: BTreeMap<NetDbKey, Tick>,
    publication: Option<Publication>,
    pub(super) paths: Paths,
}

impl OwnerState {
    pub(super) fn new(owner: Owner, max_lookups: usize) -> OwnerState {
        OwnerState {
            owner,
            lookups: BTreeMap::new(),
            max_lookups,
            negative: BTreeMap::new(),
            publication: None,
            paths: Paths::default(),
        }
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut waiters, mut asked, mut fetching) = (Fullest::default(), Fullest::default(), Fullest::default());
        for lookup in self.lookups.values() {
            lookup.hold(&mut waiters, &mut asked, &mut fetching);
        }
        let bytes = entries::<((Kind, NetDbKey), Lookup)>(self.lookups.len());
        visit(Bound::new("netdb-lookups", self.lookups.len(), self.max_lookups, bytes));
        visit(waiters.bound("netdb-lookup-waiters", config::MAX_WAITERS));
        visit(asked.bound("netdb-lookup-asked", lookup::MAX_ASKED));
        visit(fetching.bound("netdb-lookup-fetches", config::MAX_REPLY_HASHES));
        let bytes = entries::<(NetDbKey, Tick)>(self.negative.len());
        visit(Bound::new("netdb-negative", self.negative.len(), config::MAX_NEGATIVE, bytes));
        let bytes = self.paths.inbound.capacity() * size_of::<super::ReplyPath>();
        visit(Bound::new("netdb-reply-paths", self.paths.inbound.len(), config::MAX_REPLY_PATHS, bytes));
        if let Some(publication) = &self.publication {
            publication.bounds(visit);
        }
    }

    /// What messages change of it.
    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        for ((kind, key), lookup) in &self.lookups {
            digest.add((kind, key));
            lookup.fingerprint(digest);
        }
        self.negative.keys().for_each(|key| digest.add(key));
        self.fingerprint_publication(digest);
    }

    /// Of that only what is published.
    pub(super) fn fingerprint_publication(&self, digest: &mut Digest) {
        if let Some(publication) = &self.publication {
            publication.fingerprint(digest);
        }
    }

    /// Starts a lookup or joins the one in flight.
    pub(super) fn start(
        &mut self,
        shared: &mut Shared,
        now: Now,
        goal: Goal,
        waiter: Option<LookupRequest>,
    ) -> Result<(), LookupFailure> {
        let id = (goal.kind, goal.key);
        if self.negative.get(&goal.key).is_some_and(|until| *until > now.tick) {
            return Err(LookupFailure::NotFound);
        }
        if !self.lookups.contains_key(&id) && self.lookups.len() >= self.max_lookups {
            return Err(LookupFailure::Busy);
        }
        let lookup = self.lookups.entry(id).or_insert_with(|| {
            shared.lookups.asked += u64::from(!goal.kind.explores());
            Lookup::new(now, goal)
        });
        if let Some(waiter) = waiter {
            if lookup.waiters.len() >= config::MAX_WAITERS {
                return Err(LookupFailure::Busy);
            }
            lookup.waiters.push(waiter);
        }
        // What the router needs for itself may displace old entries even if a fetch was first.
        if goal.source == super::routers::Source::Lookup {
            lookup.goal.source = goal.source;
        }
        self.step_lookups(shared, now);
        Ok(())
    }

    /// Whether there is a place for a fetch.
    pub(super) fn may_fetch(&self, limits: &config::Limits, fetch: &Goal) -> bool {
        let for_identities = |goal: &Goal| goal.prefer == Prefer::OnlyTunnels;
        let limit = if for_identities(fetch) { limits.fetches_for_identities } else { limits.fetches };
        let fetches = self.lookups.values().filter(|lookup| !lookup.goal.follow);
        self.lookups.contains_key(&(fetch.kind, fetch.key))
            || fetches.filter(|lookup| for_identities(&lookup.goal) == for_identities(fetch)).count() < limit
    }

    /// The source of a RouterInfo that is being looked for.
    pub(super) fn goal(&self, kind: Kind, key: &NetDbKey) -> Option<Goal> {
        self.lookups.get(&(kind, *key)).map(|lookup| lookup.goal)
    }

    /// Whether this router was just asked straight for a RouterInfo.
    pub(super) fn asks_directly(&self, key: &NetDbKey, peer: &RouterHash) -> bool {
        self.lookups.get(&(Kind::Router, *key)).is_some_and(|lookup| lookup.asks_directly(peer))
    }

    /// Fires what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now) {
        self.step_lookups(shared, now);
        if let Some(publication) = &mut self.publication {
            publication.step(shared, now, self.owner, &self.paths);
        }
    }

    fn step_lookups(&mut self, shared: &mut Shared, now: Now) {
        let mut failed = Vec::new();
        for (id, lookup) in &mut self.lookups {
            if lookup.deadline() > now.tick {
                continue;
            }
            if let Step::Failed(failure) = lookup.step(shared, now, self.owner, &self.paths) {
                failed.push((*id, failure));
            }
        }
        for (id, failure) in failed {
            if failure == LookupFailure::NotFound {
                self.note_negative(now, id.1);
            }
            self.finish(shared, id, &LookupResult::Failed(failure));
        }
    }

    fn note_negative(&mut self, now: Now, key: NetDbKey) {
        if self.negative.len() >= config::MAX_NEGATIVE {
            let first = self.negative.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(key, _)| *key) {
                self.negative.remove(&first);
            }
        }
        self.negative.insert(key, now.tick + config::NEGATIVE_FOR);
    }

    fn finish(&mut self, shared: &mut Shared, id: (Kind, NetDbKey), result: &LookupResult) {
        let Some(lookup) = self.lookups.remove(&id) else {
            return;
        };
        match result {
            _ if id.0.explores() => {}
            LookupResult::Failed(_) => shared.lookups.failed += 1,
            LookupResult::Router(_) | LookupResult::LeaseSet(_) => shared.lookups.found += 1,
        }
        if id.0 == Kind::Router {
            shared.settled.push(RouterHash(id.1.0));
        }
        for request in lookup.waiters {
            shared.out.push_back(NetDbOutput::LookupDone { owner: self.owner, request, result: result.clone() });
        }
    }

    /// A RouterInfo is in the store now.
    pub(super) fn found_router(&mut self, shared: &mut Shared, info: &RouterInfo) {
        let key = NetDbKey::from(info.hash());
        self.negative.remove(&key);
        let result = LookupResult::Router(info.clone());
        self.finish(shared, (Kind::Router, key), &result);
    }

    /// The LeaseSet that this owner looks for has come.
    pub(super) fn found_lease_set(&mut self, shared: &mut Shared, set: &LeaseSet2) {
        let key = NetDbKey::from(set.destination().hash());
        self.negative.remove(&key);
        let result = LookupResult::LeaseSet(set.clone());
        self.finish(shared, (Kind::LeaseSet, key), &result);
    }

    /// What came as an answer can't be kept.
    pub(super) fn bad_answer(&mut self, shared: &mut Shared, now: Now, (kind, key): (Kind, NetDbKey), from: Option<&RouterHash>) {
        if let Some(lookup) = self.lookups.get_mut(&(kind, key)) {
            lookup.handle_bad_answer(now, from);
            self.step_lookups(shared, now);
        }
    }

    /// What we published came back from a floodfill.
    pub(super) fn found_own(&mut self, shared: &mut Shared, now: Now, published: Date) {
        if let Some(publication) = &mut self.publication {
            publication.handle_found(shared, now, self.owner, published);
        }
    }

    /// True while the publication waits for its entry to come back, from this router if it comes straight.
    pub(super) fn awaits_own(&self, key: &NetDbKey, from: Option<&RouterHash>) -> bool {
        let publication = self.publication.as_ref();
        publication.is_some_and(|publication| publication.awaits(key, from))
    }

    /// True while a LeaseSet lookup for the key is in flight.
    pub(super) fn awaits_lease_set(&self, key: &NetDbKey) -> bool {
        self.lookups.contains_key(&(Kind::LeaseSet, *key))
    }

    pub(super) fn handle_search_reply(&mut self, shared: &mut Shared, now: Now, reply: &DatabaseSearchReply) {
        for kind in [Kind::Router, Kind::LeaseSet, Kind::Exploration, Kind::Floodfills] {
            if let Some(lookup) = self.lookups.get_mut(&(kind, reply.key)) {
                lookup.handle_search_reply(shared, now, self.owner, reply);
            }
        }
        // One answer is all that an exploration is for.
        for explored in [(Kind::Exploration, reply.key), (Kind::Floodfills, reply.key)] {
            if self.lookups.get(&explored).is_some_and(|lookup| lookup.answers() > 0) {
                self.lookups.remove(&explored);
            }
        }
        if let Some(publication) = &mut self.publication {
            publication.handle_search_reply(shared, now, self.owner, &self.paths, reply);
        }
        self.step_lookups(shared, now);
    }

    pub(super) fn handle_fetched(&mut self, shared: &mut Shared, now: Now, hash: &RouterHash) {
        for lookup in self.lookups.values_mut() {
            lookup.handle_fetched(now, hash);
        }
        self.step_lookups(shared, now);
    }

    pub(super) fn handle_send_failed(&mut self, shared: &mut Shared, now: Now, to: &RouterHash) {
        for lookup in self.lookups.values_mut() {
            lookup.handle_send_failed(now, to);
        }
        if let Some(publication) = &mut self.publication {
            publication.handle_send_failed(now, to);
        }
        self.step(shared, now);
    }

    pub(super) fn set_paths(&mut self, shared: &mut Shared, now: Now, mut paths: Paths) {
        paths.inbound.truncate(config::MAX_REPLY_PATHS);
        self.paths = paths;
        for lookup in self.lookups.values_mut() {
            lookup.handle_paths(now);
        }
        self.hurry(shared, now);
    }

    /// Looks at what waits for floodfills or tunnels.
    pub(super) fn hurry(&mut self, shared: &mut Shared, now: Now) {
        if let Some(publication) = &mut self.publication {
            publication.hurry(now);
        }
        self.step(shared, now);
    }

    pub(super) fn handle_delivery_status(&mut self, shared: &mut Shared, now: Now, id: MessageId) -> bool {
        let owner = self.owner;
        self.publication.as_mut().is_some_and(|publication| publication.handle_delivery_status(shared, now, owner, id))
    }

    pub(super) fn publish(&mut self, shared: &mut Shared, now: Now, entry: Entry) {
        match &mut self.publication {
            Some(publication) => publication.replace(now, entry),
            None => self.publication = Some(Publication::new(now, entry)),
        }
        self.step(shared, now);
    }

    pub(super) fn publication(&self) -> Option<PublicationState> {
        self.publication.as_ref().map(Publication::state)
    }

    pub(super) fn expire(&mut self, now: Now) {
        self.negative.retain(|_, until| *until > now.tick);
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let lookups = self.lookups.values().map(Lookup::deadline);
        let publication = self.publication.as_ref().and_then(Publication::deadline);
        lookups.chain(publication).min()
    }
}
