//! Messages to this router that came before: whoever saw one could send it again and watch what we do.
//!
//! What comes through own tunnels is for their owners' filters, tunnel messages for the lane's, build requests for that of transit. Here is
//! what else routers send each other: garlic is known by its key, since anybody can write another id around it, and the rest by message id
//! and expiration. A bare look-up under a new id is no repetition but a new message.

use std::time::Duration;

use ramson_wire::bounds::Bound;
use ramson_wire::{I2npMessage, MessageKind, Tick};

use crate::session::router_garlic;
use crate::tunnel::recent::{Recent, Seen};

/// Remembered at least so long, unless more come than are kept. A message is good for a minute or two.
const KEEP: Duration = Duration::from_secs(600);
/// Messages remembered, twice at most. More within [`KEEP`]: the oldest are forgotten early.
const MAX_MESSAGES: usize = 65_536;
/// Opened garlic likewise.
const MAX_OPENED: usize = 16_384;

/// Known by what is in them, so that a flood of these makes nothing else forgotten.
const KNOWN_OTHERWISE: [MessageKind; 6] = [
    MessageKind::TUNNEL_DATA,
    MessageKind::TUNNEL_GATEWAY,
    MessageKind::GARLIC,
    MessageKind::SHORT_TUNNEL_BUILD,
    MessageKind::VARIABLE_TUNNEL_BUILD,
    MessageKind::TUNNEL_BUILD,
];

/// See the module.
pub(super) struct Repetitions {
    messages: Recent<(u32, u64)>,
    opened: Recent<[u8; 32]>,
    /// Messages that came before.
    pub(super) dropped: u64,
}

impl Repetitions {
    pub(super) fn new(now: Tick) -> Self {
        Self { messages: Recent::new(now, KEEP, MAX_MESSAGES), opened: Recent::new(now, KEEP, MAX_OPENED), dropped: 0 }
    }

    /// Whether this message came before. It is remembered.
    pub(super) fn is_message(&mut self, now: Tick, message: &I2npMessage) -> bool {
        if KNOWN_OTHERWISE.contains(&message.kind) {
            return false;
        }
        let before = self.messages.see(now, (message.id.0, message.expiration.0)) == Seen::Before;
        self.dropped += u64::from(before);
        before
    }

    /// Whether garlic with this body was opened before.
    pub(super) fn was_opened(&mut self, body: &[u8]) -> bool {
        let before = router_garlic::ephemeral(body).is_some_and(|key| self.opened.contains(&key));
        self.dropped += u64::from(before);
        before
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        visit(self.messages.bound("messages-remembered"));
        visit(self.opened.bound("router-garlic-remembered"));
    }

    /// It is opened now.
    pub(super) fn opened(&mut self, now: Tick, body: &[u8]) {
        if let Some(key) = router_garlic::ephemeral(body) {
            self.opened.see(now, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ramson_wire::{Date, MessageId};

    #[test]
    fn messages_are_known_by_id_and_expiration() {
        let mut repetitions = Repetitions::new(Tick(0));
        let mut came = |kind, id, expiration| {
            repetitions.is_message(Tick(0), &I2npMessage::new(kind, MessageId(id), Date(expiration), Bytes::new()))
        };
        assert!(!came(MessageKind::DATABASE_LOOKUP, 1, 1_000));
        assert!(came(MessageKind::DATABASE_LOOKUP, 1, 1_000));
        assert!(!came(MessageKind::DATABASE_LOOKUP, 1, 2_000));
        assert!(!came(MessageKind::DATABASE_STORE, 2, 1_000));
        for kind in KNOWN_OTHERWISE {
            assert!(!came(kind, 2, 1_000) && !came(kind, 2, 1_000));
        }
        assert_eq!(repetitions.dropped, 1);
    }

    /// Found by the scenario `flood`, seed 3: after a flood of build requests a repeated store was confirmed once more.
    #[test]
    fn a_flood_of_what_is_known_otherwise_makes_nothing_forgotten() {
        let mut repetitions = Repetitions::new(Tick(0));
        let mut came = |kind, id| repetitions.is_message(Tick(0), &I2npMessage::new(kind, MessageId(id), Date(9), Bytes::new()));
        assert!(!came(MessageKind::DATABASE_STORE, 7));
        for id in 0..200_000 {
            came(KNOWN_OTHERWISE[id as usize % KNOWN_OTHERWISE.len()], id);
        }
        assert!(came(MessageKind::DATABASE_STORE, 7));
    }

    #[test]
    fn garlic_is_known_by_its_key() {
        let mut repetitions = Repetitions::new(Tick(0));
        let mut body = 40_u32.to_be_bytes().to_vec();
        body.extend([7; 40]);
        assert!(!repetitions.was_opened(&body));
        repetitions.opened(Tick(0), &body);
        assert!(repetitions.was_opened(&body));
        body[10] ^= 1;
        assert!(!repetitions.was_opened(&body));
    }
}
