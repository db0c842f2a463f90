//! What is held of remote destinations, and a digest of it.

use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{DestinationHash, LeaseSet2, Tick};

use super::{Connect, Held, MAX_CONNECTS, MAX_HELD, MAX_PEERS, MAX_REQUESTS, MAX_WAITED_FOR, Peer, Peers};
use crate::fingerprint::Digest;
use crate::interface::RequestId;
use crate::session::AckId;

impl Peers {
    pub(in crate::destination) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut connects, mut requests, mut held) = (Fullest::default(), Fullest::default(), Fullest::default());
        let mut bytes = entries::<(DestinationHash, Peer)>(self.by_hash.len());
        for peer in self.by_hash.values() {
            bytes += peer.lease_set.as_ref().map_or(0, LeaseSet2::held_bytes);
            connects.add(peer.connects.len(), peer.connects.capacity() * size_of::<Connect>());
            requests.add(peer.requests.len(), peer.requests.capacity() * size_of::<RequestId>());
            held.add(peer.held.len(), peer.held.iter().map(|held| size_of::<Held>() + held.framed.capacity()).sum());
        }
        visit(Bound::new("destination-peers", self.by_hash.len(), MAX_PEERS, bytes));
        visit(connects.bound("destination-connects-waiting", MAX_CONNECTS));
        visit(requests.bound("destination-questions-waiting", MAX_REQUESTS));
        visit(held.bound("destination-packets-held", MAX_HELD));
        visit(self.owners.bound(MAX_PEERS));
        let bytes = entries::<DestinationHash>(self.waited_for.len());
        visit(Bound::new("destination-waited-for", self.waited_for.len(), MAX_WAITED_FOR, bytes));
        let bytes = entries::<(Tick, DestinationHash)>(self.retries.len());
        visit(Bound::new("destination-retries", self.retries.len(), MAX_WAITED_FOR, bytes));
        visit(Bound::new(
            "destination-acks-awaited",
            self.acks.len(),
            MAX_PEERS,
            entries::<(AckId, DestinationHash)>(self.acks.len()),
        ));
    }

    /// What messages change.
    pub(in crate::destination) fn fingerprint(&self, digest: &mut Digest) {
        for (hash, peer) in &self.by_hash {
            digest.add((hash, peer.lease_set.as_ref().map(LeaseSet2::published)));
            digest.add((peer.connects.len(), &peer.requests, peer.held.len()));
            digest.add((peer.looking_up, peer.next_lookup, peer.wanted_since, peer.bundle));
            digest.add((peer.route, peer.used_route, peer.switched, peer.switches));
        }
        self.owners.proven().for_each(|owner| digest.add(owner));
        digest.add(&self.retries);
    }
}
