//! What belongs to one owner: its lookups, negative cache, publication and tunnels. Nothing here is seen by another.

use std::collections::BTreeMap;

use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::i2np::DatabaseSearchReply;
use ramson_wire::{Date, LeaseSet2, MessageId, NetDbKey, Now, RouterHash, RouterInfo, Tick};

use super::ahead::Ahead;
use super::answers::Answers;
use super::config;
use super::lookup::{self, Goal, Kind, Lookup, Step};
use super::negative::Negative;
use super::output::{LookupFailure, LookupRequest, LookupResult, NetDbOutput, Paths, PublicationState};
use super::publish::{Entry, Publication};
use super::routers::Source;
use super::shared::{Asker, Shared};
use crate::fingerprint::Digest;
use crate::identity::{IdentityId, Owner};

/// A lookup, by what and for whom: the router looks for the same once for itself and once for each identity, or one could see what
/// another is waiting for.
type LookupId = (Kind, NetDbKey, Owner);

/// All lookups of a thing.
fn of_all(kind: Kind, key: NetDbKey) -> std::ops::RangeInclusive<LookupId> {
    (kind, key, Owner::Router)..=(kind, key, Owner::Identity(IdentityId(u32::MAX)))
}

/// See the module.
#[derive(Debug)]
pub(super) struct OwnerState {
    owner: Owner,
    lookups: BTreeMap<LookupId, Lookup>,
    max_lookups: usize,
    negative: Negative,
    answers: Answers,
    publication: Option<Publication>,
    ahead: Ahead,
    pub(super) paths: Paths,
}

impl OwnerState {
    pub(super) fn new(owner: Owner, limits: &config::Limits) -> OwnerState {
        let max_lookups = match owner {
            Owner::Router => limits.router_lookups + limits.fetches_for_identity * config::MAX_IDENTITIES,
            Owner::Identity(_) => limits.lookups,
        };
        OwnerState {
            owner,
            lookups: BTreeMap::new(),
            max_lookups,
            negative: Negative::new(owner),
            answers: Answers::default(),
            publication: None,
            ahead: Ahead::default(),
            paths: Paths::default(),
        }
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut waiters, mut asked, mut fetching) = (Fullest::default(), Fullest::default(), Fullest::default());
        for lookup in self.lookups.values() {
            lookup.hold(&mut waiters, &mut asked, &mut fetching);
        }
        let bytes = entries::<(LookupId, Lookup)>(self.lookups.len());
        visit(Bound::new("netdb-lookups", self.lookups.len(), self.max_lookups, bytes));
        visit(waiters.bound("netdb-lookup-waiters", config::MAX_WAITERS));
        visit(asked.bound("netdb-lookup-asked", lookup::MAX_ASKED));
        visit(fetching.bound("netdb-lookup-fetches", config::MAX_REPLY_HASHES));
        visit(self.negative.bound());
        self.answers.bounds(visit);
        let bytes = self.paths.inbound.capacity() * size_of::<super::ReplyPath>();
        visit(Bound::new("netdb-reply-paths", self.paths.inbound.len(), config::MAX_REPLY_PATHS, bytes));
        let publications = self.publication.iter().chain(self.ahead.publication());
        publications.for_each(|publication| publication.bounds(visit));
    }

    /// What messages change of it.
    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        for (id, lookup) in &self.lookups {
            digest.add(id);
            lookup.fingerprint(digest);
        }
        self.negative.fingerprint(digest);
        self.answers.fingerprint(digest);
        self.fingerprint_publication(digest);
    }

    /// Of that only what is published.
    pub(super) fn fingerprint_publication(&self, digest: &mut Digest) {
        let publications = self.publication.iter().chain(self.ahead.publication());
        publications.for_each(|publication| publication.fingerprint(digest));
    }

    /// Starts a lookup or joins the one in flight.
    pub(super) fn start(
        &mut self,
        shared: &mut Shared,
        now: Now,
        goal: Goal,
        waiter: Option<LookupRequest>,
    ) -> Result<(), LookupFailure> {
        let id = (goal.kind, goal.key, goal.whose);
        if self.negative.holds(now.tick, goal.whose, &goal.key) {
            return Err(LookupFailure::NotFound);
        }
        if !self.lookups.contains_key(&id) {
            if self.lookups.len() >= self.max_lookups || self.own_lookups_are_full(&shared.config.limits, &goal) {
                return Err(LookupFailure::Busy);
            }
            shared.lookups.asked += u64::from(!goal.kind.explores());
        }
        let lookup = self.lookups.entry(id).or_insert_with(|| Lookup::new(shared, now, goal));
        if let Some(waiter) = waiter {
            if lookup.waiters.len() >= config::MAX_WAITERS {
                return Err(LookupFailure::Busy);
            }
            lookup.waiters.push(waiter);
        }
        // What the router needs for itself may displace old entries even if a fetch was first.
        if goal.source == Source::Lookup {
            lookup.goal.source = goal.source;
        }
        self.step_lookups(shared, now);
        Ok(())
    }

    /// What a router looks for by itself doesn't take the places of what it looks for on behalf of its identities.
    fn own_lookups_are_full(&self, limits: &config::Limits, goal: &Goal) -> bool {
        let own = || self.lookups.keys().filter(|(.., whose)| *whose == Owner::Router).count();
        self.owner == Owner::Router && goal.whose == Owner::Router && own() >= limits.router_lookups
    }

    /// Whether there is a place for a fetch: each has its own for what answers to it name.
    pub(super) fn may_fetch(&self, limits: &config::Limits, fetch: &Goal) -> bool {
        let limit = if fetch.whose == Owner::Router { limits.fetches } else { limits.fetches_for_identity };
        let fetches = self.lookups.values().filter(|lookup| !lookup.goal.follow && lookup.goal.whose == fetch.whose);
        self.lookups.contains_key(&(fetch.kind, fetch.key, fetch.whose)) || fetches.count() < limit
    }

    #[cfg(test)]
    pub(super) fn sought_for_identities(&self) -> usize {
        self.lookups.keys().filter(|(.., whose)| *whose != Owner::Router).count()
    }

    /// How a RouterInfo that is being looked for is to be taken.
    pub(super) fn wanted_as(&self, key: &NetDbKey) -> Option<Source> {
        let mut sources = self.lookups.range(of_all(Kind::Router, *key)).map(|(_, lookup)| lookup.goal.source);
        let first = sources.next()?;
        Some(if sources.any(|source| source == Source::Lookup) { Source::Lookup } else { first })
    }

    /// Whether this router was just asked straight for a RouterInfo.
    pub(super) fn asks_directly(&self, key: &NetDbKey, peer: &RouterHash) -> bool {
        self.lookups.range(of_all(Kind::Router, *key)).any(|(_, lookup)| lookup.asks_directly(peer))
    }

    /// An identity is gone: what was sought for it isn't any more.
    pub(super) fn forget(&mut self, whose: Owner) {
        self.lookups.retain(|(.., of), _| *of != whose);
        self.negative.forget(whose);
    }

    /// Fires what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now) {
        self.step_lookups(shared, now);
        let Self { publication, ahead, paths, answers, .. } = self;
        let mut asker = Asker { owner: self.owner, paths, answers };
        if let Some(publication) = publication {
            publication.step(shared, now, &mut asker);
        }
        ahead.step(shared, now, &mut asker, publication.as_ref());
    }

    fn step_lookups(&mut self, shared: &mut Shared, now: Now) {
        let Self { lookups, paths, answers, .. } = self;
        let mut asker = Asker { owner: self.owner, paths, answers };
        let mut ended = Vec::new();
        for (id, lookup) in lookups {
            if lookup.deadline() <= now.tick
                && let Step::Ended(result) = lookup.step(shared, now, &mut asker)
            {
                ended.push((*id, result));
            }
        }
        for (id, result) in ended {
            if matches!(result, LookupResult::Failed(LookupFailure::NotFound)) {
                self.negative.note(now.tick, id.2, id.1);
            }
            self.finish(shared, now, id, &result);
        }
    }

    fn finish(&mut self, shared: &mut Shared, now: Now, id: LookupId, result: &LookupResult) {
        let Some(lookup) = self.lookups.remove(&id) else {
            return;
        };
        if !matches!(result, LookupResult::Failed(_)) {
            lookup.learn_from_end(now, &mut self.answers);
        }
        if !id.0.explores() {
            let took = now.tick.saturating_since(lookup.begun);
            shared.lookups.ended(id.0 == Kind::LeaseSet, !matches!(result, LookupResult::Failed(_)), took);
        }
        if id.0 == Kind::Router {
            shared.settled.push(RouterHash(id.1.0));
        }
        for request in lookup.waiters {
            shared.out.push_back(NetDbOutput::LookupDone { owner: self.owner, request, result: result.clone() });
        }
    }

    /// A RouterInfo is in the store now.
    pub(super) fn found_router(&mut self, shared: &mut Shared, now: Now, info: &RouterInfo) {
        let key = NetDbKey::from(info.hash());
        self.negative.found(&key);
        let found: Vec<LookupId> = self.lookups.range(of_all(Kind::Router, key)).map(|(id, _)| *id).collect();
        for id in found {
            self.finish(shared, now, id, &LookupResult::Router(info.clone()));
        }
    }

    /// The LeaseSet that this owner looks for has come, or one that it has already.
    pub(super) fn found_lease_set(&mut self, shared: &mut Shared, now: Now, set: &LeaseSet2) {
        let key = NetDbKey::from(set.destination().hash());
        self.negative.found(&key);
        let id = (Kind::LeaseSet, key, self.owner);
        if let Some(set) = self.lookups.get_mut(&id).and_then(|lookup| lookup.handle_lease_set(now, set)) {
            self.finish(shared, now, id, &LookupResult::LeaseSet(set));
        }
        self.step_lookups(shared, now);
    }

    /// What came as an answer can't be kept.
    pub(super) fn bad_answer(&mut self, shared: &mut Shared, now: Now, (kind, key): (Kind, NetDbKey), from: Option<&RouterHash>) {
        for (_, lookup) in self.lookups.range_mut(of_all(kind, key)) {
            lookup.handle_bad_answer(now, from);
        }
        self.step_lookups(shared, now);
    }

    /// What we published came back from a floodfill.
    pub(super) fn found_own(&mut self, shared: &mut Shared, now: Now, published: Date) {
        let Self { publication, paths, answers, .. } = self;
        if let Some(publication) = publication {
            publication.handle_found(shared, now, &mut Asker { owner: self.owner, paths, answers }, published);
        }
    }

    /// True while the publication waits for its entry to come back, from this router if it comes straight.
    pub(super) fn awaits_own(&self, key: &NetDbKey, from: Option<&RouterHash>) -> bool {
        let publication = self.publication.as_ref();
        publication.is_some_and(|publication| publication.awaits(key, from))
    }

    /// True while a LeaseSet lookup for the key is in flight.
    pub(super) fn awaits_lease_set(&self, key: &NetDbKey) -> bool {
        self.lookups.contains_key(&(Kind::LeaseSet, *key, self.owner))
    }

    pub(super) fn handle_search_reply(&mut self, shared: &mut Shared, now: Now, reply: &DatabaseSearchReply) {
        let Self { lookups, publication, paths, answers, .. } = self;
        for kind in [Kind::Router, Kind::LeaseSet, Kind::Exploration, Kind::Floodfills] {
            for (_, lookup) in lookups.range_mut(of_all(kind, reply.key)) {
                lookup.handle_search_reply(shared, now, answers, reply);
            }
        }
        // One answer is all that an exploration is for.
        for explored in [Kind::Exploration, Kind::Floodfills].map(|kind| (kind, reply.key, self.owner)) {
            if lookups.get(&explored).is_some_and(|lookup| lookup.answers() > 0) {
                lookups.remove(&explored);
                shared.explored += 1;
            }
        }
        if let Some(publication) = publication {
            publication.handle_search_reply(shared, now, &mut Asker { owner: self.owner, paths, answers }, reply);
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
        let publications = self.publication.iter_mut().chain(self.ahead.publication_mut());
        publications.for_each(|publication| publication.handle_send_failed(now, to));
        self.step(shared, now);
    }

    pub(super) fn set_paths(&mut self, shared: &mut Shared, now: Now, mut paths: Paths) {
        paths.inbound.truncate(config::MAX_REPLY_PATHS);
        self.paths = paths;
        for lookup in self.lookups.values_mut() {
            lookup.handle_paths(now);
        }
        let publications = self.publication.iter_mut().chain(self.ahead.publication_mut());
        publications.for_each(|publication| publication.hurry(now));
        self.step(shared, now);
    }

    /// A session stands again after there was none: what rests because nobody could be reached goes on. Each identity at its own time,
    /// or those of one router would show by acting together.
    pub(super) fn revive(&mut self, shared: &mut Shared, now: Now) {
        let at = match self.owner {
            Owner::Router => now.tick,
            Owner::Identity(_) => now.tick + shared.draw_ms(config::REVIVAL_MS),
        };
        let publications = self.publication.iter_mut().chain(self.ahead.publication_mut());
        publications.for_each(|publication| publication.revive(at));
        self.step(shared, now);
    }

    pub(super) fn handle_delivery_status(&mut self, shared: &mut Shared, now: Now, id: MessageId) -> bool {
        let Self { publication, ahead, paths, answers, .. } = self;
        let mut asker = Asker { owner: self.owner, paths, answers };
        let mut publications = publication.iter_mut().chain(ahead.publication_mut());
        publications.any(|publication| publication.handle_delivery_status(shared, now, &mut asker, id))
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
        self.negative.expire(now.tick);
        self.answers.expire(now.tick);
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let lookups = self.lookups.values().map(Lookup::deadline);
        let publication = self.publication.as_ref().and_then(Publication::deadline);
        lookups.chain(publication).chain(self.ahead.deadline()).min()
    }
}
