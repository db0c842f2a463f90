//! One publication: our RouterInfo, or the LeaseSet of an identity. Stored at the closest floodfill, confirmed, and looked up at
//! another one. If that doesn't have it, it names floodfills that are closer still: we may know few of them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::i2np::{DatabaseSearchReply, DatabaseStore, StoreReply};
use ramson_wire::{Date, LeaseSet2, MessageId, NetDbKey, Now, RouterHash, RouterInfo, Tick, ids::routing_key};

use super::ahead::next_midnight;
use super::config;
use super::lease_sets::end_of;
use super::lookup::Kind;
use super::message;
use super::output::{NetDbOutput, PublicationState, ReplyPath};
use super::shared::{Asker, Fetch, Prefer, Route, Shared};
use crate::fingerprint::Digest;
use crate::identity::Owner;

/// What is published.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Router(RouterInfo),
    LeaseSet(LeaseSet2),
}

impl Entry {
    fn key(&self) -> NetDbKey {
        match self {
            Entry::Router(info) => info.hash().into(),
            Entry::LeaseSet(set) => set.destination().hash().into(),
        }
    }

    fn published(&self) -> Date {
        match self {
            Entry::Router(info) => info.published(),
            Entry::LeaseSet(set) => set.published(),
        }
    }

    fn has_ended(&self, now: Now) -> bool {
        matches!(self, Entry::LeaseSet(set) if end_of(set) <= now.date)
    }
}

/// States: `Due` → `Sent` → `VerifyDue` → `Verifying` → `Done`. Without confirmation or a good answer it
/// goes back to `Due` with the next floodfill; a new version, or midnight, goes back to `Due` with the closest one.
#[derive(Clone, Copy, Debug, Hash)]
enum Phase {
    Due(Tick),
    Sent { to: RouterHash, until: Tick, direct: bool },
    VerifyDue(Tick),
    Verifying { at: RouterHash, since: Tick, direct: bool, until: Tick },
    Done,
}

/// A store that may still be confirmed.
#[derive(Clone, Copy, Debug, Hash)]
struct Sent {
    token: u32,
    to: RouterHash,
    at: Tick,
    direct: bool,
    version: Date,
}

/// Stores remembered; the oldest goes first.
const MAX_TOKENS: usize = 4;

/// A standing wish to have an entry in the netDb.
#[derive(Debug)]
pub(super) struct Publication {
    entry: Entry,
    /// A version that came too soon after this one.
    newer: Option<Entry>,
    phase: Phase,
    state: PublicationState,
    /// Floodfills tried in this round.
    asked: BTreeSet<RouterHash>,
    /// Tokens of the last stores, so that a late confirmation counts too.
    sent: VecDeque<Sent>,
    /// The floodfill that confirmed.
    stored_at: Option<RouterHash>,
    last_sent: Option<Tick>,
    /// When this version was sent first.
    first_sent: Option<Tick>,
    verify_failures: u8,
    /// Rounds in a row that nobody confirmed.
    lost_rounds: u32,
    /// Between two rounds.
    resting: bool,
    /// Goes to the next day's floodfills, besides another publication that goes to today's: nothing is told of it, and it isn't verified.
    ahead: bool,
    day: u64,
    /// When to publish anew because the day has turned.
    rollover: Option<Tick>,
}

impl Publication {
    pub(super) fn new(now: Now, entry: Entry) -> Publication {
        Publication {
            entry,
            newer: None,
            phase: Phase::Due(now.tick),
            state: PublicationState::Sending,
            asked: BTreeSet::new(),
            sent: VecDeque::new(),
            stored_at: None,
            last_sent: None,
            first_sent: None,
            verify_failures: 0,
            lost_rounds: 0,
            resting: false,
            ahead: false,
            day: now.date.day(),
            rollover: None,
        }
    }

    /// A copy for the next day's floodfills.
    pub(super) fn ahead(now: Now, entry: Entry) -> Publication {
        Publication { ahead: true, ..Publication::new(now, entry) }
    }

    /// How long before midnight it goes to the next day's floodfills as well.
    pub(super) fn window(&self) -> Duration {
        match self.entry {
            Entry::Router(_) => config::NEXT_DAY_ROUTER_INFO,
            Entry::LeaseSet(_) => config::NEXT_DAY_LEASE_SET,
        }
    }

    /// What is published, if it is stored and counts after that date too.
    pub(super) fn lasting_beyond(&self, date: Date) -> Option<Entry> {
        let ends = matches!(&self.entry, Entry::LeaseSet(set) if end_of(set) <= date);
        (!ends && self.state >= PublicationState::Stored).then(|| self.entry.clone())
    }

    pub(super) fn is_older_than(&self, other: &Publication) -> bool {
        self.entry.published() < other.entry.published()
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<RouterHash>(self.asked.len()) + self.sent.capacity() * size_of::<Sent>();
        visit(Bound::new("netdb-publication-asked", self.asked.len(), usize::from(config::MAX_PUBLISH_TRIES), bytes).lasting());
        // A router that nobody confirms publishes as long as it lives.
        visit(Bound::new("netdb-publication-tokens", self.sent.len(), MAX_TOKENS, 0).lasting());
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((self.entry.published(), self.phase, self.state, &self.asked, &self.sent));
        digest.add((self.newer.as_ref().map(Entry::published), self.first_sent));
        digest.add((self.stored_at, self.last_sent, self.verify_failures, self.lost_rounds, self.day, self.rollover));
    }

    pub(super) fn state(&self) -> PublicationState {
        self.state
    }

    /// A new version. What is under way carries it at the next try. LeaseSets keep a distance between versions, unless the last one
    /// has ended.
    pub(super) fn replace(&mut self, now: Now, entry: Entry) {
        let ended = self.entry.has_ended(now);
        if ended {
            self.state = PublicationState::Sending;
        }
        self.newer = Some(entry);
        let under_way = matches!(self.phase, Phase::Due(_) | Phase::Sent { .. });
        if under_way {
            self.renew(now);
        } else {
            self.take_newer();
            let at = if ended { now.tick } else { self.earliest(now) };
            self.restart(at);
        }
    }

    /// Goes on with the newest version, unless the one before went out a moment ago: floodfills that have it pass on a few only.
    fn renew(&mut self, now: Now) {
        let too_soon = match (&self.entry, self.first_sent) {
            (Entry::LeaseSet(_), Some(first)) => now.tick < first + config::MIN_LEASE_SET_INTERVAL,
            _ => false,
        };
        if !too_soon || self.entry.has_ended(now) {
            self.take_newer();
        }
    }

    fn take_newer(&mut self) {
        if let Some(newer) = self.newer.take() {
            self.entry = newer;
            self.first_sent = None;
        }
    }

    /// When the next version may follow the last one.
    fn earliest(&self, now: Now) -> Tick {
        match (&self.entry, self.last_sent) {
            (Entry::LeaseSet(_), Some(last)) => now.tick.max(last + config::MIN_LEASE_SET_INTERVAL),
            _ => now.tick,
        }
    }

    fn restart(&mut self, at: Tick) {
        self.asked.clear();
        self.verify_failures = 0;
        self.phase = Phase::Due(at);
    }

    /// When [`Self::step`] has something to do.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let next = match self.phase {
            Phase::Due(at) | Phase::VerifyDue(at) => Some(at),
            Phase::Sent { until, .. } | Phase::Verifying { until, .. } => Some(until),
            Phase::Done => None,
        };
        [next, self.rollover].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) {
        self.watch_day(shared, now);
        match self.phase {
            Phase::Due(at) if at <= now.tick => self.publish(shared, now, asker),
            Phase::Sent { until, to, .. } if until <= now.tick => {
                asker.answers.missed(now.tick, to);
                self.publish(shared, now, asker);
            }
            Phase::VerifyDue(at) if at <= now.tick => self.verify(shared, now, asker),
            Phase::Verifying { until, at, .. } if until <= now.tick => {
                asker.answers.missed(now.tick, at);
                self.verify_failed(now);
                self.step_again(shared, now, asker);
            }
            _ => {}
        }
    }

    fn step_again(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) {
        if matches!(self.phase, Phase::Due(at) if at <= now.tick) {
            self.publish(shared, now, asker);
        }
    }

    /// Other floodfills are the closest after midnight (UTC). Each owner goes there at a time of its own.
    fn watch_day(&mut self, shared: &mut Shared, now: Now) {
        let day = now.date.day();
        if day != self.day && !self.ahead {
            self.day = day;
            self.rollover = Some(now.tick + shared.draw_ms(config::ROLLOVER_MS));
        }
        if self.rollover.is_some_and(|at| at <= now.tick) {
            self.rollover = None;
            self.restart(now.tick);
        }
    }

    fn publish(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) {
        self.renew(now);
        if self.entry.has_ended(now) {
            self.state = PublicationState::Sending;
            self.phase = Phase::Done;
            return;
        }
        if self.asked.len() >= usize::from(config::MAX_PUBLISH_TRIES) {
            self.rest(shared, now);
            return;
        }
        let day = if self.ahead { next_midnight(now.date) } else { now.date };
        let key = routing_key(self.entry.key(), day);
        let next = |asked: &BTreeSet<RouterHash>, shared: &Shared, asker: &Asker<'_>| {
            shared.choose_floodfill(now, asker.answers, &key, std::iter::empty(), |hash| asked.contains(hash))
        };
        while let Some(to) = next(&self.asked, shared, asker) {
            match shared.route_store(asker, to) {
                Route::Unreachable => {
                    self.asked.insert(to);
                }
                Route::NoTunnels => {
                    self.phase = Phase::Due(now.tick + config::PUBLISH_IDLE);
                    return;
                }
                route => {
                    self.send(shared, now, asker, to, route);
                    return;
                }
            }
        }
        if self.asked.is_empty() {
            self.phase = Phase::Due(now.tick + config::PUBLISH_IDLE);
        } else {
            self.rest(shared, now);
        }
    }

    /// Until the next round, longer with each one that nobody confirmed: a router that is alone isn't busy with it.
    fn rest(&mut self, shared: &mut Shared, now: Now) {
        self.asked.clear();
        let rest = if self.state == PublicationState::Sending && self.last_sent.is_none() {
            config::PUBLISH_IDLE
        } else {
            let longest = match self.entry {
                Entry::Router(_) => config::LONGEST_ROUTER_INFO_REST,
                Entry::LeaseSet(_) => config::LONGEST_LEASE_SET_REST,
            };
            let rest = shared.draw_ms(config::PUBLISH_REST_MS) * (1 << self.lost_rounds.min(8));
            self.lost_rounds += 1;
            rest.min(longest)
        };
        self.resting = true;
        self.phase = Phase::Due(now.tick + rest);
    }

    /// The network is back: the next round begins then.
    pub(super) fn revive(&mut self, at: Tick) {
        self.lost_rounds = 0;
        if let Phase::Due(later) = self.phase
            && self.resting
        {
            self.phase = Phase::Due(later.min(at));
        }
    }

    fn send(&mut self, shared: &mut Shared, now: Now, asker: &Asker<'_>, to: RouterHash, route: Route) {
        let reply = match route {
            Route::Tunnels(reply) => reply,
            _ => shared.ourselves(),
        };
        let token = shared.draw_token();
        let body = self.store(token, reply);
        let message = message::store(&mut *shared.rng, now, &body);
        let direct = route == Route::Direct;
        if direct {
            shared.out.push_back(NetDbOutput::Direct { to, message });
        } else {
            shared.push_wrapped(asker.owner, to, message);
        }
        self.asked.insert(to);
        if self.sent.len() >= MAX_TOKENS {
            self.sent.pop_front();
        }
        let version = self.entry.published();
        self.sent.push_back(Sent { token, to, at: now.tick, direct, version });
        self.last_sent = Some(now.tick);
        self.first_sent.get_or_insert(now.tick);
        self.resting = false;
        let until = now.tick + asker.answers.wait_for_confirmation(&to, direct);
        self.phase = Phase::Sent { to, until, direct };
    }

    fn store(&self, token: u32, reply: ReplyPath) -> DatabaseStore {
        let reply = Some(StoreReply { token, tunnel: reply.tunnel, gateway: reply.gateway });
        match &self.entry {
            Entry::Router(info) => DatabaseStore::router_info(info, reply),
            Entry::LeaseSet(set) => DatabaseStore::lease_set2(set, reply),
        }
    }

    /// True if the status confirms what we sent last.
    pub(super) fn handle_delivery_status(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>, id: MessageId) -> bool {
        let Some(sent) = self.sent.iter().find(|sent| sent.token == id.0).copied() else {
            return false;
        };
        asker.answers.answered(now.tick, sent.to, sent.direct, now.tick.saturating_since(sent.at));
        self.sent.clear();
        self.stored_at = Some(sent.to);
        self.lost_rounds = 0;
        self.take_newer();
        if sent.version < self.entry.published() {
            let at = self.earliest(now);
            self.restart(at);
        } else if self.ahead {
            self.phase = Phase::Done;
        } else {
            self.phase = Phase::VerifyDue(now.tick + shared.draw_ms(config::VERIFY_AFTER_MS));
        }
        self.reach(shared, asker.owner, PublicationState::Stored);
        true
    }

    fn reach(&mut self, shared: &mut Shared, owner: Owner, state: PublicationState) {
        self.state = state;
        if !self.ahead {
            shared.out.push_back(NetDbOutput::Publication { owner, state });
        }
    }

    /// Asks a floodfill that we haven't stored at, rather one that hasn't the same operator: what lies only with those that we gave it
    /// is found by few. Without another one any but the last.
    fn verify(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>) {
        let key = routing_key(self.entry.key(), now.date);
        let stored_at = self.stored_at;
        let choose = |skip: &dyn Fn(&RouterHash) -> bool| {
            shared.choose_floodfill(now, asker.answers, &key, stored_at.iter(), |hash| skip(hash))
        };
        let last = |hash: &RouterHash| Some(*hash) == stored_at;
        let Some(at) = choose(&|hash| last(hash) || self.asked.contains(hash)).or_else(|| choose(&last)) else {
            // Until another one is known: then it may be the one where others look.
            self.phase = Phase::VerifyDue(now.tick + shared.draw_ms(config::PUBLISH_REST_MS));
            return;
        };
        let route = shared.route_question(now, asker, at, Prefer::Tunnels);
        if matches!(route, Route::NoTunnels | Route::Unreachable) {
            self.phase = Phase::VerifyDue(now.tick + config::PUBLISH_IDLE);
            return;
        }
        let kind = match self.entry {
            Entry::Router(_) => Kind::Router,
            Entry::LeaseSet(_) => Kind::LeaseSet,
        };
        let key = self.entry.key();
        let excluded = stored_at.into_iter().collect();
        shared.send(now, asker, (at, route), key, |rng, reply, reply_key| {
            message::lookup(rng, now, key, kind, reply, excluded, reply_key)
        });
        let direct = route == Route::Direct;
        self.phase = Phase::Verifying { at, since: now.tick, direct, until: now.tick + config::VERIFY_TIMEOUT };
    }

    /// The floodfill that was asked gave an answer.
    fn note_answer(&self, now: Now, asker: &mut Asker<'_>) {
        if let Phase::Verifying { at, since, direct, .. } = self.phase {
            asker.answers.answered(now.tick, at, direct, now.tick.saturating_since(since));
        }
    }

    fn verify_failed(&mut self, now: Now) {
        self.verify_failures += 1;
        self.phase = if self.verify_failures >= config::MAX_VERIFY_FAILURES { Phase::Done } else { Phase::Due(now.tick) };
    }

    /// The awaited floodfill says it doesn't have it, and who may be closer.
    pub(super) fn handle_search_reply(
        &mut self,
        shared: &mut Shared,
        now: Now,
        asker: &mut Asker<'_>,
        reply: &DatabaseSearchReply,
    ) {
        if reply.key == self.entry.key() && matches!(self.phase, Phase::Verifying { at, .. } if at == reply.from) {
            self.note_answer(now, asker);
            self.verify_failed(now);
            if self.fetch_unknown(shared, asker.owner, reply) && matches!(self.phase, Phase::Due(_)) {
                self.phase = Phase::Due(now.tick + config::PUBLISH_IDLE);
            }
            self.step_again(shared, now, asker);
        }
    }

    /// Has the named floodfills fetched that we don't know; false if there are none.
    fn fetch_unknown(&self, shared: &mut Shared, owner: Owner, reply: &DatabaseSearchReply) -> bool {
        let named = reply.routers.iter().take(config::REPLY_FLOODFILLS);
        let unknown = named.filter(|hash| **hash != shared.config.our_hash && shared.routers.get(hash).is_none());
        let fetches: Vec<Fetch> = unknown.map(|hash| Fetch { hash: *hash, ask: Some(reply.from), whose: owner }).collect();
        let any = !fetches.is_empty();
        shared.fetches.extend(fetches);
        any
    }

    /// Our own entry came back, verified by the caller.
    pub(super) fn handle_found(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>, published: Date) {
        if !matches!(self.phase, Phase::Verifying { .. }) {
            return;
        }
        self.note_answer(now, asker);
        if published >= self.entry.published() {
            self.phase = Phase::Done;
            self.reach(shared, asker.owner, PublicationState::Verified);
        } else {
            self.verify_failed(now);
        }
    }

    /// True while an own entry of this key is awaited for verification, from this router if it came straight.
    pub(super) fn awaits(&self, key: &NetDbKey, from: Option<&RouterHash>) -> bool {
        let asked = matches!(&self.phase, Phase::Verifying { at, .. } if from.is_none_or(|from| from == at));
        asked && self.entry.key() == *key
    }

    /// A message sent straight to `to` didn't leave: go on at once.
    pub(super) fn handle_send_failed(&mut self, now: Now, to: &RouterHash) {
        if matches!(self.phase, Phase::Sent { direct: true, to: sent, .. } if sent == *to) {
            self.phase = Phase::Due(now.tick);
        }
    }

    /// Tunnels or floodfills have come: don't wait for the next look. The distance between versions still holds.
    pub(super) fn hurry(&mut self, now: Now) {
        let idle = now.tick + config::PUBLISH_IDLE;
        if self.asked.is_empty() && matches!(self.phase, Phase::Due(at) if at <= idle) {
            self.phase = Phase::Due(now.tick);
        }
    }
}
