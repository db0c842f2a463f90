//! Tests of own tunnels: a sealed DeliveryStatus out through one and back in through another.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::i2np::DeliveryStatus;
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, Now, SessionTag, Tick, TunnelDelivery, TunnelId};
use zeroize::Zeroizing;

use super::build::Direction;
use super::garlic::{self, KeyUse};
use super::pool::{Life, MAX_FAILS, OutboundKey};
use super::{TunnelOutput, Tunnels, build};

use crate::identity::Owner;

/// A pool's tunnels are tested at random times this far apart.
const EVERY_MS: (u64, u64) = (20_000, 40_000);
/// First test after a pool's first tunnels.
const FIRST_MS: (u64, u64) = (8_000, 15_000);
/// Test after a failed one.
const AGAIN_MS: (u64, u64) = (3_000, 6_000);
/// A test may take this long, and more for each hop.
const PATIENCE: Duration = Duration::from_secs(4);
const PATIENCE_PER_HOP: Duration = Duration::from_secs(1);
/// Most tests going on. No new one starts while there are as many.
pub(super) const MAX_PROBES: usize = 1024;

/// A test going on.
pub(super) struct Probe {
    pub(super) owner: Owner,
    outbound: OutboundKey,
    inbound: TunnelId,
    until: Tick,
}

impl Tunnels {
    pub(super) fn schedule_probe(&mut self, now: Now, owner: Owner) {
        let at = now.tick + self.draw(FIRST_MS);
        if let Some(pool) = self.pools.get_mut(&owner) {
            pool.next_test.get_or_insert(at);
        }
    }

    fn draw(&mut self, (low, high): (u64, u64)) -> Duration {
        Duration::from_millis(rng::between(&mut *self.rng, low, high))
    }

    pub(super) fn next_probe(&self) -> Option<Tick> {
        let running = self.probes.values().map(|probe| probe.until);
        running.chain(self.pools.values().filter_map(|pool| pool.next_test)).min()
    }

    /// Ends tests without an answer and starts those that are due.
    pub(super) fn run_probes(&mut self, now: Now) {
        let lost: Vec<MessageId> = self.probes.iter().filter(|(_, probe)| probe.until <= now.tick).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(probe) = self.probes.remove(&id) {
                self.probe_failed(now, &probe);
            }
        }
        let due: Vec<Owner> = self
            .pools
            .iter()
            .filter(|(_, pool)| pool.next_test.is_some_and(|at| at <= now.tick))
            .map(|(owner, _)| *owner)
            .collect();
        for owner in due {
            self.probe_pool(now, owner);
            let at = now.tick + self.draw(EVERY_MS);
            if let Some(pool) = self.pools.get_mut(&owner) {
                pool.next_test = Some(at);
            }
        }
    }

    /// Tests each tunnel of the pool once, in random pairs; of the direction with fewer, some more than once.
    fn probe_pool(&mut self, now: Now, owner: Owner) {
        let Some(pool) = self.pools.get(&owner) else {
            return;
        };
        let testable = |life: &Life| !life.routers.is_empty() && !life.given_up && now.tick < life.expires;
        let mut outbound: Vec<OutboundKey> =
            pool.outbound.iter().filter(|(_, tunnel)| testable(&tunnel.life)).map(|(key, _)| *key).collect();
        let mut inbound: Vec<TunnelId> =
            pool.inbound.iter().filter(|(_, tunnel)| testable(&tunnel.life)).map(|(id, _)| *id).collect();
        rng::shuffle(&mut *self.rng, &mut outbound);
        rng::shuffle(&mut *self.rng, &mut inbound);
        let pairs = outbound.len().max(inbound.len());
        for (out, back) in outbound.iter().cycle().zip(inbound.iter().cycle()).take(pairs) {
            if self.probes.len() < MAX_PROBES {
                self.start_probe(now, owner, *out, *back);
            }
        }
    }

    fn start_probe(&mut self, now: Now, owner: Owner, outbound: OutboundKey, inbound: TunnelId) -> Option<()> {
        let pool = self.pools.get(&owner)?;
        let (out, back) = (pool.outbound.get(&outbound)?, pool.inbound.get(&inbound)?);
        let hops = u32::try_from(out.life.routers.len() + back.life.routers.len()).unwrap_or(u32::MAX);
        let patience = PATIENCE + PATIENCE_PER_HOP.saturating_mul(hops);
        let delivery = TunnelDelivery::Tunnel { gateway: back.gateway, tunnel: back.gateway_tunnel };
        let id = build::message_id(&mut *self.rng);
        let status = DeliveryStatus { id, time: now.date };
        let inner = I2npMessage {
            kind: MessageKind::DELIVERY_STATUS,
            id: build::message_id(&mut *self.rng),
            expiration: now.date + patience,
            body: status.to_bytes().into(),
        };
        let tag = SessionTag(rng::bytes(&mut *self.rng));
        let key = Zeroizing::new(rng::bytes(&mut *self.rng));
        let message = garlic::seal_one_time(now, (tag, &key), inner, &mut *self.rng).ok()?;
        self.push_outbound(now, owner, outbound, delivery, message).ok()?;
        self.one_time.insert((tag, *key), owner, KeyUse::Probe, now.tick + patience);
        self.probes.insert(id, Probe { owner, outbound, inbound, until: now.tick + patience });
        self.stats.tests += 1;
        Some(())
    }

    /// A test came back.
    pub(super) fn handle_probe(&mut self, now: Now, owner: Owner, body: &[u8]) {
        let probe = DeliveryStatus::from_bytes(body).ok().and_then(|status| self.probes.remove(&status.id));
        if let Some(probe) = probe.filter(|probe| probe.owner == owner) {
            self.outbound_works(now, owner, probe.outbound);
            self.inbound_works(now, owner, probe.inbound);
        }
    }

    pub(super) fn outbound_works(&mut self, now: Now, owner: Owner, key: OutboundKey) {
        if let Some(tunnel) = self.pools.get_mut(&owner).and_then(|pool| pool.outbound.get_mut(&key)) {
            tunnel.life.fails = 0;
            self.profiles.test_passed(now.tick, tunnel.life.routers.iter());
        }
    }

    pub(super) fn inbound_works(&mut self, now: Now, owner: Owner, id: TunnelId) {
        if let Some(tunnel) = self.pools.get_mut(&owner).and_then(|pool| pool.inbound.get_mut(&id)) {
            tunnel.life.fails = 0;
            self.profiles.test_passed(now.tick, tunnel.life.routers.iter());
        }
    }

    /// Either tunnel may be the cause: each gets a mark, the second in a row ends it, unless it is the pool's last one.
    fn probe_failed(&mut self, now: Now, probe: &Probe) {
        self.stats.tests_failed += 1;
        let again = now.tick + self.draw(AGAIN_MS);
        let owner = probe.owner;
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        pool.next_test = pool.next_test.map(|at| at.min(again));
        let mut changed = false;
        if let Some(tunnel) = pool.outbound.get_mut(&probe.outbound) {
            tunnel.life.fails = tunnel.life.fails.saturating_add(1).min(MAX_FAILS);
            if tunnel.life.fails == MAX_FAILS {
                self.profiles.test_failed(now.tick, tunnel.life.routers.iter());
                changed = true;
            }
        }
        if let Some(tunnel) = pool.inbound.get_mut(&probe.inbound) {
            tunnel.life.fails = tunnel.life.fails.saturating_add(1).min(MAX_FAILS);
            if tunnel.life.fails == MAX_FAILS {
                self.profiles.test_failed(now.tick, tunnel.life.routers.iter());
                changed = true;
            }
        }
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
