//! What one destination holds, and a digest of it.

use ramson_wire::bounds::Bound;

use super::{Destination, DestinationOutput};
use crate::fingerprint::Digest;

impl Destination {
    /// Tells all of it; the engine names the identity.
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = self.outputs.len() * size_of::<DestinationOutput>();
        visit(Bound::new("destination-outputs", self.outputs.len(), 0, bytes));
        self.peers.bounds(visit);
        self.sessions.bounds(visit);
        self.streaming.bounds(visit);
    }

    /// What messages change.
    pub(crate) fn fingerprint(&self, digest: &mut Digest) {
        digest.add(self.own.version());
        self.peers.fingerprint(digest);
        self.sessions.fingerprint(digest);
        self.streaming.fingerprint(digest);
    }
}
