//! One local destination: its LeaseSet, its ratchet sessions, its streams, and what it knows of remote ones.
//!
//! A machine like the others: `handle_*` and commands feed it, [`Destination::poll_output`] is drained after each, and
//! [`Destination::deadline`] says when [`Destination::handle_timeout`] is wanted. All state in here belongs to one identity; the
//! engine gives it only what came through that identity's tunnels.
//!
//! A packet's way out: streaming → gzip framing → clove → (the peer's LeaseSet known? a session that may carry it?) → ratchet →
//! one of the peer's leases, through one of our outbound tunnels. What can't go yet is held with its peer, bounded; streaming
//! sends again what is lost.

mod bounds;
mod lease_set;
mod outbound;
mod owners;
mod peer;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{CryptoRng, ed25519, x25519};
use ramson_wire::i2np::{Data, DatabaseStore, ReplyKey, StoreEntry};
use ramson_wire::{
    CloveDelivery, Codec, Date, DestinationHash, DestinationKeys, GarlicClove, I2npMessage, LeaseSet2, MessageKind, NetDbKey,
    Now, Seconds32, Tick, TunnelDelivery, Unverified, payload,
};

use crate::identity::IdentityId;
use crate::interface::{DestinationConfig, Event, RequestId};
use crate::netdb;
use crate::session::{Classified, Opened, Peeked, Readiness, SessionEvent, Sessions};
use crate::streaming::{CloseReason, DestinationSigner, Incoming, StreamId, Streaming, StreamingConfig, StreamingOutput};
use crate::tunnel::InboundLease;
pub(crate) use lease_set::LastDates;
use lease_set::OwnLeaseSet;
use peer::{Held, Peers, Waiter};

/// What a destination wants done.
#[derive(Debug)]
pub(crate) enum DestinationOutput {
    /// Send through an outbound tunnel of this identity. Equal hints take the same tunnel.
    Send {
        /// Whom it is for.
        to: DestinationHash,
        /// Chooses the tunnel.
        hint: u64,
        /// Where from its end.
        delivery: TunnelDelivery,
        /// What.
        message: I2npMessage,
    },
    /// Messages to some peer take another tunnel from now on: answer with [`Destination::set_congestion`].
    RouteChanged,
    /// Ask the network for a LeaseSet; answer with [`Destination::lookup_done`].
    Lookup(DestinationHash),
    /// Our LeaseSet changed and is to be published.
    Publish(LeaseSet2),
    /// A netDb message that came down our tunnels.
    NetDb(I2npMessage),
    /// For the services.
    Event(Event),
}

/// A local destination. See the module.
pub(crate) struct Destination {
    id: IdentityId,
    pub(crate) name: String,
    pub(crate) config: DestinationConfig,
    signing_key: ed25519::SigningKey,
    own: OwnLeaseSet,
    sessions: Sessions,
    streaming: Streaming,
    peers: Peers,
    rng: Box<dyn CryptoRng + Send>,
    outputs: VecDeque<DestinationOutput>,
}

impl Destination {
    pub(crate) fn new(
        now: Now,
        id: IdentityId,
        name: String,
        keys: &DestinationKeys,
        config: DestinationConfig,
        rng: &SeededRng,
    ) -> Self {
        let child = |label: &str| Box::new(rng.child(label));
        let address = keys.destination().clone();
        let copy = || ed25519::SigningKey::from_seed(&keys.signing_key().seed());
        // Never kept over a restart: sessions are known by it, and peers hold on to those they have.
        let encryption_key = x25519::PrivateKey::generate(&mut *child("encryption key"));
        let streaming_config = StreamingConfig {
            accept: config.accept,
            rules: config.streams.clone(),
            first_incoming: StreamId::first_incoming(id.0),
            ..StreamingConfig::default()
        };
        let signer = Arc::new(DestinationSigner::new(address.clone(), copy()));
        Self {
            id,
            name,
            own: OwnLeaseSet::new(address, encryption_key.public(), !config.publish),
            config,
            signing_key: copy(),
            sessions: Sessions::new(encryption_key, child("sessions")),
            streaming: Streaming::new(signer, streaming_config, child("streaming")),
            peers: Peers::new(now.tick),
            rng: child("destination"),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn hash(&self) -> DestinationHash {
        self.own.address().hash()
    }

    /// What our LeaseSet tells peers to encrypt to.
    #[cfg(test)]
    pub(crate) fn encryption_key(&self) -> x25519::PublicKey {
        self.sessions.public_key()
    }

    /// A LeaseSet stands: peers can answer us.
    pub(crate) fn has_lease_set(&self) -> bool {
        self.own.current().is_some()
    }

    /// It was open a moment ago, and published a LeaseSet of this date: the next one is later.
    pub(crate) fn go_on_from(&mut self, published: Option<Seconds32>) {
        self.own.go_on_from(published);
    }

    /// The date of the last LeaseSet.
    pub(crate) fn published(&self) -> Option<Seconds32> {
        self.own.published()
    }

    // ---- commands

    /// Opens a stream: at once if the peer's LeaseSet is known, else when it is found.
    pub(crate) fn connect(&mut self, now: Now, to: DestinationHash, waiting: peer::Connect) {
        match self.peers.known_destination(now, &to) {
            Some(destination) => {
                let peer::Connect { stream, from_port, to_port, rings } = waiting;
                self.streaming.connect(now, stream, destination, from_port, to_port, rings);
            }
            None => self.wait(now, to, Waiter::Connect(waiting)),
        }
        self.drain(now);
    }

    /// Answers with the destination behind a hash.
    pub(crate) fn look_up_for(&mut self, now: Now, request: RequestId, hash: DestinationHash) {
        match self.peers.known_destination(now, &hash) {
            Some(destination) => self.answer(request, Some(destination)),
            None => self.wait(now, hash, Waiter::Request(request)),
        }
    }

    fn wait(&mut self, now: Now, hash: DestinationHash, waiter: Waiter) {
        match self.peers.wait(now.tick, hash, waiter) {
            Ok(()) => self.look_up(now, hash),
            Err(Waiter::Connect(connect)) => self.refuse(connect, CloseReason::Limit),
            Err(Waiter::Request(request)) => self.answer(request, None),
        }
    }

    fn answer(&mut self, request: RequestId, destination: Option<ramson_wire::Destination>) {
        let destination = destination.map(Box::new);
        self.outputs.push_back(DestinationOutput::Event(Event::LookupResult { request, destination }));
    }

    pub(crate) fn handle_dirty(&mut self, now: Now, stream: StreamId) {
        self.streaming.handle_dirty(now, stream);
        self.drain(now);
    }

    /// Ends all streams, and answers whoever waits.
    pub(crate) fn shutdown(&mut self, now: Now) {
        self.streaming.shutdown(now);
        for hash in self.peers.waited_for() {
            self.refuse_waiting(&hash, CloseReason::Shutdown);
        }
        self.drain(now);
    }

    // ---- from the engine

    /// Our inbound tunnels changed.
    pub(crate) fn set_leases(&mut self, now: Now, leases: Vec<InboundLease>) {
        self.own.set_leases(now, leases);
        self.renew_lease_set(now);
    }

    /// A look-up ended.
    pub(crate) fn lookup_done(&mut self, now: Now, hash: DestinationHash, found: Option<LeaseSet2>) {
        if let Some(peer) = self.peers.get_mut(&hash) {
            peer.lookup_ended(now.tick);
        }
        match found {
            Some(set) => self.learn(now, set),
            None => self.not_found(now, hash),
        }
        self.drain(now);
    }

    /// The date of the LeaseSet that we have of a peer.
    pub(crate) fn known_since(&mut self, hash: &DestinationHash) -> Option<Date> {
        self.peers.get_mut(hash)?.lease_set().map(LeaseSet2::published)
    }

    /// Whether data to each peer must wait, because the session to the first hop of the tunnel it takes is congested.
    pub(crate) fn set_congestion(&mut self, now: Now, is_congested: impl Fn(u64) -> bool) {
        for (hash, hint) in self.peers.hints() {
            self.streaming.set_blocked(now, hash, is_congested(hint));
        }
        self.drain(now);
    }

    /// Whether opening this garlic message costs key agreements with a stranger.
    pub(crate) fn classify(&self, body: &[u8]) -> Classified {
        self.sessions.classify(body)
    }

    /// What a garlic message holds, which isn't taken by this.
    pub(crate) fn peek(&self, body: &[u8]) -> Option<Peeked> {
        self.sessions.peek(body)
    }

    /// A one-time key under which a look-up's answer will come.
    pub(crate) fn expect_reply(&mut self, now: Now, reply: &ReplyKey, asked: NetDbKey) {
        self.sessions.add_one_time_key(now, reply, asked);
    }

    /// A garlic message came through one of our tunnels.
    pub(crate) fn handle_garlic(&mut self, now: Now, body: &[u8]) {
        match self.sessions.decrypt(now, body) {
            Ok(Opened { asked: Some(asked), cloves, .. }) => {
                let answers = cloves.into_iter().map(|clove| clove.message).filter(|message| netdb::is_answer(&asked, message));
                self.outputs.extend(answers.map(DestinationOutput::NetDb));
            }
            Ok(opened) => {
                // LeaseSets first: they tell who sent the rest.
                let (stores, rest): (Vec<_>, Vec<_>) =
                    opened.cloves.into_iter().partition(|clove| clove.message.kind == MessageKind::DATABASE_STORE);
                for clove in stores {
                    self.handle_store(now, opened.peer, clove.message);
                }
                for clove in rest {
                    self.handle_clove(now, opened.peer, clove);
                }
                if let Some(key) = opened.peer {
                    self.release_held(now, &key);
                }
            }
            Err(error) => tracing::debug!(%error, "a garlic message for a destination can't be opened"),
        }
        self.drain(now);
    }

    // ---- time

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.sessions.handle_timeout(now);
        self.streaming.handle_timeout(now);
        if self.own.renewal_due(now.tick) {
            self.renew_lease_set(now);
        }
        while let Some(hash) = self.peers.next_retry(now.tick) {
            self.look_up_again(hash);
        }
        self.peers.expire(now);
        self.drain(now);
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        [self.sessions.deadline(), self.streaming.deadline(), self.own.deadline(), self.peers.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<DestinationOutput> {
        self.outputs.pop_front()
    }

    // ---- inside

    fn handle_store(&mut self, now: Now, key: Option<x25519::PublicKey>, message: I2npMessage) {
        let Some(key) = key else {
            return; // its sender is nobody
        };
        match DatabaseStore::from_bytes(&message.body) {
            Ok(DatabaseStore { entry: StoreEntry::LeaseSet2(set), .. }) => self.learn_of_sender(now, key, set),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a bundled store can't be read"),
        }
    }

    /// A session's peer sends its own LeaseSet along. Whose it is is proven by both keys: the LeaseSet's signature covers the
    /// session's key.
    fn learn_of_sender(&mut self, now: Now, key: x25519::PublicKey, set: Unverified<LeaseSet2>) {
        let hash = set.destination().hash();
        if self.peers.prove(&key, hash, set.published()) {
            return;
        }
        match netdb::accept(now.date, &hash.into(), set) {
            Ok(set) if set.x25519_key() == Some(key) => {
                let published = set.published();
                self.learn(now, set);
                self.peers.prove(&key, hash, published);
            }
            Ok(_) => tracing::debug!("a bundled LeaseSet isn't its sender's"),
            Err(reject) => tracing::debug!(reason = reject.name(), "a bundled LeaseSet isn't taken"),
        }
    }

    /// A verified LeaseSet of a remote destination.
    fn learn(&mut self, now: Now, set: LeaseSet2) {
        let hash = set.destination().hash();
        let destination = set.destination().clone();
        self.peers.learn(now, set);
        let (connects, requests) = self.peers.take_waiting(&hash);
        for request in requests {
            self.answer(request, Some(destination.clone()));
        }
        for peer::Connect { stream, from_port, to_port, rings } in connects {
            self.streaming.connect(now, stream, destination.clone(), from_port, to_port, rings);
        }
        self.flush_held(now, hash);
    }

    fn not_found(&mut self, now: Now, hash: DestinationHash) {
        if self.peers.retry_later(now.tick, hash) {
            return;
        }
        let peer = self.peers.get_mut(&hash);
        if peer.as_ref().is_none_or(|peer| peer.usable_lease_set(now.date).is_none()) {
            peer.into_iter().for_each(|peer| peer.held.clear());
            self.streaming.set_unreachable(now, hash);
        }
        self.refuse_waiting(&hash, CloseReason::Unreachable);
    }

    fn refuse_waiting(&mut self, hash: &DestinationHash, reason: CloseReason) {
        let (connects, requests) = self.peers.take_waiting(hash);
        for request in requests {
            self.answer(request, None);
        }
        for connect in connects {
            self.refuse(connect, reason);
        }
    }

    fn refuse(&mut self, connect: peer::Connect, reason: CloseReason) {
        connect.rings.set_closed(reason);
        let closed = Event::StreamClosed { id: self.id, stream: connect.stream, reason };
        self.outputs.push_back(DestinationOutput::Event(closed));
    }

    /// Somebody still waits for this LeaseSet.
    fn look_up_again(&mut self, hash: DestinationHash) {
        if self.peers.get_mut(&hash).is_some_and(|peer| peer.begin_retry()) {
            self.outputs.push_back(DestinationOutput::Lookup(hash));
        }
    }

    fn look_up(&mut self, now: Now, hash: DestinationHash) {
        if self.peers.entry(now.tick, hash).begin_lookup(now.tick) {
            self.outputs.push_back(DestinationOutput::Lookup(hash));
        }
    }

    fn handle_clove(&mut self, now: Now, key: Option<x25519::PublicKey>, clove: GarlicClove) {
        match clove.delivery {
            CloveDelivery::Local => {}
            CloveDelivery::Destination(hash) if hash == self.hash() => {}
            // Nobody is forwarded for: that would join our identity to others'.
            _ => return,
        }
        match clove.message.kind {
            MessageKind::DATA => self.handle_data(now, key, &clove.message),
            MessageKind::DELIVERY_STATUS => {
                self.outputs.push_back(DestinationOutput::NetDb(clove.message));
            }
            _ => {}
        }
    }

    fn handle_data(&mut self, now: Now, key: Option<x25519::PublicKey>, message: &I2npMessage) {
        let framed = Data::from_bytes(&message.body).and_then(|data| payload::decode(&data.0, payload::MAX_PAYLOAD_LEN));
        match framed {
            Ok(data) if data.protocol == payload::STREAMING => {
                let incoming = Incoming {
                    from_port: data.from_port,
                    to_port: data.to_port,
                    packet: Bytes::from(data.data),
                    proven_sender: key.and_then(|key| self.peers.owner_of(&key)),
                };
                self.streaming.handle_packet(now, incoming);
            }
            Ok(data) => {
                let event = Event::Datagram {
                    id: self.id,
                    protocol: data.protocol,
                    from: key.and_then(|key| self.peers.owner_of(&key)),
                    from_port: data.from_port,
                    to_port: data.to_port,
                    payload: Bytes::from(data.data),
                };
                self.outputs.push_back(DestinationOutput::Event(event));
            }
            Err(error) => tracing::debug!(%error, "a payload can't be read"),
        }
    }

    /// Passes on what the machines inside want.
    fn drain(&mut self, now: Now) {
        loop {
            if let Some(output) = self.streaming.poll_output() {
                self.handle_streaming(now, output);
            } else if let Some(event) = self.sessions.poll_event() {
                self.handle_session(now, event);
            } else {
                return;
            }
        }
    }

    fn handle_streaming(&mut self, now: Now, output: StreamingOutput) {
        let event = match output {
            StreamingOutput::Transmit { to, from_port, to_port, packet, retransmission } => {
                let framed = payload::encode(from_port, to_port, payload::STREAMING, &packet);
                self.send_data(now, to, Held { framed, retransmission });
                return;
            }
            StreamingOutput::Incoming { stream, from, from_port, to_port, rings } => {
                Event::Incoming { id: self.id, stream, from: Box::new(from), from_port, to_port, rings }
            }
            StreamingOutput::Connected { stream } => Event::StreamConnected { id: self.id, stream },
            StreamingOutput::Closed { stream, reason } => Event::StreamClosed { id: self.id, stream, reason },
        };
        self.outputs.push_back(DestinationOutput::Event(event));
    }

    fn handle_session(&mut self, now: Now, event: SessionEvent) {
        match event {
            SessionEvent::Acked(ack) => self.peers.acked(ack),
            SessionEvent::SendDue { to } => {
                // What is due belongs to a session: if that can't be sent in any more, a new one would bring nothing but itself.
                if self.sessions.readiness(now, &to) == Readiness::Ready
                    && let Some(hash) = self.peers.owner_of(&to).or_else(|| self.peers.users_of(&to).first().copied())
                {
                    self.seal_and_send(now, hash, Vec::new(), false);
                }
            }
            SessionEvent::Ended { peer } => self.peers.session_ended(&peer),
        }
    }

    fn renew_lease_set(&mut self, now: Now) {
        if let Some(set) = self.own.renew(now, &self.signing_key)
            && self.config.publish
        {
            self.outputs.push_back(DestinationOutput::Publish(set));
        }
    }
}

/// The I2NP Garlic body of a message.
pub(crate) fn garlic_body(message: &I2npMessage) -> &[u8] {
    // The body keeps its own length field; see `Garlic`.
    debug_assert!(message.kind == MessageKind::GARLIC);
    &message.body
}

/// Streams that wait for their peer, as the engine hands them over.
pub(crate) use peer::Connect;
