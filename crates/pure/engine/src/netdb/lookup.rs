//! One iterative lookup: asks the closest floodfills one after the other, following what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_wire::bounds::{Fullest, entries};
use ramson_wire::i2np::DatabaseSearchReply;
use ramson_wire::{NetDbKey, Now, RouterHash, Tick, distance, ids::routing_key};

use super::config;
use super::message;
use super::output::{LookupFailure, LookupRequest, Paths};
use super::routers::Source;
use super::shared::{Fetch, Prefer, Route, Shared};
use crate::fingerprint::Digest;
use crate::identity::Owner;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A RouterInfo.
    Router,
    /// A LeaseSet.
    LeaseSet,
    /// Any routers near a random key.
    Exploration,
    /// Floodfills near a random key: the answer to a question for a RouterInfo that nobody has.
    Floodfills,
}

impl Kind {
    /// Whether it is for what answers name, and not for its key.
    pub(super) fn explores(self) -> bool {
        matches!(self, Kind::Exploration | Kind::Floodfills)
    }
}

/// What a lookup is born with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) key: NetDbKey,
    pub(super) kind: Kind,
    pub(super) prefer: Prefer,
    /// Fetch unknown routers that answers name. Fetches themselves don't, so that they end.
    pub(super) follow: bool,
    /// Floodfill to ask first, perhaps: the one that named what we look for.
    pub(super) first: Option<RouterHash>,
    pub(super) source: Source,
}

#[derive(Clone, Copy, Debug, Default, Hash)]
struct Asked {
    times: u8,
    answered: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    to: RouterHash,
    until: Tick,
    direct: bool,
}

/// A lookup in flight.
///
/// States: a try is pending until its time; or the next try is due at `due`; or it waits for fetched RouterInfos. Ends by being found
/// (the owner removes it), by `Step::Failed`, or at `give_up` at the latest.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) goal: Goal,
    pub(super) waiters: Vec<LookupRequest>,
    asked: BTreeMap<RouterHash, Asked>,
    fetching: BTreeSet<RouterHash>,
    fetched: usize,
    tries: u8,
    pending: Option<Pending>,
    due: Option<Tick>,
    give_up: Tick,
    had_no_tunnels: bool,
}

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Waiting,
    Failed(LookupFailure),
}

/// Floodfills that one lookup remembers to have asked, or to be out of reach: all of them go into its messages. Beyond: no more are asked.
pub(super) const MAX_ASKED: usize = 64;
/// Pause before looking again for a tunnel or a floodfill.
const IDLE: Duration = Duration::from_millis(500);

impl Lookup {
    pub(super) fn new(now: Now, goal: Goal) -> Lookup {
        Lookup {
            goal,
            waiters: Vec::new(),
            asked: BTreeMap::new(),
            fetching: BTreeSet::new(),
            fetched: 0,
            tries: 0,
            pending: None,
            due: Some(now.tick),
            give_up: now.tick + config::LOOKUP_TIMEOUT,
            had_no_tunnels: false,
        }
    }

    /// When [`Self::step`] has something to do.
    pub(super) fn deadline(&self) -> Tick {
        let next = match (&self.pending, self.due) {
            (Some(pending), _) => pending.until,
            (None, Some(due)) => due,
            (None, None) => self.give_up,
        };
        next.min(self.give_up)
    }

    /// Sends what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now, owner: Owner, paths: &Paths) -> Step {
        if now.tick >= self.give_up {
            return Step::Failed(self.failure());
        }
        match self.pending {
            Some(pending) if pending.until > now.tick => return Step::Waiting,
            Some(_) => {
                self.pending = None;
                self.due = Some(now.tick);
            }
            None => {}
        }
        if self.due.is_none_or(|due| due > now.tick) {
            return Step::Waiting;
        }
        self.due = None;
        self.next_try(shared, now, owner, paths)
    }

    fn next_try(&mut self, shared: &mut Shared, now: Now, owner: Owner, paths: &Paths) -> Step {
        if self.tries >= self.max_tries() {
            return Step::Failed(self.failure());
        }
        while self.asked.len() < MAX_ASKED
            && let Some(to) = self.choose(shared, now)
        {
            match shared.route(owner, paths, to, self.goal.prefer) {
                Route::Unreachable => {
                    // Not its fault, but there is no way to it now.
                    self.asked.entry(to).or_default().times = config::MAX_ASKS;
                }
                Route::NoTunnels => {
                    self.had_no_tunnels = true;
                    self.due = Some(now.tick + IDLE);
                    return Step::Waiting;
                }
                route => {
                    self.send(shared, now, owner, to, route);
                    return Step::Waiting;
                }
            }
        }
        if !self.fetching.is_empty() {
            return Step::Waiting;
        }
        if self.asked.is_empty() {
            self.due = Some(now.tick + IDLE);
            return Step::Waiting;
        }
        Step::Failed(self.failure())
    }

    fn max_tries(&self) -> u8 {
        match self.goal.kind {
            Kind::LeaseSet => config::MAX_LEASE_SET_TRIES,
            Kind::Router => config::MAX_ROUTER_TRIES,
            Kind::Exploration | Kind::Floodfills => 2,
        }
    }

    fn failure(&self) -> LookupFailure {
        if self.answers() > 0 {
            LookupFailure::NotFound
        } else if self.tries > 0 {
            LookupFailure::NoAnswer
        } else if self.had_no_tunnels {
            LookupFailure::NoTunnels
        } else {
            LookupFailure::NoFloodfill
        }
    }

    pub(super) fn hold(&self, waiters: &mut Fullest, asked: &mut Fullest, fetching: &mut Fullest) {
        waiters.add(self.waiters.len(), self.waiters.capacity() * size_of::<LookupRequest>());
        asked.add(self.asked.len(), entries::<(RouterHash, Asked)>(self.asked.len()));
        fetching.add(self.fetching.len(), entries::<RouterHash>(self.fetching.len()));
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((&self.waiters, &self.asked, &self.fetching, self.fetched, self.tries));
        digest.add(self.pending.map(|pending| (pending.to, pending.until)));
        digest.add((self.due, self.give_up));
    }

    /// How many floodfills said that they don't know.
    pub(super) fn answers(&self) -> usize {
        self.asked.values().filter(|asked| asked.answered).count()
    }

    /// The closest floodfill not asked yet; then those that never answered, once more.
    fn choose(&self, shared: &Shared, now: Now) -> Option<RouterHash> {
        let first = self.goal.first.filter(|first| !self.asked.contains_key(first) && shared.routers.get(first).is_some());
        if first.is_some() {
            return first;
        }
        let key = routing_key(self.goal.key, now.date);
        let pick = |skip: &dyn Fn(&RouterHash) -> bool| {
            let found = shared.routers.preferred_floodfills(now.tick, &key, 1, skip);
            found.first().copied()
        };
        // A floodfill is asked about itself only if nobody else is left.
        let own = |hash: &RouterHash| self.goal.kind == Kind::Router && hash.0 == self.goal.key.0;
        pick(&|hash| self.asked.contains_key(hash) || own(hash)).or_else(|| {
            pick(&|hash| {
                let asked = self.asked.get(hash).copied().unwrap_or_default();
                asked.answered || asked.times >= config::MAX_ASKS
            })
        })
    }

    fn send(&mut self, shared: &mut Shared, now: Now, owner: Owner, to: RouterHash, route: Route) {
        let excluded = self.asked.keys().copied().collect();
        let Goal { key, kind, .. } = self.goal;
        shared.send(owner, to, route, key, |rng, reply, reply_key| {
            message::lookup(rng, now, key, kind, reply, excluded, reply_key)
        });
        self.asked.entry(to).or_default().times += 1;
        self.tries += 1;
        let direct = matches!(route, Route::Direct);
        let wait = if direct { config::DIRECT_TRY_TIMEOUT } else { config::TUNNEL_TRY_TIMEOUT };
        self.pending = Some(Pending { to, until: now.tick + wait, direct });
    }

    /// A floodfill doesn't know, and names others. Answers in the name of routers that we didn't ask are ignored; the name proves
    /// nothing, but it tells a late answer from the awaited one.
    pub(super) fn handle_search_reply(&mut self, shared: &mut Shared, now: Now, owner: Owner, reply: &DatabaseSearchReply) {
        let Some(asked) = self.asked.get_mut(&reply.from) else {
            return;
        };
        if std::mem::replace(&mut asked.answered, true) {
            return;
        }
        self.fetch_unknown(shared, now, owner, reply);
        if self.pending.is_some_and(|pending| pending.to == reply.from) {
            self.pending = None;
            self.due = Some(now.tick);
        }
    }

    fn fetch_unknown(&mut self, shared: &mut Shared, now: Now, owner: Owner, reply: &DatabaseSearchReply) {
        if !self.goal.follow {
            return;
        }
        let limit = match self.goal.kind {
            Kind::Exploration => config::MAX_REPLY_HASHES,
            Kind::Router | Kind::LeaseSet | Kind::Floodfills => config::MAX_FETCHES,
        };
        let prefer = match owner {
            Owner::Router => Prefer::Tunnels,
            Owner::Identity(_) => Prefer::OnlyTunnels,
        };
        let key = routing_key(self.goal.key, now.date);
        let mut unknown: Vec<_> = reply
            .routers
            .iter()
            .take(config::MAX_REPLY_HASHES)
            .filter(|hash| **hash != shared.config.our_hash && shared.routers.get(hash).is_none())
            .map(|hash| (distance(&key, hash), *hash))
            .collect();
        unknown.sort_unstable();
        for (_, hash) in unknown {
            if self.fetched >= limit {
                break;
            }
            if self.fetching.insert(hash) {
                self.fetched += 1;
                let ask = Some(reply.from);
                shared.fetches.push(Fetch { hash, ask, prefer });
            }
        }
    }

    /// A fetched RouterInfo came or won't come.
    pub(super) fn handle_fetched(&mut self, now: Now, hash: &RouterHash) {
        if self.fetching.remove(hash) && self.pending.is_none() && self.due.is_none() {
            self.due = Some(now.tick);
        }
    }

    /// Whether the try that is pending went straight to this router.
    pub(super) fn asks_directly(&self, peer: &RouterHash) -> bool {
        self.pending.is_some_and(|pending| pending.direct && pending.to == *peer)
    }

    /// Something came under our key that can't be kept, so the awaited answer is worth nothing: go on at once. `from` is the peer
    /// that sent it straight, `None` that it came down a tunnel; another way than the question's it is no answer to it, but a
    /// stranger who would have us use up our tries.
    pub(super) fn handle_bad_answer(&mut self, now: Now, from: Option<&RouterHash>) {
        let answers = match (from, self.pending) {
            (Some(from), _) => self.asks_directly(from),
            (None, pending) => pending.is_some_and(|pending| !pending.direct),
        };
        if answers {
            self.pending = None;
            self.due = Some(now.tick);
        }
    }

    /// A message sent straight to `to` didn't leave: go on at once.
    pub(super) fn handle_send_failed(&mut self, now: Now, to: &RouterHash) {
        if self.pending.is_some_and(|pending| pending.direct && pending.to == *to) {
            self.pending = None;
            self.due = Some(now.tick);
        }
    }

    /// Tunnels have come: don't wait for the next look.
    pub(super) fn handle_paths(&mut self, now: Now) {
        if self.pending.is_none() && self.due.is_some() {
            self.due = Some(now.tick);
        }
    }
}
