//! The network database: RouterInfos of the network, LeaseSets of destinations, finding and publishing them, and serving as a floodfill.
//!
//! One machine, [`NetDb`]. What it holds falls in three parts that never answer for each other:
//!
//! - the **router's** part: all RouterInfos, looked up and published by the router itself;
//! - one part **per identity**: lookups in flight, negative cache and publication, reached only through that identity's tunnels; the
//!   LeaseSets found go to the identity's destination, which keeps those it uses;
//! - the **floodfill's** part: LeaseSets that others stored here over the network, given to whoever asks over the network.
//!
//! Feed it with `handle_*` and the calls below, then drain [`NetDb::poll_output`] until `None`, and call [`NetDb::handle_timeout`] at
//! [`NetDb::deadline`]; calling it early does no harm.
//!
//! Source: Network database; I2NP, "DatabaseStore", "DatabaseLookup", "DatabaseSearchReply".

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use ramson_crypto::CryptoRng;
use ramson_wire::{Date, DestinationHash, LeaseSet2, Now, RouterHash, RouterInfo, Tick, Unverified};

use crate::identity::{IdentityId, Owner};
use crate::status::LookupCounts;

mod ahead;
mod answers;
mod bounds;
mod config;
mod explore;
mod floodfill;
mod lease_sets;
mod limits;
mod lookup;
mod message;
mod negative;
mod network;
mod output;
mod owner;
mod publish;
mod routers;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use config::Config;
pub(crate) use config::Limits;
pub(crate) use lease_sets::accept;
pub(crate) use message::is_answer;
pub(crate) use output::{LookupFailure, LookupRequest, LookupResult, NetDbOutput, Paths, PublicationState, ReplyPath, Via};
pub(crate) use routers::{AddResult, Reject, Source};

use explore::Exploring;
use floodfill::Floodfill;
use lookup::{Goal, Kind};
use owner::OwnerState;
use publish::Entry;
use routers::RouterStore;
use shared::{Fetch, Prefer, Shared};

/// See the module.
pub(crate) struct NetDb {
    shared: Shared,
    own: Option<RouterInfo>,
    router: OwnerState,
    identities: BTreeMap<IdentityId, OwnerState>,
    floodfill: Floodfill,
    drops: BTreeMap<Reject, u64>,
    exploring: Exploring,
    maintain_at: Tick,
}

/// Birth, time and outputs.
impl NetDb {
    /// A netDb with the RouterInfos that disk or a folder gave. What doesn't verify or is too old is dropped, and deleted from disk.
    pub(crate) fn new(
        now: Now,
        config: Config,
        snapshot: impl IntoIterator<Item = (RouterHash, Bytes)>,
        rng: Box<dyn CryptoRng + Send>,
    ) -> NetDb {
        let mut shared = Shared {
            routers: RouterStore::new(now.tick),
            connected: BTreeSet::new(),
            rng,
            out: VecDeque::new(),
            fetches: Vec::new(),
            settled: Vec::new(),
            lookups: LookupCounts::default(),
            explored: 0,
            config,
        };
        let mut netdb = NetDb {
            router: OwnerState::new(Owner::Router, &shared.config.limits),
            floodfill: Floodfill::new(&shared.config),
            exploring: Exploring::new(&mut shared, now),
            shared,
            own: None,
            identities: BTreeMap::new(),
            drops: BTreeMap::new(),
            maintain_at: now.tick + config::MAINTENANCE,
        };
        for (key, bytes) in snapshot {
            netdb.load(now, key, bytes);
            netdb.flush_if_many();
        }
        netdb
    }

    fn load(&mut self, now: Now, key: RouterHash, bytes: Bytes) {
        let result = match Unverified::<RouterInfo>::parse(bytes) {
            Ok(info) => {
                let Shared { routers, config, .. } = &mut self.shared;
                routers.add_unverified(now, config, &key.into(), info, Source::Snapshot)
            }
            Err(_) => AddResult::Rejected(Reject::Unsupported),
        };
        if let AddResult::Rejected(_) = result {
            self.note(result);
            let output = NetDbOutput::Store { key, value: None };
            self.shared.out.push_back(output);
        }
    }

    /// The next thing to do, `None` when all is done. Drain after every call.
    pub(crate) fn poll_output(&mut self) -> Option<NetDbOutput> {
        self.shared.out.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn deadline(&self) -> Tick {
        let owners = std::iter::once(&self.router).chain(self.identities.values());
        let next = owners.filter_map(OwnerState::deadline).min();
        let own = self.exploring.deadline().min(self.maintain_at);
        next.map_or(own, |next| next.min(own))
    }

    /// Fires what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if self.maintain_at <= now.tick {
            self.maintain_at = now.tick + config::MAINTENANCE;
            self.maintain(now);
        }
        self.exploring.step(&mut self.shared, now, &mut self.router);
        self.router.step(&mut self.shared, now);
        for identity in self.identities.values_mut() {
            identity.step(&mut self.shared, now);
        }
        self.settle(now);
    }

    fn maintain(&mut self, now: Now) {
        let Shared { routers, config, .. } = &mut self.shared;
        routers.expire(now, config);
        self.router.expire(now);
        for identity in self.identities.values_mut() {
            identity.expire(now);
        }
        self.floodfill.expire(now);
        self.flush();
    }

    /// Puts out what disk doesn't have yet. Runs every 30 s by itself; call it before a shutdown.
    pub(crate) fn flush(&mut self) {
        for (key, value) in self.shared.routers.take_dirty() {
            self.shared.out.push_back(NetDbOutput::Store { key, value });
        }
    }

    /// What disk doesn't have is bounded: it is put out early.
    fn flush_if_many(&mut self) {
        if self.shared.routers.dirty_count() >= routers::MAX_DIRTY {
            self.flush();
        }
    }

    /// Starts the fetches that lookups asked for, and tells lookups of those that ended. Ends because fetches start no others.
    fn settle(&mut self, now: Now) {
        loop {
            for fetch in std::mem::take(&mut self.shared.fetches) {
                let Fetch { hash, ask, whose } = fetch;
                let goal = Goal {
                    key: hash.into(),
                    kind: Kind::Router,
                    whose,
                    prefer: fetch.prefer(),
                    follow: false,
                    first: ask,
                    source: Source::Followup,
                    newer_than: None,
                };
                let may = self.router.may_fetch(&self.shared.config.limits, &goal);
                if !may || self.router.start(&mut self.shared, now, goal, None).is_err() {
                    self.shared.settled.push(hash);
                }
            }
            let settled = std::mem::take(&mut self.shared.settled);
            if settled.is_empty() && self.shared.fetches.is_empty() {
                return;
            }
            for hash in &settled {
                self.router.handle_fetched(&mut self.shared, now, hash);
                for identity in self.identities.values_mut() {
                    identity.handle_fetched(&mut self.shared, now, hash);
                }
            }
        }
    }

    fn count(&mut self, reject: Reject) {
        *self.drops.entry(reject).or_insert(0) += 1;
    }

    fn note(&mut self, result: AddResult) -> AddResult {
        if let AddResult::Rejected(reject) = result {
            self.count(reject);
        }
        result
    }
}

/// Reading.
impl NetDb {
    /// A router that we know.
    pub(crate) fn get(&self, hash: &RouterHash) -> Option<&RouterInfo> {
        self.shared.routers.get(hash)
    }

    /// All routers we know, in the order of their hashes.
    pub(crate) fn routers(&self) -> impl Iterator<Item = &RouterInfo> {
        self.shared.routers.iter()
    }

    /// The floodfills closest to a key today, closest first.
    #[cfg(test)]
    pub(crate) fn closest_floodfills(
        &self,
        now: Now,
        key: ramson_wire::NetDbKey,
        n: usize,
        exclude: &BTreeSet<RouterHash>,
    ) -> Vec<RouterHash> {
        let key = ramson_wire::ids::routing_key(key, now.date);
        let routers = &self.shared.routers;
        routers.closest_floodfills(&key, n, |hash| exclude.contains(hash))
    }

    /// How many routers we know.
    pub(crate) fn router_count(&self) -> usize {
        self.shared.routers.len()
    }

    /// How many floodfills we know.
    pub(crate) fn floodfill_count(&self) -> usize {
        self.shared.routers.floodfill_count()
    }

    /// How many LeaseSets we hold as a floodfill.
    pub(crate) fn lease_set_count(&self) -> usize {
        self.floodfill.lease_sets.len()
    }

    /// What became of lookups since the start.
    pub(crate) fn lookup_counts(&self) -> LookupCounts {
        self.shared.lookups
    }

    /// What wasn't kept or done, by reason.
    pub(crate) fn drops(&self) -> &BTreeMap<Reject, u64> {
        &self.drops
    }

    /// How far the owner's publication has come; `None` if it publishes nothing.
    pub(crate) fn published(&self, owner: Owner) -> Option<PublicationState> {
        match owner {
            Owner::Router => self.router.publication(),
            Owner::Identity(id) => self.identities.get(&id)?.publication(),
        }
    }
}

/// Commands.
impl NetDb {
    /// Makes room for an identity.
    pub(crate) fn open_identity(&mut self, id: IdentityId) {
        let limits = &self.shared.config.limits;
        self.identities.entry(id).or_insert_with(|| OwnerState::new(Owner::Identity(id), limits));
    }

    /// Forgets all of an identity, without a word to anyone; its lookups give no result any more.
    pub(crate) fn close_identity(&mut self, id: IdentityId) {
        self.identities.remove(&id);
        self.router.forget(Owner::Identity(id));
    }

    /// Tells which tunnels an owner has; call it whenever its pools change.
    pub(crate) fn set_paths(&mut self, now: Now, owner: Owner, paths: Paths) {
        let (state, shared) = match owner {
            Owner::Router => (Some(&mut self.router), &mut self.shared),
            Owner::Identity(id) => (self.identities.get_mut(&id), &mut self.shared),
        };
        if let Some(state) = state {
            state.set_paths(shared, now, paths);
        }
        self.settle(now);
    }

    /// Adds a verified RouterInfo from a handshake or a connected peer.
    pub(crate) fn add_router(&mut self, now: Now, info: RouterInfo, source: Source) -> AddResult {
        let hash = info.hash();
        let Shared { routers, config, .. } = &mut self.shared;
        let result = routers.add(now, config, info, source);
        self.router_added(now, hash, result)
    }

    /// Adds a RouterInfo of a reseed.
    pub(crate) fn add_reseeded(&mut self, now: Now, info: Unverified<RouterInfo>) -> AddResult {
        let hash = info.hash();
        let Shared { routers, config, .. } = &mut self.shared;
        let result = routers.add_unverified(now, config, &hash.into(), info, Source::Reseed);
        self.router_added(now, hash, result)
    }

    fn router_added(&mut self, now: Now, hash: RouterHash, result: AddResult) -> AddResult {
        if matches!(result, AddResult::New | AddResult::Updated | AddResult::Known)
            && let Some(info) = self.shared.routers.get(&hash).cloned()
        {
            self.router.found_router(&mut self.shared, now, &info);
            self.settle(now);
        }
        self.flush_if_many();
        self.note(result)
    }

    /// Looks for a RouterInfo that the router needs itself, such as the next hop of a tunnel. The result comes as
    /// [`NetDbOutput::LookupDone`], at once if it is known.
    pub(crate) fn lookup_router(&mut self, now: Now, hash: RouterHash, request: LookupRequest) {
        let own = self.own.as_ref().filter(|own| own.hash() == hash);
        let done = match own.or(self.shared.routers.get(&hash)) {
            Some(info) => Some(LookupResult::Router(info.clone())),
            None => {
                let goal = Goal {
                    key: hash.into(),
                    kind: Kind::Router,
                    whose: Owner::Router,
                    prefer: Prefer::Direct,
                    follow: true,
                    first: None,
                    source: Source::Lookup,
                    newer_than: None,
                };
                let started = self.router.start(&mut self.shared, now, goal, Some(request));
                started.err().map(LookupResult::Failed)
            }
        };
        self.finish_at_once(Owner::Router, request, done);
        self.settle(now);
    }

    /// Looks for the LeaseSet of a destination on behalf of an identity, through its tunnels; for one later than `newer_than`, if the
    /// identity has one of that date, and only if nobody has a later one for that. The result comes as [`NetDbOutput::LookupDone`].
    pub(crate) fn lookup_lease_set(
        &mut self,
        now: Now,
        id: IdentityId,
        hash: DestinationHash,
        newer_than: Option<Date>,
        request: LookupRequest,
    ) {
        let Some(identity) = self.identities.get_mut(&id) else {
            let done = Some(LookupResult::Failed(LookupFailure::NoTunnels));
            self.finish_at_once(Owner::Identity(id), request, done);
            return;
        };
        let goal = Goal {
            key: hash.into(),
            kind: Kind::LeaseSet,
            whose: Owner::Identity(id),
            prefer: Prefer::Tunnels,
            follow: true,
            first: None,
            source: Source::Followup,
            newer_than,
        };
        let started = identity.start(&mut self.shared, now, goal, Some(request));
        let done = started.err().map(LookupResult::Failed);
        self.finish_at_once(Owner::Identity(id), request, done);
        self.settle(now);
    }

    fn finish_at_once(&mut self, owner: Owner, request: LookupRequest, done: Option<LookupResult>) {
        if let Some(result) = done {
            self.shared.out.push_back(NetDbOutput::LookupDone { owner, request, result });
        }
    }

    /// Publishes our RouterInfo, and serves it if we're a floodfill. Call it with every newly signed one.
    pub(crate) fn publish_router_info(&mut self, now: Now, info: RouterInfo) {
        self.own = Some(info.clone());
        let entry = Entry::Router(info);
        self.router.publish(&mut self.shared, now, entry);
    }

    /// Publishes an identity's LeaseSet through its tunnels. Call it with every newly signed one, except of identities that don't publish.
    pub(crate) fn publish_lease_set(&mut self, now: Now, id: IdentityId, set: LeaseSet2) {
        if let Some(identity) = self.identities.get_mut(&id) {
            identity.publish(&mut self.shared, now, Entry::LeaseSet(set));
        }
    }
}
