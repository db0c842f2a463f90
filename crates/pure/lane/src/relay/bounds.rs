//! What the relay table holds.

use ramson_wire::TunnelId;
use ramson_wire::bounds::{Bound, entries};

use super::{BODY_LEN, Entering, Entry, Job, RelayTable};
use crate::limits::{MAX_OWN_TUNNELS, MAX_REASSEMBLY_BYTES, MAX_TURN_MESSAGES};
use crate::tunnel_data::Held;

/// Two expanded AES keys of a tunnel.
const LAYER_BYTES: usize = 2 * 15 * 16;

impl RelayTable {
    /// Asked between turns.
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let relays = entries::<(TunnelId, Entry)>(self.relays.len()) + self.relays.len() * LAYER_BYTES;
        visit(Bound::new("relays", self.relays.len(), self.max_relays, relays));
        // A router that is alone has some too: those of tunnels without hops.
        visit(Bound::new("relay-own-ids", self.own.len(), MAX_OWN_TUNNELS, entries::<TunnelId>(self.own.len())).lasting());
        visit(self.filter.bound());
        visit(Bound::new(
            "relay-turn-messages",
            self.batch.len(),
            MAX_TURN_MESSAGES,
            self.batch.len() * (BODY_LEN + size_of::<Job>()),
        ));
        let entering = self.entering.values().flatten().map(|entering| entering.message.len() + size_of::<Entering>()).sum();
        visit(Bound::new("relay-turn-entering", self.entering_count, MAX_TURN_MESSAGES, entering));
        visit(Bound::new("relay-reassembly-bytes", self.assembling_bytes, MAX_REASSEMBLY_BYTES, 0));
        let mut held = Held::default();
        for state in self.relays.values().filter_map(|entry| entry.endpoint.as_deref()) {
            state.endpoint.hold(&mut held);
        }
        held.bounds(visit);
    }
}
