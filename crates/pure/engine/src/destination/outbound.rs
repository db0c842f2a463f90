//! A packet's way out: framed, sealed, and sent to one of the peer's leases; or held until it can go.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{rng, x25519};
use ramson_wire::i2np::{Data, DatabaseStore};
use ramson_wire::{
    CloveDelivery, Codec, DestinationHash, GarlicClove, I2npMessage, LeaseSet2, MessageId, MessageKind, Now, TunnelDelivery,
};

use super::peer::Held;
use super::{Destination, DestinationOutput};
use crate::session::{NEW_SESSION_SPACING, Readiness};

/// Life of our messages between destinations (Java: 60 s).
const MESSAGE_LIFE: Duration = Duration::from_secs(60);

impl Destination {
    /// Sends one framed packet, or holds it until it can go.
    pub(super) fn send_data(&mut self, now: Now, to: DestinationHash, held: Held) {
        let Self { peers, sessions, .. } = self;
        let peer = peers.entry(now.tick, to);
        let Some(key) = peer.usable_lease_set(now.date).and_then(LeaseSet2::x25519_key) else {
            peer.hold(held);
            self.look_up(now, to);
            return;
        };
        let may_go = match sessions.readiness(now, &key) {
            Readiness::Ready | Readiness::NewSession => true,
            Readiness::AwaitingReply { last } => held.retransmission && now.tick.saturating_since(last) >= NEW_SESSION_SPACING,
        };
        if may_go {
            let retransmission = held.retransmission;
            let data = self.clove(now, CloveDelivery::Destination(to), MessageKind::DATA, Data(held.framed.into()).to_bytes());
            let full = self.seal_and_send(now, to, vec![data], retransmission);
            self.streaming.set_full(now, to, full);
            if self.peers.entry(now.tick, to).wants_refresh(now) {
                self.look_up(now, to);
            }
        } else if !held.retransmission {
            // A retransmission is in the hold already, or lost to a full one: streaming sends it again.
            peer.hold(held);
        }
    }

    /// Seals cloves, with our LeaseSet when the peer needs it, and sends them to one of the peer's leases. True if the session is full then.
    pub(super) fn seal_and_send(
        &mut self,
        now: Now,
        to: DestinationHash,
        mut cloves: Vec<GarlicClove>,
        retransmission: bool,
    ) -> bool {
        let peer = self.peers.entry(now.tick, to);
        let Some(key) = peer.lease_set().and_then(LeaseSet2::x25519_key) else {
            return false;
        };
        let Some(lease) = peer.lease(now, retransmission, &mut *self.rng) else {
            return false;
        };
        let (hint, is_new) = peer.take_hint();
        if is_new {
            self.outputs.push_back(DestinationOutput::RouteChanged);
        }
        let version = self.own.version();
        let new_session = self.sessions.readiness(now, &key) != Readiness::Ready;
        let bundle = new_session || peer.needs_lease_set(version, now.tick);
        if let Some(set) = self.own.current().filter(|_| bundle) {
            let store = DatabaseStore::lease_set2(set, None).to_bytes();
            cloves.insert(0, self.clove(now, CloveDelivery::Local, MessageKind::DATABASE_STORE, store));
        }
        let sealed = match self.sessions.encrypt(now, &key, &cloves, bundle) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::debug!(%error, "a message to a destination can't be sealed");
                return false;
            }
        };
        debug_assert!(bundle || !sealed.new_session, "the peer can't answer without our LeaseSet");
        if bundle {
            self.peers.lease_set_sent(&to, version, now.tick, sealed.ack);
        }
        let message = self.message(now, MessageKind::GARLIC, sealed.body);
        let delivery = TunnelDelivery::Tunnel { gateway: lease.gateway, tunnel: lease.tunnel };
        self.outputs.push_back(DestinationOutput::Send { to, hint, delivery, message });
        sealed.full
    }

    fn clove(&mut self, now: Now, delivery: CloveDelivery, kind: MessageKind, body: Vec<u8>) -> GarlicClove {
        GarlicClove { delivery, message: self.message(now, kind, body.into()) }
    }

    fn message(&mut self, now: Now, kind: MessageKind, body: Bytes) -> I2npMessage {
        let id = MessageId(u32::from_be_bytes(rng::bytes(&mut *self.rng)));
        I2npMessage::new(kind, id, now.date + MESSAGE_LIFE, body)
    }

    /// The owner of this key takes our messages now: what was held for a session can go.
    pub(super) fn release_held(&mut self, now: Now, key: &x25519::PublicKey) {
        for hash in self.peers.users_of(key) {
            if let Some(peer) = self.peers.get_mut(&hash) {
                peer.heard(now.tick);
            }
            self.flush_held(now, hash);
            if self.streaming.is_full(&hash) {
                let full = self.sessions.is_full(now, key);
                self.streaming.set_full(now, hash, full);
            }
        }
    }

    pub(super) fn flush_held(&mut self, now: Now, hash: DestinationHash) {
        let held = self.peers.get_mut(&hash).map(|peer| std::mem::take(&mut peer.held));
        for held in held.unwrap_or_default() {
            self.send_data(now, hash, held);
        }
    }
}
