//! When which tunnel is built: shortage, pacing, paths of request and reply, timeouts, ends.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng;
use ramson_crypto::rng::SeededRng;
use ramson_lane::tunnel_data::{Endpoint, Gateway};
use ramson_lane::{Class, LaneCommand};
use ramson_wire::{
    I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick, TunnelDelivery, TunnelId,
};

use super::build::{self, Direction, Hop, Plan, Request, Secrets};
use super::garlic::{self, KeyUse};
use super::pool::{Inbound, LIFETIME, Life, Outbound, OutboundKey};
use super::select::{HopSource, Wish};
use super::{BUILD_TIMEOUT, LATE_REPLY, MAX_PENDING, TunnelOutput, Tunnels};
use crate::identity::Owner;

/// Next try when routers, a path or places are missing.
const RETRY: Duration = Duration::from_millis(500);
/// First pause after a failed build; doubled with each failure in a row, up to the longest.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// After so many failures in a row every second build takes another path than usual: an identity's over exploratory tunnels, the router's
/// direct. Otherwise dead tunnels that nobody tested yet would keep new ones from being built.
const OTHER_PATH_AFTER: u32 = 4;
/// Expiration of our requests: as Java, 60 to 80 s.
const REQUEST_LIFE_SECS: (u64, u64) = (60, 80);
/// An id of ours stays known this long after its tunnel's end.
const OWN_ID_GRACE: Duration = Duration::from_secs(60);
/// A return path for first builds lives this long, and isn't used for another one in its last part.
const BOOTSTRAP_LIFE: Duration = Duration::from_secs(90);
const BOOTSTRAP_REST: Duration = Duration::from_secs(65);
/// No router is in more than a fifth of a pool's tunnels in a large network.
const SHARE: usize = 5;

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
        self.candidates
            .refresh(now.tick, now.date, source, &self.rules);
        self.expire_pending(now);
        self.expire_tunnels(now);
        self.run_probes(now);
        self.one_time.expire(now.tick);
        self.build_missing(now);
        self.due = self.next_due(now);
    }

    /// No session to this router can be opened: what began with it fails now.
    pub(crate) fn handle_connect_failed(&mut self, now: Now, peer: RouterHash) {
        self.now = now;
        self.connected.remove(&peer);
        self.profiles.unreachable(now.tick, &peer);
        let sent_directly = |pending: &Pending| {
            !pending.overdue
                && (pending.direction == Direction::Outbound || pending.helper == Helper::Direct)
                && pending.secrets.routers().next() == Some(&peer)
        };
        let failed: Vec<MessageId> = self
            .pending
            .iter()
            .filter(|(_, pending)| sent_directly(pending))
            .map(|(id, _)| *id)
            .collect();
        for id in failed {
            if let Some(pending) = self.pending.remove(&id) {
                self.stats.no_reply += 1;
                self.give_up(now, pending);
            }
        }
        for (owner, pool) in &mut self.pools {
            let before = pool.outbound.len();
            if before > 1 {
                pool.outbound
                    .retain(|_, tunnel| tunnel.life.routers.first() != Some(&peer));
            }
            if pool.outbound.len() != before {
                self.outputs
                    .push_back(TunnelOutput::PoolChanged { owner: *owner });
            }
        }
        self.wake(now.tick);
    }

    fn expire_pending(&mut self, now: Now) {
        let age =
            |pending: &super::manage::Pending| now.tick.saturating_since(pending.started.tick);
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
            self.profiles.no_reply(now.tick, pending.secrets.routers());
            self.stats.no_reply += 1;
            self.back_off(now, owner, direction);
        }
        let dead: Vec<MessageId> = self
            .pending
            .iter()
            .filter(|(_, pending)| age(pending) >= LATE_REPLY)
            .map(|(id, _)| *id)
            .collect();
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
        let pause = BACKOFF
            .saturating_mul(1 << side.failures.min(16))
            .min(MAX_BACKOFF);
        side.failures = side.failures.saturating_add(1);
        let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        side.retry_at = now.tick + Duration::from_millis(rng::between(&mut *self.rng, ms / 2, ms));
        self.wake(now.tick);
    }

    fn expire_tunnels(&mut self, now: Now) {
        for (owner, pool) in &mut self.pools {
            let before = pool.inbound.len() + pool.outbound.len();
            pool.outbound
                .retain(|_, tunnel| now.tick < tunnel.life.expires);
            pool.inbound.retain(|id, tunnel| {
                let alive = now.tick < tunnel.life.expires;
                if !alive {
                    self.own_ids.remove(id);
                    self.outputs
                        .push_back(TunnelOutput::Lane(LaneCommand::RemoveOwn { tunnel: *id }));
                }
                alive
            });
            if pool.inbound.len() + pool.outbound.len() != before {
                self.outputs
                    .push_back(TunnelOutput::PoolChanged { owner: *owner });
            }
        }
    }

    fn build_missing(&mut self, now: Now) {
        let owners: Vec<Owner> = self.pools.keys().copied().collect();
        for owner in owners {
            for direction in [Direction::Inbound, Direction::Outbound] {
                while self.is_short(now, owner, direction) {
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
        let wanted = pool.config.quantity(direction);
        let fresh = pool.fresh(now.tick, direction);
        fresh < wanted && fresh + self.active(owner, direction) < wanted
    }

    fn active(&self, owner: Owner, direction: Direction) -> usize {
        let active = |pending: &&Pending| {
            pending.owner == owner && pending.direction == direction && !pending.overdue
        };
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
        self.retry_at(owner, direction)
            .is_some_and(|at| at <= now.tick)
            && self.missing(now, owner, direction)
    }

    /// Starts one build, or says when to try again.
    fn start_build(&mut self, now: Now, owner: Owner, direction: Direction) -> Result<(), Tick> {
        let later = now.tick + RETRY;
        let length = self
            .pools
            .get(&owner)
            .map(|pool| pool.config.length(direction))
            .ok_or(later)?;
        if length == 0 {
            self.add_zero_hop(now, owner, direction);
            return Ok(());
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(later);
        }
        let helper = self.helper(now, owner, direction).ok_or(later)?;
        let hops = self.select(now, owner, direction, length).ok_or(later)?;
        self.pacing.take(now.tick, owner, self.candidates.len())?;
        self.request(now, owner, direction, helper, &hops)
            .ok_or(later)
    }

    /// The tunnel that carries the request of an inbound build, or the reply of an outbound one.
    fn helper(&mut self, now: Now, owner: Owner, direction: Direction) -> Option<Helper> {
        let failures = self.pools.get(&owner).map_or(0, |pool| match direction {
            Direction::Inbound => pool.inbound_side.failures,
            Direction::Outbound => pool.outbound_side.failures,
        });
        let other_path = failures >= OTHER_PATH_AFTER && failures.is_multiple_of(2);
        for whose in [owner, Owner::Router] {
            if other_path && whose == owner {
                continue;
            }
            let Some(pool) = self.pools.get(&whose) else {
                continue;
            };
            let found = match direction {
                Direction::Inbound => {
                    let hint = self.rng.next_u64();
                    pool.pick_outbound(now.tick, hint)
                        .map(|key| Helper::Outbound(whose, key))
                }
                Direction::Outbound => pool
                    .pick_inbound(now.tick, &mut *self.rng)
                    .map(|id| Helper::Inbound(whose, id)),
            };
            if found.is_some() {
                return found;
            }
        }
        // Only the router itself shows itself as a creator, and only while it has no tunnels.
        match (owner, direction) {
            (Owner::Router, Direction::Inbound) => Some(Helper::Direct),
            (Owner::Router, Direction::Outbound) if self.reachable => Some(Helper::Direct),
            _ => None,
        }
    }

    fn select(
        &mut self,
        now: Now,
        owner: Owner,
        direction: Direction,
        length: usize,
    ) -> Option<Vec<Hop>> {
        let pool = self.pools.get_mut(&owner)?;
        let mut nearest = std::mem::take(&mut pool.side(direction).nearest);
        let order_key = pool.side(direction).order_key;
        let (pool, pending) = (self.pools.get(&owner)?, &self.pending);
        let mut in_use: Vec<RouterHash> = pool
            .lives(direction)
            .flat_map(|life| life.routers.iter().copied())
            .collect();
        let mut tunnels = pool.lives(direction).count();
        for pending in pending.values().filter(|pending| {
            pending.owner == owner && pending.direction == direction && !pending.overdue
        }) {
            in_use.extend(pending.secrets.routers());
            tunnels += 1;
        }
        let eligible = self.candidates.len();
        let most_uses = if self.candidates.is_large() {
            ((tunnels + 1) / SHARE).max(1)
        } else {
            usize::MAX
        };
        let (pacing, connected) = (&self.pacing, &self.connected);
        let anyone = self.reachable || direction == Direction::Outbound;
        let mut wish = Wish {
            now: now.tick,
            date: now.date,
            length,
            direction,
            rules: &self.rules,
            nearest: &mut nearest,
            order_key,
            profiles: &self.profiles,
            proven: owner != Owner::Router,
            uses: &|router| in_use.iter().filter(|used| *used == router).count(),
            most_uses,
            next_to_us: &|router| {
                (anyone || connected.contains(router))
                    && pacing.may_stand_next(now.tick, router, eligible)
            },
        };
        let hops = self.candidates.select(&mut wish, &mut *self.rng);
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.side(direction).nearest = nearest;
        }
        hops
    }

    /// Makes the request and sends it.
    fn request(
        &mut self,
        now: Now,
        owner: Owner,
        direction: Direction,
        helper: Helper,
        hops: &[Hop],
    ) -> Option<()> {
        let own_id = (direction == Direction::Inbound).then(|| self.free_id());
        let (end, helper) = match (own_id, helper) {
            (Some(id), helper) => ((self.local.hash, id), helper),
            (None, Helper::Inbound(whose, id)) => {
                let tunnel = self.pools.get(&whose)?.inbound.get(&id)?;
                ((tunnel.gateway, tunnel.gateway_tunnel), helper)
            }
            (None, _) => ((self.local.hash, self.bootstrap(now)?), Helper::Direct),
        };
        let reply = loop {
            let id = build::message_id(&mut *self.rng);
            if !self.pending.contains_key(&id) {
                break id;
            }
        };
        let plan = Plan {
            direction,
            hops,
            end,
            reply,
            us: self.local.hash,
        };
        let Request {
            body,
            first_tunnel,
            garlic,
            secrets,
        } = build::create(now.date, &plan, &mut *self.rng).ok()?;
        if let Some(id) = own_id {
            self.own_ids.insert(id, owner);
        } else {
            let whose = if let Helper::Inbound(whose, _) = helper {
                whose
            } else {
                Owner::Router
            };
            self.one_time
                .insert(garlic, whose, KeyUse::Reply, now.tick + LATE_REPLY);
        }
        let pending = Pending {
            owner,
            direction,
            secrets,
            first_tunnel,
            own_id,
            started: now,
            overdue: false,
            helper,
        };
        if let Some(neighbour) = pending.neighbour() {
            self.pacing.note(now.tick, neighbour);
        }
        self.pending.insert(reply, pending);
        self.stats.started += 1;
        self.send_request(now, body, *hops.first()?, helper);
        Some(())
    }

    /// Sends the request to its first hop: directly, or through a tunnel of ours and then sealed, so that the tunnel's endpoint
    /// doesn't see which hop is the gateway's record.
    fn send_request(&mut self, now: Now, body: Bytes, first: Hop, helper: Helper) {
        let life = Duration::from_millis(rng::between(
            &mut *self.rng,
            REQUEST_LIFE_SECS.0 * 1000,
            REQUEST_LIFE_SECS.1 * 1000,
        ));
        let id = build::message_id(&mut *self.rng);
        let message = I2npMessage {
            kind: MessageKind::SHORT_TUNNEL_BUILD,
            id,
            expiration: now.date + life,
            body,
        };
        if let Helper::Outbound(whose, key) = helper {
            let endpoint = self
                .pools
                .get(&whose)
                .and_then(|pool| pool.outbound.get(&key)?.life.routers.last().copied());
            let message = match endpoint {
                Some(endpoint) if endpoint != first.router => {
                    match garlic::seal_for_router(now, &first.key, message, &mut *self.rng) {
                        Ok(sealed) => sealed,
                        Err(_) => return, // the key was good for the record a moment ago
                    }
                }
                _ => message,
            };
            let delivery = TunnelDelivery::Router(first.router);
            let _ = self.push_outbound(now, whose, key, delivery, message); // a lost request times out
        } else {
            let send = LaneCommand::Send {
                to: first.router,
                message,
                class: Class::Control,
            };
            self.outputs.push_back(TunnelOutput::Lane(send));
        }
    }

    /// An id that none of our endpoints and no transit tunnel has.
    fn free_id(&mut self) -> TunnelId {
        loop {
            let id = build::tunnel_id(&mut *self.rng);
            if !self.own_ids.contains_key(&id) && !self.transit.uses(id) {
                return id;
            }
        }
    }

    /// A return path without hops for the first outbound builds of the router.
    fn bootstrap(&mut self, now: Now) -> Option<TunnelId> {
        let pool = self.pools.get(&Owner::Router)?;
        let lasting = |tunnel: &Inbound| {
            tunnel.life.bootstrap && now.tick + BOOTSTRAP_REST < tunnel.life.expires
        };
        if let Some((id, _)) = pool.inbound.iter().find(|(_, tunnel)| lasting(tunnel)) {
            return Some(*id);
        }
        let mut life = Life::new(now, Vec::new(), Vec::new(), &mut *self.rng);
        life.bootstrap = true;
        life.expires = now.tick + BOOTSTRAP_LIFE;
        Some(self.add_inbound(Owner::Router, life, None))
    }

    fn add_zero_hop(&mut self, now: Now, owner: Owner, direction: Direction) {
        let life = Life::new(now, Vec::new(), Vec::new(), &mut *self.rng);
        match direction {
            Direction::Inbound => {
                self.add_inbound(owner, life, None);
            }
            Direction::Outbound => self.add_outbound(owner, life, None),
        }
        self.outputs.push_back(TunnelOutput::PoolChanged { owner });
    }

    /// Puts an inbound tunnel into use. Without `ends` (our id, id at the gateway) it is one without hops.
    pub(super) fn add_inbound(
        &mut self,
        owner: Owner,
        life: Life,
        ends: Option<(TunnelId, TunnelId)>,
    ) -> TunnelId {
        let (id, gateway_tunnel) = ends.unwrap_or_else(|| {
            let id = self.free_id();
            (id, id)
        });
        let expires = life.expires + OWN_ID_GRACE;
        self.own_ids.insert(id, owner);
        self.outputs
            .push_back(TunnelOutput::Lane(LaneCommand::InstallOwn {
                tunnel: id,
                expires,
            }));
        let gateway = life.routers.first().copied().unwrap_or(self.local.hash);
        let endpoint = Endpoint::new();
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.inbound.insert(
                id,
                Inbound {
                    life,
                    gateway,
                    gateway_tunnel,
                    endpoint,
                },
            );
        }
        id
    }

    /// Puts an outbound tunnel into use.
    pub(super) fn add_outbound(
        &mut self,
        owner: Owner,
        life: Life,
        first_tunnel: Option<TunnelId>,
    ) {
        let key = OutboundKey(self.next_key);
        self.next_key += 1;
        let gateway = Gateway::new(Box::new(SeededRng::new(rng::bytes(&mut *self.rng))));
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.outbound.insert(
                key,
                Outbound {
                    life,
                    first_tunnel,
                    gateway,
                },
            );
        }
    }

    fn next_due(&self, now: Now) -> Option<Tick> {
        let mut due: Option<Tick> = self.next_probe();
        let mut note = |at: Tick| due = Some(due.map_or(at, |due: Tick| due.min(at)));
        for pending in self.pending.values() {
            note(
                pending.started.tick
                    + if pending.overdue {
                        LATE_REPLY
                    } else {
                        BUILD_TIMEOUT
                    },
            );
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
