//! What the engine holds, digests of what belongs to one owner, and what strangers wrote to the router.

use ramson_lane::LaneConfig;
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{I2npMessage, Now, RouterHash, TunnelId};

use super::Engine;
use super::destinations::MAX_DESTINATIONS;
use crate::destination::{Destination, garlic_body};
use crate::fingerprint::Digest;
use crate::identity::{IdentityId, Owner};
use crate::interface::Output;
use crate::session::{Peeked, router_garlic};

impl Engine {
    /// Tells all that is held, against its limits. Ask when outputs are drained: the limit on them is none.
    pub fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        visit(Bound::new("engine-outputs", self.outputs.len(), 0, self.outputs.len() * size_of::<Output>()));
        let bytes = entries::<(IdentityId, Destination)>(self.destinations.len());
        visit(Bound::new("destinations", self.destinations.len(), MAX_DESTINATIONS, bytes));
        // Known to three machines.
        let bytes = entries::<RouterHash>(self.connected.len() * 3 + self.congested.len());
        visit(Bound::new("engine-connected", self.connected.len(), LaneConfig::MAX_SESSIONS, bytes));
        self.dear.bounds(visit);
        self.local.bounds(visit);
        self.repetitions.bounds(visit);
        self.lookups.bounds(visit);
        visit(self.last_dates.bound());
        visit(self.replies.bound());
        visit(self.applications.bound());
        self.netdb.bounds(visit);
        self.tunnels.bounds(visit);
        for (id, destination) in &self.destinations {
            destination.bounds(&mut |bound| visit(bound.of(Some(id.0))));
        }
    }
}

/// Whose state is whose: for checks that nothing passes from one to another.
impl Engine {
    /// Whose inbound tunnel has this id with us.
    #[must_use]
    pub fn owner_of_tunnel(&self, id: TunnelId) -> Option<Owner> {
        self.tunnels.owner_of(id)
    }

    /// The ids that an owner's inbound tunnels have with us.
    pub fn tunnels_of(&self, owner: Owner) -> impl Iterator<Item = TunnelId> {
        self.tunnels.ids_of(owner)
    }

    /// The gateways and tunnel ids at which our destinations are reached, as their LeaseSets tell everybody.
    #[must_use]
    pub fn gateways(&self) -> Vec<(RouterHash, TunnelId)> {
        let leases = self.destinations.keys().flat_map(|id| self.tunnels.leases(Owner::Identity(*id)));
        leases.map(|lease| (lease.gateway, lease.tunnel)).collect()
    }

    /// A digest of all that messages can change in an owner's state: netDb answers and look-ups, sessions and their tags, duplicate
    /// filters, tunnels, streams; of the router also RouterInfos. Counts of what was dropped are left out, and so is what all share:
    /// profiles, sessions with other routers, and what the router looks for, since it fetches RouterInfos that answers to destinations
    /// name.
    ///
    /// Equal digests of one run mean equal state; they mean nothing in another build.
    #[must_use]
    pub fn fingerprint(&self, owner: Owner) -> u64 {
        let mut digest = Digest::new();
        self.tunnels.fingerprint(owner, &mut digest);
        self.netdb.fingerprint(owner, &mut digest);
        digest.add(self.dear.waiting_of(owner));
        if let Owner::Identity(id) = owner {
            if let Some(destination) = self.destinations.get(&id) {
                destination.fingerprint(&mut digest);
            }
            digest.add((self.ready.contains(&id), self.starting.contains_key(&id), self.local.waiting_of(id)));
            self.lookups.sought_for(id).for_each(|hash| digest.add(hash));
        }
        digest.finish()
    }

    /// Messages of strangers wait to be opened. [`Self::handle_timeout`] opens some of them, whomever they are for: fingerprints of all
    /// owners may change in it.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        !self.dear.is_empty() || self.tunnels.waiting_requests() > 0
    }
}

impl Engine {
    /// Opens some of what waits to be opened, and does nothing else that is due: for who wants to see what comes of one message.
    pub fn open_waiting(&mut self, now: Now) {
        self.now = now;
        self.work(now);
        self.settle(now);
    }

    /// Who is kept next to us in tunnels of an owner: towards us, and away from us. For who looks over the router's shoulder.
    #[must_use]
    pub fn next_to_us(&self, owner: Owner) -> [Vec<RouterHash>; 2] {
        self.tunnels.next_to_us(owner)
    }

    /// The routers of an owner's tunnels that are in use, gateways first: towards us, and away from us. Likewise.
    #[must_use]
    pub fn tunnel_hops(&self, owner: Owner) -> [Vec<Vec<RouterHash>>; 2] {
        self.tunnels.hops_of(owner)
    }

    /// Whether the router avoids another one as a hop, for what it did. Likewise.
    #[must_use]
    pub fn avoids(&self, now: Now, router: &RouterHash) -> bool {
        self.tunnels.is_failing(now.tick, router)
    }

    /// What a garlic message to the router's own key holds; nothing if it can't be opened. The router doesn't take it: this is for who
    /// looks over its shoulder.
    #[must_use]
    pub fn opened(&self, now: Now, garlic: &I2npMessage) -> Vec<I2npMessage> {
        let cloves = router_garlic::open(now, &self.encryption_key, garlic_body(garlic)).unwrap_or_default();
        cloves.into_iter().map(|clove| clove.message).collect()
    }

    /// Likewise what a message in a session with a destination holds.
    #[must_use]
    pub fn peek(&self, id: IdentityId, garlic: &I2npMessage) -> Option<Peeked> {
        self.destinations.get(&id)?.peek(garlic_body(garlic))
    }
}
