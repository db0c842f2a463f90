//! Doors for the fuzz targets: machines that otherwise only the engine drives, as they are. Behind the feature `fuzzing`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::ed25519::SigningKey;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_wire::bounds::Bound;
use ramson_wire::i2np::ReplyKey;
use ramson_wire::{Destination, DestinationHash, GarlicClove, NetDbKey, Now, SessionTag, Tick};

use crate::fingerprint::Digest;
use crate::session::{Limits, SessionEvent, Sessions, router_garlic};
pub use crate::streaming::fuzz::{EngineSide, News};
use crate::streaming::{
    CloseReason, DestinationSigner, Incoming, StreamId, StreamRings, Streaming, StreamingConfig, StreamingOutput,
};

/// Ratchet sessions of one identity.
pub struct Garlic(Sessions);

/// A message that [`Garlic::encrypt`] wrote.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Body of an I2NP Garlic message.
    pub body: Bytes,
    /// Names its confirmation, if that was asked for.
    pub ack: Option<u64>,
}

/// A message that [`Garlic::decrypt`] opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Who proved to have sent it.
    pub peer: Option<PublicKey>,
    /// What is in it.
    pub cloves: Vec<GarlicClove>,
}

/// What happened in [`Garlic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarlicEvent {
    /// This message arrived.
    Acked(u64),
    /// Something has to be sent there.
    SendDue(PublicKey),
    /// The last session with the peer is gone.
    Ended(PublicKey),
}

impl Garlic {
    /// With limits so small that they are met.
    #[must_use]
    pub fn new(key: [u8; 32], seed: u8) -> Self {
        let limits = Limits {
            sessions: 12,
            pending: 6,
            pending_per_peer: 4,
            tags: 1500,
            replay: 40,
            first_window: 24,
            window: 64,
            ratchet_after: 12,
            step_spacing: Duration::ZERO,
            ..Limits::default()
        };
        Self(Sessions::with_limits(PrivateKey::from_bytes(&key), limits, Box::new(SeededRng::new([seed; 32]))))
    }

    /// Writes a message.
    pub fn encrypt(&mut self, now: Now, to: &PublicKey, cloves: &[GarlicClove], ack: bool) -> Option<Sealed> {
        let sealed = self.0.encrypt(now, to, cloves, ack).ok()?;
        Some(Sealed { body: sealed.body, ack: sealed.ack.map(|ack| ack.0) })
    }

    /// Writes a message with any payload, as a hostile peer can; with it comes whether it begins a session.
    pub fn encrypt_raw(&mut self, now: Now, to: &PublicKey, payload: &[u8]) -> Option<(Bytes, bool)> {
        let sealed = self.0.encrypt_raw(now, to, payload).ok()?;
        Some((sealed.body, sealed.new_session))
    }

    /// A digest of what messages can change.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Digest::new();
        self.0.fingerprint(&mut digest);
        digest.finish()
    }

    /// Opens a message.
    pub fn decrypt(&mut self, now: Now, body: &Bytes) -> Option<Opened> {
        let opened = self.0.decrypt(now, body).ok()?;
        Some(Opened { peer: opened.peer, cloves: opened.cloves })
    }

    /// Expects one message under a key for one use.
    pub fn expect(&mut self, now: Now, tag: [u8; 8], key: [u8; 32]) {
        let reply = ReplyKey { key, tag: SessionTag(tag) };
        self.0.add_one_time_key(now, &reply, NetDbKey([0; 32]));
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<GarlicEvent> {
        self.0.poll_event().map(|event| match event {
            SessionEvent::Acked(ack) => GarlicEvent::Acked(ack.0),
            SessionEvent::SendDue { to } => GarlicEvent::SendDue(to),
            SessionEvent::Ended { peer } => GarlicEvent::Ended(peer),
        })
    }

    /// When it has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.0.deadline()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.0.handle_timeout(now);
    }

    /// What it holds.
    pub fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        self.0.bounds(visit);
    }
}

/// Opens a message to a router.
#[must_use]
pub fn open_to_router(now: Now, own: &PrivateKey, body: &[u8]) -> Option<Vec<GarlicClove>> {
    router_garlic::open(now, own, body).ok()
}

/// Streams of one destination.
pub struct Streams(Streaming);

/// What [`Streams`] wants.
#[derive(Debug)]
pub enum StreamsOutput {
    /// Send a packet.
    Transmit {
        /// To whom.
        to: DestinationHash,
        /// The packet.
        packet: Bytes,
    },
    /// A peer opened a stream.
    Incoming {
        /// Its name.
        stream: StreamId,
        /// Who.
        from: DestinationHash,
        /// For the handle.
        rings: Arc<StreamRings>,
    },
    /// An own stream was answered.
    Connected(StreamId),
    /// A stream is over.
    Closed(StreamId, CloseReason),
}

impl Streams {
    /// With limits so small that they are met.
    #[must_use]
    pub fn new(destination: Destination, key: SigningKey, seed: u8) -> Self {
        let config = StreamingConfig {
            max_streams: 6,
            max_streams_per_peer: 4,
            max_half_open: 3,
            max_received_bytes: 60_000,
            ..StreamingConfig::default()
        };
        let signer = Arc::new(DestinationSigner::new(destination, key));
        Self(Streaming::new(signer, config, Box::new(SeededRng::new([seed; 32]))))
    }

    /// Opens a stream.
    pub fn connect(&mut self, now: Now, stream: StreamId, to: Destination, rings: Arc<StreamRings>) {
        self.0.connect(now, stream, to, 1, 2, rings);
    }

    /// A packet came.
    pub fn handle_packet(&mut self, now: Now, packet: Bytes, proven_sender: Option<DestinationHash>) {
        self.0.handle_packet(now, Incoming { from_port: 1, to_port: 2, packet, proven_sender });
    }

    /// News of a handle.
    pub fn handle_dirty(&mut self, now: Now, stream: StreamId) {
        self.0.handle_dirty(now, stream);
    }

    /// Data must wait, or may go on.
    pub fn set_blocked(&mut self, now: Now, to: DestinationHash, blocked: bool) {
        self.0.set_blocked(now, to, blocked);
    }

    /// A destination has no LeaseSet.
    pub fn set_unreachable(&mut self, now: Now, to: DestinationHash) {
        self.0.set_unreachable(now, to);
    }

    /// Ends all streams.
    pub fn shutdown(&mut self, now: Now) {
        self.0.shutdown(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.0.handle_timeout(now);
    }

    /// When it has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.0.deadline()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<StreamsOutput> {
        self.0.poll_output().map(|output| match output {
            StreamingOutput::Transmit { to, packet, .. } => StreamsOutput::Transmit { to, packet },
            StreamingOutput::Incoming { stream, from, rings, .. } => StreamsOutput::Incoming { stream, from: from.hash(), rings },
            StreamingOutput::Connected { stream } => StreamsOutput::Connected(stream),
            StreamingOutput::Closed { stream, reason } => StreamsOutput::Closed(stream, reason),
        })
    }

    /// What it holds.
    pub fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        self.0.bounds(visit);
    }
}

impl std::fmt::Debug for Garlic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Garlic")
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}
