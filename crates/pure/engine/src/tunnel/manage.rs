//! When something is due: shortage and pauses, builds without a reply, ends of tunnels.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_lane::LaneCommand;
use ramson_wire::{MessageId, Now, RouterHash, Tick, TunnelId};

use super::build::{Direction, Secrets};
use super::pool::{LIFETIME, MAX_FAILS, OutboundKey};
use super::select::HopSource;
use super::{BUILD_TIMEOUT, LATE_REPLY, TunnelOutput, Tunnels};
use crate::identity::Owner;

/// Most builds begun in one call: making a request takes some hundred microseconds, and streams wait meanwhile.
const MAX_STARTS: u32 = 6;
/// First pause after a failed build; doubled with each failure in a row, up to the longest.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// When an identity reacts to a dead first hop, drawn for each.
const LOSS_SPREAD_MS: (u64, u64) = (500, 5_000);

/// A build that waits for its reply.
pub(super) struct Pending {
    pub(super) owner: Owner,
    pub(super) direction: Direction,
    pub(super) secrets: Secrets,
    /// Outbound: the id at the first hop. Inbound: the id at the gateway.
    pub(super) first_tunnel: TunnelId,
    /// Inbound: our endpoint id.
    pub(super) own_id: Option<TunnelId>,
    pub(super) started: Now,
    pub(super) overdue: bool,
    /// The own tunnel that carried the request, or that the reply takes.
    pub(super) helper: Helper,
}

/// The other tunnel of a build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Helper {
    /// None: sent or answered directly.
    Direct,
    Outbound(Owner, OutboundKey),
    Inbound(Owner, TunnelId),
}

impl Pending {
    /// We sent the request straight to this router and wait for its effect.
    fn was_sent_to(&self, peer: &RouterHash) -> bool {
        !self.overdue
            && (self.direction == Direction::Outbound || self.helper == Helper::Direct)
            && self.secrets.routers().next() == Some(peer)
    }

    /// The router next to us.
    pub(super) fn neighbour(&self) -> Option<&RouterHash> {
        let mut routers = self.secrets.routers();
        match self.direction {
            Direction::Outbound => routers.next(),
            Direction::Inbound => routers.last(),
        }
    }
}

impl Tunnels {
    /// Builds, tests and ends what is due. Harmless when early.
    pub(crate) fn handle_timeout(&mut self, now: Now, source: &dyn HopSource) {
        self.now = now;
        self.candidates.refresh(now.tick, now.date, source, &self.rules);
        if self.alone.knows(now.tick, self.candidates.len()) {
            self.begin_anew(now);
        }
        self.profiles.compare(now.tick);
        self.run_losses(now);
        self.expire_pending(now);
        self.expire_tunnels(now);
        self.run_probes(now);
        self.one_time.expire(now.tick);
        self.build_missing(now);
        self.save_if_due(now);
        self.due = self.next_due(now);
    }

    /// No session to this router can be opened: what began with it fails. The router's own at once; each identity's after a time of its
    /// own, or their rebuilds in one moment would tell that they are of one router.
    pub(crate) fn handle_connect_failed(&mut self, now: Now, peer: RouterHash) {
        self.now = now;
        self.connected.remove(&peer);
        self.profiles.unreachable(now, &peer);
        let owners: Vec<Owner> = self.pools.keys().copied().collect();
        for owner in owners {
            if owner == Owner::Router {
                self.lose_first_hop(now, owner, peer);
            } else if self.begins_with(owner, &peer) && !self.losses.contains_key(&(owner, peer)) {
                let (low, high) = LOSS_SPREAD_MS;
                let at = now.tick + Duration::from_millis(rng::between(&mut *self.rng, low, high));
                self.losses.insert((owner, peer), at);
                self.wake(at);
            }
        }
        self.wake(now.tick);
    }

    /// Whether a tunnel or a build of this owner begins with this router.
    fn begins_with(&self, owner: Owner, peer: &RouterHash) -> bool {
        let pool = self.pools.get(&owner);
        pool.is_some_and(|pool| pool.outbound.values().any(|tunnel| tunnel.life.routers.first() == Some(peer)))
            || self.pending.values().any(|pending| pending.owner == owner && pending.was_sent_to(peer))
    }

    /// The owner learns that a first hop of its is dead.
    fn lose_first_hop(&mut self, now: Now, owner: Owner, peer: RouterHash) {
        let failed = self.pending.iter().filter(|(_, pending)| pending.owner == owner && pending.was_sent_to(&peer));
        let failed: Vec<MessageId> = failed.map(|(id, _)| *id).collect();
        for id in failed {
            if let Some(pending) = self.pending.remove(&id) {
                self.stats.no_reply += 1;
                self.alone.failed();
                self.give_up(now, pending);
            }
        }
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        let begin_there = pool.outbound.values_mut().filter(|tunnel| tunnel.life.routers.first() == Some(&peer));
        let hit = begin_there.map(|tunnel| tunnel.life.fails = MAX_FAILS).count();
        if hit > 0 {
            self.drop_failed(now, owner);
            self.outputs.push_back(TunnelOutput::PoolChanged { owner });
        }
    }

    /// Identities whose time has come learn of dead first hops, unless a session stands again.
    fn run_losses(&mut self, now: Now) {
        let due = self.losses.extract_if(.., |_, at| *at <= now.tick).map(|(key, _)| key).collect::<Vec<_>>();
        for (owner, peer) in due {
            if !self.connected.contains(&peer) {
                self.lose_first_hop(now, owner, peer);
            }
        }
    }

    /// A session stands, or something of ours was answered. Whatever else comes says nothing, and may come again. If the router was alone until now, it begins anew: for itself at once, for each identity after a
    /// time of its own, as when it learns that a first hop is dead.
    pub(super) fn heard(&mut self, now: Now) {
        if self.alone.heard() {
            self.begin_anew(now);
        }
    }

    fn begin_anew(&mut self, now: Now) {
        for (owner, pool) in &mut self.pools {
            let wait = if *owner == Owner::Router { 0 } else { rng::between(&mut *self.rng, LOSS_SPREAD_MS.0, LOSS_SPREAD_MS.1) };
            for direction in [Direction::Inbound, Direction::Outbound] {
                let side = pool.side(direction);
                side.failures = 0;
                side.retry_at = side.retry_at.min(now.tick + Duration::from_millis(wait));
            }
        }
        self.wake(now.tick);
    }

    fn expire_pending(&mut self, now: Now) {
        let age = |pending: &super::manage::Pending| now.tick.saturating_since(pending.started.tick);
        let overdue: Vec<MessageId> = self
            .pending
            .iter()
            .filter(|(_, pending)| !pending.overdue && age(pending) >= BUILD_TIMEOUT)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            let Some(pending) = self.pending.get_mut(&id) else {
                continue;
            };
            pending.overdue = true;
            let (owner, direction) = (pending.owner, pending.direction);
            self.profiles.no_reply(now, pending.secrets.routers());
            self.stats.no_reply += 1;
            self.alone.failed();
            self.back_off(now, owner, direction);
        }
        let dead: Vec<MessageId> =
            self.pending.iter().filter(|(_, pending)| age(pending) >= LATE_REPLY).map(|(id, _)| *id).collect();
        for id in dead {
            if let Some(pending) = self.pending.remove(&id) {
                self.free_own_id(&pending);
            }
        }
    }

    /// Forgets a pending build and lets its pool try again after a pause.
    pub(super) fn give_up(&mut self, now: Now, pending: Pending) {
        self.free_own_id(&pending);
        if !pending.overdue {
            self.back_off(now, pending.owner, pending.direction);
        }
    }

    fn free_own_id(&mut self, pending: &Pending) {
        if let Some(id) = pending.own_id {
            self.own_ids.remove(&id);
        }
    }

    fn back_off(&mut self, now: Now, owner: Owner, direction: Direction) {
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        let side = pool.side(direction);
        let pause = BACKOFF.saturating_mul(1 << side.failures.min(16)).min(MAX_BACKOFF);
        side.failures = side.failures.saturating_add(1);
        let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        side.retry_at = now.tick + Duration::from_millis(rng::between(&mut *self.rng, ms / 2, ms));
        self.wake(now.tick);
    }

    fn expire_tunnels(&mut self, now: Now) {
        for (owner, pool) in &mut self.pools {
            let before = pool.outbound.len();
            let mut ended = false;
            pool.outbound.retain(|_, tunnel| now.tick < tunnel.life.expires);
            pool.inbound.retain(|id, tunnel| {
                let alive = now.tick < tunnel.life.gone_at();
                ended |= now.tick >= tunnel.life.expires && !std::mem::replace(&mut tunnel.life.given_up, true);
                tunnel.endpoint.expire(now.tick);
                if !alive {
                    self.own_ids.remove(id);
                    self.outputs.push_back(TunnelOutput::Lane(LaneCommand::RemoveOwn { tunnel: *id }));
                }
                alive
            });
            if ended || pool.outbound.len() != before {
                self.outputs.push_back(TunnelOutput::PoolChanged { owner: *owner });
            }
        }
    }

    /// Starts what is missing, the router's own tunnels first. What is over the turn's budget is due at once again.
    fn build_missing(&mut self, now: Now) {
        let owners: Vec<Owner> = self.pools.keys().copied().collect();
        let mut budget = MAX_STARTS;
        for owner in owners {
            for direction in [Direction::Inbound, Direction::Outbound] {
                while budget > 0 && self.is_short(now, owner, direction) {
                    budget -= 1;
                    if let Err(retry_at) = self.start_build(now, owner, direction) {
                        if let Some(pool) = self.pools.get_mut(&owner) {
                            pool.side(direction).retry_at = retry_at;
                        }
                        break;
                    }
                }
            }
        }
    }

    fn missing(&self, now: Now, owner: Owner, direction: Direction) -> bool {
        let Some(pool) = self.pools.get(&owner) else {
            return false;
        };
        let wanted = pool.wanted(direction);
        let fresh = pool.fresh(now.tick, direction);
        fresh < wanted && fresh + self.active(owner, direction) < wanted
    }

    fn active(&self, owner: Owner, direction: Direction) -> usize {
        let active = |pending: &&Pending| pending.owner == owner && pending.direction == direction && !pending.overdue;
        self.pending.values().filter(active).count()
    }

    fn retry_at(&self, owner: Owner, direction: Direction) -> Option<Tick> {
        let pool = self.pools.get(&owner)?;
        Some(match direction {
            Direction::Inbound => pool.inbound_side.retry_at,
            Direction::Outbound => pool.outbound_side.retry_at,
        })
    }

    fn is_short(&self, now: Now, owner: Owner, direction: Direction) -> bool {
        self.retry_at(owner, direction).is_some_and(|at| at <= now.tick) && self.missing(now, owner, direction)
    }

    fn next_due(&self, now: Now) -> Option<Tick> {
        let mut due: Option<Tick> =
            self.next_probe(now.tick).into_iter().chain(self.losses.values().copied()).chain(self.next_save()).min();
        let mut note = |at: Tick| due = Some(due.map_or(at, |due: Tick| due.min(at)));
        for pending in self.pending.values() {
            note(pending.started.tick + if pending.overdue { LATE_REPLY } else { BUILD_TIMEOUT });
        }
        for (owner, pool) in &self.pools {
            for direction in [Direction::Inbound, Direction::Outbound] {
                for life in pool.lives(direction) {
                    note(life.next(now.tick));
                }
                if self.missing(now, *owner, direction)
                    && let Some(at) = self.retry_at(*owner, direction)
                {
                    note(at);
                }
            }
        }
        due
    }
}

const _: () = assert!(LIFETIME.as_secs() > LATE_REPLY.as_secs());
