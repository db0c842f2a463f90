//! Tunnels: own ones (pools, builds, tests, data) and the answers to build requests of others.
//!
//! One machine, [`Tunnels`]. `handle_*` feeds it, then [`Tunnels::poll_output`] is drained until it gives
//! `None`, then [`Tunnels::deadline`] says when [`Tunnels::handle_timeout`] is wanted. [`Tunnels::work`] opens
//! waiting build requests as far as its budget allows. Relaying itself is done by the lane, which is told by
//! `Install` before the answer to a build is sent.
//!
//! A tunnel's way: *wanted* (pool short of tunnels, pacing allows) → *pending* (request sent, secrets kept
//! under the id of the reply) → *in use* (all hops agreed) → *to be replaced* (60 to 180 s before its end,
//! still used) → gone at ten minutes. A pending one without a reply after [`BUILD_TIMEOUT`] no longer counts,
//! but is taken if the reply still comes within [`LATE_REPLY`]. A tunnel in use that fails two tests in a row
//! is given up, unless it is the last one: that stays in use while others are built.

mod alone;
mod bounds;
pub(crate) mod build;
mod data;
mod garlic;
mod hop;
mod keeping;
mod manage;
pub(crate) mod nearest;
mod pacing;
pub(crate) mod pool;
mod probe;
pub(crate) mod recent;
mod record;
mod reply;
mod request;
pub(crate) mod select;
#[cfg(test)]
mod tests;
pub(crate) mod transit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::{CryptoRng, rng, x25519};
use ramson_lane::LaneCommand;
use ramson_wire::{Date, I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick, TunnelId};

pub(crate) use build::Direction;
pub(crate) use pool::PoolConfig;
pub(crate) use select::HopSource;
pub(crate) use transit::TransitPolicy;
pub(crate) use transit::TransitStats;

use crate::identity::Owner;
use crate::interface::Record;
use crate::profile::Profiles;
use alone::Alone;
use garlic::OneTimeKeys;
use hop::Form;
use manage::Pending;
use nearest::{NearestSets, SetKey};
use pacing::Pacing;
use pool::{OutboundKey, Pool};
use probe::Probe;
use select::{Candidates, Rules};
use transit::{Hands, Transit};

/// A build without a reply after this time counts as failed.
pub(crate) const BUILD_TIMEOUT: Duration = Duration::from_secs(6);
/// A reply that comes no later than this after the request is still used.
pub(crate) const LATE_REPLY: Duration = Duration::from_secs(60);
/// Most pools: the router's and one for each identity. More aren't opened.
pub(crate) const MAX_POOLS: usize = 256;
/// Most builds waiting for a reply, late ones included. No new one starts while there are as many.
pub(crate) const MAX_PENDING: usize = 1024;
/// A new pool begins to build at a random time within this one, so that two opened together don't act together.
const START_SPREAD_MS: u64 = 200;

/// Settings of the machine.
#[derive(Clone, Debug)]
pub(crate) struct TunnelsConfig {
    /// The network.
    pub(crate) net_id: u8,
    /// We dial IPv4.
    pub ipv4: bool,
    /// We dial IPv6.
    pub ipv6: bool,
    /// Let hops of one tunnel share a subnet. For closed networks.
    pub(crate) ignore_subnets: bool,
    /// The addresses that we publish.
    pub(crate) ours: Vec<IpAddr>,
}

/// Who we are to the others.
#[derive(Clone)]
pub(crate) struct LocalRouter {
    /// Hash of our identity.
    pub(crate) hash: RouterHash,
    /// The private half of its encryption key.
    pub(crate) key: Arc<x25519::PrivateKey>,
}

/// What the machine asks for, in this order.
#[derive(Debug)]
pub(crate) enum TunnelOutput {
    /// For the lane.
    Lane(LaneCommand),
    /// A message came through an inbound tunnel of this owner. It reaches only that owner's state.
    Received {
        /// Whose tunnel it was.
        owner: Owner,
        /// The message, no build reply or test of ours.
        message: I2npMessage,
    },
    /// Tunnels of this owner came or went.
    PoolChanged {
        /// Whose.
        owner: Owner,
    },
    /// Open a session with this router, which has to answer us.
    Meet {
        /// The router.
        peer: RouterHash,
    },
    /// For the disk.
    Store(Record),
}

/// One entry for a LeaseSet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InboundLease {
    /// The gateway's router.
    pub(crate) gateway: RouterHash,
    /// The id there.
    pub(crate) tunnel: TunnelId,
    /// End of the tunnel.
    pub(crate) end: Date,
}

/// How many tunnels an owner can use now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct PoolCounts {
    /// Towards us.
    pub(crate) inbound: usize,
    /// Away from us.
    pub(crate) outbound: usize,
}

/// Totals of own builds, tests and messages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct TunnelStats {
    /// Requests sent.
    pub(crate) started: u64,
    /// All hops agreed.
    pub(crate) built: u64,
    /// Some hop refused.
    pub(crate) rejected: u64,
    /// No reply in time, or the first hop couldn't be reached.
    pub(crate) no_reply: u64,
    /// Of these: the reply came late and was used.
    pub(crate) late: u64,
    /// Replies that couldn't be opened.
    pub(crate) bad_replies: u64,
    /// Tunnel tests sent.
    pub(crate) tests: u64,
    /// Tunnel tests that didn't come back.
    pub(crate) tests_failed: u64,
    /// What the others took together, in milliseconds.
    pub(crate) tests_ms: u64,
    /// Messages for own tunnels that were dropped: wrong sender, damaged, duplicate, forbidden kind or delivery.
    pub(crate) dropped: u64,
}

/// The machine. See the module.
pub(crate) struct Tunnels {
    rules: Rules,
    local: LocalRouter,
    rng: Box<dyn CryptoRng + Send>,
    /// Inbound connections reach us: the last hop of an inbound tunnel may be any router.
    reachable: bool,
    connected: BTreeSet<RouterHash>,
    candidates: Candidates,
    profiles: Profiles,
    nearest: NearestSets,
    pacing: Pacing,
    alone: Alone,
    /// When disk is to know what changed.
    save_at: Option<Tick>,
    pools: BTreeMap<Owner, Pool>,
    /// Our endpoint ids, also those of pending tunnels.
    own_ids: BTreeMap<TunnelId, Owner>,
    pending: BTreeMap<MessageId, Pending>,
    one_time: OneTimeKeys,
    probes: BTreeMap<MessageId, Probe>,
    /// When an identity learns that a first hop of its tunnels is dead.
    losses: BTreeMap<(Owner, RouterHash), Tick>,
    transit: Transit,
    stats: TunnelStats,
    outputs: VecDeque<TunnelOutput>,
    /// Outbound tunnels with messages pushed but not flushed.
    dirty: BTreeSet<(Owner, OutboundKey)>,
    next_key: u64,
    /// The reading of the last call, for what is flushed in `poll_output`.
    now: Now,
    due: Option<Tick>,
}

impl Tunnels {
    /// A machine without pools.
    pub(crate) fn new(now: Now, config: TunnelsConfig, local: LocalRouter, rng: Box<dyn CryptoRng + Send>) -> Tunnels {
        let rules = Rules {
            net_id: config.net_id,
            ipv4: config.ipv4,
            ipv6: config.ipv6,
            ignore_subnets: config.ignore_subnets,
            us: local.hash,
            our_subnets: config.ours.into_iter().map(select::subnet).collect(),
        };
        Tunnels {
            rules,
            local,
            rng,
            reachable: true,
            connected: BTreeSet::new(),
            candidates: Candidates::default(),
            profiles: Profiles::new(),
            nearest: NearestSets::default(),
            pacing: Pacing::default(),
            alone: Alone::default(),
            save_at: None,
            pools: BTreeMap::new(),
            own_ids: BTreeMap::new(),
            pending: BTreeMap::new(),
            one_time: OneTimeKeys::default(),
            probes: BTreeMap::new(),
            losses: BTreeMap::new(),
            transit: Transit::new(now.tick),
            stats: TunnelStats::default(),
            outputs: VecDeque::new(),
            dirty: BTreeSet::new(),
            next_key: 0,
            now,
            due: None,
        }
    }

    // ---- questions

    /// How many tunnels the owner can use.
    pub(crate) fn counts(&self, owner: Owner) -> PoolCounts {
        self.pools.get(&owner).map_or(PoolCounts::default(), |pool| PoolCounts {
            inbound: pool.usable(self.now.tick, Direction::Inbound),
            outbound: pool.usable(self.now.tick, Direction::Outbound),
        })
    }

    /// What the owner may publish, best first, at most 16.
    pub(crate) fn leases(&self, owner: Owner) -> Vec<InboundLease> {
        let leases = self.pools.get(&owner).map(|pool| pool.leases(self.now.tick)).unwrap_or_default();
        leases.into_iter().map(|(gateway, tunnel, end)| InboundLease { gateway, tunnel, end }).collect()
    }

    /// Transit tunnels that we agreed to and that haven't ended.
    pub(crate) fn transit_tunnels(&self) -> usize {
        self.transit.len()
    }

    /// How much of the room for them is taken.
    pub(crate) fn transit_fill_percent(&self) -> u8 {
        self.transit.fill_percent()
    }

    /// Build requests waiting for [`Tunnels::work`].
    pub(crate) fn waiting_requests(&self) -> usize {
        self.transit.queued()
    }

    /// Totals of own tunnels.
    pub(crate) fn stats(&self) -> TunnelStats {
        self.stats
    }

    /// Builds that wait for their reply and haven't been given up.
    #[cfg(test)]
    pub(crate) fn pending_builds(&self) -> u64 {
        let waiting = self.pending.values().filter(|pending| !pending.overdue).count();
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// Usable outbound tunnels of an owner that begin with this router.
    #[cfg(test)]
    pub(crate) fn outbound_through(&self, owner: Owner, first: &RouterHash) -> usize {
        let tunnels = self.pools.get(&owner).into_iter().flat_map(|pool| pool.outbound.values());
        tunnels.filter(|tunnel| tunnel.life.routers.first() == Some(first) && tunnel.life.fails < pool::MAX_FAILS).count()
    }

    /// Build requests of this sender waiting for [`Tunnels::work`].
    #[cfg(test)]
    pub(crate) fn waiting_requests_of(&self, sender: RouterHash) -> usize {
        self.transit.queued_of(sender)
    }

    /// What own builds, tunnels and tests hold.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.losses.len()
            + self.pending.len()
            + self.own_ids.len()
            + self.probes.len()
            + self.one_time.len()
            + self.dirty.len()
            + self.pools.len()
    }

    /// Totals of requests of others.
    pub(crate) fn transit_stats(&self) -> TransitStats {
        self.transit.stats
    }

    /// What is thought of other routers.
    #[cfg(test)]
    pub(crate) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Whose an inbound tunnel is, by our id.
    pub(crate) fn owner_of(&self, id: TunnelId) -> Option<Owner> {
        self.own_ids.get(&id).copied()
    }

    /// The ids that its inbound tunnels have with us.
    pub(crate) fn ids_of(&self, owner: Owner) -> impl Iterator<Item = TunnelId> {
        self.own_ids.iter().filter(move |(_, whose)| **whose == owner).map(|(id, _)| *id)
    }

    /// Everything that was dropped, by reason, since the start.
    pub(crate) fn drops(&self) -> [(&'static str, u64); 6] {
        let transit = &self.transit.stats;
        [
            ("build-request-queue", transit.dropped_queue),
            ("build-request-rate", transit.dropped_rate),
            ("build-request-unreadable", transit.dropped_unreadable),
            ("build-request-time", transit.dropped_time),
            ("build-request-replay", transit.dropped_replay),
            ("own-tunnel-message", self.stats.dropped),
        ]
    }

    /// When [`Tunnels::handle_timeout`] is wanted.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.due
    }

    // ---- commands

    /// Opens the pool of an owner, or changes what it wants. The router's pool ([`Owner::Router`]) is the exploratory one.
    pub(crate) fn open_pool(&mut self, now: Now, owner: Owner, config: PoolConfig) {
        self.now = now;
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.config = config;
        } else if self.pools.len() < MAX_POOLS {
            let start_at = now.tick + Duration::from_millis(rng::between(&mut *self.rng, 0, START_SPREAD_MS));
            let nearest = self.nearest_set(&config);
            self.pools.insert(owner, Pool::new(now, config, nearest, start_at, &mut *self.rng));
        }
        self.wake(now.tick);
    }

    /// Where the routers next to a new pool are kept: under its own secret, or under the lowest number that no other pool has.
    fn nearest_set(&self, config: &PoolConfig) -> (SetKey, Option<u32>) {
        if let Some(secret) = &config.order_secret {
            return (SetKey::kept(secret), None);
        }
        let taken: BTreeSet<u32> = self.pools.values().filter_map(|pool| pool.number).collect();
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or(u32::MAX);
        (SetKey::numbered(&self.local.key.to_bytes(), number), Some(number))
    }

    /// Lets an idle pool keep no more than so many tunnels each way, at least one; `None`: as many as it was opened with. What there is
    /// too much isn't renewed.
    pub(crate) fn limit_pool(&mut self, now: Now, owner: Owner, most: Option<u8>) {
        self.now = now;
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.most = most.map(|most| most.max(1));
        }
        self.wake(now.tick);
    }

    /// Ends the pool and its tunnels. Nothing is said to the hops.
    pub(crate) fn close_pool(&mut self, now: Now, owner: Owner) {
        self.now = now;
        if self.pools.remove(&owner).is_none() {
            return;
        }
        // The lane goes on to know the ids until they expire: what still comes for them is no stranger's.
        self.own_ids.retain(|_, whose| *whose != owner);
        self.pending.retain(|_, pending| pending.owner != owner);
        self.probes.retain(|_, probe| probe.owner != owner);
        self.losses.retain(|(whose, _), _| *whose != owner);
        self.dirty.retain(|(whose, _)| *whose != owner);
        self.one_time.forget(owner);
        self.pacing.forget(owner);
    }

    /// How much we do for others from now on.
    pub(crate) fn set_transit(&mut self, policy: TransitPolicy) {
        self.transit.policy = policy;
    }

    /// Whether others can open connections to us. If not, inbound tunnels end with a router that is connected.
    pub(crate) fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    /// A session to this router stands.
    pub(crate) fn handle_connected(&mut self, now: Now, peer: RouterHash) {
        self.now = now;
        self.connected.insert(peer);
        self.profiles.reached(&peer);
        self.heard(now);
    }

    /// The session ended.
    pub(crate) fn handle_disconnected(&mut self, now: Now, peer: RouterHash) {
        self.now = now;
        self.connected.remove(&peer);
    }

    /// A message from the lane (`from` is the sender's session) or, with `None`, out of garlic or a transit endpoint of ours, addressed
    /// to this router. Gives it back if it is nothing about tunnels.
    pub(crate) fn handle_message(&mut self, now: Now, from: Option<RouterHash>, message: I2npMessage) -> Option<I2npMessage> {
        self.now = now;
        match message.kind {
            MessageKind::SHORT_TUNNEL_BUILD | MessageKind::VARIABLE_TUNNEL_BUILD => self.handle_build(now, from, message),
            MessageKind::TUNNEL_DATA => self.receive_data(now, from, &message),
            MessageKind::TUNNEL_GATEWAY => self.receive_gateway(now, &message),
            // Replies come through tunnels only; types 21 and 22 are dead.
            MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY
            | MessageKind::VARIABLE_TUNNEL_BUILD_REPLY
            | MessageKind::TUNNEL_BUILD
            | MessageKind::TUNNEL_BUILD_REPLY => self.stats.dropped += 1,
            _ => return Some(message),
        }
        None
    }

    fn handle_build(&mut self, now: Now, from: Option<RouterHash>, message: I2npMessage) {
        // The end of an inbound build of ours looks like a request: it is known by its id and its sender.
        let form = if message.kind == MessageKind::SHORT_TUNNEL_BUILD { Form::Short } else { Form::Long };
        if form == Form::Short && self.is_inbound_reply(from, message.id) {
            self.handle_inbound_reply(now, message.id, &message.body);
            return;
        }
        self.transit.push(now.tick, from, form, message.body, self.candidates.len());
    }

    /// Opens and answers at most `budget` waiting build requests of others.
    pub(crate) fn work(&mut self, now: Now, budget: usize) {
        self.now = now;
        let own_ids = &self.own_ids;
        let mut hands = Hands {
            us: self.local.hash,
            key: &self.local.key,
            own: &|id| own_ids.contains_key(&id),
            rng: &mut *self.rng,
            outputs: &mut self.outputs,
        };
        self.transit.work(now, budget, &mut hands);
    }

    /// What is to be done next. Messages given to [`Tunnels::send_through`] since the last call are packed together here.
    pub(crate) fn poll_output(&mut self) -> Option<TunnelOutput> {
        if self.outputs.is_empty() {
            self.flush();
        }
        self.outputs.pop_front()
    }

    fn wake(&mut self, at: Tick) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}
