//! Keys, settings and limits of one identity's streaming.

use std::time::Duration;

use ramson_crypto::ed25519::SigningKey;
use ramson_wire::Destination;

use super::admission::StreamRules;

/// A destination with its signing key: what streaming signs with.
pub(crate) struct DestinationSigner {
    destination: Destination,
    key: SigningKey,
}

impl DestinationSigner {
    /// The caller sees to it that the key is the destination's.
    #[must_use]
    pub(crate) fn new(destination: Destination, key: SigningKey) -> Self {
        Self { destination, key }
    }

    /// The destination.
    #[must_use]
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).0
    }
}

impl std::fmt::Debug for DestinationSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DestinationSigner")
    }
}

/// Settings of one identity's streaming.
#[derive(Debug, Clone)]
pub(crate) struct StreamingConfig {
    /// Whether streams from others are taken; a client destination takes none and doesn't answer.
    pub accept: bool,
    /// Largest payload of a packet: 1812 for ratchet-only destinations, 1730 if older encryption is offered too.
    pub max_payload: u16,
    /// Whether pings are answered.
    pub answer_pings: bool,
    /// How long to wait for the first answer of a peer.
    pub connect_timeout: Duration,
    /// Streams of this identity, both ways. Beyond: own ones fail, foreign ones are reset.
    pub max_streams: usize,
    /// Streams that one peer may have opened to us. Beyond: reset.
    pub max_streams_per_peer: usize,
    /// Foreign streams whose opener hasn't acknowledged our answer. Beyond: dropped in silence.
    pub max_half_open: usize,
    /// Received bytes that wait for readers or for missing packets, over all streams. Beyond: only what comes in order
    /// and finds its reader nearly caught up is taken.
    pub max_received_bytes: usize,
    /// Which foreign streams are taken. Beyond: reset, then no answer.
    pub rules: StreamRules,
    /// Name of the first foreign stream; they count up. See `StreamId::first_incoming`.
    pub first_incoming: super::StreamId,
}

impl Default for StreamingConfig {
    fn default() -> Self {
        Self {
            accept: true,
            max_payload: 1812,
            answer_pings: true,
            connect_timeout: Duration::from_secs(60),
            max_streams: 2048,
            max_streams_per_peer: 256,
            max_half_open: 256,
            max_received_bytes: 64 << 20,
            rules: StreamRules::default(),
            first_incoming: super::StreamId::first_incoming(0),
        }
    }
}
