//! One build from its choice to its request on the way: path, hops, records, tunnels put into use.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng;
use ramson_crypto::rng::SeededRng;
use ramson_lane::tunnel_data::{Endpoint, Gateway};
use ramson_lane::{Class, LaneCommand};
use ramson_wire::{I2npMessage, MessageKind, Now, RouterHash, Tick, TunnelDelivery, TunnelId};

use super::build::{self, Direction, Hop, Plan, Request};
use super::garlic::{self, KeyUse};
use super::manage::{Helper, Pending};
use super::nearest::Nearest;
use super::pool::{Inbound, Life, Outbound, OutboundKey};
use super::select::{Candidate, Subnet, Wish};
use super::{LATE_REPLY, MAX_PENDING, TunnelOutput, Tunnels};
use crate::identity::Owner;

/// Next try when routers, a path or places are missing.
const RETRY: Duration = Duration::from_millis(500);
/// After so many failures in a row every second build takes another path than usual: an identity's over exploratory tunnels, the router's
/// direct. Otherwise dead tunnels that nobody tested yet would keep new ones from being built.
const OTHER_PATH_AFTER: u32 = 4;
/// Expiration of our requests: as Java, 60 to 80 s.
const REQUEST_LIFE_SECS: (u64, u64) = (60, 80);

/// A return path for first builds lives this long, and isn't used for another one in its last part.
const BOOTSTRAP_LIFE: Duration = Duration::from_secs(90);
const BOOTSTRAP_REST: Duration = Duration::from_secs(65);
/// No router is in more than a fifth of a pool's tunnels in a large network; of the six next to us a part more.
const SHARE: usize = 5;

impl Tunnels {
    /// Starts one build, or says when to try again.
    pub(super) fn start_build(&mut self, now: Now, owner: Owner, direction: Direction) -> Result<(), Tick> {
        let later = now.tick + RETRY;
        let config = self.pools.get(&owner).map(|pool| pool.config).ok_or(later)?;
        let length = config.length(direction, &mut *self.rng);
        if length == 0 {
            self.add_zero_hop(now, owner, direction);
            return Ok(());
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(later);
        }
        self.alone.may_build(now.tick)?;
        let helper = self.helper(now, owner, direction).ok_or(later)?;
        let hops = self.select(now, owner, direction, length, helper).ok_or(later)?;
        self.pacing.take(now.tick, owner, self.candidates.len())?;
        self.request(now, owner, direction, helper, &hops).ok_or(later)?;
        self.alone.began(now.tick, &mut *self.rng);
        Ok(())
    }

    /// The tunnel that carries the request of an inbound build, or the reply of an outbound one.
    fn helper(&mut self, now: Now, owner: Owner, direction: Direction) -> Option<Helper> {
        // Only the router itself shows itself as a creator, and only while it has no tunnels, or none that bring an answer.
        let may_be_direct = owner == Owner::Router && (direction == Direction::Inbound || self.reachable);
        if may_be_direct && self.alone.is_so() {
            return Some(Helper::Direct);
        }
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
                    pool.pick_outbound(now.tick, hint).map(|key| Helper::Outbound(whose, key))
                }
                Direction::Outbound => pool.pick_inbound(now.tick, &mut *self.rng).map(|id| Helper::Inbound(whose, id)),
            };
            if found.is_some() {
                return found;
            }
        }
        may_be_direct.then_some(Helper::Direct)
    }

    fn select(&mut self, now: Now, owner: Owner, direction: Direction, length: usize, helper: Helper) -> Option<Vec<Hop>> {
        let (pool, pending) = (self.pools.get_mut(&owner)?, &self.pending);
        let (key, order_key) = (pool.nearest, pool.side(direction).order_key);
        let mut nearest = self.nearest.get(&key, direction);
        let pool = self.pools.get(&owner)?;
        let mut in_use: Vec<&RouterHash> = pool.lives(direction).flat_map(|life| &life.routers).collect();
        let mut tunnels = pool.lives(direction).count();
        for pending in
            pending.values().filter(|pending| pending.owner == owner && pending.direction == direction && !pending.overdue)
        {
            in_use.extend(pending.secrets.routers());
            tunnels += 1;
        }
        let eligible = self.candidates.len();
        let subnets = if self.rules.ignore_subnets { Vec::new() } else { self.candidates.subnets_of(&in_use) };
        let used = |candidate: &Candidate| {
            let itself = in_use.iter().filter(|used| ***used == candidate.hop.router).count();
            let its_own = |subnet: &Subnet| subnets.iter().filter(|used| *used == subnet).count();
            candidate.subnets.iter().map(its_own).fold(itself, usize::max)
        };
        let share = |count: usize| if self.candidates.is_large() { count.max(1) } else { usize::MAX };
        let (most_uses, most_next) = (share((tunnels + 1) / SHARE), share((tunnels + 1).div_ceil(SHARE)));
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
            agreed: &|router| pool.agreed.contains(router),
            uses: &used,
            most_uses,
            most_next,
            direct: helper == Helper::Direct,
            next_to_us: &|router| anyone || connected.contains(router),
            paced: &|router| pacing.may_stand_next(now.tick, router, eligible),
        };
        let hops = self.candidates.select(&mut wish, &mut *self.rng);
        if !anyone {
            self.meet_one_of(&nearest);
        }
        self.nearest.put(key, direction, nearest);
        hops
    }

    /// Nobody can open a session to us: one of those who are to end our tunnels has to have one.
    fn meet_one_of(&mut self, nearest: &Nearest) {
        if nearest.routers().any(|router| self.connected.contains(router)) {
            return;
        }
        let most = u32::try_from(nearest.routers().len()).unwrap_or(0);
        if most > 0 {
            let at = usize::try_from(rng::below(&mut *self.rng, most)).unwrap_or(0);
            let peer = nearest.routers().nth(at).copied();
            self.outputs.extend(peer.map(|peer| TunnelOutput::Meet { peer }));
        }
    }

    /// Makes the request and sends it.
    fn request(&mut self, now: Now, owner: Owner, direction: Direction, helper: Helper, hops: &[Hop]) -> Option<()> {
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
        let plan = Plan { direction, hops, end, reply, us: self.local.hash };
        let Request { body, first_tunnel, garlic, secrets } = build::create(now.date, &plan, &mut *self.rng).ok()?;
        if let Some(id) = own_id {
            self.own_ids.insert(id, owner);
        } else {
            let whose = if let Helper::Inbound(whose, _) = helper { whose } else { Owner::Router };
            self.one_time.insert(garlic, whose, KeyUse::Reply, now.tick + LATE_REPLY);
        }
        let pending = Pending { owner, direction, secrets, first_tunnel, own_id, started: now, overdue: false, helper };
        if let Some(neighbour) = pending.neighbour() {
            self.pacing.note(now.tick, neighbour);
        }
        self.pending.insert(reply, pending);
        self.stats.started += 1;
        self.meet(owner, helper, direction, hops);
        self.send_request(now, body, *hops.first()?, helper);
        Some(())
    }

    /// While the router has no inbound tunnel its RouterInfo may be known to nobody, and the hop that has to answer us could not reach
    /// us: we dial it. That shows us as the creator, so it is done only as long as the router shows itself anyway.
    fn meet(&mut self, owner: Owner, helper: Helper, direction: Direction, hops: &[Hop]) {
        let Some(pool) = self.pools.get(&Owner::Router).filter(|_| owner == Owner::Router) else { return };
        let alone = self.alone.is_so() || pool.inbound.values().all(|tunnel| tunnel.life.bootstrap);
        let answers_us = direction == Direction::Inbound || helper == Helper::Direct;
        let Some(last) = hops.last().filter(|_| alone && answers_us) else { return };
        if !self.connected.contains(&last.router) {
            self.outputs.push_back(TunnelOutput::Meet { peer: last.router });
        }
    }

    /// Sends the request to its first hop: directly, or through a tunnel of ours and then sealed, so that the tunnel's endpoint
    /// doesn't see which hop is the gateway's record.
    fn send_request(&mut self, now: Now, body: Bytes, first: Hop, helper: Helper) {
        let life = Duration::from_millis(rng::between(&mut *self.rng, REQUEST_LIFE_SECS.0 * 1000, REQUEST_LIFE_SECS.1 * 1000));
        let id = build::message_id(&mut *self.rng);
        let message = I2npMessage { kind: MessageKind::SHORT_TUNNEL_BUILD, id, expiration: now.date + life, body };
        if let Helper::Outbound(whose, key) = helper {
            let endpoint = self.pools.get(&whose).and_then(|pool| pool.outbound.get(&key)?.life.routers.last().copied());
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
            let send = LaneCommand::Send { to: first.router, message, class: Class::Control };
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
        let lasting = |tunnel: &Inbound| tunnel.life.bootstrap && now.tick + BOOTSTRAP_REST < tunnel.life.expires;
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
    pub(super) fn add_inbound(&mut self, owner: Owner, life: Life, ends: Option<(TunnelId, TunnelId)>) -> TunnelId {
        let (id, gateway_tunnel) = ends.unwrap_or_else(|| {
            let id = self.free_id();
            (id, id)
        });
        let expires = life.gone_at();
        self.own_ids.insert(id, owner);
        self.outputs.push_back(TunnelOutput::Lane(LaneCommand::InstallOwn { tunnel: id, expires }));
        let gateway = life.routers.first().copied().unwrap_or(self.local.hash);
        let endpoint = Endpoint::new();
        if let Some(pool) = self.pools.get_mut(&owner) {
            if let Some(gone) = pool.make_inbound_room() {
                self.own_ids.remove(&gone);
                self.outputs.push_back(TunnelOutput::Lane(LaneCommand::RemoveOwn { tunnel: gone }));
            }
            pool.inbound.insert(id, Inbound { life, gateway, gateway_tunnel, endpoint });
        }
        id
    }

    /// Puts an outbound tunnel into use.
    pub(super) fn add_outbound(&mut self, owner: Owner, life: Life, first_tunnel: Option<TunnelId>) {
        let key = OutboundKey(self.next_key);
        self.next_key += 1;
        let gateway = Gateway::new(Box::new(SeededRng::new(rng::bytes(&mut *self.rng))));
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.make_outbound_room();
            pool.outbound.insert(key, Outbound { life, first_tunnel, gateway });
        }
    }
}
