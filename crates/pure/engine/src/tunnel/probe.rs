//! Tests of own tunnels: a sealed DeliveryStatus out through one and back in through another.
//!
//! Each tunnel has its own time for a test, soon after it was built, then now and then. One that failed is tested again with a partner that
//! is well, if there is one, so that the two of a failed test are told apart. A reply to a build, which takes a tunnel too, is as good as a
//! test passed. What tests measure is how long the way takes, and which hops it led over.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::i2np::DeliveryStatus;
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, Now, RouterHash, SessionTag, Tick, TunnelDelivery, TunnelId};
use zeroize::Zeroizing;

use super::build::Direction;
use super::garlic::{self, KeyUse};
use super::pool::{Life, MAX_FAILS, OutboundKey};
use super::{TunnelOutput, Tunnels, build};

use crate::identity::Owner;

/// A tunnel is tested at random times this far apart.
const EVERY_MS: (u64, u64) = (20_000, 40_000);
/// Test after a failed one.
const AGAIN_MS: (u64, u64) = (3_000, 6_000);
/// Tests due this soon take part in one that is due now: the tunnels of a pool come in pairs.
const SOON: Duration = Duration::from_secs(10);
/// Where no tunnel can be its partner yet.
const LATER: Duration = Duration::from_secs(2);
/// A test may take this long, and more for each hop, while nothing is known.
const PATIENCE: Duration = Duration::from_secs(4);
const PATIENCE_PER_HOP: Duration = Duration::from_secs(1);
/// Once the usual time is known: so much more than several times that, and never longer than without knowing.
const PATIENCE_BESIDES: Duration = Duration::from_secs(2);
const PATIENCE_TIMES: u32 = 4;
/// A measured time counts for one part in so many.
const PARTS: u32 = 8;
/// Most tests going on. No new one starts while there are as many.
pub(super) const MAX_PROBES: usize = 1024;

/// A test going on.
pub(super) struct Probe {
    pub(super) owner: Owner,
    outbound: OutboundKey,
    inbound: TunnelId,
    began: Tick,
    until: Tick,
}

impl Tunnels {
    fn draw(&mut self, (low, high): (u64, u64)) -> Duration {
        Duration::from_millis(rng::between(&mut *self.rng, low, high))
    }

    pub(super) fn next_probe(&self, now: Tick) -> Option<Tick> {
        let running = self.probes.values().map(|probe| probe.until);
        let tested = self.pools.values().flat_map(|pool| [Direction::Inbound, Direction::Outbound].map(|side| pool.lives(side)));
        running.chain(tested.flatten().filter(|life| life.is_testable(now)).map(|life| life.test_at)).min()
    }

    /// Ends tests without an answer and starts those that are due.
    pub(super) fn run_probes(&mut self, now: Now) {
        let lost: Vec<MessageId> = self.probes.iter().filter(|(_, probe)| probe.until <= now.tick).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(probe) = self.probes.remove(&id) {
                self.probe_failed(now, &probe);
            }
        }
        let owners: Vec<Owner> = self.pools.keys().copied().collect();
        for owner in owners {
            self.probe_pool(now, owner);
        }
    }

    /// Tests each tunnel of the pool that is due, in random pairs, those that failed before with those that didn't.
    fn probe_pool(&mut self, now: Now, owner: Owner) {
        let Some(pool) = self.pools.get(&owner) else {
            return;
        };
        let is_due = |life: &Life, within: Duration| life.is_testable(now.tick) && life.test_at <= now.tick + within;
        if ![Direction::Inbound, Direction::Outbound]
            .iter()
            .any(|side| pool.lives(*side).any(|life| is_due(life, Duration::ZERO)))
        {
            return;
        }
        let testable = |life: &Life| life.is_testable(now.tick);
        let mut outbound: Vec<(bool, u8, OutboundKey)> = pool
            .outbound
            .iter()
            .filter(|(_, tunnel)| testable(&tunnel.life))
            .map(|(key, tunnel)| (!is_due(&tunnel.life, SOON), tunnel.life.fails, *key))
            .collect();
        let mut inbound: Vec<(bool, u8, TunnelId)> = pool
            .inbound
            .iter()
            .filter(|(_, tunnel)| testable(&tunnel.life))
            .map(|(id, tunnel)| (!is_due(&tunnel.life, SOON), tunnel.life.fails, *id))
            .collect();
        rng::shuffle(&mut *self.rng, &mut outbound);
        rng::shuffle(&mut *self.rng, &mut inbound);
        // Those that aren't due yet are partners only where one is missing.
        let pairs = outbound.iter().filter(|one| !one.0).count().max(inbound.iter().filter(|one| !one.0).count());
        outbound.sort_by_key(|(later, ..)| *later);
        inbound.sort_by_key(|(later, ..)| *later);
        outbound.truncate(pairs);
        inbound.truncate(pairs);
        outbound.sort_by_key(|(_, fails, _)| *fails);
        inbound.sort_by_key(|(_, fails, _)| std::cmp::Reverse(*fails));
        let mut started = 0;
        for ((.., out), (.., back)) in outbound.iter().cycle().zip(inbound.iter().cycle()).take(pairs) {
            if self.probes.len() < MAX_PROBES && self.start_probe(now, owner, *out, *back).is_some() {
                started += 1;
            }
        }
        if started < pairs || pairs == 0 {
            self.test_later(now, owner);
        }
    }

    /// Puts off what is still due.
    fn test_later(&mut self, now: Now, owner: Owner) {
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        let lives = pool.outbound.values_mut().map(|tunnel| &mut tunnel.life);
        for life in lives.chain(pool.inbound.values_mut().map(|tunnel| &mut tunnel.life)) {
            life.test_at = life.test_at.max(now.tick + LATER);
        }
    }

    fn start_probe(&mut self, now: Now, owner: Owner, outbound: OutboundKey, inbound: TunnelId) -> Option<()> {
        let (next_out, next_back) = (self.draw(EVERY_MS), self.draw(EVERY_MS));
        let pool = self.pools.get_mut(&owner)?;
        let (out, back) = (pool.outbound.get_mut(&outbound)?, pool.inbound.get_mut(&inbound)?);
        out.life.test_at = now.tick + next_out;
        back.life.test_at = now.tick + next_back;
        let hops = u32::try_from(out.life.routers.len() + back.life.routers.len()).unwrap_or(u32::MAX);
        let longest = PATIENCE + PATIENCE_PER_HOP.saturating_mul(hops);
        let usual = pool.round_trip.map(|usual| usual.saturating_mul(PATIENCE_TIMES) + PATIENCE_BESIDES);
        let patience = usual.map_or(longest, |usual| usual.min(longest));
        let delivery = TunnelDelivery::Tunnel { gateway: back.gateway, tunnel: back.gateway_tunnel };
        let id = build::message_id(&mut *self.rng);
        let status = DeliveryStatus { id, time: now.date };
        let inner = I2npMessage {
            kind: MessageKind::DELIVERY_STATUS,
            id: build::message_id(&mut *self.rng),
            expiration: now.date + longest,
            body: status.to_bytes().into(),
        };
        let tag = SessionTag(rng::bytes(&mut *self.rng));
        let key = Zeroizing::new(rng::bytes(&mut *self.rng));
        let message = garlic::seal_one_time(now, (tag, &key), inner, &mut *self.rng).ok()?;
        self.push_outbound(now, owner, outbound, delivery, message).ok()?;
        self.one_time.insert((tag, *key), owner, KeyUse::Probe, now.tick + patience);
        self.probes.insert(id, Probe { owner, outbound, inbound, began: now.tick, until: now.tick + patience });
        self.stats.tests += 1;
        Some(())
    }

    /// A test came back.
    pub(super) fn handle_probe(&mut self, now: Now, owner: Owner, body: &[u8]) {
        let probe = DeliveryStatus::from_bytes(body).ok().and_then(|status| self.probes.remove(&status.id));
        if let Some(probe) = probe.filter(|probe| probe.owner == owner) {
            self.heard(now);
            self.measure(now, &probe);
            self.outbound_works(now, owner, probe.outbound);
            self.inbound_works(now, owner, probe.inbound);
        }
    }

    /// How long the way took: of the pool, and of all hops on it alike.
    fn measure(&mut self, now: Now, probe: &Probe) {
        let took = now.tick.saturating_since(probe.began);
        self.stats.tests_ms = self.stats.tests_ms.saturating_add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let Some(pool) = self.pools.get_mut(&probe.owner) else {
            return;
        };
        pool.round_trip = Some(pool.round_trip.map_or(took, |usual| usual - usual / PARTS + took / PARTS));
        let (out, back) = (pool.outbound.get(&probe.outbound), pool.inbound.get(&probe.inbound));
        let lives = out.map(|tunnel| &tunnel.life).into_iter().chain(back.map(|tunnel| &tunnel.life));
        let hops: Vec<RouterHash> = lives.flat_map(|life| life.routers.iter().copied()).collect();
        if let Some(count) = u32::try_from(hops.len()).ok().filter(|count| *count > 0) {
            self.profiles.took(now, hops.iter(), took / count);
        }
    }

    pub(super) fn outbound_works(&mut self, now: Now, owner: Owner, key: OutboundKey) {
        if let Some(tunnel) = self.pools.get_mut(&owner).and_then(|pool| pool.outbound.get_mut(&key)) {
            let rate = tunnel.life.works(now.tick);
            self.profiles.passed(now, tunnel.life.routers.iter(), rate);
        }
    }

    pub(super) fn inbound_works(&mut self, now: Now, owner: Owner, id: TunnelId) {
        if let Some(tunnel) = self.pools.get_mut(&owner).and_then(|pool| pool.inbound.get_mut(&id)) {
            let rate = tunnel.life.works(now.tick);
            self.profiles.passed(now, tunnel.life.routers.iter(), rate);
        }
    }

    /// Either tunnel may be the cause: each gets a mark, and another one is built in time. The second mark in a row ends it, unless it is
    /// the pool's last one.
    fn probe_failed(&mut self, now: Now, probe: &Probe) {
        self.stats.tests_failed += 1;
        let again = [self.draw(AGAIN_MS), self.draw(AGAIN_MS)].map(|wait| now.tick + wait);
        let owner = probe.owner;
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        let out = pool.outbound.get_mut(&probe.outbound).map(|tunnel| &mut tunnel.life);
        let back = pool.inbound.get_mut(&probe.inbound).map(|tunnel| &mut tunnel.life);
        let mut changed = false;
        for (life, again) in [out, back].into_iter().zip(again).filter_map(|(life, again)| Some((life?, again))) {
            life.fails = life.fails.saturating_add(1).min(MAX_FAILS);
            life.test_at = life.test_at.min(again);
            // What it carried meanwhile may all be lost.
            life.carried = (0, now.tick);
            if life.fails == MAX_FAILS {
                self.profiles.test_failed(now, life.routers.iter());
                changed = true;
            }
        }
        self.wake(now.tick);
        if changed {
            self.drop_failed(now, owner);
            self.outputs.push_back(TunnelOutput::PoolChanged { owner });
        }
    }

    /// Gives failed tunnels up where there are better ones.
    pub(super) fn drop_failed(&mut self, now: Now, owner: Owner) {
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        if pool.fresh(now.tick, Direction::Outbound) > 0 {
            pool.outbound.retain(|_, tunnel| tunnel.life.fails < MAX_FAILS);
        }
        if pool.fresh(now.tick, Direction::Inbound) > 0 {
            for tunnel in pool.inbound.values_mut() {
                tunnel.life.given_up |= tunnel.life.fails >= MAX_FAILS;
            }
        }
    }
}
