//! All tunnels of the network, put together from what each hop was told.

use std::collections::{BTreeMap, BTreeSet};

use ramson_aes::LayerKeys;
use ramson_lane::{Relay, RelayRole};
use ramson_wire::i2np::TunnelData;
use ramson_wire::{Codec, I2npMessage, RouterHash, Tick, TunnelId};

/// A tunnel at one of its hops: the router, and the id on which it receives.
pub(crate) type Place = (RouterHash, TunnelId);

/// No tunnel has more hops; what is longer is a loop.
const MAX_HOPS: usize = 16;

/// What a hop was told.
struct Hop {
    role: RelayRole,
    keys: LayerKeys,
    previous: Option<RouterHash>,
}

impl Hop {
    fn next(&self) -> Option<Place> {
        match self.role {
            RelayRole::Participant { next, next_tunnel } | RelayRole::Gateway { next, next_tunnel } => Some((next, next_tunnel)),
            RelayRole::Endpoint => None,
        }
    }
}

/// A tunnel message as a hop receives it.
pub(crate) struct Step {
    pub(crate) from: RouterHash,
    pub(crate) place: Place,
    pub(crate) message: I2npMessage,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Paths {
    hops: BTreeMap<Place, Hop>,
    /// From where a hop gets its messages.
    into: BTreeMap<Place, Place>,
    ends: BTreeSet<(Tick, Place)>,
}

impl Paths {
    /// A hop agreed.
    pub(crate) fn install(&mut self, at: Tick, router: RouterHash, relay: &Relay) {
        self.expire(at);
        let place = (router, relay.tunnel);
        let hop = Hop { role: relay.role, keys: relay.keys.clone(), previous: relay.previous };
        if let Some(next) = hop.next() {
            self.into.insert(next, place);
        }
        self.hops.insert(place, hop);
        self.ends.insert((relay.expires, place));
    }

    fn expire(&mut self, now: Tick) {
        while let Some((end, place)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.remove(&(end, place));
            let next = self.hops.remove(&place).and_then(|hop| hop.next());
            if let Some(next) = next.filter(|next| self.into.get(next) == Some(&place)) {
                self.into.remove(&next);
            }
        }
    }

    /// All routers of the tunnel that a hop belongs to, as far as it is built, in the order of its messages. Its owner is one of them.
    pub(crate) fn routers(&self, place: Place) -> Vec<RouterHash> {
        let mut first = place;
        for _ in 0..MAX_HOPS {
            match self.into.get(&first) {
                Some(before) if *before != place => first = *before,
                _ => break,
            }
        }
        let mut routers = Vec::new();
        // Before the first hop of an outbound tunnel is its owner.
        routers.extend(self.hops.get(&first).and_then(|hop| hop.previous));
        let mut next = Some(first);
        while let Some(place) = next.filter(|_| routers.len() < MAX_HOPS) {
            routers.push(place.0);
            next = self.hops.get(&place).and_then(Hop::next);
        }
        routers
    }

    /// From where messages come to a place.
    pub(crate) fn before(&self, place: Place) -> Option<Place> {
        self.into.get(&place).copied()
    }

    /// Takes the layers of all hops off what came to the owner of an inbound tunnel at this place. False: they aren't known.
    pub(crate) fn peel(&self, place: Place, data: &mut [u8; 1024]) -> bool {
        let mut at = place;
        for _ in 0..MAX_HOPS {
            let Some(before) = self.before(at) else { return at != place };
            let Some(hop) = self.hops.get(&before) else { return false };
            hop.keys.decrypt(data);
            at = before;
        }
        false
    }

    /// What becomes of a tunnel message at each hop that it is relayed by, and what the endpoint finds under the layers.
    pub(crate) fn follow(&self, from: RouterHash, to: RouterHash, message: &I2npMessage) -> (Vec<Step>, Option<Box<[u8; 1024]>>) {
        let mut steps = Vec::new();
        let Ok(TunnelData { tunnel, mut data }) = TunnelData::from_bytes(&message.body) else { return (steps, None) };
        let (mut from, mut place) = (from, (to, tunnel));
        while let Some(hop) = self.hops.get(&place).filter(|_| steps.len() < MAX_HOPS) {
            let body = TunnelData { tunnel: place.1, data: data.clone() }.to_bytes();
            steps.push(Step { from, place, message: I2npMessage { body: body.into(), ..message.clone() } });
            hop.keys.encrypt(&mut data);
            match hop.next() {
                Some(next) => (from, place) = (place.0, next),
                None => return (steps, Some(data)),
            }
        }
        (steps, None)
    }
}
