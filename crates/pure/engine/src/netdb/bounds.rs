//! What the machine holds, and digests of what belongs to one owner.

use ramson_wire::bounds::{Bound, entries};

use super::{NetDb, NetDbOutput, OwnerState, config};
use crate::fingerprint::Digest;
use crate::identity::{IdentityId, Owner};

impl NetDb {
    /// Tells all of it; what is of one identity by its number.
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let shared = &self.shared;
        visit(Bound::new("netdb-outputs", shared.out.len(), 0, shared.out.len() * size_of::<NetDbOutput>()));
        visit(Bound::new("netdb-fetches", shared.fetches.len() + shared.settled.len(), 0, 0));
        shared.routers.bounds(&shared.config.limits, visit);
        self.router.bounds(visit);
        let bytes = entries::<(IdentityId, OwnerState)>(self.identities.len());
        visit(Bound::new("netdb-identities", self.identities.len(), config::MAX_IDENTITIES, bytes));
        for (id, state) in &self.identities {
            state.bounds(&mut |bound| visit(bound.of(Some(id.0))));
        }
        visit(self.floodfill.lease_sets.bound());
        visit(self.floodfill.peers.bound("netdb-limited-peers"));
        visit(self.floodfill.floods.bound("netdb-limited-floods"));
    }

    /// What messages change of an owner's state. Of the router's, what it looks for is left out: it fetches the RouterInfos that
    /// answers to destinations name, by design. They come to it in messages of its own, so all RouterInfos are its.
    pub(crate) fn fingerprint(&self, owner: Owner, digest: &mut Digest) {
        match owner {
            Owner::Router => {
                self.router.fingerprint_publication(digest);
                digest.add((self.floodfill.lease_sets.changes(), self.shared.routers.changes()));
            }
            Owner::Identity(id) => {
                if let Some(state) = self.identities.get(&id) {
                    state.fingerprint(digest);
                }
            }
        }
    }
}
