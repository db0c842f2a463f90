//! What the machine holds, and digests of what belongs to one owner.

use ramson_lane::tunnel_data::Held;
use ramson_wire::bounds::{Bound, by_identity, entries};
use ramson_wire::{MessageId, RouterHash, TunnelId};

use super::manage::Pending;
use super::pool::{Inbound, Life, MAX_KEPT, Outbound, OutboundKey, Pool};
use super::probe::{MAX_PROBES, Probe};
use super::{MAX_PENDING, MAX_POOLS, TunnelOutput, Tunnels};
use crate::fingerprint::Digest;
use crate::identity::Owner;

/// Two expanded AES keys of a hop.
const LAYER_BYTES: usize = 2 * 15 * 16;
/// Keys and states of a hop that hasn't answered.
const SECRETS_BYTES: usize = 512;

impl Tunnels {
    /// Tells all of it; what is of one identity by its number.
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        visit(Bound::new("tunnel-outputs", self.outputs.len(), 0, self.outputs.len() * size_of::<TunnelOutput>()));
        visit(Bound::new("tunnel-pools", self.pools.len(), MAX_POOLS, entries::<(Owner, Pool)>(self.pools.len())).lasting());
        for (owner, pool) in &self.pools {
            pool_bounds(pool, &mut |bound| visit(bound.of(owner.number())));
        }
        let most_ids = MAX_POOLS * MAX_KEPT + MAX_PENDING;
        let bytes = entries::<(TunnelId, Owner)>(self.own_ids.len());
        // A router that is alone has some too: those of tunnels without hops.
        visit(Bound::new("tunnel-own-ids-in-all", self.own_ids.len(), most_ids, bytes).lasting());
        by_identity("tunnel-own-ids", MAX_KEPT + MAX_PENDING, self.own_ids.values().filter_map(|owner| owner.number()), visit);
        let hops: usize = self.pending.values().map(|pending| pending.secrets.routers().len()).sum();
        let bytes = entries::<(MessageId, Pending)>(self.pending.len()) + hops * SECRETS_BYTES;
        visit(Bound::new("tunnel-pending-in-all", self.pending.len(), MAX_PENDING, bytes));
        by_identity("tunnel-pending", MAX_PENDING, self.pending.values().filter_map(|pending| pending.owner.number()), visit);
        let bytes = entries::<(MessageId, Probe)>(self.probes.len());
        visit(Bound::new("tunnel-probes-in-all", self.probes.len(), MAX_PROBES, bytes));
        by_identity("tunnel-probes", MAX_PROBES, self.probes.values().filter_map(|probe| probe.owner.number()), visit);
        self.one_time.bounds(visit);
        self.pacing.bounds(visit);
        visit(self.candidates.bound());
        self.profiles.bounds(visit);
        self.nearest.bounds(visit);
        self.transit.bounds(visit);
    }

    /// What messages change of an owner's state; profiles, which all share, are left out.
    pub(crate) fn fingerprint(&self, owner: Owner, digest: &mut Digest) {
        if let Some(pool) = self.pools.get(&owner) {
            pool_fingerprint(pool, digest);
        }
        self.ids_of(owner).for_each(|id| digest.add(id));
        let pending = self.pending.iter().filter(|(_, pending)| pending.owner == owner);
        pending.for_each(|(id, pending)| digest.add((id, pending.overdue)));
        let probes = self.probes.iter().filter(|(_, probe)| probe.owner == owner);
        probes.for_each(|(id, _)| digest.add(id));
        self.one_time.of_owner(owner).for_each(|tag| digest.add(tag));
        if owner == Owner::Router {
            self.transit.fingerprint(digest);
        }
    }
}

fn pool_fingerprint(pool: &Pool, digest: &mut Digest) {
    for (id, tunnel) in &pool.inbound {
        digest.add((id, tunnel.life.fails, tunnel.life.given_up, tunnel.endpoint.taken()));
    }
    for (key, tunnel) in &pool.outbound {
        digest.add((key.0, tunnel.life.fails, tunnel.life.given_up));
    }
    for side in [&pool.inbound_side, &pool.outbound_side] {
        digest.add((side.retry_at, side.failures));
    }
    digest.add(pool.duplicates.taken());
}

fn pool_bounds(pool: &Pool, visit: &mut dyn FnMut(Bound)) {
    let of_hops = |life: &Life| life.routers.len() * (LAYER_BYTES + size_of::<RouterHash>());
    let hops: usize = pool.inbound.values().map(|tunnel| of_hops(&tunnel.life)).sum();
    let bytes = entries::<(TunnelId, Inbound)>(pool.inbound.len()) + hops;
    visit(Bound::new("tunnels-inbound", pool.inbound.len(), MAX_KEPT, bytes).lasting());
    let through_others = pool.inbound.values().filter(|tunnel| !tunnel.life.routers.is_empty()).count();
    visit(Bound::new("tunnels-inbound-with-hops", through_others, MAX_KEPT, 0));
    let hops: usize = pool.outbound.values().map(|tunnel| of_hops(&tunnel.life)).sum();
    let bytes = entries::<(OutboundKey, Outbound)>(pool.outbound.len()) + hops;
    visit(Bound::new("tunnels-outbound", pool.outbound.len(), MAX_KEPT, bytes));
    visit(pool.duplicates.bound("tunnel-messages-seen"));
    visit(pool.agreed.bound("tunnel-hops-agreed"));
    let mut held = Held::default();
    pool.inbound.values().for_each(|tunnel| tunnel.endpoint.hold(&mut held));
    held.bounds(visit);
}
