//! Build requests of other routers: waiting, limits, acceptance, answers.
//!
//! A request is dear (one key agreement), so it waits sealed in a bounded queue with a bounded share for each sender, and is opened only
//! when the engine has time for it. Then: is it well formed and timely, seen for the first time, is there room? The answer goes on
//! in the message itself; an accepted tunnel is installed in the lane before the answer is sent.

mod neighbours;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, rng, x25519};
use ramson_lane::{Class, LaneCommand, Relay, RelayRole};
use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::i2np::TunnelGateway;
use ramson_wire::{Codec, Date, I2npMessage, MessageKind, Now, RouterHash, Tick, TunnelId};

use super::hop::{self, Answered, Form, Opened, Role, Unreadable};
use super::pacing::Bucket;
use super::recent::{Recent, Seen};
use super::{TunnelOutput, garlic};
use crate::fingerprint::Digest;
use neighbours::{Neighbours, Rate, Verdict, request_rate};

/// Requests waiting in all. Beyond: the newest of the sender that has most is dropped, so that many flooding senders together leave room
/// for one that doesn't flood.
pub(crate) const MAX_QUEUE: usize = 128;
/// Requests waiting of one sender.
pub(crate) const MAX_QUEUE_PER_SENDER: usize = 16;
/// A request that waited longer is dropped unopened: its creator has given it up.
const MAX_WAIT: Duration = Duration::from_millis(2500);
/// Senders whose rate is remembered. Beyond it those whose rate is unused go; if there are none, the request is dropped.
const MAX_SENDERS: usize = 2048;
/// All that comes out of tunnels and garlic: requests to gateways, whose sender isn't known.
const UNKNOWN_BURST: u32 = 200;
const UNKNOWN_EVERY: Duration = Duration::from_millis(50);
/// Requests waiting of these.
pub(crate) const MAX_QUEUE_UNKNOWN: usize = 64;
/// One sender's rate while few routers are known: each of them then has many tunnels through us. For larger networks see
/// [`neighbours`].
const FEW_BURST: u32 = 200;
const FEW_EVERY: Duration = Duration::from_millis(100);
/// Keys of requests remembered, each for an hour or more. While it is full within [`REPLAY_MIN`] requests are dropped.
const MAX_REPLAY: usize = 65_536;
const REPLAY_KEEP: Duration = Duration::from_secs(3600);
/// How old and how far ahead a request may be (Java: the same).
const MAX_AGE: Duration = Duration::from_secs(8 * 60);
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);
/// How long a transit tunnel is kept: ten minutes and some grace.
const LIFETIME: Duration = Duration::from_secs(660);
/// Expiration of messages that go on.
const FORWARD_LIFE: Duration = Duration::from_secs(25);
const REJECT: u8 = 30;
/// From this load on requests are refused at random, at 100 all of them.
const BUSY_PERCENT: u8 = 70;
/// A table for so many tunnels counts as load when it fills; a smaller one is simply full.
const MANY_TUNNELS: usize = 100;

/// How much we do for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TransitPolicy {
    /// Whether any tunnel is accepted.
    pub(crate) accept: bool,
    /// Most transit tunnels at once.
    pub(crate) max_tunnels: usize,
    /// Share of the transit bandwidth in use.
    pub(crate) load_percent: u8,
}

impl Default for TransitPolicy {
    fn default() -> TransitPolicy {
        TransitPolicy { accept: true, max_tunnels: 10_000, load_percent: 0 }
    }
}

/// Totals about requests of others.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct TransitStats {
    /// Agreed to.
    pub(crate) accepted: u64,
    /// Answered with a refusal.
    pub(crate) rejected: u64,
    /// Dropped at the queue: full in all, full for the sender, or waited too long.
    pub(crate) dropped_queue: u64,
    /// Dropped because the sender asks too often, or a neighbour is in too many tunnels.
    pub(crate) dropped_rate: u64,
    /// Dropped because there is no record for us, or it can't be opened or read, or makes no sense.
    pub(crate) dropped_unreadable: u64,
    /// Dropped because of the time written in the request.
    pub(crate) dropped_time: u64,
    /// Dropped because the request was seen before (or the memory for that is full).
    pub(crate) dropped_replay: u64,
}

struct Waiting {
    since: Tick,
    form: Form,
    body: Bytes,
}

/// What opening and answering needs of the router.
pub(crate) struct Hands<'a> {
    pub(crate) us: RouterHash,
    pub(crate) key: &'a x25519::PrivateKey,
    /// Whether a tunnel id is one of our own endpoints.
    pub(crate) own: &'a dyn Fn(TunnelId) -> bool,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) outputs: &'a mut VecDeque<TunnelOutput>,
}

pub(crate) struct Transit {
    pub(crate) policy: TransitPolicy,
    pub(crate) stats: TransitStats,
    tunnels: BTreeMap<TunnelId, Tick>,
    ends: BTreeSet<(Tick, TunnelId)>,
    /// By sender; `None` is what came out of tunnels and garlic.
    queue: BTreeMap<Option<RouterHash>, VecDeque<Waiting>>,
    queued: usize,
    served: Option<Option<RouterHash>>,
    rates: BTreeMap<Option<RouterHash>, Bucket>,
    neighbours: Neighbours,
    /// Routers that could be hops, when a request came last.
    eligible: usize,
    replay: Recent<[u8; 32]>,
}

impl Transit {
    pub(crate) fn new(now: Tick) -> Transit {
        Transit {
            policy: TransitPolicy::default(),
            stats: TransitStats::default(),
            tunnels: BTreeMap::new(),
            ends: BTreeSet::new(),
            queue: BTreeMap::new(),
            queued: 0,
            served: None,
            rates: BTreeMap::new(),
            neighbours: Neighbours::default(),
            eligible: 0,
            replay: Recent::new(now, REPLAY_KEEP, MAX_REPLAY),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tunnels.len()
    }

    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<(TunnelId, Tick)>(self.tunnels.len() * 2);
        visit(Bound::new("transit-tunnels", self.tunnels.len(), self.policy.max_tunnels, bytes));
        let (mut senders, mut unknown) = (Fullest::default(), Fullest::default());
        for (from, queue) in &self.queue {
            let bytes = queue.iter().map(|waiting| size_of::<Waiting>() + waiting.body.len()).sum();
            let of = if from.is_some() { &mut senders } else { &mut unknown };
            of.add(queue.len(), bytes);
        }
        visit(Bound::new("build-requests", self.queued, MAX_QUEUE, 0));
        visit(senders.bound("build-requests-of-sender", MAX_QUEUE_PER_SENDER));
        visit(unknown.bound("build-requests-of-unknown", MAX_QUEUE_UNKNOWN));
        let bytes = entries::<(Option<RouterHash>, Bucket)>(self.rates.len());
        visit(Bound::new("build-request-senders", self.rates.len(), MAX_SENDERS, bytes).lasting());
        visit(self.replay.bound("build-requests-seen"));
        visit(self.neighbours.bound());
    }

    /// How much of the table is taken.
    pub(crate) fn fill_percent(&self) -> u8 {
        let percent = self.tunnels.len().saturating_mul(100).checked_div(self.policy.max_tunnels);
        percent.map_or(100, |percent| u8::try_from(percent.min(100)).unwrap_or(100))
    }

    /// What requests change; those that wait only by their number. Tunnels that end are forgotten in any call: they aren't counted.
    pub(crate) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((self.stats.accepted, self.stats.rejected, self.queued, self.replay.taken()));
    }

    /// Requests of one sender waiting.
    #[cfg(test)]
    pub(crate) fn queued_of(&self, sender: RouterHash) -> usize {
        self.queue.get(&Some(sender)).map_or(0, VecDeque::len)
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn uses(&self, tunnel: TunnelId) -> bool {
        self.tunnels.contains_key(&tunnel)
    }

    /// Puts a request in the queue if its sender may. `eligible`: routers that could be hops.
    pub(crate) fn push(&mut self, now: Tick, from: Option<RouterHash>, form: Form, body: Bytes, eligible: usize) {
        self.eligible = eligible;
        if !self.may_ask(now, from) {
            self.stats.dropped_rate += 1;
            return;
        }
        let held = self.queue.get(&from).map_or(0, VecDeque::len);
        let share = if from.is_some() { MAX_QUEUE_PER_SENDER } else { MAX_QUEUE_UNKNOWN };
        if held >= share || self.queued >= MAX_QUEUE && !self.make_room(held) {
            self.stats.dropped_queue += 1;
            return;
        }
        self.queue.entry(from).or_default().push_back(Waiting { since: now, form, body });
        self.queued += 1;
    }

    /// Drops a request of the sender that has most; false if none has two more than `held`.
    fn make_room(&mut self, held: usize) -> bool {
        let most = self.queue.values_mut().max_by_key(|queue| queue.len());
        let dropped = most.filter(|queue| queue.len() > held + 1).and_then(VecDeque::pop_back).is_some();
        if dropped {
            self.queued = self.queued.saturating_sub(1);
            self.stats.dropped_queue += 1;
        }
        dropped
    }

    fn may_ask(&mut self, now: Tick, from: Option<RouterHash>) -> bool {
        if self.rates.len() >= MAX_SENDERS && !self.rates.contains_key(&from) {
            self.rates.retain(|_, bucket| !bucket.is_full(now));
            if self.rates.len() >= MAX_SENDERS {
                return false;
            }
        }
        let (every, burst) = match (from, request_rate(self.eligible, self.tunnels.len())) {
            (_, None) => (FEW_EVERY, FEW_BURST),
            (Some(_), Some(Rate { burst, every })) => (every, burst),
            (None, Some(_)) => (UNKNOWN_EVERY, UNKNOWN_BURST),
        };
        self.rates.entry(from).or_default().take(now, every, burst).is_ok()
    }

    /// The next request: senders take turns.
    fn pop(&mut self) -> Option<(Option<RouterHash>, Waiting)> {
        let after = self.served.and_then(|served| {
            let range = (std::ops::Bound::Excluded(served), std::ops::Bound::Unbounded);
            self.queue.range(range).next().map(|(from, _)| *from)
        });
        let from = after.or_else(|| self.queue.keys().next().copied())?;
        let waiting = self.queue.get_mut(&from)?.pop_front();
        if self.queue.get(&from).is_some_and(VecDeque::is_empty) {
            self.queue.remove(&from);
        }
        self.served = Some(from);
        self.queued = self.queued.saturating_sub(1);
        Some((from, waiting?))
    }

    /// Opens and answers at most `budget` requests.
    pub(crate) fn work(&mut self, now: Now, budget: usize, hands: &mut Hands<'_>) {
        self.expire(now.tick);
        for _ in 0..budget {
            let Some((from, waiting)) = self.pop() else {
                return;
            };
            if now.tick.saturating_since(waiting.since) > MAX_WAIT {
                self.stats.dropped_queue += 1;
                continue;
            }
            self.serve(now, from, &waiting, hands);
        }
    }

    fn expire(&mut self, now: Tick) {
        while let Some((end, tunnel)) = self.ends.first().copied() {
            if end > now {
                return;
            }
            self.ends.remove(&(end, tunnel));
            self.tunnels.remove(&tunnel);
        }
    }

    fn serve(&mut self, now: Now, from: Option<RouterHash>, waiting: &Waiting, hands: &mut Hands<'_>) {
        let opened = hop::open(waiting.form, &waiting.body, &hands.us, hands.key)
            .and_then(|opened| if sensible(&opened, from, &hands.us) { Ok(opened) } else { Err(Unreadable::Content) });
        let opened = match opened {
            Ok(opened) => opened,
            Err(reason) => {
                tracing::trace!(%reason, "build request dropped");
                self.stats.dropped_unreadable += 1;
                return;
            }
        };
        if !timely(opened.minutes, now.date) {
            self.stats.dropped_time += 1;
            return;
        }
        if !self.replay.has_room(now.tick) || self.replay.see(now.tick, opened.ephemeral) == Seen::Before {
            self.stats.dropped_replay += 1;
            return;
        }
        let mut accept = self.has_room(&opened, hands);
        if accept {
            match self.neighbours.ask(now.tick, beside(&opened, from), self.eligible, self.tunnels.len()) {
                Verdict::Welcome => {}
                Verdict::Refused => accept = false,
                Verdict::Dropped => {
                    self.stats.dropped_rate += 1;
                    return;
                }
            }
        }
        if accept {
            self.stats.accepted += 1;
            let expires = now.tick + LIFETIME;
            self.tunnels.insert(opened.receive, expires);
            self.ends.insert((expires, opened.receive));
            let relay = relay(&opened, from, expires);
            hands.outputs.push_back(TunnelOutput::Lane(LaneCommand::Install(Box::new(relay))));
        } else {
            self.stats.rejected += 1;
        }
        forward(now, opened, if accept { 0 } else { REJECT }, hands);
    }

    fn has_room(&self, opened: &Opened, hands: &mut Hands<'_>) -> bool {
        let full = if self.policy.max_tunnels >= MANY_TUNNELS { self.fill_percent() } else { 0 };
        let busy = self.policy.load_percent.max(full).saturating_sub(BUSY_PERCENT);
        let refuse = busy > 0 && rng::below(hands.rng, u32::from(100 - BUSY_PERCENT)) < u32::from(busy);
        self.policy.accept
            && !refuse
            && opened.layer_type == 0
            && self.tunnels.len() < self.policy.max_tunnels
            && !self.tunnels.contains_key(&opened.receive)
            && !(hands.own)(opened.receive)
    }
}

/// The routers beside us in the tunnel. A gateway has none before it, an endpoint none behind it.
fn beside(opened: &Opened, from: Option<RouterHash>) -> impl Iterator<Item = RouterHash> {
    let before = from.filter(|_| opened.role != Role::Gateway);
    let behind = (opened.role != Role::Endpoint).then_some(opened.next);
    before.into_iter().chain(behind)
}

/// A gateway may be asked out of a tunnel; the others must know who sends. Nobody sends to himself, or back.
fn sensible(opened: &Opened, from: Option<RouterHash>, us: &RouterHash) -> bool {
    match opened.role {
        Role::Gateway => opened.next != *us,
        Role::Participant => opened.next != *us && from.is_some_and(|from| from != opened.next && from != *us),
        Role::Endpoint => from.is_some_and(|from| from != *us),
    }
}

fn timely(minutes: u32, now: Date) -> bool {
    let made = Date::from_minutes(minutes);
    now.saturating_since(made) <= MAX_AGE + Duration::from_secs(60) && made.saturating_since(now) <= MAX_AHEAD
}

fn relay(opened: &Opened, from: Option<RouterHash>, expires: Tick) -> Relay {
    let (next, next_tunnel) = (opened.next, opened.next_tunnel);
    let (role, previous) = match opened.role {
        Role::Gateway => (RelayRole::Gateway { next, next_tunnel }, None),
        Role::Participant => (RelayRole::Participant { next, next_tunnel }, from),
        Role::Endpoint => (RelayRole::Endpoint, from),
    };
    Relay { tunnel: opened.receive, role, keys: opened.layers(), previous, expires }
}

/// Sends the answered message on: to the next hop, or, as an endpoint, into the creator's reply tunnel.
fn forward(now: Now, opened: Opened, code: u8, hands: &mut Hands<'_>) {
    let (next, next_tunnel, role, id) = (opened.next, opened.next_tunnel, opened.role, opened.next_message);
    let Answered { form, body, garlic } = opened.answer(code, hands.rng);
    let expiration = now.date + FORWARD_LIFE;
    let kind = match (form, role) {
        (Form::Short, Role::Endpoint) => MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY,
        (Form::Short, _) => MessageKind::SHORT_TUNNEL_BUILD,
        (Form::Long, Role::Endpoint) => MessageKind::VARIABLE_TUNNEL_BUILD_REPLY,
        (Form::Long, _) => MessageKind::VARIABLE_TUNNEL_BUILD,
    };
    let mut message = I2npMessage { kind, id, expiration, body };
    if role == Role::Endpoint {
        // When we are the reply tunnel's gateway as well there is nobody to hide the reply from.
        if let Some((tag, key)) = garlic
            && next != hands.us
        {
            let Ok(sealed) = garlic::seal_one_time(now, (tag, &key), message, hands.rng) else {
                return;
            };
            message = sealed;
        }
        let gateway = TunnelGateway { tunnel: next_tunnel, message: message.encode_long().into() };
        message = I2npMessage {
            kind: MessageKind::TUNNEL_GATEWAY,
            id: super::build::message_id(hands.rng),
            expiration,
            body: gateway.to_bytes().into(),
        };
    }
    let send = LaneCommand::Send { to: next, message, class: Class::Transit };
    hands.outputs.push_back(TunnelOutput::Lane(send));
}
