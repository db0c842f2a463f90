//! One iterative lookup: asks the floodfills closest to a key, following what they answer.
//!
//! It has two branches that ask beside each other, each of them one floodfill after the other. They never ask the same one, rather
//! ask routers that have no operator in common, and follow only what their own answers name: who answers one branch with routers of
//! its own has not got the other. Around midnight (UTC) the second one goes by the other day's routing key, since clocks differ.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_wire::bounds::{Fullest, entries};
use ramson_wire::i2np::DatabaseSearchReply;
use ramson_wire::{Date, LeaseSet2, NetDbKey, Now, RouterHash, RoutingKey, Tick, distance, ids::routing_key};

use super::answers::Answers;
use super::config;
use super::message;
use super::output::{LookupFailure, LookupRequest, LookupResult};
use super::routers::Source;
use super::shared::{Asker, Fetch, Prefer, Route, Shared};
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
    /// For whom: of the router's lookups not always the router itself.
    pub(super) whose: Owner,
    pub(super) prefer: Prefer,
    /// Fetch unknown routers that answers name. Fetches themselves don't, so that they end.
    pub(super) follow: bool,
    /// Floodfill to ask first, perhaps: the one that named what we look for.
    pub(super) first: Option<RouterHash>,
    pub(super) source: Source,
    /// The asker has a LeaseSet of this date, and wants a later one if there is one.
    pub(super) newer_than: Option<Date>,
}

#[derive(Clone, Copy, Debug, Default, Hash)]
struct Asked {
    times: u8,
    answered: bool,
    branch: usize,
    direct: bool,
    /// When the last question left; none if none did.
    at: Option<Tick>,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Pending {
    to: RouterHash,
    until: Tick,
    direct: bool,
}

/// States: a question is pending until its time; or the next one is due at `due`; or the branch waits for fetched RouterInfos that its
/// answers named; or it has nothing to do.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Branch {
    pending: Option<Pending>,
    due: Option<Tick>,
    fetched: usize,
}

/// A lookup in flight.
///
/// Ends by being found (the owner removes it), by `Step::Ended`, or at `give_up` at the latest.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) goal: Goal,
    pub(super) waiters: Vec<LookupRequest>,
    pub(super) begun: Tick,
    branches: [Branch; 2],
    asked: BTreeMap<RouterHash, Asked>,
    /// Routers that we learned of by an answer, with its branch, and whether they are still being fetched.
    named: BTreeMap<RouterHash, usize>,
    fetching: BTreeSet<RouterHash>,
    tries: u8,
    give_up: Tick,
    had_no_tunnels: bool,
    /// The latest answer that is no newer than what the asker has, and how many there were.
    old: Option<LeaseSet2>,
    old_answers: u8,
}

/// What a step led to.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Waiting,
    Ended(LookupResult),
}

/// Floodfills that one lookup remembers to have asked, or to be out of reach: all of them go into its messages. Beyond: no more are asked.
pub(super) const MAX_ASKED: usize = 64;
/// Pause before looking again for a tunnel or a floodfill.
const IDLE: Duration = Duration::from_millis(500);

impl Lookup {
    pub(super) fn new(shared: &mut Shared, now: Now, goal: Goal) -> Lookup {
        let later = match goal.kind {
            Kind::LeaseSet => Some(config::SECOND_BRANCH_MS),
            Kind::Router => Some(config::SECOND_ROUTER_BRANCH_MS),
            Kind::Exploration | Kind::Floodfills => None,
        };
        let second = later.map(|later| now.tick + shared.draw_ms(later));
        let begins = |due| Branch { due, ..Branch::default() };
        Lookup {
            goal,
            waiters: Vec::new(),
            begun: now.tick,
            branches: [begins(Some(now.tick)), begins(second)],
            asked: BTreeMap::new(),
            named: BTreeMap::new(),
            fetching: BTreeSet::new(),
            tries: 0,
            give_up: now.tick + config::LOOKUP_TIMEOUT,
            had_no_tunnels: false,
            old: None,
            old_answers: 0,
        }
    }

    /// When [`Self::step`] has something to do.
    pub(super) fn deadline(&self) -> Tick {
        let of = |branch: &Branch| branch.pending.map(|pending| pending.until).or(branch.due);
        let next = self.branches.iter().filter_map(of).chain(self.over_at()).min();
        next.map_or(self.give_up, |next| next.min(self.give_up))
    }

    /// Sends what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) -> Step {
        for number in 0..self.branches.len() {
            self.pass_over(number, now, asker.answers);
            if self.branch(number).due.is_some_and(|due| due <= now.tick) && now.tick < self.give_up {
                self.branch(number).due = None;
                self.next_try(number, shared, now, asker);
            }
        }
        if now.tick >= self.give_up || self.over_at().is_some_and(|over| over <= now.tick) {
            return Step::Ended(self.ending());
        }
        Step::Waiting
    }

    fn branch(&mut self, number: usize) -> &mut Branch {
        let [first, second] = &mut self.branches;
        if number == 0 { first } else { second }
    }

    /// The pending question's time is over: the branch goes on. An answer still counts when it comes.
    fn pass_over(&mut self, number: usize, now: Now, answers: &mut Answers) {
        let branch = self.branch(number);
        if let Some(pending) = branch.pending.filter(|pending| pending.until <= now.tick) {
            (branch.pending, branch.due) = (None, Some(now.tick));
            answers.missed(now.tick, pending.to);
        }
    }

    /// With nothing more to try, when the last answer that is still on its way isn't waited for any more.
    fn over_at(&self) -> Option<Tick> {
        let may_try = self.tries < self.max_tries();
        let goes_on = |branch: &Branch| branch.pending.is_some() || may_try && branch.due.is_some();
        if self.branches.iter().any(goes_on) || may_try && !self.fetching.is_empty() {
            return None;
        }
        let on_its_way = self.asked.values().filter(|asked| !asked.answered).filter_map(|asked| asked.at);
        Some(on_its_way.max().map_or(Tick(0), |at| at + config::LATE))
    }

    fn next_try(&mut self, number: usize, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) {
        if self.tries >= self.max_tries() {
            return;
        }
        while self.asked.len() < MAX_ASKED
            && let Some(to) = self.choose(number, shared, now, asker.answers)
        {
            match shared.route_question(now, asker, to, self.goal.prefer) {
                Route::Unreachable => {
                    // Not its fault, but there is no way to it now.
                    self.asked.entry(to).or_default().times = config::MAX_ASKS;
                }
                Route::NoTunnels => {
                    self.had_no_tunnels = true;
                    self.branch(number).due = Some(now.tick + IDLE);
                    return;
                }
                route => {
                    self.send(number, shared, now, asker, (to, route));
                    return;
                }
            }
        }
        if self.asked.is_empty() {
            self.branch(number).due = Some(now.tick + IDLE);
        }
    }

    fn max_tries(&self) -> u8 {
        match self.goal.kind {
            Kind::LeaseSet => config::MAX_LEASE_SET_TRIES,
            Kind::Router => config::MAX_ROUTER_TRIES,
            Kind::Exploration | Kind::Floodfills => 2,
        }
    }

    fn ending(&self) -> LookupResult {
        if let Some(old) = &self.old {
            return LookupResult::LeaseSet(old.clone());
        }
        LookupResult::Failed(if self.answers() > 0 {
            LookupFailure::NotFound
        } else if self.tries > 0 {
            LookupFailure::NoAnswer
        } else if self.had_no_tunnels {
            LookupFailure::NoTunnels
        } else {
            LookupFailure::NoFloodfill
        })
    }

    pub(super) fn hold(&self, waiters: &mut Fullest, asked: &mut Fullest, fetching: &mut Fullest) {
        waiters.add(self.waiters.len(), self.waiters.capacity() * size_of::<LookupRequest>());
        asked.add(self.asked.len(), entries::<(RouterHash, Asked)>(self.asked.len()));
        // What is fetched is among what was named.
        fetching.add(self.named.len(), entries::<(RouterHash, usize)>(2 * self.named.len()));
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((&self.waiters, &self.asked, &self.named, &self.fetching, self.tries));
        digest.add((&self.branches, self.give_up, self.old_answers));
    }

    /// How many floodfills said that they don't know.
    pub(super) fn answers(&self) -> usize {
        self.asked.values().filter(|asked| asked.answered).count()
    }

    /// By which key this branch goes.
    fn branch_key(&self, number: usize, now: Now) -> RoutingKey {
        let window = match self.goal.kind {
            Kind::LeaseSet => config::NEXT_DAY_LEASE_SET,
            _ => config::NEXT_DAY_ROUTER_INFO,
        };
        let others = [now.date + window, Date(now.date.0.saturating_sub(u64::try_from(window.as_millis()).unwrap_or(0)))];
        let other = others.into_iter().find(|date| number > 0 && date.day() != now.date.day());
        routing_key(self.goal.key, other.unwrap_or(now.date))
    }

    /// The closest floodfill not asked yet; then those that never answered, once more.
    fn choose(&self, number: usize, shared: &Shared, now: Now, answers: &Answers) -> Option<RouterHash> {
        let first = self.goal.first.filter(|first| !self.asked.contains_key(first) && shared.routers.get(first).is_some());
        if first.is_some() {
            return first;
        }
        let key = self.branch_key(number, now);
        let others = self.named.iter().filter(|(_, branch)| **branch != number);
        let others: BTreeSet<RouterHash> = others.map(|(hash, _)| *hash).collect();
        // A floodfill is asked about itself only if nobody else is left.
        let own = |hash: &RouterHash| self.goal.kind == Kind::Router && hash.0 == self.goal.key.0;
        let skip = |hash: &RouterHash| self.asked.contains_key(hash) || own(hash) || others.contains(hash);
        shared.choose_floodfill(now, answers, &key, self.asked.keys(), skip).or_else(|| {
            let again = |hash: &RouterHash| {
                let asked = self.asked.get(hash).copied().unwrap_or_default();
                let pends = self.branches.iter().any(|branch| branch.pending.is_some_and(|pending| pending.to == *hash));
                asked.answered || asked.times >= config::MAX_ASKS || pends || others.contains(hash)
            };
            shared.routers.preferred_floodfills(now.tick, &key, 1, again).first().copied()
        })
    }

    fn send(&mut self, number: usize, shared: &mut Shared, now: Now, asker: &mut Asker<'_>, (to, route): (RouterHash, Route)) {
        let excluded = self.asked.keys().copied().collect();
        let Goal { key, kind, .. } = self.goal;
        shared.send(now, asker, (to, route), key, |rng, reply, reply_key| {
            message::lookup(rng, now, key, kind, reply, excluded, reply_key)
        });
        let direct = matches!(route, Route::Direct);
        let times = self.asked.get(&to).map_or(0, |asked| asked.times) + 1;
        self.asked.insert(to, Asked { times, answered: false, branch: number, direct, at: Some(now.tick) });
        self.tries += 1;
        let wait = match direct && !shared.connected.contains(&to) {
            // Of a new connection nothing is learned by those that stand.
            true => asker.answers.wait(&to, direct).max(config::DIRECT_TRY_TIMEOUT),
            false => asker.answers.wait(&to, direct),
        };
        self.branch(number).pending = Some(Pending { to, until: now.tick + wait, direct });
    }

    /// A floodfill doesn't know, and names others. Answers in the name of routers that we didn't ask are ignored; the name proves
    /// nothing, but it tells a late answer from the awaited one.
    pub(super) fn handle_search_reply(
        &mut self,
        shared: &mut Shared,
        now: Now,
        answers: &mut Answers,
        reply: &DatabaseSearchReply,
    ) {
        let Some(asked) = self.asked.get_mut(&reply.from) else {
            return;
        };
        if std::mem::replace(&mut asked.answered, true) {
            return;
        }
        let Asked { branch: number, direct, at, .. } = *asked;
        if let Some(at) = at {
            answers.answered(now.tick, reply.from, direct, now.tick.saturating_since(at));
        }
        self.fetch_unknown(number, shared, now, reply);
        self.go_on(now, |pending| pending.to == reply.from);
    }

    /// Branches whose pending question is of that kind go on at once.
    fn go_on(&mut self, now: Now, over: impl Fn(&Pending) -> bool) {
        for branch in &mut self.branches {
            if branch.pending.as_ref().is_some_and(&over) {
                (branch.pending, branch.due) = (None, Some(now.tick));
            }
        }
    }

    fn fetch_unknown(&mut self, number: usize, shared: &mut Shared, now: Now, reply: &DatabaseSearchReply) {
        if !self.goal.follow {
            return;
        }
        let limit = match self.goal.kind {
            Kind::Exploration => config::MAX_REPLY_HASHES,
            Kind::Floodfills => config::MAX_FETCHES,
            Kind::Router | Kind::LeaseSet => config::MAX_FETCHES / 2,
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
            if self.branch(number).fetched >= limit {
                break;
            }
            if let Entry::Vacant(new) = self.named.entry(hash) {
                new.insert(number);
                self.fetching.insert(hash);
                self.branch(number).fetched += 1;
                let (ask, whose) = (Some(reply.from), self.goal.whose);
                shared.fetches.push(Fetch { hash, ask, whose });
            }
        }
    }

    /// A fetched RouterInfo came or won't come: its branch goes on.
    pub(super) fn handle_fetched(&mut self, now: Now, hash: &RouterHash) {
        if let Some(number) = self.named.get(hash).copied().filter(|_| self.fetching.remove(hash)) {
            let branch = self.branch(number);
            if branch.pending.is_none() {
                branch.due.get_or_insert(now.tick);
            }
        }
    }

    /// Whether a question that is pending went straight to this router.
    pub(super) fn asks_directly(&self, peer: &RouterHash) -> bool {
        let pending = self.branches.iter().filter_map(|branch| branch.pending);
        pending.into_iter().any(|pending| pending.direct && pending.to == *peer)
    }

    /// Something came under our key that can't be kept, so the awaited answer is worth nothing: go on at once. `from` is the peer
    /// that sent it straight, `None` that it came down a tunnel; another way than the question's it is no answer to it, but a
    /// stranger who would have us use up our tries.
    pub(super) fn handle_bad_answer(&mut self, now: Now, from: Option<&RouterHash>) {
        match from {
            Some(from) => self.go_on(now, |pending| pending.direct && pending.to == *from),
            None => {
                // Whose answer it is, isn't said: most likely of the question that is on its way longest.
                let asked = |branch: &Branch| branch.pending.filter(|pending| !pending.direct).map(|pending| pending.to);
                let on_their_way = self.branches.iter().filter_map(asked);
                let oldest = on_their_way.min_by_key(|to| self.asked.get(to).and_then(|asked| asked.at));
                self.go_on(now, |pending| Some(pending.to) == oldest);
            }
        }
    }

    /// A LeaseSet came for us, through a tunnel. Given back if it ends the lookup.
    pub(super) fn handle_lease_set(&mut self, now: Now, set: &LeaseSet2) -> Option<LeaseSet2> {
        if self.goal.newer_than.is_none_or(|known| set.published() > known) {
            return Some(set.clone());
        }
        if self.old.as_ref().is_none_or(|old| old.published() < set.published()) {
            self.old = Some(set.clone());
        }
        self.old_answers += 1;
        self.handle_bad_answer(now, None);
        if self.old_answers >= config::MAX_OLD_ANSWERS { self.old.clone() } else { None }
    }

    /// It was found: of a single question we know whose answer it is.
    pub(super) fn learn_from_end(&self, now: Now, answers: &mut Answers) {
        let mut open =
            self.asked.iter().filter_map(|(from, asked)| Some((from, asked.direct, asked.at.filter(|_| !asked.answered)?)));
        if let (Some((from, direct, at)), None) = (open.next(), open.next()) {
            answers.answered(now.tick, *from, direct, now.tick.saturating_since(at));
        }
    }

    /// A message sent straight to `to` didn't leave: go on at once.
    pub(super) fn handle_send_failed(&mut self, now: Now, to: &RouterHash) {
        if self.asks_directly(to)
            && let Some(asked) = self.asked.get_mut(to)
        {
            asked.at = None;
        }
        self.go_on(now, |pending| pending.direct && pending.to == *to);
    }

    /// Tunnels have come: the first branch doesn't wait for the next look, and the second one does, so that it comes a little later.
    pub(super) fn handle_paths(&mut self, now: Now) {
        let [first, _] = &mut self.branches;
        if self.had_no_tunnels && first.due.is_some() {
            first.due = Some(now.tick);
        }
    }
}
